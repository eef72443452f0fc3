/*
 * unsealed.c
 *	  Parameters on their way to a column, not yet sealed.
 *
 * A parameter arrives without its column's context.  To seal it in flight, and
 * open it a moment later to seal it for the column, is half of what a write of
 * one value costs.  So the type's input function returns an expanded object
 * (utils/expandeddatum.h) that holds the payload: the column's cast takes it
 * from there, and everything else in the server flattens it first, which seals
 * it.  No tuple, tuplestore, plan, copy or other process ever gets the payload;
 * it lies beside the text of the parameter, and is cleansed when that memory is
 * freed.
 *
 * Only read-only pointers leave this file, so nobody deletes or moves the
 * object, and it may live in its caller's memory context.
 */
#include "base/compat.h"

#include <openssl/crypto.h>

#include "crypto/keyring.h"
#include "enctype/redact_scope.h"
#include "enctype/unsealed.h"
#include "utils/expandeddatum.h"

#define LONGEST 256

typedef struct Unsealed
{
	ExpandedObjectHeader hdr;
	MemoryContextCallback cleanse;
	const GdprKind *kind;
	struct varlena *sealed; /* NULL until somebody asked for it */
	Size length;
	uint8 payload[FLEXIBLE_ARRAY_MEMBER];
} Unsealed;

static void
cleanse(void *arg)
{
	Unsealed *object = arg;

	OPENSSL_cleanse(object->payload, object->length);
}

/* Once: whoever flattens it twice gets the same value twice. */
static struct varlena *
seal(Unsealed *object)
{
	GdprBytes payload = {object->payload, object->length};
	MemoryContext before;

	if (object->sealed == NULL)
	{
		before = MemoryContextSwitchTo(object->hdr.eoh_context);
		object->sealed = gdpr_value_make_loose(object->kind, payload);
		MemoryContextSwitchTo(before);
	}
	return object->sealed;
}

static Size
flat_size(ExpandedObjectHeader *header)
{
	return VARSIZE(seal((Unsealed *) header));
}

static void
flatten_into(ExpandedObjectHeader *header, void *result, Size size)
{
	memcpy(result, seal((Unsealed *) header), size);
}

static const ExpandedObjectMethods methods = {flat_size, flatten_into};

Datum
gdpr_unsealed_make(const GdprKind *kind, GdprBytes payload)
{
	Unsealed *object;

	if (payload.length > LONGEST)
		return PointerGetDatum(gdpr_value_make_loose(kind, payload));
	gdpr_keyring_require_preload();
	gdpr_redact_scope_touch();
	object = palloc(offsetof(Unsealed, payload) + payload.length);
	EOH_init_header(&object->hdr, &methods, CurrentMemoryContext);
	object->kind = kind;
	object->sealed = NULL;
	object->length = payload.length;
	memcpy(object->payload, payload.data, payload.length);
	object->cleanse.func = cleanse;
	object->cleanse.arg = object;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &object->cleanse);
	return EOHPGetRODatum(&object->hdr);
}

bool
gdpr_unsealed_get(Datum value, GdprUnsealedValue *unsealed)
{
	struct varlena *raw = (struct varlena *) DatumGetPointer(value);
	Unsealed *object;

	if (!VARATT_IS_EXTERNAL_EXPANDED(raw))
		return false;
	object = (Unsealed *) DatumGetEOHP(value);
	if (object->hdr.eoh_methods != &methods)
		return false;
	unsealed->kind = object->kind;
	unsealed->payload.data = object->payload;
	unsealed->payload.length = object->length;
	return true;
}
