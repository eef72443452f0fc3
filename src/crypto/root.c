/*
 * root.c
 *	  Root keys and the secret of this server run, in memory that no core
 *	  dump shows.
 *
 * The region (crypto/region.c) outlives a crash, after which the root keys must
 * be there without asking the provider again.
 *
 * There is room for two sets of keys.  New ones are written beside those that
 * count and made to count by one store, so a process that dies on the way
 * leaves a whole set behind.  Who reads takes a copy under a lock.
 */
#include "base/compat.h"

#include <openssl/crypto.h>

#include "base/errors.h"
#include "base/lockspace.h"
#include "crypto/keyring_internal.h"
#include "crypto/provider.h"
#include "crypto/random.h"
#include "crypto/region.h"
#include "crypto/root.h"
#include "crypto/tag.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/builtins.h"

#define HEX_LEN (2 * GDPR_KEY_LEN)


typedef struct RootKey
{
	char id[GDPR_ROOT_ID_LEN];
	uint8 key[GDPR_KEY_LEN];
} RootKey;

typedef struct RootSet
{
	int count;
	RootKey roots[GDPR_ROOT_MAX]; /* the first is primary */
} RootSet;

typedef struct Secrets
{
	uint32 current; /* which of the sets counts */
	RootSet sets[2];
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
is_known(const RootSet *set, const char *id)
{
	for (int i = 0; i < set->count; i++)
	{
		if (strcmp(set->roots[i].id, id) == 0)
			return true;
	}
	return false;
}

/* Fills the set; returns what is wrong, or NULL. */
static const char *
parse_roots(RootSet *set, const char *text, size_t length)
{
	const char *end = text + length;
	bool any_bare = false;

	for (const char *line = text, *next; line < end; line = next)
	{
		const char *newline = memchr(line, '\n', end - line);
		size_t line_length = (newline ? newline : end) - line;
		RootKey *root = &set->roots[set->count];
		char id[GDPR_ROOT_ID_LEN];
		bool bare;

		next = newline ? newline + 1 : end;
		if (line_length > 0 && line[line_length - 1] == '\r')
			line_length--;
		if (line_length == 0)
			continue;
		if (set->count == GDPR_ROOT_MAX)
			return "there are more than 32 root keys";
		if (!parse_line(line, line_length, root, &bare))
			return "a line is not an id of at most 32 letters, digits, \"_\", \".\" or \"-\", one space, and 64 hexadecimal digits";
		strlcpy(id, root->id, sizeof(id));
		if (is_known(set, id))
			return "two lines have the same id; a line without one stands alone";
		any_bare |= bare;
		set->count++;
		if (any_bare && set->count > 1)
			return "a line without an id stands alone";
	}
	return set->count > 0 ? NULL : "there is no root key in it";
}

static const char *
read_from(const GdprProvider *provider, RootSet *set)
{
	char *buffer = palloc(GDPR_PROVIDER_MAX);
	size_t length = 0;
	const char *defect;

	defect = provider->read(*provider->value, buffer, &length);
	if (defect == NULL)
		defect = parse_roots(set, buffer, length);
	OPENSSL_cleanse(buffer, GDPR_PROVIDER_MAX);
	pfree(buffer);
	return defect;
}

/*
 * Fills an empty set with what the settings name; with neither of them it
 * stays empty.  Returns what is wrong, or NULL, and the setting at fault.
 */
static const char *
read_roots(RootSet *set, const char **setting)
{
	const GdprProvider *chosen = NULL;

	for (int i = 0; i < lengthof(providers); i++)
	{
		if ((*providers[i]->value)[0] == '\0')
			continue;
		if (chosen != NULL)
		{
			*setting = chosen->setting;
			return psprintf("setting \"%s\" is set too, and only one may be",
							providers[i]->setting);
		}
		chosen = providers[i];
	}
	if (chosen == NULL)
		return NULL;
	*setting = chosen->setting;
	return read_from(chosen, set);
}

/*
 * The server does not start with a key that is not what was configured: it
 * would run and fail at the first value.  A stand-alone backend is how such a
 * server is mended, so there it is a warning and no key is loaded.
 */
static void
load_at_start(void)
{
	RootSet *set = &secrets->sets[0];
	const char *setting = NULL;
	const char *defect;

	/* pg_upgrade moves tables without looking into them. */
	if (IsBinaryUpgrade)
		return;
	defect = read_roots(set, &setting);
	if (defect == NULL)
		return;
	OPENSSL_cleanse(set, sizeof(RootSet));
	ereport(IsPostmasterEnvironment ? FATAL : WARNING,
			(errcode(ERRCODE_CONFIG_FILE_ERROR),
			 errmsg("no root key from setting \"%s\": %s", setting, defect),
			 errhint("Correct the setting or what it names; with neither setting the server starts without keys.")));
}

void
gdpr_root_startup(void)
{
	if (IsUnderPostmaster)
		return;
	if (secrets == NULL)
	{
		secrets = gdpr_region_map(sizeof(Secrets), "root keys");
		load_at_start();
	}

	/*
	 * After a crash the counters of in-flight values begin again, so their
	 * keys must be new ones; no process is left that knows the old.
	 */
	gdpr_random_key(secrets->run_secret, GDPR_KEY_LEN);
}

/* ---- looking at the keys ---- */

static void
lock_roots(LWLockMode mode)
{
	LWLockAcquire(&gdpr_keyring_shared->root_lock, mode);
}

static void
unlock_roots(void)
{
	LWLockRelease(&gdpr_keyring_shared->root_lock);
}

/* Takes a copy of a key, which the caller cleanses.  NULL: of the primary. */
static bool
find_root(const char *id, RootKey *root)
{
	const RootSet *set;
	bool found = false;

	if (secrets == NULL || gdpr_keyring_shared == NULL)
		return false;
	lock_roots(LW_SHARED);
	set = &secrets->sets[secrets->current];
	for (int i = 0; i < set->count && !found; i++)
	{
		found = id == NULL || strcmp(set->roots[i].id, id) == 0;
		if (found)
			*root = set->roots[i];
	}
	unlock_roots();
	return found;
}

int
gdpr_root_count(void)
{
	int count;

	if (secrets == NULL || gdpr_keyring_shared == NULL)
		return 0;
	lock_roots(LW_SHARED);
	count = secrets->sets[secrets->current].count;
	unlock_roots();
	return count;
}

static void
state_facts(const RootSet *set, GdprRootFacts *facts)
{
	static const char label[] = "gdpr root key fingerprint v1";
	uint8 mac[GDPR_KEY_LEN];

	for (int i = 0; i < set->count; i++)
	{
		strlcpy(facts[i].id, set->roots[i].id, GDPR_ROOT_ID_LEN);
		gdpr_tag_derive(set->roots[i].key, GDPR_KEY_LEN, (const uint8 *) label,
						sizeof(label) - 1, mac);
		memcpy(facts[i].fingerprint, mac, GDPR_ROOT_FINGERPRINT_LEN);
	}
}

int
gdpr_root_list(GdprRootFacts *roots)
{
	RootSet *copy;
	int count;

	if (gdpr_root_count() == 0)
		return 0;
	copy = palloc(sizeof(RootSet));
	lock_roots(LW_SHARED);
	*copy = secrets->sets[secrets->current];
	unlock_roots();
	count = copy->count;
	PG_TRY();
	{
		state_facts(copy, roots);
	}
	PG_FINALLY();
	{
		OPENSSL_cleanse(copy, sizeof(RootSet));
	}
	PG_END_TRY();
	pfree(copy);
	return count;
}

char *
gdpr_root_print(const GdprRootFacts *root)
{
	char *hex = palloc0(2 * GDPR_ROOT_FINGERPRINT_LEN + 1);

	(void) hex_encode((const char *) root->fingerprint,
					  GDPR_ROOT_FINGERPRINT_LEN, hex);
	return hex;
}

/* ---- reading them again ---- */

/* Puts the set beside the one that counts, and has it count. */
static void
replace_roots(const RootSet *set)
{
	uint32 before;

	lock_roots(LW_EXCLUSIVE);
	before = secrets->current;
	secrets->sets[1 - before] = *set;
	pg_write_barrier();
	secrets->current = 1 - before;
	pg_write_barrier();
	OPENSSL_cleanse(&secrets->sets[before], sizeof(RootSet));
	unlock_roots();
}

static int
read_again(RootSet *set, GdprRootAccept accept, void *arg)
{
	GdprRootFacts facts[GDPR_ROOT_MAX];
	const char *setting = NULL;
	const char *defect = read_roots(set, &setting);

	CHECK_FOR_INTERRUPTS();
	if (defect != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("no root key from setting \"%s\": %s", setting, defect),
				 errdetail("The root keys are those that they were.")));
	state_facts(set, facts);
	accept(facts, set->count, arg);
	replace_roots(set);
	gdpr_keyring_bump();
	return set->count;
}

int
gdpr_root_reload(GdprRootAccept accept, void *arg)
{
	RootSet *set = palloc0(sizeof(RootSet));
	LOCKTAG tag;
	int count = 0;

	/* One asks at a time, or an older answer could come last. */
	SET_LOCKTAG_ADVISORY(tag, InvalidOid, 0, 0, GDPR_LOCK_ROOTS);
	(void) LockAcquire(&tag, ExclusiveLock, false, false);
	PG_TRY();
	{
		count = read_again(set, accept, arg);
	}
	PG_FINALLY();
	{
		OPENSSL_cleanse(set, sizeof(RootSet));
	}
	PG_END_TRY();
	LockRelease(&tag, ExclusiveLock, false);
	pfree(set);
	return count;
}

/* ---- using them ---- */

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

/* A copy of a key made ready; cleansed also when that fails. */
static GdprAead *
keyed_by(RootKey *root)
{
	GdprAead *volatile aead = NULL;

	PG_TRY();
	{
		aead = gdpr_aead_create(root->key);
	}
	PG_CATCH();
	{
		OPENSSL_cleanse(root, sizeof(RootKey));
		PG_RE_THROW();
	}
	PG_END_TRY();
	OPENSSL_cleanse(root, sizeof(RootKey));
	return aead;
}

void
gdpr_root_wrap(const char *kind, const char *name, uint16 version,
			   const uint8 *key, uint8 *wrapped, char *root_id)
{
	uint8 aad[AAD_MAX];
	size_t aad_length = build_aad(kind, name, version, aad);
	RootKey root;
	GdprAead *aead;

	if (!find_root(NULL, &root))
		ereport(ERROR,
				(errcode(ERRCODE_GDPR_KEY_UNAVAILABLE),
				 errmsg("the server has no root key"),
				 errhint("Set gdpr.root_key_file or gdpr.root_key_command and call gdpr.reload_keys().")));
	strlcpy(root_id, root.id, GDPR_ROOT_ID_LEN);
	gdpr_random_bytes(wrapped, GDPR_NONCE_LEN);
	aead = keyed_by(&root);
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
	RootKey root;
	GdprAead *aead;
	bool opened;

	if (!find_root(root_id, &root))
		return false;
	aead = keyed_by(&root);
	opened = gdpr_aead_open(aead, wrapped, aad, aad_length,
							wrapped + GDPR_NONCE_LEN, GDPR_KEY_LEN, key);
	gdpr_aead_free(aead);
	return opened;
}

bool
gdpr_root_mac(const char *id, const char *label, const void *data,
			  size_t length, uint8 *out)
{
	size_t label_length = strlen(label) + 1;
	uint8 *input;
	RootKey root;

	if (!find_root(id, &root))
		return false;
	input = palloc(label_length + length);
	memcpy(input, label, label_length);
	memcpy(input + label_length, data, length);
	PG_TRY();
	{
		gdpr_tag_derive(root.key, GDPR_KEY_LEN, input, label_length + length,
						out);
	}
	PG_FINALLY();
	{
		OPENSSL_cleanse(&root, sizeof(root));
	}
	PG_END_TRY();
	pfree(input);
	return true;
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
