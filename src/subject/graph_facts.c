/*
 * graph_facts.c
 *	  What a person should know about a map: indexes that serve its links, and
 *	  what will go wrong.
 *
 * Nothing here is part of what is approved.
 */
#include "base/compat.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "base/ident.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_index.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "parser/parse_coerce.h"
#include "subject/graph_build.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/syscache.h"

static void
add_warning(char **warnings, char *warning)
{
	*warnings = *warnings ? psprintf("%s; %s", *warnings, warning) : warning;
}

static bool
leads_with(Form_pg_index index, int ncolumns, const AttrNumber *columns)
{
	if (!index->indisvalid || index->indnkeyatts < ncolumns)
		return false;
	for (int i = 0; i < ncolumns; i++)
	{
		bool found = false;

		for (int j = 0; j < ncolumns; j++)
		{
			if (index->indkey.values[j] == columns[i])
				found = true;
		}
		if (!found)
			return false;
	}
	return true;
}

static bool
can_look_up(Oid indexid)
{
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(indexid));
	Oid am;

	if (!HeapTupleIsValid(tuple))
		return false;
	am = ((Form_pg_class) GETSTRUCT(tuple))->relam;
	ReleaseSysCache(tuple);
	return am == BTREE_AM_OID || am == HASH_AM_OID;
}

static bool
index_serves(Oid indexid, int ncolumns, const AttrNumber *columns)
{
	HeapTuple tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(indexid));
	bool result;

	if (!HeapTupleIsValid(tuple))
		return false;
	result = leads_with((Form_pg_index) GETSTRUCT(tuple), ncolumns, columns) &&
			 heap_attisnull(tuple, Anum_pg_index_indpred, NULL) &&
			 can_look_up(indexid);
	ReleaseSysCache(tuple);
	return result;
}

static Oid
find_index(Oid relid, int ncolumns, const AttrNumber *columns)
{
	Relation relation = table_open(relid, AccessShareLock);
	List *indexes = RelationGetIndexList(relation);
	Oid result = InvalidOid;
	ListCell *lc;

	foreach (lc, indexes)
	{
		if (index_serves(lfirst_oid(lc), ncolumns, columns))
		{
			result = lfirst_oid(lc);
			break;
		}
	}
	table_close(relation, AccessShareLock);
	return result;
}

/* The same columns in a partition, where numbers may differ. */
static AttrNumber *
columns_in(Oid leaf, Oid relid, int ncolumns, const AttrNumber *columns)
{
	AttrNumber *result = palloc(sizeof(AttrNumber) * ncolumns);

	for (int i = 0; i < ncolumns; i++)
		result[i] = get_attnum(leaf, get_attname(relid, columns[i], false));
	return result;
}

/*
 * The index that serves a lookup in the relation and all that is below it: one of a
 * partitioned table, or one on each leaf (the first is named).
 */
static Oid
find_serving_index(GdprInheritance *inheritance, const GdprRelation *relation,
				   Oid relid, int ncolumns, const AttrNumber *columns)
{
	Oid result = InvalidOid;
	ListCell *lc;

	if (get_rel_relkind(relid) == RELKIND_PARTITIONED_TABLE)
		result = find_index(relid, ncolumns, columns);
	if (OidIsValid(result))
		return result;
	foreach (lc, relation->leaves)
	{
		Oid leaf = lfirst_oid(lc);
		Oid index;

		if (leaf != relid && !gdpr_reference_is_below(inheritance, leaf, relid))
			continue;
		index = find_index(leaf, ncolumns,
						   columns_in(leaf, relid, ncolumns, columns));
		if (!OidIsValid(index))
			return InvalidOid;
		if (!OidIsValid(result))
			result = index;
	}
	return result;
}

static void
note_index(GdprInheritance *inheritance, GdprLink *link)
{
	bool up = link->belongs == GDPR_BELONGS_OWNS;
	Oid relid = up ? link->parent_relid : link->child_relid;
	AttrNumber *columns = up ? link->parent_columns : link->child_columns;
	Oid index = find_serving_index(inheritance, up ? link->parent : link->child,
								   relid, link->ncolumns, columns);
	char *list = gdpr_graph_column_list(relid, link->ncolumns, columns);

	if (OidIsValid(index))
		link->index = gdpr_ident_relation(index);
	else
		add_warning(&link->warning,
					psprintf(*list == '(' ? "no index: CREATE INDEX ON %s %s"
										  : "no index: CREATE INDEX ON %s (%s)",
							 gdpr_ident_relation(relid), list));
}

/* The catalog lets such a key be made; it fails when a parent is deleted. */
static void
note_set_null(GdprLink *link, const GdprReference *reference)
{
	const AttrNumber *columns = reference->nset_null > 0
									? reference->set_null
									: reference->child_columns;
	int n = reference->nset_null > 0 ? reference->nset_null
									 : reference->ncolumns;

	if (link->on_delete != FKCONSTR_ACTION_SETNULL)
		return;
	for (int i = 0; i < n; i++)
	{
		if (gdpr_registry_not_null(link->child_relid, columns[i]))
			add_warning(
				&link->warning,
				psprintf("ON DELETE SET NULL will fail: column %s is NOT NULL",
						 gdpr_ident_column(link->child_relid, columns[i])));
	}
}

static bool
is_kept(const GdprMap *map, const GdprRelation *relation)
{
	ListCell *lc;

	foreach (lc, map->links)
	{
		GdprLink *link = lfirst(lc);

		if (link->child == relation && link->on_forget == GDPR_ACTION_KEEP &&
			link->belongs != GDPR_BELONGS_OWNS)
			return true;
	}
	return false;
}

static void
note_cascade(const GdprMap *map, GdprLink *link)
{
	if (link->on_delete == FKCONSTR_ACTION_CASCADE && is_kept(map, link->child))
		add_warning(
			&link->warning,
			"ON DELETE CASCADE deletes kept rows when somebody deletes the parent");
}

static void
note_nullable_paths(const GdprMap *map, GdprLink *link)
{
	ListCell *lc;

	if (link->belongs != GDPR_BELONGS_OWNED || !link->nullable)
		return;
	foreach (lc, map->links)
	{
		GdprLink *other = lfirst(lc);

		if (other->child == link->child && !other->nullable &&
			other->belongs == GDPR_BELONGS_OWNED)
			return;
	}
	add_warning(
		&link->warning,
		"every path may be null: rows without a reference are not found");
}

/* Links on single partitions that leave a sibling out. */
static void
note_missed_partitions(const GdprMap *map, GdprInheritance *inheritance,
					   GdprRelation *relation)
{
	ListCell *leaf;
	ListCell *lc;

	foreach (leaf, relation->leaves)
	{
		bool reached = relation == map->root;

		foreach (lc, map->links)
		{
			GdprLink *link = lfirst(lc);

			if (link->belongs == GDPR_BELONGS_OWNS && link->parent == relation)
				reached = true;
			else if (link->belongs != GDPR_BELONGS_NONE &&
					 (link->child_relid == lfirst_oid(leaf) ||
					  gdpr_reference_is_below(inheritance, lfirst_oid(leaf),
											  link->child_relid)))
				reached = true;
		}
		if (!reached)
			add_warning(&relation->warning,
						psprintf("no link reaches the rows of %s",
								 gdpr_ident_relation(lfirst_oid(leaf))));
	}
}

static bool
is_declared_column(const GdprRelation *relation, const char *name)
{
	ListCell *lc;

	foreach (lc, relation->columns)
	{
		if (strcmp(((GdprColumn *) lfirst(lc))->name, name) == 0)
			return true;
	}
	return false;
}

/* What a foreign key refers by cannot be masked; an e-mail address can. */
static bool
is_key_column(const GdprMap *map, Oid relid, AttrNumber attnum)
{
	ListCell *lc;

	foreach (lc, map->links)
	{
		GdprLink *link = lfirst(lc);

		for (int i = 0; OidIsValid(link->constraint) && i < link->ncolumns; i++)
		{
			if ((link->child_relid == relid &&
				 link->child_columns[i] == attnum) ||
				(link->parent_relid == relid &&
				 link->parent_columns[i] == attnum))
				return true;
		}
	}
	return false;
}

/* Rows of the relation stay: what free text is in them that nobody declared? */
static void
note_undeclared_text(const GdprMap *map, GdprRelation *relation)
{
	Relation rel = table_open(relation->relid, AccessShareLock);
	TupleDesc desc = RelationGetDescr(rel);
	StringInfoData names;

	initStringInfo(&names);
	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(desc, i);

		if (column->attisdropped ||
			TypeCategory(getBaseType(column->atttypid)) != TYPCATEGORY_STRING ||
			is_declared_column(relation, NameStr(column->attname)) ||
			is_key_column(map, relation->relid, column->attnum))
			continue;
		appendStringInfo(&names, "%s%s", names.len ? ", " : "",
						 quote_identifier(NameStr(column->attname)));
	}
	table_close(rel, AccessShareLock);
	if (names.len > 0)
		add_warning(&relation->warning,
					psprintf("rows stay with text that is not declared: %s",
							 names.data));
}

static void
note_unmasked(GdprRelation *relation)
{
	ListCell *lc;

	foreach (lc, relation->columns)
	{
		GdprColumn *column = lfirst(lc);

		if (!column->keep && column->mask == NULL &&
			gdpr_registry_not_null(column->relid, column->attnum))
			add_warning(
				&relation->warning,
				psprintf("personal column %s is NOT NULL and has no mask",
						 gdpr_ident_column(column->relid, column->attnum)));
	}
}

/* Relations with links that keep or anonymise rows. */
static List *
staying_relations(const GdprMap *map)
{
	List *result = NIL;
	ListCell *lc;

	foreach (lc, map->links)
	{
		GdprLink *link = lfirst(lc);
		bool up = link->belongs == GDPR_BELONGS_OWNS;

		if (link->on_forget == GDPR_ACTION_KEEP ||
			link->on_forget == GDPR_ACTION_ANONYMISE)
			result = list_append_unique_ptr(result,
											up ? link->parent : link->child);
	}
	return result;
}

/* What a staying row refers to stays too, reduced. */
static List *
reduced_relations(const GdprMap *map, List *staying)
{
	List *all = list_copy(staying);
	int before;
	ListCell *lc;

	do
	{
		before = list_length(all);
		foreach (lc, map->links)
		{
			GdprLink *link = lfirst(lc);

			if (list_member_ptr(all, link->child) &&
				list_member_ptr(map->relations, link->parent))
				all = list_append_unique_ptr(all, link->parent);
		}
	} while (list_length(all) > before);
	return list_difference_ptr(all, staying);
}

static void
note_relations(GdprMap *map, GdprInheritance *inheritance)
{
	List *staying = staying_relations(map);
	List *reduced = reduced_relations(map, staying);
	ListCell *lc;

	foreach (lc, map->relations)
	{
		GdprRelation *relation = lfirst(lc);
		bool is_reduced = list_member_ptr(reduced, relation);

		if (gdpr_reference_has_children(inheritance, relation->relid))
			note_missed_partitions(map, inheritance, relation);
		if (is_reduced)
			add_warning(&relation->warning,
						"rows that staying rows refer to stay, reduced");
		if (is_reduced || list_member_ptr(staying, relation))
			note_undeclared_text(map, relation);
		if (is_reduced ||
			(list_member_ptr(staying, relation) && !is_kept(map, relation)))
			note_unmasked(relation);
	}
}

static const GdprReference *
reference_of(const GdprLink *link, List *references)
{
	ListCell *lc;

	foreach (lc, references)
	{
		GdprReference *reference = lfirst(lc);

		if (reference->child_columns == link->child_columns)
			return reference;
	}
	elog(ERROR, "link without a reference");
}

void
gdpr_graph_note_facts(GdprMap *map, GdprInheritance *inheritance,
					  List *references)
{
	Oid key_index = find_serving_index(inheritance, map->root, map->root->relid,
									   map->nkeys, map->keys);
	ListCell *lc;

	if (OidIsValid(key_index))
		map->key_index = gdpr_ident_relation(key_index);
	foreach (lc, map->links)
	{
		GdprLink *link = lfirst(lc);

		if (link->is_new)
			add_warning(&link->warning, "new since the map was approved");
		if (link->belongs == GDPR_BELONGS_NONE)
			continue;
		note_index(inheritance, link);
		note_set_null(link, reference_of(link, references));
		note_cascade(map, link);
		note_nullable_paths(map, link);
	}
	note_relations(map, inheritance);
}
