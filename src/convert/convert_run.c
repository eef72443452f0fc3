/*
 * convert_run.c
 *	  CALL gdpr.convert_column: works on a conversion to its end.
 *
 * Pass over pass until the constraint that no row is left can be validated,
 * which reads the table under a lock that lets everybody write, and stays true
 * because the trigger keeps it so.  Then the columns are swapped in one
 * transaction, which takes its lock first and waits for it but a moment at a
 * time: whoever comes meanwhile waits behind it.  After an encryption the plain
 * values are still there, in a column that nobody reads; they are removed the
 * same way, and the column is dropped.
 *
 * Each batch and its progress are one transaction: whatever kills a call, the
 * next one goes on.
 */
#include "base/compat.h"

#include "access/transam.h"
#include "access/xact.h"
#include "base/acl.h"
#include "base/attempt.h"
#include "base/ident.h"
#include "base/options.h"
#include "base/procedure.h"
#include "base/sql.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "convert/convert.h"
#include "enctype/guard.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "storage/lmgr.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

GDPR_FUNCTION(gdpr_convert_column);

/* The swap's lock: how long at a time, how often, and between. */
#define LOCK_TIMEOUT  "300ms"
#define MOST_ATTEMPTS 100
#define LOCK_PAUSE_MS 700

/* Between passes over rows that others had locked. */
#define SKIPPED_PAUSE_MS 200

/* While somebody's snapshot is older than the last batch. */
#define SNAPSHOT_PAUSE_MS 100

typedef struct Work
{
	GdprConversion conversion;
	MemoryContext context;
	int batch_size;
	int delay;
	int64 skipped; /* in this pass */
} Work;

static void
take_options(Jsonb *json, Work *work)
{
	const GdprOption known[] = {
		{.name = "batch_size", .number = &work->batch_size},
		{.name = "delay", .number = &work->delay},
	};

	work->batch_size = 1000;
	gdpr_options_parse(json, known, lengthof(known));
	if (work->batch_size < 1 || work->delay < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"%s\" is out of range",
						work->batch_size < 1 ? "batch_size" : "delay")));
}

/* ---- the state ---- */

static void
write_state(const Work *work, const char *set, Oid part, int64 number,
			int64 rows)
{
	Oid types[] = {REGCLASSOID, NAMEOID, REGCLASSOID, INT8OID, INT8OID};
	NameData name = work->conversion.column;
	Datum values[] = {ObjectIdGetDatum(work->conversion.relation),
					  NameGetDatum(&name), ObjectIdGetDatum(part),
					  Int64GetDatum(number), Int64GetDatum(rows)};
	GdprSqlScope scope;

	gdpr_sql_begin_own(&scope);
	gdpr_sql_run(
		psprintf("UPDATE gdpr.conversion SET active_at = clock_timestamp(), %s "
				 "WHERE relation = $1 AND column_name = $2 "
				 "AND ($3, $4, $5) IS NOT NULL",
				 set),
		5, types, values, NULL, false, SPI_OK_UPDATE);
	gdpr_sql_end_own(&scope);
}

static void
note_batch(const Work *work, Oid part, BlockNumber next, int changed)
{
	write_state(work, "part = $3, next_block = $4, rows = rows + $5", part,
				next, changed);
}

/* From the first block again. */
static void
note_pass(Work *work)
{
	write_state(work, "part = NULL, next_block = 0, skipped = $4",
				work->conversion.relation, work->skipped, 0);
	work->conversion.part = InvalidOid;
	work->conversion.block = 0;
}

/* What somebody did to the table meanwhile. */
static void
check_fault(Work *work)
{
	char *fault = gdpr_conversion_text("SELECT gdpr.conversion_fault($1, $2)",
									   &work->conversion);

	if (fault != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the conversion cannot go on"),
				 errdetail("%s.", fault),
				 errhint("Mend it and CALL gdpr.convert_column again, or use gdpr.cancel_conversion.")));
}

/* ---- passes ---- */

static int
compare_oids(const ListCell *a, const ListCell *b)
{
	Oid x = lfirst_oid(a);
	Oid y = lfirst_oid(b);

	return x < y ? -1 : x > y;
}

static List *
leaves_of(Oid relid)
{
	List *leaves = NIL;
	ListCell *lc;

	foreach (lc, find_all_inheritors(relid, AccessShareLock, NULL))
	{
		if (get_rel_relkind(lfirst_oid(lc)) == RELKIND_RELATION)
			leaves = lappend_oid(leaves, lfirst_oid(lc));
	}
	list_sort(leaves, compare_oids);
	return leaves;
}

static void
run_leaf(Work *work, Oid leaf)
{
	GdprFill fill = {
		.next = leaf == work->conversion.part ? work->conversion.block : 0};

	do
	{
		/* Gone since the list was made; the constraint will tell. */
		if (get_rel_relkind(leaf) != RELKIND_RELATION)
			return;
		gdpr_fill_batch(&work->conversion, leaf, work->batch_size, &fill);
		note_batch(work, leaf, fill.next, fill.changed);
		work->skipped += fill.skipped;
		/* What a crash takes is done again: only the pass's end waits for the disk. */
		gdpr_procedure_commit_lazily(work->context);
		gdpr_procedure_pause(fill.changed > 0 ? work->delay : 0);
	} while (fill.next < fill.blocks);
}

static void
run_pass(Work *work)
{
	List *leaves = leaves_of(work->conversion.relation);
	ListCell *lc;

	gdpr_procedure_commit(work->context);
	work->skipped = 0;
	foreach (lc, leaves)
	{
		if (lfirst_oid(lc) >= work->conversion.part)
			run_leaf(work, lfirst_oid(lc));
	}
	note_pass(work);
	gdpr_procedure_commit(work->context);
}

static void
attempt_validate(void *argument)
{
	Work *work = argument;

	gdpr_conversion_ddl(
		psprintf("ALTER TABLE %s VALIDATE CONSTRAINT %s",
				 gdpr_ident_relation(work->conversion.relation),
				 quote_identifier(NameStr(work->conversion.spare))));
}

/* False: rows are left, which another pass finds. */
static bool
is_complete(Work *work)
{
	ErrorData *error = gdpr_attempt(attempt_validate, work);
	bool result = error == NULL;

	if (error != NULL && error->sqlerrcode != ERRCODE_CHECK_VIOLATION)
		ReThrowError(error);
	gdpr_procedure_commit(work->context);
	return result;
}

static void
run_passes(Work *work)
{
	for (;;)
	{
		run_pass(work);
		if (work->skipped == 0 && is_complete(work))
			return;
		gdpr_procedure_pause(SKIPPED_PAUSE_MS);
	}
}

/* ---- the swap ---- */

static void
check_indexes(Work *work)
{
	if (gdpr_conversion_text(
			"SELECT statement FROM gdpr.conversion_replacement($1, $2) WHERE NOT done LIMIT 1",
			&work->conversion) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the values are converted; indexes of the new column are missing"),
				 errhint("Run the statements of gdpr.conversion_indexes, in psql by \\gexec, and CALL gdpr.convert_column again: it swaps the columns then.")));
}

/* Grants on the column itself go with its name. */
static void
move_privileges(const GdprConversion *conversion, List *tables)
{
	ListCell *lc;

	foreach (lc, tables)
	{
		Oid relid = lfirst_oid(lc);
		AttrNumber column = get_attnum(relid, NameStr(conversion->column));
		AttrNumber spare = get_attnum(relid, NameStr(conversion->spare));
		Acl *acl = gdpr_acl_read(relid, column);

		if (acl == NULL && gdpr_acl_read(relid, spare) == NULL)
			continue;
		gdpr_acl_write(relid, spare, acl);
		gdpr_acl_write(relid, column, NULL);
	}
}

static void
note_swap(Work *work)
{
	if (work->conversion.encrypts)
	{
		write_state(
			work,
			"phase = 'clear', swapped_at = clock_timestamp(), part = NULL, "
			"next_block = 0, rows = 0, skipped = 0",
			work->conversion.relation, 0, 0);
		work->conversion.clears = true;
		work->conversion.part = InvalidOid;
		work->conversion.block = 0;
		gdpr_conversion_trigger(&work->conversion);
	}
	else
		(void) gdpr_conversion_text(
			"WITH gone AS (DELETE FROM gdpr.conversion WHERE relation = $1 "
			"AND column_name = $2 RETURNING 1) SELECT count(*)::text FROM gone",
			&work->conversion);
}

static void
swap(Work *work)
{
	Oid relid = work->conversion.relation;
	List *statements;
	List *views;
	ListCell *lc;

	LockRelationOid(relid, AccessExclusiveLock);
	check_fault(work);
	check_indexes(work);
	statements = gdpr_conversion_texts("SELECT gdpr.conversion_swap($1, $2)",
									   &work->conversion);
	views = gdpr_convert_views_take(relid, NameStr(work->conversion.column));
	move_privileges(&work->conversion,
					find_all_inheritors(relid, AccessExclusiveLock, NULL));
	foreach (lc, statements)
		gdpr_conversion_ddl(lfirst(lc));
	gdpr_convert_views_make(views);
	note_swap(work);
}

static void
attempt_swap(void *argument)
{
	int nestlevel = NewGUCNestLevel();

	(void) set_config_option("lock_timeout", LOCK_TIMEOUT, PGC_USERSET,
							 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	swap(argument);
	AtEOXact_GUC(true, nestlevel);
}

/* ---- the whole ---- */

/*
 * A snapshot from before the last batch shows rows as they were, without the
 * converted value; after the swap it would find null there.  So we wait for
 * those to go, as CREATE INDEX CONCURRENTLY does.
 */
static void
wait_for_snapshots(Work *work)
{
	TransactionId limit = ReadNextTransactionId();
	int count;

	TransactionIdRetreat(limit);
	for (;;)
	{
		VirtualTransactionId *older = GetCurrentVirtualXIDs(
			limit, true, false, PROC_IS_AUTOVACUUM | PROC_IN_VACUUM, &count);

		pfree(older);
		if (count == 0)
			return;
		gdpr_procedure_commit(work->context);
		gdpr_procedure_pause(SNAPSHOT_PAUSE_MS);
	}
}

/* Plans of the first statements after the swap are as good as before it. */
static void
analyze_spare(Work *work)
{
	gdpr_conversion_ddl(
		psprintf("ANALYZE %s (%s)",
				 gdpr_ident_relation(work->conversion.relation),
				 quote_identifier(NameStr(work->conversion.spare))));
	gdpr_procedure_commit(work->context);
}

static void
finish(Work *work)
{
	const char *spare = quote_identifier(NameStr(work->conversion.spare));
	char *relation = gdpr_ident_relation(work->conversion.relation);

	gdpr_conversion_ddl(psprintf(
		"DROP TRIGGER %s ON %s",
		quote_identifier(psprintf("~%s", NameStr(work->conversion.spare))),
		relation));
	gdpr_conversion_ddl(
		psprintf("ALTER TABLE %s DROP COLUMN %s", relation, spare));
	(void) gdpr_conversion_text(
		"WITH gone AS (DELETE FROM gdpr.conversion WHERE relation = $1 "
		"AND column_name = $2 RETURNING 1) SELECT count(*)::text FROM gone",
		&work->conversion);
}

static void
attempt_finish(void *argument)
{
	int nestlevel = NewGUCNestLevel();
	Work *work = argument;

	(void) set_config_option("lock_timeout", LOCK_TIMEOUT, PGC_USERSET,
							 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	LockRelationOid(work->conversion.relation, AccessExclusiveLock);
	finish(work);
	AtEOXact_GUC(true, nestlevel);
}

/* Whoever comes while we wait for the lock waits behind us: not for long. */
static void
run_lock_attempts(Work *work, void (*what)(void *argument))
{
	for (int attempt = 1;; attempt++)
	{
		ErrorData *error = gdpr_attempt(what, work);

		if (error == NULL)
			break;
		if ((error->sqlerrcode != ERRCODE_LOCK_NOT_AVAILABLE &&
			 error->sqlerrcode != ERRCODE_T_R_DEADLOCK_DETECTED) ||
			attempt == MOST_ATTEMPTS)
			ReThrowError(error);
		FreeErrorData(error);
		gdpr_procedure_commit(work->context);
		gdpr_procedure_pause(LOCK_PAUSE_MS);
	}
	gdpr_procedure_commit(work->context);
}

static void
run_conversion(Work *work)
{
	check_fault(work);
	gdpr_procedure_commit(work->context);
	if (!work->conversion.clears)
	{
		run_passes(work);
		analyze_spare(work);
		check_indexes(work);
		wait_for_snapshots(work);
		run_lock_attempts(work, attempt_swap);
	}
	if (work->conversion.clears)
	{
		run_passes(work);
		run_lock_attempts(work, attempt_finish);
	}
}

static void
check_call(FunctionCallInfo fcinfo)
{
	if (fcinfo->context == NULL || !IsA(fcinfo->context, CallContext) ||
		((CallContext *) fcinfo->context)->atomic)
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("CALL gdpr.convert_column() cannot run inside a transaction block"),
				 errhint("It commits each batch.")));
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("a conversion runs at isolation level READ COMMITTED only")));
	for (int i = 0; i < PG_NARGS(); i++)
	{
		if (PG_ARGISNULL(i))
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("argument %d must not be null", i + 1)));
	}
}

/* CALL gdpr.convert_column(relation, column_name, options) */
Datum
gdpr_convert_column(PG_FUNCTION_ARGS)
{
	Work work = {0};
	Oid relid;

	check_call(fcinfo);
	relid = PG_GETARG_OID(0);
	take_options(PG_GETARG_JSONB_P(2), &work);
	work.context = AllocSetContextCreate(CurrentMemoryContext,
										 "gdpr conversion",
										 ALLOCSET_DEFAULT_SIZES);
	if (SPI_connect_ext(SPI_OPT_NONATOMIC) != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	MemoryContextSwitchTo(work.context);
	gdpr_conversion_require(relid, NameStr(*PG_GETARG_NAME(1)),
							&work.conversion);
	gdpr_conversion_take(relid, true);
	PG_TRY();
	{
		/* Whoever had it before us may have come further since we looked. */
		gdpr_conversion_require(relid, NameStr(work.conversion.column),
								&work.conversion);
		run_conversion(&work);
	}
	PG_FINALLY();
	{
		gdpr_conversion_release(relid);
	}
	PG_END_TRY();
	SPI_finish();
	MemoryContextDelete(work.context);
	PG_RETURN_VOID();
}
