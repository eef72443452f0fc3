/*
 * source.c
 *	  Finds by which columns the rows of a relation, and whose they are, are
 *	  known to the log.
 *
 * By the maps: a link by which a row is owned leads up to whose it is, one by
 * which it owns another down to that one, and all others lead nowhere.  It is
 * written down when a relation is protected and when a map is approved, because building a map costs
 * milliseconds that the first write of every session should not pay.
 */
#include "base/compat.h"

#include "audit/source.h"
#include "base/sql.h"
#include "catalog/pg_type.h"
#include "registry/registry.h"
#include "subject/graph.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

static List *
names_of(Oid relid, int n, const AttrNumber *columns)
{
	List *names = NIL;

	for (int i = 0; i < n; i++)
		names = lappend(names, get_attname(relid, columns[i], false));
	return names;
}

/*
 * keyed and its columns say which key, columns where the relation at hand has
 * its values; predicate for which rows, NULL for all.
 */
static void
put_key(Oid relid, const char *part, Oid keyed, List *key_columns,
		List *columns, const char *predicate)
{
	Oid types[] = {REGCLASSOID,	 TEXTOID,	   REGCLASSOID,
				   NAMEARRAYOID, NAMEARRAYOID, TEXTOID};
	Datum values[] = {ObjectIdGetDatum(relid),
					  CStringGetTextDatum(part),
					  ObjectIdGetDatum(keyed),
					  PointerGetDatum(gdpr_registry_names(key_columns)),
					  PointerGetDatum(gdpr_registry_names(columns)),
					  predicate == NULL ? (Datum) 0
										: CStringGetTextDatum(predicate)};
	const char *nulls = predicate == NULL ? "     n" : NULL;

	(void) gdpr_sql_run("INSERT INTO gdpr.audit_key (relation, columns) "
						"VALUES ($1, $2) ON CONFLICT DO NOTHING",
						2, &types[2], &values[2], NULL, false, SPI_OK_INSERT);
	(void) gdpr_sql_run(
		"INSERT INTO gdpr.audit_source (relation, part, key, columns, predicate) "
		"SELECT $1, $2, k.id, $5, $6 FROM gdpr.audit_key k "
		"WHERE k.relation = $3 AND k.columns = $4 AND NOT EXISTS ("
		"SELECT 1 FROM gdpr.audit_source s WHERE s.relation = $1 AND s.key = k.id "
		"AND (s.part = $2 OR (s.part = 'own' AND $2 = 'keys')) "
		"AND s.columns = $5 AND s.predicate IS NOT DISTINCT FROM $6)",
		6, types, values, nulls, false, SPI_OK_INSERT);
}

static void
put_person(Oid relid, const char *part, const char *kind, List *columns,
		   const char *predicate)
{
	Oid types[] = {REGCLASSOID, TEXTOID, TEXTOID, NAMEARRAYOID, TEXTOID};
	Datum values[] = {ObjectIdGetDatum(relid), CStringGetTextDatum(part),
					  CStringGetTextDatum(kind),
					  PointerGetDatum(gdpr_registry_names(columns)),
					  predicate == NULL ? (Datum) 0
										: CStringGetTextDatum(predicate)};
	const char *nulls = predicate == NULL ? "    n" : NULL;

	(void) gdpr_sql_run(
		"INSERT INTO gdpr.audit_source (relation, part, kind, columns, predicate) "
		"SELECT $1, $2, $3::name, $4, $5 WHERE NOT EXISTS ("
		"SELECT 1 FROM gdpr.audit_source s WHERE s.relation = $1 AND s.part = $2 "
		"AND s.kind = $3::name AND s.columns = $4 AND s.predicate IS NOT DISTINCT FROM $5)",
		5, types, values, nulls, false, SPI_OK_INSERT);
}

/* The child's columns in the order of the person's key, if it is that. */
static List *
person_columns(const GdprMap *map, const GdprLink *link)
{
	List *columns = NIL;

	if (link->parent != map->root || link->ncolumns != map->nkeys)
		return NIL;
	for (int i = 0; i < map->nkeys; i++)
	{
		char *key = get_attname(map->root->relid, map->keys[i], false);

		for (int j = 0; j < link->ncolumns; j++)
		{
			if (strcmp(get_attname(link->parent_relid, link->parent_columns[j],
								   false),
					   key) == 0)
				columns = lappend(columns,
								  get_attname(link->child_relid,
											  link->child_columns[j], false));
		}
	}
	return list_length(columns) == map->nkeys ? columns : NIL;
}

/* top is the relation as maps know it: the topmost parent of relid. */
static void
put_link(Oid relid, Oid top, const GdprMap *map, const GdprLink *link)
{
	List *child = names_of(link->child_relid, link->ncolumns,
						   link->child_columns);
	List *parent = names_of(link->parent_relid, link->ncolumns,
							link->parent_columns);

	if (link->belongs != GDPR_BELONGS_OWNED &&
		link->belongs != GDPR_BELONGS_OWNS)
		return;
	if (link->parent->relid == top)
		put_key(relid, link->belongs == GDPR_BELONGS_OWNS ? "own" : "keys", top,
				parent, parent, NULL);
	if (link->child->relid != top)
		return;
	if (link->belongs == GDPR_BELONGS_OWNS)
		put_key(relid, "owns", link->parent->relid, parent, child,
				link->predicate);
	else if (person_columns(map, link) != NIL)
		put_person(relid, "up", NameStr(map->kind), person_columns(map, link),
				   link->predicate);
	else
		put_key(relid, "up", link->parent->relid, parent, child,
				link->predicate);
}

/* A person without a primary key is known by his own. */
static void
put_map(Oid relid, Oid top, const GdprMap *map, bool has_key)
{
	ListCell *lc;

	if (map->root->relid == top)
		put_person(relid, has_key ? "keys" : "own", NameStr(map->kind),
				   names_of(top, map->nkeys, map->keys), NULL);
	foreach (lc, map->links)
		put_link(relid, top, map, lfirst(lc));
}

bool
gdpr_audit_has_own_source(Oid relid)
{
	Oid types[] = {REGCLASSOID};
	Datum values[] = {ObjectIdGetDatum(relid)};
	GdprSqlScope scope;
	bool result;

	gdpr_sql_begin_own(&scope);
	result = gdpr_sql_run("SELECT 1 FROM gdpr.audit_source "
						  "WHERE relation = $1 AND part = 'own' LIMIT 1",
						  1, types, values, NULL, false, SPI_OK_SELECT) > 0;
	gdpr_sql_end_own(&scope);
	return result;
}

void
gdpr_audit_find_sources(Oid relid)
{
	GdprRelation *whole = gdpr_graph_relation_alone(relid);
	bool has_key = whole->nprimary > 0;
	Oid types[] = {REGCLASSOID};
	Datum values[] = {ObjectIdGetDatum(relid)};
	List *maps = NIL;
	GdprSqlScope scope;
	ListCell *lc;

	foreach (lc, gdpr_graph_kinds())
		maps = lappend(maps, gdpr_graph_load(lfirst(lc)));
	gdpr_sql_begin_own(&scope);
	(void) gdpr_sql_run("DELETE FROM gdpr.audit_source WHERE relation = $1", 1,
						types, values, NULL, false, SPI_OK_DELETE);
	if (has_key)
	{
		List *key = names_of(whole->relid, whole->nprimary, whole->primary);

		put_key(relid, "own", whole->relid, key, key, NULL);
	}
	foreach (lc, maps)
		put_map(relid, whole->relid, lfirst(lc), has_key);
	gdpr_sql_end_own(&scope);
}

static List *
protected_relations(void)
{
	GdprSqlScope scope;
	MemoryContext target = CurrentMemoryContext;
	List *result = NIL;
	uint64 n;

	gdpr_sql_begin_own(&scope);
	n = gdpr_sql_run("SELECT relation FROM gdpr.protected", 0, NULL, NULL, NULL,
					 false, SPI_OK_SELECT);
	for (uint64 i = 0; i < n; i++)
	{
		MemoryContext old = MemoryContextSwitchTo(target);
		bool isnull;

		result = lappend_oid(result, DatumGetObjectId(
										 SPI_getbinval(SPI_tuptable->vals[i],
													   SPI_tuptable->tupdesc, 1,
													   &isnull)));
		MemoryContextSwitchTo(old);
	}
	gdpr_sql_end_own(&scope);
	return result;
}

static void
follow_maps(void)
{
	ListCell *lc;

	foreach (lc, protected_relations())
	{
		if (get_rel_relkind(lfirst_oid(lc)) != '\0')
			gdpr_audit_find_sources(lfirst_oid(lc));
	}
}

void
gdpr_audit_source_init(void)
{
	gdpr_graph_approved = follow_maps;
}
