/*
 * sharing.c
 *	  Does any row of a parent have more than one referring row?
 *
 * A customer's address is hers alone, a store is not.  Only the rows can tell,
 * so they are looked at when a kind is declared and when its map is approved,
 * with the rights of the person who does that, and never when a map is
 * merely loaded.
 */
#include "base/compat.h"

#include "base/ident.h"
#include "base/rows.h"
#include "base/sql.h"
#include "catalog/pg_class.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "subject/graph_build.h"
#include "subject/sharing.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"

/* Every row of it, that is: where row security filters, nothing is known. */
static bool
may_read(Oid relid)
{
	return pg_class_aclcheck(relid, GetUserId(), ACL_SELECT) == ACLCHECK_OK &&
		   !gdpr_rows_hidden(relid, ACL_SELECT);
}

static bool
any_row(const char *sql)
{
	GdprSqlScope scope;
	bool result;

	gdpr_sql_begin_caller(&scope);
	if (SPI_execute(sql, true, 1) != SPI_OK_SELECT)
		elog(ERROR, "SPI failed to run a SELECT");
	result = SPI_processed > 0;
	gdpr_sql_end_caller(&scope);
	return result;
}

/* Two rows of the child with the same parent? */
static bool
shared_in_child(const GdprReference *reference)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT 1 FROM %s WHERE ",
					 gdpr_ident_relation(reference->child));
	for (int i = 0; i < reference->ncolumns; i++)
		appendStringInfo(&sql, "%s%s IS NOT NULL", i ? " AND " : "",
						 gdpr_ident_column(reference->child,
										   reference->child_columns[i]));
	appendStringInfoString(&sql, " GROUP BY ");
	for (int i = 0; i < reference->ncolumns; i++)
		appendStringInfo(&sql, "%s%s", i ? ", " : "",
						 gdpr_ident_column(reference->child,
										   reference->child_columns[i]));
	appendStringInfoString(&sql, " HAVING pg_catalog.count(*) > 1 LIMIT 1");
	return any_row(sql.data);
}

static void
append_match(StringInfo sql, const char *parent, const char *child,
			 const GdprReference *reference)
{
	for (int i = 0; i < reference->ncolumns; i++)
		appendStringInfo(sql, " AND %s.%s %s %s.%s", parent,
						 gdpr_ident_column(reference->parent,
										   reference->parent_columns[i]),
						 gdpr_ident_operator(reference->operators[i]), child,
						 gdpr_ident_column(reference->child,
										   reference->child_columns[i]));
}

/* A row of the parent that both references reach? */
static bool
shared_between(const GdprReference *one, const GdprReference *other)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(
		&sql, "SELECT 1 FROM %s p WHERE EXISTS (SELECT 1 FROM %s a WHERE true",
		gdpr_ident_relation(one->parent), gdpr_ident_relation(one->child));
	append_match(&sql, "p", "a", one);
	appendStringInfo(&sql, ") AND EXISTS (SELECT 1 FROM %s b WHERE true",
					 gdpr_ident_relation(other->child));
	append_match(&sql, "p", "b", other);
	appendStringInfoString(&sql, ") LIMIT 1");
	return any_row(sql.data);
}

static void
look(const GdprReference *reference, List *references, GdprSharing *sharing)
{
	ListCell *lc;

	sharing->known = may_read(reference->child) && may_read(reference->parent);
	if (!sharing->known)
		return;
	sharing->shared = shared_in_child(reference);
	foreach (lc, references)
	{
		GdprReference *other = lfirst(lc);

		if (sharing->shared)
			return;
		if (other == reference || other->parent != reference->parent ||
			!OidIsValid(other->constraint))
			continue;
		if (!may_read(other->child))
			sharing->known = false;
		else
			sharing->shared = shared_between(reference, other);
	}
	if (sharing->shared)
		sharing->known = true;
}

static List *
column_names(Oid relid, int ncolumns, const AttrNumber *columns)
{
	List *result = NIL;

	for (int i = 0; i < ncolumns; i++)
		result = lappend(result, get_attname(relid, columns[i], false));
	return result;
}

static void
look_at_link(const GdprLink *link, List *references)
{
	GdprSharing sharing = {0};
	ListCell *lc;

	sharing.child = link->child_relid;
	sharing.child_columns = column_names(link->child_relid, link->ncolumns,
										 link->child_columns);
	sharing.parent = link->parent_relid;
	sharing.parent_columns = column_names(link->parent_relid, link->ncolumns,
										  link->parent_columns);
	foreach (lc, references)
	{
		GdprReference *reference = lfirst(lc);

		if (reference->constraint == link->constraint)
			look(reference, references, &sharing);
	}
	gdpr_registry_put_sharing(&sharing);
}

void
gdpr_sharing_look(const char *kind)
{
	GdprMap *map = gdpr_graph_load(kind);
	List *references = NIL;
	ListCell *lc;

	foreach (lc, map->links)
	{
		GdprLink *link = lfirst(lc);

		if (link->belongs != GDPR_BELONGS_OWNS || link->declared)
			continue;
		if (references == NIL)
			references = gdpr_reference_load(gdpr_reference_inheritance());
		look_at_link(link, references);
	}
}
