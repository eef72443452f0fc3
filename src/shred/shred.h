/*
 * shred.h
 *	  Values under the keys of single persons: which rows have them, and what
 *	  becomes of them when a person is erased.
 *
 * gdpr.protect(relation, '{"subject_keys": true}') gives a relation the trigger
 * of this folder.  A row's person is the one that the audit log would name for
 * it (audit/relation.h).
 */
#ifndef GDPR_SHRED_H
#define GDPR_SHRED_H

#include "crypto/subject_key.h"
#include "subject/plan.h"

/*
 * Rows of the plan that are still there and hold values under the person's key
 * get them under their context's key.  Asks for no right: nothing that anybody
 * could see changes.  Then the key is destroyed.
 */
extern GdprSubjectKeyEnd gdpr_shred_person(GdprPlan *plan,
										   const uint8 *pseudonym);

/* Takes its place below; called by _PG_init. */
extern void gdpr_shred_init(void);

#endif /* GDPR_SHRED_H */
