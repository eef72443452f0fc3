/*
 * recent.c
 *	  What was sealed last is found by its nonce and tag, and nothing else is;
 *	  after the transaction nothing is.
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
	uint8 nonce[GDPR_ENVELOPE_NONCE_LEN];
	uint8 *sealed; /* payload, then the tag, as in a value */
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

	memset(a->nonce, id, sizeof(a->nonce));
	a->nonce[0] = (uint8) count;
	a->length = length;
	a->sealed = malloc(length + GDPR_ENVELOPE_GCM_LEN);
	if (length > 0)
		memcpy(a->sealed, data, length);
	memset(a->sealed + length, id, GDPR_ENVELOPE_GCM_LEN);
	gdpr_recent_add(a->nonce, a->sealed + length, payload);
}

/* Any that is kept is found as it was; one of another tag is not. */
static void
find(int which, bool forgotten)
{
	const Added *a = &added[which];
	GdprEnvelope env = {.nonce = a->nonce,
						.sealed = a->sealed,
						.length = a->length};
	uint8 *out = malloc(a->length);
	int newer = 0;
	bool found;

	for (int i = which + 1; i < count; i++)
		newer += added[i].length <= LONGEST;
	found = gdpr_recent_find(&env, out);
	FUZZ_ASSERT(found == (!forgotten && a->length <= LONGEST && newer < KEPT));
	if (found && a->length > 0)
		FUZZ_ASSERT(memcmp(out, a->sealed, a->length) == 0);
	a->sealed[a->length] ^= 1;
	FUZZ_ASSERT(!gdpr_recent_find(&env, out));
	a->sealed[a->length] ^= 1;
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
		free(added[--count].sealed);
	fuzz_reset();
	return 0;
}
