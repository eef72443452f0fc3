/*
 * graph.h
 *	  Who owns which row: the map of a subject kind.
 *
 * The map is built from pg_constraint, where every foreign key that touches
 * the walk proposes a link, and from the declarations of schema gdpr, which
 * add links and decide about proposed ones.  Export, forget and the views
 * about the map all use what gdpr_graph_load() returns.
 */
#ifndef GDPR_GRAPH_H
#define GDPR_GRAPH_H

#include "access/attnum.h"
#include "nodes/pg_list.h"

typedef enum GdprBelongs
{
	GDPR_BELONGS_OWNED,	 /* the child row is the subject's */
	GDPR_BELONGS_OWNS,	 /* the child row owns the parent row */
	GDPR_BELONGS_REFERS, /* the child row only mentions the subject */
	GDPR_BELONGS_NONE,
} GdprBelongs;

/* In order of precedence, weakest first: a row takes the strongest. */
typedef enum GdprAction
{
	GDPR_ACTION_NONE,
	GDPR_ACTION_DELETE,
	GDPR_ACTION_UNLINK,
	GDPR_ACTION_ANONYMISE,
	GDPR_ACTION_KEEP,
	GDPR_ACTION_REVIEW, /* undecided: blocks */
} GdprAction;

typedef enum GdprKeepFrom
{
	GDPR_KEEP_ROW,
	GDPR_KEEP_CALENDAR_YEAR_END,
	GDPR_KEEP_FISCAL_YEAR_END,
} GdprKeepFrom;

/*
 * A declared personal column.  It holds for the relation it was declared on
 * and everything below that (partitions, inheritance children); numbers may
 * differ below, names do not.
 */
typedef struct GdprColumn
{
	Oid relid;		   /* declared on */
	AttrNumber attnum; /* there */
	char *name;
	char *category;
	char *mask; /* as declared, NULL without one */
	bool keep;	/* on_forget => 'keep' */
	char *ground;
	char *label;
	char *origin; /* provided, observed, derived or NULL */
} GdprColumn;

/*
 * A relation of the map, always the topmost partitioned or inheritance
 * parent, also where links are stated on single partitions.  Leaves of
 * different relations are disjoint.
 */
typedef struct GdprRelation
{
	Oid relid;
	char *label; /* schema.relation, quoted where needed */
	char relkind;
	int depth;	  /* distance from the root */
	List *leaves; /* physical relations, as OIDs */
	int nprimary; /* primary or other not-null unique key */
	AttrNumber *primary;
	List *columns; /* GdprColumn, by relation and attnum */
	List *down;	   /* GdprLink whose parent this is, to walk */
	List *up;	   /* GdprLink "owns" whose child this is */
	char *warning; /* about the relation as a whole, or NULL */
} GdprRelation;

/*
 * The alias under which a link's predicate names the columns of its child;
 * the predicate is one expression, qualified for search_path pg_catalog.
 */
#define GDPR_GRAPH_CHILD_ALIAS "c"

typedef struct GdprLink
{
	char *name; /* child.column -> parent.column, quoted */
	GdprRelation *child;
	GdprRelation *parent;
	Oid child_relid;  /* stated on: the child or some partition */
	Oid parent_relid; /* stated on, likewise */
	bool parent_only; /* a foreign key to an inheritance parent sees
								 * ONLY its own rows */
	int ncolumns;
	AttrNumber *child_columns;	/* in child_relid */
	AttrNumber *parent_columns; /* in parent_relid */
	Oid *operators;				/* parent_column = child_column */
	Oid constraint;				/* InvalidOid: no foreign key states it */
	char on_delete;				/* confdeltype of the foreign key, or 0 */
	bool nullable;				/* some child column may be NULL */
	GdprBelongs belongs;
	GdprAction on_forget;
	bool export_rows; /* on_export full, not skip */
	bool decided;	  /* by a person: declared, or approved so */
	bool declared;	  /* a declaration stands for this link */
	bool is_new;	  /* not in the map that was approved last */
	char *predicate;  /* SQL over the child, NULL without one */
	char *reason;	  /* why the proposal is what it is */
	/* keep */
	char *ground;
	char *law;
	char *keep; /* interval as text */
	GdprKeepFrom keep_from;
	AttrNumber keep_since;	/* date column in child_relid, 0: parent's */
	GdprAction then_action; /* when the period is over: delete, anonymise */
	/* facts for the reader */
	char *index; /* serves the child columns; NULL: none */
	char *warning;
} GdprLink;

typedef struct GdprMap
{
	NameData kind;
	GdprRelation *root;
	int nkeys;
	AttrNumber *keys; /* key columns in the root */
	char *key_index;
	List *relations; /* GdprRelation, by depth then label */
	List *links;	 /* GdprLink, deterministic order; those with
								 * belongs "none" are here only, to be shown */
	bool approved;	 /* a person approved exactly this map */
	char *hash;		 /* 64 hex digits over all that matters */
} GdprMap;

/*
 * The map of a kind, in the current memory context.  Raises PD001-free errors
 * only: PD002 for an unknown kind.  Reads our tables with their owner's
 * rights and catalogs; touches no user's row.
 */
extern GdprMap *gdpr_graph_load(const char *kind);

/* Called when a person approved a map; may be NULL.  For higher ranks. */
extern void (*gdpr_graph_approved)(void);

/*
 * All kinds, as char *, by name.  A caller who was given no kind tries each.
 */
extern List *gdpr_graph_kinds(void);

/*
 * A relation as a map would have it, without one: for rules about tables that
 * belong to nobody.  The topmost parent of relid.
 */
extern GdprRelation *gdpr_graph_relation_alone(Oid relid);

/* The relation that a physical table belongs to, NULL when outside the map. */
extern GdprRelation *gdpr_graph_relation(const GdprMap *map, Oid leaf);

extern const char *gdpr_graph_belongs_name(GdprBelongs belongs);
extern const char *gdpr_graph_action_name(GdprAction action);

#endif /* GDPR_GRAPH_H */
