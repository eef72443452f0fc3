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

/* What anybody may know of a root key. */
typedef struct GdprRootFacts
{
	char id[GDPR_ROOT_ID_LEN];
	uint8 fingerprint[GDPR_ROOT_FINGERPRINT_LEN];
} GdprRootFacts;

/*
 * Called while the server starts: reads the root keys and draws the secret of
 * this run.  FATAL when a setting is set and its keys are not to be had.
 */
extern void gdpr_root_startup(void);

/*
 * Asks the provider again and puts its answer in place of the keys.  F0000 for
 * a defect, which leaves them as they are.  accept() is told what is about to
 * be there, and may raise.  Returns how many keys there are.
 */
typedef void (*GdprRootAccept)(const GdprRootFacts *roots, int count,
							   void *arg);

extern int gdpr_root_reload(GdprRootAccept accept, void *arg);

/* 0 without preload, and where no root key is configured. */
extern int gdpr_root_count(void);

/* All of them, the primary first; at most GDPR_ROOT_MAX.  Returns how many. */
#define GDPR_ROOT_MAX 32
extern int gdpr_root_list(GdprRootFacts *roots);

/* The fingerprint in hex, palloc'd. */
extern char *gdpr_root_print(const GdprRootFacts *root);

/*
 * Wraps and unwraps a key.  Kind, name and version are bound to it, so that a
 * wrapped key moved to another row does not open.  Wrapping uses the primary
 * and says which one that was: another may be primary a moment later.
 * Unwrapping returns false when the root key is absent or another one.
 */
extern void gdpr_root_wrap(const char *kind, const char *name, uint16 version,
						   const uint8 *key, uint8 *wrapped, char *root_id);
extern bool gdpr_root_unwrap(const char *root_id, const char *kind,
							 const char *name, uint16 version,
							 const uint8 *wrapped, uint8 *key);

/*
 * HMAC-SHA256 under a root key, over a label and data; GDPR_KEY_LEN bytes.
 * id may be NULL: the primary.  False when there is no such key.
 */
extern bool gdpr_root_mac(const char *id, const char *label, const void *data,
						  size_t length, uint8 *out);

/* Key of a generation of in-flight values; derived from this run's secret. */
extern void gdpr_root_inflight_key(uint16 generation, uint8 *key);

#endif /* GDPR_ROOT_H */
