/*
 * redact_scope.h
 *	  Does the statement that runs touch encrypted columns?
 */
#ifndef GDPR_REDACT_SCOPE_H
#define GDPR_REDACT_SCOPE_H

#include "nodes/params.h"
#include "nodes/plannodes.h"

/*
 * May a statement of this database have to do with encrypted columns?  With
 * look, the catalogs are asked where that is not known; otherwise the answer is
 * yes then.
 */
extern bool gdpr_redact_scope_database(bool look);

/* Has the client's command touched an encrypted column or made a value so far? */
extern bool gdpr_redact_scope_touched(void);

/* Has a plan of the client's command run? */
extern bool gdpr_redact_scope_ran(void);

/* It has touched one. */
extern void gdpr_redact_scope_touch(void);

/* A plan is about to run; a utility statement always counts. */
extern void gdpr_redact_scope_plan(PlannedStmt *plan, ParamListInfo parameters);
extern void gdpr_redact_scope_utility(void);

/* Shared memory; the callbacks of every backend, called by _PG_init. */
extern Size gdpr_redact_scope_shmem_size(void);
extern void gdpr_redact_scope_shmem_startup(void);
extern void gdpr_redact_scope_init(void);

#endif /* GDPR_REDACT_SCOPE_H */
