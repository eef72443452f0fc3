/*
 * value.c
 *	  Sealing, opening and tagging the values of encrypted types.
 *
 * A value is one varlena that holds an envelope (envelope.h).  Nothing in
 * here puts a value, or any part of one, into an error report.
 */
#include "base/compat.h"

#include "base/errors.h"
#include "crypto/random.h"
#include "crypto/subject_key.h"
#include "enctype/damage.h"
#include "enctype/recent.h"
#include "enctype/redact_scope.h"
#include "enctype/unsealed.h"
#include "enctype/value.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

StaticAssertDecl(GDPR_ENVELOPE_TAG_LEN == GDPR_TAG_LEN, "tag length");
StaticAssertDecl(GDPR_ENVELOPE_NONCE_LEN == GDPR_NONCE_LEN, "nonce length");
StaticAssertDecl(GDPR_ENVELOPE_SUBJECT_LEN == GDPR_SUBJECT_ID_LEN,
				 "length of a subject key's id");
StaticAssertDecl(GDPR_ENVELOPE_GCM_LEN == GDPR_GCM_TAG_LEN, "GCM tag length");
StaticAssertDecl(NAMEDATALEN <= 64, "a context's name fits into the AAD");

/* Payloads up to this length are moved through the stack. */
#define SMALL_PAYLOAD 512

/* So that the text form of every value fits into one allocation. */
#define MAX_PAYLOAD ((MaxAllocSize - 64) / 4 * 3 - GDPR_ENVELOPE_OVERHEAD)

void
gdpr_value_parse(GdprBytes bytes, GdprEnvelope *env)
{
	GdprEnvelopeError error = gdpr_envelope_parse(bytes.data, bytes.length,
												  env);

	if (error != GDPR_ENVELOPE_OK)
		(void) gdpr_damage_malformed(error, bytes, -1, NULL);
}

GdprBytes
gdpr_value_head(Datum value)
{
	struct varlena *raw = (struct varlena *) DatumGetPointer(value);

	if (VARATT_IS_EXTERNAL(raw) || VARATT_IS_COMPRESSED(raw))
		raw = PG_DETOAST_DATUM_SLICE(value, 0, GDPR_ENVELOPE_HEAD_LEN);
	return gdpr_value_bytes(raw);
}

const GdprContext *
gdpr_value_context(uint32 hash)
{
	const GdprContext *context = gdpr_keyring_context(hash);

	if (context == NULL && !gdpr_keyring_can_look())
		ereport(ERROR,
				(errcode(ERRCODE_GDPR_KEY_UNAVAILABLE),
				 errmsg("keys are not available to replication and logical decoding")));
	if (context == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("encryption context with hash %u does not exist", hash),
				 errhint("Create the context of this column with gdpr.create_context.")));
	return context;
}

/* The key that a value was sealed with, and the name in its AAD. */
static GdprAead *
opening_key(const GdprEnvelope *env, const char **name, GdprOpened *why)
{
	GdprSubjectKeyState state = GDPR_SUBJECT_KEY_LOCKED;
	const GdprContext *context;
	GdprAead *aead;

	*name = "";
	*why = GDPR_OPEN_NO_KEY;
	if (env->flags & GDPR_FLAG_INFLIGHT)
		return gdpr_keyring_preloaded()
				   ? gdpr_keyring_inflight_open(env->key_version)
				   : NULL;
	context = gdpr_keyring_context(env->context);
	if (context == NULL)
		return NULL;
	*name = NameStr(context->name);
	if ((env->flags & GDPR_FLAG_SUBJECT) == 0)
		return gdpr_keyring_cipher(context, env->key_version, true);
	aead = gdpr_subject_key_opener(env->subject, &state);
	if (state == GDPR_SUBJECT_KEY_GONE)
		*why = GDPR_OPEN_GONE;
	return aead;
}

/*
 * What a statement writes to a relation with keys of persons is sealed for its
 * context first and opened a moment later, when the row's person is known.  A
 * process that has seen that remembers what it seals.
 */
static bool seals_again = false;

GdprOpened
gdpr_value_open(const GdprEnvelope *env, uint8 *out)
{
	uint8 aad[GDPR_ENVELOPE_AAD_LEN];
	size_t aad_length;
	const char *name;
	GdprOpened why;
	GdprAead *aead;

	if (env->nonce == NULL)
		return GDPR_OPEN_EMPTY;
	if ((gdpr_value_is_loose(env) || seals_again) && gdpr_recent_find(env, out))
		return GDPR_OPENED;
	aead = opening_key(env, &name, &why);
	if (aead == NULL)
		return why;
	aad_length = gdpr_envelope_aad(env, name, aad);
	if (!gdpr_aead_open(aead, env->nonce, aad, aad_length, env->sealed,
						env->length, out))
		return GDPR_OPEN_CORRUPT;
	return GDPR_OPENED;
}

void
gdpr_value_require_opened(const GdprEnvelope *env, GdprOpened opened)
{
	switch (opened)
	{
		case GDPR_OPENED:
			return;
		case GDPR_OPEN_EMPTY:
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("value made for a comparison has no plaintext")));
			break;
		case GDPR_OPEN_NO_KEY:
			gdpr_keyring_require_preload();
			gdpr_damage_key_missing(env);
			break;
		case GDPR_OPEN_GONE:
			ereport(ERROR,
					(errcode(ERRCODE_GDPR_KEY_UNAVAILABLE),
					 errmsg("the person that an encrypted value belonged to was erased")));
			break;
		case GDPR_OPEN_CORRUPT:
			(void) gdpr_damage_forged(env, NULL);
			break;
	}
}

void
gdpr_value_require_context(const GdprEnvelope *env)
{
	if (gdpr_keyring_can_look() && gdpr_keyring_context(env->context) == NULL)
		gdpr_damage_context_missing(env->context);
}

void
gdpr_value_check_read(const GdprEnvelope *env)
{
	const GdprContext *context;

	if (gdpr_value_is_loose(env))
		return;
	context = gdpr_keyring_context(env->context);
	if (context == NULL)
	{
		gdpr_value_require_context(env);
		context = gdpr_value_context(env->context);
	}
	gdpr_keyring_check(context, GetUserId(), GDPR_PRIV_READ);
}

static void
compute_tag(const GdprKind *kind, GdprTagKey *key, GdprBytes payload,
			uint8 *tag)
{
	GdprBytes canonical = kind->canonical(payload);

	gdpr_tag_compute(key, kind->kind, canonical.data, canonical.length, tag);
}

bool
gdpr_value_tag(const GdprKind *kind, const GdprContext *context,
			   uint8 generation, GdprBytes payload, uint8 *tag)
{
	GdprTagKey *key = gdpr_keyring_tag_key(context, generation, true);

	if (key == NULL)
		return false;
	compute_tag(kind, key, payload, tag);
	return true;
}

/* Gives the value its tag, where its type has one; tag is room for it. */
static void
give_tag(GdprEnvelope *env, const GdprKind *kind, const GdprContext *context,
		 GdprBytes payload, uint8 *tag)
{
	if (kind->canonical == NULL)
		return;
	env->flags |= GDPR_FLAG_TAG;
	env->tag_generation = context->tag_generation;
	env->tag = tag;
	compute_tag(kind, gdpr_keyring_tag_key(context, env->tag_generation, false),
				payload, tag);
}

void
gdpr_value_check_length(size_t length)
{
	if (length > MAX_PAYLOAD)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("value is too long for an encrypted type"),
				 errdetail("The limit is %zu bytes.", (size_t) MAX_PAYLOAD)));
}

/* Allocates a value with its header written; *rest is where the nonce goes. */
static struct varlena *
start_value(const GdprEnvelope *env, bool payload, size_t length, uint8 **rest)
{
	struct varlena *value;
	Size size;

	gdpr_value_check_length(length);
	size = VARHDRSZ + gdpr_envelope_size(env->flags, payload, length);
	value = (struct varlena *) palloc(size);
	SET_VARSIZE(value, size);
	*rest = gdpr_envelope_write_header((uint8 *) VARDATA(value), env);
	return value;
}

/* Encrypts behind the header; rest holds the nonce already. */
static void
seal_rest(GdprAead *aead, const GdprEnvelope *env, const char *name,
		  GdprBytes payload, uint8 *rest)
{
	uint8 aad[GDPR_ENVELOPE_AAD_LEN];
	size_t aad_length = gdpr_envelope_aad(env, name, aad);

	gdpr_aead_seal(aead, rest, aad, aad_length, payload.data, payload.length,
				   rest + GDPR_ENVELOPE_NONCE_LEN);
}

/* Sealed by a key of this server run; the context may be NULL. */
static struct varlena *
make_inflight(const GdprKind *kind, const GdprContext *context,
			  GdprBytes payload)
{
	GdprEnvelope env = {.flags = kind->kind | GDPR_FLAG_INFLIGHT};
	GdprAead *aead = gdpr_keyring_inflight_seal(&env.key_version);
	struct varlena *value;
	uint8 tag[GDPR_TAG_LEN];
	uint8 *rest;

	if (context != NULL)
	{
		env.context = context->hash;
		give_tag(&env, kind, context, payload, tag);
	}
	value = start_value(&env, true, payload.length, &rest);
	gdpr_random_bytes(rest, GDPR_NONCE_LEN);
	seal_rest(aead, &env, "", payload, rest);
	if (context == NULL)
		gdpr_recent_add(&env, rest, payload);
	return value;
}

struct varlena *
gdpr_value_make_loose(const GdprKind *kind, GdprBytes payload)
{
	gdpr_redact_scope_touch();
	return make_inflight(kind, NULL, payload);
}

static void
refuse_read_only(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
			 errmsg("cannot encrypt a value to be stored in a read-only transaction")));
}

static void
refuse_retired(const GdprContext *context)
{
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("context \"%s\" takes no new values, because it was retired",
					NameStr(context->name)),
			 errhint("gdpr.rotate_context gives it a key again, unless it was destroyed.")));
}

static struct varlena *
make_without_count(const GdprKind *kind, const GdprContext *context,
				   GdprBytes payload, bool is_explicit)
{
	if (!is_explicit)
		refuse_read_only();
	return make_inflight(kind, context, payload);
}

/*
 * Under the context's primary key, with the tag that env brings along or a new
 * one.  NULL where no nonce can be counted.
 */
static struct varlena *
make_stored(const GdprKind *kind, const GdprContext *context, GdprBytes payload,
			GdprEnvelope *env)
{
	const GdprContext *before = context;
	struct varlena *value;
	uint8 nonce[GDPR_NONCE_LEN];
	uint8 tag[GDPR_TAG_LEN];
	GdprAead *aead;
	uint8 *rest;

	if (context->primary_version == 0)
		refuse_retired(context);
	aead = gdpr_keyring_cipher(context, context->primary_version, false);
	if (!gdpr_keyring_next_nonce(&context, nonce))
		return NULL;
	if (context != before)
		aead = gdpr_keyring_cipher(context, context->primary_version, false);
	env->context = context->hash;
	env->key_version = context->primary_version;
	if (env->tag == NULL)
		give_tag(env, kind, context, payload, tag);
	value = start_value(env, true, payload.length, &rest);
	memcpy(rest, nonce, GDPR_NONCE_LEN);
	seal_rest(aead, env, NameStr(context->name), payload, rest);
	if (seals_again)
		gdpr_recent_add(env, rest, payload);
	return value;
}

/* Under the key of a person, which is no version of the context's: 0. */
static struct varlena *
make_of_subject(const GdprKind *kind, const GdprContext *context,
				GdprBytes payload, const uint8 *subject_id, GdprEnvelope *env)
{
	GdprSubjectKeyState state;
	struct varlena *value;
	GdprAead *aead;
	uint8 tag[GDPR_TAG_LEN];
	uint8 *rest;

	env->flags |= GDPR_FLAG_SUBJECT;
	env->context = context->hash;
	env->key_version = 0;
	env->subject = subject_id;
	if (env->tag == NULL)
		give_tag(env, kind, context, payload, tag);
	aead = gdpr_subject_key_sealer(subject_id, &state);
	if (aead == NULL)
		gdpr_value_require_opened(env, state == GDPR_SUBJECT_KEY_GONE
										   ? GDPR_OPEN_GONE
										   : GDPR_OPEN_NO_KEY);
	value = start_value(env, true, payload.length, &rest);
	gdpr_random_bytes(rest, GDPR_NONCE_LEN);
	seal_rest(aead, env, NameStr(context->name), payload, rest);
	return value;
}

struct varlena *
gdpr_value_make(const GdprKind *kind, GdprBytes payload, int32 typmod,
				bool is_explicit)
{
	GdprEnvelope env = {.flags = kind->kind};
	const GdprContext *context;
	struct varlena *value;

	if (typmod < 0)
		return gdpr_value_make_loose(kind, payload);
	gdpr_redact_scope_touch();
	context = gdpr_value_context(typmod);
	gdpr_keyring_check(context, GetUserId(), GDPR_PRIV_WRITE);
	value = make_stored(kind, context, payload, &env);
	if (value == NULL)
		return make_without_count(kind, context, payload, is_explicit);
	return value;
}

struct varlena *
gdpr_value_make_erased(const GdprKind *kind, uint32 context)
{
	GdprEnvelope env = {
		.flags = kind->kind | GDPR_FLAG_ERASED,
		.context = context,
	};
	uint8 tag[GDPR_TAG_LEN];
	uint8 *rest;

	if (kind->canonical != NULL)
	{
		env.flags |= GDPR_FLAG_TAG;
		gdpr_random_bytes(tag, sizeof(tag));
		env.tag = tag;
	}
	return start_value(&env, false, 0, &rest);
}

/* An erased value stays erased, whatever context or type it goes to. */
static struct varlena *
move_erased(const GdprKind *kind, const GdprEnvelope *env, int32 typmod)
{
	if (typmod < 0 || env->context == (uint32) typmod)
		return gdpr_value_make_erased(kind, env->context);
	gdpr_keyring_check(gdpr_value_context(typmod), GetUserId(),
					   GDPR_PRIV_WRITE);
	return gdpr_value_make_erased(kind, typmod);
}

/* The payload in small or in a buffer of its own; free_payload() ends it. */
static GdprOpened
open_payload(const GdprEnvelope *env, uint8 *small, GdprBytes *payload)
{
	uint8 *buffer = env->length > SMALL_PAYLOAD ? palloc(env->length) : small;

	payload->data = buffer;
	payload->length = env->length;
	return gdpr_value_open(env, buffer);
}

static void
free_payload(uint8 *small, GdprBytes payload)
{
	explicit_bzero((uint8 *) payload.data, payload.length);
	if (payload.data != small)
		pfree((uint8 *) payload.data);
}

static bool keeps_subjects = false;

bool
gdpr_value_keep_subjects(bool keep)
{
	bool before = keeps_subjects;

	keeps_subjects = keep;
	return before;
}

/* In another context, under the key of the same person. */
static struct varlena *
make_of_same_subject(const GdprKind *kind, GdprBytes payload,
					 const uint8 *subject_id, int32 typmod)
{
	const GdprContext *context = gdpr_value_context(typmod);
	GdprEnvelope made = {.flags = kind->kind};

	gdpr_keyring_check(context, GetUserId(), GDPR_PRIV_WRITE);
	return make_of_subject(kind, context, payload, subject_id, &made);
}

/* Decrypts and makes anew; the caller has seen to the right to read. */
static struct varlena *
remake(const GdprKind *kind, const GdprEnvelope *env, int32 typmod,
	   bool is_explicit)
{
	uint8 small[SMALL_PAYLOAD];
	GdprBytes payload;
	struct varlena *result;
	GdprOpened opened = open_payload(env, small, &payload);

	if (opened == GDPR_OPEN_GONE)
		return move_erased(kind, env, typmod);
	gdpr_value_require_opened(env, opened);
	if (keeps_subjects && env->subject != NULL && typmod >= 0)
		result = make_of_same_subject(kind, payload, env->subject, typmod);
	else
		result = gdpr_value_make(kind, payload, typmod, is_explicit);
	free_payload(small, payload);
	return result;
}

/* Is the value, as far as its header tells, what the target wants? */
static bool
is_at_home(const GdprKind *kind, const GdprEnvelope *head, int32 typmod)
{
	if (GDPR_ENVELOPE_KIND(head) != kind->kind)
		return false;
	if (typmod < 0)
		return true;
	return head->context == (uint32) typmod &&
		   (head->flags & GDPR_FLAG_INFLIGHT) == 0;
}

Datum
gdpr_value_move(const GdprKind *kind, Datum value, int32 typmod,
				bool is_explicit)
{
	GdprUnsealedValue unsealed;
	GdprEnvelope env;
	GdprBytes bytes;

	if (typmod >= 0 && gdpr_unsealed_get(value, &unsealed))
		return PointerGetDatum(
			gdpr_value_make(kind, unsealed.payload, typmod, is_explicit));
	bytes = gdpr_value_head(value);
	if (gdpr_envelope_peek(bytes.data, bytes.length, &env) &&
		is_at_home(kind, &env, typmod))
		return value;
	bytes = gdpr_value_bytes(PG_DETOAST_DATUM_PACKED(value));
	gdpr_value_parse(bytes, &env);
	gdpr_value_check_read(&env);
	if (env.flags & GDPR_FLAG_ERASED)
		return PointerGetDatum(move_erased(kind, &env, typmod));
	return PointerGetDatum(remake(kind, &env, typmod, is_explicit));
}

/* ---- another key for a stored value ---- */

/* The same payload and tag, under a person's key or the context's (NULL). */
static GdprOpened
reseal(const GdprEnvelope *env, const uint8 *subject_id,
	   struct varlena **result)
{
	const GdprKind *kind = gdpr_kind_of(GDPR_ENVELOPE_KIND(env));
	const GdprContext *context = gdpr_value_context(env->context);
	GdprEnvelope made = {
		.flags = env->flags & (GDPR_FLAG_KIND | GDPR_FLAG_TAG),
		.tag = env->tag,
		.tag_generation = env->tag_generation,
	};
	uint8 small[SMALL_PAYLOAD];
	GdprBytes payload;
	GdprOpened opened = open_payload(env, small, &payload);

	if (opened != GDPR_OPENED)
		return opened;
	if (subject_id != NULL)
		*result = make_of_subject(kind, context, payload, subject_id, &made);
	else
		*result = make_stored(kind, context, payload, &made);
	free_payload(small, payload);
	if (*result == NULL)
		refuse_read_only();
	return GDPR_OPENED;
}

bool
gdpr_value_is_behind(Datum value)
{
	GdprBytes head = gdpr_value_head(value);
	const GdprContext *context;
	GdprEnvelope env;

	if (!gdpr_envelope_peek(head.data, head.length, &env) ||
		(env.flags &
		 (GDPR_FLAG_INFLIGHT | GDPR_FLAG_ERASED | GDPR_FLAG_SUBJECT)))
		return false;
	context = gdpr_keyring_context(env.context);
	return context != NULL && env.key_version != context->primary_version;
}

GdprOpened
gdpr_value_reseal(Datum value, Datum *result)
{
	GdprBytes bytes = gdpr_value_bytes(PG_DETOAST_DATUM_PACKED(value));
	struct varlena *resealed;
	GdprEnvelope env;
	GdprOpened opened;

	if (gdpr_envelope_parse(bytes.data, bytes.length, &env) != GDPR_ENVELOPE_OK)
		return GDPR_OPEN_CORRUPT;
	opened = reseal(&env, NULL, &resealed);
	if (opened == GDPR_OPENED)
		*result = PointerGetDatum(resealed);
	return opened;
}

bool
gdpr_value_is_stored(Datum value)
{
	GdprBytes head = gdpr_value_head(value);
	GdprEnvelope env;

	return gdpr_envelope_peek(head.data, head.length, &env) &&
		   (env.flags & (GDPR_FLAG_INFLIGHT | GDPR_FLAG_ERASED)) == 0;
}

const uint8 *
gdpr_value_subject_id(Datum value, uint8 *id)
{
	struct varlena *raw = (struct varlena *) DatumGetPointer(value);
	GdprEnvelope env;
	GdprBytes head;
	size_t at;

	if (VARATT_IS_EXTERNAL(raw) || VARATT_IS_COMPRESSED(raw))
		raw = PG_DETOAST_DATUM_SLICE(value, 0,
									 GDPR_ENVELOPE_HEAD_LEN +
										 GDPR_ENVELOPE_SUBJECT_LEN);
	head = gdpr_value_bytes(raw);
	if (!gdpr_envelope_peek(head.data, head.length, &env) ||
		(env.flags & (GDPR_FLAG_SUBJECT | GDPR_FLAG_ERASED)) !=
			GDPR_FLAG_SUBJECT)
		return NULL;
	at = GDPR_ENVELOPE_FIXED_LEN +
		 (env.tag != NULL ? GDPR_ENVELOPE_TAG_LEN : 0);
	if (head.length < at + GDPR_ENVELOPE_SUBJECT_LEN)
		return NULL;
	memcpy(id, head.data + at, GDPR_ENVELOPE_SUBJECT_LEN);
	return id;
}

static bool
is_under(const GdprEnvelope *env, const uint8 *subject_id)
{
	if (subject_id == NULL || env->subject == NULL)
		return subject_id == env->subject;
	return memcmp(env->subject, subject_id, GDPR_SUBJECT_ID_LEN) == 0;
}

Datum
gdpr_value_rekey(Datum value, const uint8 *subject_id)
{
	GdprBytes bytes = gdpr_value_bytes(PG_DETOAST_DATUM_PACKED(value));
	struct varlena *result;
	GdprEnvelope env;
	GdprOpened opened;

	gdpr_value_parse(bytes, &env);
	if (is_under(&env, subject_id) ||
		(env.flags & (GDPR_FLAG_ERASED | GDPR_FLAG_INFLIGHT)))
		return value;
	seals_again |= subject_id != NULL;
	opened = reseal(&env, subject_id, &result);
	if (opened == GDPR_OPEN_GONE)
		return value;
	gdpr_value_require_opened(&env, opened);
	return PointerGetDatum(result);
}
