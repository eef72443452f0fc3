/*
 * certificate.h
 *	  What an erasure did, or would do, as json.
 */
#ifndef GDPR_CERTIFICATE_H
#define GDPR_CERTIFICATE_H

#include "crypto/subject_key.h"
#include "rights/ledger.h"
#include "subject/plan.h"

/* The json array of relations: names, counts, grounds and dates only. */
extern char *gdpr_certificate_relations(const GdprPlan *plan);

/* The hash that names the plan: 64 hex digits over map, person and relations. */
extern char *gdpr_certificate_hash(const GdprPlan *plan, const uint8 *pseudonym,
								   const char *relations);

/* Would it change, or did it change, anything? */
extern bool gdpr_certificate_changes(const GdprPlan *plan);

/*
 * The whole; erasure is NULL for a dry run, which lists the blockers instead.
 * key: what became of the person's own.
 */
extern char *gdpr_certificate_make(const GdprPlan *plan, const uint8 *pseudonym,
								   const char *relations, const char *plan_hash,
								   const GdprErasure *erasure,
								   const GdprSubjectKeyEnd *key);

#endif /* GDPR_CERTIFICATE_H */
