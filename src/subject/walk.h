/*
 * walk.h
 *	  Which relations belong to a subject kind, over a graph in memory.
 *
 * Pure: numbers in, numbers out; no catalog, no SPI.  graph.c fills the
 * nodes and edges from the catalogs, a fuzz test fills them at random.
 */
#ifndef GDPR_WALK_H
#define GDPR_WALK_H

#include "subject/graph.h"

typedef enum GdprWalkState
{
	GDPR_WALK_OUTSIDE,
	GDPR_WALK_LISTED, /* rows mention the subject; walk ends here */
	GDPR_WALK_OWNS,	  /* a parent that owned rows have for themselves */
	GDPR_WALK_OWNED,  /* rows are the subject's; walk goes on */
} GdprWalkState;

typedef enum GdprSharingState
{
	GDPR_SHARING_UNKNOWN, /* never looked at, or not readable */
	GDPR_SHARING_NO,
	GDPR_SHARING_YES,
} GdprSharingState;

typedef struct GdprWalkNode
{
	bool bookkeeping; /* in: looks like it; out: or hangs on one */
	/* out */
	GdprWalkState state;
	int depth;
	int component; /* strongly connected component */
} GdprWalkNode;

typedef struct GdprWalkEdge
{
	int child;
	int parent;
	int rank;				  /* by columns; the same on all partitions */
	bool not_null;			  /* no child column may be null */
	GdprSharingState sharing; /* of the parent's rows */
	bool declared;			  /* the three below are input then */
	GdprBelongs belongs;
	GdprAction on_forget;
	bool export_rows;
	/* out */
	bool used;	   /* part of the map */
	bool steps_up; /* the parent is in the map by this edge */
	const char *reason;
} GdprWalkEdge;

typedef struct GdprWalk
{
	int nnodes;
	GdprWalkNode *nodes;
	int nedges;
	GdprWalkEdge *edges;
	int root;
} GdprWalk;

extern void gdpr_walk_run(GdprWalk *walk);

#endif /* GDPR_WALK_H */
