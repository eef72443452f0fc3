/*
 * envelope.c
 *	  What the parser of values accepts is written back byte for byte, and any
 *	  text survives output and input.
 */
/* fuzz: src/enctype/envelope.c */
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

/* Any text: what it decodes to encodes to the same text; escapes undo. */
static void
any_text(const char *text, size_t size)
{
	GdprTextForm form = gdpr_envelope_text_form(text, size);
	char *escaped = malloc(size + GDPR_TEXT_ESCAPE_LEN);

	memcpy(escaped, GDPR_TEXT_ESCAPE, GDPR_TEXT_ESCAPE_LEN);
	memcpy(escaped + GDPR_TEXT_ESCAPE_LEN, text, size);
	FUZZ_ASSERT(gdpr_envelope_text_form(escaped, size + GDPR_TEXT_ESCAPE_LEN) ==
				GDPR_TEXT_ESCAPED);
	free(escaped);
	FUZZ_ASSERT(gdpr_envelope_text_needs_escape(text, size) ==
				(form != GDPR_TEXT_PLAIN));
	if (form == GDPR_TEXT_ENVELOPE)
	{
		uint8 *bytes = malloc(gdpr_envelope_bytes_length(size));
		size_t n = gdpr_envelope_from_text(text, size, bytes);
		char *again = malloc(gdpr_envelope_text_length(n));

		FUZZ_ASSERT(gdpr_envelope_text_length(n) == size);
		gdpr_envelope_to_text(bytes, n, again);
		FUZZ_ASSERT(memcmp(again, text, size) == 0);
		free(bytes);
		free(again);
	}
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
	}
	any_text((const char *) data, size);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (FUZZ_TRY())
		drive(data, size);
	fuzz_reset();
	return 0;
}
