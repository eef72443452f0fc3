/*
 * plan_decide.c
 *	  What forget does with each row of a plan, and what stands in its way.
 *
 * The links gave each row its strongest action.  Then rows that stay keep the
 * rows alive that they refer to: a row that was to be deleted stays reduced to
 * the columns that nothing masks, and so on upwards.
 */
#include "base/compat.h"

#include "access/table.h"
#include "base/ident.h"
#include "base/rows.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "rewrite/prs2lock.h"
#include "subject/plan.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

bool
gdpr_plan_is_deleted(const GdprPlanRow *row)
{
	return row->action == GDPR_ACTION_DELETE && !row->shared && !row->reduced;
}

bool
gdpr_plan_is_masked(const GdprPlanRow *row)
{
	return !row->shared &&
		   (row->reduced || row->action == GDPR_ACTION_ANONYMISE);
}

const char *
gdpr_plan_action_name(const GdprPlanRow *row)
{
	if (row->shared)
		return "none";
	if (row->reduced)
		return "reduce";
	return gdpr_graph_action_name(row->action);
}

/* Will the reference be gone before its parent is? */
static bool
is_unlinked(const GdprPlanEdge *edge)
{
	const GdprPlanRow *child = edge->child;

	return child->action != GDPR_ACTION_KEEP && !child->shared &&
		   (child->reduced || child->action == GDPR_ACTION_ANONYMISE ||
			child->action == GDPR_ACTION_UNLINK) &&
		   list_member_ptr(child->unlinks, edge->link);
}

static bool
is_foreign_key(GdprPlan *plan, const GdprPlanEdge *edge)
{
	return OidIsValid(edge->constraint) ||
		   (edge->link != NULL && (OidIsValid(edge->link->constraint) ||
								   list_member_ptr(plan->backed, edge->link)));
}

/* A voucher that is kept needs the name above it, key or no key. */
static bool
is_kept_below(const GdprPlanEdge *edge)
{
	return edge->child->action == GDPR_ACTION_KEEP && edge->link != NULL &&
		   edge->link->belongs == GDPR_BELONGS_OWNED &&
		   edge->link->on_forget == GDPR_ACTION_KEEP;
}

static bool
needs_parent(GdprPlan *plan, const GdprPlanEdge *edge)
{
	return gdpr_plan_is_deleted(edge->parent) &&
		   !gdpr_plan_is_deleted(edge->child) &&
		   (is_foreign_key(plan, edge) || is_kept_below(edge)) &&
		   !is_unlinked(edge);
}

static void
reduce_parents(GdprPlan *plan)
{
	bool changed;

	do
	{
		changed = false;
		/* Backwards: the walk found parents first, so a chain is one pass. */
		for (int i = plan->nedges - 1; i >= 0; i--)
		{
			GdprPlanEdge *edge = &plan->edges[i];

			CHECK_FOR_INTERRUPTS();
			if (!needs_parent(plan, edge))
				continue;
			edge->parent->reduced = changed = true;
			edge->parent->reason = psprintf("rows of %s that stay refer to it",
											edge->child->leaf->relation->label);
		}
	} while (changed);
}

static void
block_outside(GdprPlan *plan)
{
	ListCell *lc;

	foreach (lc, plan->outside)
	{
		GdprPlanOutside *outside = lfirst(lc);
		GdprPlanReference *reference = outside->reference;
		const char *name = OidIsValid(reference->constraint)
							   ? get_constraint_name(reference->constraint)
							   : NULL;

		if (!gdpr_plan_is_deleted(outside->parent) || name == NULL)
			continue;
		if (reference->can_be_null)
			gdpr_plan_block(plan, reference->child, "unlink", outside->rows,
							psprintf("foreign key %s sets it null",
									 quote_identifier(name)),
							NULL);
		else
			gdpr_plan_block(plan, outside->parent->leaf->relid, "delete", 1,
							"a row that is not the subject's refers to it",
							psprintf("foreign key %s of %s",
									 quote_identifier(name),
									 gdpr_ident_relation(reference->child)));
	}
}

static void
block_reviews(GdprPlan *plan)
{
	ListCell *lc;

	foreach (lc, plan->map->links)
	{
		GdprLink *link = lfirst(lc);

		if (link->belongs != GDPR_BELONGS_NONE &&
			link->on_forget == GDPR_ACTION_REVIEW)
			gdpr_plan_block(plan, link->child_relid, "review", -1,
							link->reason == NULL ? "nobody decided it"
												 : link->reason,
							psprintf("the link to %s is undecided",
									 gdpr_ident_relation(link->parent_relid)));
	}
}

/* Where a rule stands in, what a statement does to a row is not ours to say. */
static void
block_relation(GdprPlan *plan, GdprPlanLeaf *leaf, CmdType event,
			   const char *action)
{
	Relation rel = table_open(leaf->direct ? leaf->relid
										   : leaf->relation->relid,
							  AccessShareLock);
	RuleLock *rules = rel->rd_rules;

	for (int i = 0; rules != NULL && i < rules->numLocks; i++)
	{
		if (rules->rules[i]->event == event && rules->rules[i]->isInstead)
			gdpr_plan_block(plan, leaf->relid, action, -1,
							"a rule does something else instead",
							"INSTEAD rule");
	}
	table_close(rel, NoLock);
}

static bool
may_update(Oid relid, const GdprPlanUpdate *update)
{
	ListCell *lc;

	if (pg_class_aclcheck(relid, GetUserId(), ACL_UPDATE) == ACLCHECK_OK)
		return true;
	if (update == NULL)
		return pg_attribute_aclcheck_all(relid, GetUserId(), ACL_UPDATE,
										 ACLMASK_ANY) == ACLCHECK_OK;
	foreach (lc, update->sets)
	{
		GdprPlanSet *set = lfirst(lc);
		char *name = get_attname(update->leaf->relid, set->attnum, false);

		if (pg_attribute_aclcheck(relid, get_attnum(relid, name), GetUserId(),
								  ACL_UPDATE) != ACLCHECK_OK)
			return false;
	}
	return true;
}

static int64
count_deleted(const GdprPlanLeaf *leaf)
{
	int64 n = 0;

	for (int i = 0; i < leaf->nrows; i++)
		n += gdpr_plan_is_deleted(leaf->rows[i]);
	return n;
}

/* One lack a relation and action, however many rows. */
static void
block_privileges(GdprPlan *plan, GdprPlanLeaf *leaf)
{
	Oid relid = leaf->direct ? leaf->relid : leaf->relation->relid;
	int64 deleted = count_deleted(leaf);
	ListCell *lc;

	if (get_rel_relkind(leaf->relid) == RELKIND_FOREIGN_TABLE)
		gdpr_plan_block(plan, leaf->relid, "none", leaf->nrows,
						"its rows lie on another server", "foreign table");
	if (gdpr_rows_hidden(relid, ACL_SELECT | ACL_UPDATE))
		gdpr_plan_block(plan, leaf->relid, "none", leaf->nrows,
						"its rows are found",
						"row security would hide rows from this role");
	else if (deleted > 0 && gdpr_rows_hidden(relid, ACL_DELETE))
		gdpr_plan_block(plan, leaf->relid, "delete", deleted,
						"rows are deleted",
						"row security would keep rows from this role");
	if (!may_update(relid, NULL))
		gdpr_plan_block(plan, leaf->relid, "none", leaf->nrows,
						"rows are locked before anything is decided",
						"missing privilege: UPDATE");
	if (deleted > 0)
		block_relation(plan, leaf, CMD_DELETE, "delete");
	if (deleted > 0 &&
		pg_class_aclcheck(relid, GetUserId(), ACL_DELETE) != ACLCHECK_OK)
		gdpr_plan_block(plan, leaf->relid, "delete", deleted,
						"rows are deleted", "missing privilege: DELETE");
	foreach (lc, plan->updates)
	{
		GdprPlanUpdate *update = lfirst(lc);
		const char *action = update->masked ? "anonymise" : "unlink";

		if (update->leaf != leaf)
			continue;
		block_relation(plan, leaf, CMD_UPDATE, action);
		if (!may_update(relid, update))
			gdpr_plan_block(plan, leaf->relid, action, update->nrows,
							"rows are changed", "missing privilege: UPDATE");
	}
}

void
gdpr_plan_decide(GdprPlan *plan)
{
	GdprSqlScope scope;
	MemoryContext old;
	ListCell *lc;

	gdpr_sql_begin_caller(&scope);
	gdpr_plan_find_references(plan);
	old = MemoryContextSwitchTo(plan->context);
	gdpr_plan_end_keeping(plan);
	reduce_parents(plan);
	block_outside(plan);
	block_reviews(plan);
	MemoryContextSwitchTo(old);
	gdpr_plan_find_until(plan);
	gdpr_plan_find_updates(plan);
	foreach (lc, plan->leaf_list)
		block_privileges(plan, lfirst(lc));
	gdpr_plan_block_holds(plan);
	gdpr_sql_end_caller(&scope);
}

bool
gdpr_plan_is_blocked(const GdprPlan *plan)
{
	ListCell *lc;

	foreach (lc, plan->notes)
	{
		if (((GdprPlanNote *) lfirst(lc))->blocker != NULL)
			return true;
	}
	return false;
}
