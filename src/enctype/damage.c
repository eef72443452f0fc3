/*
 * damage.c
 *	  Reports of values that cannot be used: what is wrong and in which
 *	  context, never what they hold.
 *
 * One SQLSTATE for whatever was damaged, forged or misplaced, on input and in
 * storage, so that an application can tell it from every other failure; a key
 * that is not here is PD006, because the value may be fine.
 */
#include "base/compat.h"

#include "base/errors.h"
#include "enctype/damage.h"

/* Goes behind "encrypted value of". */
static const char *
owner(uint32 hash)
{
	const GdprContext *context = NULL;

	if (hash == 0)
		return "an unknown context";
	if (hash <= PG_INT32_MAX)
		context = gdpr_keyring_context(hash);
	if (context == NULL)
		return psprintf("the context with hash %u", hash);
	return psprintf("context \"%s\"", NameStr(context->name));
}

struct varlena *
gdpr_damage_malformed(GdprEnvelopeError error, GdprBytes bytes, int32 column,
					  Node *escontext)
{
	uint32 hash = gdpr_envelope_claimed_context(bytes.data, bytes.length);

	if (hash == 0 && column > 0)
		hash = (uint32) column;
	if (error == GDPR_ENVELOPE_BAD_VERSION)
		ereturn(escontext, NULL,
				(errcode(ERRCODE_GDPR_VALUE_DAMAGED),
				 errmsg("encrypted value of %s has the unknown format %d",
						owner(hash), bytes.data[0]),
				 errdetail("It was damaged, or made by a later version of gdpr_ext.")));
	if (error == GDPR_ENVELOPE_TOO_SHORT)
		ereturn(escontext, NULL,
				(errcode(ERRCODE_GDPR_VALUE_DAMAGED),
				 errmsg("encrypted value of %s is cut short", owner(hash))));
	ereturn(escontext, NULL,
			(errcode(ERRCODE_GDPR_VALUE_DAMAGED),
			 errmsg("encrypted value of %s is malformed", owner(hash))));
}

struct varlena *
gdpr_damage_broken_text(const char *text, size_t length, int32 column,
						Node *escontext)
{
	uint32 hash = gdpr_envelope_text_context(text, length);

	if (hash == 0 && column > 0)
		hash = (uint32) column;
	ereturn(escontext, NULL,
			(errcode(ERRCODE_GDPR_VALUE_DAMAGED),
			 errmsg("text of an encrypted value of %s is malformed", owner(hash)),
			 errhint("A literal or parameter that is no encrypted value and begins so needs \"gdpr:=\" before it.")));
}

struct varlena *
gdpr_damage_forged(const GdprEnvelope *env, Node *escontext)
{
	ereturn(escontext, NULL,
			(errcode(ERRCODE_GDPR_VALUE_DAMAGED),
			 errmsg("encrypted value of %s does not authenticate", owner(env->context)),
			 errdetail("It was changed, or sealed in another database.")));
}

struct varlena *
gdpr_damage_misplaced(const GdprEnvelope *env, const char *type_name,
					  Node *escontext)
{
	ereturn(escontext, NULL,
			(errcode(ERRCODE_GDPR_VALUE_DAMAGED),
			 errmsg("encrypted value of %s is of another type than %s",
					owner(env->context), type_name)));
}

struct varlena *
gdpr_damage_in_flight(const GdprEnvelope *env, Node *escontext)
{
	ereturn(escontext, NULL,
			(errcode(ERRCODE_GDPR_VALUE_DAMAGED),
			 errmsg("encrypted value of %s was never stored and cannot be read back",
					owner(env->context))));
}

void
gdpr_damage_key_missing(const GdprEnvelope *env)
{
	if (env->flags & GDPR_FLAG_INFLIGHT)
		ereport(ERROR,
				(errcode(ERRCODE_GDPR_KEY_UNAVAILABLE),
				 errmsg("key of an encrypted value in flight is not available"),
				 errdetail("Such a value can be read while the server runs that made it.")));
	ereport(ERROR,
			(errcode(ERRCODE_GDPR_KEY_UNAVAILABLE),
			 errmsg("key version %u of %s is not available",
					env->key_version, owner(env->context)),
			 errhint("Check gdpr.root_key_file or gdpr.root_key_command and gdpr.key_fingerprint().")));
}

void
gdpr_damage_context_missing(uint32 hash)
{
	ereport(ERROR,
			(errcode(ERRCODE_GDPR_KEY_UNAVAILABLE),
			 errmsg("encrypted value of the context with hash %u, which does not exist here", hash),
			 errdetail("It was damaged, or comes from a database that has this context.")));
}
