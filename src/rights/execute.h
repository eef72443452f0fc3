/*
 * execute.h
 *	  Carries a plan out, and checks afterwards that it was.
 */
#ifndef GDPR_EXECUTE_H
#define GDPR_EXECUTE_H

#include "subject/plan.h"

/* Runs the statements; PD004 when another number of rows was affected. */
extern void gdpr_execute_plan(GdprPlan *plan);

/*
 * What verify.c needs to know before: values by which rows refer to the plan's
 * without a foreign key.
 */
extern List *gdpr_verify_remember(GdprPlan *plan);

/* Walks again, with a latest snapshot; PD004 when more than it should is left. */
extern void gdpr_verify_plan(GdprPlan *plan, List *remembered);

/* Sets the present address of every row; false for a row that is gone. */
extern bool gdpr_execute_refresh(GdprPlanRow *row);

/* PD004 naming the relation. */
pg_noreturn extern void gdpr_execute_incomplete(const GdprPlanLeaf *leaf);

#endif /* GDPR_EXECUTE_H */
