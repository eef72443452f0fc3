/*
 * options.c
 *	  The jsonb argument "options" that ends every growing verb.
 *
 * A new option is a new key, not a new signature, so that grants and views on
 * a verb outlive updates.  A key that no verb knows is refused, because an
 * option that is silently ignored is a promise not kept.
 */
#include "base/compat.h"

#include "base/options.h"
#include "lib/stringinfo.h"

static void
refuse_key(const GdprOption *known, int nknown)
{
	StringInfoData names;

	initStringInfo(&names);
	for (int i = 0; i < nknown; i++)
		appendStringInfo(&names, "%s%s", i ? ", " : "", known[i].name);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown option"),
			 nknown == 0 ? errhint("There are no options here yet.") :
			 errhint("The options here are: %s.", names.data)));
}

static const GdprOption *
find_option(const JsonbValue *key, const GdprOption *known, int nknown)
{
	for (int i = 0; i < nknown; i++)
	{
		if (strlen(known[i].name) == (size_t) key->val.string.len &&
			memcmp(known[i].name, key->val.string.val, key->val.string.len) ==
				0)
			return &known[i];
	}
	refuse_key(known, nknown);
	return NULL;
}

static void
take_value(const GdprOption *option, const JsonbValue *value)
{
	if (value->type == jbvNull)
		return;
	if (option->text != NULL && value->type == jbvString)
		*option->text = pnstrdup(value->val.string.val, value->val.string.len);
	else if (option->flag != NULL && value->type == jbvBool)
		*option->flag = value->val.boolean;
	else
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"%s\" must be a %s", option->name,
						option->text ? "string" : "boolean")));
}

void
gdpr_options_parse(Jsonb *options, const GdprOption *known, int nknown)
{
	JsonbIterator *it = JsonbIteratorInit(&options->root);
	JsonbIteratorToken token;
	JsonbValue value;
	const GdprOption *option = NULL;

	if (!JB_ROOT_IS_OBJECT(options))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("options must be a json object")));

	/* Nested values are not descended into: take_value() refuses them. */
	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			option = find_option(&value, known, nknown);
		else if (token == WJB_VALUE)
			take_value(option, &value);
	}
}
