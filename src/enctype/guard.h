/*
 * guard.h
 *	  DDL that would lose encrypted values or show them.
 */
#ifndef GDPR_GUARD_H
#define GDPR_GUARD_H

#include "nodes/parsenodes.h"

/* Before a utility statement: refuses ALTER TYPE away from an encrypted type. */
extern void gdpr_guard_utility(Node *statement);

/* object_access_hook: refuses to drop types in use and tables that hold rows. */
extern void gdpr_guard_drop(Oid class, Oid object, int column);

/*
 * Takes ANALYZE off columns and index expressions that would show values in
 * pg_statistic; inside the scope of the extension's own SQL.
 */
extern void gdpr_guard_statistics(Oid relid);

/*
 * While true, ALTER TYPE away is allowed, and columns that are renamed or
 * dropped take no declaration along: a conversion is at work.  Returns the
 * value before, which the caller restores in PG_FINALLY.
 */
extern bool gdpr_guard_set_converting(bool converting);
extern bool gdpr_guard_is_converting(void);

#endif /* GDPR_GUARD_H */
