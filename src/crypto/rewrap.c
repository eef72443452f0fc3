/*
 * rewrap.c
 *	  Root keys read again, and keys wrapped by another of them.
 */
#include "base/compat.h"

#include <openssl/crypto.h>

#include "access/xlog.h"
#include "base/options.h"
#include "base/sql.h"
#include "catalog/pg_type.h"
#include "crypto/epoch.h"
#include "crypto/keyring_internal.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

/* ---- gdpr.rewrap_keys() ---- */

/* Where wrapped keys lie; the statements give and take the same columns. */
typedef struct WrappedTable
{
	const char *kind;
	const char *select; /* name, version, root id, wrapped key */
	const char *update; /* $1 and $2 say which, $3 and $4 are new */
} WrappedTable;

static const WrappedTable tables[] = {
	{
		.kind = GDPR_KIND_CONTEXT,
		.select = "SELECT context, version::integer, root_id, wrapped"
				  " FROM gdpr.context_key WHERE wrapped IS NOT NULL"
				  " ORDER BY context, version",
		.update = "UPDATE gdpr.context_key SET root_id = $3, wrapped = $4"
				  " WHERE context = $1 AND version = $2",
	},
	{
		.kind = GDPR_KIND_TAG,
		.select = "SELECT tag_domain, generation::integer, root_id, wrapped"
				  " FROM gdpr.tag_key WHERE wrapped IS NOT NULL"
				  " ORDER BY tag_domain, generation",
		.update = "UPDATE gdpr.tag_key SET root_id = $3, wrapped = $4"
				  " WHERE tag_domain = $1 AND generation = $2",
	},
	{
		.kind = GDPR_KIND_EPOCH,
		.select = "SELECT 'subject'::name, epoch, root_id, wrapped"
				  " FROM gdpr.subject_epoch WHERE wrapped IS NOT NULL"
				  " ORDER BY epoch",
		.update = "UPDATE gdpr.subject_epoch SET root_id = $3, wrapped = $4"
				  " WHERE $1 = 'subject' AND epoch = $2",
	},
};

typedef struct WrappedKey
{
	NameData name;
	int version;
	char root_id[GDPR_ROOT_ID_LEN];
	uint8 wrapped[GDPR_WRAPPED_LEN];
} WrappedKey;

typedef struct Outcome
{
	int64 rewrapped;
	int64 unchanged;
	ArrayBuildState *unavailable;
} Outcome;

static void
read_key(HeapTuple row, TupleDesc columns, WrappedKey *key)
{
	bool isnull;
	bytea *wrapped;

	key->name = *DatumGetName(SPI_getbinval(row, columns, 1, &isnull));
	key->version = DatumGetInt32(SPI_getbinval(row, columns, 2, &isnull));
	strlcpy(key->root_id, SPI_getvalue(row, columns, 3), GDPR_ROOT_ID_LEN);
	wrapped = DatumGetByteaPP(SPI_getbinval(row, columns, 4, &isnull));
	/* The table's constraint sees to the length. */
	memcpy(key->wrapped, VARDATA_ANY(wrapped), GDPR_WRAPPED_LEN);
}

static void
write_key(const WrappedTable *table, WrappedKey *key)
{
	Oid types[] = {NAMEOID, INT4OID, TEXTOID, BYTEAOID};
	bytea *wrapped = palloc(VARHDRSZ + GDPR_WRAPPED_LEN);
	Datum values[4];

	SET_VARSIZE(wrapped, VARHDRSZ + GDPR_WRAPPED_LEN);
	memcpy(VARDATA(wrapped), key->wrapped, GDPR_WRAPPED_LEN);
	values[0] = NameGetDatum(&key->name);
	values[1] = Int32GetDatum(key->version);
	values[2] = CStringGetTextDatum(key->root_id);
	values[3] = PointerGetDatum(wrapped);
	(void) gdpr_sql_run(table->update, 4, types, values, NULL, false,
						SPI_OK_UPDATE);
}

/* False when the key does not open. */
static bool
rewrap(const WrappedTable *table, WrappedKey *key, const char *primary,
	   Outcome *outcome)
{
	const char *name = NameStr(key->name);
	uint8 plain[GDPR_KEY_LEN];

	if (!gdpr_root_unwrap(key->root_id, table->kind, name, key->version,
						  key->wrapped, plain))
		return false;
	if (strcmp(key->root_id, primary) == 0)
	{
		OPENSSL_cleanse(plain, sizeof(plain));
		outcome->unchanged++;
		return true;
	}
	PG_TRY();
	{
		gdpr_root_wrap(table->kind, name, key->version, plain, key->wrapped,
					   key->root_id);
	}
	PG_FINALLY();
	{
		OPENSSL_cleanse(plain, sizeof(plain));
	}
	PG_END_TRY();
	write_key(table, key);
	outcome->rewrapped++;
	return true;
}

static Outcome
rewrap_table(const WrappedTable *table, const char *primary,
			 MemoryContext caller)
{
	Outcome outcome = {0};
	uint64 count = gdpr_sql_run(table->select, 0, NULL, NULL, NULL, false,
								SPI_OK_SELECT);
	SPITupleTable *rows = SPI_tuptable;

	outcome.unavailable = initArrayResult(TEXTOID, caller, true);
	for (uint64 i = 0; i < count; i++)
	{
		WrappedKey key;

		read_key(rows->vals[i], rows->tupdesc, &key);
		if (!rewrap(table, &key, primary, &outcome))
			outcome.unavailable = accumArrayResult(
				outcome.unavailable,
				CStringGetTextDatum(
					psprintf("%s %d", NameStr(key.name), key.version)),
				false, TEXTOID, caller);
	}
	return outcome;
}

static const char *const outside =
	"SELECT lineage, epoch FROM gdpr.subject_epoch "
	"WHERE lineage IS NOT NULL AND status <> 'destroyed' ORDER BY epoch";

/* Keys of epochs in the keystore: what they are wrapped by is there, too. */
static void
rewrap_outside(const char *primary, Outcome *outcome, MemoryContext caller)
{
	uint64 count = gdpr_sql_run(outside, 0, NULL, NULL, NULL, false,
								SPI_OK_SELECT);
	SPITupleTable *rows = SPI_tuptable;

	for (uint64 i = 0; i < count; i++)
	{
		char *lineage = SPI_getvalue(rows->vals[i], rows->tupdesc, 1);
		char *epoch = SPI_getvalue(rows->vals[i], rows->tupdesc, 2);
		char before[GDPR_ROOT_ID_LEN];

		if (!gdpr_epoch_rewrap(lineage, pg_strtoint32(epoch), before))
			outcome->unavailable = accumArrayResult(
				outcome->unavailable,
				CStringGetTextDatum(psprintf("%s %s", lineage, epoch)), false,
				TEXTOID, caller);
		else if (strcmp(before, primary) == 0)
			outcome->unchanged++;
		else
			outcome->rewrapped++;
	}
}

static void
put_outcome(FunctionCallInfo fcinfo, const char *kind, Outcome *outcome)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	Datum values[4];
	bool nulls[4] = {false};

	values[0] = CStringGetTextDatum(kind);
	values[1] = Int64GetDatum(outcome->rewrapped);
	values[2] = Int64GetDatum(outcome->unchanged);
	values[3] = makeArrayResult(outcome->unavailable, CurrentMemoryContext);
	tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
}

GDPR_FUNCTION(gdpr_rewrap_keys);
Datum
gdpr_rewrap_keys(PG_FUNCTION_ARGS)
{
	MemoryContext caller = CurrentMemoryContext;
	Outcome outcomes[lengthof(tables)];
	GdprRootFacts roots[GDPR_ROOT_MAX];
	GdprSqlScope scope;

	gdpr_key_require_root();
	InitMaterializedSRF(fcinfo, 0);
	gdpr_sql_begin_own(&scope);
	gdpr_keyring_lock();
	(void) gdpr_root_list(roots);
	for (int i = 0; i < lengthof(tables); i++)
	{
		outcomes[i] = rewrap_table(&tables[i], roots[0].id, caller);
		if (strcmp(tables[i].kind, GDPR_KIND_EPOCH) == 0)
			rewrap_outside(roots[0].id, &outcomes[i], caller);
		if (outcomes[i].rewrapped > 0)
			gdpr_key_record("rewrap", tables[i].kind, NULL, 0);
	}
	gdpr_sql_end_own(&scope);
	for (int i = 0; i < lengthof(tables); i++)
		put_outcome(fcinfo, tables[i].kind, &outcomes[i]);
	return (Datum) 0;
}

/* ---- gdpr.reload_keys() ---- */

static bool
is_among(const GdprRootFacts *root, const GdprRootFacts *roots, int count)
{
	for (int i = 0; i < count; i++)
	{
		if (strcmp(root->id, roots[i].id) == 0 &&
			memcmp(root->fingerprint, roots[i].fingerprint,
				   GDPR_ROOT_FINGERPRINT_LEN) == 0)
			return true;
	}
	return false;
}

static int64
count_wrapped_outside(const char *root_id)
{
	uint64 rows = gdpr_sql_run(outside, 0, NULL, NULL, NULL, false,
							   SPI_OK_SELECT);
	int64 count = 0;

	for (uint64 row = 0; row < rows; row++)
	{
		char *lineage = SPI_getvalue(SPI_tuptable->vals[row],
									 SPI_tuptable->tupdesc, 1);
		char *epoch = SPI_getvalue(SPI_tuptable->vals[row],
								   SPI_tuptable->tupdesc, 2);

		count += gdpr_epoch_needs_root(lineage, pg_strtoint32(epoch), root_id);
	}
	return count;
}

/* Keys of this database that the root key of this id opens. */
static int64
count_wrapped(const char *root_id)
{
	int64 count = count_wrapped_outside(root_id);

	for (int i = 0; i < lengthof(tables); i++)
	{
		uint64 rows = gdpr_sql_run(tables[i].select, 0, NULL, NULL, NULL, false,
								   SPI_OK_SELECT);

		for (uint64 row = 0; row < rows; row++)
		{
			WrappedKey key;
			uint8 plain[GDPR_KEY_LEN];

			read_key(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, &key);
			if (strcmp(key.root_id, root_id) != 0 ||
				!gdpr_root_unwrap(key.root_id, tables[i].kind,
								  NameStr(key.name), key.version, key.wrapped,
								  plain))
				continue;
			OPENSSL_cleanse(plain, sizeof(plain));
			count++;
		}
	}
	return count;
}

/*
 * A root key that still opens keys of this database does not go unless that is
 * wanted; other databases cannot be looked into.
 */
static void
refuse_loss(const GdprRootFacts *roots, int count, void *arg)
{
	GdprRootFacts old[GDPR_ROOT_MAX];
	int old_count = gdpr_root_list(old);
	bool *lose_keys = arg;

	for (int i = 0; i < old_count && !*lose_keys; i++)
	{
		int64 keys;

		if (is_among(&old[i], roots, count))
			continue;
		keys = count_wrapped(old[i].id);
		if (keys > 0)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_IN_USE),
					 errmsg("root key \"%s\" is still needed", old[i].id),
					 errdetail("It wraps " INT64_FORMAT " keys of this database. The root keys are those that they were.", keys),
					 errhint("Call gdpr.rewrap_keys() while the server has both root keys; to take the key away all the same, give the option \"lose_keys\".")));
	}
}

static void
put_roots(FunctionCallInfo fcinfo)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;
	GdprRootFacts roots[GDPR_ROOT_MAX];
	int count = gdpr_root_list(roots);

	for (int i = 0; i < count; i++)
	{
		Datum values[3];
		bool nulls[3] = {false};

		values[0] = CStringGetTextDatum(roots[i].id);
		values[1] = CStringGetTextDatum(gdpr_root_print(&roots[i]));
		values[2] = BoolGetDatum(i == 0);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
}

GDPR_FUNCTION(gdpr_reload_keys);
Datum
gdpr_reload_keys(PG_FUNCTION_ARGS)
{
	bool lose_keys = false;
	const GdprOption known[] = {{.name = "lose_keys", .flag = &lose_keys}};
	GdprSqlScope scope;
	int count;

	gdpr_options_parse(PG_GETARG_JSONB_P(0), known, lengthof(known));
	gdpr_keyring_require_preload();
	InitMaterializedSRF(fcinfo, 0);
	gdpr_sql_begin_own(&scope);
	/* No key is being wrapped by a root key that is about to go. */
	if (!RecoveryInProgress())
		gdpr_keyring_lock();
	count = gdpr_root_reload(refuse_loss, &lose_keys);
	gdpr_sql_end_own(&scope);
	ereport(LOG, (errmsg("root keys were read again: there are %d", count)));
	put_roots(fcinfo);
	return (Datum) 0;
}

/* gdpr.key_fingerprint() */
GDPR_FUNCTION(gdpr_key_fingerprint);
Datum
gdpr_key_fingerprint(PG_FUNCTION_ARGS)
{
	gdpr_keyring_require_preload();
	InitMaterializedSRF(fcinfo, 0);
	put_roots(fcinfo);
	return (Datum) 0;
}
