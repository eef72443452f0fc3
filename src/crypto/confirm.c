/*
 * confirm.c
 *	  Proof that a copy of a root key, in a safe, is the running one.
 *
 * The server gives a challenge, the copy answers it where it is (gdpr-key
 * respond), and the server compares.  A challenge is "time-random-mac" in hex;
 * the MAC, under the primary root key, lets the server know its own without
 * keeping them.  The answer to it is
 *
 *	  challenge.id.response
 *
 * where the response is HMAC-SHA256 of the challenge under the root key of that
 * id, over a label of its own: it says nothing about the key, nor serves for
 * anything else.  docs/keys.md describes it for those who read gdpr-key.
 */
#include "base/compat.h"

#include <openssl/crypto.h>

#include "access/htup_details.h"
#include "base/sql.h"
#include "catalog/pg_type.h"
#include "crypto/keyring_internal.h"
#include "crypto/random.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#define LABEL_CHALLENGE "gdpr key challenge v1"
#define LABEL_RESPONSE	"gdpr key backup v1"

#define TIME_LEN   8
#define RANDOM_LEN 16
#define MAC_LEN	   8
#define HEX(n)	   (2 * (n))

/* "time-random" and "-mac", without the terminating zero. */
#define BODY_LEN	  (HEX(TIME_LEN) + 1 + HEX(RANDOM_LEN))
#define CHALLENGE_LEN (BODY_LEN + 1 + HEX(MAC_LEN))
#define RESPONSE_LEN  HEX(GDPR_KEY_LEN)

/* As long as it may take to go to the safe and come back. */
#define VALID_US (INT64CONST(30) * SECS_PER_DAY * USECS_PER_SEC)

typedef struct Answer
{
	char challenge[CHALLENGE_LEN + 1];
	char root_id[GDPR_ROOT_ID_LEN];
	const char *response;
} Answer;

/* In hex, of a challenge's body under the root key of that id. */
static bool
challenge_mac(const char *root_id, const char *body, char *hex)
{
	uint8 mac[GDPR_KEY_LEN];

	if (!gdpr_root_mac(root_id, LABEL_CHALLENGE, body, BODY_LEN, mac))
		return false;
	hex[hex_encode((const char *) mac, MAC_LEN, hex)] = '\0';
	return true;
}

GDPR_FUNCTION(gdpr_confirm_challenge);
Datum
gdpr_confirm_challenge(PG_FUNCTION_ARGS)
{
	uint8 random[RANDOM_LEN];
	char hex[HEX(RANDOM_LEN) + 1] = {0};
	char mac[HEX(MAC_LEN) + 1];
	char *body;

	gdpr_key_require_root();
	gdpr_random_bytes(random, sizeof(random));
	(void) hex_encode((const char *) random, RANDOM_LEN, hex);
	body = psprintf("%016llx-%s", (unsigned long long) GetCurrentTimestamp(),
					hex);
	(void) challenge_mac(NULL, body, mac);
	PG_RETURN_TEXT_P(cstring_to_text(psprintf("%s-%s", body, mac)));
}

static void
refuse_answer(const char *defect)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("the copy of the root key is not confirmed: %s", defect),
			 errhint("Take a challenge from gdpr.key_backup_challenge() and give the line that \"gdpr-key respond\" prints.")));
}

static void
parse_answer(const char *text, Answer *answer)
{
	const char *dot = strrchr(text, '.');

	if (dot == NULL || dot - text < CHALLENGE_LEN + 2 ||
		text[CHALLENGE_LEN] != '.' || strlen(dot + 1) != RESPONSE_LEN ||
		dot - text - CHALLENGE_LEN - 1 >= GDPR_ROOT_ID_LEN)
		refuse_answer("it is not an answer to a challenge");
	memcpy(answer->challenge, text, CHALLENGE_LEN);
	answer->challenge[CHALLENGE_LEN] = '\0';
	strlcpy(answer->root_id, text + CHALLENGE_LEN + 1,
			dot - text - CHALLENGE_LEN);
	answer->response = dot + 1;
}

/* Did this server, with one of the root keys that it has, give it lately? */
static void
check_challenge(const Answer *answer, const GdprRootFacts *roots, int count)
{
	const char *given = answer->challenge + BODY_LEN + 1;
	char mac[HEX(MAC_LEN) + 1];
	bool ours = false;
	TimestampTz at;

	for (int i = 0; i < count && !ours; i++)
		ours = challenge_mac(roots[i].id, answer->challenge, mac) &&
			   CRYPTO_memcmp(mac, given, HEX(MAC_LEN)) == 0;
	if (!ours)
		refuse_answer("the challenge is not of this server");
	at = (TimestampTz) strtoull(answer->challenge, NULL, 16);
	if (at > GetCurrentTimestamp() || GetCurrentTimestamp() - at > VALID_US)
		refuse_answer("the challenge is older than 30 days");
}

static void
check_response(const Answer *answer)
{
	uint8 mac[GDPR_KEY_LEN];
	char hex[RESPONSE_LEN + 1];

	if (!gdpr_root_mac(answer->root_id, LABEL_RESPONSE, answer->challenge,
					   CHALLENGE_LEN, mac))
		refuse_answer("the server has no root key of that id");
	(void) hex_encode((const char *) mac, GDPR_KEY_LEN, hex);
	if (CRYPTO_memcmp(hex, answer->response, RESPONSE_LEN) != 0)
		refuse_answer("it is another key");
}

static void
record(const Answer *answer, const char *fingerprint)
{
	Oid types[] = {TEXTOID, TEXTOID, TEXTOID};
	Datum values[3];
	GdprSqlScope scope;
	uint64 count;

	values[0] = CStringGetTextDatum(answer->challenge);
	values[1] = CStringGetTextDatum(answer->root_id);
	values[2] = CStringGetTextDatum(fingerprint);
	gdpr_sql_begin_own(&scope);
	count = gdpr_sql_run(
		"INSERT INTO gdpr.key_confirmation (challenge, root_id, fingerprint)"
		" VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
		3, types, values, NULL, false, SPI_OK_INSERT);
	gdpr_sql_end_own(&scope);
	if (count == 0)
		refuse_answer("the challenge was answered before");
}

GDPR_FUNCTION(gdpr_confirm_backup);
Datum
gdpr_confirm_backup(PG_FUNCTION_ARGS)
{
	GdprRootFacts roots[GDPR_ROOT_MAX];
	Answer answer;
	TupleDesc desc;
	Datum values[3];
	bool nulls[3] = {false};
	char *fingerprint = NULL;
	int number = 0;
	int count;

	if (get_call_result_type(fcinfo, NULL, &desc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	gdpr_key_require_root();
	parse_answer(text_to_cstring(PG_GETARG_TEXT_PP(0)), &answer);
	count = gdpr_root_list(roots);
	check_challenge(&answer, roots, count);
	check_response(&answer);
	while (number < count && strcmp(roots[number].id, answer.root_id) != 0)
		number++;
	/* Taken away since: the next reload was quicker. */
	if (number == count)
		refuse_answer("the server has no root key of that id");
	fingerprint = gdpr_root_print(&roots[number]);
	record(&answer, fingerprint);
	values[0] = CStringGetTextDatum(answer.root_id);
	values[1] = CStringGetTextDatum(fingerprint);
	values[2] = BoolGetDatum(number == 0);
	PG_RETURN_DATUM(HeapTupleGetDatum(
		heap_form_tuple(BlessTupleDesc(desc), values, nulls)));
}
