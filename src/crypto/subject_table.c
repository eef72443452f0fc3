/*
 * subject_table.c
 *	  Reading and writing the rows of gdpr.subject_key.
 *
 * Persons are often read in the order in which they came, and their keys lie in
 * that order too: the row behind the last one is looked at first, then where a
 * hint leads (subject_hint.c), then the index is asked.  The first two look
 * whether the row is the one that is wanted, and whether it is valid now; that
 * takes no snapshot, and a row that somebody changes at this moment is simply
 * not found and left to the index.
 *
 * A transaction that has read a row keeps the table's lock, as any statement
 * does: what lay behind the table's end could not even be looked at.
 */
#include "base/compat.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "base/sql.h"
#include "catalog/pg_type.h"
#include "crypto/subject_hint.h"
#include "crypto/subject_table.h"
#include "executor/executor.h"
#include "port/pg_bswap.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

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

/* OIDs of the table and its indexes; the first is InvalidOid when not known. */
static Oid table_oid = InvalidOid;
static Oid id_index_oid;
static Oid subject_index_oid;

/* In this transaction: the table's pages then, and the last row found. */
static bool locked = false;
static BlockNumber blocks;
static ItemPointerData found_at;

/* How often the row behind the last one was not the one wanted, in succession. */
#define VAIN 8
static uint32 in_vain = 0;

static void
forget_place(void)
{
	locked = false;
	ItemPointerSetInvalid(&found_at);
}

bool
gdpr_subject_table_is(Oid relid)
{
	return relid == table_oid;
}

void
gdpr_subject_table_forget(void)
{
	table_oid = InvalidOid;
	/* Our own transaction may have truncated it: its pages are counted again. */
	forget_place();
	gdpr_subject_hint_forget();
}

static void
end_transaction(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_ABORT || event == XACT_EVENT_COMMIT ||
		event == XACT_EVENT_PREPARE || event == XACT_EVENT_PARALLEL_ABORT ||
		event == XACT_EVENT_PARALLEL_COMMIT)
		forget_place();
}

/* The lock may be gone with it. */
static void
end_subtransaction(SubXactEvent event, SubTransactionId mine,
				   SubTransactionId parent, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		forget_place();
}

void
gdpr_subject_table_init(void)
{
	RegisterXactCallback(end_transaction, NULL);
	RegisterSubXactCallback(end_subtransaction, NULL);
}

Oid
gdpr_subject_table(void)
{
	Oid schema;

	if (OidIsValid(table_oid))
		return table_oid;
	schema = gdpr_sql_schema();
	if (!OidIsValid(schema))
		return InvalidOid;
	id_index_oid = get_relname_relid(INDEX_ID, schema);
	subject_index_oid = get_relname_relid(INDEX_SUBJECT, schema);
	if (OidIsValid(id_index_oid) && OidIsValid(subject_index_oid))
		table_oid = get_relname_relid(KEY_TABLE, schema);
	return table_oid;
}

static int64
id_number(const GdprSubjectId *id)
{
	uint64 word;

	memcpy(&word, id->bytes, sizeof(word));
	return (int64) pg_ntoh64(word);
}

static GdprSubjectId
number_id(int64 number)
{
	uint64 word = pg_hton64((uint64) number);
	GdprSubjectId id;

	memcpy(id.bytes, &word, sizeof(word));
	return id;
}

/* The row's own column. */
static uint64
tuple_id(HeapTuple tuple, TupleDesc columns)
{
	bool isnull;

	return (uint64) DatumGetInt64(
		heap_getattr(tuple, COL_ID, columns, &isnull));
}

/* False when the row is not what we write. */
static bool
take_row(HeapTuple tuple, TupleDesc columns, GdprSubjectRow *row)
{
	bool isnull;
	bytea *subject = DatumGetByteaPP(
		heap_getattr(tuple, COL_SUBJECT, columns, &isnull));
	bytea *wrapped = DatumGetByteaPP(
		heap_getattr(tuple, COL_WRAPPED, columns, &isnull));

	if (VARSIZE_ANY_EXHDR(subject) != sizeof(row->subject) ||
		VARSIZE_ANY_EXHDR(wrapped) != sizeof(row->wrapped))
		return false;
	row->id = number_id((int64) tuple_id(tuple, columns));
	memcpy(row->subject.bytes, VARDATA_ANY(subject), sizeof(row->subject));
	row->epoch = DatumGetInt32(
		heap_getattr(tuple, COL_EPOCH, columns, &isnull));
	memcpy(row->wrapped, VARDATA_ANY(wrapped), sizeof(row->wrapped));
	found_at = tuple->t_self;
	return true;
}

/* What lies at a place may be anybody's row. */
static bool
is_wanted(HeapTuple tuple, TupleDesc columns, GdprSubjectHint kind,
		  const uint8 *bytes)
{
	bool isnull;
	bytea *subject;

	if (kind == GDPR_SUBJECT_HINT_ID)
	{
		GdprSubjectId id = number_id((int64) tuple_id(tuple, columns));

		return memcmp(id.bytes, bytes, sizeof(id)) == 0;
	}
	subject = DatumGetByteaPP(
		heap_getattr(tuple, COL_SUBJECT, columns, &isnull));
	return VARSIZE_ANY_EXHDR(subject) == sizeof(GdprSubject) &&
		   memcmp(VARDATA_ANY(subject), bytes, sizeof(GdprSubject)) == 0;
}

static bool
fetch_at(Relation relation, ItemPointer place, GdprSubjectHint kind,
		 const uint8 *bytes, GdprSubjectRow *row)
{
	HeapTupleData tuple = {.t_self = *place};
	Buffer buffer;
	bool found;

	if (!heap_fetch(relation, SnapshotSelf, &tuple, &buffer, false))
		return false;
	found = is_wanted(&tuple, RelationGetDescr(relation), kind, bytes) &&
			take_row(&tuple, RelationGetDescr(relation), row);
	ReleaseBuffer(buffer);
	return found;
}

/*
 * The one behind the last one, on its page or at the beginning of the next.
 * Where persons come in another order that is a waste, and tried seldom.
 */
static bool
fetch_next(Relation relation, GdprSubjectHint kind, const uint8 *bytes,
		   GdprSubjectRow *row)
{
	ItemPointerData place = found_at;
	BlockNumber block;

	if (!ItemPointerIsValid(&place) ||
		(in_vain >= VAIN && ++in_vain % VAIN != 0))
		return false;
	block = ItemPointerGetBlockNumber(&place);
	ItemPointerSetOffsetNumber(&place, OffsetNumberNext(
										   ItemPointerGetOffsetNumber(&place)));
	if (fetch_at(relation, &place, kind, bytes, row))
	{
		in_vain = 0;
		return true;
	}
	ItemPointerSet(&place, block + 1, FirstOffsetNumber);
	if (block + 1 < blocks && fetch_at(relation, &place, kind, bytes, row))
	{
		in_vain = 0;
		return true;
	}
	in_vain++;
	return false;
}

static bool
fetch_by_hint(Relation relation, GdprSubjectHint kind, const uint8 *bytes,
			  GdprSubjectRow *row)
{
	ItemPointerData place;

	return gdpr_subject_hint_find(kind, bytes, &place) &&
		   fetch_at(relation, &place, kind, bytes, row);
}

static bool
fetch_by_index(Relation relation, Oid index, ScanKey key, GdprSubjectRow *row)
{
	SysScanDesc scan = systable_beginscan(relation, index, true, NULL, 1, key);
	HeapTuple tuple = systable_getnext(scan);
	bool found = HeapTupleIsValid(tuple) &&
				 take_row(tuple, RelationGetDescr(relation), row);

	systable_endscan(scan);
	return found;
}

static Relation
open_table(void)
{
	Relation relation = table_open(table_oid,
								   locked ? NoLock : AccessShareLock);

	if (!locked)
		blocks = RelationGetNumberOfBlocks(relation);
	locked = true;
	return relation;
}

static bool
fetch(GdprSubjectHint kind, const uint8 *bytes, Oid index, ScanKey key,
	  GdprSubjectRow *row)
{
	Relation relation = open_table();
	bool found = fetch_next(relation, kind, bytes, row) ||
				 fetch_by_hint(relation, kind, bytes, row);

	if (!found)
	{
		found = fetch_by_index(relation, index, key, row);
		if (found)
			gdpr_subject_hint_missed(kind, relation);
	}
	table_close(relation, NoLock);
	return found;
}

bool
gdpr_subject_table_by_id(const GdprSubjectId *id, GdprSubjectRow *row)
{
	ScanKeyData key;

	ScanKeyInit(&key, COL_ID, BTEqualStrategyNumber, F_INT8EQ,
				Int64GetDatum(id_number(id)));
	return fetch(GDPR_SUBJECT_HINT_ID, id->bytes, id_index_oid, &key, row);
}

/* A bytea, of which a text's bytes are one. */
Datum
gdpr_subject_datum(const GdprSubject *subject)
{
	return PointerGetDatum(
		cstring_to_text_with_len((const char *) subject->bytes,
								 sizeof(GdprSubject)));
}

bool
gdpr_subject_table_by_subject(const GdprSubject *subject, GdprSubjectRow *row)
{
	Datum datum = gdpr_subject_datum(subject);
	ScanKeyData key;
	bool found;

	ScanKeyInit(&key, COL_SUBJECT, BTEqualStrategyNumber, F_BYTEAEQ, datum);
	found = fetch(GDPR_SUBJECT_HINT_SUBJECT, subject->bytes, subject_index_oid,
				  &key, row);
	pfree(DatumGetPointer(datum));
	return found;
}

/* ---- writing ---- */

static void
row_values(const GdprSubjectRow *made, Datum *values)
{
	values[COL_ID - 1] = Int64GetDatum(id_number(&made->id));
	values[COL_SUBJECT - 1] = gdpr_subject_datum(&made->subject);
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
insert_directly(const GdprSubjectRow *made)
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
insert_by_statement(const GdprSubjectRow *made)
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

bool
gdpr_subject_table_insert(const GdprSubjectRow *row)
{
	if (insert_directly(row))
		return true;
	insert_by_statement(row);
	return false;
}
