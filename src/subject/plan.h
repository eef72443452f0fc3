/*
 * plan.h
 *	  The rows of one person and what happens to each.
 *
 * Export and forget both run the plan: gdpr_plan_walk() finds the rows,
 * gdpr_plan_decide() says what forget does with each and what stands in the
 * way.  Rows are known by physical relation and ctid, so a row that many paths
 * reach is one row, with one action.
 */
#ifndef GDPR_PLAN_H
#define GDPR_PLAN_H

#include "access/attnum.h"
#include "mask/mask.h"
#include "nodes/pg_list.h"
#include "storage/itemptr.h"
#include "subject/graph.h"
#include "subject/key.h"
#include "subject/statement.h"
#include "utils/date.h"
#include "utils/hsearch.h"

typedef enum GdprPlanMode
{
	GDPR_PLAN_EXPORT, /* one snapshot, errors for missing rights */
	GDPR_PLAN_SHOW,	  /* missing rights become blockers */
	GDPR_PLAN_FORGET, /* likewise, and rows are locked */
} GdprPlanMode;

typedef struct GdprPlanLeaf GdprPlanLeaf;
typedef struct GdprPlanRow GdprPlanRow;

typedef struct GdprRowId
{
	Oid leaf;
	ItemPointerData tid;
} GdprRowId;

struct GdprPlanRow
{
	GdprRowId id; /* hash key; padding is zero */
	GdprPlanLeaf *leaf;
	ItemPointerData now; /* its present address: updates move rows */
	bool owned;			 /* the subject's: the walk goes on from it */
	bool owns;			 /* a parent, reached by an "owns" link only */
	bool queued;
	bool exported;
	bool shared;  /* others need the parent: it is left alone */
	bool reduced; /* to be deleted, but a row that stays needs it */
	GdprAction action;
	GdprAction then_action; /* when it is kept no longer */
	GdprLink *link;			/* that decided; NULL for the root */
	List *unlinks;			/* GdprLink, to be set null when the row stays */
	int rank;				/* of the action among the links' */
	bool has_base;
	DateADT base; /* what the period of a kept row counts from */
	bool has_until;
	DateADT until;
	bool endless;		/* kept, with no date to count from */
	bool ended;			/* its period is over, or that of a row below */
	const char *ground; /* of keeping, NULL without one */
	const char *reason; /* where it is not the link's */
	bool pending;		/* its update would change something */
	bool waiting;		/* execute.c: its children go first */
	bool placed;
	char *identity; /* primary key as text, where pseudonyms need it */
};

/* The rows of one physical relation. */
struct GdprPlanLeaf
{
	Oid relid;
	GdprRelation *relation;
	bool direct;		/* statements name it, else the parent */
	GdprPlanRow **rows; /* in order of discovery */
	int nrows;
	int capacity;
	GdprPlanRow **queue; /* owned rows whose links are not followed yet */
	int nqueue;
	int queue_capacity;
};

/* Rows of one leaf that are changed by one statement. */
typedef struct GdprPlanUpdate
{
	GdprPlanLeaf *leaf;
	bool masked;   /* declared columns take their masks */
	bool ended;	   /* and those too that were kept for a ground */
	List *unlinks; /* GdprLink */
	GdprPlanRow **rows;
	int nrows;
	int capacity;
	List *sets; /* GdprPlanSet */
} GdprPlanUpdate;

/* One column of an update. */
typedef struct GdprPlanSet
{
	AttrNumber attnum; /* in the leaf */
	GdprMask mask;
	Datum *pseudonyms; /* text by row of the update; NULL: none */
	bool random;	   /* another one each time */
} GdprPlanSet;

/* A reference between two rows of the plan. */
typedef struct GdprPlanEdge
{
	GdprPlanRow *child;
	GdprPlanRow *parent;
	GdprLink *link; /* or ... */
	Oid constraint; /* ... a foreign key that is no link */
	bool has_since;
	DateADT since; /* the child's date that keeping counts from */
} GdprPlanEdge;

/* A foreign key, or an "owns" link that none states, that refers to a leaf. */
typedef struct GdprPlanReference
{
	Oid constraint; /* InvalidOid: the link */
	GdprLink *link;
	Oid child; /* relation that refers */
	bool child_only;
	char on_delete;
	bool can_be_null; /* SET NULL would succeed */
	char *join;		  /* of aliases p and c */
} GdprPlanReference;

/* Rows outside the plan that refer to one of its rows. */
typedef struct GdprPlanOutside
{
	GdprPlanRow *parent;
	GdprPlanReference *reference;
	int64 rows;
} GdprPlanOutside;

/* Something that stands in the way of forget, or is worth a line. */
typedef struct GdprPlanNote
{
	Oid relid;
	const char *action;
	int64 rows; /* -1: not known */
	char *reason;
	char *blocker; /* NULL: only worth a line */
	bool hold;	   /* that is a legal hold */
} GdprPlanNote;

typedef struct GdprPlan
{
	MemoryContext context;
	GdprMap *map;
	GdprSubject *subject;
	GdprPlanMode mode;
	int nroots;		 /* rows that the walk starts from */
	HTAB *rows;		 /* GdprPlanRow by GdprRowId */
	List *leaf_list; /* in order of discovery */
	GdprPlanEdge *edges;
	int nedges;
	int edge_capacity;
	List *outside; /* GdprPlanOutside */
	List *backed;  /* GdprLink with a foreign key on some partition */
	List *updates; /* GdprPlanUpdate */
	List *notes;   /* GdprPlanNote */
	List *denied;  /* relations whose lack was noted */
} GdprPlan;

/* plan_walk.c: the rows.  Everything lies in the current memory context. */
extern GdprPlan *gdpr_plan_walk(GdprSubject *subject, GdprPlanMode mode);

/*
 * The same from many rows of one relation, which are to be deleted; the plan is
 * of no one person.
 */
extern GdprPlan *gdpr_plan_walk_rows(GdprMap *map, GdprRelation *relation,
									 Oid leaf, const ItemPointerData *tids,
									 int ntids, GdprPlanMode mode);

/* An empty plan, and what it is filled with. */
extern GdprPlan *gdpr_plan_new(GdprSubject *subject, GdprPlanMode mode);
extern GdprPlanLeaf *gdpr_plan_leaf(GdprPlan *plan, GdprRelation *relation,
									Oid relid);
extern GdprPlanRow *gdpr_plan_add_row(GdprPlan *plan, GdprRelation *relation,
									  Oid relid, ItemPointer tid);

/* The row at an address, NULL when it is not the plan's. */
extern GdprPlanRow *gdpr_plan_row(GdprPlan *plan, Oid leaf, ItemPointer tid);

/* A reference that was found; the entry, for the caller to complete. */
extern GdprPlanEdge *gdpr_plan_edge(GdprPlan *plan, GdprPlanRow *child,
									GdprPlanRow *parent);

/* Is the link stated on the leaf or above it? */
extern bool gdpr_plan_covers(Oid relid, bool only, const GdprPlanLeaf *leaf);

/* plan_sql.c: text shared by all statements of the plan. */

/*
 * "relation AS alias", naming the leaf or, where the caller has rights on the
 * topmost parent only, that; the condition that picks the leaf's rows by tid
 * is appended by gdpr_plan_where.
 */
extern char *gdpr_plan_from(const GdprPlanLeaf *leaf, const char *alias);
extern char *gdpr_plan_where(const GdprPlanLeaf *leaf, const char *alias,
							 int arg);

/* The same with an expression in the place of the argument. */
extern char *gdpr_plan_where_tid(const GdprPlanLeaf *leaf, const char *alias,
								 const char *tids);

/* tid[] of rows; only those that keep() accepts, all when NULL. */
extern Datum gdpr_plan_tids(GdprPlanRow **rows, int nrows,
							bool (*keep)(const GdprPlanRow *row));

/*
 * "relation AS alias" of a whole relation below top.  Where the caller has
 * rights on top only, that is named, and condition is "AND ..." on it.
 */
extern char *gdpr_plan_source(Oid relid, Oid top, const char *alias,
							  char **condition);

/* "parent.column = child.column AND ..." of a link. */
extern char *gdpr_plan_join(const GdprLink *link, const char *parent,
							const char *child);

/* May the caller read the relation's rows, all of them? */
extern bool gdpr_plan_readable(GdprPlan *plan, Oid relid, const char *action);

extern void gdpr_plan_block(GdprPlan *plan, Oid relid, const char *action,
							int64 rows, const char *reason,
							const char *blocker);

/* plan_decide.c: actions, updates and blockers. */
extern void gdpr_plan_decide(GdprPlan *plan);
extern const char *gdpr_plan_action_name(const GdprPlanRow *row);
extern bool gdpr_plan_is_deleted(const GdprPlanRow *row);
extern bool gdpr_plan_is_blocked(const GdprPlan *plan);

/* Does forget change the row, or only keep it from being deleted? */
extern bool gdpr_plan_is_masked(const GdprPlanRow *row);

/*
 * plan_outside.c: which parents are shared with others; and the references
 * that deleting would meet.
 */
extern void gdpr_plan_find_shared(GdprPlan *plan);
extern void gdpr_plan_find_references(GdprPlan *plan);

/*
 * plan_until.c: how long kept rows are kept, first; those whose period is over
 * take what follows.  Then, what stays with them.
 */
extern void gdpr_plan_end_keeping(GdprPlan *plan);
extern void gdpr_plan_find_until(GdprPlan *plan);

/* The day that periods are compared with. */
extern DateADT gdpr_plan_today(void);

/* The last day of which a period of the link that counts from it is over. */
extern DateADT gdpr_plan_last_over(const GdprLink *link);

/* plan_update.c: what changes in rows that stay. */
extern void gdpr_plan_find_updates(GdprPlan *plan);

/*
 * The update as "SELECT ..." or "UPDATE ..." needs it: the sets, where the
 * pseudonyms come from (NULL: nowhere), and which rows.  Arguments are added.
 */
typedef struct GdprPlanText
{
	char *sets;
	char *values;
	char *where;
} GdprPlanText;

extern void gdpr_plan_update_text(const GdprPlanUpdate *update,
								  bool pending_only, GdprArgs *args,
								  GdprPlanText *text);

/*
 * How many rows the update would change, looked at again; marks them when
 * mark.  Pseudonyms that are random count only when mark.
 */
extern int64 gdpr_plan_find_pending(GdprPlan *plan, GdprPlanUpdate *update,
									bool mark);

/* Is the column among the update's, and the value it gets. */
extern bool gdpr_plan_has_set(const GdprPlanUpdate *update, AttrNumber attnum);
extern char *gdpr_plan_set_value(const GdprPlanUpdate *update,
								 const GdprPlanSet *set, int number);

/*
 * A masking update of a leaf without rows yet, for callers that pick the rows
 * by their own condition; what stands in the way is among the plan's notes.
 */
extern GdprPlanUpdate *gdpr_plan_update_alone(GdprPlan *plan,
											  GdprRelation *relation, Oid leaf);

/* Fills it with rows; the pseudonyms are made for them. */
extern void gdpr_plan_update_rows(GdprPlan *plan, GdprPlanUpdate *update,
								  const ItemPointerData *tids, int ntids);

/* Has it masks that are another value in every row? */
extern bool gdpr_plan_update_is_per_row(const GdprPlanUpdate *update);

/* "c.a = ..., ..." and "would change", NULL when nothing can tell. */
extern char *gdpr_plan_update_sets(const GdprPlanUpdate *update);
extern char *gdpr_plan_update_pending(const GdprPlanUpdate *update);

/* hold.c: rows that somebody forbade to touch block the plan. */
extern void gdpr_plan_block_holds(GdprPlan *plan);

/* plan_check.c */
extern void gdpr_plan_find_broken_checks(GdprPlan *plan,
										 GdprPlanUpdate *update);

#endif /* GDPR_PLAN_H */
