/*
 * base.c
 *	  The kinds whose values are those of a type of the server: bytes, json,
 *	  numbers, dates and times.
 *
 * Text goes through the server's own input and output functions, so it is read
 * and printed as the plain type would be, under the session's settings.  The
 * payload is not the server's datum: that may change with a major, and values
 * outlive it.  Integers are big-endian.
 */
#include "base/compat.h"

#include "base/input.h"
#include "catalog/pg_type.h"
#include "enctype/kind.h"
#include "port/pg_bswap.h"
#include "utils/builtins.h"
#include "utils/bytea.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

/* The server's message would show the value. */
static bool
parse_base(const GdprKind *kind, GdprBytes text, Node *escontext,
		   GdprBytes *payload)
{
	char *string = pnstrdup((const char *) text.data, text.length);
	Datum value;
	int sqlerrcode = gdpr_input_try_code(kind->base, string, &value);

	pfree(string);
	if (sqlerrcode != 0)
		ereturn(escontext, false,
				(errcode(sqlerrcode),
				 errmsg("invalid input for type %s", kind->type_name),
				 errdetail("The value is not shown.")));
	*payload = kind->from_base(value);
	return true;
}

static GdprBytes
bytes_of_string(char *string)
{
	GdprBytes bytes = {(const uint8 *) string, strlen(string)};

	return bytes;
}

static bool
print_by(PGFunction output, Datum value, GdprBytes *text)
{
	*text = bytes_of_string(
		DatumGetCString(DirectFunctionCall1(output, value)));
	return true;
}

/* ---- bytea ---- */

static void
print_hex(GdprBytes payload, GdprBytes *text)
{
	char *out = palloc(2 + 2 * payload.length + 1);

	memcpy(out, "\\x", 2);
	text->data = (const uint8 *) out;
	text->length = 2 + hex_encode((const char *) payload.data, payload.length,
								  out + 2);
	out[text->length] = '\0';
}

/* As byteaout does, but text that no allocation could hold is not begun. */
static bool
print_bytes(GdprBytes payload, GdprBytes *text)
{
	bool hex = bytea_output == BYTEA_OUTPUT_HEX;
	bytea *value;

	if (payload.length > (MaxAllocSize - 8) / (hex ? 2 : 4))
		return false;
	if (hex)
	{
		print_hex(payload, text);
		return true;
	}
	value = (bytea *) cstring_to_text_with_len((const char *) payload.data,
											   (int) payload.length);
	(void) print_by(byteaout, PointerGetDatum(value), text);
	pfree(value);
	return true;
}

static GdprBytes
bytes_from_base(Datum value)
{
	return gdpr_value_bytes(DatumGetByteaPP(value));
}

static bool
bytes_to_base(struct varlena *payload, Datum *value)
{
	*value = PointerGetDatum(payload);
	return true;
}

const GdprKind gdpr_kind_bytes = {
	.kind = GDPR_KIND_BYTES,
	.type_name = "encbytea",
	.base = BYTEAOID,
	.base_name = "bytea",
	.parse = parse_base,
	.print = print_bytes,
	.from_base = bytes_from_base,
	.to_base = bytes_to_base,
};

/* ---- jsonb: its text in UTF-8 ---- */

static GdprBytes
json_from_base(Datum value)
{
	Jsonb *json = DatumGetJsonbP(value);

	return gdpr_text_to_payload(
		bytes_of_string(JsonbToCString(NULL, &json->root, VARSIZE(json))));
}

static char *
string_of_bytes(GdprBytes bytes)
{
	return pnstrdup((const char *) bytes.data, bytes.length);
}

static bool
json_to_base(struct varlena *payload, Datum *value)
{
	GdprBytes text;

	if (!gdpr_text_print(gdpr_value_bytes(payload), &text))
		return false;
	*value = DirectFunctionCall1(jsonb_in,
								 CStringGetDatum(string_of_bytes(text)));
	return true;
}

static bool
json_print_json(GdprBytes payload, StringInfo out)
{
	GdprBytes text;

	if (!gdpr_text_print(payload, &text))
		return false;
	appendBinaryStringInfo(out, (const char *) text.data, (int) text.length);
	return true;
}

const GdprKind gdpr_kind_json = {
	.kind = GDPR_KIND_JSON,
	.type_name = "encjsonb",
	.base = JSONBOID,
	.base_name = "jsonb",
	.parse = parse_base,
	.print = gdpr_text_print,
	.from_base = json_from_base,
	.to_base = json_to_base,
	.print_json = json_print_json,
};

/* ---- numeric: its text ---- */

static GdprBytes
numeric_from_base(Datum value)
{
	return bytes_of_string(
		DatumGetCString(DirectFunctionCall1(numeric_out, value)));
}

static bool
numeric_to_base(struct varlena *payload, Datum *value)
{
	char *string = string_of_bytes(gdpr_value_bytes(payload));

	*value = DirectFunctionCall3(numeric_in, CStringGetDatum(string),
								 ObjectIdGetDatum(InvalidOid),
								 Int32GetDatum(-1));
	return true;
}

/* NaN and the infinities are no numbers of json. */
static bool
numeric_print_json(GdprBytes payload, StringInfo out)
{
	uint8 last = payload.length > 0 ? payload.data[payload.length - 1] : 0;
	bool finite = last >= '0' && last <= '9';

	appendStringInfo(out, finite ? "%.*s" : "\"%.*s\"", (int) payload.length,
					 (const char *) payload.data);
	return true;
}

const GdprKind gdpr_kind_numeric = {
	.kind = GDPR_KIND_NUMERIC,
	.type_name = "encnumeric",
	.base = NUMERICOID,
	.base_name = "numeric",
	.parse = parse_base,
	.print = gdpr_text_print,
	.from_base = numeric_from_base,
	.to_base = numeric_to_base,
	.print_json = numeric_print_json,
};

/* ---- int8 ---- */

static GdprBytes
payload_of_int64(int64 number)
{
	uint64 *big = palloc(sizeof(uint64));
	GdprBytes payload = {(const uint8 *) big, sizeof(uint64)};

	*big = pg_hton64((uint64) number);
	return payload;
}

static bool
int64_of_payload(GdprBytes payload, int64 *number)
{
	uint64 big;

	if (payload.length != sizeof(big))
		return false;
	memcpy(&big, payload.data, sizeof(big));
	*number = (int64) pg_ntoh64(big);
	return true;
}

static GdprBytes
int8_from_base(Datum value)
{
	return payload_of_int64(DatumGetInt64(value));
}

static bool
int8_to_base(struct varlena *payload, Datum *value)
{
	int64 number;

	if (!int64_of_payload(gdpr_value_bytes(payload), &number))
		return false;
	*value = Int64GetDatum(number);
	return true;
}

static bool
print_int8(GdprBytes payload, GdprBytes *text)
{
	int64 number;

	return int64_of_payload(payload, &number) &&
		   print_by(int8out, Int64GetDatum(number), text);
}

static bool
int8_print_json(GdprBytes payload, StringInfo out)
{
	int64 number;

	if (!int64_of_payload(payload, &number))
		return false;
	appendStringInfo(out, INT64_FORMAT, number);
	return true;
}

const GdprKind gdpr_kind_int8 = {
	.kind = GDPR_KIND_INT8,
	.type_name = "encint8",
	.base = INT8OID,
	.base_name = "bigint",
	.parse = parse_base,
	.print = print_int8,
	.from_base = int8_from_base,
	.to_base = int8_to_base,
	.print_json = int8_print_json,
};

/* ---- date: days since 2000-01-01, four bytes ---- */

static GdprBytes
date_from_base(Datum value)
{
	uint32 *big = palloc(sizeof(uint32));
	GdprBytes payload = {(const uint8 *) big, sizeof(uint32)};

	*big = pg_hton32((uint32) DatumGetDateADT(value));
	return payload;
}

static bool
date_of_payload(GdprBytes payload, DateADT *date)
{
	uint32 big;

	if (payload.length != sizeof(big))
		return false;
	memcpy(&big, payload.data, sizeof(big));
	*date = (DateADT) pg_ntoh32(big);
	return DATE_NOT_FINITE(*date) || IS_VALID_DATE(*date);
}

static bool
date_to_base(struct varlena *payload, Datum *value)
{
	DateADT date;

	if (!date_of_payload(gdpr_value_bytes(payload), &date))
		return false;
	*value = DateADTGetDatum(date);
	return true;
}

static bool
print_date(GdprBytes payload, GdprBytes *text)
{
	DateADT date;

	return date_of_payload(payload, &date) &&
		   print_by(date_out, DateADTGetDatum(date), text);
}

static void
append_time(StringInfo out, Datum value, Oid type)
{
	char buffer[MAXDATELEN + 1];

	/* In ISO 8601, whatever DateStyle is. */
	appendStringInfo(out, "\"%s\"",
					 JsonEncodeDateTime(buffer, value, type, NULL));
}

static bool
date_print_json(GdprBytes payload, StringInfo out)
{
	DateADT date;

	if (!date_of_payload(payload, &date))
		return false;
	append_time(out, DateADTGetDatum(date), DATEOID);
	return true;
}

const GdprKind gdpr_kind_date = {
	.kind = GDPR_KIND_DATE,
	.type_name = "encdate",
	.base = DATEOID,
	.base_name = "date",
	.parse = parse_base,
	.print = print_date,
	.from_base = date_from_base,
	.to_base = date_to_base,
	.print_json = date_print_json,
};

/* ---- timestamptz: microseconds since 2000-01-01 00:00 UTC ---- */

static GdprBytes
time_from_base(Datum value)
{
	return payload_of_int64(DatumGetTimestampTz(value));
}

static bool
time_of_payload(GdprBytes payload, TimestampTz *time)
{
	return int64_of_payload(payload, time) &&
		   (TIMESTAMP_NOT_FINITE(*time) || IS_VALID_TIMESTAMP(*time));
}

static bool
time_to_base(struct varlena *payload, Datum *value)
{
	TimestampTz time;

	if (!time_of_payload(gdpr_value_bytes(payload), &time))
		return false;
	*value = TimestampTzGetDatum(time);
	return true;
}

static bool
print_time(GdprBytes payload, GdprBytes *text)
{
	TimestampTz time;

	return time_of_payload(payload, &time) &&
		   print_by(timestamptz_out, TimestampTzGetDatum(time), text);
}

static bool
time_print_json(GdprBytes payload, StringInfo out)
{
	TimestampTz time;

	if (!time_of_payload(payload, &time))
		return false;
	append_time(out, TimestampTzGetDatum(time), TIMESTAMPTZOID);
	return true;
}

const GdprKind gdpr_kind_timestamptz = {
	.kind = GDPR_KIND_TIMESTAMPTZ,
	.type_name = "enctimestamptz",
	.base = TIMESTAMPTZOID,
	.base_name = "timestamptz",
	.parse = parse_base,
	.print = print_time,
	.from_base = time_from_base,
	.to_base = time_to_base,
	.print_json = time_print_json,
};
