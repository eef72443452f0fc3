/*
 * graph_relation.c
 *	  A relation of the map: its physical tables, key and declared columns.
 */
#include "base/compat.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "base/ident.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_index.h"
#include "subject/graph_build.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/syscache.h"

static List *
find_leaves(GdprInheritance *inheritance, Oid relid)
{
	List *all;
	List *result = NIL;
	ListCell *lc;

	all = gdpr_reference_has_children(inheritance, relid)
			  ? find_all_inheritors(relid, NoLock, NULL)
			  : list_make1_oid(relid);
	foreach (lc, all)
	{
		char relkind = get_rel_relkind(lfirst_oid(lc));

		if (relkind == RELKIND_RELATION || relkind == RELKIND_FOREIGN_TABLE)
			result = lappend_oid(result, lfirst_oid(lc));
	}
	return result;
}

/* Could the index identify rows?  Unique, valid, whole, over plain columns. */
static bool
is_key(Form_pg_index index, Relation relation)
{
	if (!index->indisunique || !index->indisvalid || !index->indimmediate)
		return false;
	for (int i = 0; i < index->indnkeyatts; i++)
	{
		AttrNumber attnum = index->indkey.values[i];

		if (attnum <= 0 ||
			!TupleDescAttr(RelationGetDescr(relation), attnum - 1)->attnotnull)
			return false;
	}
	return true;
}

static bool
take_key(GdprRelation *result, Relation relation, Oid indexid)
{
	HeapTuple tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(indexid));
	Form_pg_index index;
	bool taken = false;

	if (!HeapTupleIsValid(tuple))
		return false;
	index = (Form_pg_index) GETSTRUCT(tuple);
	if (is_key(index, relation) &&
		heap_attisnull(tuple, Anum_pg_index_indpred, NULL))
	{
		result->nprimary = index->indnkeyatts;
		result->primary = palloc(sizeof(AttrNumber) * index->indnkeyatts);
		memcpy(result->primary, index->indkey.values,
			   sizeof(AttrNumber) * index->indnkeyatts);
		taken = true;
	}
	ReleaseSysCache(tuple);
	return taken;
}

static void
find_key(GdprRelation *result)
{
	Relation relation = table_open(result->relid, AccessShareLock);
	List *indexes = RelationGetIndexList(relation);
	ListCell *lc;

	/* Filled in by RelationGetIndexList(). */
	if (!OidIsValid(relation->rd_pkindex) ||
		!take_key(result, relation, relation->rd_pkindex))
	{
		foreach (lc, indexes)
		{
			if (take_key(result, relation, lfirst_oid(lc)))
				break;
		}
	}
	table_close(relation, AccessShareLock);
}

static GdprColumn *
make_column(const GdprDeclaredColumn *declared)
{
	GdprColumn *column = palloc0(sizeof(*column));

	column->relid = declared->relid;
	column->attnum = get_attnum(declared->relid, declared->name);
	column->name = declared->name;
	column->category = declared->category;
	column->mask = declared->mask;
	column->keep = declared->on_forget != NULL;
	column->ground = declared->ground;
	column->label = declared->label;
	column->origin = declared->origin;
	return column;
}

static int
compare_columns(const ListCell *a, const ListCell *b)
{
	const GdprColumn *x = lfirst(a);
	const GdprColumn *y = lfirst(b);

	if (x->relid != y->relid)
		return x->relid < y->relid ? -1 : 1;
	return x->attnum - y->attnum;
}

static List *
find_columns(GdprInheritance *inheritance, Oid relid, List *declared)
{
	List *result = NIL;
	ListCell *lc;

	foreach (lc, declared)
	{
		GdprDeclaredColumn *column = lfirst(lc);

		if (gdpr_reference_top(inheritance, column->relid) == relid &&
			get_attnum(column->relid, column->name) > 0)
			result = lappend(result, make_column(column));
	}
	list_sort(result, compare_columns);
	return result;
}

GdprRelation *
gdpr_graph_describe(GdprInheritance *inheritance, Oid relid,
					List *declared_columns)
{
	GdprRelation *result = palloc0(sizeof(*result));

	result->relid = relid;
	result->label = gdpr_ident_relation(relid);
	result->relkind = get_rel_relkind(relid);
	result->leaves = find_leaves(inheritance, relid);
	result->columns = find_columns(inheritance, relid, declared_columns);
	find_key(result);
	return result;
}

GdprRelation *
gdpr_graph_relation_alone(Oid relid)
{
	GdprInheritance *inheritance = gdpr_reference_inheritance();

	return gdpr_graph_describe(inheritance,
							   gdpr_reference_top(inheritance, relid),
							   gdpr_registry_columns());
}
