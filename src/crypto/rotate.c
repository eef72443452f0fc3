/*
 * rotate.c
 *	  The versions of a context's key, from the first to the destroyed.
 *
 * primary: what new values are sealed with.  enabled: one that was primary;
 * its values are read, and taken in their stored form, as from a dump.
 * retired: its values are read, but none arrives any more (a stored form is
 * sealed anew on its way in), so that what is there can be moved and counted.
 * destroyed: the key is gone.
 */
#include "base/compat.h"

#include "access/transam.h"
#include "access/xact.h"
#include "base/sql.h"
#include "catalog/pg_type.h"
#include "crypto/keyring_internal.h"
#include "utils/builtins.h"

/* A row of gdpr.context_key, as far as it matters here. */
typedef struct KeyRow
{
	char *status;
	TransactionId writer;
} KeyRow;

static KeyRow
find_key(const char *context, int version)
{
	Oid types[] = {TEXTOID, INT4OID};
	Datum values[] = {CStringGetTextDatum(context), Int32GetDatum(version)};
	KeyRow row;
	bool isnull;

	if (gdpr_sql_run("SELECT status, xmin FROM gdpr.context_key"
					 " WHERE context = $1::name AND version = $2",
					 2, types, values, NULL, false, SPI_OK_SELECT) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("context \"%s\" has no key of version %d", context, version)));
	row.status = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	row.writer = DatumGetTransactionId(SPI_getbinval(SPI_tuptable->vals[0],
													 SPI_tuptable->tupdesc, 2,
													 &isnull));
	return row;
}

static void
refuse_status(const char *context, int version, const char *status,
			  const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("the key of version %d of context \"%s\" is %s", version, context, status),
			 hint == NULL ? 0 : errhint("%s", hint)));
}

static void
change_key(const char *sql, const char *context, int version)
{
	Oid types[] = {TEXTOID, INT4OID};
	Datum values[] = {CStringGetTextDatum(context), Int32GetDatum(version)};

	(void) gdpr_sql_run(sql, 2, types, values, NULL, false, SPI_OK_UPDATE);
}

/* All others have a primary, or a retired one that was. */
static void
refuse_destroyed(const char *context)
{
	Oid types[] = {TEXTOID};
	Datum values[] = {CStringGetTextDatum(context)};

	if (gdpr_sql_run("SELECT 1 FROM gdpr.context_key"
					 " WHERE context = $1::name AND status <> 'destroyed'",
					 1, types, values, NULL, false, SPI_OK_SELECT) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("context \"%s\" was destroyed", context),
				 errhint("Create another one with gdpr.create_context.")));
}

/* gdpr.rotate_context(context name) */
GDPR_FUNCTION(gdpr_rotate_context);
Datum
gdpr_rotate_context(PG_FUNCTION_ARGS)
{
	char *context = NameStr(*PG_GETARG_NAME(0));
	GdprSqlScope scope;
	int version;

	gdpr_key_require_root();
	gdpr_sql_begin_own(&scope);
	gdpr_keyring_lock();
	gdpr_key_require_context(context);
	refuse_destroyed(context);
	version = gdpr_key_rotate(GDPR_KIND_CONTEXT, context);
	gdpr_sql_end_own(&scope);
	PG_RETURN_INT32(version);
}

/* gdpr.retire_key(context name, version integer) */
GDPR_FUNCTION(gdpr_rotate_retire);
Datum
gdpr_rotate_retire(PG_FUNCTION_ARGS)
{
	char *context = NameStr(*PG_GETARG_NAME(0));
	int version = PG_GETARG_INT32(1);
	GdprSqlScope scope;
	KeyRow row;

	gdpr_sql_begin_own(&scope);
	gdpr_keyring_lock();
	gdpr_key_require_context(context);
	row = find_key(context, version);
	if (strcmp(row.status, "primary") == 0)
		refuse_status(context, version, row.status,
					  "Call gdpr.rotate_context first: new values need a key.");
	if (strcmp(row.status, "destroyed") == 0)
		refuse_status(context, version, row.status, NULL);
	if (strcmp(row.status, "enabled") == 0)
	{
		change_key("UPDATE gdpr.context_key SET status = 'retired'"
				   " WHERE context = $1::name AND version = $2",
				   context, version);
		gdpr_key_record("retire", GDPR_KIND_CONTEXT, context, version);
	}
	gdpr_sql_end_own(&scope);
	PG_RETURN_VOID();
}

/* For everybody: to others it is not retired before that is committed. */
static void
require_retired(const char *context, int version, const char *hint)
{
	KeyRow row = find_key(context, version);

	if (strcmp(row.status, "retired") != 0)
		refuse_status(context, version, row.status,
					  strcmp(row.status, "destroyed") == 0 ? NULL : hint);
	if (TransactionIdIsCurrentTransactionId(row.writer))
		refuse_status(context, version, "retired by this transaction",
					  "Commit first.");
}

void
gdpr_keyring_require_retired(const char *context, int version)
{
	gdpr_key_require_context(context);
	require_retired(
		context, version,
		"Move its values with gdpr.reencrypt, and call gdpr.retire_key first.");
}

void
gdpr_keyring_destroy(const char *context, int version)
{
	change_key(
		"UPDATE gdpr.context_key SET status = 'destroyed', wrapped = NULL, root_id = NULL"
		" WHERE context = $1::name AND version = $2",
		context, version);
	gdpr_key_record("destroy", GDPR_KIND_CONTEXT, context, version);
}

/* ---- a whole context ---- */

/* Runs a statement that returns the versions that it changed. */
static void
change_keys(const char *sql, const char *action, const char *context)
{
	Oid types[] = {TEXTOID};
	Datum values[] = {CStringGetTextDatum(context)};
	uint64 n = gdpr_sql_run(sql, 1, types, values, NULL, false,
							SPI_OK_UPDATE_RETURNING);
	SPITupleTable *rows = SPI_tuptable;

	for (uint64 i = 0; i < n; i++)
	{
		bool isnull;

		gdpr_key_record(action, GDPR_KIND_CONTEXT, context,
						DatumGetInt32(SPI_getbinval(rows->vals[i],
													rows->tupdesc, 1,
													&isnull)));
	}
}

void
gdpr_keyring_retire_context(const char *context)
{
	gdpr_key_require_context(context);
	refuse_destroyed(context);
	change_keys("UPDATE gdpr.context_key SET status = 'retired'"
				" WHERE context = $1::name AND status IN ('primary', 'enabled')"
				" RETURNING version::integer",
				"retire", context);
}

void
gdpr_keyring_require_context_retired(const char *context)
{
	Oid types[] = {TEXTOID};
	Datum values[] = {CStringGetTextDatum(context)};
	SPITupleTable *rows;
	uint64 n;

	gdpr_key_require_context(context);
	refuse_destroyed(context);
	n = gdpr_sql_run("SELECT version::integer FROM gdpr.context_key"
					 " WHERE context = $1::name AND status <> 'destroyed'"
					 " ORDER BY version",
					 1, types, values, NULL, false, SPI_OK_SELECT);
	rows = SPI_tuptable;
	for (uint64 i = 0; i < n; i++)
	{
		bool isnull;

		require_retired(context,
						DatumGetInt32(SPI_getbinval(rows->vals[i],
													rows->tupdesc, 1, &isnull)),
						"Move its values, and call gdpr.retire_context first.");
	}
}

/* The tag keys of the context's domain go with the last of its contexts. */
static void
destroy_tag_keys(const char *context)
{
	Oid types[] = {TEXTOID};
	Datum values[] = {CStringGetTextDatum(context)};
	uint64 n = gdpr_sql_run(
		"UPDATE gdpr.tag_key t SET status = 'destroyed', wrapped = NULL, root_id = NULL"
		" FROM gdpr.context c WHERE c.name = $1::name AND t.tag_domain = c.tag_domain"
		" AND t.status <> 'destroyed' AND NOT EXISTS (SELECT 1 FROM gdpr.context o"
		" JOIN gdpr.context_key k ON k.context = o.name"
		" WHERE o.tag_domain = c.tag_domain AND k.status <> 'destroyed')"
		" RETURNING t.tag_domain, t.generation::integer",
		1, types, values, NULL, false, SPI_OK_UPDATE_RETURNING);
	SPITupleTable *rows = SPI_tuptable;

	for (uint64 i = 0; i < n; i++)
	{
		bool isnull;

		gdpr_key_record("destroy", GDPR_KIND_TAG,
						SPI_getvalue(rows->vals[i], rows->tupdesc, 1),
						DatumGetInt32(SPI_getbinval(rows->vals[i],
													rows->tupdesc, 2,
													&isnull)));
	}
}

void
gdpr_keyring_destroy_context(const char *context)
{
	Oid types[] = {TEXTOID};
	Datum values[] = {CStringGetTextDatum(context)};

	change_keys(
		"UPDATE gdpr.context_key SET status = 'destroyed', wrapped = NULL, root_id = NULL"
		" WHERE context = $1::name AND status <> 'destroyed' RETURNING version::integer",
		"destroy", context);
	destroy_tag_keys(context);
	(void)
		gdpr_sql_run("DELETE FROM gdpr.context_grant WHERE context = $1::name",
					 1, types, values, NULL, false, SPI_OK_DELETE);
}
