/*
 * inflight.c
 *	  Keys of in-flight values.
 *
 * A generation's key is derived from the secret of this server run, so every
 * process can open what another sealed and nothing of it outlives the run.
 * Nonces are random, so a generation ends after 2^30 values; processes draw
 * from the common count in chunks.
 */
#include "base/compat.h"

#include <openssl/crypto.h>

#include "crypto/keyring_internal.h"

#define CHUNK_BITS		12
#define GENERATION_BITS 30
#define OPENED			4 /* generations that a process keeps ready */

typedef struct Generation
{
	uint16 number; /* 0: none */
	GdprAead *aead;
} Generation;

static Generation sealing;
static uint32 seals_left = 0;
static Generation opened[OPENED];
static int next_opened = 0;

static uint64
generation_of(uint64 chunk)
{
	return (chunk >> (GENERATION_BITS - CHUNK_BITS)) + 1;
}

/* Replaces what the entry held. */
static void
prepare(Generation *entry, uint16 number)
{
	uint8 key[GDPR_KEY_LEN];

	gdpr_aead_free(entry->aead);
	entry->aead = NULL;
	entry->number = 0;
	gdpr_root_inflight_key(number, key);
	PG_TRY();
	{
		entry->aead = gdpr_aead_create(key);
	}
	PG_FINALLY();
	{
		OPENSSL_cleanse(key, sizeof(key));
	}
	PG_END_TRY();
	entry->number = number;
}

static void
draw_chunk(void)
{
	uint64 chunk = pg_atomic_fetch_add_u64(&gdpr_keyring_shared->inflight_drawn,
										   1);
	uint64 number = generation_of(chunk);

	if (number > PG_UINT16_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("this server run has sealed as many in-flight values as it may"),
				 errhint("Restart the server.")));
	if (sealing.number != number)
		prepare(&sealing, number);
	seals_left = 1 << CHUNK_BITS;
}

GdprAead *
gdpr_keyring_inflight_seal(uint16 *generation)
{
	if (seals_left == 0)
	{
		gdpr_keyring_require_preload();
		draw_chunk();
	}
	seals_left--;
	*generation = sealing.number;
	return sealing.aead;
}

GdprAead *
gdpr_keyring_inflight_open(uint16 generation)
{
	Generation *entry;

	for (int i = 0; i < OPENED; i++)
	{
		if (opened[i].number == generation && generation != 0)
			return opened[i].aead;
	}
	gdpr_keyring_require_preload();
	if (generation == 0 ||
		generation > generation_of(pg_atomic_read_u64(
						 &gdpr_keyring_shared->inflight_drawn)))
		return NULL;
	entry = &opened[next_opened];
	next_opened = (next_opened + 1) % OPENED;
	prepare(entry, generation);
	return entry->aead;
}
