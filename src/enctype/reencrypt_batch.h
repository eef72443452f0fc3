/*
 * reencrypt_batch.h
 *	  One batch of gdpr.reencrypt.
 */
#ifndef GDPR_REENCRYPT_BATCH_H
#define GDPR_REENCRYPT_BATCH_H

#include "storage/block.h"

typedef struct GdprReencryptOptions
{
	int batch_size; /* rows */
	int delay;		/* ms after each */
} GdprReencryptOptions;

/* One table under way. */
typedef struct GdprReencrypt
{
	Oid relation; /* as it was named */
	Oid leaf;
	GdprReencryptOptions options;
	BlockNumber block;
	BlockNumber blocks;
	bool gone;
	/* of this round */
	int64 held; /* by others */
	int64 no_key;
	uint64 keys; /* as of which tables of keys it began */
	/* of this call */
	int64 changed;
	int64 batch; /* rows of this batch */
} GdprReencrypt;

/*
 * Moves the next rows, as the table's owner, and counts them; gone is set where
 * the table is no more.  Raises 25001 in a transaction with one snapshot, 42501
 * to whoever does not own the table.
 */
extern void gdpr_reencrypt_batch(GdprReencrypt *work);

/* The same checks, before the first batch. */
extern void gdpr_reencrypt_check_session(void);
extern void gdpr_reencrypt_check_owner(Oid relid);

#endif /* GDPR_REENCRYPT_BATCH_H */
