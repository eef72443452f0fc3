/*
 * values.c
 *	  How the values of a row of the log are written, before they are sealed.
 */
#include "base/compat.h"

#include "audit/values.h"
#include "port/pg_bswap.h"

#define IS_LONG 0xFE
#define IS_NULL 0xFF

void
gdpr_audit_put(StringInfo out, const char *bytes, size_t length)
{
	if (bytes == NULL)
	{
		appendStringInfoCharMacro(out, (char) IS_NULL);
		return;
	}
	if (length < IS_LONG)
		appendStringInfoCharMacro(out, (char) length);
	else
	{
		uint32 word = pg_hton32((uint32) length);

		appendStringInfoCharMacro(out, (char) IS_LONG);
		appendBinaryStringInfo(out, (const char *) &word, sizeof(word));
	}
	appendBinaryStringInfo(out, bytes, (int) length);
}

static bool
get_length(GdprAuditReader *reader, uint8 first, size_t *length)
{
	uint32 word;

	*length = first;
	if (first != IS_LONG)
		return true;
	if ((size_t) (reader->end - reader->at) < sizeof(word))
		return false;
	memcpy(&word, reader->at, sizeof(word));
	reader->at += sizeof(word);
	*length = pg_ntoh32(word);
	return true;
}

bool
gdpr_audit_get(GdprAuditReader *reader, const char **bytes, size_t *length)
{
	uint8 first;

	if (reader->at >= reader->end)
		return false;
	first = (uint8) *reader->at++;
	*bytes = NULL;
	*length = 0;
	if (first == IS_NULL)
		return true;
	if (!get_length(reader, first, length) ||
		(size_t) (reader->end - reader->at) < *length)
		return false;
	*bytes = reader->at;
	reader->at += *length;
	return true;
}
