/*
 * ledger.h
 *	  The ledger of erasures: who was forgotten, by pseudonym.
 */
#ifndef GDPR_LEDGER_H
#define GDPR_LEDGER_H

#include "crypto/tag.h"
#include "subject/key.h"
#include "utils/timestamp.h"

typedef struct GdprErasure
{
	char id[37]; /* a uuid */
	TimestampTz forgotten_at;
} GdprErasure;

/* PD001, with the date of an erasure as detail for a role that may see it. */
pg_noreturn extern void gdpr_ledger_unknown(const GdprSubject *subject);

/* The last erasure of the person; false without one. */
extern bool gdpr_ledger_find(const char *kind, const uint8 *pseudonym,
							 GdprErasure *erasure);

/* Writes an erasure of now. */
extern void gdpr_ledger_write(const char *kind, const uint8 *pseudonym,
							  const char *plan_hash, const char *relations,
							  const char *reason, GdprErasure *erasure);

#endif /* GDPR_LEDGER_H */
