/*
 * walk.c
 *	  Random graphs of relations: whatever the references are, no row is lost
 *	  in silence, nothing doubtful is deleted unasked, and the answer does not
 *	  depend on the order in which the catalog gave them.
 */
/* fuzz: src/subject/walk.c */
#include "base/compat.h"

#include "server.h"
#include "subject/walk.h"

#include <stdlib.h>

#define MAX_NODES 24
#define MAX_EDGES 96

static bool reaches[MAX_NODES][MAX_NODES];

/* Four bytes an edge: two ends, rank and flags, declaration. */
static int
read_edges(const uint8_t *data, size_t size, int nnodes, GdprWalkEdge *edges)
{
	int n = Min((int) (size / 4), MAX_EDGES);

	for (int i = 0; i < n; i++, data += 4)
	{
		GdprWalkEdge *edge = &edges[i];

		memset(edge, 0, sizeof(*edge));
		edge->child = data[0] % nnodes;
		edge->parent = data[1] % nnodes;
		edge->rank = data[2] & 0x07;
		edge->not_null = (data[2] & 0x08) != 0;
		edge->sharing = (data[2] >> 4) % 3;
		edge->declared = (data[3] & 0x03) == 0;
		edge->belongs = (data[3] >> 2) % 4;
		edge->on_forget = edge->belongs == GDPR_BELONGS_NONE
							  ? GDPR_ACTION_NONE
							  : 1 + (data[3] >> 4) % 4;
		edge->export_rows = (data[3] & 0x80) != 0;
	}
	return n;
}

static bool
leads_down(const GdprWalk *walk, const GdprWalkEdge *edge)
{
	GdprWalkState parent = walk->nodes[edge->parent].state;

	return edge->declared
			   ? edge->belongs == GDPR_BELONGS_OWNED && parent >= GDPR_WALK_OWNS
			   : parent == GDPR_WALK_OWNED && !edge->steps_up;
}

static void
check_components(const GdprWalk *walk)
{
	int n = walk->nnodes;

	memset(reaches, 0, sizeof(reaches));
	for (int i = 0; i < n; i++)
		reaches[i][i] = true;
	for (int i = 0; i < walk->nedges; i++)
	{
		if (leads_down(walk, &walk->edges[i]))
			reaches[walk->edges[i].parent][walk->edges[i].child] = true;
	}
	for (int k = 0; k < n; k++)
		for (int i = 0; i < n; i++)
			for (int j = 0; j < n; j++)
				reaches[i][j] |= reaches[i][k] && reaches[k][j];
	for (int i = 0; i < n; i++)
		for (int j = 0; j < n; j++)
			FUZZ_ASSERT(
				(walk->nodes[i].component == walk->nodes[j].component) ==
				(reaches[i][j] && reaches[j][i]));
}

/* Some link that is not "none" brings each relation of the map in. */
static void
check_node(const GdprWalk *walk, int n)
{
	const GdprWalkNode *node = &walk->nodes[n];
	bool owned = false;
	bool near = n == walk->root;

	for (int i = 0; i < walk->nedges; i++)
	{
		const GdprWalkEdge *edge = &walk->edges[i];

		if (!edge->used || edge->belongs == GDPR_BELONGS_NONE)
			continue;
		if (edge->belongs == GDPR_BELONGS_OWNS)
		{
			if (edge->parent == n)
				near |= walk->nodes[edge->child].depth < node->depth;
			continue;
		}
		if (edge->child != n)
			continue;
		near |= walk->nodes[edge->parent].depth < node->depth;
		owned |= edge->belongs == GDPR_BELONGS_OWNED;
	}
	FUZZ_ASSERT(near || node->state == GDPR_WALK_OUTSIDE);
	FUZZ_ASSERT(owned || node->state != GDPR_WALK_OWNED || n == walk->root);
}

static void
check_edge(const GdprWalk *walk, const GdprWalkEdge *edge)
{
	GdprWalkState child = walk->nodes[edge->child].state;
	GdprWalkState parent = walk->nodes[edge->parent].state;

	if (leads_down(walk, edge))
		FUZZ_ASSERT(child == GDPR_WALK_OWNED && edge->used);
	if (edge->used)
	{
		FUZZ_ASSERT(edge->reason != NULL);
		FUZZ_ASSERT(child >= GDPR_WALK_OWNS || parent >= GDPR_WALK_OWNS);
	}
	if (edge->declared)
		return;
	FUZZ_ASSERT(edge->used ==
				(child == GDPR_WALK_OWNED || parent == GDPR_WALK_OWNED));
	if (!edge->used)
		return;
	if (edge->on_forget == GDPR_ACTION_DELETE)
		FUZZ_ASSERT(edge->not_null && edge->belongs == GDPR_BELONGS_OWNED &&
					!walk->nodes[edge->child].bookkeeping &&
					edge->child != walk->root);
	else if (edge->belongs == GDPR_BELONGS_NONE)
		FUZZ_ASSERT(edge->on_forget == GDPR_ACTION_NONE &&
					(!leads_down(walk, edge)
						 ? edge->sharing == GDPR_SHARING_YES
						 : reaches[edge->child][edge->parent]));
	else
		FUZZ_ASSERT(edge->on_forget == GDPR_ACTION_REVIEW);
}

/* The same edges the other way round give the same answer. */
static void
check_order(const GdprWalk *walk, const GdprWalkEdge *original,
			const bool *bookkeeping)
{
	GdprWalkNode nodes[MAX_NODES];
	GdprWalkEdge edges[MAX_EDGES];
	GdprWalk again = *walk;
	int n = walk->nedges;

	memset(nodes, 0, sizeof(nodes));
	again.nodes = nodes;
	again.edges = edges;
	for (int i = 0; i < walk->nnodes; i++)
		nodes[i].bookkeeping = bookkeeping[i];
	for (int i = 0; i < n; i++)
		edges[i] = original[n - 1 - i];
	gdpr_walk_run(&again);
	for (int i = 0; i < walk->nnodes; i++)
		FUZZ_ASSERT(nodes[i].state == walk->nodes[i].state &&
					nodes[i].depth == walk->nodes[i].depth &&
					nodes[i].bookkeeping == walk->nodes[i].bookkeeping);
	for (int i = 0; i < n; i++)
	{
		const GdprWalkEdge *one = &walk->edges[i];
		const GdprWalkEdge *other = &edges[n - 1 - i];

		FUZZ_ASSERT(one->used == other->used &&
					one->belongs == other->belongs &&
					one->on_forget == other->on_forget &&
					one->export_rows == other->export_rows);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	GdprWalkNode nodes[MAX_NODES];
	GdprWalkEdge edges[MAX_EDGES];
	GdprWalkEdge original[MAX_EDGES];
	bool bookkeeping[MAX_NODES];
	GdprWalk walk = {0};

	if (size < 4)
		return 0;
	memset(nodes, 0, sizeof(nodes));
	walk.nnodes = 1 + data[0] % MAX_NODES;
	walk.root = data[1] % walk.nnodes;
	for (int i = 0; i < walk.nnodes; i++)
		bookkeeping[i] = nodes[i].bookkeeping = i != walk.root &&
												((data[2 + (i & 1)] >>
												  (i >> 1) % 8) &
												 1);
	walk.nodes = nodes;
	walk.edges = edges;
	walk.nedges = read_edges(data + 4, size - 4, walk.nnodes, edges);
	memcpy(original, edges, sizeof(edges));

	if (FUZZ_TRY())
	{
		gdpr_walk_run(&walk);
		FUZZ_ASSERT(nodes[walk.root].state == GDPR_WALK_OWNED &&
					nodes[walk.root].depth == 0);
		check_components(&walk);
		for (int i = 0; i < walk.nnodes; i++)
			check_node(&walk, i);
		for (int i = 0; i < walk.nedges; i++)
			check_edge(&walk, &edges[i]);
		check_order(&walk, original, bookkeeping);
	}
	fuzz_reset();
	return 0;
}
