/*
 * reference.c
 *	  Every reference of the database: foreign keys and declared links.
 *
 * Of the clones that partitioning makes of a foreign key only the original
 * counts (conparentid = 0).  A declared link with the columns of a foreign
 * key is the decision about it; any link on a parent stands for the links
 * with the same columns below it.
 */
#include "base/compat.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "base/ident.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "subject/reference.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

static GdprReference *
make_reference(GdprInheritance *inheritance, Oid child, Oid parent,
			   int ncolumns)
{
	GdprReference *reference = palloc0(sizeof(*reference));

	reference->child = child;
	reference->parent = parent;
	reference->child_top = gdpr_reference_top(inheritance, child);
	reference->parent_top = gdpr_reference_top(inheritance, parent);
	reference->ncolumns = ncolumns;
	reference->child_columns = palloc0(sizeof(AttrNumber) * ncolumns);
	reference->parent_columns = palloc0(sizeof(AttrNumber) * ncolumns);
	reference->operators = palloc0(sizeof(Oid) * ncolumns);
	return reference;
}

static void
note_nulls(GdprReference *reference)
{
	reference->not_null = true;
	for (int i = 0; i < reference->ncolumns; i++)
	{
		if (!gdpr_registry_not_null(reference->child,
									reference->child_columns[i]))
			reference->not_null = false;
	}
}

static GdprReference *
from_constraint(GdprInheritance *inheritance, HeapTuple tuple)
{
	Form_pg_constraint form = (Form_pg_constraint) GETSTRUCT(tuple);
	AttrNumber conkey[INDEX_MAX_KEYS];
	AttrNumber confkey[INDEX_MAX_KEYS];
	AttrNumber set_null[INDEX_MAX_KEYS];
	Oid operators[INDEX_MAX_KEYS];
	int n;
	int nset_null;
	GdprReference *reference;

	DeconstructFkConstraintRow(tuple, &n, conkey, confkey, operators, NULL,
							   NULL, &nset_null, set_null);
	if (gdpr_compat_fk_has_period(form) && n > 1)
		n--;
	reference = make_reference(inheritance, form->conrelid, form->confrelid, n);
	memcpy(reference->child_columns, conkey, sizeof(AttrNumber) * n);
	memcpy(reference->parent_columns, confkey, sizeof(AttrNumber) * n);
	memcpy(reference->operators, operators, sizeof(Oid) * n);
	reference->constraint = form->oid;
	reference->on_delete = form->confdeltype;
	reference->nset_null = nset_null;
	reference->set_null = palloc(sizeof(AttrNumber) * Max(nset_null, 1));
	memcpy(reference->set_null, set_null, sizeof(AttrNumber) * nset_null);
	reference->parent_only = get_rel_relkind(form->confrelid) ==
								 RELKIND_RELATION &&
							 gdpr_reference_has_children(inheritance,
														 form->confrelid);
	note_nulls(reference);
	return reference;
}

static List *
load_foreign_keys(GdprInheritance *inheritance)
{
	Relation relation = table_open(ConstraintRelationId, AccessShareLock);
	SysScanDesc scan = systable_beginscan(relation, InvalidOid, false, NULL, 0,
										  NULL);
	List *result = NIL;
	HeapTuple tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_constraint form = (Form_pg_constraint) GETSTRUCT(tuple);

		if (form->contype == CONSTRAINT_FOREIGN &&
			!OidIsValid(form->conparentid))
			result = lappend(result, from_constraint(inheritance, tuple));
	}
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	return result;
}

/* Better no map than one without a link that somebody declared. */
static void
refuse_link(const GdprDeclaredLink *link)
{
	ereport(ERROR,
			(errcode(ERRCODE_DATATYPE_MISMATCH),
			 errmsg("a declared link from %s to %s no longer fits its columns",
					gdpr_ident_relation(link->child), gdpr_ident_relation(link->parent)),
			 errhint("Take it back with gdpr.undeclare_link() and declare it again.")));
}

static GdprReference *
from_declared(GdprInheritance *inheritance, GdprDeclaredLink *link)
{
	int n = list_length(link->child_columns);
	GdprReference *reference = make_reference(inheritance, link->child,
											  link->parent, n);

	if (list_length(link->parent_columns) != n)
		refuse_link(link);
	for (int i = 0; i < n; i++)
	{
		AttrNumber child = get_attnum(link->child,
									  list_nth(link->child_columns, i));
		AttrNumber parent = get_attnum(link->parent,
									   list_nth(link->parent_columns, i));

		if (child <= 0 || parent <= 0)
			refuse_link(link);
		reference->child_columns[i] = child;
		reference->parent_columns[i] = parent;
		reference->operators[i] = gdpr_registry_equality(
			get_atttype(link->parent, parent), get_atttype(link->child, child));
		if (!OidIsValid(reference->operators[i]))
			refuse_link(link);
	}
	reference->declared = link;
	note_nulls(reference);
	return reference;
}

static bool
has_pair(const GdprReference *reference, AttrNumber child, AttrNumber parent)
{
	for (int i = 0; i < reference->ncolumns; i++)
	{
		if (reference->child_columns[i] == child &&
			reference->parent_columns[i] == parent)
			return true;
	}
	return false;
}

/* The same columns of the same relations, in any order? */
static bool
same_reference(const GdprReference *a, const GdprReference *b)
{
	if (a->child != b->child || a->parent != b->parent ||
		a->ncolumns != b->ncolumns)
		return false;
	for (int i = 0; i < a->ncolumns; i++)
	{
		if (!has_pair(b, a->child_columns[i], a->parent_columns[i]))
			return false;
	}
	return true;
}

/* Does the link above stand for the one below? */
static bool
subsumes(GdprInheritance *inheritance, const GdprReference *above,
		 const GdprReference *below)
{
	if (above->child_top != below->child_top ||
		above->parent != below->parent || above->ncolumns != below->ncolumns ||
		above->child == below->child ||
		!gdpr_reference_is_below(inheritance, below->child, above->child))
		return false;
	for (int i = 0; i < below->ncolumns; i++)
	{
		char *name = get_attname(below->child, below->child_columns[i], false);

		if (!has_pair(above, get_attnum(above->child, name),
					  below->parent_columns[i]))
			return false;
	}
	return true;
}

static List *
merge_declared(GdprInheritance *inheritance, List *references)
{
	List *declared = gdpr_registry_links();
	int nforeign = list_length(references);
	ListCell *lc;

	foreach (lc, declared)
	{
		GdprReference *link = from_declared(inheritance, lfirst(lc));
		bool decides = false;

		for (int i = 0; i < nforeign; i++)
		{
			GdprReference *reference = list_nth(references, i);

			if (same_reference(reference, link))
			{
				reference->declared = link->declared;
				decides = true;
			}
		}
		if (!decides)
			references = lappend(references, link);
	}
	return references;
}

/*
 * The link above answers for what the foreign key below does, as far as the
 * map warns of it.
 */
static bool
is_subsumed(GdprInheritance *inheritance, List *references,
			GdprReference *reference)
{
	ListCell *lc;

	if (reference->child == reference->child_top)
		return false;
	foreach (lc, references)
	{
		GdprReference *above = lfirst(lc);

		if (!subsumes(inheritance, above, reference))
			continue;
		if (reference->on_delete == FKCONSTR_ACTION_CASCADE)
			above->on_delete = FKCONSTR_ACTION_CASCADE;
		return true;
	}
	return false;
}

/* Two foreign keys over the same columns are one reference. */
static bool
is_repeated(List *references, GdprReference *reference)
{
	ListCell *lc;

	foreach (lc, references)
	{
		GdprReference *before = lfirst(lc);

		if (!same_reference(before, reference))
			continue;
		if (reference->on_delete == FKCONSTR_ACTION_CASCADE)
			before->on_delete = FKCONSTR_ACTION_CASCADE;
		return true;
	}
	return false;
}

static int
position_in_top(const GdprReference *reference, int i)
{
	AttrNumber own = reference->child_columns[i];
	AttrNumber top;

	if (reference->child == reference->child_top)
		return own;
	top = get_attnum(reference->child_top,
					 get_attname(reference->child, own, false));
	return top > 0 ? top : MaxHeapAttributeNumber + own;
}

static int
compare_references(const ListCell *a, const ListCell *b)
{
	const GdprReference *x = lfirst(a);
	const GdprReference *y = lfirst(b);

	if (x->child_top != y->child_top)
		return x->child_top < y->child_top ? -1 : 1;
	if (x->parent_top != y->parent_top)
		return x->parent_top < y->parent_top ? -1 : 1;
	for (int i = 0; i < x->ncolumns && i < y->ncolumns; i++)
	{
		int left = position_in_top(x, i);
		int right = position_in_top(y, i);

		if (left != right)
			return left - right;
	}
	return x->ncolumns - y->ncolumns;
}

/* References with the same columns rank alike on every partition. */
static void
rank_references(List *references)
{
	ListCell *previous = NULL;
	ListCell *lc;
	int rank = 0;

	foreach (lc, references)
	{
		if (previous != NULL && compare_references(previous, lc) != 0)
			rank++;
		((GdprReference *) lfirst(lc))->rank = rank;
		previous = lc;
	}
}

List *
gdpr_reference_load(GdprInheritance *inheritance)
{
	List *all = merge_declared(inheritance, load_foreign_keys(inheritance));
	List *result = NIL;
	ListCell *lc;

	foreach (lc, all)
	{
		if (!is_subsumed(inheritance, all, lfirst(lc)) &&
			!is_repeated(result, lfirst(lc)))
			result = lappend(result, lfirst(lc));
	}
	list_sort(result, compare_references);
	rank_references(result);
	return result;
}
