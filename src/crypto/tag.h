/*
 * tag.h
 *	  Keyed equality tags and pseudonyms: HMAC-SHA256 cut to 16 bytes.
 */
#ifndef GDPR_TAG_H
#define GDPR_TAG_H

#define GDPR_TAG_LEN 16

typedef struct GdprTagKey GdprTagKey;

extern GdprTagKey *gdpr_tag_create(const uint8 *key);
extern void gdpr_tag_free(GdprTagKey *key);

/*
 * Writes GDPR_TAG_LEN bytes: HMAC(key, separator || data).  The separator is
 * one byte and keeps the uses of a key apart (payload kind, pseudonym ...).
 */
extern void gdpr_tag_compute(GdprTagKey *key, uint8 separator,
							 const uint8 *data, size_t length, uint8 *out);

/* The whole HMAC-SHA256, GDPR_KEY_LEN bytes, under a key of any length. */
extern void gdpr_tag_derive(const uint8 *key, size_t key_length,
							const uint8 *data, size_t length, uint8 *out);

#endif /* GDPR_TAG_H */
