/*
 * root.h
 *	  Root keys and the secret of this server run, in memory that no core
 *	  dump shows.
 */
#ifndef GDPR_ROOT_H
#define GDPR_ROOT_H

#include "crypto/aead.h"

#define GDPR_ROOT_ID_LEN		  33 /* with the terminating zero */
#define GDPR_ROOT_FINGERPRINT_LEN 8

/* A key under a root key: nonce, ciphertext, GCM tag. */
#define GDPR_WRAPPED_LEN (GDPR_NONCE_LEN + GDPR_KEY_LEN + GDPR_GCM_TAG_LEN)

/*
 * Called while the server starts: reads the root keys, once for the life of
 * the postmaster, and draws the secret of this run.  FATAL when a setting is
 * set and its keys are not to be had.
 */
extern void gdpr_root_startup(void);

/* 0 without preload, and where no root key is configured. */
extern int gdpr_root_count(void);

/* Number 0 is the primary. */
extern const char *gdpr_root_id(int number);
extern void gdpr_root_fingerprint(int number, uint8 *out);

/*
 * Wraps and unwraps a key.  Kind, name and version are bound to it, so that a
 * wrapped key moved to another row does not open.  Wrapping uses the primary;
 * unwrapping returns false when the root key is absent or another one.
 */
extern void gdpr_root_wrap(const char *kind, const char *name, uint16 version,
						   const uint8 *key, uint8 *wrapped);
extern bool gdpr_root_unwrap(const char *root_id, const char *kind,
							 const char *name, uint16 version,
							 const uint8 *wrapped, uint8 *key);

/* Key of a generation of in-flight values; derived from this run's secret. */
extern void gdpr_root_inflight_key(uint16 generation, uint8 *key);

#endif /* GDPR_ROOT_H */
