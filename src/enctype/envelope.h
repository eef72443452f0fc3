/*
 * envelope.h
 *	  The format of an encrypted value, on disk and as text.
 *
 * Pure: nothing here allocates, raises or asks the server anything, so that
 * it can be fuzzed alone.  The format is fixed forever by its first byte.
 *
 *	  version 1 | flags 1 | context hash 4 | key version 2 | tag generation 1
 *	  | [equality tag 16] | [subject key id 8] | nonce 12 | ciphertext n
 *	  | GCM tag 16
 *
 * Integers are big-endian.  An erased value and a probe end after the header
 * (the equality tag and the subject key id, where they have them).
 */
#ifndef GDPR_ENVELOPE_H
#define GDPR_ENVELOPE_H

#define GDPR_ENVELOPE_VERSION 1

#define GDPR_FLAG_KIND	   0x0F
#define GDPR_FLAG_TAG	   0x10 /* equality tag present */
#define GDPR_FLAG_SUBJECT  0x20 /* subject key id present */
#define GDPR_FLAG_INFLIGHT 0x40 /* sealed by a key of this server run */
#define GDPR_FLAG_ERASED   0x80 /* no ciphertext, random tag */

/* Kinds of payload: the low four bits of the flags. */
#define GDPR_KIND_TEXT		  1
#define GDPR_KIND_FOLDED	  2
#define GDPR_KIND_SECRET	  3
#define GDPR_KIND_BYTES		  4
#define GDPR_KIND_JSON		  5
#define GDPR_KIND_NUMERIC	  6
#define GDPR_KIND_INT8		  7
#define GDPR_KIND_DATE		  8
#define GDPR_KIND_TIMESTAMPTZ 9

#define GDPR_ENVELOPE_FIXED_LEN	  9
#define GDPR_ENVELOPE_TAG_LEN	  16
#define GDPR_ENVELOPE_SUBJECT_LEN 8
#define GDPR_ENVELOPE_NONCE_LEN	  12
#define GDPR_ENVELOPE_GCM_LEN	  16

/* As much of a value as comparisons need. */
#define GDPR_ENVELOPE_HEAD_LEN (GDPR_ENVELOPE_FIXED_LEN + GDPR_ENVELOPE_TAG_LEN)

/* What a value is longer than its payload, at most. */
#define GDPR_ENVELOPE_OVERHEAD                            \
	(GDPR_ENVELOPE_HEAD_LEN + GDPR_ENVELOPE_SUBJECT_LEN + \
	 GDPR_ENVELOPE_NONCE_LEN + GDPR_ENVELOPE_GCM_LEN)

/* version, flags, context, key version, subject key id, a context's name */
#define GDPR_ENVELOPE_AAD_LEN (8 + GDPR_ENVELOPE_SUBJECT_LEN + 64)

typedef enum GdprEnvelopeError
{
	GDPR_ENVELOPE_OK,
	GDPR_ENVELOPE_TOO_SHORT,
	GDPR_ENVELOPE_TOO_LONG,
	GDPR_ENVELOPE_BAD_VERSION,
	GDPR_ENVELOPE_BAD_KIND,
	GDPR_ENVELOPE_BAD_FLAGS,
	GDPR_ENVELOPE_BAD_CONTEXT,
	GDPR_ENVELOPE_BAD_GENERATION,
} GdprEnvelopeError;

/* A parsed value; the pointers lead into the bytes that were parsed. */
typedef struct GdprEnvelope
{
	uint8 flags;
	uint32 context; /* hash; 0 in flight without a context */
	uint16 key_version;
	uint8 tag_generation; /* 0 without a tag */
	const uint8 *tag;	  /* NULL without one */
	const uint8 *subject; /* NULL without one */
	const uint8 *nonce;	  /* NULL when there is no payload */
	const uint8 *sealed;  /* ciphertext, then the GCM tag */
	size_t length;		  /* of the payload */
} GdprEnvelope;

#define GDPR_ENVELOPE_KIND(env) ((env)->flags & GDPR_FLAG_KIND)

/* Kinds whose values carry an equality tag. */
extern bool gdpr_envelope_kind_has_tag(uint8 kind);

/* Accepts exactly what the format allows; *env is set only on OK. */
extern GdprEnvelopeError gdpr_envelope_parse(const uint8 *data, size_t length,
											 GdprEnvelope *env);

/*
 * The first GDPR_ENVELOPE_HEAD_LEN bytes of a value are enough for flags,
 * context, versions and tag; the rest of *env is zero.  False when they are
 * not the beginning of an envelope.
 */
extern bool gdpr_envelope_peek(const uint8 *data, size_t length,
							   GdprEnvelope *env);

/*
 * The context that the beginning of a damaged value names, for a message; 0
 * where it is too short or of another version.
 */
extern uint32 gdpr_envelope_claimed_context(const uint8 *data, size_t length);

/* Bytes of a value with these flags around a payload of that length. */
extern size_t gdpr_envelope_size(uint8 flags, bool payload, size_t length);

/*
 * Writes the header (from version to subject key id, zeroes where env has no
 * tag or subject to copy) and returns where the nonce belongs.
 */
extern uint8 *gdpr_envelope_write_header(uint8 *out, const GdprEnvelope *env);

/* Where the equality tag lies in a value that has one. */
#define gdpr_envelope_tag_place(data) ((data) + GDPR_ENVELOPE_FIXED_LEN)

/*
 * Additional authenticated data: version, kind with the subject and erased
 * bits, context, key version, subject key id, context's name ("" in flight).
 * The equality tag and its generation are outside: they can be recomputed.
 * out holds GDPR_ENVELOPE_AAD_LEN; returns the length used.
 */
extern size_t gdpr_envelope_aad(const GdprEnvelope *env, const char *name,
								uint8 *out);

/*
 * Text: "gdpr:" and base64 of the bytes.  Plaintext that begins with
 * "gdpr:=", or that would be taken for an envelope, is printed with "gdpr:="
 * before it, so that output and input together change no value.
 */
#define GDPR_TEXT_PREFIX	 "gdpr:"
#define GDPR_TEXT_PREFIX_LEN 5
#define GDPR_TEXT_ESCAPE	 "gdpr:="
#define GDPR_TEXT_ESCAPE_LEN 6

typedef enum GdprTextForm
{
	GDPR_TEXT_PLAIN,	/* the text is the value */
	GDPR_TEXT_ESCAPED,	/* the value follows "gdpr:=" */
	GDPR_TEXT_ENVELOPE, /* base64 of something that claims to be one */
	GDPR_TEXT_BROKEN, /* was one, of this or another version; cannot be used */
} GdprTextForm;

/*
 * Broken is what begins with the header of an envelope and is no base64 of
 * whole bytes, and any long run of base64 digits behind the prefix: sealing
 * either as plaintext would hide that a value was damaged on its way, or came
 * from a later version.  A run of hexadecimal digits is a token of somebody's.
 */
extern GdprTextForm gdpr_envelope_text_form(const char *text, size_t length);

/* Is the text meant to be an envelope, usable or not? */
extern bool gdpr_envelope_text_claims(const char *text, size_t length);

/* Must the output of this plaintext be escaped? */
extern bool gdpr_envelope_text_needs_escape(const char *text, size_t length);

/* Characters without a terminating NUL, and bytes at most. */
extern size_t gdpr_envelope_text_length(size_t bytes);
extern size_t gdpr_envelope_bytes_length(size_t text_length);

/* Writes gdpr_envelope_text_length(length) characters. */
extern void gdpr_envelope_to_text(const uint8 *data, size_t length, char *out);

/*
 * Decodes a text whose form is GDPR_TEXT_ENVELOPE; returns the bytes written,
 * at most gdpr_envelope_bytes_length(length).
 */
extern size_t gdpr_envelope_from_text(const char *text, size_t length,
									  uint8 *out);

/* As gdpr_envelope_claimed_context, for a text of any form. */
extern uint32 gdpr_envelope_text_context(const char *text, size_t length);

#endif /* GDPR_ENVELOPE_H */
