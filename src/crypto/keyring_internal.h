/*
 * keyring_internal.h
 *	  What the keyring's own files share; nobody else includes it.
 */
#ifndef GDPR_KEYRING_INTERNAL_H
#define GDPR_KEYRING_INTERNAL_H

#include "crypto/keyring.h"
#include "crypto/root.h"
#include "port/atomics.h"
#include "storage/lwlock.h"
#include "utils/hsearch.h"

/* Kinds of wrapped keys; part of what a wrapped key is bound to. */
#define GDPR_KIND_CONTEXT "context"
#define GDPR_KIND_TAG	  "tag"
#define GDPR_KIND_EPOCH	  "epoch"

/* The one name that epochs have (crypto/epoch.h). */
#define GDPR_EPOCH_NAME "subject"

/* The table whose change drops every cache, and a key version's count. */
#define GDPR_TABLE_CONTEXT	"context"
#define GDPR_NONCE_SEQUENCE "nonce_%08x_%u"

/* One version of a context's key or one generation of a domain's tag key. */
typedef struct GdprKeySlot
{
	uint16 version;
	bool primary;
	GdprKeyFate fate;
	bool usable; /* has a wrapped key of the right length */
	bool failed; /* its root key did not open it */
	char root_id[GDPR_ROOT_ID_LEN];
	uint8 wrapped[GDPR_WRAPPED_LEN];
	GdprAead *aead;	 /* of a context */
	GdprTagKey *tag; /* of a tag domain */
	uint32 nonces;	 /* drawn and not used yet */
	int64 counted;	 /* its values when it drew the last time */
	Oid sequence;	 /* that counts them; looked up when needed */
	struct GdprKeySlot *next;
} GdprKeySlot;

typedef struct GdprDomain
{
	NameData name;
	GdprKeySlot *slots;
	struct GdprDomain *next;
} GdprDomain;

typedef struct GdprGrant
{
	Oid role;
	int privilege;
	struct GdprGrant *next;
} GdprGrant;

struct GdprContextKeys
{
	GdprDomain *domain;
	GdprKeySlot *slots;
	GdprGrant *grants;
	Oid last_role; /* whose privileges last_privileges are */
	int last_privileges;
	struct GdprContextKeys *next; /* of the same cache */
};

/* Everything that the tables said at one moment. */
typedef struct GdprContextCache
{
	MemoryContext mcxt;
	MemoryContextCallback callback;
	Oid relid;					  /* of gdpr.context */
	HTAB *contexts;				  /* by hash, of GdprContext */
	const GdprContext *last;	  /* found by the last lookup, NULL for none */
	struct GdprContextKeys *keys; /* of all of them */
	GdprDomain *domains;
	LocalTransactionId retired_in;
	struct GdprContextCache *next;
} GdprContextCache;

/* Reads the tables; NULL where the extension is not created. */
extern GdprContextCache *gdpr_keyring_load(MemoryContext parent);

/* Nonces that are drawn (> 0) or used without having been drawn (< 0). */
typedef struct GdprNonceBalance
{
	Oid database;
	Oid sequence;
	int64 balance;
} GdprNonceBalance;

#define GDPR_NONCE_BALANCES 128

typedef struct GdprKeyringShared
{
	/* Goes up when keys changed; read for every value, so it stands apart. */
	pg_atomic_uint64 generation;
	char pad[PG_CACHE_LINE_SIZE - sizeof(pg_atomic_uint64)];
	LWLock lock;	  /* of balances */
	LWLock root_lock; /* of the root keys (root.c) */
	pg_atomic_uint64 inflight_drawn;
	GdprNonceBalance balances[GDPR_NONCE_BALANCES];
} GdprKeyringShared;

extern GdprKeyringShared *gdpr_keyring_shared;

/* Has every process of the server read its tables of keys again. */
extern void gdpr_keyring_bump(void);

/* The same when the transaction is committed. */
extern void gdpr_keyring_bump_at_commit(void);

/*
 * Rows of the tables of keys; all run in a scope of our own (base/sql.h).
 *
 * Order of locks of whoever changes keys: gdpr.context first, which makes them
 * one at a time, then rows of keys, then relations that hold values.  Who wraps
 * a key holds the lock (gdpr_keyring_lock) before: gdpr.rewrap_keys() would else miss a key that
 * was wrapped by the old root and is not there yet.
 */

/* For who is not to wait; false when another holds it. */
extern bool gdpr_key_try_lock(void);

/* PD006 without a root key, 55000 without preload. */
extern void gdpr_key_require_root(void);

/* A new random key, wrapped by the primary root key, as the primary. */
extern void gdpr_key_insert(const char *kind, const char *name, int version);

/* The version after the newest, primary, where there is none; it is returned. */
extern int gdpr_key_insert_next(const char *kind, const char *name);

/* The primary gives way to a new key.  Returns its version; needs the lock. */
extern int gdpr_key_rotate(const char *kind, const char *name);

/* 42704 without such a context, 42939 for the reserved one. */
extern void gdpr_key_require_context(const char *name);

/* What was done to a key, by whom and when; version 0: of none in particular. */
extern void gdpr_key_record(const char *action, const char *kind,
							const char *name, int version);

/* The slot of a version; NULL when there is none. */
extern GdprKeySlot *gdpr_keyring_slot(GdprKeySlot *slots, uint16 version);

/* Gives what a slot has drawn and not used to the other processes. */
extern void gdpr_nonce_return(GdprKeySlot *slot);

/* Values that a key has sealed, in steps; -1 when their count is missing. */
extern int64 gdpr_nonce_counted(const GdprContext *context, uint16 version);

/* Is there a context or a key of that tag domain? */
extern bool gdpr_keyring_has_domain(const char *name);

#endif /* GDPR_KEYRING_INTERNAL_H */
