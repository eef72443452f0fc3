/*
 * recent.h
 *	  Payloads of the values that this process sealed last.
 */
#ifndef GDPR_RECENT_H
#define GDPR_RECENT_H

#include "enctype/value.h"

/*
 * Remembers a value that was just sealed: its header, and where its nonce,
 * ciphertext and authentication tag lie.  Long payloads are not kept.
 */
extern void gdpr_recent_add(const GdprEnvelope *header, const uint8 *rest,
							GdprBytes payload);

/*
 * Copies the payload to out and returns true when this very value is
 * remembered: all that its key authenticates is the same.
 */
extern bool gdpr_recent_find(const GdprEnvelope *env, uint8 *out);

#endif /* GDPR_RECENT_H */
