/*
 * keyring.c
 *	  The cache of contexts, their keys, and who may use them.
 *
 * Each process reads the tables once and again after a change: statement
 * triggers on them send a relation invalidation of gdpr.context, and changes
 * of roles and memberships arrive as catalog invalidations.  Those are looked
 * for between statements, and only in the database of the change; a number in
 * shared memory reaches statements that run for long, and tells all databases
 * of new root keys.  A cache that has
 * become stale is retired, because callers hold pointers into it until the
 * end of the transaction, and is freed, keys cleansed, in the next one.
 */
#include "base/compat.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include "access/xact.h"
#include "crypto/epoch.h"
#include "crypto/keyring_internal.h"
#include "base/errors.h"
#include "miscadmin.h"
#include "replication/walsender.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "storage/shmem.h"
#include "utils/acl.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

/* Keeps pseudonyms apart from tags of values, whose separators are kinds. */
#define PSEUDONYM_SEPARATOR 0xFF

GdprKeyringShared *gdpr_keyring_shared = NULL;

static bool preloaded = false;
static GdprContextCache *cache = NULL;
static GdprContextCache *retired = NULL;
static bool cache_stale = false;
static uint64 seen_generation = 0; /* of the cache */
static bool bump_at_commit = false;
static uint64 loads = 0;
static bool exit_registered = false;

uint32
gdpr_keyring_hash(const char *name)
{
	uint8 digest[SHA256_DIGEST_LENGTH];
	uint32 hash;

	SHA256((const uint8 *) name, strlen(name), digest);
	hash = (uint32) (digest[0] & 0x7F) << 24 | (uint32) digest[1] << 16 |
		   (uint32) digest[2] << 8 | digest[3];
	return hash == 0 ? 1 : hash;
}

/* ---- the cache ---- */

static void
context_changed(Datum arg, Oid relid)
{
	/* While the cache is being read there is none to compare with. */
	if (cache == NULL || !OidIsValid(relid) || relid == cache->relid)
		cache_stale = true;
}

static void
role_changed(Datum arg, int cacheid, uint32 hashvalue)
{
	cache_stale = true;
}

static void
free_retired(LocalTransactionId now)
{
	while (retired != NULL && retired->retired_in != now)
	{
		GdprContextCache *next = retired->next;

		MemoryContextDelete(retired->mcxt);
		retired = next;
	}
}

/* Unused nonces go back to the pool while shared memory is still there. */
static void
drop_at_exit(int code, Datum arg)
{
	if (cache != NULL)
		MemoryContextDelete(cache->mcxt);
	cache = NULL;
	free_retired(InvalidLocalTransactionId);
}

bool
gdpr_keyring_can_look(void)
{
	return IsTransactionState() && OidIsValid(MyDatabaseId) && !am_walsender &&
		   !HistoricSnapshotActive();
}

/* ---- the number that goes up when keys changed ---- */

static uint64
current_generation(void)
{
	return gdpr_keyring_shared == NULL
			   ? 0
			   : pg_atomic_read_u64(&gdpr_keyring_shared->generation);
}

static bool
is_stale(void)
{
	return cache_stale || seen_generation != current_generation();
}

void
gdpr_keyring_bump(void)
{
	if (gdpr_keyring_shared != NULL)
		(void) pg_atomic_fetch_add_u64(&gdpr_keyring_shared->generation, 1);
}

void
gdpr_keyring_bump_at_commit(void)
{
	bump_at_commit = true;
}

/* Others see the change by now.  A prepared transaction sends messages alone. */
static void
transaction_ended(XactEvent event, void *arg)
{
	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT &&
		event != XACT_EVENT_PREPARE)
		return;
	if (bump_at_commit && event == XACT_EVENT_COMMIT)
		gdpr_keyring_bump();
	bump_at_commit = false;
}

static void
refresh_cache(void)
{
	LocalTransactionId now = GDPR_MY_LXID;

	free_retired(now);
	if (cache != NULL && is_stale())
	{
		cache->retired_in = now;
		cache->next = retired;
		retired = cache;
		cache = NULL;
	}
	if (cache == NULL)
	{
		/* A change that arrives while we read makes the result stale again. */
		cache_stale = false;
		seen_generation = current_generation();
		cache = gdpr_keyring_load(TopMemoryContext);
		loads++;
		if (!exit_registered)
		{
			before_shmem_exit(drop_at_exit, (Datum) 0);
			exit_registered = true;
		}
	}
}

/* Values of one column follow each other, so the last answer is kept. */
const GdprContext *
gdpr_keyring_context(uint32 hash)
{
	if (!gdpr_keyring_can_look())
		return NULL;
	if (cache == NULL || is_stale() || retired != NULL)
		refresh_cache();
	if (cache == NULL)
		return NULL;
	if (cache->last == NULL || cache->last->hash != hash)
		cache->last = hash_search(cache->contexts, &hash, HASH_FIND, NULL);
	return cache->last;
}

const GdprContext *
gdpr_keyring_context_by_name(const char *name)
{
	const GdprContext *context = gdpr_keyring_context(gdpr_keyring_hash(name));

	if (context != NULL && strcmp(NameStr(context->name), name) == 0)
		return context;
	return NULL;
}

uint64
gdpr_keyring_loads(void)
{
	return loads;
}

static bool
has_primary(const GdprKeySlot *slots)
{
	while (slots != NULL && !slots->primary)
		slots = slots->next;
	return slots != NULL;
}

/* One whose keys were destroyed is none any more. */
bool
gdpr_keyring_has_domain(const char *name)
{
	if (!gdpr_keyring_can_look())
		return false;
	refresh_cache();
	for (GdprDomain *domain = cache ? cache->domains : NULL; domain;
		 domain = domain->next)
	{
		if (strcmp(NameStr(domain->name), name) == 0)
			return has_primary(domain->slots);
	}
	return false;
}

/* ---- privileges ---- */

static int
compute_privileges(const GdprContext *context, Oid role)
{
	bool superuser = superuser_arg(role);
	int privileges = 0;

	/* The extension's own secrets are nobody's to read or to write. */
	if (strcmp(NameStr(context->name), GDPR_CONTEXT_RESERVED) == 0)
		return 0;
	for (GdprGrant *grant = context->keys->grants; grant != NULL;
		 grant = grant->next)
	{
		if (superuser ? grant->role == role
					  : has_privs_of_role(role, grant->role))
			privileges |= grant->privilege;
	}
	return superuser ? privileges | GDPR_PRIV_WRITE : privileges;
}

bool
gdpr_keyring_may(const GdprContext *context, Oid role, int privilege)
{
	struct GdprContextKeys *keys = context->keys;

	if (keys->last_role != role || cache_stale)
	{
		keys->last_privileges = compute_privileges(context, role);
		keys->last_role = role;
	}
	return (keys->last_privileges & privilege) == privilege;
}

void
gdpr_keyring_check(const GdprContext *context, Oid role, int privilege)
{
	const char *name;

	if (gdpr_keyring_may(context, role, privilege))
		return;
	name = privilege & GDPR_PRIV_READ	  ? "read"
		   : privilege & GDPR_PRIV_SEARCH ? "search"
										  : "write";
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied for context \"%s\"", NameStr(context->name)),
			 errdetail("The privilege \"%s\" is needed.", name),
			 errhint("Grant it with gdpr.grant_context; superusers need it too, except to write.")));
}

/* ---- keys ---- */

GdprKeySlot *
gdpr_keyring_slot(GdprKeySlot *slots, uint16 version)
{
	while (slots != NULL && slots->version != version)
		slots = slots->next;
	return slots;
}

/* Unwraps the slot's key into a cipher or a tag key, once. */
static bool
open_slot(GdprKeySlot *slot, const char *kind, const char *name)
{
	uint8 key[GDPR_KEY_LEN];

	if (!slot->usable || slot->failed)
		return false;
	if (!gdpr_root_unwrap(slot->root_id, kind, name, slot->version,
						  slot->wrapped, key))
	{
		slot->failed = true;
		return false;
	}
	PG_TRY();
	{
		if (strcmp(kind, GDPR_KIND_TAG) == 0)
			slot->tag = gdpr_tag_create(key);
		else
			slot->aead = gdpr_aead_create(key);
	}
	PG_FINALLY();
	{
		OPENSSL_cleanse(key, sizeof(key));
	}
	PG_END_TRY();
	return true;
}

static void
key_unavailable(const GdprContext *context)
{
	gdpr_keyring_require_preload();
	ereport(ERROR,
			(errcode(ERRCODE_GDPR_KEY_UNAVAILABLE),
			 errmsg("the key of context \"%s\" is not available",
					NameStr(context->name)),
			 gdpr_keyring_has_root() ?
			 errhint("Its root key is not among those that the server has, or the key was destroyed.") :
			 errhint("Set gdpr.root_key_file or gdpr.root_key_command and call gdpr.reload_keys().")));
}

GdprAead *
gdpr_keyring_cipher(const GdprContext *context, uint16 version, bool missing_ok)
{
	GdprKeySlot *slot = gdpr_keyring_slot(context->keys->slots, version);

	if (slot != NULL &&
		(slot->aead != NULL ||
		 open_slot(slot, GDPR_KIND_CONTEXT, NameStr(context->name))))
		return slot->aead;
	if (!missing_ok)
		key_unavailable(context);
	return NULL;
}

GdprKeyFate
gdpr_keyring_fate(const GdprContext *context, uint16 version)
{
	GdprKeySlot *slot = gdpr_keyring_slot(context->keys->slots, version);

	return slot == NULL ? GDPR_KEY_LIVES : slot->fate;
}

GdprTagKey *
gdpr_keyring_tag_key(const GdprContext *context, uint8 generation,
					 bool missing_ok)
{
	GdprKeySlot *slot = gdpr_keyring_slot(context->keys->domain->slots,
										  generation);

	if (slot != NULL &&
		(slot->tag != NULL ||
		 open_slot(slot, GDPR_KIND_TAG, NameStr(context->tag_domain))))
		return slot->tag;
	if (!missing_ok)
		key_unavailable(context);
	return NULL;
}

void
gdpr_keyring_pseudonym(const char *purpose, const char *data, size_t length,
					   uint8 *out)
{
	const GdprContext *context = gdpr_keyring_reserved();
	GdprTagKey *key = gdpr_keyring_tag_key(context, context->tag_generation,
										   false);
	size_t purpose_length = strlen(purpose) + 1;
	uint8 *input = palloc(purpose_length + length);

	memcpy(input, purpose, purpose_length);
	memcpy(input + purpose_length, data, length);
	gdpr_tag_compute(key, PSEUDONYM_SEPARATOR, input, purpose_length + length,
					 out);
	OPENSSL_cleanse(input, purpose_length + length);
	pfree(input);
}

/* ---- start ---- */

bool
gdpr_keyring_preloaded(void)
{
	return preloaded;
}

bool
gdpr_keyring_has_root(void)
{
	return gdpr_root_count() > 0;
}

void
gdpr_keyring_require_preload(void)
{
	if (!preloaded)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("gdpr_ext was not loaded when the server started"),
				 errhint("Add gdpr_ext to shared_preload_libraries in postgresql.conf, as in shared_preload_libraries = 'gdpr_ext', and restart the server.")));
}

Size
gdpr_keyring_shmem_size(void)
{
	return MAXALIGN(sizeof(GdprKeyringShared));
}

void
gdpr_keyring_shmem_startup(void)
{
	bool found;

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	gdpr_keyring_shared = ShmemInitStruct("gdpr_ext keyring",
										  sizeof(GdprKeyringShared), &found);
	if (!found)
	{
		memset(gdpr_keyring_shared, 0, sizeof(GdprKeyringShared));
		LWLockInitialize(&gdpr_keyring_shared->lock, LWLockNewTrancheId());
		LWLockInitialize(&gdpr_keyring_shared->root_lock, LWLockNewTrancheId());
		pg_atomic_init_u64(&gdpr_keyring_shared->generation, 1);
		pg_atomic_init_u64(&gdpr_keyring_shared->inflight_drawn, 0);
	}
	LWLockRegisterTranche(gdpr_keyring_shared->lock.tranche,
						  "gdpr_ext_keyring");
	LWLockRegisterTranche(gdpr_keyring_shared->root_lock.tranche,
						  "gdpr_ext_root_keys");
	LWLockRelease(AddinShmemInitLock);
	gdpr_root_startup();
	gdpr_epoch_startup();
}

void
gdpr_keyring_init(void)
{
	preloaded = process_shared_preload_libraries_in_progress;
	RegisterXactCallback(transaction_ended, NULL);
	CacheRegisterRelcacheCallback(context_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHOID, role_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, role_changed, (Datum) 0);
}
