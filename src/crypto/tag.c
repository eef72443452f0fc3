/*
 * tag.c
 *	  Keyed equality tags and pseudonyms: HMAC-SHA256 cut to 16 bytes.
 *
 * One EVP_MAC context per key, keyed once; re-initialising it without a key
 * restores the keyed state at a third of the cost of keying it again.
 */
#include "base/compat.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "crypto/aead.h"
#include "crypto/tag.h"

#define MAC_LEN 32

struct GdprTagKey
{
	EVP_MAC_CTX *ctx;
};

static EVP_MAC *hmac = NULL;

static void
require_mac(void)
{
	if (hmac == NULL)
		hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	if (hmac == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("OpenSSL does not offer HMAC")));
}

static GdprTagKey *
create(const uint8 *key, size_t key_length)
{
	OSSL_PARAM params[2];
	GdprTagKey *result;

	require_mac();
	params[0] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
												 "SHA256", 0);
	params[1] = OSSL_PARAM_construct_end();
	result = OPENSSL_zalloc(sizeof(GdprTagKey));
	if (result != NULL)
	{
		result->ctx = EVP_MAC_CTX_new(hmac);
		if (result->ctx != NULL &&
			EVP_MAC_init(result->ctx, key, key_length, params) == 1)
			return result;
		gdpr_tag_free(result);
	}
	ereport(ERROR,
			(errcode(ERRCODE_OUT_OF_MEMORY),
			 errmsg("OpenSSL could not prepare a key")));
}

GdprTagKey *
gdpr_tag_create(const uint8 *key)
{
	return create(key, GDPR_KEY_LEN);
}

void
gdpr_tag_free(GdprTagKey *key)
{
	if (key == NULL)
		return;
	EVP_MAC_CTX_free(key->ctx);
	OPENSSL_free(key);
}

static void
compute(GdprTagKey *key, const uint8 *prefix, size_t prefix_length,
		const uint8 *data, size_t length, uint8 *mac)
{
	size_t done;

	if (EVP_MAC_init(key->ctx, NULL, 0, NULL) != 1 ||
		(prefix_length > 0 &&
		 EVP_MAC_update(key->ctx, prefix, prefix_length) != 1) ||
		(length > 0 && EVP_MAC_update(key->ctx, data, length) != 1) ||
		EVP_MAC_final(key->ctx, mac, &done, MAC_LEN) != 1)
		elog(ERROR, "HMAC-SHA256 failed");
}

void
gdpr_tag_compute(GdprTagKey *key, uint8 separator, const uint8 *data,
				 size_t length, uint8 *out)
{
	uint8 mac[MAC_LEN];

	compute(key, &separator, 1, data, length, mac);
	memcpy(out, mac, GDPR_TAG_LEN);
}

void
gdpr_tag_derive(const uint8 *key, size_t key_length, const uint8 *data,
				size_t length, uint8 *out)
{
	GdprTagKey *once = create(key, key_length);

	PG_TRY();
	{
		compute(once, NULL, 0, data, length, out);
	}
	PG_FINALLY();
	{
		gdpr_tag_free(once);
	}
	PG_END_TRY();
}
