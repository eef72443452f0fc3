/*
 * recent.c
 *	  What was sealed last is found by all that its key authenticates, and
 *	  nothing else is; after the transaction nothing is.
 */
/* fuzz: src/enctype/recent.c */
#include "base/compat.h"

#include "access/xact.h"
#include "enctype/recent.h"
#include "server.h"

#include <stdlib.h>

/* One that was added; the ring keeps fewer than these. */
#define MOST	40
#define KEPT	16
#define LONGEST 256

typedef struct Added
{
	GdprEnvelope header;
	uint8 *rest; /* nonce, payload, tag, as in a value */
	size_t length;
} Added;

static XactCallback callback = NULL;
static Added added[MOST];
static int count = 0;

void
RegisterXactCallback(XactCallback function, void *arg)
{
	callback = function;
}

static void
add(const uint8_t *data, size_t length, uint8 id)
{
	Added *a = &added[count++];
	GdprBytes payload = {data, length};

	memset(&a->header, 0, sizeof(a->header));
	a->header.flags = id & ~GDPR_FLAG_SUBJECT;
	a->header.context = id * 3;
	a->header.key_version = id;
	a->length = length;
	a->rest = malloc(GDPR_ENVELOPE_NONCE_LEN + length + GDPR_ENVELOPE_GCM_LEN);
	memset(a->rest, id, GDPR_ENVELOPE_NONCE_LEN);
	a->rest[0] = (uint8) count;
	if (length > 0)
		memcpy(a->rest + GDPR_ENVELOPE_NONCE_LEN, data, length);
	memset(a->rest + GDPR_ENVELOPE_NONCE_LEN + length, id,
		   GDPR_ENVELOPE_GCM_LEN);
	gdpr_recent_add(&a->header, a->rest, payload);
}

/* The value as it would be parsed. */
static GdprEnvelope
parsed(const Added *a)
{
	GdprEnvelope env = a->header;

	env.nonce = a->rest;
	env.sealed = a->rest + GDPR_ENVELOPE_NONCE_LEN;
	env.length = a->length;
	return env;
}

/* Not found with a change of any part. */
static void
find_changed(const Added *a, uint8 *out)
{
	size_t length = GDPR_ENVELOPE_NONCE_LEN + a->length + GDPR_ENVELOPE_GCM_LEN;
	GdprEnvelope env = parsed(a);

	/* The nonce alone is told apart by more than a bit here. */
	for (size_t i = 1; i < length; i += 1 + length / 16)
	{
		a->rest[i] ^= 1;
		FUZZ_ASSERT(!gdpr_recent_find(&env, out));
		a->rest[i] ^= 1;
	}
	env.flags ^= 1;
	FUZZ_ASSERT(!gdpr_recent_find(&env, out));
	env = parsed(a);
	env.flags |= GDPR_FLAG_SUBJECT;
	FUZZ_ASSERT(!gdpr_recent_find(&env, out));
	env = parsed(a);
	env.context++;
	FUZZ_ASSERT(!gdpr_recent_find(&env, out));
	env = parsed(a);
	env.key_version++;
	FUZZ_ASSERT(!gdpr_recent_find(&env, out));
}

/* Any that is kept is found as it was; one of another tag is not. */
static void
find(int which, bool forgotten)
{
	const Added *a = &added[which];
	GdprEnvelope env = parsed(a);
	uint8 *out = malloc(a->length + 1);
	int newer = 0;
	bool found;

	for (int i = which + 1; i < count; i++)
		newer += added[i].length <= LONGEST;
	found = gdpr_recent_find(&env, out);
	FUZZ_ASSERT(found == (!forgotten && a->length <= LONGEST && newer < KEPT));
	if (found && a->length > 0)
		FUZZ_ASSERT(memcmp(out, env.sealed, a->length) == 0);
	find_changed(a, out);
	free(out);
}

static void
end_transaction(void)
{
	if (callback != NULL)
		callback(XACT_EVENT_COMMIT, NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	while (size > 2 && count < MOST)
	{
		size_t length = Min((size_t) data[0] + (data[1] & 1) * 8, size - 2);

		add(data + 2, length, data[1]);
		find(data[1] % count, false);
		data += 2 + length;
		size -= 2 + length;
	}
	for (int i = 0; i < count; i++)
		find(i, false);
	end_transaction();
	for (int i = 0; i < count; i++)
		find(i, true);
	while (count > 0)
		free(added[--count].rest);
	fuzz_reset();
	return 0;
}
