/*
 * text.c
 *	  The kinds whose payload is text: enctext and encsecret.
 *
 * The payload is UTF-8 whatever the database's encoding is, because stored
 * values travel between databases without anybody decrypting them.  A
 * database in SQL_ASCII knows no encoding; its bytes are taken as they are.
 */
#include "base/compat.h"

#include "catalog/namespace.h"
#include "enctype/value.h"
#include "mb/pg_wchar.h"
#include "utils/memutils.h"

static bool
is_utf8_or_unknown(int encoding)
{
	return encoding == PG_UTF8 || encoding == PG_SQL_ASCII;
}

static GdprBytes
parse_text(GdprBytes text)
{
	GdprBytes payload = text;
	unsigned char *converted;

	if (text.length == 0 || is_utf8_or_unknown(GetDatabaseEncoding()))
		return text;
	converted = pg_do_encoding_conversion((unsigned char *) text.data,
										  (int) text.length,
										  GetDatabaseEncoding(), PG_UTF8);
	if (converted != text.data)
	{
		payload.data = converted;
		payload.length = strlen((char *) converted);
	}
	return payload;
}

/* From UTF-8 to the database's encoding; false for what that lacks. */
static bool
convert_out(GdprBytes payload, int encoding, GdprBytes *text)
{
	Oid proc = FindDefaultConversionProc(PG_UTF8, encoding);
	Size room = payload.length * MAX_CONVERSION_GROWTH + 1;
	unsigned char *out;
	int used;

	if (!OidIsValid(proc))
		return false;
	out = MemoryContextAllocHuge(CurrentMemoryContext, room);
	used = pg_do_encoding_conversion_buf(proc, PG_UTF8, encoding,
										 (unsigned char *) payload.data,
										 (int) payload.length, out,
										 (int) Min(room, PG_INT32_MAX), true);
	text->data = out;
	text->length = strlen((char *) out);
	return used == (int) payload.length;
}

/*
 * A value may have been made in a database of another encoding, so the bytes
 * are checked before the server handles them as text.
 */
static bool
print_text(GdprBytes payload, GdprBytes *text)
{
	int encoding = GetDatabaseEncoding();

	*text = payload;
	if (payload.length == 0 || encoding == PG_SQL_ASCII)
		return true;
	if (pg_encoding_verifymbstr(PG_UTF8, (const char *) payload.data,
								(int) payload.length) != (int) payload.length)
		return false;
	return encoding == PG_UTF8 || convert_out(payload, encoding, text);
}

/* Equality is that of the bytes, as for text in a deterministic collation. */
static GdprBytes
canonical_text(GdprBytes payload)
{
	return payload;
}

const GdprKind gdpr_kind_text = {
	.kind = GDPR_KIND_TEXT,
	.type_name = "enctext",
	.parse = parse_text,
	.print = print_text,
	.canonical = canonical_text,
};

const GdprKind gdpr_kind_secret = {
	.kind = GDPR_KIND_SECRET,
	.type_name = "encsecret",
	.parse = parse_text,
	.print = print_text,
};

const GdprKind *
gdpr_kind_of(uint8 kind)
{
	switch (kind)
	{
		case GDPR_KIND_TEXT:
			return &gdpr_kind_text;
		case GDPR_KIND_SECRET:
			return &gdpr_kind_secret;
		default:
			return NULL;
	}
}
