/*
 * reencrypt.c
 *	  CALL gdpr.reencrypt(relation): a table's values to their contexts'
 *	  primary keys, batch by batch, while others read and write.
 *
 * What a batch has done shows in the rows, so a run that was stopped goes on
 * by being called again.  Rows are updated below SQL, like a rewrite of the
 * table: the plaintext, the equality tags and so all keys stay what they are,
 * so neither triggers nor foreign keys have anything to see, and no record of
 * a change is made where nothing changed.  Whoever holds a row keeps it; it is
 * come back to.
 *
 * The caller owns the table.  Each batch works as its owner, in a restricted
 * operation, because expressions of indexes are somebody's code.
 *
 * Locks: the table's advisory lock, of the session, so that no two run on it;
 * then, for a batch each, the table as for any UPDATE, and rows, none of which
 * is waited for.
 */
#include "base/compat.h"

#include "access/relation.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "base/errors.h"
#include "base/lockspace.h"
#include "base/options.h"
#include "base/rowupdate.h"
#include "base/sql.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "crypto/keyring.h"
#include "enctype/enctype.h"
#include "enctype/nested.h"
#include "enctype/reencrypt.h"
#include "enctype/typetree.h"
#include "enctype/value.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "pgstat.h"
#include "storage/bufmgr.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "tcop/pquery.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

GDPR_FUNCTION(gdpr_reencrypt);


/* Pages that are looked at between two looks at the batch's size. */
#define STRIDE 64

/* Rounds over a table in which somebody always holds a row. */
#define MOST_ROUNDS 50
#define ROUND_MS	100

#define BATCH_SIZE 5000
#define BATCH_MOST 1000000

typedef struct Options
{
	int batch_size; /* rows */
	int delay;		/* ms after each */
} Options;

/* One table under way. */
typedef struct Work
{
	Oid relation; /* as it was named */
	Oid leaf;
	Options options;
	BlockNumber block;
	BlockNumber blocks;
	bool gone;
	/* of this round */
	int64 held; /* by others */
	int64 no_key;
	uint64 keys; /* as of which tables of keys it began */
	/* of this call */
	int64 changed;
	int64 batch; /* rows of this batch */
} Work;

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
make_row(Target *target, Work *work)
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
do_row(Target *target, Work *work)
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
do_pages(Target *target, Work *work, BlockNumber first, BlockNumber last)
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
do_batch(Relation rel, Work *work)
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

static void
check_session(void)
{
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("gdpr.reencrypt runs at isolation level READ COMMITTED only")));
}

static void
check_owner(Oid relid)
{
	if (!gdpr_compat_owns_relation(relid, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, get_rel_name(relid));
}

/* As the table's owner, whose code its indexes may hold. */
static void
run_batch(Work *work)
{
	Relation rel = try_relation_open(work->leaf, RowExclusiveLock);
	GdprSqlScope scope;

	work->gone = rel == NULL || rel->rd_rel->relkind != RELKIND_RELATION;
	if (!work->gone)
	{
		check_session();
		check_owner(work->leaf);
		gdpr_sql_begin_role(&scope, rel->rd_rel->relowner);
		do_batch(rel, work);
		gdpr_sql_end_caller(&scope);
	}
	if (rel != NULL)
		relation_close(rel, NoLock);
}

/* ---- what is shown of it, and where a stopped run goes on ---- */

typedef enum Moment
{
	MOMENT_START,
	MOMENT_BATCH,
	MOMENT_END,
} Moment;

#define INSERT_STATE                                                        \
	"INSERT INTO gdpr.reencrypt_state AS s"                                 \
	" (relation, leaf, block, blocks, changed, held, unavailable)"          \
	" VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (leaf) DO UPDATE SET" \
	" relation = $1, held = $6,"                                            \
	" unavailable = $7, updated_at = pg_catalog.clock_timestamp(), "

/* A run that came to its end is followed by one that counts from nothing. */
static const char *const state_sql[] = {
	[MOMENT_START] = INSERT_STATE
	"block = CASE WHEN s.finished_at IS NULL THEN s.block ELSE 0 END,"
	" changed = CASE WHEN s.finished_at IS NULL THEN s.changed ELSE 0 END,"
	" started_at = CASE WHEN s.finished_at IS NULL THEN s.started_at"
	" ELSE pg_catalog.clock_timestamp() END, finished_at = NULL",
	[MOMENT_BATCH] = INSERT_STATE
	"block = $3, blocks = $4, changed = s.changed + $5",
	[MOMENT_END] = INSERT_STATE "finished_at = pg_catalog.clock_timestamp()",
};

static void
write_state(const Work *work, Moment moment)
{
	Oid types[] = {REGCLASSOID, REGCLASSOID, INT8OID, INT8OID,
				   INT8OID,		INT8OID,	 INT8OID};
	Datum values[7];
	GdprSqlScope scope;

	values[0] = ObjectIdGetDatum(work->relation);
	values[1] = ObjectIdGetDatum(work->leaf);
	values[2] = Int64GetDatum(work->block);
	values[3] = Int64GetDatum(work->blocks);
	values[4] = Int64GetDatum(work->batch);
	values[5] = Int64GetDatum(work->held);
	values[6] = Int64GetDatum(work->no_key);
	gdpr_sql_begin_own(&scope);
	(void) gdpr_sql_run(state_sql[moment], 7, types, values, NULL, false,
						SPI_OK_INSERT);
	gdpr_sql_end_own(&scope);
}

/* Also drops what is left of tables that are gone. */
static BlockNumber
read_position(Oid leaf)
{
	Oid types[] = {REGCLASSOID};
	Datum values[] = {ObjectIdGetDatum(leaf)};
	BlockNumber block;
	GdprSqlScope scope;
	bool isnull;

	gdpr_sql_begin_own(&scope);
	(void) gdpr_sql_run("DELETE FROM gdpr.reencrypt_state s WHERE NOT EXISTS"
						" (SELECT FROM pg_class c WHERE c.oid = s.leaf)",
						0, NULL, NULL, NULL, false, SPI_OK_DELETE);
	(void)
		gdpr_sql_run("SELECT block FROM gdpr.reencrypt_state WHERE leaf = $1",
					 1, types, values, NULL, false, SPI_OK_SELECT);
	block = (BlockNumber) DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0],
													  SPI_tuptable->tupdesc, 1,
													  &isnull));
	gdpr_sql_end_own(&scope);
	return block;
}

/* ---- one table ---- */

/* What a crash takes is done again, rows and count being one. */
static void
commit_lazily(void)
{
	(void) set_config_option("synchronous_commit", "off", PGC_USERSET,
							 PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0, false);
}

/* The portal of CALL needs its snapshot again. */
static void
commit(MemoryContext context)
{
	SPI_commit();
	EnsurePortalSnapshotExists();
	MemoryContextSwitchTo(context);
	CHECK_FOR_INTERRUPTS();
}

static void
pause_for(int ms)
{
	if (ms == 0)
		return;
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					 ms, PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}

/* From where we stand to the table's end. */
static void
run_round(Work *work, MemoryContext context)
{
	work->held = 0;
	work->no_key = 0;
	do
	{
		run_batch(work);
		if (work->gone)
			return;
		work->changed += work->batch;
		write_state(work, MOMENT_BATCH);
		if (work->block < work->blocks)
			commit_lazily();
		commit(context);
		MemoryContextReset(context);
		pause_for(work->batch > 0 ? work->options.delay : 0);
	} while (work->block < work->blocks);
}

/* Has it been through the whole table, with nothing left for another time? */
static bool
is_done(const Work *work, bool whole)
{
	return work->gone ||
		   (whole && work->held == 0 && work->keys == gdpr_keyring_loads());
}

/*
 * Whoever writes to the table now may have sealed values with a key that is no
 * longer primary, and we would not see them.  (Inlined, its variable would look
 * to some compilers as if an error's long jump could spoil it.)
 */
static pg_noinline void
wait_for_writers(Oid relid)
{
	LOCKTAG tag;

	SET_LOCKTAG_RELATION(tag, MyDatabaseId, relid);
	WaitForLockers(tag, ShareLock, false);
}

static bool
run_leaf(Work *work, MemoryContext context)
{
	bool done = false;

	work->block = work->blocks = 0;
	work->batch = 0;
	wait_for_writers(work->leaf);
	write_state(work, MOMENT_START);
	work->block = read_position(work->leaf);
	commit(context);
	for (int round = 0; !done && round < MOST_ROUNDS; round++)
	{
		bool whole = work->block == 0;

		(void) gdpr_keyring_context(1); /* read anew what changed before */
		work->keys = gdpr_keyring_loads();
		run_round(work, context);
		done = is_done(work, whole);
		work->block = 0;
		if (!done && work->held > 0)
			pause_for(ROUND_MS);
	}
	if (done && !work->gone)
		write_state(work, MOMENT_END);
	commit(context);
	return done;
}

/* ---- all of them ---- */

static void
report(const Work *work, bool done)
{
	char *name = get_rel_name(work->leaf);

	if (name == NULL)
		return;
	if (!done)
		ereport(WARNING,
				(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
				 errmsg("values of \"%s\" are left under other keys: somebody holds their rows, or keys were changed all the time", name),
				 errhint("Call gdpr.reencrypt again.")));
	if (work->no_key > 0)
		ereport(WARNING,
				(errcode(ERRCODE_GDPR_KEY_UNAVAILABLE),
				 errmsg(INT64_FORMAT " rows of \"%s\" have values that cannot be opened, and are left as they are", work->no_key, name),
				 errhint("gdpr.check_column counts them by kind.")));
}

/* Tables that hold rows; the server holds them in this order too. */
static List *
find_leaves(Oid relid)
{
	List *all = find_all_inheritors(relid, AccessShareLock, NULL);
	List *leaves = NIL;
	ListCell *lc;

	foreach (lc, all)
	{
		Oid leaf = lfirst_oid(lc);

		if (get_rel_relkind(leaf) == RELKIND_RELATION &&
			gdpr_typetree_relation(leaf))
			leaves = lappend_oid(leaves, leaf);
	}
	return leaves;
}

static void
run_leaves(Oid relid, const Options *options, MemoryContext parent)
{
	MemoryContext context = AllocSetContextCreate(parent, "gdpr_ext reencrypt",
												  ALLOCSET_DEFAULT_SIZES);
	List *leaves = find_leaves(relid);
	ListCell *lc;

	MemoryContextSwitchTo(context);
	foreach (lc, leaves)
	{
		Work work = {.relation = relid, .leaf = lfirst_oid(lc)};
		bool done;

		work.options = *options;
		check_owner(work.leaf);
		done = run_leaf(&work, context);
		report(&work, done);
	}
	MemoryContextSwitchTo(parent);
}

static Options
parse_options(Jsonb *json)
{
	Options options = {BATCH_SIZE, 0};
	const GdprOption known[] = {
		{.name = "batch_size", .number = &options.batch_size},
		{.name = "delay_ms", .number = &options.delay},
	};

	gdpr_options_parse(json, known, lengthof(known));
	if (options.batch_size < 1 || options.batch_size > BATCH_MOST ||
		options.delay < 0 || options.delay > 60000)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"batch_size\" is a number from 1 to %d, \"delay_ms\" one from 0 to 60000", BATCH_MOST)));
	return options;
}

static void
check_call(FunctionCallInfo fcinfo)
{
	if (fcinfo->context == NULL || !IsA(fcinfo->context, CallContext) ||
		((CallContext *) fcinfo->context)->atomic)
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("CALL gdpr.reencrypt() cannot run inside a transaction block"),
				 errhint("It commits each batch.")));
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument %d must not be null", PG_ARGISNULL(0) ? 1 : 2)));
	check_session();
}

static void
check_relation(Oid relid)
{
	char kind = get_rel_relkind(relid);

	if (kind != RELKIND_RELATION && kind != RELKIND_PARTITIONED_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("the relation is not a table")));
	check_owner(relid);
	if (!gdpr_typetree_relation(relid))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"%s\" has no encrypted column", get_rel_name(relid))));
}

/* Gives the lock of the session back, whatever happens. */
static void
run_locked(LOCKTAG *tag, Oid relid, Options *options, MemoryContext context)
{
	PG_TRY();
	{
		if (SPI_connect_ext(SPI_OPT_NONATOMIC) != SPI_OK_CONNECT)
			elog(ERROR, "SPI_connect failed");
		MemoryContextSwitchTo(context);
		run_leaves(relid, options, context);
		SPI_finish();
	}
	PG_CATCH();
	{
		LockRelease(tag, ExclusiveLock, true);
		PG_RE_THROW();
	}
	PG_END_TRY();
	LockRelease(tag, ExclusiveLock, true);
}

/* CALL gdpr.reencrypt(relation regclass, options jsonb) */
Datum
gdpr_reencrypt(PG_FUNCTION_ARGS)
{
	MemoryContext context;
	Options options;
	LOCKTAG tag;
	Oid relid;

	check_call(fcinfo);
	relid = PG_GETARG_OID(0);
	options = parse_options(PG_GETARG_JSONB_P(1));
	gdpr_keyring_require_preload();
	check_relation(relid);
	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, 0, relid, GDPR_LOCK_REENCRYPT);
	if (LockAcquire(&tag, ExclusiveLock, true, true) == LOCKACQUIRE_NOT_AVAIL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("gdpr.reencrypt is at work on this table already")));
	context = AllocSetContextCreate(CurrentMemoryContext,
									"gdpr_ext reencrypt call",
									ALLOCSET_DEFAULT_SIZES);
	run_locked(&tag, relid, &options, context);
	MemoryContextDelete(context);
	PG_RETURN_NULL();
}
