/*
 * key.c
 *	  The person that a caller named: kind and key as text.
 *
 * A key of one column is that column's text, a composite one a json array of
 * strings.  What counts is the value, not how it was written: "042" and "42"
 * of an integer key are one person.  Text that is no value of the type names
 * nobody.
 */
#include "base/compat.h"

#include "base/errors.h"
#include "base/ident.h"
#include "base/input.h"
#include "catalog/pg_type.h"
#include "crypto/keyring.h"
#include "enctype/enctype.h"
#include "subject/key.h"
#include "subject/statement.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

#define PSEUDONYM_PURPOSE "subject"

/* A json array of n strings as a list of char *, NIL when it is none. */
static List *
split_composite(const char *text, int n)
{
	List *parts = NIL;
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue value;
	Datum document;

	if (!gdpr_input_try(JSONBOID, -1, text, &document) ||
		!JB_ROOT_IS_ARRAY(DatumGetJsonbP(document)) ||
		JB_ROOT_IS_SCALAR(DatumGetJsonbP(document)) ||
		JB_ROOT_COUNT(DatumGetJsonbP(document)) != n)
		return NIL;
	iterator = JsonbIteratorInit(&DatumGetJsonbP(document)->root);
	while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
	{
		if (token != WJB_ELEM)
			continue;
		if (value.type != jbvString)
			return NIL;
		parts = lappend(parts,
						pnstrdup(value.val.string.val, value.val.string.len));
	}
	return parts;
}

static char *
join_composite(List *values)
{
	StringInfoData buf;
	ListCell *lc;

	if (list_length(values) == 1)
		return linitial(values);
	initStringInfo(&buf);
	foreach (lc, values)
	{
		appendStringInfoChar(&buf, lc == list_head(values) ? '[' : ',');
		escape_json(&buf, lfirst(lc));
	}
	appendStringInfoChar(&buf, ']');
	return buf.data;
}

/*
 * What the type prints, by no cast that its owner may have made.  Strings
 * without the blanks that char(n) adds.
 */
char *
gdpr_key_canonical(Oid type, const char *expression)
{
	char category;
	bool preferred;

	get_type_category_preferred(type, &category, &preferred);
	if (gdpr_enctype_kind(type) == &gdpr_kind_folded)
		return psprintf("gdpr.encitext_folded(%s)", expression);
	if (gdpr_enctype_is(type) || category == TYPCATEGORY_STRING)
		return psprintf("(%s)::pg_catalog.text", expression);
	return psprintf("pg_catalog.format('%%s', %s)", expression);
}

static Oid
key_type(const GdprMap *map, int i)
{
	return getBaseType(get_atttype(map->root->relid, map->keys[i]));
}

static Oid
key_equality(Oid type)
{
	TypeCacheEntry *entry = lookup_type_cache(type, TYPECACHE_EQ_OPR);

	if (!OidIsValid(entry->eq_opr))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("a key column's type %s has no equality", format_type_be(type))));
	return entry->eq_opr;
}

/* Types that take the beginning of a longer text: that is another's name. */
static bool
is_cut_off(Oid type, const char *text)
{
	return (type == NAMEOID && strlen(text) >= NAMEDATALEN) ||
		   (type == CHAROID && strlen(text) > 1 &&
			!(text[0] == '\\' && strlen(text) == 4));
}

static bool
parse_values(const GdprMap *map, List *parts, GdprArgs *args)
{
	ListCell *lc;

	args->n = 0;
	foreach (lc, parts)
	{
		Oid type = key_type(map, foreach_current_index(lc));
		int32 typmod = -1;
		Datum value;

		if (is_cut_off(type, lfirst(lc)) ||
			!gdpr_input_try(type, typmod, lfirst(lc), &value))
			return false;
		gdpr_statement_arg(args, type, value);
	}
	return true;
}

static char *
root_query(const GdprMap *map, bool lock)
{
	StringInfoData buf;
	StringInfoData where;

	initStringInfo(&buf);
	initStringInfo(&where);
	appendStringInfoString(&buf, "SELECT c.tableoid, c.ctid");
	for (int i = 0; i < map->nkeys; i++)
	{
		char *column = psprintf("c.%s", gdpr_ident_column(map->root->relid,
														  map->keys[i]));
		Oid type = key_type(map, i);

		appendStringInfo(&buf, ", %s", gdpr_key_canonical(type, column));
		appendStringInfo(&where, " %s %s %s $%d", i == 0 ? "WHERE" : "AND",
						 column, gdpr_ident_operator(key_equality(type)),
						 i + 1);
	}
	appendStringInfo(&buf, " FROM %s AS c%s%s",
					 gdpr_ident_relation(map->root->relid), where.data,
					 lock ? " FOR UPDATE OF c" : "");
	return buf.data;
}

static void
take_row(GdprSubject *subject)
{
	bool isnull;

	subject->found = true;
	subject->leaf = DatumGetObjectId(gdpr_statement_value(0, 1, &isnull));
	ItemPointerCopy((ItemPointer) DatumGetPointer(
						gdpr_statement_value(0, 2, &isnull)),
					&subject->tid);
}

/* Texts of the row or, without one, of the values asked for. */
static void
take_key(GdprSubject *subject, int first, MemoryContext context)
{
	MemoryContext old = MemoryContextSwitchTo(context);

	subject->values = NIL;
	for (int i = 0; i < subject->map->nkeys; i++)
	{
		bool isnull;
		Datum value = gdpr_statement_value(0, first + i, &isnull);

		subject->values = lappend(subject->values, TextDatumGetCString(value));
	}
	subject->key = join_composite(subject->values);
	MemoryContextSwitchTo(old);
}

static void
take_absent_key(GdprSubject *subject, const GdprArgs *args,
				MemoryContext context)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (int i = 0; i < args->n; i++)
		appendStringInfo(&buf, "%s%s", i == 0 ? "SELECT " : ", ",
						 gdpr_key_canonical(args->types[i],
											psprintf("$%d", i + 1)));
	gdpr_statement_run(buf.data, args, true, NULL);
	take_key(subject, 1, context);
}

static void
find_root(GdprSubject *subject, const GdprArgs *args, bool lock, bool read_only,
		  MemoryContext context)
{
	const GdprMap *map = subject->map;
	uint64 n = gdpr_statement_run(root_query(map, lock), args, read_only,
								  map->root->label);

	subject->found = false;
	if (n > 1)
		ereport(ERROR,
				(errcode(ERRCODE_CARDINALITY_VIOLATION),
				 errmsg("several rows of relation %s have the subject's key",
						map->root->label)));
	if (n == 1)
	{
		take_row(subject);
		take_key(subject, 3, context);
	}
}

static GdprSubject *
find_in_kind(const char *text, const char *kind, bool read_only)
{
	MemoryContext context = CurrentMemoryContext;
	GdprSubject *subject = palloc0(sizeof(GdprSubject));
	GdprArgs *args = gdpr_statement_args();
	GdprSqlScope scope;
	List *parts;

	subject->map = gdpr_graph_load(kind);
	if (subject->map->nkeys == 1)
		parts = list_make1(pstrdup(text));
	else
		parts = split_composite(text, subject->map->nkeys);
	if (parts == NIL || !parse_values(subject->map, parts, args))
		return subject;
	gdpr_sql_begin_canonical(&scope);
	find_root(subject, args, false, read_only, context);
	if (!subject->found)
		take_absent_key(subject, args, context);
	gdpr_sql_end_caller(&scope);
	return subject;
}

static GdprSubject *
find_in_any(const char *text, List *kinds, bool read_only)
{
	GdprSubject *found = NULL;
	ListCell *lc;

	foreach (lc, kinds)
	{
		GdprSubject *subject = find_in_kind(text, lfirst(lc), read_only);

		if (!subject->found)
			continue;
		if (found != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_AMBIGUOUS_ALIAS),
					 errmsg("subjects of several kinds have this key, \"%s\" and \"%s\" among them",
							NameStr(found->map->kind), NameStr(subject->map->kind)),
					 errhint("Name the kind.")));
		found = subject;
	}
	return found != NULL ? found : palloc0(sizeof(GdprSubject));
}

GdprSubject *
gdpr_key_resolve(const char *text, const char *kind, bool read_only)
{
	List *kinds;

	if (kind != NULL)
		return find_in_kind(text, kind, read_only);
	kinds = gdpr_graph_kinds();
	if (kinds == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_GDPR_RELATION_NOT_DECLARED),
				 errmsg("no kind of subject is declared"),
				 errhint("Declare one with gdpr.declare_subject(kind, relation).")));
	if (list_length(kinds) == 1)
		return find_in_kind(text, linitial(kinds), read_only);
	return find_in_any(text, kinds, read_only);
}

GdprSubject *
gdpr_key_name(const char *text, const char *kind)
{
	MemoryContext context = CurrentMemoryContext;
	GdprSubject *subject = palloc0(sizeof(GdprSubject));
	GdprArgs *args = gdpr_statement_args();
	List *kinds = gdpr_graph_kinds();
	GdprSqlScope scope;
	List *parts;

	if (kind == NULL && list_length(kinds) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_AMBIGUOUS_ALIAS),
				 errmsg("there is more than one kind of subject, or none"),
				 errhint("Name the kind.")));
	subject->map = gdpr_graph_load(kind != NULL ? kind : linitial(kinds));
	parts = subject->map->nkeys == 1
				? list_make1(pstrdup(text))
				: split_composite(text, subject->map->nkeys);
	if (parts == NIL || !parse_values(subject->map, parts, args))
		return subject;
	gdpr_sql_begin_canonical(&scope);
	take_absent_key(subject, args, context);
	gdpr_sql_end_caller(&scope);
	return subject;
}

void
gdpr_key_refind(GdprSubject *subject, bool lock)
{
	MemoryContext context = CurrentMemoryContext;
	GdprArgs *args = gdpr_statement_args();
	GdprSqlScope scope;

	/* Read with the settings that they were printed with. */
	gdpr_sql_begin_canonical(&scope);
	if (!parse_values(subject->map, subject->values, args))
		elog(ERROR, "a key value cannot be read back");
	find_root(subject, args, lock, false, context);
	gdpr_sql_end_caller(&scope);
}

void
gdpr_key_pseudonym(const char *kind, const char *key, uint8 *out)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfoString(&buf, kind);
	appendStringInfoChar(&buf, '\0');
	appendStringInfoString(&buf, key);
	gdpr_keyring_pseudonym(PSEUDONYM_PURPOSE, buf.data, buf.len, out);
}
