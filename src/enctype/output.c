/*
 * output.c
 *	  Who sees plaintext: the mode of output, and the decision per value.
 */
#include "base/compat.h"

#include "access/parallel.h"
#include "base/guc.h"
#include "enctype/output.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "replication/walsender.h"
#include "utils/snapmgr.h"

static GdprEmit emit_mode = GDPR_EMIT_NORMAL;

GdprEmit
gdpr_output_set_mode(GdprEmit mode)
{
	GdprEmit before = emit_mode;

	emit_mode = mode;
	return before;
}

/* A process that serves no client's query of its own. */
static bool
is_maintenance_process(void)
{
	if (MyBgworkerEntry != NULL)
		return !IsParallelWorker();
	return MyBackendType == B_AUTOVAC_WORKER;
}

GdprEmit
gdpr_output_mode(void)
{
	if (am_walsender || HistoricSnapshotActive())
		return GDPR_EMIT_STORAGE_WITH_TAG;
	if (emit_mode == GDPR_EMIT_NORMAL && is_maintenance_process())
		return GDPR_EMIT_NEVER_PLAIN;
	return emit_mode;
}

/* Has the current user the privilege on the value's context? */
static bool
user_may(const GdprEnvelope *env, int privilege)
{
	const GdprContext *context = gdpr_keyring_context(env->context);

	return context != NULL && gdpr_keyring_may(context, GetUserId(), privilege);
}

/* Loose values came from this client's own statement. */
static bool
shows_plaintext(const GdprEnvelope *env, GdprEmit mode)
{
	if (mode != GDPR_EMIT_NORMAL || env->nonce == NULL)
		return false;
	if (gdpr_value_is_loose(env))
		return true;
	return gdpr_guc_output == GDPR_OUTPUT_PLAINTEXT &&
		   user_may(env, GDPR_PRIV_READ);
}

/*
 * A superuser gets it by COPY in any case.  The INSERTs of his pg_dump would
 * otherwise be rows that no server without the keys could take back.
 */
static bool
shows_tag(const GdprEnvelope *env, GdprEmit mode)
{
	if (mode == GDPR_EMIT_STORAGE_WITH_TAG)
		return true;
	return mode != GDPR_EMIT_STORAGE_WITHOUT_TAG &&
		   (user_may(env, GDPR_PRIV_SEARCH) || superuser());
}

static char *
escape_text(GdprBytes text, size_t *length)
{
	char *out = palloc(GDPR_TEXT_ESCAPE_LEN + text.length + 1);

	memcpy(out, GDPR_TEXT_ESCAPE, GDPR_TEXT_ESCAPE_LEN);
	memcpy(out + GDPR_TEXT_ESCAPE_LEN, text.data, text.length);
	*length = GDPR_TEXT_ESCAPE_LEN + text.length;
	out[*length] = '\0';
	return out;
}

/* NULL when the value cannot be opened or shown in this database. */
static char *
plaintext(const GdprEnvelope *env, size_t *length)
{
	const GdprKind *kind = gdpr_kind_of(GDPR_ENVELOPE_KIND(env));
	GdprBytes payload;
	GdprBytes text;
	uint8 *buffer;

	if (kind == NULL)
		return NULL;
	buffer = palloc(env->length + 1);
	if (gdpr_value_open(env, buffer) != GDPR_OPENED)
		return NULL;
	payload.data = buffer;
	payload.length = env->length;
	if (!kind->print(payload, &text))
		return NULL;
	if (gdpr_envelope_text_needs_escape((const char *) text.data, text.length))
		return escape_text(text, length);
	/* The payload itself has room for a NUL, other text ends in one. */
	if (text.data == buffer)
		buffer[text.length] = '\0';
	*length = text.length;
	return (char *) text.data;
}

static char *
encode(const uint8 *data, size_t size, size_t *length)
{
	char *out;

	*length = gdpr_envelope_text_length(size);
	out = palloc(*length + 1);
	gdpr_envelope_to_text(data, size, out);
	out[*length] = '\0';
	return out;
}

/* The stored form with its tag left out. */
static char *
encode_without_tag(GdprBytes bytes, const GdprEnvelope *env, size_t *length)
{
	GdprEnvelope bare = *env;
	size_t old_header = gdpr_envelope_size(env->flags, false, 0);
	size_t rest_length = bytes.length - old_header;
	uint8 *copy = palloc(bytes.length);
	uint8 *rest;

	bare.flags &= ~GDPR_FLAG_TAG;
	bare.tag = NULL;
	bare.tag_generation = 0;
	rest = gdpr_envelope_write_header(copy, &bare);
	memcpy(rest, bytes.data + old_header, rest_length);
	return encode(copy, rest + rest_length - copy, length);
}

char *
gdpr_output_text(GdprBytes bytes, size_t *length)
{
	GdprEmit mode = gdpr_output_mode();
	GdprEnvelope env;
	char *text;

	if (gdpr_envelope_parse(bytes.data, bytes.length, &env) != GDPR_ENVELOPE_OK)
		return encode(bytes.data, bytes.length, length);
	if (shows_plaintext(&env, mode))
	{
		text = plaintext(&env, length);
		if (text != NULL)
			return text;
	}
	if (env.tag != NULL && !shows_tag(&env, mode))
		return encode_without_tag(bytes, &env, length);
	return encode(bytes.data, bytes.length, length);
}
