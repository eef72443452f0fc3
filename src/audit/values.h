/*
 * values.h
 *	  How the values of a row of the log are written, before they are sealed.
 *
 * For each record a string, null once its values were taken out; in it for each
 * of the row's columns the old value and the new one, strings or null.  A
 * string is its length and its bytes.  The length is one byte below 0xFE, or
 * 0xFE and four bytes, big-endian; 0xFF is null.
 */
#ifndef GDPR_AUDIT_VALUES_H
#define GDPR_AUDIT_VALUES_H

#include "lib/stringinfo.h"

/* What such a length takes at most. */
#define GDPR_AUDIT_LENGTH_MAX 5

typedef struct GdprAuditReader
{
	const char *at;
	const char *end;
} GdprAuditReader;

/* Appends a string; NULL is null. */
extern void gdpr_audit_put(StringInfo out, const char *bytes, size_t length);

/* The next string, *bytes NULL for null.  False: there is no more. */
extern bool gdpr_audit_get(GdprAuditReader *reader, const char **bytes,
						   size_t *length);

#endif /* GDPR_AUDIT_VALUES_H */
