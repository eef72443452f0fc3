/*
 * predicate.h
 *	  The condition on a link: which rows of the child it is about.
 */
#ifndef GDPR_PREDICATE_H
#define GDPR_PREDICATE_H

#include "nodes/nodes.h"

/* The alias of the child in the text that is stored. */
#define GDPR_PREDICATE_ALIAS "c"

/*
 * The predicate as one qualified expression that means the same under every
 * search_path.  Raises 42601 and others without repeating the text.
 */
extern char *gdpr_predicate_normalise(Oid relid, const char *text);

/*
 * The same for a row policy, which runs with the rights of whoever reads: it
 * may have subqueries and call what it likes.  Columns are those of the
 * relation by its own name.
 */
extern char *gdpr_predicate_filter(Oid relid, const char *text);

/*
 * Is what was stored still harmless?  A column may have another type by now,
 * and a name another meaning.  Raises as gdpr_predicate_normalise() does.
 */
extern void gdpr_predicate_check(Oid relid, const char *text);

/* The same, and the condition itself; the relation is its only one, number 1. */
extern Node *gdpr_predicate_condition(Oid relid, const char *text);

#endif /* GDPR_PREDICATE_H */
