/*
 * execute.c
 *	  Carries a plan out.
 *
 * All deletes and updates are one statement, one data-modifying CTE for each,
 * whose sets of rows are disjoint: constraints are then checked once, at its
 * end, and no order of relations has to be found, not even in a cycle.  Where
 * triggers run before a row is changed, or rules rewrite a statement, that is
 * not possible: they may change other rows of the plan.  Then statements run
 * one after the other, updates first, children before their parents, with
 * deferrable constraints deferred, and rows are found again before each.
 */
#include "base/compat.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "base/errors.h"
#include "base/ident.h"
#include "catalog/indexing.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_type.h"
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
	GdprPlanUpdate *update;		/* NULL: delete */
	int64		planned;
} Step;

/* A deferrable constraint of the relations that are touched. */
typedef struct Deferrable
{
	char	   *name;			/* qualified */
	bool		deferred;		/* initially */
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
count(GdprPlanRow **rows, int nrows, bool (*which) (const GdprPlanRow *row))
{
	int64		n = 0;

	for (int i = 0; i < nrows; i++)
		n += which(rows[i]);
	return n;
}

static List *
add_step(List *steps, GdprPlanLeaf *leaf, GdprPlanUpdate *update, int64 planned)
{
	Step	   *step;

	if (planned == 0)
		return steps;
	step = palloc(sizeof(Step));
	step->leaf = leaf;
	step->update = update;
	step->planned = planned;
	return lappend(steps, step);
}

/* Does a row of the one leaf refer to a row of the other, both to be deleted? */
static bool
refers(const GdprPlan *plan, const GdprPlanLeaf *child, const GdprPlanLeaf *parent)
{
	for (int i = 0; i < plan->nedges; i++)
	{
		GdprPlanEdge *edge = &plan->edges[i];

		if (edge->child->leaf == child && edge->parent->leaf == parent &&
			gdpr_plan_is_deleted(edge->child) && gdpr_plan_is_deleted(edge->parent))
			return true;
	}
	return false;
}

static bool
is_referred_to(const GdprPlan *plan, const GdprPlanLeaf *parent, const List *leaves)
{
	ListCell   *lc;

	foreach(lc, leaves)
	{
		if (lfirst(lc) != parent && refers(plan, lfirst(lc), parent))
			return true;
	}
	return false;
}

/* Children first; of a cycle, the one that was found last. */
static List *
order_leaves(const GdprPlan *plan)
{
	List	   *left = list_copy(plan->leaf_list);
	List	   *ordered = NIL;

	while (left != NIL)
	{
		GdprPlanLeaf *next = llast(left);

		for (int i = list_length(left) - 1; i >= 0; i--)
		{
			if (!is_referred_to(plan, list_nth(left, i), left))
			{
				next = list_nth(left, i);
				break;
			}
		}
		ordered = lappend(ordered, next);
		left = list_delete_ptr(left, next);
	}
	return ordered;
}

static List *
find_steps(const GdprPlan *plan, bool ordered)
{
	List	   *steps = NIL;
	ListCell   *lc;

	foreach(lc, plan->updates)
	{
		GdprPlanUpdate *update = lfirst(lc);

		steps = add_step(steps, update->leaf, update,
						 count(update->rows, update->nrows, is_pending));
	}
	foreach(lc, ordered ? order_leaves(plan) : plan->leaf_list)
	{
		GdprPlanLeaf *leaf = lfirst(lc);

		steps = add_step(steps, leaf, NULL,
						 count(leaf->rows, leaf->nrows, gdpr_plan_is_deleted));
	}
	return steps;
}

static char *
step_text(const Step *step, bool (*which) (const GdprPlanRow *row), GdprArgs *args)
{
	char	   *from = gdpr_plan_from(step->leaf, "c");
	GdprPlanText text;
	int			arg;

	if (step->update != NULL)
	{
		gdpr_plan_update_text(step->update, true, args, &text);
		return psprintf("UPDATE %s SET %s%s%s WHERE %s", from, text.sets,
						text.values == NULL ? "" : " FROM ",
						text.values == NULL ? "" : text.values, text.where);
	}
	arg = gdpr_statement_arg(args, TIDARRAYOID,
							 gdpr_plan_tids(step->leaf->rows, step->leaf->nrows, which));
	return psprintf("DELETE FROM %s WHERE %s", from, gdpr_plan_where(step->leaf, "c", arg));
}

/* ---- one statement ---- */

static bool
blocks_one_statement(Oid relid, bool update)
{
	Relation	rel = table_open(relid, AccessShareLock);
	TriggerDesc *triggers = rel->trigdesc;
	bool		blocks = rel->rd_rules != NULL;

	if (triggers != NULL)
		blocks |= update ? triggers->trig_update_before_row
			: triggers->trig_delete_before_row;
	table_close(rel, NoLock);
	return blocks;
}

static bool
fits_one_statement(List *steps)
{
	ListCell   *lc;

	foreach(lc, steps)
	{
		Step	   *step = lfirst(lc);

		if (blocks_one_statement(step->leaf->relid, step->update != NULL) ||
			(!step->leaf->direct &&
			 blocks_one_statement(step->leaf->relation->relid, step->update != NULL)))
			return false;
	}
	return true;
}

static void
run_together(List *steps)
{
	StringInfoData with;
	StringInfoData counts;
	GdprArgs   *args = palloc(sizeof(GdprArgs));
	ListCell   *lc;

	initStringInfo(&with);
	initStringInfo(&counts);
	args->n = 0;
	foreach(lc, steps)
	{
		int			i = foreach_current_index(lc);

		appendStringInfo(&with, "%ss%d AS (%s RETURNING 1)", i == 0 ? "WITH " : ", ", i,
						 step_text(lfirst(lc), gdpr_plan_is_deleted, args));
		appendStringInfo(&counts, "%s(SELECT pg_catalog.count(*) FROM s%d)",
						 i == 0 ? " SELECT " : ", ", i);
	}
	appendStringInfoString(&with, counts.data);
	gdpr_statement_run(with.data, args, false, NULL);
	foreach(lc, steps)
	{
		Step	   *step = lfirst(lc);
		bool		isnull;

		if (DatumGetInt64(gdpr_statement_value(0, foreach_current_index(lc) + 1, &isnull)) !=
			step->planned)
			gdpr_execute_incomplete(step->leaf);
	}
	SPI_freetuptable(SPI_tuptable);
}

/* ---- one after the other ---- */

bool
gdpr_execute_refresh(GdprPlanRow *row)
{
	Relation	rel = table_open(row->leaf->relid, AccessShareLock);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());
	TupleTableSlot *slot = table_slot_create(rel, NULL);
	TableScanDesc scan = table_beginscan_tid(rel, snapshot);
	bool		there;

	table_tuple_get_latest_tid(scan, &row->now);
	there = table_tuple_fetch_row_version(rel, &row->now, snapshot, slot);
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	UnregisterSnapshot(snapshot);
	table_close(rel, NoLock);
	return there;
}

/* Rows that a trigger deleted already need no deleting; updates need their row. */
static int64
refresh_step(const Step *step)
{
	int64		gone = 0;

	for (int i = 0; step->update == NULL && i < step->leaf->nrows; i++)
	{
		if (gdpr_plan_is_deleted(step->leaf->rows[i]))
			gone += !gdpr_execute_refresh(step->leaf->rows[i]);
	}
	for (int i = 0; step->update != NULL && i < step->update->nrows; i++)
	{
		if (!gdpr_execute_refresh(step->update->rows[i]))
			gdpr_execute_incomplete(step->leaf);
	}
	return gone;
}

static void
run_in_order(List *steps)
{
	ListCell   *lc;

	foreach(lc, steps)
	{
		Step	   *step = lfirst(lc);
		GdprArgs   *args = palloc(sizeof(GdprArgs));
		int64		gone;
		uint64		affected;

		CommandCounterIncrement();
		gone = refresh_step(step);
		args->n = 0;
		affected = gdpr_statement_run(step_text(step, gdpr_plan_is_deleted, args), args,
									  false, gdpr_ident_relation(step->leaf->relid));
		if ((int64) affected + gone != step->planned)
			gdpr_execute_incomplete(step->leaf);
	}
}

/* ---- constraints ---- */

static List *
add_deferrables(List *names, Oid relid)
{
	Relation	catalog = table_open(ConstraintRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple	tuple;

	ScanKeyInit(&key, Anum_pg_constraint_conrelid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relid));
	scan = systable_beginscan(catalog, ConstraintRelidTypidNameIndexId, true, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_constraint form = (Form_pg_constraint) GETSTRUCT(tuple);
		Deferrable *deferrable;

		if (!form->condeferrable)
			continue;
		deferrable = palloc(sizeof(Deferrable));
		deferrable->name = psprintf("%s.%s",
									quote_identifier(get_namespace_name(form->connamespace)),
									quote_identifier(NameStr(form->conname)));
		deferrable->deferred = form->condeferred;
		names = lappend(names, deferrable);
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return names;
}

static void
set_constraints(List *deferrables, bool initially_deferred_only, const char *how)
{
	StringInfoData buf;
	GdprArgs   *args = palloc(sizeof(GdprArgs));
	ListCell   *lc;

	initStringInfo(&buf);
	foreach(lc, deferrables)
	{
		Deferrable *deferrable = lfirst(lc);

		if (!initially_deferred_only || deferrable->deferred)
			appendStringInfo(&buf, "%s%s", buf.len == 0 ? "SET CONSTRAINTS " : ", ",
							 deferrable->name);
	}
	if (buf.len == 0)
		return;
	appendStringInfo(&buf, " %s", how);
	args->n = 0;
	gdpr_statement_run(buf.data, args, false, NULL);
}

void
gdpr_execute_plan(GdprPlan *plan)
{
	List	   *steps = find_steps(plan, false);
	List	   *deferrables = NIL;
	GdprSqlScope scope;
	ListCell   *lc;

	if (steps == NIL)
		return;
	gdpr_sql_begin_caller(&scope);
	foreach(lc, plan->leaf_list)
		deferrables = add_deferrables(deferrables, ((GdprPlanLeaf *) lfirst(lc))->relid);
	if (fits_one_statement(steps))
		run_together(steps);
	else
	{
		set_constraints(deferrables, false, "DEFERRED");
		run_in_order(find_steps(plan, true));
	}
	set_constraints(deferrables, false, "IMMEDIATE");
	set_constraints(deferrables, true, "DEFERRED");
	gdpr_sql_end_caller(&scope);
}
