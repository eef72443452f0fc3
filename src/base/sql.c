/*
 * sql.c
 *	  The few SPI idioms that the extension uses.
 *
 * Two scopes keep two kinds of rights apart: our own tables are touched as
 * their owner under a pinned search_path, users' tables always as the caller.
 * An error needs no clean-up here: aborting the (sub)transaction restores
 * user, settings and SPI.
 */
#include "base/compat.h"

#include "access/genam.h"
#include "access/table.h"
#include "base/rows.h"
#include "base/sql.h"
#include "catalog/namespace.h"
#include "catalog/pg_namespace.h"
#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

Oid
gdpr_sql_schema(void)
{
	return get_namespace_oid("gdpr", true);
}

bool
gdpr_sql_any_row(const char *table)
{
	Relation relation = table_open(get_relname_relid(table, gdpr_sql_schema()),
								   AccessShareLock);
	SysScanDesc scan = systable_beginscan(relation, InvalidOid, false, NULL, 0,
										  NULL);
	bool found = HeapTupleIsValid(systable_getnext(scan));

	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	return found;
}

static Oid
schema_owner(void)
{
	Oid schema = gdpr_sql_schema();
	HeapTuple tuple = NULL;
	Oid owner;

	if (OidIsValid(schema))
		tuple = SearchSysCache1(NAMESPACEOID, ObjectIdGetDatum(schema));
	if (!HeapTupleIsValid(tuple))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("extension \"gdpr_ext\" is not created in this database"),
				 errhint("Run CREATE EXTENSION gdpr_ext.")));
	owner = ((Form_pg_namespace) GETSTRUCT(tuple))->nspowner;
	ReleaseSysCache(tuple);
	return owner;
}

static void
set_local(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_SUSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
}

static void
begin_scope(GdprSqlScope *scope)
{
	GetUserIdAndSecContext(&scope->userid, &scope->sec_context);
	scope->nestlevel = NewGUCNestLevel();
	scope->keeps_settings = true;
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	/* Views over catalogs look dear and are not: compiling took seconds. */
	set_local("jit", "off");
}

static void
end_scope(GdprSqlScope *scope)
{
	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "SPI_finish failed");
	AtEOXact_GUC(scope->keeps_settings, scope->nestlevel);
	SetUserIdAndSecContext(scope->userid, scope->sec_context);
}

void
gdpr_sql_begin_own(GdprSqlScope *scope)
{
	Oid owner = schema_owner();

	begin_scope(scope);
	set_local("row_security", "off");
	set_local("search_path", "pg_catalog, pg_temp");
	SetUserIdAndSecContext(owner,
						   scope->sec_context | SECURITY_LOCAL_USERID_CHANGE);
}

void
gdpr_sql_end_own(GdprSqlScope *scope)
{
	end_scope(scope);
}

void
gdpr_sql_begin_caller(GdprSqlScope *scope)
{
	begin_scope(scope);
	set_local("row_security", "on");
	gdpr_rows_begin();
}

void
gdpr_sql_begin_pinned(GdprSqlScope *scope)
{
	gdpr_sql_begin_caller(scope);
	set_local("search_path", "pg_catalog, pg_temp");
}

void
gdpr_sql_begin_canonical(GdprSqlScope *scope)
{
	gdpr_sql_begin_pinned(scope);
	set_local("bytea_output", "hex");
	set_local("DateStyle", "ISO, YMD");
	set_local("IntervalStyle", "postgres");
	set_local("TimeZone", "UTC");
	set_local("extra_float_digits", "1");
	set_local("lc_monetary", "C");
	/* A plan made for one key shows it, to auto_explain for one. */
	set_local("plan_cache_mode", "force_generic_plan");
}

/* What the role's triggers SET would else be the session's from then on. */
void
gdpr_sql_begin_look(GdprSqlScope *scope, Oid role)
{
	gdpr_sql_begin_pinned(scope);
	scope->keeps_settings = false;
	SetUserIdAndSecContext(role, scope->sec_context |
									 SECURITY_LOCAL_USERID_CHANGE |
									 SECURITY_RESTRICTED_OPERATION |
									 SECURITY_NOFORCE_RLS);
}

/* A deferred trigger would fire at commit, as whoever commits. */
void
gdpr_sql_begin_role(GdprSqlScope *scope, Oid role)
{
	gdpr_sql_begin_look(scope, role);
	(void) gdpr_sql_run("SET CONSTRAINTS ALL IMMEDIATE", 0, NULL, NULL, NULL,
						false, SPI_OK_UTILITY);
}

void
gdpr_sql_end_caller(GdprSqlScope *scope)
{
	gdpr_rows_end();
	end_scope(scope);
}

uint64
gdpr_sql_run(const char *sql, int nargs, Oid *argtypes, Datum *values,
			 const char *nulls, bool read_only, int expected)
{
	int rc = SPI_execute_with_args(sql, nargs, argtypes, values, nulls,
								   read_only, 0);

	if (rc != expected)
		elog(ERROR, "SPI returned %d where %d was expected", rc, expected);
	return SPI_processed;
}
