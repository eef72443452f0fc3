/*
 * graph_hash.c
 *	  Names of links, and the hash over a map.
 *
 * The hash is over what a person approves: relations, links, actions,
 * conditions, personal columns; by name, so that it outlives dump and
 * restore.  Partitions that come and go, indexes and warnings are not in it.
 */
#include "base/compat.h"

#include "base/digest.h"
#include "base/ident.h"
#include "lib/stringinfo.h"
#include "subject/graph_build.h"
#include "utils/lsyscache.h"

char *
gdpr_graph_column_list(Oid relid, int ncolumns, const AttrNumber *columns)
{
	StringInfoData out;

	if (ncolumns == 1)
		return gdpr_ident_column(relid, columns[0]);
	initStringInfo(&out);
	appendStringInfoChar(&out, '(');
	for (int i = 0; i < ncolumns; i++)
		appendStringInfo(&out, "%s%s", i ? ", " : "",
						 gdpr_ident_column(relid, columns[i]));
	appendStringInfoChar(&out, ')');
	return out.data;
}

char *
gdpr_graph_link_name(const GdprLink *link)
{
	return psprintf("%s.%s -> %s.%s", gdpr_ident_relation(link->child_relid),
					gdpr_graph_column_list(link->child_relid, link->ncolumns,
										   link->child_columns),
					gdpr_ident_relation(link->parent_relid),
					gdpr_graph_column_list(link->parent_relid, link->ncolumns,
										   link->parent_columns));
}

#define put gdpr_digest_field

static void
put_link(StringInfo out, const GdprLink *link)
{
	put(out, "link");
	put(out, link->name);
	put(out, gdpr_graph_belongs_name(link->belongs));
	put(out, gdpr_graph_action_name(link->on_forget));
	put(out, link->export_rows ? "full" : "skip");
	put(out, link->predicate);
	put(out, link->ground);
	put(out, link->law);
	put(out, link->keep);
	appendStringInfo(out, "%d;", link->keep_from);
	put(out, link->keep_since > 0
				 ? gdpr_ident_column(link->child_relid, link->keep_since)
				 : NULL);
	/* What follows by default is no field: older approvals stand. */
	if (link->then_action != GDPR_ACTION_DELETE)
		put(out, gdpr_graph_action_name(link->then_action));
}

static void
put_column(StringInfo out, const GdprColumn *column)
{
	put(out, "column");
	put(out, gdpr_ident_relation(column->relid));
	put(out, column->name);
	put(out, column->category);
	put(out, column->mask);
	put(out, column->keep ? "keep" : NULL);
	put(out, column->ground);
}

static int
compare_names(const ListCell *a, const ListCell *b)
{
	const GdprColumn *x = lfirst(a);
	const GdprColumn *y = lfirst(b);
	int relations = strcmp(gdpr_ident_relation(x->relid),
						   gdpr_ident_relation(y->relid));

	return relations ? relations : strcmp(x->name, y->name);
}

/* Columns by name: their numbers change when a dump is restored. */
static void
put_columns(StringInfo out, const GdprRelation *relation)
{
	List *columns = list_copy(relation->columns);
	ListCell *lc;

	list_sort(columns, compare_names);
	foreach (lc, columns)
		put_column(out, lfirst(lc));
}

char *
gdpr_graph_hash(const GdprMap *map)
{
	StringInfoData out;
	ListCell *lc;

	initStringInfo(&out);
	put(&out, "gdpr map v1");
	put(&out, NameStr(map->kind));
	put(&out, map->root->label);
	put(&out, gdpr_graph_column_list(map->root->relid, map->nkeys, map->keys));
	foreach (lc, map->links)
		put_link(&out, lfirst(lc));
	foreach (lc, map->relations)
		put_columns(&out, lfirst(lc));
	return gdpr_digest_hex(out.data, out.len);
}
