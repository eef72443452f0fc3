/*
 * run.c
 *	  Runs what is due, batch by batch, each in its own transaction.
 *
 * A batch runs as the rule's role, in a subtransaction, and counts in the
 * rule's state in the same transaction: what is counted is done.  Its error is
 * kept in the state, in words that hold no value, and the rule is tried again
 * later, each time after a longer while.
 *
 * Locks, in this order: the rule (an advisory lock of the session, so that no
 * two run it), then for each batch the rule's definition and the table of holds,
 * so that who drops the rule or places a hold waits for the batch under way and
 * sees none after it, then rows.
 */
#include "base/compat.h"

#include "access/xact.h"
#include "base/attempt.h"
#include "base/guc.h"
#include "base/ident.h"
#include "base/lockspace.h"
#include "base/origin.h"
#include "base/procedure.h"
#include "base/redact.h"
#include "base/sql.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "retention/run.h"
#include "retention/target.h"
#include "rights/kept.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "subject/hold.h"
#include "tcop/pquery.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"

GDPR_FUNCTION(gdpr_run_retention);


/* Addresses that are collected at a time: 24 MB. */
#define MOST_COLLECTED 4000000

/* Persons whose kept rows are looked at in one go. */
#define MOST_KEPT 100

/* What waits longer for a lock is given up, or goes on without the row. */
#define LOCK_TIMEOUT "1s"

/* How often the definition is compared with what was approved. */
#define PREPARE_MS 1000

/* Batches that may fail before a run is given up. */
#define MOST_FAILURES 10

void (*gdpr_retention_wake)(void) = NULL;

/* One rule under way. */
typedef struct Work
{
	GdprRule *rule;
	GdprRun run;
	void (*boundary)(void);
	MemoryContext context;	/* of the rule */
	MemoryContext prepared; /* of run; reset when it is made anew */
	MemoryContext batch;	/* reset after each */
	TimestampTz prepared_at;
	char *error; /* the first one, as it is shown */
	int failures;
	/* in and out of an attempt */
	void (*what)(void *argument);
	Oid leaf;
	GdprDue due;
	const ItemPointerData *tids;
	int ntids;
	bool skip_locked;
	int64 changed;
	int64 total;
	/* of kept rows */
	GdprKept *kept;
} Work;

/* ---- the state of a rule ---- */

static void
write_state(const char *sql, int64 rule, int64 number, const char *text)
{
	Oid types[] = {INT8OID, INT8OID, TEXTOID};
	Datum values[] = {Int64GetDatum(rule), Int64GetDatum(number),
					  text == NULL ? (Datum) 0 : CStringGetTextDatum(text)};
	GdprSqlScope scope;

	gdpr_sql_begin_own(&scope);
	(void) gdpr_sql_run(sql, 3, types, values, text == NULL ? "  n" : "   ",
						false, SPI_OK_UPDATE);
	gdpr_sql_end_own(&scope);
}

static void
note_start(int64 rule)
{
	write_state(
		"UPDATE gdpr.retention_state SET running_since = pg_catalog.now(), "
		"last_run = pg_catalog.now() WHERE rule = $1 AND ($2, $3) IS NOT NULL",
		rule, 0, "");
}

static void
note_done(int64 rule, int64 rows)
{
	write_state("UPDATE gdpr.retention_state SET done = done + $2 "
				"WHERE rule = $1 AND $3 IS NULL",
				rule, rows, NULL);
}

/* In time again after "every", or after an error later and later. */
static void
note_end(int64 rule, const char *error)
{
	if (error == NULL)
		write_state(
			"UPDATE gdpr.retention_state s SET running_since = NULL, failures = 0, "
			"last_error = NULL, last_success = pg_catalog.now(), "
			"next_run = pg_catalog.now() + r.every "
			"FROM gdpr.retention_rule r WHERE s.rule = $1 AND r.rule = $1 "
			"AND $2 = 0 AND $3 IS NULL",
			rule, 0, NULL);
	else
		write_state(
			"UPDATE gdpr.retention_state s SET running_since = NULL, failures = failures + 1, "
			"last_error = $3, next_run = pg_catalog.now() + "
			"r.every * (least(pg_catalog.power(2, least(failures, 5)), 20) "
			"* (0.87 + 0.26 * pg_catalog.random())) "
			"FROM gdpr.retention_rule r WHERE s.rule = $1 AND r.rule = $1 AND $2 = 0",
			rule, 0, error);
}

/* ---- one batch ---- */

/* As for an erasure, and for the same reasons. */
static void
check_session(void)
{
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("retention runs at isolation level READ COMMITTED only"),
				 errhint("Under an older snapshot a hold that was just placed would not be seen.")));
	if (SessionReplicationRole == SESSION_REPLICATION_ROLE_REPLICA)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("retention does not run while session_replication_role is \"replica\""),
				 errhint("Foreign keys are not checked then.")));
}

static void
as_role(Work *work, void (*what)(Work *work))
{
	GdprOrigin before = gdpr_origin_set(GDPR_ORIGIN_RETENTION);
	GdprSqlScope scope;

	PG_TRY();
	{
		gdpr_sql_begin_role(&scope, work->run.role);
		what(work);
		gdpr_sql_end_caller(&scope);
	}
	PG_FINALLY();
	{
		gdpr_origin_set(before);
	}
	PG_END_TRY();
}

static void
collect(Work *work)
{
	MemoryContext old = MemoryContextSwitchTo(work->context);

	gdpr_target_collect(&work->run, work->leaf, gdpr_hold_active(),
						MOST_COLLECTED, &work->due);
	MemoryContextSwitchTo(old);
}

static void
change(Work *work)
{
	work->changed = gdpr_target_batch(&work->run, work->leaf,
									  gdpr_hold_active(), work->tids,
									  work->ntids, work->skip_locked);
}

static void
attempt_prepare(void *argument)
{
	Work *work = argument;
	MemoryContext old;

	memset(&work->run, 0, sizeof(work->run));
	MemoryContextReset(work->prepared);
	old = MemoryContextSwitchTo(work->prepared);
	gdpr_target_prepare(&work->run, work->rule);
	work->prepared_at = GetCurrentTimestamp();
	MemoryContextSwitchTo(old);
}

static void
attempt_collect(void *argument)
{
	as_role(argument, collect);
}

/* Its count is part of it. */
static void
attempt_change(void *argument)
{
	Work *work = argument;

	check_session();
	if (!gdpr_rule_lock(work->rule) ||
		!gdpr_compat_owns_relation(work->rule->relation, work->run.role))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the rule was changed or taken back while it ran")));
	gdpr_hold_lock();
	as_role(work, change);
	note_done(work->rule->id, work->changed);
}

static bool
is_lock_trouble(const ErrorData *error)
{
	return error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE ||
		   error->sqlerrcode == ERRCODE_T_R_DEADLOCK_DETECTED;
}

/* Nobody who sits on a lock keeps the other rules waiting. */
static void
attempt_limited(void *argument)
{
	Work *work = argument;
	int nestlevel = NewGUCNestLevel();

	(void) set_config_option("lock_timeout", LOCK_TIMEOUT, PGC_USERSET,
							 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	work->what(work);
	AtEOXact_GUC(true, nestlevel);
}

/* NULL, or what is shown of the error. */
static char *
attempt(Work *work, void (*what)(void *argument))
{
	MemoryContext old = MemoryContextSwitchTo(work->batch);
	ErrorData *error;
	char *shown = NULL;

	work->what = what;
	error = gdpr_attempt(attempt_limited, work);
	if (error != NULL && is_lock_trouble(error) && what == attempt_change)
	{
		work->skip_locked = true;
		error = gdpr_attempt(attempt_limited, work);
	}
	work->skip_locked = false;
	/* Somebody wants us to stop: that is no fault of the rule. */
	if (error != NULL && error->sqlerrcode == ERRCODE_QUERY_CANCELED)
		ReThrowError(error);
	if (error != NULL)
		shown = MemoryContextStrdup(
			work->context,
			gdpr_redact_message(error, work->run.relation == NULL
										   ? NULL
										   : work->run.relation->label));
	MemoryContextSwitchTo(old);
	MemoryContextReset(work->batch);
	return shown;
}

static void
step(Work *work)
{
	work->boundary();
	MemoryContextSwitchTo(work->context);
	CHECK_FOR_INTERRUPTS();
}

/* ---- one rule ---- */

/* False: the run cannot go on. */
static bool
must(Work *work, void (*what)(void *argument))
{
	char *error = attempt(work, what);

	if (error == NULL)
		return true;
	work->error = error;
	work->failures = MOST_FAILURES;
	return false;
}

/* What somebody changed since the approval ends a run that is under way. */
static bool
is_as_approved(Work *work)
{
	return !TimestampDifferenceExceeds(work->prepared_at, GetCurrentTimestamp(),
									   PREPARE_MS) ||
		   must(work, attempt_prepare);
}

/*
 * A batch that a crash takes is done again, rows and count being one; so its
 * commit need not wait for the disk.  That of the run's end does, and covers
 * all before it.
 */
static void
commit_lazily(void)
{
	(void) set_config_option("synchronous_commit", "off", PGC_USERSET,
							 PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0, false);
}

/* One row that cannot be changed does not keep the other batches waiting. */
static bool
change_batch(Work *work)
{
	char *error = attempt(work, attempt_change);

	if (error == NULL)
	{
		work->total += work->changed;
		commit_lazily();
		return work->changed == work->ntids;
	}
	if (work->error == NULL)
		work->error = error;
	work->failures++;
	return false;
}

/* All that was collected, batch by batch; false: once more would find more. */
static bool
change_collected(Work *work)
{
	int size = work->rule->batch_size;
	bool complete = work->due.n < MOST_COLLECTED;

	for (int at = 0; at < work->due.n && work->failures < MOST_FAILURES;
		 at += size)
	{
		work->tids = work->due.tids + at;
		work->ntids = Min(size, work->due.n - at);
		if (!is_as_approved(work))
			break;
		complete &= change_batch(work);
		step(work);
		gdpr_procedure_pause(gdpr_guc_retention_delay);
	}
	return complete;
}

/* Until a pass changes nothing more: rows that moved meanwhile come then. */
static void
change_leaf(Work *work)
{
	bool complete;
	int64 before;

	do
	{
		before = work->total;
		if (!must(work, attempt_collect))
			return;
		step(work);
		complete = work->due.n == 0 || change_collected(work);
		pfree(work->due.tids);
	} while (work->error == NULL && !complete && work->total > before);
}

static void
change_relation(Work *work)
{
	List *leaves;
	ListCell *lc;

	if (!must(work, attempt_prepare))
		return;
	step(work);
	leaves = list_copy(work->run.relation->leaves);
	foreach (lc, leaves)
	{
		work->leaf = lfirst_oid(lc);
		if (work->failures < MOST_FAILURES)
			change_leaf(work);
	}
}

static void
rule_lock(LOCKTAG *tag, int64 rule)
{
	SET_LOCKTAG_ADVISORY(*tag, MyDatabaseId, (uint32) (rule >> 32),
						 (uint32) rule, GDPR_LOCK_RETENTION);
}

/* While we waited for the lock it may have become another rule, or none. */
static bool
find_again(Work *work)
{
	work->rule = gdpr_rule_find(work->rule->id);
	return work->rule != NULL && work->rule->approved_hash != NULL;
}

static void
run_locked(Work *work)
{
	if (!find_again(work))
		return;
	note_start(work->rule->id);
	step(work);
	change_relation(work);
	note_end(work->rule->id, work->error);
	step(work);
}

/* A call waits for whoever runs the rule; the worker has other things to do. */
static int64
run_rule(GdprRule *rule, void (*boundary)(void), bool wait,
		 MemoryContext parent)
{
	Work work = {.rule = rule, .boundary = boundary};
	LOCKTAG tag;

	rule_lock(&tag, rule->id);
	if (LockAcquire(&tag, ExclusiveLock, true, !wait) == LOCKACQUIRE_NOT_AVAIL)
		return 0;
	work.context = AllocSetContextCreate(parent, "gdpr retention rule",
										 ALLOCSET_DEFAULT_SIZES);
	work.prepared = AllocSetContextCreate(work.context, "gdpr retention target",
										  ALLOCSET_DEFAULT_SIZES);
	work.batch = AllocSetContextCreate(work.context, "gdpr retention batch",
									   ALLOCSET_DEFAULT_SIZES);
	MemoryContextSwitchTo(work.context);
	PG_TRY();
	{
		run_locked(&work);
	}
	PG_FINALLY();
	{
		LockRelease(&tag, ExclusiveLock, true);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(parent);
	MemoryContextDelete(work.context);
	return work.total;
}

static int64
run_rules(List *rules, void (*boundary)(void), bool wait, MemoryContext context)
{
	int64 total = 0;
	ListCell *lc;

	foreach (lc, rules)
		total += run_rule(lfirst(lc), boundary, wait, context);
	return total;
}

/* ---- kept rows whose period is over ---- */

static void
forget_again(Work *work)
{
	gdpr_forget_again(work->kept);
}

static void
attempt_kept(void *argument)
{
	Work *work = argument;

	work->run.role = gdpr_rule_role(work->kept->role);
	as_role(work, forget_again);
}

static int64
run_kept(void (*boundary)(void), MemoryContext parent)
{
	Work work = {.boundary = boundary};
	List *due;
	ListCell *lc;

	work.context = AllocSetContextCreate(parent, "gdpr kept rows",
										 ALLOCSET_DEFAULT_SIZES);
	work.batch = AllocSetContextCreate(work.context, "gdpr kept person",
									   ALLOCSET_DEFAULT_SIZES);
	do
	{
		MemoryContextSwitchTo(work.context);
		due = gdpr_kept_due(MOST_KEPT);
		foreach (lc, due)
		{
			char *error;

			work.kept = lfirst(lc);
			error = attempt(&work, attempt_kept);
			gdpr_kept_report(work.kept, error);
			work.total += error == NULL;
			step(&work);
		}
	} while (list_length(due) == MOST_KEPT);
	MemoryContextSwitchTo(parent);
	MemoryContextDelete(work.context);
	return work.total;
}

/* ---- the two ways in ---- */

static MemoryContext
run_context(void)
{
	return AllocSetContextCreate(CurrentMemoryContext, "gdpr retention",
								 ALLOCSET_DEFAULT_SIZES);
}

int64
gdpr_retention_run_due(void (*boundary)(void))
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext context = run_context();
	int64 total;

	MemoryContextSwitchTo(context);
	total = run_rules(gdpr_rule_due(InvalidOid, false), boundary, false,
					  context);
	total += run_kept(boundary, context);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(context);
	return total;
}

/* The portal of CALL needs its snapshot again. */
static void
commit_in_procedure(void)
{
	SPI_commit();
	EnsurePortalSnapshotExists();
}

/* CALL gdpr.run_retention(relation) */
Datum
gdpr_run_retention(PG_FUNCTION_ARGS)
{
	Oid relation = PG_ARGISNULL(0) ? InvalidOid : PG_GETARG_OID(0);
	MemoryContext context;

	if (fcinfo->context == NULL || !IsA(fcinfo->context, CallContext) ||
		((CallContext *) fcinfo->context)->atomic)
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("CALL gdpr.run_retention() cannot run inside a transaction block"),
				 errhint("It commits each batch.")));
	check_session();
	context = run_context();
	if (SPI_connect_ext(SPI_OPT_NONATOMIC) != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
	MemoryContextSwitchTo(context);
	(void) run_rules(gdpr_rule_due(relation, true), commit_in_procedure, true,
					 context);
	if (relation == InvalidOid)
		(void) run_kept(commit_in_procedure, context);
	SPI_finish();
	MemoryContextDelete(context);
	PG_RETURN_NULL();
}
