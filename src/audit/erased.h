/*
 * erased.h
 *	  Whose values were erased in this transaction.
 *
 * A statement within which somebody was erased may have changed his rows
 * before, and record that only now: what it records must not bring the values
 * back.  So until the transaction ends his records are written without.
 */
#ifndef GDPR_AUDIT_ERASED_H
#define GDPR_AUDIT_ERASED_H

#include "audit/log.h"

extern void gdpr_audit_erased_add(const GdprAuditTag *tag);

/* Is one of the tags an erased row's or person's? */
extern bool gdpr_audit_erased_any(const GdprAuditTag *tags, int ntags);

/* Callbacks of every backend; called by _PG_init. */
extern void gdpr_audit_erased_init(void);

#endif /* GDPR_AUDIT_ERASED_H */
