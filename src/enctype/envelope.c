/*
 * envelope.c
 *	  The format of an encrypted value, on disk and as text.
 *
 * Strict in what it accepts: one sequence of bytes per value, no slack that
 * two readers could understand differently.
 */
#include "base/compat.h"

#include "enctype/envelope.h"

static const char encode_table[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static uint32
read_uint32(const uint8 *p)
{
	return ((uint32) p[0] << 24) | ((uint32) p[1] << 16) |
		   ((uint32) p[2] << 8) | (uint32) p[3];
}

static void
write_uint32(uint8 *p, uint32 value)
{
	p[0] = (uint8) (value >> 24);
	p[1] = (uint8) (value >> 16);
	p[2] = (uint8) (value >> 8);
	p[3] = (uint8) value;
}

bool
gdpr_envelope_kind_has_tag(uint8 kind)
{
	return kind == GDPR_KIND_TEXT || kind == GDPR_KIND_FOLDED;
}

static bool
kind_is_defined(uint8 kind)
{
	return kind >= GDPR_KIND_TEXT && kind <= GDPR_KIND_TIMESTAMPTZ;
}

/*
 * Which flags and contexts go together.  A stored value always has a context;
 * one in flight has a tag only for a context, and never a subject's key.
 */
static GdprEnvelopeError
check_header(const GdprEnvelope *env)
{
	uint8 kind = GDPR_ENVELOPE_KIND(env);
	bool tag = (env->flags & GDPR_FLAG_TAG) != 0;

	if (!kind_is_defined(kind))
		return GDPR_ENVELOPE_BAD_KIND;
	if (tag && !gdpr_envelope_kind_has_tag(kind))
		return GDPR_ENVELOPE_BAD_FLAGS;
	if (!tag && env->tag_generation != 0)
		return GDPR_ENVELOPE_BAD_GENERATION;
	if (env->context > PG_INT32_MAX)
		return GDPR_ENVELOPE_BAD_CONTEXT;
	if (env->flags & GDPR_FLAG_INFLIGHT)
	{
		if (env->flags & (GDPR_FLAG_SUBJECT | GDPR_FLAG_ERASED))
			return GDPR_ENVELOPE_BAD_FLAGS;
		if (env->context == 0 && tag)
			return GDPR_ENVELOPE_BAD_CONTEXT;
	}
	else if (env->context == 0)
		return GDPR_ENVELOPE_BAD_CONTEXT;
	return GDPR_ENVELOPE_OK;
}

static GdprEnvelopeError
parse_fixed(const uint8 *data, size_t length, GdprEnvelope *env)
{
	memset(env, 0, sizeof(*env));
	if (length < GDPR_ENVELOPE_FIXED_LEN)
		return GDPR_ENVELOPE_TOO_SHORT;
	if (data[0] != GDPR_ENVELOPE_VERSION)
		return GDPR_ENVELOPE_BAD_VERSION;
	env->flags = data[1];
	env->context = read_uint32(data + 2);
	env->key_version = (uint16) ((data[6] << 8) | data[7]);
	env->tag_generation = data[8];
	if (env->flags & GDPR_FLAG_TAG)
	{
		if (length < GDPR_ENVELOPE_HEAD_LEN)
			return GDPR_ENVELOPE_TOO_SHORT;
		env->tag = data + GDPR_ENVELOPE_FIXED_LEN;
	}
	return check_header(env);
}

uint32
gdpr_envelope_claimed_context(const uint8 *data, size_t length)
{
	if (length < GDPR_ENVELOPE_FIXED_LEN || data[0] != GDPR_ENVELOPE_VERSION)
		return 0;
	return read_uint32(data + 2);
}

bool
gdpr_envelope_peek(const uint8 *data, size_t length, GdprEnvelope *env)
{
	return parse_fixed(data, length, env) == GDPR_ENVELOPE_OK;
}

/* A probe is a value in flight that has a tag and nothing after it. */
static bool
may_lack_payload(const GdprEnvelope *env)
{
	return (env->flags & GDPR_FLAG_INFLIGHT) && (env->flags & GDPR_FLAG_TAG);
}

GdprEnvelopeError
gdpr_envelope_parse(const uint8 *data, size_t length, GdprEnvelope *env)
{
	GdprEnvelopeError error = parse_fixed(data, length, env);
	size_t header;
	size_t rest;

	if (error != GDPR_ENVELOPE_OK)
		return error;
	header = gdpr_envelope_size(env->flags, false, 0);
	if (length < header)
		return GDPR_ENVELOPE_TOO_SHORT;
	if (env->flags & GDPR_FLAG_SUBJECT)
		env->subject = data + header - GDPR_ENVELOPE_SUBJECT_LEN;
	rest = length - header;
	if (env->flags & GDPR_FLAG_ERASED)
		return rest == 0 ? GDPR_ENVELOPE_OK : GDPR_ENVELOPE_TOO_LONG;
	if (rest == 0 && may_lack_payload(env))
		return GDPR_ENVELOPE_OK;
	if (rest < GDPR_ENVELOPE_NONCE_LEN + GDPR_ENVELOPE_GCM_LEN)
		return GDPR_ENVELOPE_TOO_SHORT;
	env->nonce = data + header;
	env->sealed = env->nonce + GDPR_ENVELOPE_NONCE_LEN;
	env->length = rest - GDPR_ENVELOPE_NONCE_LEN - GDPR_ENVELOPE_GCM_LEN;
	return GDPR_ENVELOPE_OK;
}

size_t
gdpr_envelope_size(uint8 flags, bool payload, size_t length)
{
	size_t size = GDPR_ENVELOPE_FIXED_LEN;

	if (flags & GDPR_FLAG_TAG)
		size += GDPR_ENVELOPE_TAG_LEN;
	if (flags & GDPR_FLAG_SUBJECT)
		size += GDPR_ENVELOPE_SUBJECT_LEN;
	if (payload)
		size += GDPR_ENVELOPE_NONCE_LEN + length + GDPR_ENVELOPE_GCM_LEN;
	return size;
}

static uint8 *
write_field(uint8 *out, const uint8 *field, size_t length)
{
	if (field != NULL)
		memcpy(out, field, length);
	else
		memset(out, 0, length);
	return out + length;
}

uint8 *
gdpr_envelope_write_header(uint8 *out, const GdprEnvelope *env)
{
	out[0] = GDPR_ENVELOPE_VERSION;
	out[1] = env->flags;
	write_uint32(out + 2, env->context);
	out[6] = (uint8) (env->key_version >> 8);
	out[7] = (uint8) env->key_version;
	out[8] = env->tag_generation;
	out += GDPR_ENVELOPE_FIXED_LEN;
	if (env->flags & GDPR_FLAG_TAG)
		out = write_field(out, env->tag, GDPR_ENVELOPE_TAG_LEN);
	if (env->flags & GDPR_FLAG_SUBJECT)
		out = write_field(out, env->subject, GDPR_ENVELOPE_SUBJECT_LEN);
	return out;
}

size_t
gdpr_envelope_aad(const GdprEnvelope *env, const char *name, uint8 *out)
{
	size_t used = 8;
	size_t name_length = strnlen(name, 64);

	out[0] = GDPR_ENVELOPE_VERSION;
	out[1] = env->flags &
			 (GDPR_FLAG_KIND | GDPR_FLAG_SUBJECT | GDPR_FLAG_ERASED);
	write_uint32(out + 2, env->context);
	out[6] = (uint8) (env->key_version >> 8);
	out[7] = (uint8) env->key_version;
	if (env->flags & GDPR_FLAG_SUBJECT)
	{
		memcpy(out + used, env->subject, GDPR_ENVELOPE_SUBJECT_LEN);
		used += GDPR_ENVELOPE_SUBJECT_LEN;
	}
	memcpy(out + used, name, name_length);
	return used + name_length;
}

/* Value of a base64 digit, -1 for any other character. */
static int
digit_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	if (c == '/')
		return 63;
	return -1;
}

/*
 * Strict base64: whole groups of four, padding only at the end, unused bits
 * zero, nothing else in between.
 */
static bool
is_base64(const char *text, size_t length)
{
	size_t digits = length;

	if (length == 0 || length % 4 != 0)
		return false;
	while (digits > length - 2 && text[digits - 1] == '=')
		digits--;
	for (size_t i = 0; i < digits; i++)
	{
		if (digit_value(text[i]) < 0)
			return false;
	}
	if (length - digits == 1)
		return (digit_value(text[digits - 1]) & 0x03) == 0;
	if (length - digits == 2)
		return (digit_value(text[digits - 1]) & 0x0F) == 0;
	return true;
}

/* Do the first two bytes read as this version and a kind that is defined? */
static bool
claims_to_be_envelope(const char *base64)
{
	int a = digit_value(base64[0]);
	int b = digit_value(base64[1]);
	int c = digit_value(base64[2]);

	if (a < 0 || b < 0 || c < 0)
		return false;
	if (((a << 2) | (b >> 4)) != GDPR_ENVELOPE_VERSION)
		return false;
	return kind_is_defined(
		(uint8) ((((b & 0x0F) << 4) | (c >> 2)) & GDPR_FLAG_KIND));
}

/* Of the header alone, that is the fixed part of one. */
#define HEADER_DIGITS (GDPR_ENVELOPE_FIXED_LEN / 3 * 4)

/* As many as the shortest value that has a payload; erased ones have fewer. */
#define MANY_DIGITS                                       \
	((GDPR_ENVELOPE_FIXED_LEN + GDPR_ENVELOPE_NONCE_LEN + \
	  GDPR_ENVELOPE_GCM_LEN) /                            \
	 3 * 4)

/* The header at the beginning of what follows the prefix; false without one. */
static bool
decode_header(const char *base64, size_t length, uint8 *header)
{
	if (length < HEADER_DIGITS)
		return false;
	for (int i = 0; i < HEADER_DIGITS; i += 4)
	{
		uint32 group = 0;

		for (int j = 0; j < 4; j++)
		{
			int digit = digit_value(base64[i + j]);

			if (digit < 0)
				return false;
			group = group << 6 | (uint32) digit;
		}
		*header++ = (uint8) (group >> 16);
		*header++ = (uint8) (group >> 8);
		*header++ = (uint8) group;
	}
	return true;
}

static bool
begins_with_header(const char *base64, size_t length)
{
	uint8 bytes[GDPR_ENVELOPE_HEAD_LEN] = {0};
	GdprEnvelope env;

	return decode_header(base64, length, bytes) &&
		   gdpr_envelope_peek(bytes, sizeof(bytes), &env);
}

static bool
is_hexadecimal(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') ||
		   (c >= 'A' && c <= 'F');
}

/* Base64 so long that nobody typed it, padded or not. */
static bool
is_long_run_of_digits(const char *base64, size_t length)
{
	bool hexadecimal = true;

	if (length < MANY_DIGITS)
		return false;
	for (int i = 0; i < 2 && base64[length - 1] == '='; i++)
		length--;
	for (size_t i = 0; i < length; i++)
	{
		if (digit_value(base64[i]) < 0)
			return false;
		hexadecimal = hexadecimal && is_hexadecimal(base64[i]);
	}
	return !hexadecimal;
}

GdprTextForm
gdpr_envelope_text_form(const char *text, size_t length)
{
	if (length < GDPR_TEXT_ESCAPE_LEN ||
		memcmp(text, GDPR_TEXT_PREFIX, GDPR_TEXT_PREFIX_LEN) != 0)
		return GDPR_TEXT_PLAIN;
	if (text[GDPR_TEXT_PREFIX_LEN] == '=')
		return GDPR_TEXT_ESCAPED;
	text += GDPR_TEXT_PREFIX_LEN;
	length -= GDPR_TEXT_PREFIX_LEN;
	if (length >= HEADER_DIGITS && claims_to_be_envelope(text) &&
		is_base64(text, length))
		return GDPR_TEXT_ENVELOPE;
	if (begins_with_header(text, length) || is_long_run_of_digits(text, length))
		return GDPR_TEXT_BROKEN;
	return GDPR_TEXT_PLAIN;
}

bool
gdpr_envelope_text_claims(const char *text, size_t length)
{
	GdprTextForm form = gdpr_envelope_text_form(text, length);

	return form == GDPR_TEXT_ENVELOPE || form == GDPR_TEXT_BROKEN;
}

uint32
gdpr_envelope_text_context(const char *text, size_t length)
{
	uint8 header[GDPR_ENVELOPE_FIXED_LEN];

	if (length < GDPR_TEXT_PREFIX_LEN ||
		!decode_header(text + GDPR_TEXT_PREFIX_LEN,
					   length - GDPR_TEXT_PREFIX_LEN, header))
		return 0;
	return gdpr_envelope_claimed_context(header, sizeof(header));
}

bool
gdpr_envelope_text_needs_escape(const char *text, size_t length)
{
	return gdpr_envelope_text_form(text, length) != GDPR_TEXT_PLAIN;
}

size_t
gdpr_envelope_text_length(size_t bytes)
{
	return GDPR_TEXT_PREFIX_LEN + (bytes + 2) / 3 * 4;
}

size_t
gdpr_envelope_bytes_length(size_t text_length)
{
	return (text_length - GDPR_TEXT_PREFIX_LEN) / 4 * 3;
}

void
gdpr_envelope_to_text(const uint8 *data, size_t length, char *out)
{
	memcpy(out, GDPR_TEXT_PREFIX, GDPR_TEXT_PREFIX_LEN);
	out += GDPR_TEXT_PREFIX_LEN;
	while (length > 0)
	{
		size_t n = Min(length, 3);
		uint32 group = (uint32) data[0] << 16;

		if (n > 1)
			group |= (uint32) data[1] << 8;
		if (n > 2)
			group |= (uint32) data[2];
		out[0] = encode_table[group >> 18];
		out[1] = encode_table[(group >> 12) & 63];
		out[2] = n > 1 ? encode_table[(group >> 6) & 63] : '=';
		out[3] = n > 2 ? encode_table[group & 63] : '=';
		out += 4;
		data += n;
		length -= n;
	}
}

size_t
gdpr_envelope_from_text(const char *text, size_t length, uint8 *out)
{
	const char *end = text + length;
	uint8 *start = out;

	for (text += GDPR_TEXT_PREFIX_LEN; end - text >= 4; text += 4)
	{
		int c = digit_value(text[2]);
		int d = digit_value(text[3]);
		uint32 group = ((uint32) digit_value(text[0]) << 18) |
					   ((uint32) digit_value(text[1]) << 12) |
					   ((uint32) Max(c, 0) << 6) | (uint32) Max(d, 0);

		*out++ = (uint8) (group >> 16);
		if (c >= 0)
			*out++ = (uint8) (group >> 8);
		if (d >= 0)
			*out++ = (uint8) group;
	}
	return out - start;
}
