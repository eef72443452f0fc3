/*
 * link.c
 *	  gdpr.declare_link: a reference that no foreign key states, or the
 *	  decision about one that one does.
 */
#include "base/compat.h"

#include "base/errors.h"
#include "base/ident.h"
#include "base/input.h"
#include "base/options.h"
#include "base/sql.h"
#include "catalog/pg_type.h"
#include "crypto/keyring.h"
#include "enctype/enctype.h"
#include "registry/predicate.h"
#include "registry/registry.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

GDPR_FUNCTION(gdpr_declare_link);
GDPR_FUNCTION(gdpr_undeclare_link);

static const char *const grounds[] = {"17(3)(a)", "17(3)(b)", "17(3)(c)",
									  "17(3)(d)", "17(3)(e)", "contract"};
static const char *const starts[] = {"row", "calendar_year_end",
									 "fiscal_year_end"};
static const char *const kinds_of_belonging[] = {"owned", "owns", "refers",
												 "none"};
static const char *const actions[] = {"delete", "anonymise", "unlink", "keep"};
static const char *const followers[] = {"delete", "anonymise"};
static const char *const exports[] = {"full", "skip"};

static void
check_word(const char *argument, const char *word, const char *const *words,
		   int nwords)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < nwords; i++)
	{
		if (strcmp(word, words[i]) == 0)
			return;
		appendStringInfo(&list, "%s%s", i ? ", " : "", words[i]);
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid value of \"%s\"", argument),
			 errhint("It is one of: %s.", list.data)));
}

static void
refuse(const char *message, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s", message),
			 errhint("%s", hint)));
}

/* ---- columns ---- */

static void
swap_with_previous(List *list, int position)
{
	ListCell *cell = list_nth_cell(list, position);
	void *value = lfirst(cell);

	lfirst(cell) = lfirst(cell - 1);
	lfirst(cell - 1) = value;
}

/* One reference has one spelling: pairs in the order of the child's columns. */
static void
sort_pairs(GdprDeclaredLink *link)
{
	int n = list_length(link->child_columns);

	for (int i = 1; i < n; i++)
	{
		for (int j = i; j > 0; j--)
		{
			if (get_attnum(link->child, list_nth(link->child_columns, j - 1)) <=
				get_attnum(link->child, list_nth(link->child_columns, j)))
				break;
			swap_with_previous(link->child_columns, j);
			swap_with_previous(link->parent_columns, j);
		}
	}
}

/* Ciphertexts compare within one tag domain only. */
static void
check_tag_domains(Oid child, AttrNumber child_column, Oid parent,
				  AttrNumber parent_column)
{
	Oid type = InvalidOid;
	Oid parent_type = InvalidOid;
	Oid collation;
	int32 child_typmod = -1;
	int32 parent_typmod = -1;
	const GdprContext *child_context;
	const GdprContext *parent_context;

	get_atttypetypmodcoll(child, child_column, &type, &child_typmod,
						  &collation);
	get_atttypetypmodcoll(parent, parent_column, &parent_type, &parent_typmod,
						  &collation);
	type = getBaseTypeAndTypmod(type, &child_typmod);
	(void) getBaseTypeAndTypmod(parent_type, &parent_typmod);
	if (!gdpr_enctype_is(type) || child_typmod == parent_typmod)
		return;
	child_context = gdpr_keyring_context(child_typmod);
	parent_context = gdpr_keyring_context(parent_typmod);
	if (child_context == NULL || parent_context == NULL ||
		strcmp(NameStr(child_context->tag_domain),
			   NameStr(parent_context->tag_domain)) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("encrypted columns of a link must be of one tag domain"),
				 errhint("Create one context with the other's tag_domain.")));
}

static void
check_pair(const GdprDeclaredLink *link, const char *child_name,
		   const char *parent_name)
{
	AttrNumber child = gdpr_registry_column(link->child, child_name);
	AttrNumber parent = gdpr_registry_column(link->parent, parent_name);

	if (!OidIsValid(gdpr_registry_equality(get_atttype(link->parent, parent),
										   get_atttype(link->child, child))))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("columns %s.%s and %s.%s have types without a common equality",
						gdpr_ident_relation(link->child), gdpr_ident_column(link->child, child),
						gdpr_ident_relation(link->parent), gdpr_ident_column(link->parent, parent))));
	check_tag_domains(link->child, child, link->parent, parent);
}

static void
check_columns(GdprDeclaredLink *link)
{
	if (link->child_columns == NIL ||
		list_length(link->child_columns) != list_length(link->parent_columns))
		refuse("a link needs as many child columns as parent columns",
			   "Name at least one column on each side.");
	for (int i = 0; i < list_length(link->child_columns); i++)
		check_pair(link, list_nth(link->child_columns, i),
				   list_nth(link->parent_columns, i));
	sort_pairs(link);
}

static bool
any_nullable(const GdprDeclaredLink *link)
{
	ListCell *lc;

	foreach (lc, link->child_columns)
	{
		if (!gdpr_registry_not_null(link->child,
									get_attnum(link->child, lfirst(lc))))
			return true;
	}
	return false;
}

/* ---- keeping ---- */

static char *
check_period(const char *text)
{
	Datum value;
	Interval zero = {0};
	Interval most = {.month = 1000 * MONTHS_PER_YEAR};

	if (!gdpr_input_try(INTERVALOID, -1, text, &value) ||
		DatumGetInt32(DirectFunctionCall2(interval_cmp, value,
										  IntervalPGetDatum(&zero))) <= 0 ||
		DatumGetInt32(DirectFunctionCall2(interval_cmp, value,
										  IntervalPGetDatum(&most))) > 0)
		refuse(
			"invalid value of \"keep\"",
			"It is a positive interval of at most 1000 years, for example \"7 years\".");
	return pstrdup(text);
}

static void
check_since(const GdprDeclaredLink *link)
{
	AttrNumber column = gdpr_registry_column(link->child, link->keep_since);

	if (!gdpr_registry_is_date(link->child, column))
		refuse("the column of \"keep_since\" must be a date or a timestamp",
			   "Name the column that says when the period of keeping begins.");
}

/* Lines without a date take their invoice's. */
static bool
parent_is_kept(const GdprDeclaredLink *link)
{
	ListCell *lc;

	foreach (lc, gdpr_registry_links())
	{
		GdprDeclaredLink *above = lfirst(lc);

		if (above->child == link->parent &&
			strcmp(above->on_forget, "keep") == 0 &&
			(above->child != link->child || above->keep_since != NULL))
			return true;
	}
	return false;
}

static void
check_keep(GdprDeclaredLink *link)
{
	if (link->ground == NULL || link->law == NULL || link->keep == NULL ||
		link->keep_from == NULL)
		refuse(
			"keeping rows needs the options \"ground\", \"law\", \"keep\" and \"keep_from\"",
			"For example: {\"ground\": \"17(3)(b)\", \"law\": \"Bookkeeping Act 2:10\", "
			"\"keep\": \"7 years\", \"keep_from\": \"calendar_year_end\", "
			"\"keep_since\": \"invoice_date\"}.");
	check_word("ground", link->ground, grounds, lengthof(grounds));
	check_word("keep_from", link->keep_from, starts, lengthof(starts));
	if (link->then_action != NULL)
		check_word("then", link->then_action, followers, lengthof(followers));
	if (link->law[0] == '\0')
		refuse("the option \"law\" must not be empty",
			   "Name the provision that asks for the rows.");
	link->keep = check_period(link->keep);
	if (link->keep_since != NULL)
		check_since(link);
	else if (!parent_is_kept(link))
		refuse(
			"keeping rows needs the option \"keep_since\"",
			"Name a date column of the child, or first declare the link of the parent, "
			"whose date then counts, with on_forget \"keep\".");
}

static void
check_no_keep(const GdprDeclaredLink *link)
{
	if (link->ground != NULL || link->law != NULL || link->keep != NULL ||
		link->keep_from != NULL || link->keep_since != NULL ||
		link->then_action != NULL)
		refuse(
			"the options \"ground\", \"law\", \"keep\", \"keep_from\", \"keep_since\" "
			"and \"then\" are for on_forget \"keep\" only",
			"Leave them out, or keep the rows.");
}

/* ---- the verb ---- */

/* With belongs "none" nothing is done, whatever the defaults say. */
static void
check_meaning(GdprDeclaredLink *link)
{
	check_word("belongs", link->belongs, kinds_of_belonging,
			   lengthof(kinds_of_belonging));
	check_word("on_forget", link->on_forget, actions, lengthof(actions));
	check_word("on_export", link->on_export, exports, lengthof(exports));

	if (strcmp(link->belongs, "none") == 0)
	{
		check_no_keep(link);
		link->on_forget = "none";
		link->on_export = "skip";
		return;
	}
	if (strcmp(link->belongs, "refers") == 0 &&
		strcmp(link->on_forget, "delete") == 0)
		refuse(
			"rows that only refer to the subject are not deleted",
			"Give on_forget \"unlink\" or \"anonymise\", or belongs \"owned\".");
	if (strcmp(link->on_forget, "unlink") == 0 &&
		(strcmp(link->belongs, "owns") == 0 || !any_nullable(link)))
		refuse("a link can be unlinked only where a child column may be null",
			   "Give another on_forget, or drop NOT NULL from the column.");
	if (strcmp(link->on_forget, "keep") == 0)
		check_keep(link);
	else
		check_no_keep(link);
}

static void
parse_options(Jsonb *options, GdprDeclaredLink *link)
{
	GdprOption known[] = {
		{"ground", &link->ground},
		{"keep", &link->keep},
		{"keep_from", &link->keep_from},
		{"keep_since", &link->keep_since},
		{"law", &link->law},
		{"predicate", &link->predicate},
		{"then", &link->then_action},
	};

	gdpr_options_parse(options, known, lengthof(known));
}

static void
take_ends(FunctionCallInfo fcinfo, GdprDeclaredLink *link)
{
	static const char *const names[] = {"child", "child_columns", "parent",
										"parent_columns"};

	for (int i = 0; i < lengthof(names); i++)
		gdpr_registry_require(fcinfo, i, names[i]);
	link->child = PG_GETARG_OID(0);
	link->child_columns = gdpr_registry_list(PG_GETARG_ARRAYTYPE_P(1));
	link->parent = PG_GETARG_OID(2);
	link->parent_columns = gdpr_registry_list(PG_GETARG_ARRAYTYPE_P(3));
	gdpr_registry_check_relation(link->child);
}

Datum
gdpr_declare_link(PG_FUNCTION_ARGS)
{
	GdprDeclaredLink link = {0};

	take_ends(fcinfo, &link);
	gdpr_registry_require(fcinfo, 4, "belongs");
	gdpr_registry_require(fcinfo, 5, "on_forget");
	gdpr_registry_require(fcinfo, 6, "on_export");
	gdpr_registry_require(fcinfo, 7, "options");
	link.belongs = text_to_cstring(PG_GETARG_TEXT_PP(4));
	link.on_forget = text_to_cstring(PG_GETARG_TEXT_PP(5));
	link.on_export = text_to_cstring(PG_GETARG_TEXT_PP(6));
	parse_options(PG_GETARG_JSONB_P(7), &link);

	/* Rows of the parent go, so they must be the declarer's too. */
	if (strcmp(link.belongs, "owns") == 0)
		gdpr_registry_check_relation(link.parent);
	else
		gdpr_registry_check_table(link.parent);
	check_columns(&link);
	check_meaning(&link);
	if (link.predicate != NULL)
		link.predicate = gdpr_predicate_normalise(link.child, link.predicate);
	gdpr_registry_put_link(&link);
	PG_RETURN_VOID();
}

Datum
gdpr_undeclare_link(PG_FUNCTION_ARGS)
{
	GdprDeclaredLink link = {0};

	take_ends(fcinfo, &link);
	if (list_length(link.child_columns) == list_length(link.parent_columns))
		sort_pairs(&link);
	if (!gdpr_registry_delete_link(&link))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("no such link of relation %s is declared",
						gdpr_ident_relation(link.child))));
	PG_RETURN_VOID();
}
