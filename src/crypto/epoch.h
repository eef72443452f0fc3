/*
 * epoch.h
 *	  Epoch keys: what the keys of persons are wrapped by.
 *
 * Without a keystore (crypto/keystore.h) there is one epoch, whose key lies in
 * gdpr.subject_epoch, wrapped by a root key.  With one the keys of epochs lie
 * there, so that an epoch can be ended: the keys of all persons who are left
 * are wrapped by the next one, and the old one's is destroyed.
 *
 * Epochs of one database have a lineage in common, 16 random hex digits, and
 * objects in the keystore named by it: LINEAGE.N.key is the key of epoch N,
 * LINEAGE.N.set the wrapped keys that it began with, LINEAGE.head its number,
 * LINEAGE.owner the database that may change and destroy them: a copy of it
 * must not.
 */
#ifndef GDPR_EPOCH_H
#define GDPR_EPOCH_H

#include "crypto/keystore.h"
#include "crypto/root.h"

#define GDPR_EPOCH_LINEAGE_LEN 17 /* with the terminating zero */

/*
 * Unwraps a person's key; false when the epoch's key is not available or the
 * wrapped key is not what it should be.  id and subject (crypto/subject_key.h)
 * are bound to it.  Raises nothing but a lack of memory.
 */
extern bool gdpr_epoch_unwrap(int32 epoch, const uint8 *id,
							  const uint8 *subject, const uint8 *wrapped,
							  uint8 *key);

/*
 * Sees to it that there is an epoch to wrap by; PD006 when its key is not
 * available.  Takes the lock of keys (keyring_internal.h) where it makes one,
 * so call it before any other lock.
 */
extern void gdpr_epoch_require(void);

/* Wraps by the primary epoch; returns it. */
extern int32 gdpr_epoch_wrap(const uint8 *id, const uint8 *subject,
							 const uint8 *key, uint8 *wrapped);

/* Makes a new primary epoch; the lock of keys is held.  Returns its number. */
extern int32 gdpr_epoch_make(void);

/* Is the epoch's key at hand? */
extern bool gdpr_epoch_is_available(int32 epoch);

/* The name of an object of a lineage in the keystore; what: "key", "set". */
extern const char *gdpr_epoch_object(const char *lineage, int32 epoch,
									 const char *what);
extern const char *gdpr_epoch_head(const char *lineage);

/*
 * The lineage is this database's from here on.  What asks for it raises 55000
 * when it is another's; standbys are the same database, and so is a copy of the
 * data directory.
 */
extern void gdpr_epoch_claim(const char *lineage);
extern void gdpr_epoch_require_owner(const char *lineage);

/* Drops the keys that this process has opened. */
extern void gdpr_epoch_forget(void);

/* Drops the key of one that is destroyed from the memory of all processes. */
extern void gdpr_epoch_wipe(const char *lineage, int32 epoch);

/*
 * The key of an epoch in the keystore wrapped by the primary root key; false
 * when it does not open.  Names the root that wrapped it before.
 */
extern bool gdpr_epoch_rewrap(const char *lineage, int32 epoch, char *root_id);

/*
 * Does the root key wrap the key of an epoch in the keystore?  True as well
 * while the keystore cannot tell.
 */
extern bool gdpr_epoch_needs_root(const char *lineage, int32 epoch,
								  const char *root_id);

/* Called while the server starts. */
extern void gdpr_epoch_startup(void);

#endif /* GDPR_EPOCH_H */
