/*
 * graph.c
 *	  Builds the map of a subject kind.
 *
 * Catalogs and declarations become a graph in memory, walk.c decides what is
 * part of it, and the answer becomes relations and links again.  No row of a
 * user's table is read.
 */
#include "base/compat.h"

#include "base/errors.h"
#include "base/ident.h"
#include "registry/predicate.h"
#include "subject/graph_build.h"
#include "subject/walk.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

typedef struct NodeEntry
{
	Oid relid; /* hash key */
	int number;
} NodeEntry;

typedef struct GraphWork
{
	GdprInheritance *inheritance;
	List *references; /* one edge each, in order */
	List *columns;	  /* all declared */
	HTAB *numbers;	  /* relation to node */
	int capacity;
	Oid *relids;			  /* node to relation */
	GdprRelation **relations; /* node to relation of the map */
	GdprWalk walk;
	GdprMap *map;
} GraphWork;

static const char *const belongs_names[] = {"owned", "owns", "refers", "none"};
static const char *const action_names[] = {"none",		"delete", "unlink",
										   "anonymise", "keep",	  "review"};

const char *
gdpr_graph_belongs_name(GdprBelongs belongs)
{
	return belongs_names[belongs];
}

const char *
gdpr_graph_action_name(GdprAction action)
{
	return action_names[action];
}

/* Checked by the tables' constraints and by the verbs that fill them. */
static int
find_name(const char *name, const char *const *names, int nnames)
{
	for (int i = 0; i < nnames; i++)
	{
		if (strcmp(names[i], name) == 0)
			return i;
	}
	elog(ERROR, "unexpected word in a declaration");
}

static int
node_number(GraphWork *work, Oid relid)
{
	bool found;
	NodeEntry *entry = hash_search(work->numbers, &relid, HASH_ENTER, &found);

	if (!found)
	{
		Assert(work->walk.nnodes < work->capacity);
		entry->number = work->walk.nnodes++;
		work->relids[entry->number] = relid;
		work->walk.nodes[entry->number].bookkeeping = gdpr_bookkeeping_suspect(
			relid);
	}
	return entry->number;
}

static void
make_nodes(GraphWork *work)
{
	HASHCTL control = {0};

	work->capacity = 2 * list_length(work->references) + 1;
	control.keysize = sizeof(Oid);
	control.entrysize = sizeof(NodeEntry);
	control.hcxt = CurrentMemoryContext;
	work->numbers = hash_create("gdpr graph nodes", work->capacity, &control,
								HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	work->relids = palloc0(sizeof(Oid) * work->capacity);
	work->relations = palloc0(sizeof(GdprRelation *) * work->capacity);
	work->walk.nodes = palloc0(sizeof(GdprWalkNode) * work->capacity);
}

static void
fill_edge(GraphWork *work, GdprWalkEdge *edge, const GdprReference *reference)
{
	const GdprDeclaredLink *declared = reference->declared;

	edge->child = node_number(work, reference->child_top);
	edge->parent = node_number(work, reference->parent_top);
	edge->rank = reference->rank;
	edge->not_null = reference->not_null;
	if (declared == NULL)
		return;
	edge->declared = true;
	edge->belongs = find_name(declared->belongs, belongs_names,
							  lengthof(belongs_names));
	edge->on_forget = find_name(declared->on_forget, action_names,
								lengthof(action_names));
	edge->export_rows = strcmp(declared->on_export, "full") == 0;
}

static bool
same_names(Oid relid, const List *names, int ncolumns,
		   const AttrNumber *columns)
{
	if (list_length(names) != ncolumns)
		return false;
	for (int i = 0; i < ncolumns; i++)
	{
		if (get_attnum(relid, list_nth(names, i)) != columns[i])
			return false;
	}
	return true;
}

/* What was found when the rows were last looked at. */
static void
note_sharing(GraphWork *work)
{
	ListCell *lc;

	foreach (lc, gdpr_registry_sharings())
	{
		GdprSharing *sharing = lfirst(lc);
		int i = 0;
		ListCell *lr;

		foreach (lr, work->references)
		{
			GdprReference *r = lfirst(lr);

			if (sharing->known && r->child == sharing->child &&
				r->parent == sharing->parent &&
				same_names(r->child, sharing->child_columns, r->ncolumns,
						   r->child_columns) &&
				same_names(r->parent, sharing->parent_columns, r->ncolumns,
						   r->parent_columns))
				work->walk.edges[i].sharing = sharing->shared ? GDPR_SHARING_YES
															  : GDPR_SHARING_NO;
			i++;
		}
	}
}

static void
make_edges(GraphWork *work)
{
	int i = 0;
	ListCell *lc;

	work->walk.nedges = list_length(work->references);
	work->walk.edges = palloc0(sizeof(GdprWalkEdge) *
							   Max(work->walk.nedges, 1));
	foreach (lc, work->references)
		fill_edge(work, &work->walk.edges[i++], lfirst(lc));
	note_sharing(work);
}

/* Also for relations outside the map, which links with "none" point to. */
static GdprRelation *
relation_of(GraphWork *work, int node)
{
	GdprRelation *relation = work->relations[node];

	if (relation == NULL)
	{
		relation = gdpr_graph_describe(work->inheritance, work->relids[node],
									   work->columns);
		relation->depth = work->walk.nodes[node].depth;
		work->relations[node] = relation;
	}
	return relation;
}

/* Not one whose type was changed: a cast to date could be anybody's. */
static AttrNumber
since_column(const GdprLink *link, const char *name)
{
	AttrNumber attnum = get_attnum(link->child_relid, name);

	return attnum > 0 && gdpr_registry_is_date(link->child_relid, attnum)
			   ? attnum
			   : InvalidAttrNumber;
}

static void
take_decision(GdprLink *link, const GdprDeclaredLink *declared)
{
	static const char *const starts[] = {"row", "calendar_year_end",
										 "fiscal_year_end"};

	link->declared = true;
	link->decided = true;
	link->predicate = declared->predicate;
	if (link->predicate != NULL)
		gdpr_predicate_check(link->child_relid, link->predicate);
	link->ground = declared->ground;
	link->law = declared->law;
	link->keep = declared->keep;
	if (declared->keep_from != NULL)
		link->keep_from = find_name(declared->keep_from, starts,
									lengthof(starts));
	if (declared->keep_since != NULL)
		link->keep_since = since_column(link, declared->keep_since);
	if (declared->then_action != NULL &&
		strcmp(declared->then_action, "anonymise") == 0)
		link->then_action = GDPR_ACTION_ANONYMISE;
}

/* A relation outside the map is shown one step behind its nearest neighbour. */
static void
place_outside(GraphWork *work, int node, GdprRelation *outside,
			  const GdprRelation *inside)
{
	if (work->walk.nodes[node].state == GDPR_WALK_OUTSIDE &&
		(outside->depth == 0 || outside->depth > inside->depth + 1))
		outside->depth = inside->depth + 1;
}

static GdprLink *
make_link(GraphWork *work, const GdprReference *reference,
		  const GdprWalkEdge *edge)
{
	GdprLink *link = palloc0(sizeof(*link));

	link->then_action = GDPR_ACTION_DELETE;
	link->child = relation_of(work, edge->child);
	link->parent = relation_of(work, edge->parent);
	place_outside(work, edge->child, link->child, link->parent);
	place_outside(work, edge->parent, link->parent, link->child);
	link->child_relid = reference->child;
	link->parent_relid = reference->parent;
	link->parent_only = reference->parent_only;
	link->ncolumns = reference->ncolumns;
	link->child_columns = reference->child_columns;
	link->parent_columns = reference->parent_columns;
	link->operators = reference->operators;
	link->constraint = reference->constraint;
	link->on_delete = reference->on_delete;
	link->nullable = !reference->not_null;
	link->belongs = edge->belongs;
	link->on_forget = edge->on_forget;
	link->export_rows = edge->export_rows;
	link->reason = pstrdup(edge->reason);
	link->name = gdpr_graph_link_name(link);
	if (reference->declared != NULL)
		take_decision(link, reference->declared);
	return link;
}

GdprRelation *
gdpr_graph_far_end(const GdprLink *link)
{
	if (link->belongs == GDPR_BELONGS_OWNS)
		return link->parent;
	if (link->belongs == GDPR_BELONGS_NONE &&
		link->parent->depth > link->child->depth)
		return link->parent;
	return link->child;
}

static int
compare_links(const ListCell *a, const ListCell *b)
{
	const GdprLink *x = lfirst(a);
	const GdprLink *y = lfirst(b);
	int depth = gdpr_graph_far_end(x)->depth - gdpr_graph_far_end(y)->depth;

	return depth != 0 ? depth : strcmp(x->name, y->name);
}

static int
compare_relations(const ListCell *a, const ListCell *b)
{
	const GdprRelation *x = lfirst(a);
	const GdprRelation *y = lfirst(b);

	if (x->depth != y->depth)
		return x->depth - y->depth;
	return strcmp(x->label, y->label);
}

static void
collect_relations(GraphWork *work)
{
	for (int n = 0; n < work->walk.nnodes; n++)
	{
		if (work->walk.nodes[n].state != GDPR_WALK_OUTSIDE)
			work->map->relations = lappend(work->map->relations,
										   relation_of(work, n));
	}
	list_sort(work->map->relations, compare_relations);
}

static void
collect_links(GraphWork *work)
{
	int i = 0;
	ListCell *lc;

	foreach (lc, work->references)
	{
		GdprWalkEdge *edge = &work->walk.edges[i++];

		if (edge->used)
			work->map->links = lappend(work->map->links,
									   make_link(work, lfirst(lc), edge));
	}
	list_sort(work->map->links, compare_links);

	foreach (lc, work->map->links)
	{
		GdprLink *link = lfirst(lc);

		if (link->belongs == GDPR_BELONGS_OWNS)
			link->child->up = lappend(link->child->up, link);
		else if (link->belongs != GDPR_BELONGS_NONE)
			link->parent->down = lappend(link->parent->down, link);
	}
}

/* Tables with several inheritance parents could be under two relations. */
static void
part_leaves(GdprMap *map)
{
	List *seen = NIL;
	ListCell *lc;

	foreach (lc, map->relations)
	{
		GdprRelation *relation = lfirst(lc);

		relation->leaves = list_difference_oid(relation->leaves, seen);
		seen = list_concat(seen, relation->leaves);
	}
}

/*
 * Kept rows need a day to count from: their own, or a kept parent's.  Grows
 * the list of relations with one until nothing is added.
 */
static List *
relations_with_start(const GdprMap *map)
{
	List *result = NIL;
	int before;
	ListCell *lc;

	do
	{
		before = list_length(result);
		foreach (lc, map->links)
		{
			GdprLink *link = lfirst(lc);

			if (link->on_forget == GDPR_ACTION_KEEP &&
				(link->keep_since > 0 || list_member_ptr(result, link->parent)))
				result = list_append_unique_ptr(result, link->child);
		}
	} while (list_length(result) > before);
	return result;
}

static void
check_starts(GdprMap *map)
{
	List *started = relations_with_start(map);
	ListCell *lc;

	foreach (lc, map->links)
	{
		GdprLink *link = lfirst(lc);

		if (link->on_forget == GDPR_ACTION_KEEP && link->keep_since == 0 &&
			!list_member_ptr(started, link->parent))
		{
			link->on_forget = GDPR_ACTION_REVIEW;
			link->reason = "kept, but no date says since when";
		}
	}
}

static void
note_approval(GdprMap *map)
{
	GdprApproval *approval = gdpr_registry_approval(NameStr(map->kind));
	ListCell *lc;

	map->hash = gdpr_graph_hash(map);
	if (approval == NULL)
		return;
	map->approved = strcmp(approval->hash, map->hash) == 0;
	foreach (lc, map->links)
	{
		GdprLink *link = lfirst(lc);

		link->is_new = !gdpr_ident_is_among(approval->links, link->name);
		if (!link->is_new && link->on_forget != GDPR_ACTION_REVIEW)
			link->decided = true;
	}
}

static GdprDeclaredSubject *
find_subject(const char *kind)
{
	ListCell *lc;

	foreach (lc, gdpr_registry_subjects())
	{
		GdprDeclaredSubject *subject = lfirst(lc);

		if (strcmp(subject->kind, kind) == 0)
			return subject;
	}
	ereport(ERROR,
			(errcode(ERRCODE_GDPR_RELATION_NOT_DECLARED),
			 errmsg("subject kind \"%s\" is not declared", kind),
			 errhint("Declare it with gdpr.declare_subject().")));
}

static void
take_keys(GdprMap *map, const GdprDeclaredSubject *subject)
{
	ListCell *lc;

	map->keys = palloc(sizeof(AttrNumber) * Max(list_length(subject->key), 1));
	foreach (lc, subject->key)
	{
		AttrNumber attnum = get_attnum(subject->relid, lfirst(lc));

		if (attnum <= 0)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("a key column of subject kind \"%s\" no longer exists",
							subject->kind),
					 errhint("Declare the kind again with gdpr.declare_subject().")));
		map->keys[map->nkeys++] = attnum;
	}
}

GdprMap *
gdpr_graph_load(const char *kind)
{
	GdprDeclaredSubject *subject = find_subject(kind);
	GraphWork work = {0};
	GdprMap *map = palloc0(sizeof(*map));

	namestrcpy(&map->kind, subject->kind);
	take_keys(map, subject);

	work.map = map;
	work.inheritance = gdpr_reference_inheritance();
	work.references = gdpr_reference_load(work.inheritance);
	work.columns = gdpr_registry_columns();
	make_nodes(&work);
	work.walk.root = node_number(&work, subject->relid);
	make_edges(&work);
	gdpr_walk_run(&work.walk);

	map->root = relation_of(&work, work.walk.root);
	collect_relations(&work);
	collect_links(&work);
	part_leaves(map);
	check_starts(map);
	note_approval(map);
	gdpr_graph_note_facts(map, work.inheritance, work.references);
	return map;
}

List *
gdpr_graph_kinds(void)
{
	List *result = NIL;
	ListCell *lc;

	foreach (lc, gdpr_registry_subjects())
		result = lappend(result, ((GdprDeclaredSubject *) lfirst(lc))->kind);
	return result;
}

GdprRelation *
gdpr_graph_relation(const GdprMap *map, Oid leaf)
{
	ListCell *lc;

	foreach (lc, map->relations)
	{
		GdprRelation *relation = lfirst(lc);

		if (list_member_oid(relation->leaves, leaf))
			return relation;
	}
	return NULL;
}
