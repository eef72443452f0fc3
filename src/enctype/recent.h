/*
 * recent.h
 *	  Payloads of the values in flight that this process sealed last.
 */
#ifndef GDPR_RECENT_H
#define GDPR_RECENT_H

#include "enctype/value.h"

/* Remembers a loose value that was just sealed; long payloads are not kept. */
extern void gdpr_recent_add(const uint8 *nonce, const uint8 *gcm_tag,
							GdprBytes payload);

/* Copies the payload to out and returns true when this value is remembered. */
extern bool gdpr_recent_find(const GdprEnvelope *env, uint8 *out);

#endif /* GDPR_RECENT_H */
