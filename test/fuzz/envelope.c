/*
 * envelope.c
 *	  What the parser of values accepts is written back byte for byte, what is
 *	  changed in it is told apart, and any text survives output and input.
 */
/* fuzz: src/enctype/envelope.c */
/* longest: 256 */
#include "base/compat.h"

#include "enctype/envelope.h"
#include "server.h"

#include <stdlib.h>

static void
write_back(const uint8_t *data, size_t size, const GdprEnvelope *env)
{
	size_t need = gdpr_envelope_size(env->flags, env->nonce != NULL,
									 env->length);
	uint8 *copy;
	uint8 *rest;
	uint8 aad[GDPR_ENVELOPE_AAD_LEN];

	FUZZ_ASSERT(need == size);
	copy = malloc(size);
	rest = gdpr_envelope_write_header(copy, env);
	if (env->nonce != NULL)
	{
		memcpy(rest, env->nonce, GDPR_ENVELOPE_NONCE_LEN);
		memcpy(rest + GDPR_ENVELOPE_NONCE_LEN, env->sealed,
			   env->length + GDPR_ENVELOPE_GCM_LEN);
	}
	FUZZ_ASSERT(memcmp(copy, data, size) == 0);
	FUZZ_ASSERT(gdpr_envelope_aad(env, "context", aad) <= sizeof(aad));
	free(copy);
}

/* Bytes to text and back: identity, and recognised as an envelope. */
static void
round_trip(const uint8_t *data, size_t size)
{
	size_t length = gdpr_envelope_text_length(size);
	char *text = malloc(length);
	uint8 *back = malloc(gdpr_envelope_bytes_length(length) + 1);

	gdpr_envelope_to_text(data, size, text);
	FUZZ_ASSERT(gdpr_envelope_text_form(text, length) == GDPR_TEXT_ENVELOPE);
	FUZZ_ASSERT(gdpr_envelope_text_needs_escape(text, length));
	FUZZ_ASSERT(gdpr_envelope_from_text(text, length, back) == size);
	FUZZ_ASSERT(memcmp(back, data, size) == 0);
	free(text);
	free(back);
}

/* A copy of exactly this size, so that a byte too far is noticed. */
static void *
exact_copy(const void *data, size_t size)
{
	void *copy = malloc(size);

	if (size > 0)
		memcpy(copy, data, size);
	return copy;
}

/* What an envelope's text decodes to encodes to the same text. */
static void
decode_and_encode(const char *text, size_t size)
{
	uint8 *bytes = malloc(gdpr_envelope_bytes_length(size));
	size_t n = gdpr_envelope_from_text(text, size, bytes);
	char *again = malloc(gdpr_envelope_text_length(n));

	FUZZ_ASSERT(n <= gdpr_envelope_bytes_length(size));
	FUZZ_ASSERT(gdpr_envelope_text_length(n) == size);
	gdpr_envelope_to_text(bytes, n, again);
	FUZZ_ASSERT(memcmp(again, text, size) == 0);
	FUZZ_ASSERT(gdpr_envelope_text_context(text, size) ==
				gdpr_envelope_claimed_context(bytes, n));
	free(bytes);
	free(again);
}

/* Plaintext goes out, escaped where it must be, and comes in as it was. */
static void
print_and_read(const char *text, size_t size)
{
	bool escape = gdpr_envelope_text_needs_escape(text, size);
	size_t prefix = escape ? GDPR_TEXT_ESCAPE_LEN : 0;
	char *printed = malloc(prefix + size);

	memcpy(printed, GDPR_TEXT_ESCAPE, prefix);
	if (size > 0)
		memcpy(printed + prefix, text, size);
	FUZZ_ASSERT(gdpr_envelope_text_form(printed, prefix + size) ==
				(escape ? GDPR_TEXT_ESCAPED : GDPR_TEXT_PLAIN));
	FUZZ_ASSERT(!gdpr_envelope_text_claims(printed, prefix + size));
	free(printed);
}

static void
any_text(const char *text, size_t size)
{
	GdprTextForm form = gdpr_envelope_text_form(text, size);

	FUZZ_ASSERT(gdpr_envelope_text_needs_escape(text, size) ==
				(form != GDPR_TEXT_PLAIN));
	FUZZ_ASSERT(gdpr_envelope_text_claims(text, size) ==
				(form == GDPR_TEXT_ENVELOPE || form == GDPR_TEXT_BROKEN));
	(void) gdpr_envelope_text_context(text, size);
	print_and_read(text, size);
	if (form == GDPR_TEXT_ENVELOPE)
		decode_and_encode(text, size);
}

/* The same behind the prefix, where most inputs would never get. */
static void
prefixed_text(const uint8_t *data, size_t size)
{
	char *text = malloc(GDPR_TEXT_PREFIX_LEN + size);

	memcpy(text, GDPR_TEXT_PREFIX, GDPR_TEXT_PREFIX_LEN);
	if (size > 0)
		memcpy(text + GDPR_TEXT_PREFIX_LEN, data, size);
	any_text(text, GDPR_TEXT_PREFIX_LEN + size);
	free(text);
}

/* A value's text with one character changed, and cut at any length. */
static void
damaged_text(const uint8_t *data, size_t size)
{
	size_t length = gdpr_envelope_text_length(size);
	char *text = malloc(length);
	size_t at = data[size - 1] % length;
	char *cut;

	gdpr_envelope_to_text(data, size, text);
	cut = exact_copy(text, at);
	any_text(cut, at);
	/* Behind its header a value that was cut is no plaintext. */
	if (at >= GDPR_TEXT_PREFIX_LEN + GDPR_ENVELOPE_FIXED_LEN / 3 * 4)
		FUZZ_ASSERT(gdpr_envelope_text_claims(cut, at));
	free(cut);
	text[at] = (char) data[size / 2];
	any_text(text, length);
	if (at >= GDPR_TEXT_PREFIX_LEN + GDPR_ENVELOPE_FIXED_LEN / 3 * 4)
		FUZZ_ASSERT(gdpr_envelope_text_claims(text, length));
	free(text);
}

/* Of two values with different headers the authenticated bytes differ. */
static void
authenticated(const GdprEnvelope *env, const GdprEnvelope *other)
{
	uint8 aad[GDPR_ENVELOPE_AAD_LEN];
	uint8 other_aad[GDPR_ENVELOPE_AAD_LEN];
	char name[64];
	uint8 bound = (uint8) ~(GDPR_FLAG_TAG | GDPR_FLAG_INFLIGHT);
	size_t length;
	size_t other_length;
	bool same;

	memset(name, 'n', sizeof(name));
	name[63] = '\0';
	length = gdpr_envelope_aad(env, name, aad);
	FUZZ_ASSERT(length <= sizeof(aad));
	other_length = gdpr_envelope_aad(other, name, other_aad);
	same = length == other_length && memcmp(aad, other_aad, length) == 0;
	FUZZ_ASSERT(same == ((env->flags & bound) == (other->flags & bound) &&
						 env->context == other->context &&
						 env->key_version == other->key_version &&
						 (env->subject == NULL || other->subject == NULL ||
						  memcmp(env->subject, other->subject,
								 GDPR_ENVELOPE_SUBJECT_LEN) == 0)));
	/* And the name is bound, to its last letter. */
	name[62] = 'm';
	other_length = gdpr_envelope_aad(env, name, other_aad);
	FUZZ_ASSERT(other_length == length);
	FUZZ_ASSERT(memcmp(aad, other_aad, length) != 0);
}

/* One bit of a value changed: what parses still is told apart, or is a tag. */
static void
one_bit(const uint8_t *data, size_t size, const GdprEnvelope *env)
{
	uint8 *copy = exact_copy(data, size);
	GdprEnvelope other;

	copy[data[size - 1] % size] ^= (uint8) (1 << (data[size / 2] % 8));
	if (gdpr_envelope_parse(copy, size, &other) == GDPR_ENVELOPE_OK)
		authenticated(env, &other);
	free(copy);
}

/* A beginning of the input, of any length: enough to tell, or refused. */
static void
any_beginning(const uint8_t *data, size_t size)
{
	size_t n = size == 0 ? 0 : data[size - 1] % (size + 1);
	uint8 *copy = exact_copy(data, n);
	GdprEnvelope head;
	GdprEnvelope env;
	bool peeked = gdpr_envelope_peek(copy, n, &head);

	if (gdpr_envelope_parse(copy, n, &env) == GDPR_ENVELOPE_OK)
	{
		FUZZ_ASSERT(peeked);
		FUZZ_ASSERT(env.length <= n);
	}
	if (peeked)
		FUZZ_ASSERT(gdpr_envelope_claimed_context(copy, n) == head.context);
	free(copy);
}

/* Headers made of any bytes are as long as they are said to be. */
static void
written_header(const uint8_t *data, size_t size)
{
	uint8 filler[GDPR_ENVELOPE_TAG_LEN];
	GdprEnvelope env = {0};
	size_t need;
	uint8 *out;

	if (size < 4)
		return;
	memset(filler, data[3], sizeof(filler));
	env.flags = data[0];
	env.context = data[1];
	env.key_version = data[2];
	env.tag = data[3] & 1 ? filler : NULL;
	env.subject = data[3] & 2 ? filler : NULL;
	need = gdpr_envelope_size(env.flags, false, 0);
	out = malloc(need);
	FUZZ_ASSERT(gdpr_envelope_write_header(out, &env) == out + need);
	FUZZ_ASSERT(gdpr_envelope_size(env.flags, true, size) ==
				need + size + GDPR_ENVELOPE_NONCE_LEN + GDPR_ENVELOPE_GCM_LEN);
	FUZZ_ASSERT(gdpr_envelope_claimed_context(out, need) == env.context);
	free(out);
}

static void
drive(const uint8_t *data, size_t size)
{
	GdprEnvelope env;
	GdprEnvelope head;

	if (gdpr_envelope_parse(data, size, &env) == GDPR_ENVELOPE_OK)
	{
		write_back(data, size, &env);
		round_trip(data, size);
		FUZZ_ASSERT(
			gdpr_envelope_peek(data, Min(size, GDPR_ENVELOPE_HEAD_LEN), &head));
		FUZZ_ASSERT(head.flags == env.flags && head.context == env.context &&
					head.tag == env.tag);
		damaged_text(data, size);
		one_bit(data, size, &env);
	}
	any_beginning(data, size);
	written_header(data, size);
	any_text((const char *) data, size);
	prefixed_text(data, size);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8 *copy = exact_copy(data, size);

	if (FUZZ_TRY())
		drive(copy, size);
	fuzz_reset();
	free(copy);
	return 0;
}
