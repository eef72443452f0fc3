/*
 * rewrite.h
 *	  Comparisons of encrypted values, made answerable at plan time.
 */
#ifndef GDPR_REWRITE_H
#define GDPR_REWRITE_H

#include "nodes/pathnodes.h"

/*
 * Walks a query before the planner sees it.  Comparisons whose one side has a
 * context get the other side wrapped in gdpr.<type>_probe(); what cannot be
 * answered (mixed or unknown contexts in a join, GROUP BY, DISTINCT, UNION; an
 * ORDER BY on ciphertext) raises 0A000.  Changes the query in place, as the
 * planner does.
 */
extern void gdpr_rewrite_query(Query *query);

/*
 * The same for one query level that the planner is at work on, before it takes
 * its conditions apart: what came in by inlining SQL functions is seen here.
 */
extern void gdpr_rewrite_level(PlannerInfo *root, Oid relid);

/*
 * The context (type modifier) that a value of this expression has, looked for
 * below relabelling and domains; -1 when it cannot be known.
 */
extern int32 gdpr_rewrite_context(Node *expr);

/* May values of the two contexts be compared by their tags? */
extern bool gdpr_rewrite_same_domain(int32 left, int32 right);

/* Does the value differ from row to row, so that it could be hashed or sorted? */
extern bool gdpr_rewrite_has_rows(Node *expr);

/* Callbacks of every backend; called by _PG_init. */
extern void gdpr_rewrite_init(void);

#endif /* GDPR_REWRITE_H */
