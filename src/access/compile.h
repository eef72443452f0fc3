/*
 * compile.h
 *	  A rule as grants and row policies.
 */
#ifndef GDPR_ACCESS_COMPILE_H
#define GDPR_ACCESS_COMPILE_H

#include "access/rule.h"

/* Row security on one relation, for the owner too. */
extern void gdpr_compile_close(Oid part);

/* Grants and policies of a rule, in place of those that it had. */
extern void gdpr_compile_rule(const GdprAccessRule *rule);

/* The grants alone; a rule that keeps has none. */
extern void gdpr_compile_grants(const GdprAccessRule *rule);

/* The policies of a rule that keeps, on a part that came later. */
extern void gdpr_compile_keep(const GdprAccessRule *rule, Oid part);

/* Takes the policies of a rule, by number, or all (0) of ours, of all parts. */
extern void gdpr_compile_drop_policies(Oid relation, int64 rule);

/* 55000 when the part, or one of its own, has policies not of the relation's rules. */
extern void gdpr_compile_check_policies(Oid relation, Oid part);

/* Is it one of ours?  The number of its rule, 0 if not. */
extern int64 gdpr_compile_policy_rule(const char *policy);

/*
 * The condition on a subject's own rows, over the relation's columns: "a =
 * (SELECT gdpr.own_key(...))".  PD002 when no key of the kind is in them.
 */
extern char *gdpr_own_condition(Oid relation, const char *kind);

#endif /* GDPR_ACCESS_COMPILE_H */
