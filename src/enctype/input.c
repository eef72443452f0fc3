/*
 * input.c
 *	  From text to a value: plaintext is sealed, our own text form is checked
 *	  and taken as it is.
 */
#include "base/compat.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "base/errors.h"
#include "base/session.h"
#include "enctype/damage.h"
#include "enctype/unsealed.h"
#include "enctype/value.h"

typedef enum Verdict
{
	VERDICT_GOOD, /* verified, or no key to verify with */
	VERDICT_FORGED,
	VERDICT_NEEDS_TAG, /* verified; tag holds what is missing */
	VERDICT_NO_KEY,	   /* lacks its tag and cannot get one */
	VERDICT_GONE,	   /* the same, for ever: its person was erased */
} Verdict;

/* An equality tag as it was made here. */
typedef struct MadeTag
{
	uint8 generation;
	uint8 bytes[GDPR_TAG_LEN];
} MadeTag;

/*
 * Recomputes the equality tag of a payload.  One of a generation that is not
 * available here cannot be judged and gives way to one of the current.
 *
 * The context is looked up after the value was opened, and may be gone again:
 * a restore in other sessions brings contexts while values are read.
 */
static Verdict
verify_tag(const GdprKind *kind, const GdprEnvelope *env, GdprBytes payload,
		   MadeTag *made)
{
	const GdprContext *context = gdpr_keyring_context(env->context);

	if (context != NULL && env->tag != NULL &&
		gdpr_value_tag(kind, context, env->tag_generation, payload,
					   made->bytes))
		return memcmp(made->bytes, env->tag, GDPR_TAG_LEN) == 0
				   ? VERDICT_GOOD
				   : VERDICT_FORGED;
	if (context != NULL &&
		gdpr_value_tag(kind, context, context->tag_generation, payload,
					   made->bytes))
	{
		made->generation = context->tag_generation;
		return VERDICT_NEEDS_TAG;
	}
	return env->tag != NULL ? VERDICT_GOOD : VERDICT_NO_KEY;
}

static Verdict
verify(const GdprKind *kind, const GdprEnvelope *env, MadeTag *made)
{
	uint8 *buffer = palloc(env->length + 1);
	GdprBytes payload = {buffer, env->length};
	Verdict verdict = VERDICT_GOOD;

	switch (gdpr_value_open(env, buffer))
	{
		case GDPR_OPEN_CORRUPT:
			verdict = VERDICT_FORGED;
			break;
		case GDPR_OPEN_NO_KEY:
			if (kind->canonical != NULL && env->tag == NULL)
				verdict = VERDICT_NO_KEY;
			break;
		case GDPR_OPEN_GONE:
			if (kind->canonical != NULL && env->tag == NULL)
				verdict = VERDICT_GONE;
			break;
		case GDPR_OPENED:
			if (kind->canonical != NULL)
				verdict = verify_tag(kind, env, payload, made);
			explicit_bzero(buffer, env->length);
			break;
		case GDPR_OPEN_EMPTY:
			break;
	}
	pfree(buffer);
	return verdict;
}

/* The same value with another tag, or with the one its text form left out. */
static struct varlena *
add_tag(const GdprEnvelope *env, const MadeTag *made)
{
	GdprEnvelope tagged = *env;
	size_t rest_length = GDPR_NONCE_LEN + env->length + GDPR_GCM_TAG_LEN;
	struct varlena *value;
	uint8 *rest;
	Size size;

	tagged.flags |= GDPR_FLAG_TAG;
	tagged.tag = made->bytes;
	tagged.tag_generation = made->generation;
	size = VARHDRSZ + gdpr_envelope_size(tagged.flags, true, env->length);
	value = (struct varlena *) palloc(size);
	SET_VARSIZE(value, size);
	rest = gdpr_envelope_write_header((uint8 *) VARDATA(value), &tagged);
	memcpy(rest, env->nonce, rest_length);
	return value;
}

/*
 * A value of the column's own context, or of any context where none is asked
 * for: taken byte for byte, and verified where the keys are here.
 */
static struct varlena *
take_verbatim(const GdprKind *kind, struct varlena *value,
			  const GdprEnvelope *env, Node *escontext)
{
	MadeTag made;

	if (env->flags & GDPR_FLAG_ERASED)
		return env->tag != NULL || kind->canonical == NULL
				   ? value
				   : gdpr_value_make_erased(kind, env->context);
	switch (verify(kind, env, &made))
	{
		case VERDICT_GOOD:
			break;
		case VERDICT_FORGED:
			return gdpr_damage_forged(env, escontext);
		case VERDICT_NEEDS_TAG:
			return add_tag(env, &made);
		case VERDICT_GONE:
			/* A dump may bring the keys after the values. */
			if (!gdpr_session_is_restoring())
				return gdpr_value_make_erased(kind, env->context);
			/* FALLTHROUGH */
		case VERDICT_NO_KEY:
			ereport(ERROR,
					(errcode(ERRCODE_GDPR_KEY_UNAVAILABLE),
					 errmsg("encrypted value lacks its equality tag, and the key to make it is not available"),
					 errhint("Dump with a role that may search the context, or load the keys.")));
	}
	return value;
}

/*
 * No value arrives under a key on its way out, so that it can go for good; but
 * a dump brings back what it took.
 */
static struct varlena *
renew(struct varlena *value, const GdprEnvelope *env, Node *escontext)
{
	const GdprContext *context = gdpr_keyring_context(env->context);
	Datum result = PointerGetDatum(value);
	GdprKeyFate fate;

	if (context == NULL ||
		(env->flags & (GDPR_FLAG_ERASED | GDPR_FLAG_SUBJECT)))
		return value;
	fate = gdpr_keyring_fate(context, env->key_version);
	if (fate == GDPR_KEY_LIVES || gdpr_session_is_restoring())
		return value;
	if (fate == GDPR_KEY_DESTROYED)
		ereturn(escontext, NULL,
				(errcode(ERRCODE_GDPR_KEY_UNAVAILABLE),
				 errmsg("encrypted value has a key of context \"%s\" that was destroyed", NameStr(context->name))));
	/* To compare with, it is good as it is. */
	if (!XactReadOnly && !RecoveryInProgress())
		(void) gdpr_value_reseal(result, &result);
	return (struct varlena *) DatumGetPointer(result);
}

/* What is meant to be a value's text form, to its bytes. */
static struct varlena *
decode(const char *text, size_t length)
{
	struct varlena *value;
	size_t used;

	value = (struct varlena *) palloc(VARHDRSZ +
									  gdpr_envelope_bytes_length(length));
	used = gdpr_envelope_from_text(text, length, (uint8 *) VARDATA(value));
	SET_VARSIZE(value, VARHDRSZ + used);
	return value;
}

static struct varlena *
input_envelope(const GdprKind *kind, const char *text, size_t length,
			   int32 typmod, Node *escontext)
{
	struct varlena *value = decode(text, length);
	GdprBytes bytes = gdpr_value_bytes(value);
	GdprEnvelopeError error;
	GdprEnvelope env;

	error = gdpr_envelope_parse(bytes.data, bytes.length, &env);
	if (error != GDPR_ENVELOPE_OK)
		return gdpr_damage_malformed(error, bytes, typmod, escontext);
	if (GDPR_ENVELOPE_KIND(&env) != kind->kind)
		return gdpr_damage_misplaced(&env, kind->type_name, escontext);

	/*
	 * A value in flight belongs to the statement it was made in.  Taken back
	 * from text it would show its plaintext to whoever saw its ciphertext.
	 */
	if (env.flags & GDPR_FLAG_INFLIGHT)
		return gdpr_damage_in_flight(&env, escontext);
	gdpr_value_check_length(env.length);
	if (typmod >= 0 && env.context != (uint32) typmod)
		return (struct varlena *) DatumGetPointer(
			gdpr_value_move(kind, PointerGetDatum(value), typmod, false));
	value = take_verbatim(kind, value, &env, escontext);
	return value == NULL ? NULL : renew(value, &env, escontext);
}

Datum
gdpr_input_text(const GdprKind *kind, const char *text, size_t length,
				int32 typmod, Node *escontext)
{
	GdprBytes plain = {(const uint8 *) text, length};
	GdprBytes payload;

	switch (gdpr_envelope_text_form(text, length))
	{
		case GDPR_TEXT_ENVELOPE:
			return PointerGetDatum(
				input_envelope(kind, text, length, typmod, escontext));
		case GDPR_TEXT_BROKEN:
			return PointerGetDatum(
				gdpr_damage_broken_text(text, length, typmod, escontext));
		case GDPR_TEXT_ESCAPED:
			plain.data += GDPR_TEXT_ESCAPE_LEN;
			plain.length -= GDPR_TEXT_ESCAPE_LEN;
			break;
		case GDPR_TEXT_PLAIN:
			break;
	}
	if (!kind->parse(kind, plain, escontext, &payload))
		return PointerGetDatum(NULL);
	if (typmod < 0)
		return gdpr_unsealed_make(kind, payload);
	return PointerGetDatum(gdpr_value_make(kind, payload, typmod, false));
}

struct varlena *
gdpr_input_string(const GdprKind *kind, const char *text, size_t length,
				  int32 typmod, bool is_explicit)
{
	GdprBytes plain = {(const uint8 *) text, length};
	GdprBytes payload;

	switch (gdpr_envelope_text_form(text, length))
	{
		case GDPR_TEXT_ENVELOPE:
			return input_envelope(kind, text, length, typmod, NULL);
		case GDPR_TEXT_BROKEN:
			return gdpr_damage_broken_text(text, length, typmod, NULL);
		case GDPR_TEXT_ESCAPED:
		case GDPR_TEXT_PLAIN:
			break;
	}
	(void) kind->parse(kind, plain, NULL, &payload);
	return gdpr_value_make(kind, payload, typmod, is_explicit);
}
