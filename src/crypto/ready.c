/*
 * ready.c
 *	  gdpr.standby_ready(): would this server do, if it had to take over?
 */
#include "base/compat.h"

#include "access/htup_details.h"
#include "base/sql.h"
#include "catalog/pg_type.h"
#include "crypto/epoch.h"
#include "crypto/keyring_internal.h"
#include "funcapi.h"
#include "utils/builtins.h"

GDPR_FUNCTION(gdpr_standby_ready);

static void
put(FunctionCallInfo fcinfo, const char *item, bool ready, const char *detail)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Datum values[] = {CStringGetTextDatum(item), BoolGetDatum(ready),
					  detail == NULL ? (Datum) 0 : CStringGetTextDatum(detail)};
	bool nulls[] = {false, false, detail == NULL};

	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

static char *
first_text(const char *sql)
{
	if (gdpr_sql_run(sql, 0, NULL, NULL, NULL, true, SPI_OK_SELECT) == 0)
		return NULL;
	return SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
}

static void
put_library(FunctionCallInfo fcinfo)
{
	char *created = first_text("SELECT extversion FROM pg_catalog.pg_extension "
							   "WHERE extname = 'gdpr_ext'");
	bool same = created != NULL && strcmp(created, GDPR_EXT_VERSION) == 0;

	put(fcinfo, "library", same,
		same ? NULL
			 : psprintf(
				   "the library is of version %s, the extension of version %s",
				   GDPR_EXT_VERSION, created == NULL ? "none" : created));
	put(fcinfo, "preload", gdpr_keyring_preloaded(),
		gdpr_keyring_preloaded()
			? NULL
			: "gdpr_ext is not in shared_preload_libraries");
}

/* Names of contexts whose keys do not open here. */
static void
put_roots(FunctionCallInfo fcinfo)
{
	char *missing = first_text(
		"SELECT string_agg(DISTINCT context::text, ', ') FROM gdpr.key_status "
		"WHERE status <> 'destroyed' AND NOT (available AND tag_available)");

	put(fcinfo, "root keys", missing == NULL,
		missing == NULL
			? NULL
			: psprintf("keys of these contexts do not open: %s", missing));
}

/* Asks the keystore itself, whatever the server remembers of it. */
static const char *
look_into_keystore(const char *lineage, int32 epoch)
{
	StringInfoData object;
	StringInfoData head;
	const char *defect;

	initStringInfo(&object);
	initStringInfo(&head);
	defect = gdpr_keystore_try_read(gdpr_epoch_object(lineage, epoch, "key"),
									&object);
	if (defect == NULL && object.len == 0)
		defect = psprintf("it lacks the key of epoch %d", epoch);
	if (defect == NULL)
		defect = gdpr_keystore_try_read(gdpr_epoch_head(lineage), &head);
	if (defect == NULL && head.len > 0 && atoi(head.data) > epoch)
		defect = psprintf("it is at epoch %d, the database at %d",
						  atoi(head.data), epoch);
	if (defect == NULL && !gdpr_epoch_is_available(epoch))
		defect = psprintf("the key of epoch %d does not open", epoch);
	return defect;
}

static void
put_epochs(FunctionCallInfo fcinfo)
{
	uint64 n = gdpr_sql_run("SELECT lineage, epoch FROM gdpr.subject_epoch "
							"WHERE status = 'primary'",
							0, NULL, NULL, NULL, true, SPI_OK_SELECT);
	const char *defect = NULL;
	char *lineage;
	int32 epoch;

	if (n > 0)
	{
		lineage = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
		epoch = pg_strtoint32(
			SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2));
		if (lineage != NULL)
			defect = look_into_keystore(lineage, epoch);
		else if (!gdpr_epoch_is_available(epoch))
			defect = psprintf("the key of epoch %d does not open", epoch);
	}
	put(fcinfo, "keys of persons", defect == NULL, defect);
}

Datum
gdpr_standby_ready(PG_FUNCTION_ARGS)
{
	GdprSqlScope scope;

	InitMaterializedSRF(fcinfo, 0);
	gdpr_sql_begin_own(&scope);
	put_library(fcinfo);
	put_roots(fcinfo);
	put_epochs(fcinfo);
	gdpr_sql_end_own(&scope);
	PG_RETURN_NULL();
}
