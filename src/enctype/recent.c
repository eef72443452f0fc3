/*
 * recent.c
 *	  Payloads of the values in flight that this process sealed last.
 *
 * A bound parameter is sealed when it arrives and opened a moment later, when
 * the cast moves it into its column's context.  Remembering what was sealed
 * saves that decryption.  An entry is found by nonce and authentication tag,
 * which no other value of this server run has, and nothing outlives the
 * transaction.
 */
#include "base/compat.h"

#include <openssl/crypto.h>

#include "access/xact.h"
#include "enctype/recent.h"

/* A row's worth of parameters; a power of two. */
#define ENTRIES 16
#define LONGEST 256

typedef struct Entry
{
	bool used;
	uint16 length;
	uint8 nonce[GDPR_ENVELOPE_NONCE_LEN];
	uint8 gcm_tag[GDPR_ENVELOPE_GCM_LEN];
	uint8 payload[LONGEST];
} Entry;

static Entry entries[ENTRIES];
static uint32 next_entry = 0;
static bool any_used = false;
static bool registered = false;

static void
forget_all(XactEvent event, void *arg)
{
	if (!any_used)
		return;
	OPENSSL_cleanse(entries, sizeof(entries));
	any_used = false;
}

void
gdpr_recent_add(const uint8 *nonce, const uint8 *gcm_tag, GdprBytes payload)
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
	if (entry->length > payload.length)
		OPENSSL_cleanse(entry->payload + payload.length,
						entry->length - payload.length);
	entry->used = true;
	entry->length = (uint16) payload.length;
	memcpy(entry->nonce, nonce, sizeof(entry->nonce));
	memcpy(entry->gcm_tag, gcm_tag, sizeof(entry->gcm_tag));
	memcpy(entry->payload, payload.data, payload.length);
	any_used = true;
}

bool
gdpr_recent_find(const GdprEnvelope *env, uint8 *out)
{
	if (!any_used || env->length > LONGEST)
		return false;

	/* Newest first: it is nearly always the one. */
	for (uint32 i = 1; i <= ENTRIES; i++)
	{
		const Entry *entry = &entries[(next_entry - i) % ENTRIES];

		if (entry->used && entry->length == env->length &&
			memcmp(entry->nonce, env->nonce, sizeof(entry->nonce)) == 0 &&
			memcmp(entry->gcm_tag, env->sealed + env->length,
				   sizeof(entry->gcm_tag)) == 0)
		{
			memcpy(out, entry->payload, entry->length);
			return true;
		}
	}
	return false;
}
