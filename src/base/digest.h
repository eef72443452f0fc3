/*
 * digest.h
 *	  SHA-256 as text: what a person approves is named by it.
 */
#ifndef GDPR_DIGEST_H
#define GDPR_DIGEST_H

#include "lib/stringinfo.h"

/* 64 hex digits, palloc'd. */
extern char *gdpr_digest_hex(const void *data, size_t length);

/*
 * Appends a field for a digest: its length first, so that no two lists of
 * fields read the same.  NULL is another field than "".
 */
extern void gdpr_digest_field(StringInfo out, const char *value);

#endif /* GDPR_DIGEST_H */
