/*
 * subject_hint.c
 *	  Where the rows of gdpr.subject_key lie.
 *
 * A read of a million persons' values would go down an index a million times.
 * Once a transaction has done so as often as costs what reading the table
 * costs, it is read, so that the worst case is twice the best.  Only places are
 * remembered, no keys: 16 bytes a row, nothing to cleanse, and nothing that
 * could outlive a key, because the row itself is read for each.
 *
 * Everything lies in the memory of the transaction.
 */
#include "base/compat.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/xact.h"
#include "crypto/subject_hint.h"
#include "miscadmin.h"
#include "port/pg_bitutils.h"
#include "port/pg_bswap.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/memutils.h"

/* 32 megabytes for each kind; of a table with more rows some are remembered. */
#define MOST_SLOTS (UINT32_C(1) << 21)

#define ROWS_A_PAGE 80

/* Reading a page of the table costs as much as so many descents of an index. */
#define DESCENTS_A_PAGE 4

/* How often that is looked at. */
#define LOOK_EVERY 512

/* Empty where the place is zeroes. */
typedef struct Slot
{
	uint64 key;
	ItemPointerData place;
} Slot;

typedef struct Hints
{
	uint32 missed;
	bool tried;
	Slot *slots; /* NULL until the table was read */
	uint32 mask; /* their number, a power of two, less one */
} Hints;

static Hints hints[GDPR_SUBJECT_HINTS];
static bool any = false;
static bool registered = false;

void
gdpr_subject_hint_forget(void)
{
	if (!any)
		return;
	for (int i = 0; i < GDPR_SUBJECT_HINTS; i++)
	{
		if (hints[i].slots != NULL)
			pfree(hints[i].slots);
	}
	memset(hints, 0, sizeof(hints));
	any = false;
}

/* What the transaction's memory holds goes with it. */
static void
end_transaction(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_PRE_COMMIT || event == XACT_EVENT_PRE_PREPARE ||
		event == XACT_EVENT_PARALLEL_PRE_COMMIT)
		return;
	memset(hints, 0, sizeof(hints));
	any = false;
}

/* The lock of the table may be gone with it, and then rows can move away. */
static void
end_subtransaction(SubXactEvent event, SubTransactionId mine,
				   SubTransactionId parent, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		gdpr_subject_hint_forget();
}

static uint64
hint_key(const uint8 *bytes)
{
	uint64 word;

	memcpy(&word, bytes, sizeof(word));
	return pg_ntoh64(word);
}

/* The slot of the key, or the empty one where it would be. */
static Slot *
find_slot(const Hints *mine, uint64 key)
{
	uint32 i = (uint32) key & mine->mask;

	while (ItemPointerIsValid(&mine->slots[i].place) &&
		   mine->slots[i].key != key)
		i = (i + 1) & mine->mask;
	return &mine->slots[i];
}

bool
gdpr_subject_hint_find(GdprSubjectHint kind, const uint8 *bytes,
					   ItemPointer place)
{
	if (hints[kind].slots == NULL)
		return false;
	*place = find_slot(&hints[kind], hint_key(bytes))->place;
	return ItemPointerIsValid(place);
}

/* The columns of gdpr.subject_key. */
static uint64
row_key(GdprSubjectHint kind, HeapTuple tuple, TupleDesc columns)
{
	static const AttrNumber column[] = {
		[GDPR_SUBJECT_HINT_ID] = 1,
		[GDPR_SUBJECT_HINT_SUBJECT] = 2,
	};
	bool isnull;
	Datum value = heap_getattr(tuple, column[kind], columns, &isnull);

	if (kind == GDPR_SUBJECT_HINT_ID)
		return (uint64) DatumGetInt64(value);
	return hint_key((const uint8 *) VARDATA_ANY(DatumGetByteaPP(value)));
}

static void
make_slots(Hints *mine, BlockNumber pages)
{
	uint64 wanted = Min((uint64) pages * ROWS_A_PAGE, MOST_SLOTS);
	uint32 n = pg_nextpower2_32(Max((uint32) wanted, 1024));

	mine->slots = MemoryContextAllocExtended(TopTransactionContext,
											 sizeof(Slot) * n,
											 MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	mine->mask = n - 1;
}

/* Leaves an eighth empty, so that what is not there is found not to be. */
static void
read_table(GdprSubjectHint kind, Relation relation)
{
	Hints *mine = &hints[kind];
	uint32 room = mine->mask - mine->mask / 8;
	SysScanDesc scan = systable_beginscan(relation, InvalidOid, false, NULL, 0,
										  NULL);
	HeapTuple tuple;

	while (room-- > 0 && HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		uint64 key = row_key(kind, tuple, RelationGetDescr(relation));
		Slot *slot = find_slot(mine, key);

		CHECK_FOR_INTERRUPTS();
		slot->key = key;
		slot->place = tuple->t_self;
	}
	systable_endscan(scan);
}

/*
 * A place beyond the end of the table could not even be looked at, so the table
 * must not be cut off at its end before we are through: hence the lock.
 */
void
gdpr_subject_hint_missed(GdprSubjectHint kind, Relation relation)
{
	Hints *mine = &hints[kind];
	BlockNumber pages;

	if (!registered)
	{
		RegisterXactCallback(end_transaction, NULL);
		RegisterSubXactCallback(end_subtransaction, NULL);
		registered = true;
	}
	any = true;
	if (mine->tried || ++mine->missed % LOOK_EVERY != 0)
		return;
	pages = RelationGetNumberOfBlocks(relation);
	if (pages > mine->missed / DESCENTS_A_PAGE)
		return;
	LockRelation(relation, AccessShareLock);
	mine->tried = true;
	make_slots(mine, pages);
	read_table(kind, relation);
}
