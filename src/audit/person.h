/*
 * person.h
 *	  Values of one record under the key of the person that it is about.
 */
#ifndef GDPR_AUDIT_PERSON_H
#define GDPR_AUDIT_PERSON_H

#include "audit/log.h"
#include "audit/values.h"

/* What a record's values grow by, at most. */
#define GDPR_AUDIT_PERSON_OVERHEAD (1 + 8 + 12 + 16)

/*
 * Appends a record's values as they lie in a row of the log: as they are, or
 * under the key of its person, where it has one and its relation wants it.
 */
extern void gdpr_audit_person_seal(const GdprAuditRecord *record,
								   StringInfo out);

/*
 * The values again, by the bytes that were appended.  False when the person was
 * erased, or his key is not here.
 */
extern bool gdpr_audit_person_open(const char *bytes, size_t length,
								   GdprAuditReader *values);

#endif /* GDPR_AUDIT_PERSON_H */
