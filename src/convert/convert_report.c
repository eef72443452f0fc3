/*
 * convert_report.c
 *	  What a conversion says before it does anything: the column, what depends
 *	  on it, what stands in the way, and who would read what then.
 */
#include "base/compat.h"

#include "base/sql.h"
#include "catalog/pg_type.h"
#include "convert/convert_report.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

static void
put_row(FunctionCallInfo fcinfo, const char *item, const char *object,
		const char *action, bool blocking)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Datum values[4];
	bool nulls[4] = {false, object == NULL, false, false};

	values[0] = CStringGetTextDatum(item);
	values[1] = object == NULL ? (Datum) 0 : CStringGetTextDatum(object);
	values[2] = CStringGetTextDatum(action);
	values[3] = BoolGetDatum(blocking);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

static void
report_foreign_views(FunctionCallInfo fcinfo, const GdprConvertColumn *column,
					 StringInfo blockers)
{
	ListCell *lc;

	foreach (lc, gdpr_convert_views_foreign(column->relid,
											get_attname(column->relid,
														column->attnum, false)))
	{
		put_row(
			fcinfo, "view", lfirst(lc),
			"have its owner drop it, and create it again after: it is not yours",
			true);
		appendStringInfo(blockers, "%sview %s", blockers->len > 0 ? ", " : "",
						 (char *) lfirst(lc));
	}
}

static const char *const
	dependents = "SELECT item, object, action, CASE WHEN blocking THEN 't' END "
				 "FROM gdpr.column_report($1, $2)";

/* Where the table is in use all the while, other things stand in the way. */
static const char *const dependents_online =
	"SELECT item, object, CASE WHEN blocking THEN action "
	"WHEN item = 'lock' THEN 'ACCESS EXCLUSIVE for moments: to begin, to swap, to end' "
	"WHEN item = 'partition' THEN 'converted with the whole, one by one' "
	"WHEN item = 'index' THEN 'built anew before the swap: gdpr.conversion_indexes' "
	"ELSE action END, CASE WHEN blocking THEN 't' END "
	"FROM gdpr.column_report($1, $2) "
	"UNION ALL SELECT item, object, action, CASE WHEN blocking THEN 't' END "
	"FROM gdpr.conversion_report($1, $2)";

/*
 * What depends on the column, into the result; returns the names of what
 * stands in the way, or NULL.  A default is named by its column alone: it may
 * hold a value.  kind is what the column becomes, NULL when it becomes plain.
 */
char *
gdpr_report_dependents(FunctionCallInfo fcinfo, const GdprConvertColumn *column,
					   const GdprKind *kind, bool default_blocks, bool online)
{
	GdprSqlScope scope;
	Oid argtypes[] = {REGCLASSOID, NAMEOID};
	NameData name;
	Datum values[2];
	StringInfoData blockers;
	MemoryContext caller = CurrentMemoryContext;

	initStringInfo(&blockers);
	namestrcpy(&name, get_attname(column->relid, column->attnum, false));
	values[0] = ObjectIdGetDatum(column->relid);
	values[1] = NameGetDatum(&name);
	gdpr_sql_begin_own(&scope);
	gdpr_sql_run(online ? dependents_online : dependents, 2, argtypes, values,
				 NULL, true, SPI_OK_SELECT);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple row = SPI_tuptable->vals[i];
		TupleDesc columns = SPI_tuptable->tupdesc;
		char *item = SPI_getvalue(row, columns, 1);
		char *object = SPI_getvalue(row, columns, 2);
		char *action = SPI_getvalue(row, columns, 3);
		bool blocking = SPI_getvalue(row, columns, 4) != NULL;
		MemoryContext spi = MemoryContextSwitchTo(caller);

		if (default_blocks && strcmp(item, "default") == 0)
		{
			action = "drop it, and set it again after";
			blocking = true;
		}
		if (kind != NULL && kind->canonical == NULL &&
			strcmp(item, "index") == 0 && !blocking)
		{
			action = psprintf("drop it: %s has no equality", kind->type_name);
			blocking = true;
		}
		put_row(fcinfo, item, object, action, blocking);
		if (blocking)
			appendStringInfo(&blockers, "%s%s %s", blockers.len > 0 ? ", " : "",
							 item,
							 strcmp(item, "default") == 0 ? "of the column"
														  : object);
		MemoryContextSwitchTo(spi);
	}
	gdpr_sql_end_own(&scope);
	report_foreign_views(fcinfo, column, &blockers);
	return blockers.len > 0 ? blockers.data : NULL;
}

void
gdpr_report_refuse(const char *blockers)
{
	ereport(ERROR,
			(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
			 errmsg("the column's type cannot be changed because other objects depend on it"),
			 errdetail("In the way: %s.", blockers),
			 errhint("The option \"dry_run\" shows what to do with each.")));
}

/* Roles that log in, read the column today, and would see ciphertext then. */
void
gdpr_report_roles(FunctionCallInfo fcinfo, const GdprConvertColumn *column,
				  const GdprContext *context)
{
	GdprSqlScope scope;
	Oid argtypes[] = {OIDOID, INT2OID};
	Datum values[] = {ObjectIdGetDatum(column->relid),
					  Int16GetDatum(column->attnum)};
	MemoryContext caller = CurrentMemoryContext;
	char *action = psprintf(
		"reads the column today and will see ciphertext; to change that: "
		"SELECT gdpr.grant_context(%s, 'role')",
		quote_literal_cstr(NameStr(context->name)));

	gdpr_sql_begin_own(&scope);
	gdpr_sql_run(
		"SELECT oid, rolname FROM pg_roles"
		" WHERE rolcanlogin AND has_column_privilege(oid, $1, $2, 'SELECT')"
		" ORDER BY rolname",
		2, argtypes, values, NULL, true, SPI_OK_SELECT);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool isnull;
		Oid role = DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[i],
												  SPI_tuptable->tupdesc, 1,
												  &isnull));
		char *name = SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc,
								  2);
		MemoryContext spi;

		if (gdpr_keyring_may(context, role, GDPR_PRIV_READ))
			continue;
		spi = MemoryContextSwitchTo(caller);
		put_row(fcinfo, "role", name, action, false);
		MemoryContextSwitchTo(spi);
	}
	gdpr_sql_end_own(&scope);
}

/* Roles that would lose what they have on the old context. */
void
gdpr_report_grants(FunctionCallInfo fcinfo, uint32 hash,
				   const GdprContext *context)
{
	const GdprContext *was = gdpr_keyring_context(hash);
	Oid types[] = {NAMEOID, NAMEOID};
	Datum values[2];
	MemoryContext caller = CurrentMemoryContext;
	GdprSqlScope scope;

	if (was == NULL)
		return;
	values[0] = NameGetDatum(&was->name);
	values[1] = NameGetDatum(&context->name);
	gdpr_sql_begin_own(&scope);
	gdpr_sql_run(
		"SELECT g.role, format('may %s values of %s; to keep that: SELECT gdpr.grant_context(%L, %L, %L)',"
		" g.privilege, quote_ident($1), $2, g.role, g.privilege)"
		" FROM gdpr.context_grant g WHERE g.context = $1 AND NOT EXISTS ("
		"SELECT FROM gdpr.context_grant h WHERE h.context = $2 AND h.role = g.role"
		" AND h.privilege = g.privilege) ORDER BY g.role, g.privilege",
		2, types, values, NULL, true, SPI_OK_SELECT);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		char *role = SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc,
								  1);
		char *action = SPI_getvalue(SPI_tuptable->vals[i],
									SPI_tuptable->tupdesc, 2);
		MemoryContext spi = MemoryContextSwitchTo(caller);

		put_row(fcinfo, "role", role, action, false);
		MemoryContextSwitchTo(spi);
	}
	gdpr_sql_end_own(&scope);
}

/*
 * The report's first line.  What is reported is what will be so when the type
 * changes: the lock is taken before anything is looked at.
 */
void
gdpr_report_begin(FunctionCallInfo fcinfo, const GdprConvertColumn *column,
				  const char *type, bool dry_run)
{
	if (!dry_run)
		LockRelationOid(column->relid, AccessExclusiveLock);
	InitMaterializedSRF(fcinfo, 0);
	put_row(fcinfo, "column", psprintf("%s.%s", column->relation, column->name),
			psprintf("%s becomes %s",
					 format_type_with_typemod(column->typid, column->typmod),
					 type),
			false);
}
