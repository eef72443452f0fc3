/*
 * secret.c
 *	  Sealing of the extension's own secrets.
 *
 * A key is HMAC(tag key, purpose, salt, n) for n = 1 and 2, cut to 16 bytes
 * each: a key derivation in counter mode (NIST SP 800-108).  A salt of 128
 * random bits for each process and LONGEST_RUN values keeps every pair of key
 * and nonce unique, however many values there are.
 */
#include "base/compat.h"

#include <openssl/crypto.h>

#include "crypto/aead.h"
#include "crypto/keyring.h"
#include "crypto/random.h"
#include "crypto/secret.h"
#include "crypto/tag.h"
#include "port/pg_bswap.h"

#define FORMAT_VERSION 1
#define SALT_LEN	   16
#define COUNTER_LEN	   8
#define HEAD_LEN	   (2 + SALT_LEN + COUNTER_LEN)

/* Apart from tags of values (kinds) and pseudonyms (0xFF). */
#define SECRET_SEPARATOR 0xFE

/* Values under one salt; far below what GCM allows for one key. */
#define LONGEST_RUN (1 << 24)

/* Sealing keys one for each purpose, and as many to open with. */
#define CACHED_KEYS 16

typedef struct SecretKey
{
	const char *purpose; /* NULL: free */
	uint8 generation;
	uint8 salt[SALT_LEN];
	GdprAead *aead;
	bool writes; /* made to seal with; others only open */
	uint64 counter;
	uint64 used; /* for the least recently used */
} SecretKey;

static SecretKey cached[CACHED_KEYS];
static uint64 cached_loads = 0; /* of the keyring, when they were derived */
static uint64 clock_hand = 0;

static void
drop(SecretKey *key)
{
	gdpr_aead_free(key->aead);
	OPENSSL_cleanse(key, sizeof(*key));
}

/* Another extension in the same database may have the same generation. */
static void
drop_stale(void)
{
	if (cached_loads == gdpr_keyring_loads())
		return;
	for (int i = 0; i < CACHED_KEYS; i++)
		drop(&cached[i]);
	cached_loads = gdpr_keyring_loads();
}

static SecretKey *
least_recently_used(void)
{
	SecretKey *oldest = &cached[0];

	for (int i = 0; i < CACHED_KEYS; i++)
	{
		if (cached[i].purpose == NULL)
			return &cached[i];
		if (cached[i].used < oldest->used)
			oldest = &cached[i];
	}
	drop(oldest);
	return oldest;
}

static GdprAead *
derive(GdprTagKey *tag_key, const char *purpose, const uint8 *salt)
{
	size_t purpose_length = strlen(purpose) + 1;
	size_t length = purpose_length + SALT_LEN + 1;
	uint8 *input = palloc(length);
	uint8 key[2 * GDPR_TAG_LEN];
	GdprAead *volatile aead = NULL;

	StaticAssertStmt(sizeof(key) == GDPR_KEY_LEN, "two tags make one key");
	memcpy(input, purpose, purpose_length);
	memcpy(input + purpose_length, salt, SALT_LEN);
	for (int i = 0; i < 2; i++)
	{
		input[length - 1] = i + 1;
		gdpr_tag_compute(tag_key, SECRET_SEPARATOR, input, length,
						 key + i * GDPR_TAG_LEN);
	}
	PG_TRY();
	{
		aead = gdpr_aead_create(key);
	}
	PG_FINALLY();
	{
		OPENSSL_cleanse(key, sizeof(key));
	}
	PG_END_TRY();
	pfree(input);
	return aead;
}

static SecretKey *
add_key(GdprTagKey *tag_key, const char *purpose, uint8 generation,
		const uint8 *salt, bool writes)
{
	SecretKey *key = least_recently_used();

	key->aead = derive(tag_key, purpose, salt);
	key->purpose = purpose;
	key->generation = generation;
	memcpy(key->salt, salt, SALT_LEN);
	key->writes = writes;
	return key;
}

static SecretKey *
sealing_key(const char *purpose)
{
	const GdprContext *context = gdpr_keyring_reserved();
	uint8 salt[SALT_LEN];
	GdprTagKey *tag_key;

	drop_stale();
	for (int i = 0; i < CACHED_KEYS; i++)
	{
		SecretKey *key = &cached[i];

		if (key->writes && key->counter < LONGEST_RUN &&
			key->generation == context->tag_generation &&
			strcmp(key->purpose, purpose) == 0)
			return key;
	}
	tag_key = gdpr_keyring_tag_key(context, context->tag_generation, false);
	gdpr_random_bytes(salt, sizeof(salt));
	return add_key(tag_key, purpose, context->tag_generation, salt, true);
}

static SecretKey *
opening_key(const char *purpose, uint8 generation, const uint8 *salt)
{
	const GdprContext *context = gdpr_keyring_context_by_name(
		GDPR_CONTEXT_RESERVED);
	GdprTagKey *tag_key;

	if (context == NULL)
		return NULL;
	drop_stale();
	for (int i = 0; i < CACHED_KEYS; i++)
	{
		SecretKey *key = &cached[i];

		if (key->purpose != NULL && key->generation == generation &&
			memcmp(key->salt, salt, SALT_LEN) == 0 &&
			strcmp(key->purpose, purpose) == 0)
			return key;
	}
	tag_key = gdpr_keyring_tag_key(context, generation, true);
	return tag_key == NULL ? NULL
						   : add_key(tag_key, purpose, generation, salt, false);
}

static void
make_nonce(uint8 *nonce, const uint8 *counter)
{
	memset(nonce, 0, GDPR_NONCE_LEN);
	memcpy(nonce + GDPR_NONCE_LEN - COUNTER_LEN, counter, COUNTER_LEN);
}

bytea *
gdpr_secret_seal(const char *purpose, const void *aad, size_t aad_length,
				 const void *data, size_t length)
{
	SecretKey *key = sealing_key(purpose);
	bytea *sealed = palloc(VARHDRSZ + GDPR_SECRET_OVERHEAD + length);
	uint8 *out = (uint8 *) VARDATA(sealed);
	uint64 counter = pg_hton64(++key->counter);
	uint8 nonce[GDPR_NONCE_LEN];

	key->used = ++clock_hand;
	SET_VARSIZE(sealed, VARHDRSZ + GDPR_SECRET_OVERHEAD + length);
	out[0] = FORMAT_VERSION;
	out[1] = key->generation;
	memcpy(out + 2, key->salt, SALT_LEN);
	memcpy(out + 2 + SALT_LEN, &counter, COUNTER_LEN);
	make_nonce(nonce, out + 2 + SALT_LEN);
	gdpr_aead_seal(key->aead, nonce, aad, aad_length, data, length,
				   out + HEAD_LEN);
	return sealed;
}

GdprSecretOpened
gdpr_secret_open(const char *purpose, const void *aad, size_t aad_length,
				 const bytea *sealed, char **data, size_t *length)
{
	const uint8 *in = (const uint8 *) VARDATA_ANY(sealed);
	size_t size = VARSIZE_ANY_EXHDR(sealed);
	uint8 nonce[GDPR_NONCE_LEN];
	SecretKey *key;

	if (size < GDPR_SECRET_OVERHEAD || in[0] != FORMAT_VERSION)
		return GDPR_SECRET_CORRUPT;
	key = opening_key(purpose, in[1], in + 2);
	if (key == NULL)
		return GDPR_SECRET_NO_KEY;
	key->used = ++clock_hand;
	*length = size - GDPR_SECRET_OVERHEAD;
	*data = palloc(*length + 1);
	make_nonce(nonce, in + 2 + SALT_LEN);
	if (!gdpr_aead_open(key->aead, nonce, aad, aad_length, in + HEAD_LEN,
						*length, (uint8 *) *data))
	{
		pfree(*data);
		return GDPR_SECRET_CORRUPT;
	}
	(*data)[*length] = '\0';
	return GDPR_SECRET_OPENED;
}
