/*
 * hint.c
 *	  What to write instead of an operator that encrypted values do not have.
 *
 * The parser says that an operator (<, LIKE, ->), a function (min, length) or
 * an operator class does not exist, and suggests to declare one.  Operators of
 * ours that only refuse would say it better, but they would be there: in every
 * \do, in every search for a cast that fits.  So the parser's error is raised
 * as it is, and its hint is put right on its way out.  Nothing is looked up
 * here but the message, which holds names of types whatever its language is.
 */
#include "base/compat.h"

#include "enctype/hint.h"
#include "enctype/kind.h"

/* The types of ours that a message names, at most two. */
typedef struct Named
{
	const GdprKind *first;
	const GdprKind *second; /* another than the first */
	bool qualified;			/* with its schema, which search_path lacks */
} Named;

static bool
is_identifier(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		   (c >= '0' && c <= '9') || c == '_' || c == '$' || IS_HIGHBIT_SET(c);
}

static void
look_for(const char *message, const GdprKind *kind, Named *named)
{
	size_t length = strlen(kind->type_name);

	for (const char *at = strstr(message, kind->type_name); at != NULL;
		 at = strstr(at + length, kind->type_name))
	{
		if ((at > message && is_identifier(at[-1])) ||
			is_identifier(at[length]))
			continue;
		if (at > message && at[-1] == '.')
			named->qualified = true;
		if (named->first == NULL)
			named->first = kind;
		else if (named->first != kind)
			named->second = kind;
	}
}

static Named
names_in(const char *message)
{
	Named named = {NULL, NULL, false};

	for (int kind = 1; kind <= GDPR_KIND_COUNT; kind++)
		look_for(message, gdpr_kind_of(kind), &named);
	return named;
}

static char *
hint_about(const Named *named)
{
	if (named->qualified)
		return pstrdup(
			"The operators of encrypted types are found by search_path: add the schema that the extension was created in.");
	if (named->second != NULL)
		return pstrdup(
			"Values of different encrypted types are not compared. Cast both to the plaintext, as a role that may read it.");
	if (named->first->canonical != NULL)
		return psprintf(
			"Encrypted values have = and <>, and B-tree and hash indexes for them. For all else use the plaintext, as a role that may read it: value::%s.",
			named->first->base_name);
	return psprintf(
		"Values of type %s have neither operators nor indexes. Use the plaintext, as a role that may read it: value::%s.",
		named->first->type_name, named->first->base_name);
}

/* "Type does not exist" has the code of operator classes, but no hint. */
static bool
is_about_operators(const ErrorData *edata)
{
	return edata->sqlerrcode == ERRCODE_UNDEFINED_FUNCTION ||
		   (edata->sqlerrcode == ERRCODE_UNDEFINED_OBJECT &&
			edata->hint != NULL);
}

void
gdpr_hint_report(ErrorData *edata)
{
	Named named;

	if (edata->elevel != ERROR || edata->message == NULL ||
		!is_about_operators(edata))
		return;
	named = names_in(edata->message);
	if (named.first != NULL)
		edata->hint = hint_about(&named);
}
