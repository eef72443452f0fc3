/*
 * reencrypt.h
 *	  What CALL gdpr.reencrypt() asks of higher ranks.
 */
#ifndef GDPR_REENCRYPT_H
#define GDPR_REENCRYPT_H

#include "crypto/subject_key.h"
#include "executor/tuptable.h"
#include "utils/rel.h"

typedef enum GdprRowOwner
{
	GDPR_OWNER_NOT_ASKED, /* the relation has no keys of persons: leave them */
	GDPR_OWNER_CONTEXT,	  /* the row names nobody */
	GDPR_OWNER_PERSON,	  /* whose key's id it is */
	GDPR_OWNER_NEW,		  /* who has no key yet, and was not to get one */
} GdprRowOwner;

/*
 * Under whose key the row's values belong; may be NULL.  The slot's values are
 * all there; make: the person gets a key where he has none.
 */
extern GdprRowOwner (*gdpr_reencrypt_owner)(Relation relation,
											TupleTableSlot *slot, bool make,
											uint8 *id);

#endif /* GDPR_REENCRYPT_H */
