/*
 * privilege.h
 *	  Privileges and row security of a relation and its parts, as they were and
 *	  as a rule has them.
 */
#ifndef GDPR_ACCESS_PRIVILEGE_H
#define GDPR_ACCESS_PRIVILEGE_H

#include "access/attnum.h"
#include "access/rule.h"

/* The relation and everything below it: tables only. */
extern List *gdpr_privilege_parts(Oid relation);

/* How many columns the relation has, dropped ones too. */
extern AttrNumber gdpr_privilege_columns(Oid relid);

/* Remembers what they look like now; nothing when that is remembered already. */
extern void gdpr_privilege_remember(Oid relation, Oid part);

/* Roles with a grant of their own on the relation, a column or a part; the owner. */
extern List *gdpr_privilege_grantees(Oid relation);

/*
 * Takes everything that a role was granted on the relation and its parts, by
 * whomever.  2BP01 when it has passed any of it on.
 */
extern void gdpr_privilege_take(Oid relation, Oid role);

/* Adds a grant by the owner, on the relation or (attnum > 0) on one column. */
extern void gdpr_privilege_give(Oid relation, AttrNumber attnum, Oid role,
								AclMode privileges);

/* As they were when they were remembered; roles are those under rules. */
extern void gdpr_privilege_restore(Oid relation, const List *roles);

#endif /* GDPR_ACCESS_PRIVILEGE_H */
