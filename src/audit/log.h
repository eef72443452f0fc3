/*
 * log.h
 *	  Adding to the audit log.
 */
#ifndef GDPR_AUDIT_LOG_H
#define GDPR_AUDIT_LOG_H

#include "audit/who.h"
#include "base/origin.h"
#include "crypto/tag.h"
#include "datatype/timestamp.h"
#include "lib/stringinfo.h"

#define GDPR_AUDIT_PARENT  "audit_log"
#define GDPR_AUDIT_DEFAULT "audit_log_default"

/* A pseudonym of a row or a person, as uuid. */
typedef struct GdprAuditTag
{
	uint8 bytes[GDPR_TAG_LEN];
} GdprAuditTag;

/* What is recorded of one row; who did it and when is added by the log. */
typedef struct GdprAuditRecord
{
	const char *relation; /* schema.relation */
	const char *operation;
	Datum columns;	/* text[]; 0: none */
	int subject;	/* which of the tags is a person's, from 1; 0: none */
	bool by_person; /* values are sealed by the person's key, if he has one */
	int own;		/* of the tags: the row itself, */
	int keys;		/* its other keys, */
	int up;			/* the rows that it belongs to; */
	int ntags;		/* the rest are of rows that belong to it */
	const GdprAuditTag *tags;
	const char *payload; /* of gdpr_audit_print; NULL: none */
	size_t payload_length;
} GdprAuditRecord;

/* Records that lie in one row of the log. */
typedef struct GdprAuditBatch
{
	MemoryContext context;
	int64 id; /* of the first; the others' follow it */
	int ids;  /* numbers that were taken for it */
	TimestampTz at;
	GdprOrigin origin;
	GdprAuditWho *who;
	GdprAuditRecord shared; /* all but tags and payload */
	int rows;
	StringInfoData tags;	/* row by row */
	StringInfoData payload; /* likewise; see values.h, person.h */
	StringInfoData one;		/* the values of a record that is added */
} GdprAuditBatch;

/* Takes n numbers that follow each other, at most as many as a block has. */
extern int64 gdpr_audit_take_ids(int n);

/* Takes this number, if it is the next. */
extern bool gdpr_audit_take_id(int64 id);

/*
 * Inserts into the partition of the day, in the current transaction, with
 * nobody's rights: no statement, no trigger, no row security.  PD006 without a
 * root key.
 */
extern void gdpr_audit_insert(const GdprAuditBatch *batch);

/* "schema.relation" of the log's own tables, for those who watch DDL. */
extern bool gdpr_audit_is_log(Oid relid);

/* Name of the partition of the day that begins at a midnight in UTC. */
extern void gdpr_audit_partition_name(int64 day, char *name);

/* Days since 2000-01-01, in UTC. */
extern int64 gdpr_audit_day(TimestampTz at);

/* Callbacks of every backend; called by _PG_init. */
extern void gdpr_audit_log_init(void);

#endif /* GDPR_AUDIT_LOG_H */
