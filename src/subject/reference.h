/*
 * reference.h
 *	  Every reference of the database: foreign keys and declared links.
 */
#ifndef GDPR_REFERENCE_H
#define GDPR_REFERENCE_H

#include "access/attnum.h"
#include "registry/registry.h"
#include "utils/hsearch.h"

typedef struct GdprReference
{
	Oid child; /* stated on; some partition perhaps */
	Oid parent;
	Oid child_top; /* topmost parents of the two */
	Oid parent_top;
	int ncolumns;
	AttrNumber *child_columns;
	AttrNumber *parent_columns;
	Oid *operators; /* parent = child */
	Oid constraint; /* InvalidOid without a foreign key */
	char on_delete;
	int nset_null; /* ON DELETE SET NULL (columns) */
	AttrNumber *set_null;
	bool parent_only;
	bool not_null;				/* no child column may be null */
	GdprDeclaredLink *declared; /* NULL without a decision */
	int rank;
} GdprReference;

/* pg_inherits in memory: from a child to its parents. */
typedef struct GdprInheritance GdprInheritance;

extern GdprInheritance *gdpr_reference_inheritance(void);

/*
 * The topmost parent.  A table with several parents is its own: it has no
 * one place under which its rows could be shown.
 */
extern Oid gdpr_reference_top(GdprInheritance *inheritance, Oid relid);
extern bool gdpr_reference_is_below(GdprInheritance *inheritance, Oid relid,
									Oid ancestor);
extern bool gdpr_reference_has_children(GdprInheritance *inheritance,
										Oid relid);

/* All references, decisions merged in, subsumed ones left out. */
extern List *gdpr_reference_load(GdprInheritance *inheritance);

#endif /* GDPR_REFERENCE_H */
