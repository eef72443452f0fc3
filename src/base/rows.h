/*
 * rows.h
 *	  Row security that hides rows, and row security that does not.
 */
#ifndef GDPR_ROWS_H
#define GDPR_ROWS_H

#include "nodes/parsenodes.h"

/*
 * Would row security hide rows of the relation from the current user, who
 * does this to them (ACL_SELECT, ACL_UPDATE, ACL_DELETE)?  Not where policies
 * say "true" to him for each of these and none is restrictive.
 */
extern bool gdpr_rows_hidden(Oid relid, AclMode commands);

/*
 * From here on, statements run under row security and fail with 42501 when
 * they are planned, if it would hide rows from them: row_security = off in
 * better, since that refuses policies that hide nothing too.  Ends with
 * gdpr_rows_end(), or with the (sub)transaction when that is aborted.
 */
extern void gdpr_rows_begin(void);
extern void gdpr_rows_end(void);

/* Called by the planner's hook. */
extern void gdpr_rows_check(const Query *query);

/* Called by _PG_init. */
extern void gdpr_rows_init(void);

#endif /* GDPR_ROWS_H */
