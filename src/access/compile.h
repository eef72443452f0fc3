/*
 * compile.h
 *	  A rule as grants and row policies.
 */
#ifndef GDPR_ACCESS_COMPILE_H
#define GDPR_ACCESS_COMPILE_H

#include "access/rule.h"

/*
 * All rules of a relation: row security on it and its parts, for the owner too,
 * grants and policies.  What was before is remembered once.
 */
extern void gdpr_compile_relation(Oid relation);

/* Grants and policies of a rule, in place of those that it had. */
extern void gdpr_compile_rule(const GdprAccessRule *rule);

/* Takes the policies of a rule, by number, or all of ours. */
extern void gdpr_compile_drop_policies(Oid relation, int64 rule);

/* Is it one of ours?  The number of its rule, 0 if not. */
extern int64 gdpr_compile_policy_rule(const char *policy);

/*
 * The condition on a subject's own rows, over the relation's columns: "a =
 * (SELECT gdpr.own_key(...))".  PD002 when no key of the kind is in them.
 */
extern char *gdpr_own_condition(Oid relation, const char *kind);

#endif /* GDPR_ACCESS_COMPILE_H */
