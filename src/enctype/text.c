/*
 * text.c
 *	  The kinds whose payload is text: enctext, encitext and encsecret.
 *
 * The payload is UTF-8 whatever the database's encoding is, because stored
 * values travel between databases without anybody decrypting them.  A
 * database in SQL_ASCII knows no encoding; its bytes are taken as they are.
 */
#include "base/compat.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "enctype/fold.h"
#include "enctype/kind.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

static bool
is_utf8_or_unknown(int encoding)
{
	return encoding == PG_UTF8 || encoding == PG_SQL_ASCII;
}

GdprBytes
gdpr_text_to_payload(GdprBytes text)
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

bool
gdpr_text_parse(const GdprKind *kind, GdprBytes text, Node *escontext,
				GdprBytes *payload)
{
	*payload = gdpr_text_to_payload(text);
	return true;
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
bool
gdpr_text_print(GdprBytes payload, GdprBytes *text)
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

/* Equality of what is left when case does not count. */
static GdprBytes
canonical_folded(GdprBytes payload)
{
	GdprBytes folded = payload;
	uint8 *out;

	if (!gdpr_fold_changes(payload.data, payload.length))
		return payload;
	out = MemoryContextAllocHuge(CurrentMemoryContext,
								 gdpr_fold_room(payload.length));
	folded.length = gdpr_fold(payload.data, payload.length, out);
	folded.data = out;
	return folded;
}

static GdprBytes
text_from_base(Datum value)
{
	return gdpr_text_to_payload(gdpr_value_bytes(DatumGetTextPP(value)));
}

static bool
text_to_base(struct varlena *payload, Datum *value)
{
	GdprBytes text;

	if (!gdpr_text_print(gdpr_value_bytes(payload), &text))
		return false;
	if (text.data == (const uint8 *) VARDATA_ANY(payload))
		*value = PointerGetDatum(payload);
	else
		*value = PointerGetDatum(
			cstring_to_text_with_len((const char *) text.data,
									 (int) text.length));
	return true;
}

/* What the kinds of text have in common. */
#define TEXT_KIND(number, name, equality)                     \
	{                                                         \
		.kind = number, .type_name = name, .base = TEXTOID,   \
		.base_name = "text", .parse = gdpr_text_parse,        \
		.print = gdpr_text_print, .canonical = equality,      \
		.from_base = text_from_base, .to_base = text_to_base, \
	}

const GdprKind gdpr_kind_text = TEXT_KIND(GDPR_KIND_TEXT, "enctext",
										  canonical_text);
const GdprKind gdpr_kind_folded = TEXT_KIND(GDPR_KIND_FOLDED, "encitext",
											canonical_folded);
const GdprKind gdpr_kind_secret = TEXT_KIND(GDPR_KIND_SECRET, "encsecret",
											NULL);
