/*
 * convert_fill.c
 *	  One batch of an online conversion: converts the rows of some blocks, or
 *	  removes what is left of the column after the swap.
 *
 * Rows are changed below SQL: no trigger fires, no rule and no policy is asked,
 * no constraint checked again, for nothing changes that they are about.  A row
 * that somebody has locked is left for the next pass; one that somebody changed
 * since our snapshot was converted by the trigger.  What indexes need to
 * evaluate runs as the table's owner in a restricted operation.
 */
#include "base/compat.h"

#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "base/rowupdate.h"
#include "convert/convert.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

/* Blocks that are looked at before it is asked whether the batch is full. */
#define BLOCKS_AT_A_TIME 16

typedef struct Batch
{
	const GdprConversion *conversion;
	Relation relation;
	Snapshot snapshot;
	GdprRowUpdate *update;
	MemoryContext row;
	TupleTableSlot *found;
	TupleTableSlot *locked;
	TupleTableSlot *changed;
	AttrNumber column;
	AttrNumber spare;
	GdprConverter *converter;
} Batch;

static AttrNumber
column_number(Relation relation, const char *name)
{
	AttrNumber attnum = get_attnum(RelationGetRelid(relation), name);

	if (attnum <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("a column of the conversion of relation \"%s\" is missing",
						RelationGetRelationName(relation))));
	return attnum;
}

static void
open_batch(Batch *batch, const GdprConversion *conversion, Oid part)
{
	Relation relation = table_open(part, RowExclusiveLock);
	TupleDesc columns = RelationGetDescr(relation);

	batch->conversion = conversion;
	batch->relation = relation;
	batch->column = column_number(relation, NameStr(conversion->column));
	batch->spare = column_number(relation, NameStr(conversion->spare));
	CheckCmdReplicaIdentity(relation, CMD_UPDATE);
	batch->snapshot = RegisterSnapshot(GetLatestSnapshot());
	PushActiveSnapshot(batch->snapshot);
	batch->update = gdpr_rowupdate_begin(relation, batch->snapshot);
	batch->row = AllocSetContextCreate(CurrentMemoryContext,
									   "gdpr_ext conversion row",
									   ALLOCSET_DEFAULT_SIZES);
	batch->found = table_slot_create(relation, NULL);
	batch->locked = table_slot_create(relation, NULL);
	batch->changed = MakeSingleTupleTableSlot(columns, &TTSOpsVirtual);
	if (!conversion->clears)
		batch->converter = gdpr_converter_make(
			TupleDescAttr(columns, batch->column - 1), conversion->via,
			TupleDescAttr(columns, batch->spare - 1), conversion->encrypts,
			conversion->role);
}

static void
close_batch(Batch *batch)
{
	ExecDropSingleTupleTableSlot(batch->changed);
	ExecDropSingleTupleTableSlot(batch->locked);
	ExecDropSingleTupleTableSlot(batch->found);
	MemoryContextDelete(batch->row);
	gdpr_rowupdate_end(batch->update);
	PopActiveSnapshot();
	UnregisterSnapshot(batch->snapshot);
	table_close(batch->relation, NoLock);
}

static bool
is_null(TupleTableSlot *slot, AttrNumber attnum)
{
	return slot_attisnull(slot, attnum);
}

static bool
is_due(const Batch *batch, TupleTableSlot *slot)
{
	if (batch->conversion->clears)
		return !is_null(slot, batch->spare);
	return is_null(slot, batch->spare) && !is_null(slot, batch->column);
}

/* False: it is somebody else's now. */
static bool
lock_row(Batch *batch, GdprFill *fill)
{
	TM_FailureData failure;
	TM_Result result = table_tuple_lock(batch->relation, &batch->found->tts_tid,
										batch->snapshot, batch->locked,
										GetCurrentCommandId(true),
										LockTupleNoKeyExclusive, LockWaitSkip,
										0, &failure);

	if (result == TM_WouldBlock)
		fill->skipped++;
	return result == TM_Ok;
}

/* What is left of columns that were dropped earlier goes, as in any UPDATE. */
static void
make_row(Batch *batch)
{
	TupleTableSlot *from = batch->locked;
	TupleTableSlot *to = batch->changed;
	TupleDesc columns = RelationGetDescr(batch->relation);
	int spare = batch->spare - 1;

	slot_getallattrs(from);
	ExecClearTuple(to);
	for (int i = 0; i < columns->natts; i++)
	{
		bool dropped = TupleDescAttr(columns, i)->attisdropped;

		to->tts_values[i] = dropped ? (Datum) 0 : from->tts_values[i];
		to->tts_isnull[i] = dropped || from->tts_isnull[i];
	}
	to->tts_isnull[spare] = true;
	if (batch->converter != NULL)
	{
		int column = batch->column - 1;

		to->tts_isnull[spare] = from->tts_isnull[column];
		to->tts_values[spare] = gdpr_converter_run(batch->converter,
												   from->tts_values[column],
												   &to->tts_isnull[spare]);
	}
	ExecStoreVirtualTuple(to);
	to->tts_tableOid = RelationGetRelid(batch->relation);
}

static void
change_row(Batch *batch)
{
	MemoryContext old = MemoryContextSwitchTo(batch->row);

	make_row(batch);
	gdpr_rowupdate_locked(batch->update, &batch->locked->tts_tid,
						  batch->changed);
	ExecClearTuple(batch->changed);
	MemoryContextSwitchTo(old);
	MemoryContextReset(batch->row);
}

static void
change_blocks(Batch *batch, BlockNumber from, BlockNumber to, GdprFill *fill)
{
	ItemPointerData first;
	ItemPointerData last;
	TableScanDesc scan;

	ItemPointerSet(&first, from, FirstOffsetNumber);
	ItemPointerSet(&last, to, MaxOffsetNumber);
	scan = table_beginscan_tidrange(batch->relation, batch->snapshot, &first,
									&last);
	while (table_scan_getnextslot_tidrange(scan, ForwardScanDirection,
										   batch->found))
	{
		CHECK_FOR_INTERRUPTS();
		if (!is_due(batch, batch->found) || !lock_row(batch, fill))
			continue;
		change_row(batch);
		fill->changed++;
	}
	table_endscan(scan);
}

static void
run_batch(Batch *batch, int size, GdprFill *fill)
{
	fill->blocks = RelationGetNumberOfBlocks(batch->relation);
	while (fill->next < fill->blocks && fill->changed < size)
	{
		BlockNumber to = Min(fill->next + BLOCKS_AT_A_TIME, fill->blocks) - 1;

		change_blocks(batch, fill->next, to, fill);
		fill->next = to + 1;
	}
}

void
gdpr_fill_batch(const GdprConversion *conversion, Oid part, int size,
				GdprFill *fill)
{
	Batch batch = {0};
	int nestlevel = NewGUCNestLevel();
	Oid userid;
	int sec_context;

	fill->changed = 0;
	fill->skipped = 0;
	GetUserIdAndSecContext(&userid, &sec_context);
	open_batch(&batch, conversion, part);
	SetUserIdAndSecContext(batch.relation->rd_rel->relowner,
						   sec_context | SECURITY_RESTRICTED_OPERATION);
	run_batch(&batch, size, fill);
	AtEOXact_GUC(false, nestlevel);
	SetUserIdAndSecContext(userid, sec_context);
	close_batch(&batch);
}
