/*
 * rule.h
 *	  Rules of retention: which rows of a relation are due, what becomes of
 *	  them, and whose rights are used.
 */
#ifndef GDPR_RULE_H
#define GDPR_RULE_H

#include "nodes/pg_list.h"
#include "subject/graph.h"

typedef struct GdprRule
{
	int64 id;
	Oid relation;
	char *keep;		/* interval as text */
	char *since;	/* date column that the age counts from */
	bool anonymise; /* else delete */
	char *filter;	/* over alias c, qualified; NULL: none */
	char *kind;		/* by whose map; NULL: the relation is in none */
	int batch_size;
	char *runs_as;		 /* role */
	char *approved_hash; /* NULL: not approved */
} GdprRule;

/*
 * Approved rules whose time has come, of one relation unless InvalidOid, or
 * all approved ones when all; by id.  In the current memory context.
 */
extern List *gdpr_rule_due(Oid relation, bool all);

/* One rule; 42704, or NULL, when there is none. */
extern GdprRule *gdpr_rule_get(int64 id);
extern GdprRule *gdpr_rule_find(int64 id);

/*
 * Is the rule still there, and approved as it was?  Until the end of the
 * transaction it then stays so: who drops or replaces it waits.
 */
extern bool gdpr_rule_lock(const GdprRule *rule);

/* To be called before a rule is replaced or dropped. */
extern void gdpr_rule_exclude(int64 id);

/* The map that the rule goes by, NULL without one. */
extern GdprMap *gdpr_rule_map(const GdprRule *rule);

/* The relation in that map, or alone. */
extern GdprRelation *gdpr_rule_relation(const GdprRule *rule, GdprMap *map);

/* The role of a name that was stored; 55000 when it is gone. */
extern Oid gdpr_rule_role(const char *name);

/* A foreign key that refers to the relation or a part of it. */
typedef struct GdprRuleReference
{
	Oid child;
	char on_delete; /* as in pg_constraint */
	char *name;		/* of relation and constraint */
} GdprRuleReference;

/* All of them, by name. */
extern List *gdpr_rule_references(const GdprRelation *relation);

/*
 * What is approved: 64 hex digits over the rule, the columns and masks, and
 * the map; or, where there is none and rows are deleted, the foreign keys that
 * refer to them.  Not over rows.
 */
extern char *gdpr_rule_hash(const GdprRule *rule, const GdprMap *map,
							const GdprRelation *relation);

#endif /* GDPR_RULE_H */
