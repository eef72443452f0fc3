/*
 * update.c
 *	  Other bytes for the values of a row that mean what they meant before.
 *
 * This is how the apply worker of logical replication updates a row
 * (executor/execReplication.c), on a relation that is made to look as if it
 * had no triggers.
 */
#include "base/compat.h"

#include "access/tableam.h"
#include "executor/executor.h"
#include "storage/update.h"
#include "utils/snapmgr.h"

struct GdprStorageUpdate
{
	EState *estate;
	ResultRelInfo *target;
	TupleTableSlot *found; /* says where the row lies */
};

GdprStorageUpdate *
gdpr_storage_update_begin(Relation relation)
{
	GdprStorageUpdate *update = palloc(sizeof(GdprStorageUpdate));
	EState *estate = CreateExecutorState();
	MemoryContext old = MemoryContextSwitchTo(estate->es_query_cxt);

	update->estate = estate;
	update->target = makeNode(ResultRelInfo);
	InitResultRelInfo(update->target, relation, 0, NULL, 0);
	update->target->ri_TrigDesc = NULL;
	ExecOpenIndices(update->target, false);
	update->found = table_slot_create(relation, &estate->es_tupleTable);
	estate->es_snapshot = GetActiveSnapshot();
	MemoryContextSwitchTo(old);
	return update;
}

void
gdpr_storage_update_end(GdprStorageUpdate *update)
{
	ExecCloseIndices(update->target);
	ExecResetTupleTable(update->estate->es_tupleTable, false);
	FreeExecutorState(update->estate);
	pfree(update);
}

void
gdpr_storage_update_row(GdprStorageUpdate *update, ItemPointer tid,
						TupleTableSlot *slot)
{
	ItemPointerCopy(tid, &update->found->tts_tid);
	ExecSimpleRelationUpdate(update->target, update->estate, NULL,
							 update->found, slot);
	ResetPerTupleExprContext(update->estate);
}
