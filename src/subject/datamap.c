/*
 * datamap.c
 *	  gdpr.data_map, gdpr.map_hash, gdpr.approve_map: the map before a person's
 *	  eyes, and the person's yes.
 */
#include "base/compat.h"

#include "base/errors.h"
#include "base/ident.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "subject/graph_build.h"
#include "subject/sharing.h"
#include "utils/builtins.h"

GDPR_FUNCTION(gdpr_data_map);
GDPR_FUNCTION(gdpr_map_hash);
GDPR_FUNCTION(gdpr_approve_map);

void (*gdpr_graph_approved)(void) = NULL;

#define NCOLUMNS 10

/* ---- paths ---- */

/* The link by which the relation was found: the first that leads to the root. */
static GdprLink *
link_towards_root(const GdprMap *map, const GdprRelation *relation)
{
	ListCell *lc;

	foreach (lc, map->links)
	{
		GdprLink *link = lfirst(lc);
		GdprRelation *far = gdpr_graph_far_end(link);
		GdprRelation *near = far == link->child ? link->parent : link->child;

		if (far == relation && link->belongs != GDPR_BELONGS_NONE &&
			near->depth < far->depth)
			return link;
	}
	return NULL;
}

static char *relation_path(const GdprMap *map, const GdprRelation *relation);

/*
 * a.b -> c: rows of a belong to rows of c by column b.  c <- a.b: the other
 * way round.
 */
static char *
link_path(const GdprMap *map, const GdprLink *link)
{
	char *columns = psprintf("%s.%s", gdpr_ident_relation(link->child_relid),
							 gdpr_graph_column_list(link->child_relid,
													link->ncolumns,
													link->child_columns));

	if (gdpr_graph_far_end(link) == link->child)
		return psprintf("%s -> %s", columns, relation_path(map, link->parent));
	if (link->child == map->root)
		return psprintf("%s <- %s", gdpr_ident_relation(link->parent_relid),
						columns);
	return psprintf("%s <- %s, %s", gdpr_ident_relation(link->parent_relid),
					columns, relation_path(map, link->child));
}

/* Each step comes nearer to the root, so it ends. */
static char *
relation_path(const GdprMap *map, const GdprRelation *relation)
{
	GdprLink *link = link_towards_root(map, relation);

	return link ? link_path(map, link) : relation->label;
}

/* ---- rows ---- */

static Datum
text_value(const char *text, bool *isnull)
{
	*isnull = text == NULL;
	return text ? CStringGetTextDatum(text) : (Datum) 0;
}

static char *
join_warnings(char *one, char *other)
{
	if (one == NULL || other == NULL)
		return one ? one : other;
	return psprintf("%s; %s", one, other);
}

static char *
link_origin(const GdprLink *link)
{
	if (!OidIsValid(link->constraint))
		return "declared";
	if (link->declared)
		return "foreign key, decided";
	return psprintf("foreign key: %s", link->reason);
}

static void
put_root(ReturnSetInfo *result, const GdprMap *map)
{
	Datum values[NCOLUMNS];
	bool nulls[NCOLUMNS] = {0};

	values[0] = NameGetDatum(&map->kind);
	values[1] = ObjectIdGetDatum(map->root->relid);
	values[2] = Int32GetDatum(0);
	values[3] = CStringGetTextDatum(map->root->label);
	values[4] = CStringGetTextDatum("owned");
	values[5] = CStringGetTextDatum("delete");
	values[6] = CStringGetTextDatum("full");
	values[7] = CStringGetTextDatum("declared");
	values[8] = text_value(map->key_index, &nulls[8]);
	values[9] = text_value(map->root->warning, &nulls[9]);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

static void
put_link(ReturnSetInfo *result, const GdprMap *map, const GdprLink *link,
		 char *warning)
{
	GdprRelation *far = gdpr_graph_far_end(link);
	Datum values[NCOLUMNS];
	bool nulls[NCOLUMNS] = {0};

	values[0] = NameGetDatum(&map->kind);
	values[1] = ObjectIdGetDatum(far == link->child ? link->child_relid
													: link->parent_relid);
	values[2] = Int32GetDatum(far->depth);
	values[3] = CStringGetTextDatum(link_path(map, link));
	values[4] = CStringGetTextDatum(gdpr_graph_belongs_name(link->belongs));
	values[5] = CStringGetTextDatum(gdpr_graph_action_name(link->on_forget));
	values[6] = CStringGetTextDatum(link->export_rows ? "full" : "skip");
	values[7] = CStringGetTextDatum(link_origin(link));
	values[8] = text_value(link->index, &nulls[8]);
	values[9] = text_value(warning, &nulls[9]);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* What is to say about a relation is said once, at its first link. */
static void
put_map(ReturnSetInfo *result, const GdprMap *map)
{
	List *said = list_make1(map->root);
	ListCell *lc;

	put_root(result, map);
	foreach (lc, map->links)
	{
		GdprLink *link = lfirst(lc);
		GdprRelation *far = gdpr_graph_far_end(link);
		char *warning = link->warning;

		if (!list_member_ptr(said, far))
		{
			warning = join_warnings(warning, far->warning);
			said = lappend(said, far);
		}
		put_link(result, map, link, warning);
	}
}

Datum
gdpr_data_map(PG_FUNCTION_ARGS)
{
	List *kinds = PG_ARGISNULL(0) ? gdpr_graph_kinds()
								  : list_make1(NameStr(*PG_GETARG_NAME(0)));
	ListCell *lc;

	InitMaterializedSRF(fcinfo, 0);
	foreach (lc, kinds)
		put_map((ReturnSetInfo *) fcinfo->resultinfo,
				gdpr_graph_load(lfirst(lc)));
	return (Datum) 0;
}

Datum
gdpr_map_hash(PG_FUNCTION_ARGS)
{
	gdpr_registry_require(fcinfo, 0, "kind");
	PG_RETURN_TEXT_P(
		cstring_to_text(gdpr_graph_load(NameStr(*PG_GETARG_NAME(0)))->hash));
}

/* ---- approval ---- */

static void
refuse_reviews(const GdprMap *map)
{
	StringInfoData open;
	int nopen = 0;
	ListCell *lc;

	initStringInfo(&open);
	foreach (lc, map->links)
	{
		GdprLink *link = lfirst(lc);

		if (link->on_forget != GDPR_ACTION_REVIEW)
			continue;
		appendStringInfo(&open, "%s%s (%s)", nopen++ ? "\n" : "", link->name,
						 link->reason);
	}
	if (nopen > 0)
		ereport(ERROR,
				(errcode(ERRCODE_GDPR_MAP_NOT_APPROVED),
				 errmsg("the map of subject kind \"%s\" has %d undecided links",
						NameStr(map->kind), nopen),
				 errdetail("%s", open.data),
				 errhint("Decide each with gdpr.declare_link().")));
}

static void
check_hash(const GdprMap *map, const char *hash)
{
	if (hash != NULL && strcmp(hash, map->hash) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_GDPR_MAP_NOT_APPROVED),
				 errmsg("the map of subject kind \"%s\" is not the one with this hash",
						NameStr(map->kind)),
				 errhint("Look at gdpr.data_map() and gdpr.map_hash() again.")));
}

Datum
gdpr_approve_map(PG_FUNCTION_ARGS)
{
	GdprApproval approval = {0};
	GdprMap *map;
	ListCell *lc;

	gdpr_registry_require(fcinfo, 0, "kind");
	map = gdpr_graph_load(NameStr(*PG_GETARG_NAME(0)));
	gdpr_registry_check_relation(map->root->relid);
	gdpr_sharing_look(NameStr(map->kind));
	map = gdpr_graph_load(NameStr(map->kind));
	refuse_reviews(map);
	check_hash(map,
			   PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1)));

	approval.hash = map->hash;
	foreach (lc, map->links)
		approval.links = lappend(approval.links,
								 ((GdprLink *) lfirst(lc))->name);
	gdpr_registry_put_approval(NameStr(map->kind), &approval);
	if (gdpr_graph_approved != NULL)
		gdpr_graph_approved();
	PG_RETURN_TEXT_P(cstring_to_text(map->hash));
}
