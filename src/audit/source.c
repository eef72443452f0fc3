/*
 * source.c
 *	  Finds by which columns the rows of a relation, and whose they are, are
 *	  known to the log.
 *
 * Own keys: the primary key, every set of columns that a link refers to, and
 * the keys of parents that a row brings along ("owns").  Other keys: those of
 * the rows that it belongs to ("owned").  It is written down when a relation is
 * protected and when a map is approved, because building a map costs
 * milliseconds that the first write of every session should not pay.
 */
#include "base/compat.h"

#include "audit/source.h"
#include "base/sql.h"
#include "catalog/pg_type.h"
#include "enctype/enctype.h"
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

static void
put_key(Oid relid, bool own, Oid keyed, List *key_columns, List *columns)
{
	Oid types[] = {REGCLASSOID, BOOLOID, REGCLASSOID, NAMEARRAYOID,
				   NAMEARRAYOID};
	Datum values[] = {ObjectIdGetDatum(relid), BoolGetDatum(own),
					  ObjectIdGetDatum(keyed),
					  PointerGetDatum(gdpr_registry_names(key_columns)),
					  PointerGetDatum(gdpr_registry_names(columns))};

	(void) gdpr_sql_run(
		"INSERT INTO gdpr.audit_key (relation, columns) "
		"SELECT $3, $4 WHERE $1 IS NOT NULL AND $2 IS NOT NULL AND $5 IS NOT NULL "
		"ON CONFLICT DO NOTHING",
		5, types, values, NULL, false, SPI_OK_INSERT);
	(void) gdpr_sql_run(
		"INSERT INTO gdpr.audit_source (relation, own, key, columns) "
		"SELECT $1, $2, k.id, $5 FROM gdpr.audit_key k "
		"WHERE k.relation = $3 AND k.columns = $4 AND NOT EXISTS ("
		"SELECT 1 FROM gdpr.audit_source s WHERE s.relation = $1 AND s.own = $2 "
		"AND s.key = k.id AND s.columns = $5)",
		5, types, values, NULL, false, SPI_OK_INSERT);
}

static void
put_person(Oid relid, bool own, const char *kind, List *columns)
{
	Oid types[] = {REGCLASSOID, BOOLOID, TEXTOID, NAMEARRAYOID};
	Datum values[] = {ObjectIdGetDatum(relid), BoolGetDatum(own),
					  CStringGetTextDatum(kind),
					  PointerGetDatum(gdpr_registry_names(columns))};

	(void) gdpr_sql_run(
		"INSERT INTO gdpr.audit_source (relation, own, kind, columns) "
		"SELECT $1, $2, $3::name, $4 WHERE NOT EXISTS ("
		"SELECT 1 FROM gdpr.audit_source s WHERE s.relation = $1 AND s.own = $2 "
		"AND s.kind = $3::name AND s.columns = $4)",
		4, types, values, NULL, false, SPI_OK_INSERT);
}

/* The ledger's pseudonym is of the plaintext, which nobody opens here. */
static bool
has_encrypted_key(const GdprMap *map)
{
	for (int i = 0; i < map->nkeys; i++)
	{
		if (gdpr_enctype_is(
				getBaseType(get_atttype(map->root->relid, map->keys[i]))))
			return true;
	}
	return false;
}

/* The child's columns in the order of the person's key, if it is that. */
static List *
person_columns(const GdprMap *map, const GdprLink *link)
{
	List *columns = NIL;

	if (link->parent != map->root || link->ncolumns != map->nkeys ||
		has_encrypted_key(map))
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

static void
put_link(Oid relid, const GdprMap *map, const GdprLink *link)
{
	List *child = names_of(link->child_relid, link->ncolumns,
						   link->child_columns);
	List *parent = names_of(link->parent_relid, link->ncolumns,
							link->parent_columns);

	if (link->belongs != GDPR_BELONGS_OWNED &&
		link->belongs != GDPR_BELONGS_OWNS)
		return;
	if (link->parent->relid == relid)
		put_key(relid, true, relid, parent, parent);
	if (link->child->relid != relid)
		return;
	if (link->belongs == GDPR_BELONGS_OWNS)
		put_key(relid, true, link->parent->relid, parent, child);
	else if (person_columns(map, link) != NIL)
		put_person(relid, false, NameStr(map->kind), person_columns(map, link));
	else
		put_key(relid, false, link->parent->relid, parent, child);
}

static void
put_map(Oid relid, const GdprMap *map)
{
	ListCell *lc;

	if (map->root->relid == relid && !has_encrypted_key(map))
		put_person(relid, true, NameStr(map->kind),
				   names_of(relid, map->nkeys, map->keys));
	foreach (lc, map->links)
		put_link(relid, map, lfirst(lc));
}

void
gdpr_audit_find_sources(Oid relid)
{
	GdprRelation *alone = gdpr_graph_relation_alone(relid);
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
	if (alone->relid == relid && alone->nprimary > 0)
	{
		List *key = names_of(relid, alone->nprimary, alone->primary);

		put_key(relid, true, relid, key, key);
	}
	foreach (lc, maps)
		put_map(relid, lfirst(lc));
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
