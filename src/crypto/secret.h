/*
 * secret.h
 *	  Sealing of the extension's own secrets: audit payloads, keys of persons
 *	  that later work needs.
 *
 * Sealed with AES-256-GCM under keys that are derived from the tag key of the
 * reserved context and a random salt, one for each process and some million
 * values.  So there is no budget of nonces to run out of, and nothing to count
 * in a read-only transaction.
 *
 *	  version 1 | tag generation 1 | salt 16 | counter 8 | ciphertext n | GCM tag 16
 *
 * Integers are big-endian; the nonce is four zero bytes and the counter.
 */
#ifndef GDPR_SECRET_H
#define GDPR_SECRET_H

#include "lib/stringinfo.h"

#define GDPR_SECRET_OVERHEAD (1 + 1 + 16 + 8 + 16)

typedef enum GdprSecretOpened
{
	GDPR_SECRET_OPENED,
	GDPR_SECRET_NO_KEY,	 /* of this generation, or no root key at all */
	GDPR_SECRET_CORRUPT, /* malformed, or does not authenticate */
} GdprSecretOpened;

/*
 * A bytea, palloc'd.  The purpose is a literal and keeps uses apart; aad binds
 * the value to its place.  PD006 without a root key, 55000 without preload.
 */
extern bytea *gdpr_secret_seal(const char *purpose, const void *aad,
							   size_t aad_length, const void *data,
							   size_t length);

/* The inverse; *data is palloc'd, with a zero byte after it.  Raises nothing. */
extern GdprSecretOpened gdpr_secret_open(const char *purpose, const void *aad,
										 size_t aad_length, const bytea *sealed,
										 char **data, size_t *length);

#endif /* GDPR_SECRET_H */
