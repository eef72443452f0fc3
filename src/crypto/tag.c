/*
 * tag.c
 *	  Keyed equality tags and pseudonyms: HMAC-SHA256 cut to 16 bytes.
 *
 * HMAC is two hashes whose first block depends on the key alone (RFC 2104).
 * The states after that block are kept and copied for each tag: half of what
 * EVP_MAC needs for a short value, and every audit record wants one.
 */
#include "base/compat.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "crypto/aead.h"
#include "crypto/tag.h"

#define MAC_LEN		 32
#define BLOCK_LEN	 64
#define INNER_FILLER 0x36
#define OUTER_FILLER 0x5c

struct GdprTagKey
{
	EVP_MD_CTX *inner; /* after the key's block */
	EVP_MD_CTX *outer;
	EVP_MD_CTX *work;
};

static EVP_MD *sha256 = NULL;
static EVP_MAC *hmac = NULL;

static void
require_digests(void)
{
	if (sha256 == NULL)
		sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	if (hmac == NULL)
		hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	if (sha256 == NULL || hmac == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("OpenSSL does not offer HMAC-SHA256")));
}

/* A hash that has taken the key, padded, and every byte of it changed. */
static EVP_MD_CTX *
start(const uint8 *key, uint8 filler)
{
	EVP_MD_CTX *state = EVP_MD_CTX_new();
	uint8 block[BLOCK_LEN];
	bool done;

	memset(block, filler, sizeof(block));
	for (int i = 0; i < GDPR_KEY_LEN; i++)
		block[i] ^= key[i];
	done = state != NULL && EVP_DigestInit_ex2(state, sha256, NULL) == 1 &&
		   EVP_DigestUpdate(state, block, sizeof(block)) == 1;
	OPENSSL_cleanse(block, sizeof(block));
	if (done)
		return state;
	EVP_MD_CTX_free(state);
	return NULL;
}

GdprTagKey *
gdpr_tag_create(const uint8 *key)
{
	GdprTagKey *result;

	require_digests();
	result = OPENSSL_zalloc(sizeof(GdprTagKey));
	if (result != NULL)
	{
		result->inner = start(key, INNER_FILLER);
		result->outer = start(key, OUTER_FILLER);
		result->work = EVP_MD_CTX_new();
		if (result->inner != NULL && result->outer != NULL &&
			result->work != NULL)
			return result;
		gdpr_tag_free(result);
	}
	ereport(ERROR,
			(errcode(ERRCODE_OUT_OF_MEMORY),
			 errmsg("OpenSSL could not prepare a key")));
}

void
gdpr_tag_free(GdprTagKey *key)
{
	if (key == NULL)
		return;
	EVP_MD_CTX_free(key->inner);
	EVP_MD_CTX_free(key->outer);
	EVP_MD_CTX_free(key->work);
	OPENSSL_free(key);
}

void
gdpr_tag_compute(GdprTagKey *key, uint8 separator, const uint8 *data,
				 size_t length, uint8 *out)
{
	uint8 mac[MAC_LEN];

	if (EVP_MD_CTX_copy_ex(key->work, key->inner) != 1 ||
		EVP_DigestUpdate(key->work, &separator, 1) != 1 ||
		(length > 0 && EVP_DigestUpdate(key->work, data, length) != 1) ||
		EVP_DigestFinal_ex(key->work, mac, NULL) != 1 ||
		EVP_MD_CTX_copy_ex(key->work, key->outer) != 1 ||
		EVP_DigestUpdate(key->work, mac, sizeof(mac)) != 1 ||
		EVP_DigestFinal_ex(key->work, mac, NULL) != 1)
		elog(ERROR, "HMAC-SHA256 failed");
	memcpy(out, mac, GDPR_TAG_LEN);
}

void
gdpr_tag_derive(const uint8 *key, size_t key_length, const uint8 *data,
				size_t length, uint8 *out)
{
	EVP_MAC_CTX *state;
	OSSL_PARAM params[2];
	size_t n;
	bool done;

	require_digests();
	params[0] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
												 "SHA256", 0);
	params[1] = OSSL_PARAM_construct_end();
	state = EVP_MAC_CTX_new(hmac);
	done = state != NULL && EVP_MAC_init(state, key, key_length, params) == 1 &&
		   (length == 0 || EVP_MAC_update(state, data, length) == 1) &&
		   EVP_MAC_final(state, out, &n, MAC_LEN) == 1;
	EVP_MAC_CTX_free(state);
	if (!done)
		elog(ERROR, "HMAC-SHA256 failed");
}
