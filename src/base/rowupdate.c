/*
 * rowupdate.c
 *	  Other bytes for the values of a row that mean what they meant before.
 *
 * This is what is left of how the apply worker of logical replication updates
 * a row (executor/execReplication.c) without triggers and constraints.
 */
#include "base/compat.h"

#include "access/tableam.h"
#include "access/xact.h"
#include "base/rowupdate.h"
#include "executor/executor.h"
#include "executor/nodeModifyTable.h"

struct GdprRowUpdate
{
	EState *estate;
	ResultRelInfo *target;
	Snapshot snapshot;
	bool may; /* was asked, with the first row */
};

/* The target has no range table: nobody is to ask it for columns' names. */
GdprRowUpdate *
gdpr_rowupdate_begin(Relation relation, Snapshot snapshot)
{
	GdprRowUpdate *update = palloc(sizeof(GdprRowUpdate));

	update->estate = CreateExecutorState();
	update->target = makeNode(ResultRelInfo);
	InitResultRelInfo(update->target, relation, 0, NULL, 0);
	ExecOpenIndices(update->target, false);
	update->snapshot = snapshot;
	update->may = false;
	return update;
}

void
gdpr_rowupdate_end(GdprRowUpdate *update)
{
	ExecCloseIndices(update->target);
	FreeExecutorState(update->estate);
	pfree(update->target);
	pfree(update);
}

/* A published relation needs an identity to tell subscribers which row it was. */
static void
check_identity(GdprRowUpdate *update)
{
	if (!update->may)
		CheckCmdReplicaIdentity(update->target->ri_RelationDesc, CMD_UPDATE);
	update->may = true;
}

/* Deferred uniqueness needs no second look: the keys are what they were. */
static void
put_into_indexes(GdprRowUpdate *update, TupleTableSlot *slot,
				 GdprUpdateIndexes which)
{
	if (update->target->ri_NumIndices > 0 && which)
		list_free(gdpr_compat_insert_index_tuples(update->target, slot,
												  update->estate, true,
												  gdpr_compat_summarizing_only(
													  which)));
	ResetPerTupleExprContext(update->estate);
}

void
gdpr_rowupdate_generate(GdprRowUpdate *update, TupleTableSlot *slot)
{
	TupleDesc desc = RelationGetDescr(update->target->ri_RelationDesc);

	if (desc->constr != NULL && desc->constr->has_generated_stored)
		ExecComputeStoredGenerated(update->target, update->estate, slot,
								   CMD_UPDATE);
}

void
gdpr_rowupdate_locked(GdprRowUpdate *update, ItemPointer tid,
					  TupleTableSlot *slot)
{
	GdprUpdateIndexes which;

	check_identity(update);
	simple_table_tuple_update(update->target->ri_RelationDesc, tid, slot,
							  update->snapshot, &which);
	put_into_indexes(update, slot, which);
}

TM_Result
gdpr_rowupdate_try(GdprRowUpdate *update, ItemPointer tid, TupleTableSlot *slot)
{
	TM_FailureData failure;
	LockTupleMode mode;
	GdprUpdateIndexes which;
	TM_Result result;

	check_identity(update);
	result = table_tuple_update(update->target->ri_RelationDesc, tid, slot,
								GetCurrentCommandId(true), update->snapshot,
								InvalidSnapshot, false, &failure, &mode,
								&which);
	if (result == TM_Ok)
		put_into_indexes(update, slot, which);
	return result;
}
