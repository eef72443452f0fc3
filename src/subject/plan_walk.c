/*
 * plan_walk.c
 *	  Finds the rows of one person.
 *
 * The walk starts from the root row and follows, relation by relation, the
 * links down from rows that are the subject's and the links up to the parents
 * that they own, until nothing new appears; cycles and self-references end by
 * themselves.  Each step is one statement for all new rows of one relation.
 *
 * For forget every row is locked FOR UPDATE before its children are looked
 * for, and each statement has a new snapshot.  An open insert of a child holds
 * its parent with KEY SHARE: the lock waits for it, and the look sees it.
 */
#include "base/compat.h"

#include "base/ident.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "subject/plan.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"

/* How the actions that links ask for beat one another, weakest first. */
typedef enum Rank
{
	RANK_NONE,
	RANK_MENTION, /* "unlink" of a row that only refers */
	RANK_DELETE,
	RANK_UNLINK,
	RANK_ROOT, /* no unlinking saves the subject's own row */
	RANK_ANONYMISE,
	RANK_KEEP,
	RANK_REVIEW,
} Rank;

static Rank
rank_of(const GdprLink *link)
{
	switch (link->on_forget)
	{
		case GDPR_ACTION_DELETE:
			return RANK_DELETE;
		case GDPR_ACTION_UNLINK:
			if (link->belongs == GDPR_BELONGS_OWNED)
				return RANK_UNLINK;
			return link->belongs == GDPR_BELONGS_REFERS ? RANK_MENTION
														: RANK_NONE;
		case GDPR_ACTION_ANONYMISE:
			return RANK_ANONYMISE;
		case GDPR_ACTION_KEEP:
			return RANK_KEEP;
		case GDPR_ACTION_REVIEW:
			return RANK_REVIEW;
		case GDPR_ACTION_NONE:
			break;
	}
	return RANK_NONE;
}

static void
append_row(GdprPlanRow ***rows, int *n, int *capacity, GdprPlanRow *row)
{
	if (*n == *capacity)
	{
		*capacity = Max(8, *capacity * 2);
		*rows = *rows == NULL
					? palloc(sizeof(GdprPlanRow *) * *capacity)
					: repalloc_huge(*rows, sizeof(GdprPlanRow *) * *capacity);
	}
	(*rows)[(*n)++] = row;
}

GdprPlanLeaf *
gdpr_plan_leaf(GdprPlan *plan, GdprRelation *relation, Oid relid)
{
	GdprPlanLeaf *leaf;
	ListCell *lc;

	foreach (lc, plan->leaf_list)
	{
		leaf = lfirst(lc);
		if (leaf->relid == relid)
			return leaf;
	}
	leaf = palloc0(sizeof(GdprPlanLeaf));
	leaf->relid = relid;
	leaf->relation = relation;
	leaf->direct = relid == relation->relid ||
				   pg_class_aclcheck(relid, GetUserId(), ACL_SELECT) ==
					   ACLCHECK_OK ||
				   pg_class_aclcheck(relation->relid, GetUserId(),
									 ACL_SELECT) != ACLCHECK_OK;
	plan->leaf_list = lappend(plan->leaf_list, leaf);
	return leaf;
}

static void
row_id(GdprRowId *id, Oid leaf, ItemPointer tid)
{
	memset(id, 0, sizeof(*id));
	id->leaf = leaf;
	ItemPointerCopy(tid, &id->tid);
}

GdprPlanRow *
gdpr_plan_row(GdprPlan *plan, Oid leaf, ItemPointer tid)
{
	GdprRowId id;

	row_id(&id, leaf, tid);
	return hash_search(plan->rows, &id, HASH_FIND, NULL);
}

GdprPlanRow *
gdpr_plan_add_row(GdprPlan *plan, GdprRelation *relation, Oid relid,
				  ItemPointer tid)
{
	GdprRowId id;
	GdprPlanRow *row;
	GdprPlanLeaf *leaf;
	bool found;

	row_id(&id, relid, tid);
	row = hash_search(plan->rows, &id, HASH_ENTER, &found);
	if (found)
		return row;
	memset((char *) row + sizeof(GdprRowId), 0,
		   sizeof(GdprPlanRow) - sizeof(GdprRowId));
	leaf = gdpr_plan_leaf(plan, relation, relid);
	row->leaf = leaf;
	row->now = *tid;
	append_row(&leaf->rows, &leaf->nrows, &leaf->capacity, row);
	return row;
}

static void
enqueue(GdprPlanRow *row)
{
	GdprPlanLeaf *leaf = row->leaf;

	if (!row->queued)
		append_row(&leaf->queue, &leaf->nqueue, &leaf->queue_capacity, row);
	row->queued = true;
}

GdprPlanEdge *
gdpr_plan_edge(GdprPlan *plan, GdprPlanRow *child, GdprPlanRow *parent)
{
	GdprPlanEdge *edge;

	if (plan->nedges == plan->edge_capacity)
	{
		plan->edge_capacity = Max(64, plan->edge_capacity * 2);
		plan->edges = plan->edges == NULL
						  ? MemoryContextAlloc(plan->context,
											   sizeof(GdprPlanEdge) *
												   plan->edge_capacity)
						  : repalloc_huge(plan->edges, sizeof(GdprPlanEdge) *
														   plan->edge_capacity);
	}
	edge = &plan->edges[plan->nedges++];
	memset(edge, 0, sizeof(*edge));
	edge->child = child;
	edge->parent = parent;
	return edge;
}

bool
gdpr_plan_covers(Oid relid, bool only, const GdprPlanLeaf *leaf)
{
	if (only || relid == leaf->relid)
		return relid == leaf->relid;
	if (relid == leaf->relation->relid)
		return true;
	return list_member_oid(find_all_inheritors(relid, AccessShareLock, NULL),
						   leaf->relid);
}

/* The row takes the strongest action that a link asks for. */
static void
reach(GdprPlanRow *row, GdprLink *link)
{
	Rank rank = rank_of(link);

	if (link->export_rows)
		row->exported = true;
	if (rank > (Rank) row->rank)
	{
		row->rank = rank;
		row->action = link->on_forget;
		row->link = link;
	}
}

static void
reach_child(GdprPlan *plan, GdprPlanRow *child, GdprLink *link)
{
	reach(child, link);
	if (link->on_forget == GDPR_ACTION_UNLINK)
		child->unlinks = list_append_unique_ptr(child->unlinks, link);
	if (link->belongs == GDPR_BELONGS_OWNED)
	{
		child->owned = true;
		child->owns = false;
		enqueue(child);
	}
}

static void
reach_parent(GdprPlan *plan, GdprPlanRow *child, GdprPlanRow *parent,
			 GdprLink *link)
{
	if (!parent->owned)
		parent->owns = true;
	reach(parent, link);
	if (link->on_forget == GDPR_ACTION_UNLINK)
		child->unlinks = list_append_unique_ptr(child->unlinks, link);
}

/* SELECT ... FOR UPDATE needs UPDATE on some column; decide says when it lacks. */
static const char *
lock_clause(GdprPlan *plan, Oid relid, const char *alias)
{
	if (plan->mode != GDPR_PLAN_FORGET)
		return "";
	if (pg_class_aclcheck(relid, GetUserId(), ACL_UPDATE) != ACLCHECK_OK &&
		pg_attribute_aclcheck_all(relid, GetUserId(), ACL_UPDATE,
								  ACLMASK_ANY) != ACLCHECK_OK)
		return "";
	return psprintf(" FOR UPDATE OF %s", alias);
}

/* The date that a kept child's period counts from, as a column of the query. */
static char *
since_column(const GdprLink *link)
{
	if (link->on_forget != GDPR_ACTION_KEEP ||
		link->keep_since == InvalidAttrNumber)
		return "";
	return psprintf(", (c.%s)::pg_catalog.date",
					gdpr_ident_column(link->child_relid, link->keep_since));
}

/*
 * One end of the link is the leaf's queued rows; the query gives, for each row
 * found at the other end, its relation, its address and the address here.
 */
static char *
link_query(GdprPlan *plan, GdprLink *link, GdprPlanLeaf *leaf, bool down)
{
	const char *here = down ? "p" : "c";
	const char *there = down ? "c" : "p";
	Oid relid = down ? link->child_relid : link->parent_relid;
	Oid top = down ? link->child->relid : link->parent->relid;
	char *condition;
	char *source = gdpr_plan_source(relid, top, there, &condition);

	return psprintf(
		"SELECT %s.tableoid, %s.ctid, %s.ctid%s FROM %s JOIN %s%s ON %s"
		" WHERE %s%s%s%s",
		there, there, here, down ? since_column(link) : "",
		gdpr_plan_from(leaf, here), !down && link->parent_only ? "ONLY " : "",
		source, gdpr_plan_join(link, "p", "c"), gdpr_plan_where(leaf, here, 1),
		condition,
		link->predicate == NULL ? "" : psprintf(" AND (%s)", link->predicate),
		lock_clause(plan, relid, there));
}

static void
take_since(GdprPlanEdge *edge, uint64 i)
{
	Datum value;
	bool isnull;

	if (SPI_tuptable->tupdesc->natts < 4)
		return;
	value = gdpr_statement_value(i, 4, &isnull);
	edge->has_since = !isnull;
	if (!isnull)
		edge->since = DatumGetDateADT(value);
}

static void
take_result(GdprPlan *plan, GdprLink *link, GdprPlanLeaf *leaf, bool down,
			uint64 i)
{
	bool isnull;
	Oid relid = DatumGetObjectId(gdpr_statement_value(i, 1, &isnull));
	ItemPointer tid = (ItemPointer) DatumGetPointer(
		gdpr_statement_value(i, 2, &isnull));
	ItemPointer from = (ItemPointer) DatumGetPointer(
		gdpr_statement_value(i, 3, &isnull));
	GdprPlanRow *here = gdpr_plan_row(plan, leaf->relid, from);
	GdprPlanRow *there = gdpr_plan_add_row(plan,
										   down ? link->child : link->parent,
										   relid, tid);
	GdprPlanEdge *edge = gdpr_plan_edge(plan, down ? there : here,
										down ? here : there);

	edge->link = link;
	if (down)
		reach_child(plan, there, link);
	else
		reach_parent(plan, here, there, link);
	take_since(edge, i);
}

static void
follow(GdprPlan *plan, GdprLink *link, GdprPlanLeaf *leaf, Datum tids,
	   bool down)
{
	Oid relid = down ? link->child_relid : link->parent_relid;
	GdprRelation *relation = down ? link->child : link->parent;
	GdprArgs *args;
	uint64 n;

	if (!(down ? gdpr_plan_covers(link->parent_relid, link->parent_only, leaf)
			   : gdpr_plan_covers(link->child_relid, false, leaf)))
		return;
	if (pg_class_aclcheck(relid, GetUserId(), ACL_SELECT) != ACLCHECK_OK &&
		pg_class_aclcheck(relation->relid, GetUserId(), ACL_SELECT) ==
			ACLCHECK_OK)
		relid = relation->relid;
	if (!gdpr_plan_readable(plan, relid,
							gdpr_graph_action_name(link->on_forget)))
		return;
	args = gdpr_statement_args();
	gdpr_statement_arg(args, TIDARRAYOID, tids);
	n = gdpr_statement_run(link_query(plan, link, leaf, down), args,
						   plan->mode == GDPR_PLAN_EXPORT, relation->label);
	for (uint64 i = 0; i < n; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(plan->context);

		take_result(plan, link, leaf, down, i);
		MemoryContextSwitchTo(old);
	}
	SPI_freetuptable(SPI_tuptable);
}

static bool
is_owned(const GdprPlanRow *row)
{
	return row->owned;
}

/* Up it goes one step only: not from a parent that was itself reached so. */
static void
expand(GdprPlan *plan, GdprPlanLeaf *leaf)
{
	Datum all = gdpr_plan_tids(leaf->queue, leaf->nqueue, NULL);
	Datum owned = gdpr_plan_tids(leaf->queue, leaf->nqueue, is_owned);
	ListCell *lc;

	leaf->nqueue = 0;
	foreach (lc, leaf->relation->down)
		follow(plan, lfirst(lc), leaf, all, true);
	foreach (lc, leaf->relation->up)
		follow(plan, lfirst(lc), leaf, owned, false);
}

static bool
expand_all(GdprPlan *plan)
{
	bool any = false;

	/* The list grows while we go along it. */
	for (int i = 0; i < list_length(plan->leaf_list); i++)
	{
		GdprPlanLeaf *leaf = list_nth(plan->leaf_list, i);

		if (leaf->nqueue > 0)
		{
			expand(plan, leaf);
			any = true;
		}
	}
	return any;
}

/*
 * What hangs below an owned parent is the subject's when the parent is his
 * alone, which only rows that are known by now can tell.
 */
static bool
queue_parents(GdprPlan *plan)
{
	bool any = false;
	ListCell *lc;

	foreach (lc, plan->leaf_list)
	{
		GdprPlanLeaf *leaf = lfirst(lc);

		for (int i = 0; leaf->relation->down != NIL && i < leaf->nrows; i++)
		{
			GdprPlanRow *row = leaf->rows[i];

			if (row->owns && !row->queued && !row->shared)
			{
				enqueue(row);
				any = true;
			}
		}
	}
	return any;
}

static bool
has_parents_to_queue(GdprPlan *plan)
{
	ListCell *lc;

	foreach (lc, plan->leaf_list)
	{
		GdprPlanLeaf *leaf = lfirst(lc);

		for (int i = 0; leaf->relation->down != NIL && i < leaf->nrows; i++)
		{
			if (leaf->rows[i]->owns && !leaf->rows[i]->queued)
				return true;
		}
	}
	return false;
}

GdprPlan *
gdpr_plan_new(GdprSubject *subject, GdprPlanMode mode)
{
	GdprPlan *plan = palloc0(sizeof(GdprPlan));
	HASHCTL ctl = {0};

	plan->context = CurrentMemoryContext;
	plan->map = subject->map;
	plan->subject = subject;
	plan->mode = mode;
	ctl.keysize = sizeof(GdprRowId);
	ctl.entrysize = sizeof(GdprPlanRow);
	ctl.hcxt = CurrentMemoryContext;
	plan->rows = hash_create("gdpr plan", 128, &ctl,
							 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	return plan;
}

static void
add_root(GdprPlan *plan, GdprRelation *relation, Oid leaf, ItemPointer tid)
{
	GdprPlanRow *root = gdpr_plan_add_row(plan, relation, leaf, tid);

	root->owned = root->exported = true;
	root->action = GDPR_ACTION_DELETE;
	root->rank = RANK_ROOT;
	plan->nroots++;
	enqueue(root);
}

static void
walk(GdprPlan *plan)
{
	GdprSqlScope scope;

	gdpr_sql_begin_pinned(&scope);
	do
	{
		while (expand_all(plan))
			;
		if (has_parents_to_queue(plan))
			gdpr_plan_find_shared(plan);
	} while (queue_parents(plan));
	gdpr_sql_end_caller(&scope);
}

GdprPlan *
gdpr_plan_walk(GdprSubject *subject, GdprPlanMode mode)
{
	GdprPlan *plan = gdpr_plan_new(subject, mode);

	add_root(plan, subject->map->root, subject->leaf, &subject->tid);
	walk(plan);
	return plan;
}

GdprPlan *
gdpr_plan_walk_rows(GdprMap *map, GdprRelation *relation, Oid leaf,
					const ItemPointerData *tids, int ntids, GdprPlanMode mode)
{
	GdprSubject *nobody = palloc0(sizeof(GdprSubject));
	GdprPlan *plan;

	nobody->map = map;
	plan = gdpr_plan_new(nobody, mode);
	for (int i = 0; i < ntids; i++)
	{
		ItemPointerData tid = tids[i];

		add_root(plan, relation, leaf, &tid);
	}
	walk(plan);
	return plan;
}
