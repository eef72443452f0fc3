/*
 * sqltext.c
 *	  A statement without its constants has no string and no number left, is no
 *	  longer than before, and has no more to leave out.
 */
/* fuzz: src/base/sqltext.c */
#include "base/compat.h"

#include "base/sqltext.h"
#include "server.h"

#include <stdlib.h>

static bool
is_name_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		   (c >= '0' && c <= '9') || c == '_' || c == '$' || (c & 0x80) != 0;
}

/* A digit is part of a name or of a parameter. */
static void
check_digits(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
	{
		if (text[i] >= '0' && text[i] <= '9')
			FUZZ_ASSERT(i > 0 && is_name_byte(text[i - 1]));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	char *out = malloc(size + 1);
	char *again = malloc(size + 1);
	size_t position = size > 0 ? data[0] % (size + 1) : 0;
	size_t length;

	memcpy(text, data, size);
	for (size_t i = 0; i < size; i++)
	{
		if (text[i] == '\0')
			text[i] = ' ';
	}
	length = gdpr_sqltext_redact(text, size, false, out, &position);
	FUZZ_ASSERT(length <= size && position <= length);
	FUZZ_ASSERT(strlen(out) == length && strchr(out, '\'') == NULL);
	check_digits(out, length);
	FUZZ_ASSERT(gdpr_sqltext_redact(out, length, false, again, NULL) == length);
	FUZZ_ASSERT(memcmp(out, again, length) == 0);
	FUZZ_ASSERT(gdpr_sqltext_redact(text, size, true, again, NULL) <= size);
	FUZZ_ASSERT(strchr(again, '\'') == NULL);
	free(text);
	free(out);
	free(again);
	return 0;
}
