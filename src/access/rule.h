/*
 * rule.h
 *	  What was decided about roles and relations, and purposes.
 */
#ifndef GDPR_ACCESS_RULE_H
#define GDPR_ACCESS_RULE_H

#include "nodes/pg_list.h"
#include "utils/acl.h"

/* As a role's name; everybody. */
#define GDPR_ACCESS_PUBLIC "public"

typedef struct GdprAccessRule
{
	int64 id;
	Oid relation;
	char *role;
	char decision;		/* 'a'llow, 'd'eny, 'k'eep */
	List *categories;	/* char * */
	AclMode privileges; /* SELECT, INSERT, UPDATE, DELETE */
	char *filter;		/* qualified expression over the columns, or NULL */
	char *own;			/* kind, or NULL */
	List *purposes;		/* char * */
} GdprAccessRule;

/* Those of a relation, by number; in the current memory context. */
extern List *gdpr_access_rules(Oid relation);

/* Inserts or replaces the one of (relation, role); sets the number. */
extern void gdpr_access_put_rule(GdprAccessRule *rule);
extern void gdpr_access_delete_rules(Oid relation);

/* OID of a role; 0 for "public"; 42704 for an unknown one unless missing_ok. */
extern Oid gdpr_access_role(const char *role, bool missing_ok);
#define GDPR_ACCESS_NO_ROLE ((Oid) -1)

/* The topmost relation under rules that this is, or is a part of; InvalidOid. */
extern Oid gdpr_access_covered(Oid relid);

#endif /* GDPR_ACCESS_RULE_H */
