/*
 * person.c
 *	  The end of a person's key, and what stays of him.
 *
 * Rows that the law keeps are unaltered: their plaintext is.  So before the key
 * goes, what the erasure left in place moves to the context's key.
 */
#include "base/compat.h"

#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "base/rowupdate.h"
#include "crypto/subject_key.h"
#include "enctype/enctype.h"
#include "enctype/value.h"
#include "executor/tuptable.h"
#include "shred/shred.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* The encrypted columns of a relation, by their place in a slot. */
typedef struct Columns
{
	int n;
	int *places;
} Columns;

static Columns
encrypted_columns(Relation relation)
{
	TupleDesc desc = RelationGetDescr(relation);
	Columns columns = {0, palloc(sizeof(int) * Max(desc->natts, 1))};

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		if (!att->attisdropped && gdpr_enctype_is(getBaseType(att->atttypid)))
			columns.places[columns.n++] = i;
	}
	return columns;
}

/* Gives what is under the key to the context; false when nothing is. */
static bool
release_values(const Columns *columns, TupleTableSlot *slot, const uint8 *id)
{
	bool any = false;

	slot_getallattrs(slot);
	for (int i = 0; i < columns->n; i++)
	{
		int at = columns->places[i];
		uint8 room[GDPR_SUBJECT_ID_LEN];
		const uint8 *has = slot->tts_isnull[at]
							   ? NULL
							   : gdpr_value_subject_id(slot->tts_values[at],
													   room);

		if (has == NULL || memcmp(has, id, sizeof(room)) != 0)
			continue;
		slot->tts_values[at] = gdpr_value_rekey(slot->tts_values[at], NULL);
		any = true;
	}
	return any;
}

/* A row where it is now; false when it is gone. */
static bool
fetch_row(Relation relation, GdprPlanRow *row, Snapshot snapshot,
		  TupleTableSlot *slot)
{
	TableScanDesc scan = table_beginscan_tid(relation, snapshot);

	table_tuple_get_latest_tid(scan, &row->now);
	table_endscan(scan);
	return table_tuple_fetch_row_version(relation, &row->now, snapshot, slot);
}

static void
release_leaf(const GdprPlanLeaf *leaf, const uint8 *id)
{
	Relation relation = table_open(leaf->relid, RowExclusiveLock);
	Columns columns = encrypted_columns(relation);
	TupleTableSlot *stored;
	TupleTableSlot *changed;
	GdprRowUpdate *update;
	MemoryContext per_row;

	if (columns.n == 0)
	{
		table_close(relation, NoLock);
		return;
	}
	per_row = AllocSetContextCreate(CurrentMemoryContext, "gdpr shred row",
									ALLOCSET_DEFAULT_SIZES);
	PushActiveSnapshot(GetLatestSnapshot());
	stored = table_slot_create(relation, NULL);
	changed = MakeSingleTupleTableSlot(RelationGetDescr(relation),
									   &TTSOpsVirtual);
	update = gdpr_rowupdate_begin(relation, GetActiveSnapshot());
	for (int i = 0; i < leaf->nrows; i++)
	{
		MemoryContext old;

		if (gdpr_plan_is_deleted(leaf->rows[i]) ||
			!fetch_row(relation, leaf->rows[i], GetActiveSnapshot(), stored))
			continue;
		(void) ExecCopySlot(changed, stored);
		old = MemoryContextSwitchTo(per_row);
		if (release_values(&columns, changed, id))
		{
			gdpr_rowupdate_generate(update, changed);
			gdpr_rowupdate_locked(update, &leaf->rows[i]->now, changed);
		}
		MemoryContextSwitchTo(old);
		ExecClearTuple(changed);
		MemoryContextReset(per_row);
	}
	gdpr_rowupdate_end(update);
	MemoryContextDelete(per_row);
	ExecDropSingleTupleTableSlot(changed);
	ExecDropSingleTupleTableSlot(stored);
	PopActiveSnapshot();
	table_close(relation, NoLock);
}

GdprSubjectKeyEnd
gdpr_shred_person(GdprPlan *plan, const uint8 *pseudonym)
{
	GdprSubjectKeyEnd none = {false, 0, false};
	uint8 id[GDPR_SUBJECT_ID_LEN];
	ListCell *lc;

	if (!gdpr_subject_key_find(pseudonym, id))
		return none;
	CommandCounterIncrement();
	foreach (lc, plan->leaf_list)
		release_leaf(lfirst(lc), id);
	CommandCounterIncrement();
	return gdpr_subject_key_destroy(pseudonym);
}
