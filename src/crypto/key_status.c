/*
 * key_status.c
 *	  SQL functions that show which keys the server has, never a key.
 */
#include "base/compat.h"

#include "access/htup_details.h"
#include "crypto/keyring_internal.h"
#include "funcapi.h"
#include "utils/builtins.h"

GDPR_FUNCTION(gdpr_key_status_fingerprint);
Datum
gdpr_key_status_fingerprint(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

	gdpr_keyring_require_preload();
	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < gdpr_root_count(); i++)
	{
		uint8 print[GDPR_ROOT_FINGERPRINT_LEN];
		char hex[2 * GDPR_ROOT_FINGERPRINT_LEN + 1] = {0};
		Datum values[3];
		bool nulls[3] = {false};

		gdpr_root_fingerprint(i, print);
		(void) hex_encode((const char *) print, sizeof(print), hex);
		values[0] = CStringGetTextDatum(gdpr_root_id(i));
		values[1] = CStringGetTextDatum(hex);
		values[2] = BoolGetDatum(i == 0);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}

GDPR_FUNCTION(gdpr_key_status_require_preload);
Datum
gdpr_key_status_require_preload(PG_FUNCTION_ARGS)
{
	gdpr_keyring_require_preload();
	PG_RETURN_VOID();
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
	Datum values[3] = {0};
	bool nulls[3] = {true, true, true};
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
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(
		heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
