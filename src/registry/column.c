/*
 * column.c
 *	  gdpr.declare_column: a personal column, its category and its mask.
 */
#include "base/compat.h"

#include "base/ident.h"
#include "base/options.h"
#include "base/sql.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "mask/mask.h"
#include "registry/registry.h"
#include "utils/builtins.h"

GDPR_FUNCTION(gdpr_declare_column);
GDPR_FUNCTION(gdpr_undeclare_column);

static bool
category_exists(const char *category)
{
	GdprSqlScope scope;
	Oid types[1] = {TEXTOID};
	Datum values[1];
	bool result;

	values[0] = CStringGetTextDatum(category);
	gdpr_sql_begin_own(&scope);
	result = gdpr_sql_run("SELECT 1 FROM gdpr.category WHERE name = $1", 1,
						  types, values, NULL, false, SPI_OK_SELECT) > 0;
	gdpr_sql_end_own(&scope);
	return result;
}

static char *
category_names(void)
{
	MemoryContext context = CurrentMemoryContext;
	GdprSqlScope scope;
	char *result;

	gdpr_sql_begin_own(&scope);
	(void) gdpr_sql_run(
		"SELECT pg_catalog.string_agg(name, ', ' ORDER BY name COLLATE \"C\") "
		"FROM gdpr.category",
		0, NULL, NULL, NULL, false, SPI_OK_SELECT);
	result = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	result = MemoryContextStrdup(context, result ? result : "");
	gdpr_sql_end_own(&scope);
	return result;
}

static void
check_category(const char *category)
{
	if (!category_exists(category))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown category of personal data"),
				 errhint("The categories are: %s.", category_names())));
}

static void
check_options(const GdprDeclaredColumn *column)
{
	if (column->on_forget != NULL && strcmp(column->on_forget, "keep") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid value of \"on_forget\""),
				 errhint("A column is masked unless it says \"keep\".")));
	if (column->origin != NULL && strcmp(column->origin, "provided") != 0 &&
		strcmp(column->origin, "observed") != 0 &&
		strcmp(column->origin, "derived") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid value of \"origin\""),
				 errhint("It is one of: provided, observed, derived.")));
}

Datum
gdpr_declare_column(PG_FUNCTION_ARGS)
{
	GdprDeclaredColumn column = {0};
	GdprOption known[] = {
		{"ground", &column.ground},
		{"label", &column.label},
		{"on_forget", &column.on_forget},
		{"origin", &column.origin},
	};
	AttrNumber attnum;

	gdpr_registry_require(fcinfo, 0, "relation");
	gdpr_registry_require(fcinfo, 1, "column_name");
	gdpr_registry_require(fcinfo, 2, "category");
	gdpr_registry_require(fcinfo, 4, "options");
	column.relid = PG_GETARG_OID(0);
	column.name = pstrdup(NameStr(*PG_GETARG_NAME(1)));
	column.category = text_to_cstring(PG_GETARG_TEXT_PP(2));
	if (!PG_ARGISNULL(3))
		column.mask = text_to_cstring(PG_GETARG_TEXT_PP(3));
	gdpr_options_parse(PG_GETARG_JSONB_P(4), known, lengthof(known));

	gdpr_registry_check_relation(column.relid);
	attnum = gdpr_registry_column(column.relid, column.name);
	check_category(column.category);
	check_options(&column);
	if (column.mask != NULL)
		gdpr_mask_check(column.relid, attnum, column.mask);
	gdpr_registry_put_column(&column);
	PG_RETURN_VOID();
}

Datum
gdpr_undeclare_column(PG_FUNCTION_ARGS)
{
	Oid relid;

	gdpr_registry_require(fcinfo, 0, "relation");
	gdpr_registry_require(fcinfo, 1, "column_name");
	relid = PG_GETARG_OID(0);
	gdpr_registry_check_relation(relid);
	if (!gdpr_registry_delete_column(relid, NameStr(*PG_GETARG_NAME(1))))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("no such column of relation %s is declared",
						gdpr_ident_relation(relid))));
	PG_RETURN_VOID();
}
