/*
 * key_status.c
 *	  SQL functions that show which keys the server has, never a key.
 */
#include "base/compat.h"

#include "access/htup_details.h"
#include "crypto/keyring_internal.h"
#include "funcapi.h"
#include "utils/builtins.h"

GDPR_FUNCTION(gdpr_key_status_require_preload);
Datum
gdpr_key_status_require_preload(PG_FUNCTION_ARGS)
{
	gdpr_keyring_require_preload();
	PG_RETURN_VOID();
}

/* The fingerprint of the server's root key of that id, in hex; NULL for none. */
static char *
fingerprint_of(const char *root_id)
{
	GdprRootFacts roots[GDPR_ROOT_MAX];
	int count = gdpr_root_list(roots);

	for (int i = 0; i < count; i++)
	{
		if (strcmp(roots[i].id, root_id) == 0)
			return gdpr_root_print(&roots[i]);
	}
	return NULL;
}

/* Can this server open the keys, and how many values were sealed? */
GDPR_FUNCTION(gdpr_key_status_state);
Datum
gdpr_key_status_state(PG_FUNCTION_ARGS)
{
	const GdprContext *context = gdpr_keyring_context_by_name(
		NameStr(*PG_GETARG_NAME(0)));
	uint16 version = (uint16) PG_GETARG_INT16(1);
	GdprKeySlot *slot = NULL;
	TupleDesc desc;
	Datum values[4] = {0};
	bool nulls[4] = {true, true, true, true};
	char *fingerprint;
	int64 counted;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (context != NULL)
		slot = gdpr_keyring_slot(context->keys->slots, version);
	if (slot != NULL)
	{
		nulls[0] = nulls[1] = false;
		values[0] = BoolGetDatum(gdpr_keyring_cipher(context, version, true) !=
								 NULL);
		values[1] = BoolGetDatum(gdpr_keyring_tag_key(context,
													  context->tag_generation,
													  true) != NULL);
		counted = gdpr_nonce_counted(context, version);
		nulls[2] = counted < 0;
		values[2] = Int64GetDatum(counted);
		fingerprint = fingerprint_of(slot->root_id);
		nulls[3] = fingerprint == NULL;
		if (fingerprint != NULL)
			values[3] = CStringGetTextDatum(fingerprint);
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(
		heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
