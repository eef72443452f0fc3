/*
 * kept.h
 *	  Persons who were forgotten and of whom the law keeps rows: what follows
 *	  when the period of these is over.
 */
#ifndef GDPR_KEPT_H
#define GDPR_KEPT_H

#include "rights/ledger.h"
#include "subject/plan.h"

/*
 * After an erasure: remembers the person until the first day on which a kept
 * row may go, or forgets that he was remembered.
 */
extern void gdpr_kept_remember(const GdprPlan *plan, const uint8 *pseudonym);

/* A person whose day has come. */
typedef struct GdprKept
{
	char *kind;
	uint8 pseudonym[GDPR_TAG_LEN];
	char *subject; /* the key; NULL when our key is not there */
	char *role;	   /* who forgot him */
} GdprKept;

/* At most limit of them, in the current memory context. */
extern List *gdpr_kept_due(int limit);

/* How it went: error is NULL, or what is shown of it. */
extern void gdpr_kept_report(const GdprKept *kept, const char *error);

/* Nothing is left of him. */
extern void gdpr_kept_drop(const char *kind, const uint8 *pseudonym);

/*
 * The erasure of today, as the current user: rows whose period is over go, and
 * when the last has gone the row above them.
 */
extern void gdpr_forget_again(const GdprKept *kept);

#endif /* GDPR_KEPT_H */
