/*
 * keyring.h
 *	  Root keys in shared memory; contexts, their keys and who may use them.
 *
 * Root keys come from a provider when the server starts, and again when
 * gdpr.reload_keys() is called, and lie in shared memory.  Context keys are random, wrapped by a root key, and lie in tables
 * of schema gdpr; each backend unwraps those that it uses into a cache of its
 * own, which is dropped when the tables change.  Lookups read the tables by a
 * plain scan with a catalog snapshot: no SPI, so they work inside output
 * functions, parallel workers and on a standby.  In a walsender, and while a
 * historic snapshot is active, the cache is not filled and callers treat every
 * context as unknown.
 */
#ifndef GDPR_KEYRING_H
#define GDPR_KEYRING_H

#include "crypto/aead.h"
#include "crypto/tag.h"

/* Bits of a privilege on a context. */
#define GDPR_PRIV_READ	 0x01 /* implies search */
#define GDPR_PRIV_SEARCH 0x02
#define GDPR_PRIV_WRITE	 0x04

/* The reserved context of the extension's own secrets. */
#define GDPR_CONTEXT_RESERVED "gdpr"

/*
 * A context as its tables say.  Pointers stay valid until the end of the
 * transaction: an invalidated cache is retired, and freed at the next
 * transaction's first lookup.
 */
typedef struct GdprContext
{
	uint32 hash; /* 1 .. 2^31-1; also the type modifier */
	NameData name;
	NameData tag_domain;		  /* contexts of one domain have equal tags */
	uint16 primary_version;		  /* what new values are sealed with */
	uint8 tag_generation;		  /* what new tags are made with */
	struct GdprContextKeys *keys; /* keyring.c's own */
} GdprContext;

/*
 * SHA-256 of the name, first four bytes big-endian, top bit cleared; 0 becomes
 * 1.  Fixed forever: it is in every stored value and in every type modifier.
 */
extern uint32 gdpr_keyring_hash(const char *name);

/* May contexts be looked up here? */
extern bool gdpr_keyring_can_look(void);

/* NULL when there is no such context, or no way to look (see above). */
extern const GdprContext *gdpr_keyring_context(uint32 hash);
extern const GdprContext *gdpr_keyring_context_by_name(const char *name);

/*
 * Has the role the privilege?  By membership with inherited rights.  A
 * superuser reads and searches only when named in a grant himself; he may
 * always write.
 */
extern bool gdpr_keyring_may(const GdprContext *context, Oid role,
							 int privilege);

/* Raises 42501 naming context and privilege. */
extern void gdpr_keyring_check(const GdprContext *context, Oid role,
							   int privilege);

/*
 * The keyed cipher of a key version.  Without one (no root key loaded, wrong
 * root key, version unknown or destroyed): NULL when missing_ok, else PD006.
 * The result is valid until the end of the transaction.
 */
extern GdprAead *gdpr_keyring_cipher(const GdprContext *context, uint16 version,
									 bool missing_ok);
extern GdprTagKey *gdpr_keyring_tag_key(const GdprContext *context,
										uint8 generation, bool missing_ok);

/* May values still arrive under a key version?  One unknown here may come. */
typedef enum GdprKeyFate
{
	GDPR_KEY_LIVES,
	GDPR_KEY_RETIRED,
	GDPR_KEY_DESTROYED,
} GdprKeyFate;

extern GdprKeyFate gdpr_keyring_fate(const GdprContext *context,
									 uint16 version);

/*
 * A nonce for the context's primary version, counted against its budget.
 * Before 2^31 values, far below the 2^32 of SP 800-38D section 8.3, the context
 * gets its next key, and *context becomes what it is then; 53400 where that is
 * not possible, in parallel mode.
 * Returns false, counting nothing, where no count can be kept: on a standby
 * and in a read-only transaction.  Callers then make an in-flight value.
 */
extern bool gdpr_keyring_next_nonce(const GdprContext **context, uint8 *nonce);

/*
 * In-flight keys derive from one random secret of this server run.  The
 * sealing generation rolls by itself.  Both raise 55000 without preload;
 * opening returns NULL for a generation that this server run never used.
 */
extern GdprAead *gdpr_keyring_inflight_seal(uint16 *generation);
extern GdprAead *gdpr_keyring_inflight_open(uint16 generation);

/* Was the library loaded by shared_preload_libraries? */
extern bool gdpr_keyring_preloaded(void);

/* Raises 55000, with the line to add, when it was not. */
extern void gdpr_keyring_require_preload(void);

/* Is at least one root key loaded? */
extern bool gdpr_keyring_has_root(void);

/*
 * The reserved context, made by the first call that needs it.  Writes our own
 * tables then.  PD006 without a root key, 55000 without preload.
 */
extern const GdprContext *gdpr_keyring_reserved(void);

/*
 * Keyed pseudonym, GDPR_TAG_LEN bytes, under the reserved context's tag key.
 * The purpose keeps pseudonyms of different uses apart ("subject", "mask" ...).
 */
extern void gdpr_keyring_pseudonym(const char *purpose, const char *data,
								   size_t length, uint8 *out);

/*
 * Key versions on their way out; both in a scope of our own (base/sql.h).
 * gdpr_keyring_require_retired() raises unless the version is retired, for
 * everybody: 42704, 55000.  gdpr_keyring_destroy() makes the key unavailable
 * for good.
 */
extern void gdpr_keyring_require_retired(const char *context, int version);
extern void gdpr_keyring_destroy(const char *context, int version);

/*
 * The same for all versions of a context's key.  With the last context of a tag
 * domain the domain's tag keys are destroyed, too; grants go.
 */
extern void gdpr_keyring_retire_context(const char *context);
extern void gdpr_keyring_require_context_retired(const char *context);
extern void gdpr_keyring_destroy_context(const char *context);

/* One that changes keys at a time; held to the end of the transaction. */
extern void gdpr_keyring_lock(void);

/* Goes up whenever this process has read the tables of keys anew. */
extern uint64 gdpr_keyring_loads(void);

/* Called by hooks.c and _PG_init. */
extern Size gdpr_keyring_shmem_size(void);
extern void gdpr_keyring_shmem_startup(void); /* reads the root keys */
extern void gdpr_keyring_init(void);		  /* callbacks of every backend */

#endif /* GDPR_KEYRING_H */
