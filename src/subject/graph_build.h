/*
 * graph_build.h
 *	  What the files that build a map share.
 */
#ifndef GDPR_GRAPH_BUILD_H
#define GDPR_GRAPH_BUILD_H

#include "subject/graph.h"
#include "subject/reference.h"

/* bookkeeping.c */
extern bool gdpr_bookkeeping_suspect(Oid relid);

/* graph_relation.c: leaves, key and declared columns of a relation */
extern GdprRelation *gdpr_graph_describe(GdprInheritance *inheritance,
										 Oid relid, List *declared_columns);

/*
 * The relation that a link brings in: the child, or the parent for "owns" and
 * for the step up that leads nowhere.
 */
extern GdprRelation *gdpr_graph_far_end(const GdprLink *link);

/* graph_facts.c: indexes and warnings of a finished map */
extern void gdpr_graph_note_facts(GdprMap *map, GdprInheritance *inheritance,
								  List *references);

/* graph_hash.c */
extern char *gdpr_graph_link_name(const GdprLink *link);
extern char *gdpr_graph_hash(const GdprMap *map);

/* column names of a relation in parentheses, or one name without */
extern char *gdpr_graph_column_list(Oid relid, int ncolumns,
									const AttrNumber *columns);

#endif /* GDPR_GRAPH_BUILD_H */
