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

#include "access/xact.h"
#include "base/errors.h"
#include "base/lockspace.h"
#include "base/options.h"
#include "base/procedure.h"
#include "base/sql.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "crypto/keyring.h"
#include "enctype/enctype.h"
#include "enctype/reencrypt.h"
#include "enctype/reencrypt_batch.h"
#include "enctype/typetree.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

GDPR_FUNCTION(gdpr_reencrypt);


/* Rounds over a table in which somebody always holds a row. */
#define MOST_ROUNDS 50
#define ROUND_MS	100

#define BATCH_SIZE 5000
#define BATCH_MOST 1000000


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
write_state(const GdprReencrypt *work, Moment moment)
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

/* From where we stand to the table's end. */
static void
run_round(GdprReencrypt *work, MemoryContext context)
{
	work->held = 0;
	work->no_key = 0;
	do
	{
		gdpr_reencrypt_batch(work);
		if (work->gone)
			return;
		work->changed += work->batch;
		write_state(work, MOMENT_BATCH);
		/* What a crash takes is done again, rows and count being one. */
		if (work->block < work->blocks)
			gdpr_procedure_commit_lazily(context);
		else
			gdpr_procedure_commit(context);
		MemoryContextReset(context);
		gdpr_procedure_pause(work->batch > 0 ? work->options.delay : 0);
	} while (work->block < work->blocks);
}

/* Has it been through the whole table, with nothing left for another time? */
static bool
is_done(const GdprReencrypt *work, bool whole)
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
run_leaf(GdprReencrypt *work, MemoryContext context)
{
	bool done = false;

	work->block = work->blocks = 0;
	work->batch = 0;
	wait_for_writers(work->leaf);
	write_state(work, MOMENT_START);
	work->block = read_position(work->leaf);
	gdpr_procedure_commit(context);
	for (int round = 0; !done && round < MOST_ROUNDS; round++)
	{
		bool whole = work->block == 0;

		(void) gdpr_keyring_context(1); /* read anew what changed before */
		work->keys = gdpr_keyring_loads();
		run_round(work, context);
		done = is_done(work, whole);
		work->block = 0;
		if (!done && work->held > 0)
			gdpr_procedure_pause(ROUND_MS);
	}
	if (done && !work->gone)
		write_state(work, MOMENT_END);
	gdpr_procedure_commit(context);
	return done;
}

/* ---- all of them ---- */

static void
report(const GdprReencrypt *work, bool done)
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
run_leaves(Oid relid, const GdprReencryptOptions *options, MemoryContext parent)
{
	MemoryContext context = AllocSetContextCreate(parent, "gdpr_ext reencrypt",
												  ALLOCSET_DEFAULT_SIZES);
	List *leaves = find_leaves(relid);
	ListCell *lc;

	MemoryContextSwitchTo(context);
	foreach (lc, leaves)
	{
		GdprReencrypt work = {.relation = relid, .leaf = lfirst_oid(lc)};
		bool done;

		work.options = *options;
		gdpr_reencrypt_check_owner(work.leaf);
		done = run_leaf(&work, context);
		report(&work, done);
	}
	MemoryContextSwitchTo(parent);
}

static GdprReencryptOptions
parse_options(Jsonb *json)
{
	GdprReencryptOptions options = {BATCH_SIZE, 0};
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
	gdpr_reencrypt_check_session();
}

static void
check_relation(Oid relid)
{
	char kind = get_rel_relkind(relid);

	if (kind != RELKIND_RELATION && kind != RELKIND_PARTITIONED_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("the relation is not a table")));
	gdpr_reencrypt_check_owner(relid);
	if (!gdpr_typetree_relation(relid))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"%s\" has no encrypted column", get_rel_name(relid))));
}

/* Gives the lock of the session back, whatever happens. */
static void
run_locked(LOCKTAG *tag, Oid relid, GdprReencryptOptions *options,
		   MemoryContext context)
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
	GdprReencryptOptions options;
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
