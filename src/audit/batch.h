/*
 * batch.h
 *	  Records of one statement, gathered into rows of the log.
 */
#ifndef GDPR_AUDIT_BATCH_H
#define GDPR_AUDIT_BATCH_H

#include "audit/log.h"

/*
 * Adds a record in the current transaction: at once, or between
 * gdpr_audit_begin and gdpr_audit_end by the latter.  PD006 without a root key.
 */
extern void gdpr_audit_write(const GdprAuditRecord *record);

/* Around what fires a statement's AFTER triggers; an error needs no end. */
extern void gdpr_audit_begin(void);
extern void gdpr_audit_end(void);

/*
 * Writes what is gathered, for who looks into the log.  False: an outer
 * statement's records have to wait, because a subtransaction that began since
 * may fail without it.
 */
extern bool gdpr_audit_flush(void);

/* Callbacks of every backend; called by _PG_init. */
extern void gdpr_audit_batch_init(void);

#endif /* GDPR_AUDIT_BATCH_H */
