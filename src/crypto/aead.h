/*
 * aead.h
 *	  AES-256-GCM on cached, keyed OpenSSL contexts.
 */
#ifndef GDPR_AEAD_H
#define GDPR_AEAD_H

#define GDPR_KEY_LEN	 32
#define GDPR_NONCE_LEN	 12
#define GDPR_GCM_TAG_LEN 16

/* A key ready for use: the key schedule is computed once. */
typedef struct GdprAead GdprAead;

/* Raises 53200 when OpenSSL has no memory, XX000 when it lacks the cipher. */
extern GdprAead *gdpr_aead_create(const uint8 *key);

/*
 * One without a key, and giving it a key, or another, for one direction: keys
 * of single persons come and go, and are seldom needed in both.  Raise 53200.
 */
extern GdprAead *gdpr_aead_create_empty(void);
extern void gdpr_aead_key_seal(GdprAead *aead, const uint8 *key);
extern void gdpr_aead_key_open(GdprAead *aead, const uint8 *key);

/* Cleanses the key; NULL is allowed. */
extern void gdpr_aead_free(GdprAead *aead);

/*
 * Encrypts length bytes; out receives length + GDPR_GCM_TAG_LEN bytes
 * (ciphertext, then tag).  NIST SP 800-38D.
 */
extern void gdpr_aead_seal(GdprAead *aead, const uint8 *nonce, const uint8 *aad,
						   size_t aad_length, const uint8 *in, size_t length,
						   uint8 *out);

/*
 * Decrypts length bytes of ciphertext followed by its tag; out receives
 * length bytes.  Returns false, with out cleansed, when the tag does not match.
 */
extern bool gdpr_aead_open(GdprAead *aead, const uint8 *nonce, const uint8 *aad,
						   size_t aad_length, const uint8 *in, size_t length,
						   uint8 *out);

#endif /* GDPR_AEAD_H */
