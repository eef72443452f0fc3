/*
 * show.c
 *	  What the view of the log opens for the auditor.
 *
 * Values are bound to the number and the time of their record: a payload that
 * somebody moved to another record, or made up, shows nothing.
 */
#include "base/compat.h"

#include "crypto/secret.h"
#include "port/pg_bswap.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

GDPR_FUNCTION(gdpr_audit_changes);
GDPR_FUNCTION(gdpr_audit_actor);

/* audit_changes(payload bytea, id bigint, at timestamptz) returns jsonb */
Datum
gdpr_audit_changes(PG_FUNCTION_ARGS)
{
	uint64 place[2] = {pg_hton64((uint64) PG_GETARG_INT64(1)),
					   pg_hton64((uint64) PG_GETARG_TIMESTAMPTZ(2))};
	char *text;
	size_t length;

	if (gdpr_secret_open("audit", place, sizeof(place), PG_GETARG_BYTEA_PP(0),
						 &text, &length) != GDPR_SECRET_OPENED)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(DirectFunctionCall1(jsonb_in, CStringGetDatum(text)));
}

/* audit_actor(actor bytea) returns text */
Datum
gdpr_audit_actor(PG_FUNCTION_ARGS)
{
	char *text;
	size_t length;

	if (gdpr_secret_open("actor", NULL, 0, PG_GETARG_BYTEA_PP(0), &text,
						 &length) != GDPR_SECRET_OPENED)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text_with_len(text, (int) length));
}
