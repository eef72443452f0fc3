/*
 * show.c
 *	  What the view of the log opens for the auditor, and what erasure leaves.
 *
 * Values are bound to the number and the time of their row: a payload that
 * somebody moved to another one, or made up, shows nothing.
 */
#include "base/compat.h"

#include "audit/person.h"
#include "audit/values.h"
#include "catalog/pg_type.h"
#include "crypto/secret.h"
#include "funcapi.h"
#include "port/pg_bswap.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

GDPR_FUNCTION(gdpr_audit_entries);
GDPR_FUNCTION(gdpr_audit_changes);
GDPR_FUNCTION(gdpr_audit_has_values);
GDPR_FUNCTION(gdpr_audit_strip);
GDPR_FUNCTION(gdpr_audit_actor);

/* audit_entries(rows smallint) returns setof integer */
Datum
gdpr_audit_entries(PG_FUNCTION_ARGS)
{
	FuncCallContext *call;
	Datum place;

	if (SRF_IS_FIRSTCALL())
	{
		call = SRF_FIRSTCALL_INIT();
		call->max_calls = Max(PG_GETARG_INT16(0), 0);
	}
	call = SRF_PERCALL_SETUP();
	/* SRF_RETURN_NEXT counts before it looks at what it returns. */
	place = Int32GetDatum((int32) call->call_cntr);
	if (call->call_cntr < call->max_calls)
		SRF_RETURN_NEXT(call, place);
	SRF_RETURN_DONE(call);
}

/* ---- payloads ---- */

typedef struct Place
{
	uint64 words[2];
} Place;

static Place
place_of(int64 id, TimestampTz at)
{
	return (Place){{pg_hton64((uint64) id), pg_hton64((uint64) at)}};
}

static bool
open_payload(const bytea *payload, const Place *place, GdprAuditReader *reader)
{
	char *data;
	size_t length;

	if (gdpr_secret_open("audit", place->words, sizeof(place->words), payload,
						 &data, &length) != GDPR_SECRET_OPENED)
		return false;
	reader->at = data;
	reader->end = data + length;
	return true;
}

/* One record's part of the row; false: there are no values of it. */
static bool
find_entry(GdprAuditReader *rows, int entry, const char **bytes, size_t *length)
{
	if (entry < 0)
		return false;
	do
	{
		if (!gdpr_audit_get(rows, bytes, length))
			return false;
	} while (entry-- > 0);
	return *bytes != NULL;
}

/* escape_json wants a zero byte at the end. */
static bool
append_value(GdprAuditReader *values, StringInfo out)
{
	const char *bytes;
	size_t length;
	char *text;

	if (!gdpr_audit_get(values, &bytes, &length))
		return false;
	if (bytes == NULL)
	{
		appendStringInfoString(out, "null");
		return true;
	}
	text = pnstrdup(bytes, length);
	escape_json(out, text);
	pfree(text);
	return true;
}

static bool
append_column(const char *name, GdprAuditReader *values, StringInfo out)
{
	appendStringInfoChar(out, out->len == 0 ? '{' : ',');
	escape_json(out, name);
	appendStringInfoString(out, ":[");
	if (!append_value(values, out))
		return false;
	appendStringInfoChar(out, ',');
	if (!append_value(values, out))
		return false;
	appendStringInfoChar(out, ']');
	return true;
}

/*
 * audit_changes(payload bytea, id bigint, at timestamptz, entry integer,
 * columns text[]) returns jsonb
 */
Datum
gdpr_audit_changes(PG_FUNCTION_ARGS)
{
	Place place = place_of(PG_GETARG_INT64(1), PG_GETARG_TIMESTAMPTZ(2));
	GdprAuditReader rows;
	GdprAuditReader values;
	StringInfoData out;
	const char *bytes;
	size_t length;
	Datum *names;
	bool *nulls;
	int n;

	if (!open_payload(PG_GETARG_BYTEA_PP(0), &place, &rows) ||
		!find_entry(&rows, PG_GETARG_INT32(3), &bytes, &length) ||
		!gdpr_audit_person_open(bytes, length, &values))
		PG_RETURN_NULL();
	deconstruct_array(PG_GETARG_ARRAYTYPE_P(4), TEXTOID, -1, false,
					  TYPALIGN_INT, &names, &nulls, &n);
	initStringInfo(&out);
	for (int i = 0; i < n; i++)
	{
		if (nulls[i] ||
			!append_column(TextDatumGetCString(names[i]), &values, &out))
			PG_RETURN_NULL();
	}
	appendStringInfoString(&out, n == 0 ? "{}" : "}");
	PG_RETURN_DATUM(DirectFunctionCall1(jsonb_in, CStringGetDatum(out.data)));
}

/*
 * audit_has_values(payload bytea, id bigint, at timestamptz, entry integer)
 * returns boolean.  What cannot be opened here may be opened elsewhere.
 */
Datum
gdpr_audit_has_values(PG_FUNCTION_ARGS)
{
	Place place = place_of(PG_GETARG_INT64(1), PG_GETARG_TIMESTAMPTZ(2));
	GdprAuditReader rows;
	const char *bytes;
	size_t length;

	PG_RETURN_BOOL(!open_payload(PG_GETARG_BYTEA_PP(0), &place, &rows) ||
				   find_entry(&rows, PG_GETARG_INT32(3), &bytes, &length));
}

static bool
is_listed(const int32 *entries, int n, int entry)
{
	for (int i = 0; i < n; i++)
	{
		if (entries[i] == entry)
			return true;
	}
	return false;
}

/* Copies what stays; returns whether that is anything. */
static bool
copy_others(GdprAuditReader *rows, const int32 *entries, int n, StringInfo out)
{
	const char *bytes;
	size_t length;
	bool any = false;

	for (int i = 0; gdpr_audit_get(rows, &bytes, &length); i++)
	{
		if (is_listed(entries, n, i))
			bytes = NULL;
		gdpr_audit_put(out, bytes, length);
		any = any || bytes != NULL;
	}
	return any;
}

/*
 * audit_strip(payload bytea, id bigint, at timestamptz, entries integer[])
 * returns bytea.  PD006 without a root key.
 */
Datum
gdpr_audit_strip(PG_FUNCTION_ARGS)
{
	Place place = place_of(PG_GETARG_INT64(1), PG_GETARG_TIMESTAMPTZ(2));
	ArrayType *entries = PG_GETARG_ARRAYTYPE_P(3);
	GdprAuditReader rows;
	StringInfoData out;

	initStringInfo(&out);
	if (ARR_HASNULL(entries))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("array must not contain nulls")));
	if (!open_payload(PG_GETARG_BYTEA_PP(0), &place, &rows) ||
		!copy_others(&rows, (int32 *) ARR_DATA_PTR(entries),
					 ArrayGetNItems(ARR_NDIM(entries), ARR_DIMS(entries)),
					 &out))
		PG_RETURN_NULL();
	PG_RETURN_BYTEA_P(gdpr_secret_seal("audit", place.words,
									   sizeof(place.words), out.data,
									   (size_t) out.len));
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
