/*
 * bare.c
 *	  What OpenSSL alone needs for the work behind one encrypted value.
 *
 * Encryption: AES-256-GCM on a keyed context with a buffered nonce, and the
 * HMAC-SHA256 equality tag.  Decryption: AES-256-GCM with its tag verified.
 * Both also where every value is of another person, so that the context is
 * given another key for each ("rekeyed").
 * Prints "<operation> <nanoseconds>" of processor time for a value of 25 bytes.
 *
 * The additional data is as long as that of envelope v1 in a context whose
 * name has three letters.
 */
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define VALUE_LEN 25
#define AAD_LEN 11
#define NONCE_LEN 12
#define TAG_LEN 16
#define ROUNDS 1000000

static uint8_t key[32];
static uint8_t aad[AAD_LEN];
static uint8_t value[VALUE_LEN];

static void
check(int ok)
{
	if (ok != 1)
	{
		fprintf(stderr, "OpenSSL failed\n");
		exit(1);
	}
}

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static void
next_nonce(uint8_t *nonce)
{
	static uint8_t buffer[4096];
	static size_t used = sizeof(buffer);

	if (used + NONCE_LEN > sizeof(buffer))
	{
		check(RAND_bytes(buffer, sizeof(buffer)));
		used = 0;
	}
	memcpy(nonce, buffer + used, NONCE_LEN);
	used += NONCE_LEN;
}

/* With the key that the context has (NULL), or another. */
static void
seal(EVP_CIPHER_CTX *ctx, const uint8_t *with, uint8_t *nonce, uint8_t *out)
{
	int			n;

	next_nonce(nonce);
	check(EVP_EncryptInit_ex(ctx, NULL, NULL, with, nonce));
	check(EVP_EncryptUpdate(ctx, NULL, &n, aad, AAD_LEN));
	check(EVP_EncryptUpdate(ctx, out, &n, value, VALUE_LEN));
	check(EVP_EncryptFinal_ex(ctx, out + VALUE_LEN, &n));
	check(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TAG_LEN, out + VALUE_LEN));
}

static void
open_sealed(EVP_CIPHER_CTX *ctx, const uint8_t *with, const uint8_t *nonce, uint8_t *in, uint8_t *out)
{
	int			n;

	check(EVP_DecryptInit_ex(ctx, NULL, NULL, with, nonce));
	check(EVP_DecryptUpdate(ctx, NULL, &n, aad, AAD_LEN));
	check(EVP_DecryptUpdate(ctx, out, &n, in, VALUE_LEN));
	check(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, TAG_LEN, in + VALUE_LEN));
	check(EVP_DecryptFinal_ex(ctx, out + VALUE_LEN, &n));
}

static void
equality_tag(EVP_MAC_CTX *mac, uint8_t *out)
{
	size_t		n;
	uint8_t		separator = 1;

	check(EVP_MAC_init(mac, NULL, 0, NULL));
	check(EVP_MAC_update(mac, &separator, 1));
	check(EVP_MAC_update(mac, value, VALUE_LEN));
	check(EVP_MAC_final(mac, out, &n, 32));
}

int
main(void)
{
	EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
	EVP_CIPHER_CTX *enc = EVP_CIPHER_CTX_new();
	EVP_CIPHER_CTX *dec = EVP_CIPHER_CTX_new();
	EVP_MAC    *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *mac = EVP_MAC_CTX_new(hmac);
	OSSL_PARAM	params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, "SHA256", 0),
		OSSL_PARAM_construct_end()
	};
	uint8_t		nonce[NONCE_LEN];
	uint8_t		sealed[VALUE_LEN + TAG_LEN];
	uint8_t		opened[VALUE_LEN + TAG_LEN];
	uint8_t		tag[32];
	double		start;

	check(RAND_bytes(key, sizeof(key)));
	check(RAND_bytes(value, sizeof(value)));
	check(EVP_EncryptInit_ex(enc, cipher, NULL, key, NULL));
	check(EVP_DecryptInit_ex(dec, cipher, NULL, key, NULL));
	check(EVP_MAC_init(mac, key, sizeof(key), params));

	start = now();
	for (int i = 0; i < ROUNDS; i++)
	{
		seal(enc, NULL, nonce, sealed);
		equality_tag(mac, tag);
	}
	printf("encrypt_with_tag %.1f\n", (now() - start) / ROUNDS);

	start = now();
	for (int i = 0; i < ROUNDS; i++)
		seal(enc, NULL, nonce, sealed);
	printf("encrypt %.1f\n", (now() - start) / ROUNDS);

	start = now();
	for (int i = 0; i < ROUNDS; i++)
		open_sealed(dec, NULL, nonce, sealed, opened);
	printf("decrypt %.1f\n", (now() - start) / ROUNDS);

	start = now();
	for (int i = 0; i < ROUNDS; i++)
		seal(enc, key, nonce, sealed);
	printf("encrypt_rekeyed %.1f\n", (now() - start) / ROUNDS);

	start = now();
	for (int i = 0; i < ROUNDS; i++)
	{
		seal(enc, key, nonce, sealed);
		equality_tag(mac, tag);
	}
	printf("encrypt_with_tag_rekeyed %.1f\n", (now() - start) / ROUNDS);

	start = now();
	for (int i = 0; i < ROUNDS; i++)
		open_sealed(dec, key, nonce, sealed, opened);
	printf("decrypt_rekeyed %.1f\n", (now() - start) / ROUNDS);
	return 0;
}
