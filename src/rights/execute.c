/*
 * execute.c
 *	  Carries a plan out.
 *
 * All deletes and updates are one statement, one data-modifying CTE for each,
 * whose sets of rows are disjoint: constraints are then checked once, at its
 * end, and no order of relations has to be found, not even in a cycle.
 *
 * A trigger that runs before may change other rows of the plan, and then the
 * one statement fails; and no rule may rewrite a part of it.  Then each row has
 * a statement of its own, updates first, children before their parents, with
 * deferrable constraints deferred, and is found again before.
 */
#include "base/compat.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "base/attempt.h"
#include "base/errors.h"
#include "base/ident.h"
#include "catalog/indexing.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "rights/execute.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* One statement: an update, or the deletes of a leaf. */
typedef struct Step
{
	GdprPlanLeaf *leaf;
	GdprPlanUpdate *update; /* NULL: delete */
	int64 planned;
} Step;

/* A deferrable constraint of the relations that are touched. */
typedef struct Deferrable
{
	char *name;	   /* qualified */
	bool deferred; /* initially */
} Deferrable;

void
gdpr_execute_incomplete(const GdprPlanLeaf *leaf)
{
	ereport(ERROR,
			(errcode(ERRCODE_GDPR_ERASURE_INCOMPLETE),
			 errmsg("erasure of relation %s is incomplete", gdpr_ident_relation(leaf->relid)),
			 errhint("Rows changed meanwhile, or a trigger or rule keeps them. Nothing was changed.")));
}

static bool
is_pending(const GdprPlanRow *row)
{
	return row->pending;
}

static int64
count(GdprPlanRow **rows, int nrows, bool (*which)(const GdprPlanRow *row))
{
	int64 n = 0;

	for (int i = 0; i < nrows; i++)
		n += which(rows[i]);
	return n;
}

static List *
add_step(List *steps, GdprPlanLeaf *leaf, GdprPlanUpdate *update, int64 planned)
{
	Step *step;

	if (planned == 0)
		return steps;
	step = palloc(sizeof(Step));
	step->leaf = leaf;
	step->update = update;
	step->planned = planned;
	return lappend(steps, step);
}

static List *
find_steps(const GdprPlan *plan)
{
	List *steps = NIL;
	ListCell *lc;

	foreach (lc, plan->updates)
	{
		GdprPlanUpdate *update = lfirst(lc);

		steps = add_step(steps, update->leaf, update,
						 count(update->rows, update->nrows, is_pending));
	}
	foreach (lc, plan->leaf_list)
	{
		GdprPlanLeaf *leaf = lfirst(lc);

		steps = add_step(steps, leaf, NULL,
						 count(leaf->rows, leaf->nrows, gdpr_plan_is_deleted));
	}
	return steps;
}

static char *
delete_text(const GdprPlanLeaf *leaf, Datum tids, GdprArgs *args)
{
	int arg = gdpr_statement_arg(args, TIDARRAYOID, tids);

	return psprintf("DELETE FROM %s WHERE %s", gdpr_plan_from(leaf, "c"),
					gdpr_plan_where(leaf, "c", arg));
}

static char *
update_text(const GdprPlanUpdate *update, GdprArgs *args)
{
	GdprPlanText text;

	gdpr_plan_update_text(update, true, args, &text);
	return psprintf("UPDATE %s SET %s%s%s WHERE %s",
					gdpr_plan_from(update->leaf, "c"), text.sets,
					text.values == NULL ? "" : " FROM ",
					text.values == NULL ? "" : text.values, text.where);
}

static char *
step_text(const Step *step, GdprArgs *args)
{
	if (step->update != NULL)
		return update_text(step->update, args);
	return delete_text(step->leaf,
					   gdpr_plan_tids(step->leaf->rows, step->leaf->nrows,
									  gdpr_plan_is_deleted),
					   args);
}

/* ---- one statement ---- */

/* How much stands against one statement, more being worse. */
typedef enum Obstacle
{
	NO_OBSTACLE,
	TRIGGERS, /* they may change other rows of ours */
	RULES,	  /* no rules in a data-modifying CTE */
} Obstacle;

static Obstacle
relation_obstacle(Oid relid, bool update)
{
	Relation rel = table_open(relid, AccessShareLock);
	TriggerDesc *triggers = rel->trigdesc;
	Obstacle obstacle = NO_OBSTACLE;

	if (rel->rd_rules != NULL)
		obstacle = RULES;
	else if (triggers != NULL &&
			 (update ? triggers->trig_update_before_row ||
						   triggers->trig_update_before_statement
					 : triggers->trig_delete_before_row ||
						   triggers->trig_delete_before_statement))
		obstacle = TRIGGERS;
	table_close(rel, NoLock);
	return obstacle;
}

static Obstacle
worst_obstacle(List *steps)
{
	Obstacle worst = NO_OBSTACLE;
	ListCell *lc;

	foreach (lc, steps)
	{
		Step *step = lfirst(lc);
		bool update = step->update != NULL;

		worst = Max(worst, relation_obstacle(step->leaf->relid, update));
		if (!step->leaf->direct)
			worst = Max(worst,
						relation_obstacle(step->leaf->relation->relid, update));
	}
	return worst;
}

static void
run_together(void *list)
{
	List *steps = list;
	StringInfoData with;
	StringInfoData counts;
	GdprArgs *args = gdpr_statement_args();
	ListCell *lc;

	initStringInfo(&with);
	initStringInfo(&counts);
	foreach (lc, steps)
	{
		int i = foreach_current_index(lc);

		appendStringInfo(&with, "%ss%d AS (%s RETURNING 1)",
						 i == 0 ? "WITH " : ", ", i,
						 step_text(lfirst(lc), args));
		appendStringInfo(&counts, "%s(SELECT pg_catalog.count(*) FROM s%d)",
						 i == 0 ? " SELECT " : ", ", i);
	}
	appendStringInfoString(&with, counts.data);
	gdpr_statement_run(with.data, args, false, NULL);
	foreach (lc, steps)
	{
		Step *step = lfirst(lc);
		bool isnull;

		if (DatumGetInt64(gdpr_statement_value(0, foreach_current_index(lc) + 1,
											   &isnull)) != step->planned)
			gdpr_execute_incomplete(step->leaf);
	}
	SPI_freetuptable(SPI_tuptable);
}

/* Errors that come of one statement for all, and may not come of many. */
static bool
is_worth_another_way(int sqlerrcode)
{
	return sqlerrcode == ERRCODE_GDPR_ERASURE_INCOMPLETE ||
		   sqlerrcode == ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION ||
		   ERRCODE_TO_CATEGORY(sqlerrcode) ==
			   ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION;
}

/* False, and nothing done, when a trigger was in the way. */
static bool
try_together(List *steps)
{
	ErrorData *error = gdpr_attempt(run_together, steps);

	if (error == NULL)
		return true;
	if (!is_worth_another_way(error->sqlerrcode))
		ReThrowError(error);
	FreeErrorData(error);
	return false;
}

/* ---- one after the other ---- */

bool
gdpr_execute_refresh(GdprPlanRow *row)
{
	Relation rel = table_open(row->leaf->relid, AccessShareLock);
	Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	TableScanDesc scan = table_beginscan_tid(rel, snapshot);
	bool there;

	table_tuple_get_latest_tid(scan, &row->now);
	there = table_tuple_fetch_row_version(rel, &row->now, snapshot, slot);
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	UnregisterSnapshot(snapshot);
	table_close(rel, NoLock);
	return there;
}

static int64
run_row(const GdprPlanLeaf *leaf, const char *sql, const GdprArgs *args)
{
	return (int64) gdpr_statement_run(sql, args, false,
									  gdpr_ident_relation(leaf->relid));
}

/* Rows whose children in the plan are not all placed yet have to wait. */
static void
mark_waiting(GdprPlan *plan)
{
	for (int i = 0; i < plan->nedges; i++)
		plan->edges[i].parent->waiting = false;
	for (int i = 0; i < plan->nedges; i++)
	{
		GdprPlanEdge *edge = &plan->edges[i];

		if (edge->child != edge->parent && !edge->child->placed &&
			gdpr_plan_is_deleted(edge->child))
			edge->parent->waiting = true;
	}
}

static bool
place_rows(GdprPlan *plan, List **ordered, bool even_waiting)
{
	bool any = false;
	ListCell *lc;

	foreach (lc, plan->leaf_list)
	{
		GdprPlanLeaf *leaf = lfirst(lc);

		for (int i = 0; i < leaf->nrows; i++)
		{
			GdprPlanRow *row = leaf->rows[i];

			if (row->placed || !gdpr_plan_is_deleted(row) ||
				(row->waiting && !even_waiting))
				continue;
			row->placed = any = true;
			*ordered = lappend(*ordered, row);
		}
	}
	return any;
}

/* Children first; a cycle of references as it comes. */
static List *
order_rows(GdprPlan *plan)
{
	List *ordered = NIL;

	do
		mark_waiting(plan);
	while (place_rows(plan, &ordered, false));
	(void) place_rows(plan, &ordered, true);
	return ordered;
}

/* A row that a trigger deleted already needs no deleting. */
static void
delete_rows(GdprPlan *plan)
{
	ListCell *lc;

	foreach (lc, order_rows(plan))
	{
		GdprPlanRow *row = lfirst(lc);
		GdprArgs *args = gdpr_statement_args();

		CommandCounterIncrement();
		if (gdpr_execute_refresh(row) &&
			run_row(row->leaf,
					delete_text(row->leaf, gdpr_plan_tids(&row, 1, NULL), args),
					args) != 1)
			gdpr_execute_incomplete(row->leaf);
	}
}

/* The update of one of its rows alone. */
static GdprPlanUpdate *
single_update(const GdprPlanUpdate *update, int i)
{
	GdprPlanUpdate *single = palloc(sizeof(GdprPlanUpdate));
	ListCell *lc;

	*single = *update;
	single->rows = &update->rows[i];
	single->nrows = 1;
	single->sets = NIL;
	foreach (lc, update->sets)
	{
		GdprPlanSet *set = palloc(sizeof(GdprPlanSet));

		*set = *(GdprPlanSet *) lfirst(lc);
		if (set->pseudonyms != NULL)
			set->pseudonyms += i;
		single->sets = lappend(single->sets, set);
	}
	return single;
}

static void
update_rows(GdprPlanUpdate *update)
{
	for (int i = 0; i < update->nrows; i++)
	{
		GdprArgs *args = gdpr_statement_args();

		if (!update->rows[i]->pending)
			continue;
		CommandCounterIncrement();
		if (!gdpr_execute_refresh(update->rows[i]) ||
			run_row(update->leaf, update_text(single_update(update, i), args),
					args) != 1)
			gdpr_execute_incomplete(update->leaf);
	}
}

static void
run_in_order(GdprPlan *plan)
{
	ListCell *lc;

	foreach (lc, plan->updates)
		update_rows(lfirst(lc));
	delete_rows(plan);
}

/* ---- constraints ---- */

static List *
add_deferrables(List *names, Oid relid)
{
	Relation catalog = table_open(ConstraintRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;

	ScanKeyInit(&key, Anum_pg_constraint_conrelid, BTEqualStrategyNumber,
				F_OIDEQ, ObjectIdGetDatum(relid));
	scan = systable_beginscan(catalog, ConstraintRelidTypidNameIndexId, true,
							  NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_constraint form = (Form_pg_constraint) GETSTRUCT(tuple);
		Deferrable *deferrable;

		if (!form->condeferrable)
			continue;
		deferrable = palloc(sizeof(Deferrable));
		deferrable->name = psprintf("%s.%s",
									quote_identifier(
										get_namespace_name(form->connamespace)),
									quote_identifier(NameStr(form->conname)));
		deferrable->deferred = form->condeferred;
		names = lappend(names, deferrable);
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return names;
}

static void
set_constraints(List *deferrables, bool initially_deferred_only,
				const char *how)
{
	StringInfoData buf;
	GdprArgs *args = gdpr_statement_args();
	ListCell *lc;

	initStringInfo(&buf);
	foreach (lc, deferrables)
	{
		Deferrable *deferrable = lfirst(lc);

		if (!initially_deferred_only || deferrable->deferred)
			appendStringInfo(&buf, "%s%s",
							 buf.len == 0 ? "SET CONSTRAINTS " : ", ",
							 deferrable->name);
	}
	/* In a restricted operation nothing may be left for later. */
	if (buf.len == 0 || InSecurityRestrictedOperation())
		return;
	appendStringInfo(&buf, " %s", how);
	gdpr_statement_run(buf.data, args, false, NULL);
}

void
gdpr_execute_plan(GdprPlan *plan)
{
	List *steps = find_steps(plan);
	List *deferrables = NIL;
	Obstacle obstacle;
	GdprSqlScope scope;
	ListCell *lc;

	if (steps == NIL)
		return;
	gdpr_sql_begin_caller(&scope);
	foreach (lc, plan->leaf_list)
		deferrables = add_deferrables(deferrables,
									  ((GdprPlanLeaf *) lfirst(lc))->relid);
	obstacle = worst_obstacle(steps);
	if (obstacle == NO_OBSTACLE)
		run_together(steps);
	else if (obstacle == RULES || !try_together(steps))
	{
		set_constraints(deferrables, false, "DEFERRED");
		run_in_order(plan);
	}
	set_constraints(deferrables, false, "IMMEDIATE");
	set_constraints(deferrables, true, "DEFERRED");
	gdpr_sql_end_caller(&scope);
}
