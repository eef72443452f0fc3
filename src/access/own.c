/*
 * own.c
 *	  A subject's own rows.
 *
 * The session says on whose behalf it works (gdpr.subject, kind:key): a claim
 * of the application.  A policy compares the columns that hold the key of the
 * kind with it; text that is no value of a column's type is nobody's key.
 */
#include "base/compat.h"

#include "access/compile.h"
#include "base/errors.h"
#include "base/ident.h"
#include "base/input.h"
#include "base/session.h"
#include "catalog/pg_type.h"
#include "enctype/enctype.h"
#include "lib/stringinfo.h"
#include "subject/graph.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"

GDPR_FUNCTION(gdpr_own_key);

static void
append_column(StringInfo buf, Oid relation, AttrNumber attnum, const char *kind,
			  int number)
{
	int32 typmod = -1;
	Oid type = getBaseTypeAndTypmod(get_atttype(relation, attnum), &typmod);

	if (gdpr_enctype_is(type))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("own rows cannot be told by the encrypted column %s",
						gdpr_ident_column(relation, attnum)),
				 errhint("Use \"filter\".")));
	appendStringInfo(buf, "%s%s = (SELECT gdpr.own_key(%s, %d, NULL::%s))",
					 buf->len == 0 ? "" : " AND ",
					 gdpr_ident_column(relation, attnum),
					 quote_literal_cstr(kind), number,
					 gdpr_ident_type(type, -1));
}

/* The child's column that refers to the key's; 0 when none does. */
static AttrNumber
referring_column(const GdprLink *link, const char *key)
{
	for (int i = 0; i < link->ncolumns; i++)
	{
		if (strcmp(get_attname(link->parent_relid, link->parent_columns[i],
							   false),
				   key) == 0)
			return get_attnum(link->child->relid,
							  get_attname(link->child_relid,
										  link->child_columns[i], false));
	}
	return InvalidAttrNumber;
}

static char *
by_link(const GdprMap *map, const GdprLink *link, Oid relation,
		const char *kind)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (int i = 0; i < map->nkeys; i++)
	{
		AttrNumber attnum = referring_column(link,
											 get_attname(map->root->relid,
														 map->keys[i], false));

		if (attnum <= 0)
			return NULL;
		append_column(&buf, relation, attnum, kind, i + 1);
	}
	return buf.data;
}

static char *
by_key(const GdprMap *map, Oid relation, const char *kind)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (int i = 0; i < map->nkeys; i++)
		append_column(&buf, relation, map->keys[i], kind, i + 1);
	return buf.data;
}

char *
gdpr_own_condition(Oid relation, const char *kind)
{
	GdprMap *map = gdpr_graph_load(kind);
	ListCell *lc;

	if (map->root->relid == relation)
		return by_key(map, relation, kind);
	foreach (lc, map->links)
	{
		GdprLink *link = lfirst(lc);
		char *condition;

		if (link->child->relid != relation || link->parent != map->root ||
			link->belongs != GDPR_BELONGS_OWNED)
			continue;
		condition = by_link(map, link, relation, kind);
		if (condition != NULL)
			return condition;
	}
	ereport(ERROR,
			(errcode(ERRCODE_GDPR_RELATION_NOT_DECLARED),
			 errmsg("rows of relation %s do not name a subject of kind \"%s\" themselves",
					gdpr_ident_relation(relation), kind),
			 errhint("Use \"filter\" to reach the subject over other relations.")));
}

/* ---- gdpr.own_key ---- */

/* One of the strings of a json array, counted from 1. */
static char *
array_element(const char *text, int number)
{
	Datum document;
	JsonbValue *value;

	if (!gdpr_input_try(JSONBOID, -1, text, &document) ||
		!JB_ROOT_IS_ARRAY(DatumGetJsonbP(document)) ||
		JB_ROOT_IS_SCALAR(DatumGetJsonbP(document)))
		return NULL;
	value = getIthJsonbValueFromContainer(&DatumGetJsonbP(document)->root,
										  number - 1);
	if (value == NULL || value->type != jbvString)
		return NULL;
	return pnstrdup(value->val.string.val, value->val.string.len);
}

/* A key of one column may look like an array, of which only the first counts. */
static const char *
key_part(const char *kind, int number)
{
	const char *subject = gdpr_session_value(GDPR_SESSION_SUBJECT);
	const char *colon = subject == NULL ? NULL : strchr(subject, ':');
	char *part;

	if (colon == NULL || strlen(kind) != (size_t) (colon - subject) ||
		strncmp(subject, kind, colon - subject) != 0)
		return NULL;
	if (colon[1] != '[')
		return number == 1 ? colon + 1 : NULL;
	part = array_element(colon + 1, number);
	return part == NULL && number == 1 ? colon + 1 : part;
}

/* own_key(kind name, number int, anyelement) returns anyelement */
Datum
gdpr_own_key(PG_FUNCTION_ARGS)
{
	const char *text;
	Datum value;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_NULL();
	text = key_part(NameStr(*PG_GETARG_NAME(0)), PG_GETARG_INT32(1));
	if (text == NULL || !gdpr_input_try(get_fn_expr_argtype(fcinfo->flinfo, 2),
										-1, text, &value))
		PG_RETURN_NULL();
	PG_RETURN_DATUM(value);
}
