/*
 * walk.c
 *	  Which relations belong to a subject kind, and what is proposed for each
 *	  reference.
 *
 * From the root the walk goes down every reference to an owned relation, and
 * one step up to the parents of owned relations.  Declared edges say what
 * they are; the others get a proposal.  A proposal never loses a row in
 * silence: where it is not plain what a reference means, it is a review, and
 * a review blocks erasure until a person decided.
 */
#include "base/compat.h"

#include "subject/walk.h"

/* Edges by parent and by child: offsets into one array of edge numbers. */
typedef struct Adjacency
{
	int *first; /* nnodes + 1 offsets */
	int *edges;
} Adjacency;

typedef struct WalkWork
{
	GdprWalk *walk;
	Adjacency down; /* edges whose parent is the node */
	Adjacency up;	/* edges whose child is the node */
	int *queue;
	int nqueue;
	int capacity;
	int done;	/* queue entries spread so far */
	int *order; /* nodes of the map, by depth */
	int norder;
	bool *firmly; /* per node: some reference always holds */
} WalkWork;

static int
edge_end(const GdprWalkEdge *edge, bool by_parent)
{
	return by_parent ? edge->parent : edge->child;
}

static void
index_edges(const GdprWalk *walk, bool by_parent, Adjacency *adjacency)
{
	int *fill = palloc0(sizeof(int) * (walk->nnodes + 1));

	adjacency->first = palloc0(sizeof(int) * (walk->nnodes + 1));
	adjacency->edges = palloc(sizeof(int) * Max(walk->nedges, 1));
	for (int i = 0; i < walk->nedges; i++)
		adjacency->first[edge_end(&walk->edges[i], by_parent) + 1]++;
	for (int n = 0; n < walk->nnodes; n++)
		adjacency->first[n + 1] += adjacency->first[n];
	for (int i = 0; i < walk->nedges; i++)
	{
		int n = edge_end(&walk->edges[i], by_parent);

		adjacency->edges[adjacency->first[n] + fill[n]++] = i;
	}
	pfree(fill);
}

/* A node's state only rises, so each is queued three times at most. */
static void
raise_node(WalkWork *work, int n, GdprWalkState state)
{
	GdprWalkNode *node = &work->walk->nodes[n];

	if (state <= node->state)
		return;
	node->state = state;
	Assert(work->nqueue < work->capacity);
	work->queue[work->nqueue++] = n;
}

/*
 * What the edge makes of its child.  Below a parent that is owned row by row,
 * only what is declared counts.
 */
static GdprWalkState
state_below(const GdprWalk *walk, const GdprWalkEdge *edge)
{
	GdprWalkState parent = walk->nodes[edge->parent].state;

	if (!edge->declared)
		return parent == GDPR_WALK_OWNED && !edge->steps_up ? GDPR_WALK_OWNED
															: GDPR_WALK_OUTSIDE;
	if (parent < GDPR_WALK_OWNS)
		return GDPR_WALK_OUTSIDE;
	switch (edge->belongs)
	{
		case GDPR_BELONGS_OWNED:
			return GDPR_WALK_OWNED;
		case GDPR_BELONGS_REFERS:
			return GDPR_WALK_LISTED;
		default:
			return GDPR_WALK_OUTSIDE;
	}
}

static bool
proposes_owns(const GdprWalk *walk, const GdprWalkEdge *edge)
{
	return !edge->declared &&
		   walk->nodes[edge->child].state == GDPR_WALK_OWNED &&
		   walk->nodes[edge->parent].state != GDPR_WALK_OWNED &&
		   edge->sharing != GDPR_SHARING_YES;
}

static bool
declares_owns(const GdprWalk *walk, const GdprWalkEdge *edge)
{
	return edge->declared && edge->belongs == GDPR_BELONGS_OWNS &&
		   walk->nodes[edge->child].state == GDPR_WALK_OWNED;
}

static void
spread_from(WalkWork *work, int n)
{
	GdprWalk *walk = work->walk;

	for (int i = work->down.first[n]; i < work->down.first[n + 1]; i++)
	{
		GdprWalkEdge *edge = &walk->edges[work->down.edges[i]];

		raise_node(work, edge->child, state_below(walk, edge));
	}
	for (int i = work->up.first[n]; i < work->up.first[n + 1]; i++)
	{
		GdprWalkEdge *edge = &walk->edges[work->up.edges[i]];

		if (declares_owns(walk, edge))
			raise_node(work, edge->parent, GDPR_WALK_OWNS);
	}
}

static void
spread(WalkWork *work)
{
	while (work->done < work->nqueue)
		spread_from(work, work->queue[work->done++]);
}

/*
 * One step up, after everything below is known.  An edge that brought its
 * parent in stays the link "owns", even when what is declared below the
 * parent leads back and makes it owned: nothing else would reach its rows.
 */
static bool
raise_parents(WalkWork *work)
{
	GdprWalk *walk = work->walk;
	int before = work->nqueue;

	for (int i = 0; i < walk->nedges; i++)
	{
		if (!proposes_owns(walk, &walk->edges[i]))
			continue;
		walk->edges[i].steps_up = true;
		raise_node(work, walk->edges[i].parent, GDPR_WALK_OWNS);
	}
	return work->nqueue > before;
}

static void
measure_node(WalkWork *work, int n, int depth)
{
	GdprWalkNode *node = &work->walk->nodes[n];

	if (node->depth >= 0)
		return;
	node->depth = depth;
	work->order[work->norder++] = n;
}

/*
 * Distances from the root, once all states are final: they must not depend
 * on the order of the edges, which is another after a restore.
 */
static void
measure_depths(WalkWork *work)
{
	GdprWalk *walk = work->walk;

	for (int n = 0; n < walk->nnodes; n++)
		walk->nodes[n].depth = -1;
	measure_node(work, walk->root, 0);
	for (int q = 0; q < work->norder; q++)
	{
		int n = work->order[q];
		int depth = walk->nodes[n].depth + 1;

		for (int i = work->down.first[n]; i < work->down.first[n + 1]; i++)
		{
			GdprWalkEdge *edge = &walk->edges[work->down.edges[i]];

			if (state_below(walk, edge) != GDPR_WALK_OUTSIDE)
				measure_node(work, edge->child, depth);
		}
		for (int i = work->up.first[n]; i < work->up.first[n + 1]; i++)
		{
			GdprWalkEdge *edge = &walk->edges[work->up.edges[i]];

			if (declares_owns(walk, edge) || edge->steps_up)
				measure_node(work, edge->parent, depth);
		}
	}
	for (int n = 0; n < walk->nnodes; n++)
		walk->nodes[n].depth = Max(walk->nodes[n].depth, 0);
}

/* Does the edge lead from an owned parent down to an owned child? */
static bool
is_down(const GdprWalk *walk, const GdprWalkEdge *edge)
{
	return state_below(walk, edge) == GDPR_WALK_OWNED;
}

/*
 * Tarjan's algorithm with a stack of its own: schemas nest deeper than the
 * C stack should.
 */
typedef struct Tarjan
{
	int *number; /* order of discovery, 0 is unseen */
	int *low;
	int *next; /* edge to look at next, per node */
	bool *on_stack;
	int *stack;
	int nstack;
	int *path;
	int npath;
	int counter;
	int ncomponents;
} Tarjan;

static void
tarjan_enter(WalkWork *work, Tarjan *t, int n)
{
	t->number[n] = t->low[n] = ++t->counter;
	t->next[n] = work->down.first[n];
	t->stack[t->nstack++] = n;
	t->on_stack[n] = true;
	t->path[t->npath++] = n;
}

static void
tarjan_leave(WalkWork *work, Tarjan *t, int n)
{
	int m;

	t->npath--;
	if (t->npath > 0)
	{
		int below = t->path[t->npath - 1];

		t->low[below] = Min(t->low[below], t->low[n]);
	}
	if (t->low[n] != t->number[n])
		return;
	t->ncomponents++;
	do
	{
		m = t->stack[--t->nstack];
		t->on_stack[m] = false;
		work->walk->nodes[m].component = t->ncomponents;
	} while (m != n);
}

static void
tarjan_from(WalkWork *work, Tarjan *t, int start)
{
	tarjan_enter(work, t, start);
	while (t->npath > 0)
	{
		int n = t->path[t->npath - 1];
		GdprWalkEdge *edge;

		if (t->next[n] == work->down.first[n + 1])
		{
			tarjan_leave(work, t, n);
			continue;
		}
		edge = &work->walk->edges[work->down.edges[t->next[n]++]];
		if (!is_down(work->walk, edge))
			continue;
		if (t->number[edge->child] == 0)
			tarjan_enter(work, t, edge->child);
		else if (t->on_stack[edge->child])
			t->low[n] = Min(t->low[n], t->number[edge->child]);
	}
}

static void
find_components(WalkWork *work)
{
	int n = work->walk->nnodes;
	Tarjan t = {0};

	t.number = palloc0(sizeof(int) * n);
	t.low = palloc0(sizeof(int) * n);
	t.next = palloc0(sizeof(int) * n);
	t.on_stack = palloc0(sizeof(bool) * n);
	t.stack = palloc0(sizeof(int) * n);
	t.path = palloc0(sizeof(int) * n);
	for (int i = 0; i < n; i++)
	{
		if (t.number[i] == 0)
			tarjan_from(work, &t, i);
	}
}

/*
 * In a cycle, a reference from a relation near the root to one farther from
 * it (customer.default_address_id) leads back to rows already reached.
 */
static bool
leads_back(const GdprWalk *walk, const GdprWalkEdge *edge)
{
	const GdprWalkNode *child = &walk->nodes[edge->child];
	const GdprWalkNode *parent = &walk->nodes[edge->parent];

	return child->component == parent->component &&
		   (child->depth < parent->depth || edge->child == walk->root);
}

static void
mark_firm(WalkWork *work)
{
	GdprWalk *walk = work->walk;

	work->firmly[walk->root] = true;
	for (int i = 0; i < walk->nedges; i++)
	{
		GdprWalkEdge *edge = &walk->edges[i];

		if (is_down(walk, edge) && edge->not_null &&
			edge->child != edge->parent && !leads_back(walk, edge))
			work->firmly[edge->child] = true;
	}
}

/* What hangs on a voucher is part of it: invoice lines, attachments. */
static void
spread_bookkeeping(WalkWork *work)
{
	GdprWalk *walk = work->walk;

	for (int q = 0; q < work->norder; q++)
	{
		int n = work->order[q];

		if (!walk->nodes[n].bookkeeping)
			continue;
		for (int i = work->down.first[n]; i < work->down.first[n + 1]; i++)
		{
			GdprWalkEdge *edge = &walk->edges[work->down.edges[i]];

			if (is_down(walk, edge) &&
				walk->nodes[edge->child].depth > walk->nodes[n].depth)
				walk->nodes[edge->child].bookkeeping = true;
		}
	}
}

/*
 * Has the child an earlier reference to the same parent?  Firm ones come
 * first.  Edges of one rank are one reference, stated on several partitions.
 */
static bool
is_second(const WalkWork *work, int number)
{
	const GdprWalk *walk = work->walk;
	const GdprWalkEdge *edge = &walk->edges[number];

	for (int i = work->up.first[edge->child];
		 i < work->up.first[edge->child + 1]; i++)
	{
		const GdprWalkEdge *o = &walk->edges[work->up.edges[i]];

		if (o->rank == edge->rank || o->parent != edge->parent)
			continue;
		if (o->declared)
		{
			if (o->belongs == GDPR_BELONGS_OWNED)
				return true;
		}
		else if (o->not_null != edge->not_null ? o->not_null
											   : o->rank < edge->rank)
			return true;
	}
	return false;
}

static void
propose(GdprWalkEdge *edge, GdprBelongs belongs, GdprAction on_forget,
		bool export_rows, const char *reason)
{
	edge->used = true;
	edge->belongs = belongs;
	edge->on_forget = on_forget;
	edge->export_rows = export_rows;
	edge->reason = reason;
}

static void
propose_down(WalkWork *work, int number)
{
	GdprWalk *walk = work->walk;
	GdprWalkEdge *edge = &walk->edges[number];
	bool firm = work->firmly[edge->child];

	if (edge->child == walk->root &&
		(edge->parent == walk->root || !leads_back(walk, edge)))
		propose(edge, GDPR_BELONGS_REFERS, GDPR_ACTION_REVIEW, false,
				"rows are other subjects of this kind");
	else if (leads_back(walk, edge) && firm)
		propose(edge, GDPR_BELONGS_NONE, GDPR_ACTION_NONE, false,
				"closes a cycle: leads back to rows already reached");
	else if (is_second(work, number))
		propose(edge, GDPR_BELONGS_REFERS, GDPR_ACTION_REVIEW, true,
				"a second reference to the same relation");
	else if (!edge->not_null && firm)
		propose(edge, GDPR_BELONGS_REFERS, GDPR_ACTION_REVIEW, true,
				"the reference may be null and the row has another owner");
	else if (!edge->not_null)
		propose(edge, GDPR_BELONGS_OWNED, GDPR_ACTION_REVIEW, true,
				"the reference may be null");
	else if (walk->nodes[edge->child].bookkeeping)
		propose(edge, GDPR_BELONGS_OWNED, GDPR_ACTION_REVIEW, true,
				"looks like bookkeeping");
	else
		propose(edge, GDPR_BELONGS_OWNED, GDPR_ACTION_DELETE, true,
				"the reference may not be null");
}

static void
propose_up(GdprWalkEdge *edge)
{
	if (edge->sharing == GDPR_SHARING_YES)
		propose(edge, GDPR_BELONGS_NONE, GDPR_ACTION_NONE, false,
				"a parent shared by several rows");
	else if (edge->sharing == GDPR_SHARING_NO)
		propose(edge, GDPR_BELONGS_OWNS, GDPR_ACTION_REVIEW, true,
				"a parent that no two rows share now");
	else
		propose(edge, GDPR_BELONGS_OWNS, GDPR_ACTION_REVIEW, true,
				"a parent not yet looked at, or not readable");
}

static void
settle_declared(GdprWalk *walk, GdprWalkEdge *edge)
{
	GdprWalkState child = walk->nodes[edge->child].state;
	GdprWalkState parent = walk->nodes[edge->parent].state;

	edge->reason = "declared";
	switch (edge->belongs)
	{
		case GDPR_BELONGS_OWNED:
		case GDPR_BELONGS_REFERS:
			edge->used = parent >= GDPR_WALK_OWNS;
			break;
		case GDPR_BELONGS_OWNS:
			edge->used = child == GDPR_WALK_OWNED;
			break;
		case GDPR_BELONGS_NONE:
			edge->used = child == GDPR_WALK_OWNED || parent == GDPR_WALK_OWNED;
			break;
	}
}

static void
settle_edges(WalkWork *work)
{
	GdprWalk *walk = work->walk;

	for (int i = 0; i < walk->nedges; i++)
	{
		GdprWalkEdge *edge = &walk->edges[i];

		if (edge->declared)
			settle_declared(walk, edge);
		else if (is_down(walk, edge))
			propose_down(work, i);
		else if (walk->nodes[edge->child].state == GDPR_WALK_OWNED)
			propose_up(edge);
	}
}

void
gdpr_walk_run(GdprWalk *walk)
{
	WalkWork work = {0};

	work.walk = walk;
	index_edges(walk, true, &work.down);
	index_edges(walk, false, &work.up);
	work.capacity = 3 * walk->nnodes;
	work.queue = palloc(sizeof(int) * Max(work.capacity, 1));
	work.order = palloc(sizeof(int) * walk->nnodes);
	work.firmly = palloc0(sizeof(bool) * walk->nnodes);

	raise_node(&work, walk->root, GDPR_WALK_OWNED);
	do
	{
		spread(&work);
	} while (raise_parents(&work));
	measure_depths(&work);
	find_components(&work);
	spread_bookkeeping(&work);
	mark_firm(&work);
	settle_edges(&work);
}
