/*
 * digest.c
 *	  SHA-256 as text.
 */
#include "base/compat.h"

#include "base/digest.h"
#include "common/cryptohash.h"
#include "common/sha2.h"
#include "utils/builtins.h"

char *
gdpr_digest_hex(const void *data, size_t length)
{
	uint8 digest[PG_SHA256_DIGEST_LENGTH];
	char *hex = palloc(2 * sizeof(digest) + 1);
	pg_cryptohash_ctx *ctx = pg_cryptohash_create(PG_SHA256);

	if (pg_cryptohash_init(ctx) < 0 ||
		pg_cryptohash_update(ctx, data, length) < 0 ||
		pg_cryptohash_final(ctx, digest, sizeof(digest)) < 0)
		elog(ERROR, "could not compute a SHA-256 hash");
	pg_cryptohash_free(ctx);
	hex[hex_encode((const char *) digest, sizeof(digest), hex)] = '\0';
	return hex;
}

void
gdpr_digest_field(StringInfo out, const char *value)
{
	if (value == NULL)
		appendStringInfoString(out, "-;");
	else
		appendStringInfo(out, "%zu:%s;", strlen(value), value);
}
