/*
 * statement.c
 *	  Statements on users' tables: cached plans, errors without values.
 *
 * One subject is like the next, so the same texts come again and again; their
 * plans are saved, and the server replans them when a table changes.
 */
#include "base/compat.h"

#include "base/redact.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "subject/statement.h"
#include "utils/array.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

/* More texts than this, and the cache starts anew. */
#define CACHE_LIMIT 500

typedef struct CachedStatement
{
	uint64 key; /* hash of text and argument types */
	char *sql;
	SPIPlanPtr plan;
} CachedStatement;

/* What the protocol, and so the server, can count. */
#define MOST_ARGS 65535

static HTAB *cache = NULL;
static int running = 0; /* triggers may call us while we run */

GdprArgs *
gdpr_statement_args(void)
{
	GdprArgs *args = palloc(sizeof(GdprArgs));

	args->n = 0;
	args->capacity = 8;
	args->types = palloc(sizeof(Oid) * args->capacity);
	args->values = palloc(sizeof(Datum) * args->capacity);
	return args;
}

int
gdpr_statement_arg(GdprArgs *args, Oid type, Datum value)
{
	if (args->n >= MOST_ARGS)
		ereport(ERROR,
				(errcode(ERRCODE_TOO_MANY_ARGUMENTS),
				 errmsg("the subject's rows lie in too many relations for one statement")));
	if (args->n == args->capacity)
	{
		args->capacity *= 2;
		args->types = repalloc(args->types, sizeof(Oid) * args->capacity);
		args->values = repalloc(args->values, sizeof(Datum) * args->capacity);
	}
	args->types[args->n] = type;
	args->values[args->n] = value;
	return ++args->n;
}

static SPIPlanPtr
prepare(const char *sql, const GdprArgs *args)
{
	SPIPlanPtr plan = SPI_prepare(sql, args->n, args->types);

	if (plan == NULL)
		elog(ERROR, "SPI_prepare failed: %s", SPI_result_code_string(SPI_result));
	return plan;
}

static void
empty_cache(void)
{
	HASH_SEQ_STATUS scan;
	CachedStatement *entry;

	hash_seq_init(&scan, cache);
	while ((entry = hash_seq_search(&scan)) != NULL)
	{
		SPI_freeplan(entry->plan);
		pfree(entry->sql);
		hash_search(cache, &entry->key, HASH_REMOVE, NULL);
	}
}

static void
ensure_cache(void)
{
	HASHCTL ctl = {0};

	if (cache == NULL)
	{
		ctl.keysize = sizeof(uint64);
		ctl.entrysize = sizeof(CachedStatement);
		ctl.hcxt = CacheMemoryContext;
		cache = hash_create("gdpr statements", 64, &ctl,
							HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	/* A plan that is running must not be freed. */
	if (running == 0 && hash_get_num_entries(cache) >= CACHE_LIMIT)
		empty_cache();
}

static SPIPlanPtr
cached_plan(const char *sql, const GdprArgs *args)
{
	uint64 key = hash_bytes_extended(
		(const unsigned char *) sql, strlen(sql),
		hash_bytes_extended((const unsigned char *) args->types,
							args->n * sizeof(Oid), 0));
	CachedStatement *entry;
	SPIPlanPtr plan;
	char *copy;

	ensure_cache();
	entry = hash_search(cache, &key, HASH_FIND, NULL);
	if (entry != NULL)
		return strcmp(entry->sql, sql) == 0 ? entry->plan : prepare(sql, args);
	plan = prepare(sql, args);
	if (hash_get_num_entries(cache) >= CACHE_LIMIT)
		return plan;
	copy = MemoryContextStrdup(CacheMemoryContext, sql);
	if (SPI_keepplan(plan) != 0)
		elog(ERROR, "SPI_keepplan failed");
	entry = hash_search(cache, &key, HASH_ENTER, NULL);
	entry->sql = copy;
	entry->plan = plan;
	return plan;
}

static void
execute(const char *sql, const GdprArgs *args, bool read_only)
{
	int rc = SPI_execute_plan(cached_plan(sql, args), args->values, NULL,
							  read_only, 0);

	if (rc < 0)
		elog(ERROR, "SPI_execute_plan returned %d", rc);
}

uint64
gdpr_statement_run(const char *sql, const GdprArgs *args, bool read_only,
				   const char *relation)
{
	MemoryContext context = CurrentMemoryContext;
	int depth = running;

	running++;
	PG_TRY();
	{
		execute(sql, args, read_only);
		running = depth;
	}
	PG_CATCH();
	{
		ErrorData *error;

		running = depth;
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		gdpr_redact_rethrow(error, relation);
	}
	PG_END_TRY();
	return SPI_processed;
}

Datum
gdpr_statement_value(uint64 row, int column, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column,
						 isnull);
}

Datum
gdpr_statement_tids(const ItemPointerData *tids, int ntids)
{
	Datum *values = palloc(sizeof(Datum) * Max(ntids, 1));
	ArrayType *array;

	for (int i = 0; i < ntids; i++)
		values[i] = PointerGetDatum(&tids[i]);
	array = construct_array(values, ntids, TIDOID, sizeof(ItemPointerData),
							false, TYPALIGN_SHORT);
	pfree(values);
	return PointerGetDatum(array);
}
