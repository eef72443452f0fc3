/*
 * reencrypt_batch.c
 *	  One batch of gdpr.reencrypt: rows whose values are behind, under their
 *	  contexts' primary keys, or under the keys of their persons.
 */
#include "base/compat.h"

#include "access/relation.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "base/rowupdate.h"
#include "base/sql.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "crypto/keyring.h"
#include "enctype/enctype.h"
#include "enctype/nested.h"
#include "enctype/reencrypt.h"
#include "enctype/reencrypt_batch.h"
#include "enctype/typetree.h"
#include "enctype/value.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* Pages that are looked at between two looks at the batch's size. */
#define STRIDE 64

/* What a batch needs of a table. */
typedef struct Target
{
	Relation rel;
	GdprRowUpdate *update;
	TupleTableSlot *seen;
	TupleTableSlot *made;
	MemoryContext row;
	int ncolumns;
	int *columns; /* from 0 */
	Snapshot snapshot;
} Target;

GdprRowOwner (*gdpr_reencrypt_owner)(Relation relation, TupleTableSlot *slot,
									 bool make, uint8 *id) = NULL;

/* ---- one value, one row ---- */

/* What the visitor of a row found. */
typedef struct RowFacts
{
	bool behind;
	bool no_key;
	GdprRowOwner owner;
	uint8 id[GDPR_SUBJECT_ID_LEN]; /* of the owner's key */
} RowFacts;

static Datum
look_at_value(Datum value, void *arg, bool *changed)
{
	RowFacts *facts = arg;

	facts->behind |= gdpr_value_is_behind(value);
	return value;
}

static Datum
reseal_value(Datum value, void *arg, bool *changed)
{
	RowFacts *facts = arg;
	Datum result = value;

	if (!gdpr_value_is_behind(value))
		return value;
	switch (gdpr_value_reseal(value, &result))
	{
		case GDPR_OPENED:
			*changed = true;
			break;
		case GDPR_OPEN_NO_KEY:
		case GDPR_OPEN_GONE:
		case GDPR_OPEN_CORRUPT:
		case GDPR_OPEN_EMPTY:
			facts->no_key = true;
			break;
	}
	return result;
}

/* Is it under another key than its row's person has?  id: his, if he has one. */
static bool
is_misplaced(const RowFacts *facts, Datum value)
{
	uint8 room[GDPR_SUBJECT_ID_LEN];
	const uint8 *has;

	if (facts->owner == GDPR_OWNER_NOT_ASKED)
		return false;
	has = gdpr_value_subject_id(value, room);
	if (has == NULL)
		return facts->owner != GDPR_OWNER_CONTEXT &&
			   gdpr_value_is_stored(value);
	if (facts->owner == GDPR_OWNER_PERSON &&
		memcmp(has, facts->id, sizeof(room)) == 0)
		return false;
	return !gdpr_subject_key_is_gone(has);
}

/* A column's value, not one inside of another: what it becomes for its person. */
static Datum
own_value(RowFacts *facts, Datum value, bool make, bool *changed)
{
	Datum result;

	if (!is_misplaced(facts, value))
		return value;
	facts->behind = true;
	if (!make)
		return value;
	result = gdpr_value_rekey(value, facts->owner == GDPR_OWNER_PERSON
										 ? facts->id
										 : NULL);
	*changed |= result != value;
	return result;
}

static void
find_owner(const Target *target, TupleTableSlot *slot, bool make,
		   RowFacts *facts)
{
	if (gdpr_reencrypt_owner == NULL)
		return;
	slot_getallattrs(slot);
	facts->owner = gdpr_reencrypt_owner(target->rel, slot, make, facts->id);
}

/* Visits the row's encrypted columns; values holds what they become. */
static bool
visit_columns(const Target *target, TupleTableSlot *slot, Datum *values,
			  GdprNestedVisit visit, RowFacts *facts)
{
	bool changed = false;

	for (int i = 0; i < target->ncolumns; i++)
	{
		int number = target->columns[i];
		bool isnull;
		Oid typid;
		Datum value = slot_getattr(slot, number + 1, &isnull);

		if (isnull)
			continue;
		typid = TupleDescAttr(slot->tts_tupleDescriptor, number)->atttypid;
		value = gdpr_nested_map(typid, value, visit, facts, &changed);
		if (gdpr_enctype_is(getBaseType(typid)))
			value = own_value(facts, value, values != NULL, &changed);
		if (values != NULL)
			values[number] = value;
	}
	return changed;
}

/* The next version of the row, with its index entries; false: it is held. */
static bool
update_row(Target *target)
{
	TM_Result result = gdpr_rowupdate_try(target->update,
										  &target->seen->tts_tid, target->made);

	return result == TM_Ok || result == TM_Deleted;
}

static void
make_row(Target *target, GdprReencrypt *work)
{
	TupleTableSlot *seen = target->seen;
	TupleTableSlot *made = target->made;
	int natts = seen->tts_tupleDescriptor->natts;
	RowFacts facts = {.owner = GDPR_OWNER_NOT_ASKED};

	slot_getallattrs(seen);
	ExecClearTuple(made);
	memcpy(made->tts_values, seen->tts_values, sizeof(Datum) * natts);
	memcpy(made->tts_isnull, seen->tts_isnull, sizeof(bool) * natts);
	find_owner(target, seen, true, &facts);
	if (visit_columns(target, seen, made->tts_values, reseal_value, &facts))
	{
		ExecStoreVirtualTuple(made);
		if (update_row(target))
			work->batch++;
		else
			work->held++;
	}
	work->no_key += facts.no_key;
}

static void
do_row(Target *target, GdprReencrypt *work)
{
	MemoryContext old = MemoryContextSwitchTo(target->row);
	RowFacts facts = {.owner = GDPR_OWNER_NOT_ASKED};

	find_owner(target, target->seen, false, &facts);
	(void) visit_columns(target, target->seen, NULL, look_at_value, &facts);
	if (facts.behind)
		make_row(target, work);
	MemoryContextSwitchTo(old);
	MemoryContextReset(target->row);
}

/* ---- one batch ---- */

static void
find_columns(Target *target)
{
	TupleDesc desc = RelationGetDescr(target->rel);

	target->columns = palloc(sizeof(int) * desc->natts);
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(desc, i);

		if (!column->attisdropped &&
			gdpr_typetree_look(column->atttypid, column->atttypmod).encrypted)
			target->columns[target->ncolumns++] = i;
	}
}

static void
open_target(Target *target, Relation rel)
{
	memset(target, 0, sizeof(Target));
	target->rel = rel;
	CheckCmdReplicaIdentity(rel, CMD_UPDATE);
	find_columns(target);
	target->seen = table_slot_create(rel, NULL);
	target->made = MakeSingleTupleTableSlot(RelationGetDescr(rel),
											&TTSOpsVirtual);
	target->row = AllocSetContextCreate(CurrentMemoryContext,
										"gdpr_ext reencrypt row",
										ALLOCSET_DEFAULT_SIZES);
	target->snapshot = RegisterSnapshot(GetLatestSnapshot());
	target->update = gdpr_rowupdate_begin(rel, target->snapshot);
}

static void
close_target(Target *target)
{
	gdpr_rowupdate_end(target->update);
	UnregisterSnapshot(target->snapshot);
	ExecDropSingleTupleTableSlot(target->made);
	ExecDropSingleTupleTableSlot(target->seen);
	MemoryContextDelete(target->row);
}

static void
do_pages(Target *target, GdprReencrypt *work, BlockNumber first,
		 BlockNumber last)
{
	ItemPointerData low;
	ItemPointerData high;
	TableScanDesc scan;

	ItemPointerSet(&low, first, FirstOffsetNumber);
	ItemPointerSet(&high, last, MaxOffsetNumber);
	scan = table_beginscan_tidrange(target->rel, target->snapshot, &low, &high);
	while (table_scan_getnextslot_tidrange(scan, ForwardScanDirection,
										   target->seen))
	{
		CHECK_FOR_INTERRUPTS();
		do_row(target, work);
	}
	table_endscan(scan);
}

/* Rows are few or many to a page, so the batch ends when it is full. */
static void
do_batch(Relation rel, GdprReencrypt *work)
{
	Target target;

	open_target(&target, rel);
	work->batch = 0;
	work->blocks = RelationGetNumberOfBlocks(rel);
	while (work->block < work->blocks && work->batch < work->options.batch_size)
	{
		BlockNumber last = Min(work->blocks - work->block, STRIDE) +
						   work->block - 1;

		do_pages(&target, work, work->block, last);
		work->block = last + 1;
	}
	close_target(&target);
}

void
gdpr_reencrypt_check_session(void)
{
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("gdpr.reencrypt runs at isolation level READ COMMITTED only")));
}

void
gdpr_reencrypt_check_owner(Oid relid)
{
	if (!gdpr_compat_owns_relation(relid, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, get_rel_name(relid));
}

/* As the table's owner, whose code its indexes may hold. */
void
gdpr_reencrypt_batch(GdprReencrypt *work)
{
	Relation rel = try_relation_open(work->leaf, RowExclusiveLock);
	GdprSqlScope scope;

	work->gone = rel == NULL || rel->rd_rel->relkind != RELKIND_RELATION;
	if (!work->gone)
	{
		gdpr_reencrypt_check_session();
		gdpr_reencrypt_check_owner(work->leaf);
		gdpr_sql_begin_role(&scope, rel->rd_rel->relowner);
		do_batch(rel, work);
		gdpr_sql_end_caller(&scope);
	}
	if (rel != NULL)
		relation_close(rel, NoLock);
}
