/*
 * partition.c
 *	  Partitions of the audit log, one a day.
 *
 * A partition is made as a table and then attached, and only if no lock has to
 * be waited for: nobody who writes ever waits for it.  While its day lasts it has no index; when the day is over and
 * nobody adds to it any more it gets those by which a person's records are
 * found.  A day that has records in the default partition stays there.
 */
#include "base/compat.h"

#include "access/xact.h"
#include "audit/log.h"
#include "audit/partition.h"
#include "base/sql.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"

GDPR_FUNCTION(gdpr_audit_maintain);

#define DAYS_AHEAD 7

static bool maintaining = false;

bool
gdpr_audit_is_maintaining(void)
{
	return maintaining;
}

static void
run(const char *sql)
{
	(void) gdpr_sql_run(sql, 0, NULL, NULL, NULL, false, SPI_OK_UTILITY);
}

static bool
found(const char *sql)
{
	return gdpr_sql_run(sql, 0, NULL, NULL, NULL, false, SPI_OK_SELECT) > 0;
}

static char *
midnight(int64 day)
{
	char name[NAMEDATALEN];

	gdpr_audit_partition_name(day, name);
	/* audit_log_YYYYMMDD */
	return psprintf("'%s 00:00:00+00'", name + strlen(GDPR_AUDIT_PARENT) + 1);
}

/* The defaults of the database are not for the log; those of a duty are. */
static void
take_rights(const char *name)
{
	uint64 n = gdpr_sql_run(
		psprintf(
			"SELECT DISTINCT pg_catalog.quote_ident(r.rolname) FROM pg_catalog.pg_class c, "
			"pg_catalog.aclexplode(c.relacl) a JOIN pg_catalog.pg_roles r ON r.oid = a.grantee "
			"WHERE c.oid = 'gdpr.%s'::pg_catalog.regclass AND a.grantee <> c.relowner "
			"AND NOT EXISTS (SELECT 1 FROM gdpr.duty_grant d "
			"WHERE d.role = r.rolname AND d.duty = 'backup')",
			name),
		0, NULL, NULL, NULL, false, SPI_OK_SELECT);
	SPITupleTable *roles = SPI_tuptable;

	run(psprintf("REVOKE ALL ON gdpr.%s FROM PUBLIC", name));
	for (uint64 i = 0; i < n; i++)
		run(psprintf("REVOKE ALL ON gdpr.%s FROM %s", name,
					 SPI_getvalue(roles->vals[i], roles->tupdesc, 1)));
}

static void
make_partition(int64 day)
{
	char name[NAMEDATALEN];
	char *from = midnight(day);
	char *to = midnight(day + 1);

	gdpr_audit_partition_name(day, name);
	if (OidIsValid(get_relname_relid(name, gdpr_sql_schema())) ||
		found(psprintf("SELECT 1 FROM gdpr." GDPR_AUDIT_DEFAULT
					   " WHERE at >= %s AND at < %s LIMIT 1",
					   from, to)))
		return;
	run(psprintf("CREATE TABLE gdpr.%s (LIKE gdpr." GDPR_AUDIT_PARENT
				 " INCLUDING ALL) USING heap",
				 name));
	run(psprintf("ALTER TABLE gdpr.%s REPLICA IDENTITY FULL", name));
	take_rights(name);
	run(psprintf(
		"CREATE TRIGGER guard BEFORE UPDATE OR DELETE OR TRUNCATE ON gdpr.%s "
		"FOR EACH STATEMENT EXECUTE FUNCTION gdpr.audit_guard()",
		name));
	run(psprintf("ALTER TABLE gdpr.%s ENABLE ALWAYS TRIGGER guard", name));
	run(psprintf("ALTER TABLE gdpr." GDPR_AUDIT_PARENT
				 " ATTACH PARTITION gdpr.%s FOR VALUES FROM (%s) TO (%s)",
				 name, from, to));
}

static void
index_partition(const char *name)
{
	run(psprintf(
		"CREATE INDEX IF NOT EXISTS %s_tags ON gdpr.%s USING gin (tags)", name,
		name));
}

/* Not the newest of them: a clock may be a little off. */
static void
index_closed(int64 today)
{
	char last[NAMEDATALEN];
	uint64 n;
	List *names = NIL;
	ListCell *lc;

	gdpr_audit_partition_name(today, last);
	n = gdpr_sql_run(
		psprintf(
			"SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
			"WHERE i.inhparent = 'gdpr." GDPR_AUDIT_PARENT "'::regclass "
			"AND c.relname ~ '^" GDPR_AUDIT_PARENT
			"_[0-9]{8}$' AND c.relname < '%s' "
			"AND NOT EXISTS (SELECT 1 FROM pg_index x WHERE x.indrelid = c.oid) "
			"ORDER BY c.relname",
			last),
		0, NULL, NULL, NULL, false, SPI_OK_SELECT);
	for (uint64 i = 0; i < n; i++)
		names = lappend(names, SPI_getvalue(SPI_tuptable->vals[i],
											SPI_tuptable->tupdesc, 1));
	foreach (lc, names)
	{
		Oid relid = get_relname_relid(lfirst(lc), gdpr_sql_schema());

		/* A transaction that wrote before midnight may still be open. */
		if (ConditionalLockRelationOid(relid, ShareLock))
			index_partition(lfirst(lc));
	}
}

/*
 * The locks that ATTACH takes.  To wait for them, behind a dump perhaps, would
 * make all others wait who read the log or write to the default partition; so
 * what cannot be had now is left for the next time.
 */
static bool
may_attach(void)
{
	Oid schema = gdpr_sql_schema();

	return ConditionalLockRelationOid(get_relname_relid(GDPR_AUDIT_PARENT,
														schema),
									  ShareUpdateExclusiveLock) &&
		   ConditionalLockRelationOid(get_relname_relid(GDPR_AUDIT_DEFAULT,
														schema),
									  AccessExclusiveLock);
}

static void
maintain(void)
{
	int64 today = gdpr_audit_day(GetCurrentTimestamp());

	if (may_attach())
	{
		for (int64 day = today; day <= today + DAYS_AHEAD; day++)
			make_partition(day);
	}
	index_closed(today);
}

static bool
is_ready(void)
{
	char name[NAMEDATALEN];
	char yesterday[NAMEDATALEN];
	int64 today = gdpr_audit_day(GetCurrentTimestamp());
	Oid closed;

	gdpr_audit_partition_name(today + DAYS_AHEAD, name);
	gdpr_audit_partition_name(today - 1, yesterday);
	closed = get_relname_relid(yesterday, gdpr_sql_schema());
	return OidIsValid(get_relname_relid(name, gdpr_sql_schema())) &&
		   (!OidIsValid(closed) ||
			found(psprintf("SELECT 1 FROM pg_index WHERE indrelid = %u LIMIT 1",
						   closed)));
}

void
gdpr_audit_ensure_partitions(void)
{
	GdprSqlScope scope;

	gdpr_sql_begin_own(&scope);
	if (found("SELECT 1 FROM gdpr.protected LIMIT 1") && !is_ready())
	{
		maintaining = true;
		PG_TRY();
		{
			maintain();
		}
		PG_FINALLY();
		{
			maintaining = false;
		}
		PG_END_TRY();
	}
	gdpr_sql_end_own(&scope);
}

Datum
gdpr_audit_maintain(PG_FUNCTION_ARGS)
{
	gdpr_audit_ensure_partitions();
	PG_RETURN_VOID();
}
