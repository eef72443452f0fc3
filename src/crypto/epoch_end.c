/*
 * epoch_end.c
 *	  Ending an epoch, so that older copies of erased persons' keys are
 *	  worthless.
 *
 * A person's key is a row, and a row that was deleted lives on in WAL, in
 * backups, in dumps and on standbys that were lost, wrapped by its epoch's key.
 * So after erasures the keys of all who are left are wrapped by the key of a
 * next epoch, that set is written to the keystore, too, and once every standby
 * and slot has replayed it the old epoch's key is destroyed there.  From then
 * on an older backup opens nobody; the set gives it back everybody but those
 * who were erased.
 *
 * Every step is a transaction of its own and leaves in gdpr.subject_epoch how
 * far it came, so whoever comes next goes on, after a crash as well.
 *
 * Locks: that of steps, gdpr.context (crypto/keyring_internal.h), then gdpr.subject_key.
 */
#include "base/compat.h"

#include <openssl/sha.h>

#include "access/transam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "base/errors.h"
#include "base/guc.h"
#include "base/lockspace.h"
#include "base/sql.h"
#include "catalog/pg_type.h"
#include "crypto/epoch.h"
#include "crypto/epoch_end.h"
#include "crypto/keyring_internal.h"
#include "crypto/subject_key.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "port/pg_bswap.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/pg_lsn.h"

GDPR_FUNCTION(gdpr_end_epoch);
GDPR_FUNCTION(gdpr_restore_subject_keys);

#define BATCH 5000


/* ---- the set of keys, as the keystore has it ---- */

/*
 * "gdpr subject keys 1" newline, epoch 4, count 8, the keys, SHA-256 of all
 * before it.  Integers are big-endian.
 */
static const char set_head[] = "gdpr subject keys 1\n";

#define SET_HEAD_LEN (sizeof(set_head) - 1 + 4 + 8)

typedef struct SetKey
{
	uint8 id[GDPR_SUBJECT_ID_LEN];
	uint8 subject[GDPR_TAG_LEN];
	uint8 wrapped[GDPR_WRAPPED_LEN];
} SetKey;

static void
append_number(StringInfo out, uint64 number, int bytes)
{
	uint64 word = pg_hton64(number);

	appendBinaryStringInfo(out, (const char *) &word + sizeof(word) - bytes,
						   bytes);
}

static void
append_bytea(StringInfo out, HeapTuple row, TupleDesc columns, int column)
{
	bool isnull;
	bytea *bytes = DatumGetByteaPP(
		SPI_getbinval(row, columns, column, &isnull));

	appendBinaryStringInfo(out, VARDATA_ANY(bytes),
						   (int) VARSIZE_ANY_EXHDR(bytes));
}

static void
append_keys(StringInfo out, int32 epoch)
{
	Oid types[] = {INT4OID};
	Datum values[] = {Int32GetDatum(epoch)};
	uint64 n = gdpr_sql_run(
		"SELECT int8send(id), subject, wrapped FROM gdpr.subject_key "
		"WHERE epoch = $1 ORDER BY id",
		1, types, values, NULL, false, SPI_OK_SELECT);

	append_number(out, n, 8);
	for (uint64 i = 0; i < n; i++)
	{
		for (int column = 1; column <= 3; column++)
			append_bytea(out, SPI_tuptable->vals[i], SPI_tuptable->tupdesc,
						 column);
	}
	SPI_freetuptable(SPI_tuptable);
}

static void
append_digest(StringInfo out)
{
	uint8 digest[SHA256_DIGEST_LENGTH];

	SHA256((const uint8 *) out->data, out->len, digest);
	appendBinaryStringInfo(out, (const char *) digest, sizeof(digest));
}

/* The set, and then what says that it is the last. */
static void
write_set(const char *lineage, int32 epoch)
{
	StringInfoData set;
	char *head = psprintf("%d\n", epoch);

	initStringInfo(&set);
	appendBinaryStringInfo(&set, set_head, sizeof(set_head) - 1);
	append_number(&set, (uint64) epoch, 4);
	append_keys(&set, epoch);
	append_digest(&set);
	gdpr_keystore_write(gdpr_epoch_object(lineage, epoch, "set"), set.data,
						set.len);
	gdpr_keystore_write(gdpr_epoch_head(lineage), head, strlen(head));
	pfree(set.data);
}

static void
refuse_set(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATA_CORRUPTED),
			 errmsg("the keystore's set of keys is not complete"),
			 errhint("Bring it back from a copy of the keystore of the same day.")));
}

/* The keys of a set; raises XX001 unless it is whole. */
static const SetKey *
parse_set(const StringInfoData *set, int32 epoch, uint64 *count)
{
	uint8 digest[SHA256_DIGEST_LENGTH];
	uint64 number;
	uint32 of;

	if ((size_t) set->len < SET_HEAD_LEN + sizeof(digest) ||
		memcmp(set->data, set_head, sizeof(set_head) - 1) != 0)
		refuse_set();
	SHA256((const uint8 *) set->data, set->len - sizeof(digest), digest);
	memcpy(&of, set->data + sizeof(set_head) - 1, sizeof(of));
	memcpy(&number, set->data + sizeof(set_head) - 1 + sizeof(of),
		   sizeof(number));
	*count = pg_ntoh64(number);
	if (memcmp(set->data + set->len - sizeof(digest), digest, sizeof(digest)) !=
			0 ||
		pg_ntoh32(of) != (uint32) epoch ||
		*count != (set->len - SET_HEAD_LEN - sizeof(digest)) / sizeof(SetKey))
		refuse_set();
	return (const SetKey *) (set->data + SET_HEAD_LEN);
}

/* ---- where we are ---- */

typedef struct State
{
	int32 primary; /* 0: none */
	bool outside;  /* the primary's key is in the keystore */
	char lineage[GDPR_EPOCH_LINEAGE_LEN];
	int32 old; /* the oldest that is not destroyed; 0: none but the primary */
	char old_lineage[GDPR_EPOCH_LINEAGE_LEN];
	bool emptied;
	bool emptied_here; /* by this transaction */
	XLogRecPtr emptied_at;
	bool due; /* old enough, or asked for; and somebody was erased in it */
	bool erased;
} State;

static void
copy_text(char *to, size_t size, SPITupleTable *rows, int column)
{
	char *text = SPI_getvalue(rows->vals[0], rows->tupdesc, column);

	strlcpy(to, text == NULL ? "" : text, size);
}

static bool
flag(SPITupleTable *rows, int column)
{
	bool isnull;
	Datum value = SPI_getbinval(rows->vals[0], rows->tupdesc, column, &isnull);

	return !isnull && DatumGetBool(value);
}

/* A ledger's line of after the epoch's beginning is about a key of it. */
static void
find_primary(State *state)
{
	Oid types[] = {FLOAT8OID};
	Datum values[] = {Float8GetDatum(gdpr_guc_epoch_interval)};
	bool isnull;

	if (gdpr_sql_run(
			"SELECT epoch, lineage, wrapped IS NULL, "
			"created_at + $1 * interval '1 second' <= pg_catalog.clock_timestamp(), "
			"EXISTS (SELECT FROM gdpr.erasure_ledger l WHERE l.forgotten_at >= e.created_at) "
			"FROM gdpr.subject_epoch e WHERE status = 'primary'",
			1, types, values, NULL, false, SPI_OK_SELECT) == 0)
		return;
	state->primary = DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[0],
												 SPI_tuptable->tupdesc, 1,
												 &isnull));
	copy_text(state->lineage, sizeof(state->lineage), SPI_tuptable, 2);
	state->outside = flag(SPI_tuptable, 3);
	state->due = flag(SPI_tuptable, 4);
	state->erased = flag(SPI_tuptable, 5);
}

static void
find_old(State *state)
{
	bool isnull;
	Datum value;

	if (gdpr_sql_run(
			"SELECT epoch, lineage, status = 'emptied', emptied_at, xmin "
			"FROM gdpr.subject_epoch WHERE status IN ('enabled', 'emptied') "
			"ORDER BY epoch LIMIT 1",
			0, NULL, NULL, NULL, false, SPI_OK_SELECT) == 0)
		return;
	state->old = DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[0],
											 SPI_tuptable->tupdesc, 1,
											 &isnull));
	copy_text(state->old_lineage, sizeof(state->old_lineage), SPI_tuptable, 2);
	state->emptied = flag(SPI_tuptable, 3);
	value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 4,
						  &isnull);
	state->emptied_at = isnull ? InvalidXLogRecPtr : DatumGetLSN(value);
	value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 5,
						  &isnull);
	state->emptied_here = TransactionIdIsCurrentTransactionId(
		DatumGetTransactionId(value));
}

/* The number that the keystore has seen last; 0 when it knows of none. */
static int32
read_head(const char *lineage)
{
	StringInfoData head;

	initStringInfo(&head);
	if (lineage[0] == '\0' ||
		!gdpr_keystore_read(gdpr_epoch_head(lineage), &head))
		return 0;
	return pg_strtoint32(
		psprintf("%.*s", (int) strcspn(head.data, "\n"), head.data));
}

static void
refuse_older(const State *state)
{
	if (read_head(state->lineage) > state->primary)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the keystore is of a later time than the database"),
				 errhint("A backup was restored: run gdpr.restore_subject_keys().")));
}

/* ---- the steps ---- */

static void
set_status(int32 epoch, const char *status, XLogRecPtr emptied_at)
{
	Oid types[] = {INT4OID, TEXTOID, PG_LSNOID};
	Datum values[] = {Int32GetDatum(epoch), CStringGetTextDatum(status),
					  LSNGetDatum(emptied_at)};

	(void) gdpr_sql_run(
		"UPDATE gdpr.subject_epoch SET status = $2, emptied_at = $3, "
		"root_id = CASE WHEN $2 = 'destroyed' THEN NULL ELSE root_id END, "
		"wrapped = CASE WHEN $2 = 'destroyed' THEN NULL ELSE wrapped END, "
		"destroyed_at = CASE WHEN $2 = 'destroyed' THEN pg_catalog.now() END "
		"WHERE epoch = $1",
		3, types, values, XLogRecPtrIsInvalid(emptied_at) ? "  n" : NULL, false,
		SPI_OK_UPDATE);
}

/*
 * Whoever makes a key holds the table's lock to the end of his transaction, so
 * there is none of the old epoch on its way when ours is had.
 */
static GdprEpochStep
begin_next(void)
{
	gdpr_keyring_lock();
	LockRelationOid(get_relname_relid("subject_key", gdpr_sql_schema()),
					ShareRowExclusiveLock);
	(void) gdpr_epoch_make();
	gdpr_key_record("end", GDPR_KIND_EPOCH, NULL, 0);
	return GDPR_EPOCH_BEGUN;
}

static void
rewrap_row(HeapTuple row, TupleDesc columns, int32 old)
{
	Oid types[] = {INT8OID, INT4OID, BYTEAOID};
	bool isnull;
	Datum values[3];
	int64 number = DatumGetInt64(SPI_getbinval(row, columns, 1, &isnull));
	uint64 id = pg_hton64((uint64) number);
	bytea *subject = DatumGetByteaPP(SPI_getbinval(row, columns, 2, &isnull));
	bytea *wrapped = DatumGetByteaPP(SPI_getbinval(row, columns, 3, &isnull));
	bytea *again = palloc(VARHDRSZ + GDPR_WRAPPED_LEN);
	uint8 key[GDPR_KEY_LEN];
	int32 epoch = 0;

	if (!gdpr_epoch_unwrap(old, (uint8 *) &id, (uint8 *) VARDATA_ANY(subject),
						   (uint8 *) VARDATA_ANY(wrapped), key))
		ereport(ERROR,
				(errcode(ERRCODE_GDPR_KEY_UNAVAILABLE),
				 errmsg("a person's key does not open by the key of epoch %d", old),
				 errhint("Its root key or the keystore is missing.")));
	SET_VARSIZE(again, VARHDRSZ + GDPR_WRAPPED_LEN);
	epoch = gdpr_epoch_wrap((uint8 *) &id, (uint8 *) VARDATA_ANY(subject), key,
							(uint8 *) VARDATA(again));
	explicit_bzero(key, sizeof(key));
	values[0] = Int64GetDatum(number);
	values[1] = Int32GetDatum(epoch);
	values[2] = PointerGetDatum(again);
	(void) gdpr_sql_run(
		"UPDATE gdpr.subject_key SET epoch = $2, wrapped = $3 WHERE id = $1", 3,
		types, values, NULL, false, SPI_OK_UPDATE);
}

static bool
rewrap_some(int32 old)
{
	Oid types[] = {INT4OID, INT4OID};
	Datum values[] = {Int32GetDatum(old), Int32GetDatum(BATCH)};
	uint64 n = gdpr_sql_run(
		"SELECT id, subject, wrapped FROM gdpr.subject_key WHERE epoch = $1 "
		"LIMIT $2 FOR UPDATE",
		2, types, values, NULL, false, SPI_OK_SELECT);
	SPITupleTable *rows = SPI_tuptable;

	for (uint64 i = 0; i < n; i++)
	{
		CHECK_FOR_INTERRUPTS();
		rewrap_row(rows->vals[i], rows->tupdesc, old);
	}
	SPI_freetuptable(rows);
	return n > 0;
}

static GdprEpochStep
empty(const State *state)
{
	if (rewrap_some(state->old))
		return GDPR_EPOCH_REWRAPPED;
	write_set(state->lineage, state->primary);
	/* What was committed before lies before this. */
	set_status(state->old, "emptied", GetXLogInsertRecPtr());
	return GDPR_EPOCH_EMPTIED;
}

/* Has everybody who may become a primary, or reads the WAL, come so far? */
static bool
everybody_passed(XLogRecPtr lsn)
{
	Oid types[] = {PG_LSNOID};
	Datum values[] = {LSNGetDatum(lsn)};

	return gdpr_sql_run(
			   "SELECT FROM pg_catalog.pg_stat_replication "
			   "WHERE replay_lsn IS NULL OR replay_lsn < $1 "
			   "UNION ALL SELECT FROM pg_catalog.pg_replication_slots "
			   "WHERE coalesce(confirmed_flush_lsn, restart_lsn) < $1 LIMIT 1",
			   1, types, values, NULL, false, SPI_OK_SELECT) == 0;
}

/*
 * Destroying again what is gone already is no error.  The keys of the next
 * epoch must be there whatever happens now: committed, and on the disk where
 * commits do not wait for it.
 */
static GdprEpochStep
destroy_old(const State *state)
{
	if (state->emptied_here || !everybody_passed(state->emptied_at))
		return GDPR_EPOCH_WAITING;
	XLogFlush(state->emptied_at);
	set_status(state->old, "destroyed", state->emptied_at);
	gdpr_key_record("destroy", GDPR_KIND_EPOCH, NULL, state->old);
	if (state->old_lineage[0] != '\0')
	{
		gdpr_keystore_destroy(
			gdpr_epoch_object(state->old_lineage, state->old, "key"));
		gdpr_keystore_destroy(
			gdpr_epoch_object(state->old_lineage, state->old, "set"));
		gdpr_epoch_wipe(state->old_lineage, state->old);
	}
	return GDPR_EPOCH_DESTROYED;
}

/* One step at a time, whoever does it; before any other lock. */
static void
lock_steps(void)
{
	LOCKTAG tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, 0, 0, GDPR_LOCK_EPOCH);
	(void) LockAcquire(&tag, ExclusiveLock, false, false);
}

static GdprEpochStep
step(bool at_once)
{
	State state = {0};

	lock_steps();
	find_primary(&state);
	if (state.primary == 0)
		return GDPR_EPOCH_IDLE;
	if (state.outside)
		gdpr_epoch_require_owner(state.lineage);
	refuse_older(&state);
	find_old(&state);
	if (state.old != 0)
		return state.emptied ? destroy_old(&state) : empty(&state);
	/* One whose key lies in the database is older than the keystore. */
	if ((state.erased && (state.due || at_once)) || (at_once && !state.outside))
		return begin_next();
	return GDPR_EPOCH_IDLE;
}

GdprEpochStep
gdpr_epoch_end_step(bool at_once)
{
	GdprEpochStep result;
	GdprSqlScope scope;

	if (!gdpr_keystore_exists())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("no keystore is configured"),
				 errdetail("The key of an epoch that lies in the database cannot be destroyed in older copies of it."),
				 errhint("Set gdpr.keystore_path or gdpr.keystore_command in the configuration file and reload it.")));
	gdpr_sql_begin_own(&scope);
	result = step(at_once);
	gdpr_sql_end_own(&scope);
	return result;
}

void
gdpr_epoch_end_run_due(void (*boundary)(void))
{
	GdprEpochStep done;

	if (!gdpr_keystore_exists() || !gdpr_keyring_has_root())
		return;
	do
	{
		done = gdpr_epoch_end_step(false);
		boundary();
	} while (done != GDPR_EPOCH_IDLE && done != GDPR_EPOCH_WAITING);
}

/* gdpr.end_epoch(): one step, by name */
Datum
gdpr_end_epoch(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {
		[GDPR_EPOCH_IDLE] = "idle",
		[GDPR_EPOCH_BEGUN] = "begun",
		[GDPR_EPOCH_REWRAPPED] = "rewrapped",
		[GDPR_EPOCH_EMPTIED] = "emptied",
		[GDPR_EPOCH_WAITING] = "waiting",
		[GDPR_EPOCH_DESTROYED] = "destroyed",
	};

	gdpr_key_require_root();
	PG_RETURN_TEXT_P(cstring_to_text(names[gdpr_epoch_end_step(true)]));
}

/* ---- after an older backup was restored ---- */

/* The lineage, and the epoch that the database was in. */
static int32
require_lineage(char *lineage)
{
	bool isnull;

	if (gdpr_sql_run("SELECT max(epoch), max(lineage) FROM gdpr.subject_epoch "
					 "WHERE lineage IS NOT NULL HAVING count(*) > 0",
					 0, NULL, NULL, NULL, false, SPI_OK_SELECT) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("this database has no keys in a keystore")));
	copy_text(lineage, GDPR_EPOCH_LINEAGE_LEN, SPI_tuptable, 2);
	return DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[0],
									   SPI_tuptable->tupdesc, 1, &isnull));
}

static Datum
bytea_datum(const uint8 *bytes, int length)
{
	return PointerGetDatum(
		cstring_to_text_with_len((const char *) bytes, length));
}

/* The set as three arrays: ids, persons, wrapped keys. */
static void
set_arrays(const SetKey *keys, uint64 count, Datum *arrays)
{
	Datum *ids = palloc(sizeof(Datum) * Max(count, 1));
	Datum *subjects = palloc(sizeof(Datum) * Max(count, 1));
	Datum *wrapped = palloc(sizeof(Datum) * Max(count, 1));

	for (uint64 i = 0; i < count; i++)
	{
		uint64 id;

		memcpy(&id, keys[i].id, sizeof(id));
		ids[i] = Int64GetDatum((int64) pg_ntoh64(id));
		subjects[i] = bytea_datum(keys[i].subject, GDPR_TAG_LEN);
		wrapped[i] = bytea_datum(keys[i].wrapped, GDPR_WRAPPED_LEN);
	}
	arrays[0] = PointerGetDatum(
		construct_array(ids, (int) count, INT8OID, 8, true, TYPALIGN_DOUBLE));
	arrays[1] = PointerGetDatum(construct_array(subjects, (int) count, BYTEAOID,
												-1, false, TYPALIGN_INT));
	arrays[2] = PointerGetDatum(construct_array(wrapped, (int) count, BYTEAOID,
												-1, false, TYPALIGN_INT));
}

/* Those of before the set that are not in it were erased since. */
static uint64
remove_erased(Datum *arrays, int32 epoch)
{
	Oid types[] = {INT8ARRAYOID, INT4OID};
	Datum values[] = {arrays[0], Int32GetDatum(epoch)};

	return gdpr_sql_run(
		"DELETE FROM gdpr.subject_key k WHERE epoch < $2 AND NOT EXISTS "
		"(SELECT FROM unnest($1) s (id) WHERE s.id = k.id)",
		2, types, values, NULL, false, SPI_OK_DELETE);
}

static uint64
put_set(Datum *arrays, int32 epoch)
{
	Oid types[] = {INT8ARRAYOID, BYTEAARRAYOID, BYTEAARRAYOID, INT4OID};
	Datum values[] = {arrays[0], arrays[1], arrays[2], Int32GetDatum(epoch)};

	return gdpr_sql_run(
		"INSERT INTO gdpr.subject_key (id, subject, epoch, wrapped) "
		"SELECT s.id, s.subject, $4, s.wrapped FROM ROWS FROM "
		"(unnest($1), unnest($2), unnest($3)) s (id, subject, wrapped) "
		"ON CONFLICT (id) DO UPDATE SET epoch = excluded.epoch, wrapped = excluded.wrapped "
		"WHERE subject_key.epoch < excluded.epoch",
		4, types, values, NULL, false, SPI_OK_INSERT);
}

static void
put_epoch(const char *lineage, int32 epoch)
{
	Oid types[] = {INT4OID, TEXTOID};
	Datum values[] = {Int32GetDatum(epoch), CStringGetTextDatum(lineage)};

	(void) gdpr_sql_run(
		"UPDATE gdpr.subject_epoch SET status = 'destroyed', root_id = NULL, wrapped = NULL, "
		"destroyed_at = coalesce(destroyed_at, pg_catalog.now()) WHERE epoch < $1",
		1, types, values, NULL, false, SPI_OK_UPDATE);
	(void) gdpr_sql_run(
		"INSERT INTO gdpr.subject_epoch (epoch, status, lineage) VALUES ($1, 'primary', $2) "
		"ON CONFLICT (epoch) DO UPDATE SET status = 'primary'",
		2, types, values, NULL, false, SPI_OK_INSERT);
}

static void
put_result(FunctionCallInfo fcinfo, uint64 restored, uint64 removed)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	Datum values[] = {Int64GetDatum((int64) restored),
					  Int64GetDatum((int64) removed)};
	bool nulls[] = {false, false};

	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* gdpr.restore_subject_keys() */
Datum
gdpr_restore_subject_keys(PG_FUNCTION_ARGS)
{
	char lineage[GDPR_EPOCH_LINEAGE_LEN];
	uint64 restored = 0;
	uint64 removed = 0;
	GdprSqlScope scope;
	int32 newest;
	int32 epoch;

	gdpr_key_require_root();
	InitMaterializedSRF(fcinfo, 0);
	gdpr_sql_begin_own(&scope);
	lock_steps();
	gdpr_keyring_lock();
	LockRelationOid(get_relname_relid("subject_key", gdpr_sql_schema()),
					ShareRowExclusiveLock);
	newest = require_lineage(lineage);
	gdpr_epoch_claim(lineage);
	epoch = read_head(lineage);
	if (epoch > newest || (epoch == newest && !gdpr_epoch_is_available(epoch)))
	{
		StringInfoData set;
		const SetKey *keys;
		uint64 count;
		Datum arrays[3];

		initStringInfo(&set);
		if (!gdpr_keystore_read(gdpr_epoch_object(lineage, epoch, "set"), &set))
			refuse_set();
		keys = parse_set(&set, epoch, &count);
		set_arrays(keys, count, arrays);
		removed = remove_erased(arrays, epoch);
		restored = put_set(arrays, epoch);
		put_epoch(lineage, epoch);
		gdpr_key_record("restore", GDPR_KIND_EPOCH, NULL, epoch);
	}
	gdpr_sql_end_own(&scope);
	put_result(fcinfo, restored, removed);
	PG_RETURN_NULL();
}
