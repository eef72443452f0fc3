/*
 * check.c
 *	  Does every value of a column still decrypt?  Counts, never values.
 */
#include "base/compat.h"

#include "base/ident.h"
#include "base/sql.h"
#include "crypto/keyring.h"
#include "enctype/enctype.h"
#include "enctype/value.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

GDPR_FUNCTION(gdpr_check_column);

#define BATCH	 1000
#define VERSIONS (PG_UINT16_MAX + 1)

typedef struct Counts
{
	int64 values;
	int64 decrypted;
	int64 no_key;
	int64 corrupt;
	int64 other_context;
	int64 tag_mismatch;
	int64 in_flight;
	int64 erased;
	int64 of_subject; /* decrypted, by the key of a person */
	int64 gone;		  /* whose person was erased */
	int64 *versions;  /* decrypted, by key version */
} Counts;

static bool
tag_matches(const GdprEnvelope *env, GdprBytes payload)
{
	const GdprKind *kind = gdpr_kind_of(GDPR_ENVELOPE_KIND(env));
	const GdprContext *context = gdpr_keyring_context(env->context);
	uint8 tag[GDPR_TAG_LEN];

	if (env->tag == NULL || kind == NULL || kind->canonical == NULL ||
		context == NULL)
		return true;
	return gdpr_value_tag(kind, context, env->tag_generation, payload, tag) &&
		   memcmp(tag, env->tag, GDPR_TAG_LEN) == 0;
}

static void
count_opened(Counts *counts, const GdprEnvelope *env)
{
	GdprBytes payload;
	uint8 *buffer = palloc(env->length + 1);

	switch (gdpr_value_open(env, buffer))
	{
		case GDPR_OPENED:
			payload.data = buffer;
			payload.length = env->length;
			counts->decrypted++;
			if (env->subject != NULL)
				counts->of_subject++;
			else
				counts->versions[env->key_version]++;
			if (!tag_matches(env, payload))
				counts->tag_mismatch++;
			break;
		case GDPR_OPEN_NO_KEY:
			counts->no_key++;
			break;
		case GDPR_OPEN_GONE:
			counts->gone++;
			break;
		case GDPR_OPEN_EMPTY:
		case GDPR_OPEN_CORRUPT:
			counts->corrupt++;
			break;
	}
}

static void
count_value(Counts *counts, Datum value, int32 typmod)
{
	GdprBytes bytes = gdpr_value_bytes(PG_DETOAST_DATUM_PACKED(value));
	GdprEnvelope env;

	counts->values++;
	if (gdpr_envelope_parse(bytes.data, bytes.length, &env) != GDPR_ENVELOPE_OK)
	{
		counts->corrupt++;
		return;
	}
	if (env.flags & GDPR_FLAG_INFLIGHT)
		counts->in_flight++;
	else if (typmod >= 0 && env.context != (uint32) typmod)
		counts->other_context++;
	if (env.flags & GDPR_FLAG_ERASED)
		counts->erased++;
	else
		count_opened(counts, &env);
}

static void
count_batch(Counts *counts, int32 typmod, MemoryContext work)
{
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool isnull;
		Datum value = SPI_getbinval(SPI_tuptable->vals[i],
									SPI_tuptable->tupdesc, 1, &isnull);
		MemoryContext spi = MemoryContextSwitchTo(work);

		CHECK_FOR_INTERRUPTS();
		count_value(counts, value, typmod);
		MemoryContextSwitchTo(spi);
		MemoryContextReset(work);
	}
}

/* The table is read as the caller, who needs SELECT on the column. */
static void
count_column(Counts *counts, const char *sql, int32 typmod)
{
	GdprSqlScope scope;
	SPIPlanPtr plan;
	Portal cursor;
	MemoryContext work = AllocSetContextCreate(CurrentMemoryContext,
											   "gdpr_ext check_column",
											   ALLOCSET_DEFAULT_SIZES);

	gdpr_sql_begin_caller(&scope);
	plan = SPI_prepare(sql, 0, NULL);
	if (plan == NULL)
		elog(ERROR, "cannot prepare a look at the column");
	cursor = SPI_cursor_open(NULL, plan, NULL, NULL, true);
	do
	{
		SPI_cursor_fetch(cursor, true, BATCH);
		count_batch(counts, typmod, work);
		SPI_freetuptable(SPI_tuptable);
	} while (SPI_processed > 0);
	SPI_cursor_close(cursor);
	gdpr_sql_end_caller(&scope);
	MemoryContextDelete(work);
}

static void
put_count(FunctionCallInfo fcinfo, const char *item, int version, int64 count)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Datum values[3];
	bool nulls[3] = {false, version == 0, false};

	values[0] = CStringGetTextDatum(item);
	values[1] = Int32GetDatum(version);
	values[2] = Int64GetDatum(count);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

static void
put_counts(FunctionCallInfo fcinfo, const Counts *counts)
{
	put_count(fcinfo, "values", 0, counts->values);
	put_count(fcinfo, "decrypt", 0, counts->decrypted);
	for (int version = 1; version < VERSIONS; version++)
	{
		if (counts->versions[version] > 0)
			put_count(fcinfo, "decrypt by key version", version,
					  counts->versions[version]);
	}
	put_count(fcinfo, "decrypt by the key of a person", 0, counts->of_subject);
	put_count(fcinfo, "key not available", 0, counts->no_key);
	put_count(fcinfo, "of an erased person", 0, counts->gone);
	put_count(fcinfo, "corrupt", 0, counts->corrupt);
	put_count(fcinfo, "of another context", 0, counts->other_context);
	put_count(fcinfo, "wrong tag", 0, counts->tag_mismatch);
	put_count(fcinfo, "in flight", 0, counts->in_flight);
	put_count(fcinfo, "erased", 0, counts->erased);
}

/* gdpr.check_column(relation regclass, column_name name) */
Datum
gdpr_check_column(PG_FUNCTION_ARGS)
{
	Oid relid = PG_GETARG_OID(0);
	AttrNumber attnum = get_attnum(relid, NameStr(*PG_GETARG_NAME(1)));
	Counts counts = {0};
	Oid typid;
	int32 typmod;
	Oid collation;
	char *column;

	if (attnum <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("the relation has no such column")));
	get_atttypetypmodcoll(relid, attnum, &typid, &typmod, &collation);
	typid = getBaseTypeAndTypmod(typid, &typmod);
	column = gdpr_ident_column(relid, attnum);
	if (!gdpr_enctype_is(typid))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("column %s is not encrypted", column)));
	counts.versions = palloc0(sizeof(int64) * VERSIONS);
	InitMaterializedSRF(fcinfo, 0);
	count_column(&counts,
				 psprintf("SELECT %s FROM %s WHERE %s IS NOT NULL", column,
						  gdpr_ident_relation(relid), column),
				 typmod);
	put_counts(fcinfo, &counts);
	PG_RETURN_NULL();
}
