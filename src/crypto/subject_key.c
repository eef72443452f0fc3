/*
 * subject_key.c
 *	  Keys of single persons: finding, making and destroying them.
 *
 * A change that takes a key away arrives as a relation invalidation of
 * gdpr.subject_key, by its trigger, and drops everything that is remembered; a
 * key that comes needs no message, because what is not here is looked for.
 */
#include "base/compat.h"

#include <openssl/crypto.h>

#include "access/xact.h"
#include "base/lockspace.h"
#include "base/sql.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "crypto/epoch.h"
#include "crypto/random.h"
#include "crypto/subject_table.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "utils/inval.h"

GDPR_FUNCTION(gdpr_subject_key_changed);

/*
 * Whoever seals for a person holds a lock that keeps his key from being
 * destroyed, or the value would be erased with it by a transaction that does
 * not know of it.  A load may write a million persons, so they share locks.
 */
#define LOCKS 256

static bool held[LOCKS]; /* in this transaction */

static bool stale = false;
static bool made_any = false;	   /* in this transaction */
static uint64 seen_generation = 0; /* of the root keys */

/* ---- the cache ---- */

static void
key_table_changed(Datum arg, Oid relid)
{
	if (!OidIsValid(relid) || gdpr_subject_table_is(relid))
		stale = true;
}

/*
 * A key that was made here goes with the transaction that made it; one that was
 * prepared is neither committed nor aborted yet.
 */
static void
end_transaction(XactEvent event, void *arg)
{
	if ((event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE) && made_any)
		stale = true;
	if (event == XACT_EVENT_ABORT || event == XACT_EVENT_COMMIT ||
		event == XACT_EVENT_PREPARE)
	{
		made_any = false;
		memset(held, 0, sizeof(held));
	}
}

static void
end_subtransaction(SubXactEvent event, SubTransactionId mine,
				   SubTransactionId parent, void *arg)
{
	if (event != SUBXACT_EVENT_ABORT_SUB)
		return;
	stale |= made_any;
	memset(held, 0, sizeof(held)); /* its locks are gone */
}

void
gdpr_subject_key_init(void)
{
	CacheRegisterRelcacheCallback(key_table_changed, (Datum) 0);
	RegisterXactCallback(end_transaction, NULL);
	RegisterSubXactCallback(end_subtransaction, NULL);
	gdpr_subject_table_init();
}

/* Before anything is looked for; an entry stays good until the next call. */
static void
refresh(void)
{
	uint64 now = gdpr_keyring_shared == NULL
					 ? 0
					 : pg_atomic_read_u64(&gdpr_keyring_shared->generation);

	if (!stale && seen_generation == now)
		return;
	stale = false;
	seen_generation = now;
	gdpr_subject_cache_drop();
	gdpr_subject_table_forget();
	gdpr_epoch_forget();
}

static GdprSubjectEntry *
look_for_id(const GdprSubjectId *id)
{
	GdprSubjectEntry *entry = gdpr_subject_cache_by_id(id);
	GdprSubjectRow row;

	if (entry == NULL && gdpr_subject_table_by_id(id, &row))
		entry = gdpr_subject_cache_add(&row);
	return entry;
}

static GdprSubjectEntry *
look_for_subject(const GdprSubject *subject)
{
	GdprSubjectEntry *entry = gdpr_subject_cache_by_subject(subject);
	GdprSubjectRow row;

	if (entry == NULL && gdpr_subject_table_by_subject(subject, &row))
		entry = gdpr_subject_cache_add(&row);
	return entry;
}

/* ---- using a key ---- */

static GdprAead *
use(const uint8 *bytes, bool to_seal, GdprSubjectKeyState *state)
{
	GdprSubjectId id;
	GdprSubjectEntry *entry;
	GdprAead *aead;

	*state = GDPR_SUBJECT_KEY_LOCKED;
	if (!gdpr_keyring_can_look() || !gdpr_keyring_has_root())
		return NULL;
	refresh();
	if (!OidIsValid(gdpr_subject_table()))
		return NULL;
	memcpy(id.bytes, bytes, sizeof(id));
	entry = look_for_id(&id);
	if (entry == NULL)
	{
		*state = GDPR_SUBJECT_KEY_GONE;
		return NULL;
	}
	aead = gdpr_subject_cache_cipher(entry, to_seal);
	if (aead != NULL)
		*state = GDPR_SUBJECT_KEY_READY;
	return aead;
}

GdprAead *
gdpr_subject_key_opener(const uint8 *id, GdprSubjectKeyState *state)
{
	return use(id, false, state);
}

GdprAead *
gdpr_subject_key_sealer(const uint8 *id, GdprSubjectKeyState *state)
{
	return use(id, true, state);
}

bool
gdpr_subject_key_is_gone(const uint8 *id)
{
	GdprSubjectKeyState state;

	(void) use(id, false, &state);
	return state == GDPR_SUBJECT_KEY_GONE;
}

bool
gdpr_subject_key_find(const uint8 *subject, uint8 *id)
{
	GdprSubject whose;
	GdprSubjectEntry *entry;

	if (!gdpr_keyring_can_look())
		return false;
	refresh();
	if (!OidIsValid(gdpr_subject_table()))
		return false;
	memcpy(whose.bytes, subject, sizeof(whose));
	entry = look_for_subject(&whose);
	if (entry == NULL)
		return false;
	memcpy(id, gdpr_subject_cache_id(entry), GDPR_SUBJECT_ID_LEN);
	return true;
}

/* ---- writers against erasure ---- */

static void
lock_subject(uint8 number, LOCKMODE mode)
{
	LOCKTAG tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, 0, number, GDPR_LOCK_SUBJECT_KEY);
	(void) LockAcquire(&tag, mode, false, false);
	/* What happened to keys while we waited. */
	AcceptInvalidationMessages();
}

void
gdpr_subject_key_hold(const uint8 *subject)
{
	uint8 number = subject[0];

	if (held[number])
		return;
	lock_subject(number, ShareLock);
	held[number] = true;
}

void
gdpr_subject_key_exclude(const uint8 *subject)
{
	lock_subject(subject[0], ExclusiveLock);
}

/* ---- making and destroying ---- */

/* A random key for a person without one; the row that it is to be. */
static GdprSubjectRow
draw_key(const GdprSubject *subject)
{
	GdprSubjectRow made = {.subject = *subject};
	uint8 key[GDPR_KEY_LEN];

	gdpr_random_bytes(made.id.bytes, sizeof(made.id));
	gdpr_random_key(key, sizeof(key));
	PG_TRY();
	{
		made.epoch = gdpr_epoch_wrap(made.id.bytes, subject->bytes, key,
									 made.wrapped);
	}
	PG_FINALLY();
	{
		OPENSSL_cleanse(key, sizeof(key));
	}
	PG_END_TRY();
	return made;
}

static void
insert_key(const GdprSubjectRow *made)
{
	made_any = true;
	if (gdpr_subject_table_insert(made))
		(void) gdpr_subject_cache_add(made);
}

void
gdpr_subject_key_make(const uint8 *subject, uint8 *id)
{
	GdprSubject whose;
	GdprSubjectRow made;

	if (gdpr_subject_key_find(subject, id))
		return;
	PreventCommandIfReadOnly("INSERT");
	PreventCommandIfParallelMode("INSERT");
	gdpr_key_require_root();
	memcpy(whose.bytes, subject, sizeof(whose));
	gdpr_epoch_require();

	/*
	 * Whoever ends an epoch locks the table against us and wraps all keys
	 * anew: ours is there by then, or we learn of the new epoch here.
	 */
	LockRelationOid(gdpr_subject_table(), RowExclusiveLock);
	refresh();
	made = draw_key(&whose);
	if (OidIsValid(gdpr_subject_table()))
		insert_key(&made);
	OPENSSL_cleanse(&made, sizeof(made));
	if (!gdpr_subject_key_find(subject, id))
		elog(ERROR, "the key of a subject is not visible");
}

GdprSubjectKeyEnd
gdpr_subject_key_destroy(const uint8 *subject)
{
	GdprSubjectKeyEnd end = {false, 0, false};
	Oid types[] = {BYTEAOID};
	Datum values[1];
	GdprSqlScope scope;
	GdprSubject whose;
	bool isnull;

	memcpy(whose.bytes, subject, sizeof(whose));
	values[0] = gdpr_subject_datum(&whose);
	gdpr_sql_begin_own(&scope);
	if (gdpr_sql_run(
			"DELETE FROM gdpr.subject_key k WHERE subject = $1 RETURNING epoch, "
			"coalesce((SELECT wrapped IS NULL FROM gdpr.subject_epoch e WHERE e.epoch = k.epoch), false)",
			1, types, values, NULL, false, SPI_OK_DELETE_RETURNING) > 0)
	{
		HeapTuple row = SPI_tuptable->vals[0];

		end.destroyed = true;
		end.epoch = DatumGetInt32(
			SPI_getbinval(row, SPI_tuptable->tupdesc, 1, &isnull));
		end.outside = DatumGetBool(
			SPI_getbinval(row, SPI_tuptable->tupdesc, 2, &isnull));
	}
	gdpr_sql_end_own(&scope);
	stale = true;
	return end;
}

/* Trigger of both tables: every process drops what it has opened. */
Datum
gdpr_subject_key_changed(PG_FUNCTION_ARGS)
{
	Oid relid = gdpr_subject_table();

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function must be called as a trigger")));
	if (OidIsValid(relid))
		CacheInvalidateRelcacheByRelid(relid);
	return PointerGetDatum(NULL);
}
