/*
 * values.c
 *	  Strings of an audit payload: none reaches past the end, and what is read
 *	  is read again after it was written.
 */
/* fuzz: src/audit/values.c */
#include "base/compat.h"

#include "audit/values.h"
#include "server.h"

#include <stdlib.h>

#define MOST 64

typedef struct Strings
{
	int n;
	const char *bytes[MOST];
	size_t length[MOST];
} Strings;

static void
read_strings(const char *data, size_t size, Strings *strings)
{
	GdprAuditReader reader = {data, data + size};
	const char *before = data;

	strings->n = 0;
	while (strings->n < MOST &&
		   gdpr_audit_get(&reader, &strings->bytes[strings->n],
						  &strings->length[strings->n]))
	{
		const char *bytes = strings->bytes[strings->n];
		size_t length = strings->length[strings->n];

		FUZZ_ASSERT(reader.at > before && reader.at <= reader.end);
		FUZZ_ASSERT(bytes == NULL
						? length == 0
						: bytes > before && bytes + length == reader.at);
		before = reader.at;
		strings->n++;
	}
}

static void
write_again(const Strings *strings)
{
	StringInfoData out;
	Strings again;

	initStringInfo(&out);
	for (int i = 0; i < strings->n; i++)
		gdpr_audit_put(&out, strings->bytes[i], strings->length[i]);
	read_strings(out.data, out.len, &again);
	FUZZ_ASSERT(again.n == strings->n);
	for (int i = 0; i < again.n; i++)
	{
		FUZZ_ASSERT((again.bytes[i] == NULL) == (strings->bytes[i] == NULL));
		FUZZ_ASSERT(again.length[i] == strings->length[i]);
		FUZZ_ASSERT(
			again.length[i] == 0 ||
			memcmp(again.bytes[i], strings->bytes[i], again.length[i]) == 0);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Of exactly this size, so that a byte too far is noticed. */
	char *copy = malloc(size);
	Strings strings;

	memcpy(copy, data, size);
	if (FUZZ_TRY())
	{
		read_strings(copy, size, &strings);
		write_again(&strings);
	}
	fuzz_reset();
	free(copy);
	return 0;
}
