/*
 * epoch.h
 *	  Epoch keys: what the keys of persons are wrapped by.
 */
#ifndef GDPR_EPOCH_H
#define GDPR_EPOCH_H

#include "crypto/root.h"

/*
 * Unwraps a person's key; false when the epoch's key is not available or the
 * wrapped key is not what it should be.  id and subject (crypto/subject_key.h)
 * are bound to it.
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

/* Drops the keys that this process has opened. */
extern void gdpr_epoch_forget(void);

#endif /* GDPR_EPOCH_H */
