/*
 * target.h
 *	  One physical relation of a rule: its due rows, and a batch of them.
 */
#ifndef GDPR_TARGET_H
#define GDPR_TARGET_H

#include "retention/rule.h"
#include "subject/plan.h"

/* A rule made ready to run; all in one memory context. */
typedef struct GdprRun
{
	GdprRule *rule;
	GdprMap *map; /* NULL: relation in no map */
	GdprRelation *relation;
	Oid role;
	Oid cutoff_type; /* of the column that the age counts from */
	Datum cutoff;
	char *due; /* over alias c; $1 is the cutoff */
} GdprRun;

/*
 * Checks that the rule can run as it was approved, and computes what is due
 * now.  Errors: PD007 when the definition or the map changed, 42501 when the
 * role is not the relation's owner any more, 42704 when it is gone.
 */
extern void gdpr_target_prepare(GdprRun *run, GdprRule *rule);

/* The same without asking for the approval, for a look at the plan. */
extern void gdpr_target_describe(GdprRun *run, GdprRule *rule);

/* Addresses of due rows of a leaf that would change; at most limit. */
typedef struct GdprDue
{
	int n;
	ItemPointerData *tids;
} GdprDue;

/* To be called within the role's scope (base/sql.h). */
extern void gdpr_target_collect(const GdprRun *run, Oid leaf, List *holds,
								int limit, GdprDue *due);

/* PD003 when masking the rows would break a CHECK constraint; likewise. */
extern void gdpr_target_check_masks(const GdprRun *run, Oid leaf,
									const ItemPointerData *tids, int ntids);

/* How many there are; likewise. */
extern int64 gdpr_target_count(const GdprRun *run, Oid leaf, List *holds);

/*
 * Does what the rule says with those of the rows that are still due and not
 * held; how many were changed.  With skip_locked, without those that somebody
 * else has locked.  In a transaction in which holds are locked.
 */
extern int64 gdpr_target_batch(const GdprRun *run, Oid leaf, List *holds,
							   const ItemPointerData *tids, int ntids,
							   bool skip_locked);

/*
 * The plan of deleting rows of a leaf by the map, decided, for use() to look at
 * or to carry out; several plans where something below one of the rows is held,
 * and none for that row.  The sum of what use() returned.  PD003 when something
 * else than a hold stands in the way.
 */
extern int64
gdpr_target_plan(const GdprRun *run, Oid leaf, const ItemPointerData *tids,
				 int ntids, GdprPlanMode mode,
				 int64 (*use)(GdprPlan *plan, Oid leaf, void *argument),
				 void *argument);

#endif /* GDPR_TARGET_H */
