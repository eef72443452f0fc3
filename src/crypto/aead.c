/*
 * aead.c
 *	  AES-256-GCM on cached, keyed OpenSSL contexts.
 *
 * The cipher is fetched once and every key keeps two contexts with its key
 * schedule, so that a value costs one nonce set-up and the cipher itself;
 * fetching or keying per value would be two to four times slower.  Memory is
 * OpenSSL's, not palloc's: the owner frees it from a memory context callback,
 * and no error is raised between an allocation and the moment it is owned.
 */
#include "base/compat.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "crypto/aead.h"

struct GdprAead
{
	EVP_CIPHER_CTX *seal;
	EVP_CIPHER_CTX *open;
};

static EVP_CIPHER *gcm = NULL;

static void
require_cipher(void)
{
	if (gcm == NULL)
		gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
	if (gcm == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("OpenSSL does not offer AES-256-GCM")));
}

static void
require_memory(bool ok)
{
	if (!ok)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("OpenSSL could not prepare a key")));
}

GdprAead *
gdpr_aead_create_empty(void)
{
	GdprAead *aead;

	require_cipher();
	aead = OPENSSL_zalloc(sizeof(GdprAead));
	require_memory(aead != NULL);
	return aead;
}

/*
 * A context that has the cipher is given a key alone: with the cipher too it
 * would be emptied and built anew, which costs more than the key.
 */
static const EVP_CIPHER *
missing_cipher(const EVP_CIPHER_CTX *ctx)
{
	return EVP_CIPHER_CTX_get0_cipher(ctx) == NULL ? gcm : NULL;
}

static bool
key_seal(GdprAead *aead, const uint8 *key)
{
	if (aead->seal == NULL)
		aead->seal = EVP_CIPHER_CTX_new();
	return aead->seal != NULL &&
		   EVP_EncryptInit_ex(aead->seal, missing_cipher(aead->seal), NULL, key,
							  NULL) == 1;
}

static bool
key_open(GdprAead *aead, const uint8 *key)
{
	if (aead->open == NULL)
		aead->open = EVP_CIPHER_CTX_new();
	return aead->open != NULL &&
		   EVP_DecryptInit_ex(aead->open, missing_cipher(aead->open), NULL, key,
							  NULL) == 1;
}

void
gdpr_aead_key_seal(GdprAead *aead, const uint8 *key)
{
	require_memory(key_seal(aead, key));
}

void
gdpr_aead_key_open(GdprAead *aead, const uint8 *key)
{
	require_memory(key_open(aead, key));
}

GdprAead *
gdpr_aead_create(const uint8 *key)
{
	GdprAead *aead = gdpr_aead_create_empty();

	if (!key_seal(aead, key) || !key_open(aead, key))
	{
		gdpr_aead_free(aead);
		require_memory(false);
	}
	return aead;
}

void
gdpr_aead_free(GdprAead *aead)
{
	if (aead == NULL)
		return;
	/* Freeing a context cleanses its key schedule. */
	EVP_CIPHER_CTX_free(aead->seal);
	EVP_CIPHER_CTX_free(aead->open);
	OPENSSL_free(aead);
}

/*
 * A tenth cheaper than EVP_CIPHER_CTX_ctrl, which ends up here; and built once,
 * for that takes longer than one would think.
 */
static OSSL_PARAM tag_param[2] = {
	{OSSL_CIPHER_PARAM_AEAD_TAG, OSSL_PARAM_OCTET_STRING, NULL,
	 GDPR_GCM_TAG_LEN, OSSL_PARAM_UNMODIFIED},
	{NULL, 0, NULL, 0, 0},
};

static OSSL_PARAM *
param_of_tag(uint8 *tag)
{
	tag_param[0].data = tag;
	tag_param[0].return_size = OSSL_PARAM_UNMODIFIED;
	return tag_param;
}

void
gdpr_aead_seal(GdprAead *aead, const uint8 *nonce, const uint8 *aad,
			   size_t aad_length, const uint8 *in, size_t length, uint8 *out)
{
	EVP_CIPHER_CTX *ctx = aead->seal;
	int done = 0;
	bool ok;

	ok = EVP_EncryptInit_ex(ctx, NULL, NULL, NULL, nonce) == 1;
	if (ok && aad_length > 0)
		ok = EVP_EncryptUpdate(ctx, NULL, &done, aad, (int) aad_length) == 1;
	if (ok && length > 0)
		ok = EVP_EncryptUpdate(ctx, out, &done, in, (int) length) == 1;
	if (ok)
		ok = EVP_EncryptFinal_ex(ctx, out + length, &done) == 1 &&
			 EVP_CIPHER_CTX_get_params(ctx, param_of_tag(out + length)) == 1;
	if (!ok)
		elog(ERROR, "AES-256-GCM encryption failed");
}

bool
gdpr_aead_open(GdprAead *aead, const uint8 *nonce, const uint8 *aad,
			   size_t aad_length, const uint8 *in, size_t length, uint8 *out)
{
	EVP_CIPHER_CTX *ctx = aead->open;
	uint8 tag[GDPR_GCM_TAG_LEN];
	uint8 rest[EVP_MAX_BLOCK_LENGTH];
	int done = 0;
	bool ok;

	memcpy(tag, in + length, GDPR_GCM_TAG_LEN);
	ok = EVP_DecryptInit_ex2(ctx, NULL, NULL, nonce, param_of_tag(tag)) == 1;
	if (ok && aad_length > 0)
		ok = EVP_DecryptUpdate(ctx, NULL, &done, aad, (int) aad_length) == 1;
	if (ok && length > 0)
		ok = EVP_DecryptUpdate(ctx, out, &done, in, (int) length) == 1;
	if (!ok)
		elog(ERROR, "AES-256-GCM decryption could not be set up");

	/* Nothing of an unauthenticated plaintext may stay behind. */
	if (EVP_DecryptFinal_ex(ctx, rest, &done) == 1)
		return true;
	OPENSSL_cleanse(out, length);
	return false;
}
