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

/* The table whose change drops every cache, and a key version's count. */
#define GDPR_TABLE_CONTEXT	"context"
#define GDPR_NONCE_SEQUENCE "nonce_%08x_%u"

/* One version of a context's key or one generation of a domain's tag key. */
typedef struct GdprKeySlot
{
	uint16 version;
	bool primary;
	bool usable; /* has a wrapped key of the right length */
	bool failed; /* its root key did not open it */
	char root_id[GDPR_ROOT_ID_LEN];
	uint8 wrapped[GDPR_WRAPPED_LEN];
	GdprAead *aead;	 /* of a context */
	GdprTagKey *tag; /* of a tag domain */
	uint32 nonces;	 /* drawn and not used yet */
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
	LWLock lock; /* of balances */
	pg_atomic_uint64 inflight_drawn;
	GdprNonceBalance balances[GDPR_NONCE_BALANCES];
} GdprKeyringShared;

extern GdprKeyringShared *gdpr_keyring_shared;

/* The slot of a version; NULL when there is none. */
extern GdprKeySlot *gdpr_keyring_slot(GdprKeySlot *slots, uint16 version);

/* Gives what a slot has drawn and not used to the other processes. */
extern void gdpr_nonce_return(GdprKeySlot *slot);

/* Values that a key has sealed, in steps; -1 when their count is missing. */
extern int64 gdpr_nonce_counted(const GdprContext *context, uint16 version);

/* Is there a context or a key of that tag domain? */
extern bool gdpr_keyring_has_domain(const char *name);

#endif /* GDPR_KEYRING_INTERNAL_H */
