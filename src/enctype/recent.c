/*
 * recent.c
 *	  Payloads of the values that this process sealed last.
 *
 * A bound parameter is sealed when it arrives and opened a moment later, when
 * the cast moves it into its column's context; and once more where its row's
 * person has a key of his own.  Remembering what was sealed saves these
 * decryptions.  A value is known again by everything that its key
 * authenticates, so one that was changed on the way is opened, and refused, as
 * ever.  Nothing outlives the transaction.
 */
#include "base/compat.h"

#include <openssl/crypto.h>

#include "access/xact.h"
#include "enctype/recent.h"

/* A row's worth of values; a power of two. */
#define ENTRIES 16
#define LONGEST 256

typedef struct Entry
{
	bool used;
	uint8 flags;
	uint16 key_version;
	uint32 context;
	uint32 length;
	/* nonce, ciphertext, authentication tag: as they lie in the value */
	uint8 rest[GDPR_ENVELOPE_NONCE_LEN + LONGEST + GDPR_ENVELOPE_GCM_LEN];
	uint8 payload[LONGEST];
} Entry;

static Entry entries[ENTRIES];
static uint32 next_entry = 0;
static bool any_used = false;
static bool registered = false;

static size_t
rest_length(size_t payload)
{
	return GDPR_ENVELOPE_NONCE_LEN + payload + GDPR_ENVELOPE_GCM_LEN;
}

/* Most statements seal one value or none, so what is unused is left alone. */
static void
forget_all(XactEvent event, void *arg)
{
	if (!any_used)
		return;
	for (int i = 0; i < ENTRIES; i++)
	{
		if (entries[i].used)
			OPENSSL_cleanse(entries[i].payload, entries[i].length);
		entries[i].used = false;
	}
	any_used = false;
}

void
gdpr_recent_add(const GdprEnvelope *header, const uint8 *rest,
				GdprBytes payload)
{
	Entry *entry = &entries[next_entry];

	if (payload.length > LONGEST)
		return;
	if (!registered)
	{
		RegisterXactCallback(forget_all, NULL);
		registered = true;
	}
	next_entry = (next_entry + 1) % ENTRIES;
	if (entry->used && entry->length > payload.length)
		OPENSSL_cleanse(entry->payload + payload.length,
						entry->length - payload.length);
	entry->used = true;
	entry->flags = header->flags;
	entry->key_version = header->key_version;
	entry->context = header->context;
	entry->length = (uint32) payload.length;
	memcpy(entry->rest, rest, rest_length(payload.length));
	memcpy(entry->payload, payload.data, payload.length);
	any_used = true;
}

static bool
is_same(const Entry *entry, const GdprEnvelope *env)
{
	return entry->used && entry->length == env->length &&
		   memcmp(entry->rest, env->nonce, rest_length(env->length)) == 0 &&
		   entry->flags == env->flags && entry->context == env->context &&
		   entry->key_version == env->key_version;
}

bool
gdpr_recent_find(const GdprEnvelope *env, uint8 *out)
{
	if (!any_used || env->length > LONGEST ||
		(env->flags & GDPR_FLAG_SUBJECT) != 0)
		return false;

	/* Newest first: it is nearly always the one. */
	for (uint32 i = 1; i <= ENTRIES; i++)
	{
		const Entry *entry = &entries[(next_entry - i) % ENTRIES];

		if (is_same(entry, env))
		{
			memcpy(out, entry->payload, entry->length);
			return true;
		}
	}
	return false;
}
