/*
 * target.c
 *	  One physical relation of a rule: its due rows, and a batch of them.
 *
 * Rows are collected once, by address and in physical order, and then changed
 * batch by batch by address: finding them costs one scan, however many batches
 * there are.  Every batch asks again whether its rows are still due.  Masking
 * is one statement; deleting goes through the same plan as an erasure, because
 * rows below are owned, kept or unlinked as the map says.
 */
#include "base/compat.h"

#include "audit/erase.h"
#include "base/errors.h"
#include "base/ident.h"
#include "base/redact.h"
#include "base/rows.h"
#include "base/sql.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "registry/predicate.h"
#include "registry/registry.h"
#include "retention/target.h"
#include "rights/execute.h"
#include "subject/hold.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

/* Rows that are fetched at a time when due ones are collected. */
#define FETCH_ROWS 10000

/* ---- making ready ---- */

/* "the period is over" of a link that keeps rows of the relation itself. */
static char *
law_condition(const GdprLink *link)
{
	char *column = gdpr_ident_column(link->child_relid, link->keep_since);
	char date[MAXDATELEN + 1];

	JsonEncodeDateTime(date, DateADTGetDatum(gdpr_plan_last_over(link)),
					   DATEOID, NULL);
	return psprintf(" AND (%s(c.%s)::pg_catalog.date OPERATOR(pg_catalog.<=) "
					"'%s'::pg_catalog.date)",
					link->predicate == NULL
						? ""
						: psprintf("(%s) IS NOT TRUE OR ", link->predicate),
					column, date);
}

/* What the law keeps does not go before its time, whatever the rule says. */
static void
append_laws(StringInfo buf, const GdprRun *run)
{
	ListCell *lc;

	foreach (lc, run->map == NULL ? NIL : run->map->links)
	{
		GdprLink *link = lfirst(lc);

		if (link->child != run->relation || link->on_forget != GDPR_ACTION_KEEP)
			continue;
		if (link->keep_since == InvalidAttrNumber)
			ereport(ERROR,
					(errcode(ERRCODE_GDPR_ERASURE_BLOCKED),
					 errmsg("rows of relation %s are kept as long as those above them",
							run->relation->label),
					 errhint("Give the rule to the relation whose date counts.")));
		appendStringInfoString(buf, law_condition(link));
	}
}

static void
find_cutoff(GdprRun *run, AttrNumber since)
{
	Oid types[] = {TEXTOID};
	Datum values[] = {CStringGetTextDatum(run->rule->keep)};
	Oid type = getBaseType(get_atttype(run->relation->relid, since));
	GdprSqlScope scope;
	bool isnull;
	Datum cutoff;

	gdpr_sql_begin_own(&scope);
	(void) gdpr_sql_run(psprintf("SELECT (now() - $1::interval)::%s",
								 gdpr_ident_type(type, -1)),
						1, types, values, NULL, false, SPI_OK_SELECT);
	cutoff = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1,
						   &isnull);
	gdpr_sql_end_own(&scope);
	/* Dates and timestamps are passed by value. */
	run->cutoff = cutoff;
	run->cutoff_type = type;
}

static void
find_due(GdprRun *run)
{
	AttrNumber since = get_attnum(run->relation->relid, run->rule->since);
	StringInfoData buf;

	if (since <= 0 || !gdpr_registry_is_date(run->relation->relid, since))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("relation %s has no such date column any more",
						run->relation->label)));
	find_cutoff(run, since);
	initStringInfo(&buf);
	/* A date is a whole day, and that has to be over. */
	appendStringInfo(&buf, "c.%s OPERATOR(pg_catalog.%s) $1",
					 gdpr_ident_column(run->relation->relid, since),
					 run->cutoff_type == DATEOID ? "<" : "<=");
	if (run->rule->filter != NULL)
	{
		gdpr_predicate_check(run->relation->relid, run->rule->filter);
		appendStringInfo(&buf, " AND (%s)", run->rule->filter);
	}
	append_laws(&buf, run);
	run->due = buf.data;
}

static void
check_leaves(const GdprRelation *relation)
{
	ListCell *lc;

	foreach (lc, relation->leaves)
	{
		if (get_rel_relkind(lfirst_oid(lc)) == RELKIND_FOREIGN_TABLE)
			ereport(ERROR,
					(errcode(ERRCODE_GDPR_ERASURE_BLOCKED),
					 errmsg("rows of foreign table %s lie on another server",
							gdpr_ident_relation(lfirst_oid(lc)))));
	}
}

void
gdpr_target_describe(GdprRun *run, GdprRule *rule)
{
	if (get_rel_relkind(rule->relation) == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the relation of the rule does not exist any more")));
	run->rule = rule;
	run->map = gdpr_rule_map(rule);
	run->relation = gdpr_rule_relation(rule, run->map);
	run->role = gdpr_rule_role(rule->runs_as);
	check_leaves(run->relation);
	find_due(run);
}

void
gdpr_target_prepare(GdprRun *run, GdprRule *rule)
{
	char *hash;

	gdpr_target_describe(run, rule);
	if (!gdpr_compat_owns_relation(rule->relation, run->role))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("role \"%s\" does not own relation %s any more",
						rule->runs_as, run->relation->label),
				 errhint("Set the rule again with gdpr.set_retention.")));
	if (run->map != NULL && !run->map->approved)
		ereport(ERROR,
				(errcode(ERRCODE_GDPR_MAP_NOT_APPROVED),
				 errmsg("the map of kind \"%s\" is not approved", rule->kind)));
	hash = gdpr_rule_hash(rule, run->map, run->relation);
	if (rule->approved_hash == NULL || strcmp(hash, rule->approved_hash) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_GDPR_MAP_NOT_APPROVED),
				 errmsg("what the rule does has changed since it was approved"),
				 errhint("Look at gdpr.retention_plan and approve it again.")));
}

/* ---- statements ---- */

static char *
leaf_from(Oid leaf)
{
	return psprintf("ONLY %s AS c", gdpr_ident_relation(leaf));
}

static GdprArgs *
cutoff_args(const GdprRun *run)
{
	GdprArgs *args = gdpr_statement_args();

	gdpr_statement_arg(args, run->cutoff_type, run->cutoff);
	return args;
}

static void
check_notes(const GdprPlan *plan)
{
	ListCell *lc;

	foreach (lc, plan->notes)
	{
		GdprPlanNote *note = lfirst(lc);

		if (note->blocker != NULL)
			ereport(ERROR,
					(errcode(ERRCODE_GDPR_ERASURE_BLOCKED),
					 errmsg("retention is blocked on relation %s: %s",
							gdpr_ident_relation(note->relid), note->blocker)));
	}
}

/* A plan that belongs to nobody, only to carry one update. */
static GdprPlanUpdate *
masking(const GdprRun *run, Oid leaf, GdprPlan **plan)
{
	GdprSubject *nobody = palloc0(sizeof(GdprSubject));
	GdprPlanUpdate *update;

	nobody->map = run->map;
	*plan = gdpr_plan_new(nobody, GDPR_PLAN_FORGET);
	update = gdpr_plan_update_alone(*plan, run->relation, leaf);
	check_notes(*plan);
	if (update->sets == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_GDPR_ERASURE_BLOCKED),
				 errmsg("relation %s has no personal column to be masked",
						gdpr_ident_relation(leaf)),
				 errhint("Declare its columns with gdpr.declare_column.")));
	return update;
}

/* Would the row change?  What masks make of each row apart is not known yet. */
static char *
change_condition(const GdprRun *run, Oid leaf)
{
	GdprPlan *plan;
	GdprPlanUpdate *update;
	StringInfoData buf;
	ListCell *lc;

	if (!run->rule->anonymise)
		return "";
	update = masking(run, leaf, &plan);
	if (!gdpr_plan_update_is_per_row(update))
		return psprintf(" AND (%s)", gdpr_plan_update_pending(update));
	initStringInfo(&buf);
	foreach (lc, update->sets)
		appendStringInfo(
			&buf, "%sc.%s IS NOT NULL", foreach_current_index(lc) ? " OR " : "",
			gdpr_ident_column(leaf, ((GdprPlanSet *) lfirst(lc))->attnum));
	return psprintf(" AND (%s)", buf.data);
}

static char *
due_query(const GdprRun *run, Oid leaf, List *holds, const char *columns)
{
	return psprintf("SELECT %s FROM %s WHERE %s%s%s", columns, leaf_from(leaf),
					run->due, change_condition(run, leaf),
					gdpr_hold_condition(holds, leaf));
}

static void
check_sight(Oid leaf)
{
	if (gdpr_rows_hidden(leaf, ACL_SELECT | ACL_UPDATE))
		ereport(ERROR,
				(errcode(ERRCODE_GDPR_ERASURE_BLOCKED),
				 errmsg("row security would hide rows of relation %s from role \"%s\"",
						gdpr_ident_relation(leaf),
						GetUserNameFromId(GetUserId(), false))));
}

static void
take_tids(GdprDue *due, int limit)
{
	for (uint64 i = 0; i < SPI_processed && due->n < limit; i++)
	{
		bool isnull;
		ItemPointer tid = (ItemPointer) DatumGetPointer(
			gdpr_statement_value(i, 1, &isnull));

		due->tids[due->n++] = *tid;
	}
}

static void
fetch_due(const GdprRun *run, const char *query, int limit, GdprDue *due,
		  MemoryContext context)
{
	Oid types[] = {run->cutoff_type};
	Datum values[] = {run->cutoff};
	int capacity = FETCH_ROWS;
	Portal cursor = SPI_cursor_open_with_args(NULL, query, 1, types, values,
											  NULL, false, 0);

	do
	{
		SPI_cursor_fetch(cursor, true, FETCH_ROWS);
		if (due->n + (int) SPI_processed > capacity)
		{
			MemoryContext old = MemoryContextSwitchTo(context);

			capacity *= 2;
			due->tids = repalloc_huge(due->tids,
									  sizeof(ItemPointerData) * capacity);
			MemoryContextSwitchTo(old);
		}
		take_tids(due, limit);
		SPI_freetuptable(SPI_tuptable);
	} while (SPI_processed > 0 && due->n < limit);
	SPI_cursor_close(cursor);
}

void
gdpr_target_collect(const GdprRun *run, Oid leaf, List *holds, int limit,
					GdprDue *due)
{
	MemoryContext context = CurrentMemoryContext;
	char *query;

	check_sight(leaf);
	due->n = 0;
	due->tids = palloc(sizeof(ItemPointerData) * FETCH_ROWS);
	query = due_query(run, leaf, holds, "c.ctid");
	PG_TRY();
	{
		fetch_due(run, query, limit, due, context);
	}
	PG_CATCH();
	{
		ErrorData *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		gdpr_redact_rethrow(error, run->relation->label);
	}
	PG_END_TRY();
}

/* Rows of these that are not masked yet, where each has a mask of its own. */
static int64
count_unmasked(const GdprRun *run, Oid leaf, const ItemPointerData *tids,
			   int ntids)
{
	GdprPlan *plan;
	GdprPlanUpdate *update = masking(run, leaf, &plan);

	gdpr_plan_update_rows(plan, update, tids, ntids);
	return gdpr_plan_find_pending(plan, update, true);
}

void
gdpr_target_check_masks(const GdprRun *run, Oid leaf,
						const ItemPointerData *tids, int ntids)
{
	GdprPlan *plan;
	GdprPlanUpdate *update = masking(run, leaf, &plan);

	gdpr_plan_update_rows(plan, update, tids, ntids);
	gdpr_plan_find_broken_checks(plan, update);
	check_notes(plan);
}

static int64
count_per_row(const GdprRun *run, Oid leaf, List *holds)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext chunk = AllocSetContextCreate(caller, "gdpr retention count",
												ALLOCSET_DEFAULT_SIZES);
	GdprDue due;
	int64 n = 0;

	gdpr_target_collect(run, leaf, holds, INT_MAX, &due);
	for (int at = 0; at < due.n; at += FETCH_ROWS)
	{
		MemoryContextSwitchTo(chunk);
		n += count_unmasked(run, leaf, due.tids + at,
							Min(FETCH_ROWS, due.n - at));
		MemoryContextSwitchTo(caller);
		MemoryContextReset(chunk);
	}
	MemoryContextDelete(chunk);
	pfree(due.tids);
	return n;
}

static bool
is_per_row(const GdprRun *run, Oid leaf)
{
	GdprPlan *plan;

	return run->rule->anonymise &&
		   gdpr_plan_update_is_per_row(masking(run, leaf, &plan));
}

int64
gdpr_target_count(const GdprRun *run, Oid leaf, List *holds)
{
	bool isnull;
	int64 n;

	check_sight(leaf);
	if (is_per_row(run, leaf))
		return count_per_row(run, leaf, holds);
	gdpr_statement_run(due_query(run, leaf, holds, "pg_catalog.count(*)"),
					   cutoff_args(run), false, run->relation->label);
	n = DatumGetInt64(gdpr_statement_value(0, 1, &isnull));
	SPI_freetuptable(SPI_tuptable);
	return n;
}

/* ---- a batch ---- */

/* Those of the rows that are due and can be had, locked. */
static int
lock_rows(const GdprRun *run, Oid leaf, List *holds,
		  const ItemPointerData *tids, int ntids, bool skip_locked,
		  ItemPointerData **locked)
{
	GdprArgs *args = cutoff_args(run);
	GdprDue due = {0, palloc(sizeof(ItemPointerData) * Max(ntids, 1))};

	gdpr_statement_arg(args, TIDARRAYOID, gdpr_statement_tids(tids, ntids));
	gdpr_statement_run(
		psprintf("SELECT c.ctid FROM %s WHERE %s%s AND "
				 "c.ctid OPERATOR(pg_catalog.=) ANY ($2) FOR UPDATE OF c%s",
				 leaf_from(leaf), run->due, gdpr_hold_condition(holds, leaf),
				 skip_locked ? " SKIP LOCKED" : ""),
		args, false, run->relation->label);
	take_tids(&due, ntids);
	SPI_freetuptable(SPI_tuptable);
	*locked = due.tids;
	return due.n;
}

/* The rows that are not those of held persons. */
static int
leave_held(HTAB *held, Oid leaf, const ItemPointerData *tids, int ntids,
		   ItemPointerData *free)
{
	int n = 0;

	for (int i = 0; i < ntids; i++)
	{
		if (!gdpr_hold_has(held, leaf, &tids[i]))
			free[n++] = tids[i];
	}
	return n;
}

static int64
mask_rows(const GdprRun *run, Oid leaf, List *holds,
		  const ItemPointerData *tids, int ntids)
{
	GdprPlan *plan;
	GdprPlanUpdate *update = masking(run, leaf, &plan);
	GdprArgs *args = cutoff_args(run);
	GdprPlanText text;

	if (gdpr_plan_update_is_per_row(update))
	{
		gdpr_plan_update_rows(plan, update, tids, ntids);
		gdpr_plan_update_text(update, false, args, &text);
	}
	else
	{
		text.sets = gdpr_plan_update_sets(update);
		text.values = NULL;
		text.where = psprintf("c.ctid OPERATOR(pg_catalog.=) ANY ($%d)",
							  gdpr_statement_arg(args, TIDARRAYOID,
												 gdpr_statement_tids(tids,
																	 ntids)));
	}
	return (int64) gdpr_statement_run(
		psprintf("UPDATE %s SET %s%s%s WHERE %s AND %s AND (%s)%s",
				 leaf_from(leaf), text.sets,
				 text.values == NULL ? "" : " FROM ",
				 text.values == NULL ? "" : text.values, text.where, run->due,
				 gdpr_plan_update_pending(update),
				 gdpr_hold_condition(holds, leaf)),
		args, false, run->relation->label);
}

static int64
count_changed(const GdprPlan *plan, Oid leaf)
{
	int64 n = 0;
	ListCell *lc;

	foreach (lc, plan->leaf_list)
	{
		GdprPlanLeaf *of = lfirst(lc);

		for (int i = 0; of->relid == leaf && i < of->nrows; i++)
			n += gdpr_plan_is_deleted(of->rows[i]) || of->rows[i]->pending;
	}
	return n;
}

static bool
is_held(const GdprPlan *plan)
{
	ListCell *lc;

	foreach (lc, plan->notes)
	{
		if (((GdprPlanNote *) lfirst(lc))->hold)
			return true;
	}
	return false;
}

/*
 * What hangs below one row may be held, and then this row has to stay; the
 * others of the batch need not wait for it.
 */
int64
gdpr_target_plan(const GdprRun *run, Oid leaf, const ItemPointerData *tids,
				 int ntids, GdprPlanMode mode,
				 int64 (*use)(GdprPlan *plan, Oid leaf, void *argument),
				 void *argument)
{
	GdprPlan *plan = gdpr_plan_walk_rows(run->map, run->relation, leaf, tids,
										 ntids, mode);
	int half = ntids / 2;

	gdpr_plan_decide(plan);
	if (!is_held(plan))
	{
		check_notes(plan);
		return use(plan, leaf, argument);
	}
	if (ntids == 1)
		return 0;
	return gdpr_target_plan(run, leaf, tids, half, mode, use, argument) +
		   gdpr_target_plan(run, leaf, tids + half, ntids - half, mode, use,
							argument);
}

static int64
delete_by_map(GdprPlan *plan, Oid leaf, void *argument)
{
	GdprAuditPerson *person = gdpr_audit_remember(plan, NULL);

	gdpr_execute_plan(plan);
	(void) gdpr_audit_erase(person);
	return count_changed(plan, leaf);
}

static int64
delete_rows(const GdprRun *run, Oid leaf, const ItemPointerData *tids,
			int ntids)
{
	GdprArgs *args = gdpr_statement_args();

	gdpr_statement_arg(args, TIDARRAYOID, gdpr_statement_tids(tids, ntids));
	return (int64) gdpr_statement_run(
		psprintf("DELETE FROM %s WHERE c.ctid OPERATOR(pg_catalog.=) ANY ($1)",
				 leaf_from(leaf)),
		args, false, run->relation->label);
}

int64
gdpr_target_batch(const GdprRun *run, Oid leaf, List *holds,
				  const ItemPointerData *tids, int ntids, bool skip_locked)
{
	HTAB *held = gdpr_hold_rows(holds, leaf);
	ItemPointerData *rows = palloc(sizeof(ItemPointerData) * Max(ntids, 1));
	GdprAuditPerson *person;
	int64 changed;
	int n = leave_held(held, leaf, tids, ntids, rows);

	/* One update finds and locks its rows itself. */
	if (n > 0 && (skip_locked || !run->rule->anonymise))
		n = lock_rows(run, leaf, holds, rows, n, skip_locked, &rows);
	if (n == 0)
		return 0;
	if (run->map != NULL && !run->rule->anonymise)
		return gdpr_target_plan(run, leaf, rows, n, GDPR_PLAN_FORGET,
								delete_by_map, NULL);
	/* What the log knows of the rows goes with what they lose. */
	person = gdpr_audit_remember_rows(leaf, rows, n);
	changed = run->rule->anonymise ? mask_rows(run, leaf, holds, rows, n)
								   : delete_rows(run, leaf, rows, n);
	(void) gdpr_audit_erase(person);
	return changed;
}
