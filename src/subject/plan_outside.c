/*
 * plan_outside.c
 *	  References from other rows to the rows of a plan.
 *
 * The map's own links were followed by the walk.  Here are the others: foreign
 * keys that are no link of the map, and everything that refers to a parent
 * that the subject owns only when nobody else needs it.
 */
#include "base/compat.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "base/ident.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "subject/plan.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

typedef struct ForeignKey
{
	Oid constraint;
	Oid child;
	Oid parent;
	char on_delete;
	int n;
	AttrNumber conkey[INDEX_MAX_KEYS];
	AttrNumber confkey[INDEX_MAX_KEYS];
	Oid operators[INDEX_MAX_KEYS];
	int nsets;
	AttrNumber sets[INDEX_MAX_KEYS]; /* ON DELETE SET NULL (columns) */
} ForeignKey;

static bool
load_key(Oid constraint, ForeignKey *fk)
{
	HeapTuple tuple = SearchSysCache1(CONSTROID, ObjectIdGetDatum(constraint));
	Form_pg_constraint form;

	if (!HeapTupleIsValid(tuple))
		return false;
	form = (Form_pg_constraint) GETSTRUCT(tuple);
	fk->constraint = constraint;
	fk->child = form->conrelid;
	fk->parent = form->confrelid;
	fk->on_delete = form->confdeltype;
	DeconstructFkConstraintRow(tuple, &fk->n, fk->conkey, fk->confkey,
							   fk->operators, NULL, NULL, &fk->nsets, fk->sets);
	ReleaseSysCache(tuple);
	return true;
}

static bool
sets_can_be_null(const ForeignKey *fk)
{
	int n = fk->nsets > 0 ? fk->nsets : fk->n;
	const AttrNumber *sets = fk->nsets > 0 ? fk->sets : fk->conkey;

	for (int i = 0; i < n; i++)
	{
		HeapTuple tuple = SearchSysCache2(ATTNUM, ObjectIdGetDatum(fk->child),
										  Int16GetDatum(sets[i]));
		bool not_null = ((Form_pg_attribute) GETSTRUCT(tuple))->attnotnull;

		ReleaseSysCache(tuple);
		if (not_null)
			return false;
	}
	return true;
}

static GdprPlanReference *
key_reference(const ForeignKey *fk)
{
	GdprPlanReference *reference = palloc0(sizeof(GdprPlanReference));
	StringInfoData buf;

	initStringInfo(&buf);
	for (int i = 0; i < fk->n; i++)
		appendStringInfo(&buf, "%sp.%s %s c.%s", i == 0 ? "" : " AND ",
						 gdpr_ident_column(fk->parent, fk->confkey[i]),
						 gdpr_ident_operator(fk->operators[i]),
						 gdpr_ident_column(fk->child, fk->conkey[i]));
	reference->constraint = fk->constraint;
	reference->child = fk->child;
	reference->child_only = get_rel_relkind(fk->child) == RELKIND_RELATION;
	reference->on_delete = fk->on_delete;
	reference->can_be_null = fk->on_delete == FKCONSTR_ACTION_SETNULL &&
							 sets_can_be_null(fk);
	reference->join = buf.data;
	return reference;
}

static bool
same_column(Oid a, AttrNumber an, Oid b, AttrNumber bn)
{
	return strcmp(get_attname(a, an, false), get_attname(b, bn, false)) == 0;
}

static bool
link_states(const GdprLink *link, const ForeignKey *fk)
{
	int matched = 0;

	if (link->constraint == fk->constraint)
		return true;
	if (link->ncolumns != fk->n ||
		(link->child_relid != fk->child &&
		 !list_member_oid(link->child->leaves, fk->child)))
		return false;
	for (int i = 0; i < fk->n; i++)
	{
		for (int j = 0; j < fk->n; j++)
		{
			if (same_column(fk->child, fk->conkey[i], link->child_relid,
							link->child_columns[j]) &&
				same_column(fk->parent, fk->confkey[i], link->parent_relid,
							link->parent_columns[j]))
				matched++;
		}
	}
	return matched == fk->n;
}

/* The walk followed it from every row that it expanded. */
static bool
is_followed(GdprPlan *plan, GdprPlanLeaf *leaf, const ForeignKey *fk)
{
	ListCell *lc;

	foreach (lc, leaf->relation->down)
	{
		GdprLink *link = lfirst(lc);

		if (link->predicate != NULL || !link_states(link, fk) ||
			!gdpr_plan_covers(link->parent_relid, link->parent_only, leaf))
			continue;
		plan->backed = list_append_unique_ptr(plan->backed, link);
		return true;
	}
	return false;
}

/* The leaf's own triggers know the foreign keys that refer to it. */
static List *
keys_to(Oid relid)
{
	Relation rel = table_open(relid, AccessShareLock);
	TriggerDesc *triggers = rel->trigdesc;
	List *oids = NIL;

	for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
	{
		Trigger *trigger = &triggers->triggers[i];

		if (RI_FKey_trigger_type(trigger->tgfoid) == RI_TRIGGER_PK)
			oids = list_append_unique_oid(oids, trigger->tgconstraint);
	}
	table_close(rel, NoLock);
	return oids;
}

static GdprPlanReference *
link_reference(GdprLink *link)
{
	GdprPlanReference *reference = palloc0(sizeof(GdprPlanReference));

	reference->link = link;
	reference->child = link->child_relid;
	reference->join = gdpr_plan_join(link, "p", "c");
	return reference;
}

static void
outside_row(GdprPlan *plan, GdprPlanRow *parent, GdprPlanReference *reference)
{
	GdprPlanOutside *outside = plan->outside == NIL ? NULL
													: llast(plan->outside);

	parent->shared = parent->owns;
	/* The rows come parent by parent; two entries of one would do no harm. */
	if (outside != NULL && outside->parent == parent &&
		outside->reference == reference)
	{
		outside->rows++;
		return;
	}
	outside = palloc(sizeof(GdprPlanOutside));
	outside->parent = parent;
	outside->reference = reference;
	outside->rows = 1;
	plan->outside = lappend(plan->outside, outside);
}

/* One row outside is enough to know, except where the server sets null. */
static char *
reference_query(GdprPlan *plan, GdprPlanLeaf *leaf,
				GdprPlanReference *reference)
{
	return psprintf(
		"SELECT c.tableoid, c.ctid, p.ctid FROM %s CROSS JOIN LATERAL"
		" (SELECT c.tableoid, c.ctid FROM %s%s AS c WHERE %s%s) AS c WHERE %s",
		gdpr_plan_from(leaf, "p"), reference->child_only ? "ONLY " : "",
		gdpr_ident_relation(reference->child), reference->join,
		reference->can_be_null ? "" : " LIMIT $2",
		gdpr_plan_where(leaf, "p", 1));
}

static void
take_reference(GdprPlan *plan, GdprPlanLeaf *leaf, GdprPlanReference *reference,
			   uint64 i)
{
	bool isnull;
	Oid relid = DatumGetObjectId(gdpr_statement_value(i, 1, &isnull));
	ItemPointer tid = (ItemPointer) DatumGetPointer(
		gdpr_statement_value(i, 2, &isnull));
	ItemPointer to = (ItemPointer) DatumGetPointer(
		gdpr_statement_value(i, 3, &isnull));
	GdprPlanRow *parent = gdpr_plan_row(plan, leaf->relid, to);
	GdprPlanRow *child = gdpr_plan_row(plan, relid, tid);
	GdprPlanEdge *edge;

	if (child == NULL)
	{
		outside_row(plan, parent, reference);
		return;
	}
	edge = gdpr_plan_edge(plan, child, parent);
	edge->link = reference->link;
	edge->constraint = reference->constraint;
}

static bool
has_rows(const GdprPlanLeaf *leaf, bool (*which)(const GdprPlanRow *row))
{
	for (int i = 0; i < leaf->nrows; i++)
	{
		if (which(leaf->rows[i]))
			return true;
	}
	return false;
}

static void
find_referring(GdprPlan *plan, GdprPlanLeaf *leaf, GdprPlanReference *reference,
			   bool (*which)(const GdprPlanRow *row))
{
	GdprArgs *args;
	uint64 n;

	if (!has_rows(leaf, which) ||
		!gdpr_plan_readable(plan, reference->child, "delete"))
		return;
	args = gdpr_statement_args();
	gdpr_statement_arg(args, TIDARRAYOID,
					   gdpr_plan_tids(leaf->rows, leaf->nrows, which));
	if (!reference->can_be_null)
		gdpr_statement_arg(args, INT8OID,
						   Int64GetDatum(hash_get_num_entries(plan->rows) + 1));
	n = gdpr_statement_run(reference_query(plan, leaf, reference), args,
						   plan->mode == GDPR_PLAN_EXPORT,
						   gdpr_ident_relation(reference->child));
	for (uint64 i = 0; i < n; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(plan->context);

		take_reference(plan, leaf, reference, i);
		MemoryContextSwitchTo(old);
	}
	SPI_freetuptable(SPI_tuptable);
}

static bool
is_parent(const GdprPlanRow *row)
{
	return row->owns;
}

/* Rows that may be deleted and whose references the walk did not follow. */
static bool
is_unexpanded(const GdprPlanRow *row)
{
	return !row->owns && row->action == GDPR_ACTION_DELETE && !row->queued;
}

static bool
may_go(const GdprPlanRow *row)
{
	return row->owns || row->action == GDPR_ACTION_DELETE;
}

/* A link that leads down from a parent does not make it another's. */
static void
examine_keys(GdprPlan *plan, GdprPlanLeaf *leaf, bool parents_only)
{
	ListCell *lc;

	foreach (lc, keys_to(leaf->relid))
	{
		MemoryContext old = MemoryContextSwitchTo(plan->context);
		ForeignKey fk;
		bool known = load_key(lfirst_oid(lc), &fk);
		GdprPlanReference *reference = known ? key_reference(&fk) : NULL;
		bool followed = known && is_followed(plan, leaf, &fk);

		MemoryContextSwitchTo(old);
		if (known && !(followed && parents_only))
			find_referring(plan, leaf, reference,
						   followed		  ? is_unexpanded
						   : parents_only ? is_parent
										  : may_go);
	}
}

/* A parent is shared also by a reference that no foreign key states. */
static void
examine_links(GdprPlan *plan, GdprPlanLeaf *leaf)
{
	ListCell *lc;

	foreach (lc, plan->map->links)
	{
		GdprLink *link = lfirst(lc);
		MemoryContext old;
		GdprPlanReference *reference;

		if (link->parent != leaf->relation ||
			link->belongs != GDPR_BELONGS_OWNS ||
			OidIsValid(link->constraint) ||
			!gdpr_plan_covers(link->parent_relid, link->parent_only, leaf))
			continue;
		old = MemoryContextSwitchTo(plan->context);
		reference = link_reference(link);
		MemoryContextSwitchTo(old);
		find_referring(plan, leaf, reference, is_parent);
	}
}

static void
examine(GdprPlan *plan, bool parents_only)
{
	ListCell *lc;

	plan->outside = NIL;
	foreach (lc, plan->leaf_list)
	{
		GdprPlanLeaf *leaf = lfirst(lc);

		for (int i = 0; i < leaf->nrows; i++)
			leaf->rows[i]->shared = false;
		if (has_rows(leaf, parents_only ? is_parent : may_go))
			examine_keys(plan, leaf, parents_only);
		if (has_rows(leaf, is_parent))
			examine_links(plan, leaf);
	}
}

void
gdpr_plan_find_shared(GdprPlan *plan)
{
	examine(plan, true);
}

void
gdpr_plan_find_references(GdprPlan *plan)
{
	examine(plan, false);
}
