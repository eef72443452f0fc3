/*
 * log.h
 *	  Adding to the audit log.
 */
#ifndef GDPR_AUDIT_LOG_H
#define GDPR_AUDIT_LOG_H

#include "crypto/tag.h"
#include "datatype/timestamp.h"

#define GDPR_AUDIT_PARENT  "audit_log"
#define GDPR_AUDIT_DEFAULT "audit_log_default"

/* A pseudonym of a row or a person, as uuid. */
typedef struct GdprAuditTag
{
	uint8 bytes[GDPR_TAG_LEN];
} GdprAuditTag;

/* One record; who did it and when is added by the log. */
typedef struct GdprAuditRecord
{
	const char *relation; /* schema.relation */
	const char *operation;
	Datum columns;				 /* text[]; 0: none */
	const GdprAuditTag *subject; /* NULL: the row names nobody */
	int own;					 /* of the tags: the row itself, */
	int keys;					 /* its other keys, */
	int up;						 /* the rows that it belongs to; */
	int ntags;					 /* the rest are of rows that belong to it */
	const GdprAuditTag *tags;
	const char *payload; /* json; NULL: none */
	size_t payload_length;
} GdprAuditRecord;

/*
 * Inserts into the partition of the day, in the current transaction, with
 * nobody's rights: no statement, no trigger, no row security.  PD006 without a
 * root key.
 */
extern void gdpr_audit_write(const GdprAuditRecord *record);

/* "schema.relation" of the log's own tables, for those who watch DDL. */
extern bool gdpr_audit_is_log(Oid relid);

/* Name of the partition of the day that begins at a midnight in UTC. */
extern void gdpr_audit_partition_name(int64 day, char *name);

/* Days since 2000-01-01, in UTC. */
extern int64 gdpr_audit_day(TimestampTz at);

/* Callbacks of every backend; called by _PG_init. */
extern void gdpr_audit_log_init(void);

#endif /* GDPR_AUDIT_LOG_H */
