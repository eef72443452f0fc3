/*
 * subject_key.c
 *	  Keys of single persons: their table, and those that a process used last.
 *
 * A read of many persons' values takes a key for a row or two and then the
 * next, so the cipher contexts are kept and given new keys, which costs a
 * third of making one.  A change that takes a key away arrives as a relation
 * invalidation of gdpr.subject_key, by its trigger, and drops everything; a
 * key that comes needs no message, because what is not here is looked for.
 */
#include "base/compat.h"

#include <openssl/crypto.h>

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "base/lockspace.h"
#include "base/sql.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "crypto/epoch.h"
#include "crypto/keyring_internal.h"
#include "crypto/random.h"
#include "crypto/subject_hint.h"
#include "crypto/subject_key.h"
#include "executor/executor.h"
#include "lib/ilist.h"
#include "miscadmin.h"
#include "port/pg_bswap.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

GDPR_FUNCTION(gdpr_subject_key_changed);

#define KEY_TABLE	  "subject_key"
#define INDEX_ID	  "subject_key_pkey"
#define INDEX_SUBJECT "subject_key_subject"

/* Columns of gdpr.subject_key. */
enum
{
	COL_ID = 1,
	COL_SUBJECT,
	COL_EPOCH,
	COL_WRAPPED
};

/* Keys that a process keeps: two kilobytes each at most. */
#define KEPT 1024

typedef struct SubjectId
{
	uint8 bytes[GDPR_SUBJECT_ID_LEN];
} SubjectId;

typedef struct Subject
{
	uint8 bytes[GDPR_TAG_LEN];
} Subject;

typedef struct Entry
{
	dlist_node node; /* of the list by use, newest first */
	bool used;
	bool seals; /* keyed for this direction */
	bool opens;
	SubjectId id;
	Subject subject;
	int32 epoch;
	uint8 wrapped[GDPR_WRAPPED_LEN];
	GdprAead *aead; /* NULL until it is needed the first time */
} Entry;

typedef struct IdSlot
{
	SubjectId id;
	Entry *entry;
} IdSlot;

typedef struct SubjectSlot
{
	Subject subject;
	Entry *entry;
} SubjectSlot;

static MemoryContext cache_context = NULL;
static Entry *entries;
static dlist_head by_use;
static HTAB *by_id;
static HTAB *by_subject;
static Entry *last = NULL; /* a row has several values of one person */

/* OIDs of the table and its indexes; the first is InvalidOid when not known. */
static Oid table_oid = InvalidOid;
static Oid id_index_oid;
static Oid subject_index_oid;

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
	if (!OidIsValid(relid) || relid == table_oid)
	{
		table_oid = InvalidOid;
		stale = true;
	}
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
}

static HTAB *
make_hash(const char *name, Size keysize, Size entrysize)
{
	HASHCTL ctl = {0};

	ctl.keysize = keysize;
	ctl.entrysize = entrysize;
	ctl.hcxt = cache_context;
	return hash_create(name, KEPT, &ctl, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

static void
create_cache(void)
{
	MemoryContext context = AllocSetContextCreate(TopMemoryContext,
												  "gdpr subject keys",
												  ALLOCSET_DEFAULT_SIZES);

	cache_context = context;
	by_id = make_hash("gdpr subject keys by id", sizeof(SubjectId),
					  sizeof(IdSlot));
	by_subject = make_hash("gdpr subject keys by subject", sizeof(Subject),
						   sizeof(SubjectSlot));
	entries = MemoryContextAllocZero(context, sizeof(Entry) * KEPT);
	dlist_init(&by_use);
	for (int i = 0; i < KEPT; i++)
		dlist_push_tail(&by_use, &entries[i].node);
}

static void
drop_entry(Entry *entry)
{
	if (!entry->used)
		return;
	(void) hash_search(by_id, &entry->id, HASH_REMOVE, NULL);
	(void) hash_search(by_subject, &entry->subject, HASH_REMOVE, NULL);
	OPENSSL_cleanse(entry->wrapped, sizeof(entry->wrapped));
	entry->used = entry->seals = entry->opens = false;
}

/* Contexts go too: what they hold is the key. */
static void
drop_all(void)
{
	for (int i = 0; i < KEPT; i++)
	{
		drop_entry(&entries[i]);
		gdpr_aead_free(entries[i].aead);
		entries[i].aead = NULL;
	}
	last = NULL;
	gdpr_subject_hint_forget();
	gdpr_epoch_forget();
}

/* Before anything is looked for; an entry stays good until the next call. */
static void
refresh(void)
{
	uint64 now = gdpr_keyring_shared == NULL
					 ? 0
					 : pg_atomic_read_u64(&gdpr_keyring_shared->generation);

	if (cache_context == NULL)
		create_cache();
	if (!stale && seen_generation == now)
		return;
	stale = false;
	seen_generation = now;
	drop_all();
}

/* Takes the place of the one that was not used for longest. */
static Entry *
new_entry(const SubjectId *id, const Subject *subject)
{
	Entry *entry = dlist_tail_element(Entry, node, &by_use);

	if (last == entry)
		last = NULL;
	drop_entry(entry);
	entry->id = *id;
	entry->subject = *subject;
	entry->used = true;
	((IdSlot *) hash_search(by_id, id, HASH_ENTER, NULL))->entry = entry;
	((SubjectSlot *) hash_search(by_subject, subject, HASH_ENTER, NULL))
		->entry = entry;
	return entry;
}

/* ---- the table ---- */

static bool
find_table(void)
{
	Oid schema;

	if (OidIsValid(table_oid))
		return true;
	schema = gdpr_sql_schema();
	if (!OidIsValid(schema))
		return false;
	id_index_oid = get_relname_relid(INDEX_ID, schema);
	subject_index_oid = get_relname_relid(INDEX_SUBJECT, schema);
	if (OidIsValid(id_index_oid) && OidIsValid(subject_index_oid))
		table_oid = get_relname_relid(KEY_TABLE, schema);
	return OidIsValid(table_oid);
}

static int64
id_number(const SubjectId *id)
{
	uint64 word;

	memcpy(&word, id->bytes, sizeof(word));
	return (int64) pg_ntoh64(word);
}

static SubjectId
number_id(int64 number)
{
	uint64 word = pg_hton64((uint64) number);
	SubjectId id;

	memcpy(id.bytes, &word, sizeof(word));
	return id;
}

/* NULL when the row is not what we write. */
static Entry *
take_row(HeapTuple tuple, TupleDesc columns)
{
	bool isnull;
	SubjectId id = number_id(
		DatumGetInt64(heap_getattr(tuple, COL_ID, columns, &isnull)));
	bytea *subject = DatumGetByteaPP(
		heap_getattr(tuple, COL_SUBJECT, columns, &isnull));
	bytea *wrapped = DatumGetByteaPP(
		heap_getattr(tuple, COL_WRAPPED, columns, &isnull));
	Subject whose;
	Entry *entry;

	if (VARSIZE_ANY_EXHDR(subject) != sizeof(Subject) ||
		VARSIZE_ANY_EXHDR(wrapped) != GDPR_WRAPPED_LEN)
		return NULL;
	memcpy(whose.bytes, VARDATA_ANY(subject), sizeof(Subject));
	entry = new_entry(&id, &whose);
	entry->epoch = DatumGetInt32(
		heap_getattr(tuple, COL_EPOCH, columns, &isnull));
	memcpy(entry->wrapped, VARDATA_ANY(wrapped), GDPR_WRAPPED_LEN);
	return entry;
}

/* Where a hint leads may be anybody's row by now. */
static bool
is_wanted(HeapTuple tuple, TupleDesc columns, GdprSubjectHint kind,
		  const uint8 *bytes)
{
	bool isnull;
	SubjectId id;
	bytea *subject;

	if (kind == GDPR_SUBJECT_HINT_ID)
	{
		id = number_id(
			DatumGetInt64(heap_getattr(tuple, COL_ID, columns, &isnull)));
		return memcmp(id.bytes, bytes, sizeof(id)) == 0;
	}
	subject = DatumGetByteaPP(
		heap_getattr(tuple, COL_SUBJECT, columns, &isnull));
	return VARSIZE_ANY_EXHDR(subject) == sizeof(Subject) &&
		   memcmp(VARDATA_ANY(subject), bytes, sizeof(Subject)) == 0;
}

/* NULL where there is no hint, or it is wrong. */
static Entry *
fetch_by_hint(Relation relation, GdprSubjectHint kind, const uint8 *bytes)
{
	HeapTupleData tuple;
	Entry *entry = NULL;
	Snapshot snapshot;
	Buffer buffer;

	if (!gdpr_subject_hint_find(kind, bytes, &tuple.t_self))
		return NULL;
	snapshot = RegisterSnapshot(GetCatalogSnapshot(table_oid));
	if (heap_fetch(relation, snapshot, &tuple, &buffer, false))
	{
		if (is_wanted(&tuple, RelationGetDescr(relation), kind, bytes))
			entry = take_row(&tuple, RelationGetDescr(relation));
		ReleaseBuffer(buffer);
	}
	UnregisterSnapshot(snapshot);
	return entry;
}

static Entry *
fetch_by_index(Relation relation, Oid index, ScanKey key)
{
	SysScanDesc scan = systable_beginscan(relation, index, true, NULL, 1, key);
	HeapTuple tuple = systable_getnext(scan);
	Entry *entry = NULL;

	if (HeapTupleIsValid(tuple))
		entry = take_row(tuple, RelationGetDescr(relation));
	systable_endscan(scan);
	return entry;
}

/* One row, as whoever looks now would see it. */
static Entry *
fetch(GdprSubjectHint kind, const uint8 *bytes, Oid index, ScanKey key)
{
	Relation relation = table_open(table_oid, AccessShareLock);
	Entry *entry = fetch_by_hint(relation, kind, bytes);

	if (entry == NULL)
	{
		entry = fetch_by_index(relation, index, key);
		if (entry != NULL)
			gdpr_subject_hint_missed(kind, relation);
	}
	table_close(relation, AccessShareLock);
	return entry;
}

static Entry *
fetch_id(const SubjectId *id)
{
	ScanKeyData key;

	ScanKeyInit(&key, COL_ID, BTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum(id_number(id)));
	return fetch(GDPR_SUBJECT_HINT_ID, id->bytes, id_index_oid, &key);
}

/* A bytea, of which a text's bytes are one. */
static Datum
subject_datum(const Subject *subject)
{
	return PointerGetDatum(
		cstring_to_text_with_len((const char *) subject->bytes,
								 sizeof(Subject)));
}

static Entry *
fetch_subject(const Subject *subject)
{
	ScanKeyData key;

	ScanKeyInit(&key, COL_SUBJECT, BTEqualStrategyNumber, F_BYTEAEQ,
				subject_datum(subject));
	return fetch(GDPR_SUBJECT_HINT_SUBJECT, subject->bytes, subject_index_oid,
				 &key);
}

static void
touch(Entry *entry)
{
	dlist_move_head(&by_use, &entry->node);
	last = entry;
}

static Entry *
look_for_id(const SubjectId *id)
{
	IdSlot *slot;
	Entry *entry;

	if (last != NULL && memcmp(&last->id, id, sizeof(*id)) == 0)
		return last;
	slot = hash_search(by_id, id, HASH_FIND, NULL);
	entry = slot != NULL ? slot->entry : fetch_id(id);
	if (entry != NULL)
		touch(entry);
	return entry;
}

static Entry *
look_for_subject(const Subject *subject)
{
	SubjectSlot *slot;
	Entry *entry;

	if (last != NULL && memcmp(&last->subject, subject, sizeof(*subject)) == 0)
		return last;
	slot = hash_search(by_subject, subject, HASH_FIND, NULL);
	entry = slot != NULL ? slot->entry : fetch_subject(subject);
	if (entry != NULL)
		touch(entry);
	return entry;
}

/* ---- using a key ---- */

/* Keys the context for one direction; false when the key does not unwrap. */
static bool
prepare(Entry *entry, bool to_seal)
{
	uint8 key[GDPR_KEY_LEN];

	if (to_seal ? entry->seals : entry->opens)
		return true;
	if (!gdpr_epoch_unwrap(entry->epoch, entry->id.bytes, entry->subject.bytes,
						   entry->wrapped, key))
		return false;
	PG_TRY();
	{
		if (entry->aead == NULL)
			entry->aead = gdpr_aead_create_empty();
		if (to_seal)
			gdpr_aead_key_seal(entry->aead, key);
		else
			gdpr_aead_key_open(entry->aead, key);
	}
	PG_FINALLY();
	{
		OPENSSL_cleanse(key, sizeof(key));
	}
	PG_END_TRY();
	if (to_seal)
		entry->seals = true;
	else
		entry->opens = true;
	return true;
}

static GdprAead *
use(const uint8 *bytes, bool to_seal, GdprSubjectKeyState *state)
{
	SubjectId id;
	Entry *entry;

	*state = GDPR_SUBJECT_KEY_LOCKED;
	if (!gdpr_keyring_can_look() || !gdpr_keyring_has_root())
		return NULL;
	refresh();
	if (!find_table())
		return NULL;
	memcpy(id.bytes, bytes, sizeof(id));
	entry = look_for_id(&id);
	if (entry == NULL)
	{
		*state = GDPR_SUBJECT_KEY_GONE;
		return NULL;
	}
	if (!prepare(entry, to_seal))
		return NULL;
	*state = GDPR_SUBJECT_KEY_READY;
	return entry->aead;
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
	Subject whose;
	Entry *entry;

	if (!gdpr_keyring_can_look())
		return false;
	refresh();
	if (!find_table())
		return false;
	memcpy(whose.bytes, subject, sizeof(whose));
	entry = look_for_subject(&whose);
	if (entry == NULL)
		return false;
	memcpy(id, entry->id.bytes, GDPR_SUBJECT_ID_LEN);
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
static Entry
draw_key(const Subject *subject)
{
	Entry made = {.subject = *subject};
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
row_values(const Entry *made, Datum *values)
{
	values[COL_ID - 1] = Int64GetDatum(id_number(&made->id));
	values[COL_SUBJECT - 1] = subject_datum(&made->subject);
	values[COL_EPOCH - 1] = Int32GetDatum(made->epoch);
	values[COL_WRAPPED - 1] = PointerGetDatum(
		cstring_to_text_with_len((const char *) made->wrapped,
								 GDPR_WRAPPED_LEN));
}

/*
 * As INSERT ... ON CONFLICT (subject) DO NOTHING does it, but without a
 * statement, which costs twenty times as much.  False when another session has
 * a key for the person, or is about to.
 */
static bool
insert_row(Relation relation, TupleTableSlot *slot)
{
	EState *estate = CreateExecutorState();
	ResultRelInfo *result = makeNode(ResultRelInfo);
	TransactionId xid = GetCurrentTransactionId();
	bool conflict = false;
	uint32 token;

	InitResultRelInfo(result, relation, 1, NULL, 0);
	ExecOpenIndices(result, false);
	token = SpeculativeInsertionLockAcquire(xid);
	table_tuple_insert_speculative(relation, slot, GetCurrentCommandId(true), 0,
								   NULL, token);
	list_free(gdpr_compat_insert_index_tuples_unless(
		result, slot, estate, &conflict, list_make1_oid(subject_index_oid)));
	table_tuple_complete_speculative(relation, slot, token, !conflict);
	SpeculativeInsertionLockRelease(xid);
	ExecCloseIndices(result);
	FreeExecutorState(estate);
	return !conflict;
}

static bool
insert_directly(const Entry *made)
{
	Relation relation = table_open(table_oid, RowExclusiveLock);
	TupleTableSlot *slot = table_slot_create(relation, NULL);
	bool inserted;

	ExecClearTuple(slot);
	row_values(made, slot->tts_values);
	memset(slot->tts_isnull, 0, sizeof(bool) * COL_WRAPPED);
	ExecStoreVirtualTuple(slot);
	inserted = insert_row(relation, slot);
	ExecDropSingleTupleTableSlot(slot);
	table_close(relation, NoLock);
	CommandCounterIncrement();
	return inserted;
}

/* Waits for whoever was first; his key is found then, if he committed. */
static void
insert_by_statement(const Entry *made)
{
	Oid types[] = {INT8OID, BYTEAOID, INT4OID, BYTEAOID};
	Datum values[COL_WRAPPED];
	GdprSqlScope scope;

	row_values(made, values);
	gdpr_sql_begin_own(&scope);
	(void) gdpr_sql_run(
		"INSERT INTO gdpr.subject_key (id, subject, epoch, wrapped)"
		" VALUES ($1, $2, $3, $4) ON CONFLICT (subject) DO NOTHING",
		COL_WRAPPED, types, values, NULL, false, SPI_OK_INSERT);
	gdpr_sql_end_own(&scope);
}

static void
insert_key(const Entry *made)
{
	Entry *entry;

	made_any = true;
	if (!insert_directly(made))
	{
		insert_by_statement(made);
		return;
	}
	entry = new_entry(&made->id, &made->subject);
	entry->epoch = made->epoch;
	memcpy(entry->wrapped, made->wrapped, GDPR_WRAPPED_LEN);
	touch(entry);
}

void
gdpr_subject_key_make(const uint8 *subject, uint8 *id)
{
	Subject whose;
	Entry made;

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
	LockRelationOid(table_oid, RowExclusiveLock);
	refresh();
	made = draw_key(&whose);
	if (find_table())
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
	Subject whose;
	bool isnull;

	memcpy(whose.bytes, subject, sizeof(whose));
	values[0] = subject_datum(&whose);
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
	Oid relid;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function must be called as a trigger")));
	relid = get_relname_relid(KEY_TABLE, gdpr_sql_schema());
	if (OidIsValid(relid))
		CacheInvalidateRelcacheByRelid(relid);
	return PointerGetDatum(NULL);
}
