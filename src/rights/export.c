/*
 * export.c
 *	  gdpr_export and gdpr.export_rows: all that is held on one person.
 *
 * One statement a relation builds the rows as json, each once, in the order of
 * the key.  Encrypted columns are cast to text, which decrypts for a role that
 * may read and raises 42501 for one that may not.  All statements share the
 * caller's snapshot.
 */
#include "base/compat.h"

#include "access/table.h"
#include "base/ident.h"
#include "base/options.h"
#include "base/sql.h"
#include "base/type.h"
#include "catalog/pg_type.h"
#include "convert/convert.h"
#include "enctype/enctype.h"
#include "funcapi.h"
#include "registry/registry.h"
#include "rights/ledger.h"
#include "rights/processing.h"
#include "subject/plan.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"
#include "utils/typcache.h"

GDPR_FUNCTION(gdpr_export);
GDPR_FUNCTION(gdpr_export_rows);

#define EXPORT_FORMAT 1

/* What takes the rows of one relation. */
typedef void (*RowTaker)(const GdprRelation *relation, uint64 i, Datum json,
						 void *arg);

/*
 * Json is made with a type's cast to json, where it has one.  A cast that no
 * superuser made is not run with the rights of who exports: the value is
 * printed instead, which for an enum and a range is the same.
 */
static char *
printed_text(const char *name, bool array)
{
	return psprintf("CASE WHEN c.%s IS NULL THEN NULL ELSE"
					" pg_catalog.format('%%s', c.%s)%s END AS %s",
					name, name, array ? "::pg_catalog.text[]" : "", name);
}

static char *
column_text(Form_pg_attribute att)
{
	const char *name = quote_identifier(NameStr(att->attname));
	Oid type = getBaseType(att->atttypid);
	Oid element = get_element_type(type);

	if (gdpr_enctype_is(type))
		return psprintf("(c.%s)::%s AS %s", name,
						gdpr_ident_type(gdpr_enctype_base(type), -1), name);
	if (OidIsValid(element) && gdpr_enctype_is(getBaseType(element)))
		return psprintf("(c.%s)::%s[] AS %s", name,
						gdpr_ident_type(gdpr_enctype_base(getBaseType(element)),
										-1),
						name);
	if (gdpr_type_has_foreign_scalar(type))
		return printed_text(name, OidIsValid(element));
	return psprintf("c.%s", name);
}

/* What a conversion keeps beside the column says nothing that it does not. */
static bool
is_spare(Oid relid, const char *name)
{
	GdprConversion conversion;

	return strncmp(name, GDPR_SPARE_PREFIX, strlen(GDPR_SPARE_PREFIX)) == 0 &&
		   gdpr_conversion_find(relid, name, &conversion) &&
		   strcmp(NameStr(conversion.spare), name) == 0;
}

static void
append_columns(StringInfo buf, Oid relid, Oid except)
{
	Relation rel = table_open(relid, AccessShareLock);

	for (int i = 0; i < RelationGetNumberOfAttributes(rel); i++)
	{
		Form_pg_attribute att = TupleDescAttr(RelationGetDescr(rel), i);

		if (att->attisdropped || is_spare(relid, NameStr(att->attname)) ||
			(OidIsValid(except) &&
			 get_attnum(except, NameStr(att->attname)) != InvalidAttrNumber))
			continue;
		appendStringInfo(buf, "%s%s", buf->len == 0 ? "" : ", ",
						 column_text(att));
	}
	table_close(rel, NoLock);
}

/* The parent's columns in its order, then those that an inheritance child adds. */
static char *
leaf_columns(const GdprPlanLeaf *leaf)
{
	StringInfoData buf;

	initStringInfo(&buf);
	append_columns(&buf, leaf->relation->relid, InvalidOid);
	if (leaf->relid != leaf->relation->relid)
		append_columns(&buf, leaf->relid, leaf->relation->relid);
	return buf.data;
}

static bool
is_sortable(const GdprRelation *relation)
{
	for (int i = 0; i < relation->nprimary; i++)
	{
		Oid type = getBaseType(
			get_atttype(relation->relid, relation->primary[i]));

		if (gdpr_enctype_is(type) ||
			!OidIsValid(lookup_type_cache(type, TYPECACHE_LT_OPR)->lt_opr))
			return false;
	}
	return relation->nprimary > 0;
}

static void
append_leaf_query(StringInfo buf, const GdprPlanLeaf *leaf, bool sortable,
				  int arg)
{
	const GdprRelation *relation = leaf->relation;

	appendStringInfoString(buf, "SELECT pg_catalog.row_to_json(d.*) AS j");
	for (int i = 0; sortable && i < relation->nprimary; i++)
		appendStringInfo(buf, ", c.%s AS k%d",
						 gdpr_ident_column(relation->relid,
										   relation->primary[i]),
						 i);
	appendStringInfo(buf,
					 " FROM %s CROSS JOIN LATERAL (SELECT %s) AS d WHERE %s",
					 gdpr_plan_from(leaf, "c"), leaf_columns(leaf),
					 gdpr_plan_where(leaf, "c", arg));
}

static bool
is_exported(const GdprPlanRow *row)
{
	return row->exported;
}

static bool
leaf_is_exported(const GdprPlanLeaf *leaf)
{
	for (int i = 0; i < leaf->nrows; i++)
	{
		if (leaf->rows[i]->exported)
			return true;
	}
	return false;
}

/* NULL when the plan has no rows of the relation. */
static char *
relation_query(GdprPlan *plan, const GdprRelation *relation, GdprArgs *args)
{
	bool sortable = is_sortable(relation);
	StringInfoData buf;
	ListCell *lc;

	initStringInfo(&buf);
	foreach (lc, plan->leaf_list)
	{
		GdprPlanLeaf *leaf = lfirst(lc);

		if (leaf->relation != relation || !leaf_is_exported(leaf))
			continue;
		appendStringInfoString(&buf, buf.len == 0 ? "SELECT j FROM ("
												  : " UNION ALL ");
		append_leaf_query(&buf, leaf, sortable,
						  gdpr_statement_arg(args, TIDARRAYOID,
											 gdpr_plan_tids(leaf->rows,
															leaf->nrows,
															is_exported)));
	}
	if (buf.len == 0)
		return NULL;
	appendStringInfoString(&buf, ") AS u ORDER BY ");
	for (int i = 0; sortable && i < relation->nprimary; i++)
		appendStringInfo(&buf, "k%d, ", i);
	appendStringInfoString(&buf, "j::pg_catalog.text COLLATE pg_catalog.\"C\"");
	return buf.data;
}

static void
export_relations(GdprPlan *plan, RowTaker take, void *arg)
{
	GdprSqlScope scope;
	ListCell *lc;

	gdpr_sql_begin_caller(&scope);
	foreach (lc, plan->map->relations)
	{
		GdprRelation *relation = lfirst(lc);
		GdprArgs *args = gdpr_statement_args();
		char *sql;
		uint64 n;

		sql = relation_query(plan, relation, args);
		if (sql == NULL)
			continue;
		n = gdpr_statement_run(sql, args, true, relation->label);
		for (uint64 i = 0; i < n; i++)
		{
			bool isnull;

			take(relation, i, gdpr_statement_value(i, 1, &isnull), arg);
		}
		SPI_freetuptable(SPI_tuptable);
	}
	gdpr_sql_end_caller(&scope);
}

static GdprPlan *
export_plan(const char *text, const char *kind)
{
	GdprSubject *subject = gdpr_key_resolve(text, kind, true);

	if (!subject->found)
		gdpr_ledger_unknown(subject);
	return gdpr_plan_walk(subject, GDPR_PLAN_EXPORT);
}

static void
take_into_document(const GdprRelation *relation, uint64 i, Datum json,
				   void *arg)
{
	StringInfo buf = arg;

	if (i == 0)
	{
		if (buf->data[buf->len - 1] != '{')
			appendStringInfoString(buf, "],");
		escape_json(buf, relation->label);
		appendStringInfoString(buf, ":[");
	}
	else
		appendStringInfoChar(buf, ',');
	appendBinaryStringInfo(buf, VARDATA_ANY(DatumGetPointer(json)),
						   VARSIZE_ANY_EXHDR(DatumGetPointer(json)));
}

static void
append_now(StringInfo buf)
{
	char now[MAXDATELEN + 1];

	JsonEncodeDateTime(now,
					   TimestampTzGetDatum(
						   GetCurrentTransactionStartTimestamp()),
					   TIMESTAMPTZOID, NULL);
	appendStringInfo(buf, "\"%s\"", now);
}

Datum
gdpr_export(PG_FUNCTION_ARGS)
{
	StringInfoData buf;
	GdprPlan *plan;

	gdpr_registry_require(fcinfo, 0, "subject");
	if (!PG_ARGISNULL(2))
		gdpr_options_parse(PG_GETARG_JSONB_P(2), NULL, 0);
	plan = export_plan(text_to_cstring(PG_GETARG_TEXT_PP(0)),
					   PG_ARGISNULL(1) ? NULL : NameStr(*PG_GETARG_NAME(1)));
	initStringInfo(&buf);
	appendStringInfo(&buf,
					 "{\"format\":%d,\"subject\":{\"kind\":", EXPORT_FORMAT);
	escape_json(&buf, NameStr(plan->map->kind));
	appendStringInfoString(&buf, ",\"key\":");
	escape_json(&buf, plan->subject->key);
	appendStringInfoString(&buf, "},\"data\":{");
	export_relations(plan, take_into_document, &buf);
	appendStringInfoString(&buf, buf.data[buf.len - 1] == '{' ? "}" : "]}");
	appendStringInfoString(&buf, ",\"processing\":");
	gdpr_processing_append(&buf, plan);
	appendStringInfoString(&buf, ",\"exported_at\":");
	append_now(&buf);
	appendStringInfoChar(&buf, '}');
	PG_RETURN_DATUM(
		PointerGetDatum(cstring_to_text_with_len(buf.data, buf.len)));
}

static void
take_into_store(const GdprRelation *relation, uint64 i, Datum json, void *arg)
{
	ReturnSetInfo *result = arg;
	Datum values[2];
	bool nulls[2] = {false, false};

	values[0] = ObjectIdGetDatum(relation->relid);
	values[1] = json;
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

Datum
gdpr_export_rows(PG_FUNCTION_ARGS)
{
	GdprPlan *plan;

	InitMaterializedSRF(fcinfo, 0);
	gdpr_registry_require(fcinfo, 0, "subject");
	plan = export_plan(text_to_cstring(PG_GETARG_TEXT_PP(0)),
					   PG_ARGISNULL(1) ? NULL : NameStr(*PG_GETARG_NAME(1)));
	export_relations(plan, take_into_store, fcinfo->resultinfo);
	return (Datum) 0;
}
