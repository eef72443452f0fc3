/*
 * erase.h
 *	  A person's records: finding them, and taking the values out.
 */
#ifndef GDPR_AUDIT_ERASE_H
#define GDPR_AUDIT_ERASE_H

#include "crypto/tag.h"
#include "subject/plan.h"

/*
 * Before an erasure: the tags of the rows that the plan knows, those that stay
 * whole apart.  NULL where nothing was ever recorded.  Without a pseudonym the
 * plan is of no one person.
 */
typedef struct GdprAuditPerson GdprAuditPerson;
extern GdprAuditPerson *gdpr_audit_remember(GdprPlan *plan,
											const uint8 *pseudonym);

/* The same for rows alone, without what belongs to them. */
extern GdprAuditPerson *
gdpr_audit_remember_rows(Oid relid, const ItemPointerData *tids, int ntids);

/*
 * After it: no record of the person has values any more, but those of rows
 * that the law keeps unaltered.  Who, when and what kind stay.  Returns how
 * many records lost them.
 */
extern int64 gdpr_audit_erase(GdprAuditPerson *person);

#endif /* GDPR_AUDIT_ERASE_H */
