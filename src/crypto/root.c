/*
 * root.c
 *	  Root keys and the secret of this server run, in memory that no core
 *	  dump shows.
 *
 * The region is an anonymous shared mapping of the postmaster, inherited by
 * every process that it starts, and not part of PostgreSQL's shared memory:
 * that is dumped with a core file, and is made anew after a crash, when the
 * root keys must survive without asking the provider again.  Locking the
 * region into memory is tried and not insisted on: limits are often lower.
 */
#include "base/compat.h"

#include <sys/mman.h>

#include <openssl/crypto.h>

#include "crypto/provider.h"
#include "crypto/random.h"
#include "crypto/root.h"
#include "crypto/tag.h"
#include "miscadmin.h"

#ifdef EXEC_BACKEND
#error "gdpr_ext needs processes that inherit the postmaster's memory"
#endif

#define MAX_ROOTS 32
#define HEX_LEN	  (2 * GDPR_KEY_LEN)

typedef struct RootKey
{
	char id[GDPR_ROOT_ID_LEN];
	uint8 key[GDPR_KEY_LEN];
} RootKey;

typedef struct Secrets
{
	int count;
	RootKey roots[MAX_ROOTS];
	uint8 run_secret[GDPR_KEY_LEN];
} Secrets;

static Secrets *secrets = NULL;

static const GdprProvider *const providers[] = {
	&gdpr_provider_file,
	&gdpr_provider_command,
};

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static bool
parse_hex(const char *text, uint8 *key)
{
	for (int i = 0; i < GDPR_KEY_LEN; i++)
	{
		int high = hex_digit(text[2 * i]);
		int low = hex_digit(text[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		key[i] = high << 4 | low;
	}
	return true;
}

/* Whatever the server's locale calls a letter. */
static bool
is_id_character(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		   (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-';
}

static bool
parse_id(const char *text, size_t length, char *id)
{
	if (length == 0 || length >= GDPR_ROOT_ID_LEN)
		return false;
	for (size_t i = 0; i < length; i++)
	{
		if (!is_id_character(text[i]))
			return false;
	}
	memcpy(id, text, length);
	id[length] = '\0';
	return true;
}

/* "<id> <64 hex digits>"; bare says that the id was left out. */
static bool
parse_line(const char *line, size_t length, RootKey *root, bool *bare)
{
	size_t id_length;

	*bare = length == HEX_LEN;
	if (*bare)
	{
		strlcpy(root->id, "1", sizeof(root->id));
		return parse_hex(line, root->key);
	}
	if (length < HEX_LEN + 2)
		return false;
	id_length = length - HEX_LEN - 1;
	return line[id_length] == ' ' && parse_id(line, id_length, root->id) &&
		   parse_hex(line + id_length + 1, root->key);
}

static bool
is_known(const char *id)
{
	for (int i = 0; i < secrets->count; i++)
	{
		if (strcmp(secrets->roots[i].id, id) == 0)
			return true;
	}
	return false;
}

/* Fills the region; returns what is wrong, or NULL. */
static const char *
parse_roots(const char *text, size_t length)
{
	const char *end = text + length;
	bool any_bare = false;

	for (const char *line = text, *next; line < end; line = next)
	{
		const char *newline = memchr(line, '\n', end - line);
		size_t line_length = (newline ? newline : end) - line;
		RootKey *root = &secrets->roots[secrets->count];
		char id[GDPR_ROOT_ID_LEN];
		bool bare;

		next = newline ? newline + 1 : end;
		if (line_length > 0 && line[line_length - 1] == '\r')
			line_length--;
		if (line_length == 0)
			continue;
		if (secrets->count == MAX_ROOTS)
			return "there are more than 32 root keys";
		if (!parse_line(line, line_length, root, &bare))
			return "a line is not an id of at most 32 letters, digits, \"_\", \".\" or \"-\", one space, and 64 hexadecimal digits";
		strlcpy(id, root->id, sizeof(id));
		if (is_known(id))
			return "two lines have the same id; a line without one stands alone";
		any_bare |= bare;
		secrets->count++;
		if (any_bare && secrets->count > 1)
			return "a line without an id stands alone";
	}
	return secrets->count > 0 ? NULL : "there is no root key in it";
}

/*
 * The server does not start with a key that is not what was configured: it
 * would run and fail at the first value.  A stand-alone backend is how such a
 * server is mended, so there it is a warning and no key is loaded.
 */
static void
report_defect(const char *setting, const char *defect)
{
	OPENSSL_cleanse(secrets->roots, sizeof(secrets->roots));
	secrets->count = 0;
	ereport(IsPostmasterEnvironment ? FATAL : WARNING,
			(errcode(ERRCODE_CONFIG_FILE_ERROR),
			 errmsg("no root key from setting \"%s\": %s", setting, defect),
			 errhint("Correct the setting or what it names; with neither setting the server starts without keys.")));
}

static void
load_from(const GdprProvider *provider)
{
	char *buffer = palloc(GDPR_PROVIDER_MAX);
	size_t length = 0;
	const char *defect;

	defect = provider->read(*provider->value, buffer, &length);
	if (defect == NULL)
		defect = parse_roots(buffer, length);
	OPENSSL_cleanse(buffer, GDPR_PROVIDER_MAX);
	pfree(buffer);
	if (defect != NULL)
		report_defect(provider->setting, defect);
}

static void
load_roots(void)
{
	const GdprProvider *chosen = NULL;

	/* pg_upgrade moves tables without looking into them. */
	if (IsBinaryUpgrade)
		return;
	for (int i = 0; i < lengthof(providers); i++)
	{
		if ((*providers[i]->value)[0] == '\0')
			continue;
		if (chosen != NULL)
		{
			report_defect(
				chosen->setting,
				psprintf("setting \"%s\" is set too, and only one may be",
						 providers[i]->setting));
			return;
		}
		chosen = providers[i];
	}
	if (chosen != NULL)
		load_from(chosen);
}

static void
map_region(void)
{
	void *region = mmap(NULL, sizeof(Secrets), PROT_READ | PROT_WRITE,
						MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (region == MAP_FAILED)
		ereport(FATAL,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("could not map memory for root keys: %m")));
#ifdef MADV_DONTDUMP
	(void) madvise(region, sizeof(Secrets), MADV_DONTDUMP);
#endif
	(void) mlock(region, sizeof(Secrets));
	secrets = region;
}

void
gdpr_root_startup(void)
{
	if (IsUnderPostmaster)
		return;
	if (secrets == NULL)
	{
		map_region();
		load_roots();
	}

	/*
	 * After a crash the counters of in-flight values begin again, so their
	 * keys must be new ones; no process is left that knows the old.
	 */
	gdpr_random_key(secrets->run_secret, GDPR_KEY_LEN);
}

int
gdpr_root_count(void)
{
	return secrets ? secrets->count : 0;
}

const char *
gdpr_root_id(int number)
{
	return secrets->roots[number].id;
}

void
gdpr_root_fingerprint(int number, uint8 *out)
{
	static const char label[] = "gdpr root key fingerprint v1";
	uint8 mac[GDPR_KEY_LEN];

	gdpr_tag_derive(secrets->roots[number].key, GDPR_KEY_LEN,
					(const uint8 *) label, sizeof(label) - 1, mac);
	memcpy(out, mac, GDPR_ROOT_FINGERPRINT_LEN);
}

#define AAD_MAX (NAMEDATALEN + 64)

/* "gdpr key v1" 0 kind 0 name 0 version; returns its length. */
static size_t
build_aad(const char *kind, const char *name, uint16 version, uint8 *aad)
{
	int length = snprintf((char *) aad, AAD_MAX - 2, "gdpr key v1%c%s%c%s%c", 0,
						  kind, 0, name, 0);

	aad[length++] = version >> 8;
	aad[length++] = version & 0xFF;
	return length;
}

void
gdpr_root_wrap(const char *kind, const char *name, uint16 version,
			   const uint8 *key, uint8 *wrapped)
{
	uint8 aad[AAD_MAX];
	size_t aad_length = build_aad(kind, name, version, aad);
	GdprAead *aead;

	gdpr_random_bytes(wrapped, GDPR_NONCE_LEN);
	aead = gdpr_aead_create(secrets->roots[0].key);
	gdpr_aead_seal(aead, wrapped, aad, aad_length, key, GDPR_KEY_LEN,
				   wrapped + GDPR_NONCE_LEN);
	gdpr_aead_free(aead);
}

bool
gdpr_root_unwrap(const char *root_id, const char *kind, const char *name,
				 uint16 version, const uint8 *wrapped, uint8 *key)
{
	uint8 aad[AAD_MAX];
	size_t aad_length = build_aad(kind, name, version, aad);

	for (int i = 0; i < gdpr_root_count(); i++)
	{
		GdprAead *aead;
		bool opened;

		if (strcmp(secrets->roots[i].id, root_id) != 0)
			continue;
		aead = gdpr_aead_create(secrets->roots[i].key);
		opened = gdpr_aead_open(aead, wrapped, aad, aad_length,
								wrapped + GDPR_NONCE_LEN, GDPR_KEY_LEN, key);
		gdpr_aead_free(aead);
		return opened;
	}
	return false;
}

void
gdpr_root_inflight_key(uint16 generation, uint8 *key)
{
	uint8 label[] = "gdpr in flight\0\0";

	label[sizeof(label) - 3] = generation >> 8;
	label[sizeof(label) - 2] = generation & 0xFF;
	gdpr_tag_derive(secrets->run_secret, GDPR_KEY_LEN, label, sizeof(label) - 1,
					key);
}
