/*
 * payload.h
 *	  What changed in a row.
 */
#ifndef GDPR_AUDIT_PAYLOAD_H
#define GDPR_AUDIT_PAYLOAD_H

#include "audit/relation.h"
#include "lib/stringinfo.h"

/*
 * Columns whose values differ; NULL when none does.  Encrypted values differ
 * when their plaintext does, as far as that can be told.  old or new is NULL
 * for an insert or a delete: then all columns that are not null.
 */
extern Bitmapset *gdpr_audit_changed_columns(const GdprAuditRelation *entry,
											 const Datum *old_values,
											 const bool *old_nulls,
											 const Datum *new_values,
											 const bool *new_nulls);

/*
 * Appends the old and the new value of each changed column, as values.h has it;
 * encrypted values as they are stored.
 */
extern void gdpr_audit_print(GdprAuditRelation *entry, const Bitmapset *changed,
							 const Datum *old_values, const bool *old_nulls,
							 const Datum *new_values, const bool *new_nulls,
							 StringInfo out);

#endif /* GDPR_AUDIT_PAYLOAD_H */
