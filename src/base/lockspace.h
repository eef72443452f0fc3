/*
 * lockspace.h
 *	  The fourth field of our advisory locks, which keeps them apart from each
 *	  other and from those of SQL functions (1 and 2).
 */
#ifndef GDPR_LOCKSPACE_H
#define GDPR_LOCKSPACE_H

typedef enum GdprLockSpace
{
	GDPR_LOCK_PERSON = 0x6764,	  /* a person who is being erased */
	GDPR_LOCK_RETENTION = 0x6765, /* a rule at work */
	GDPR_LOCK_RULE = 0x6766,	  /* a rule that is changed */
	GDPR_LOCK_ROOTS = 0x6767,	  /* root keys that are read again */
	GDPR_LOCK_REENCRYPT =
		0x6768, /* a table that is re-encrypted; 22_keys.sql knows it */
	GDPR_LOCK_EPOCH = 0x6769,		/* the end of an epoch */
	GDPR_LOCK_SUBJECT_KEY = 0x676a, /* persons whose keys are in use */
	GDPR_LOCK_CONVERSION = 0x676b,	/* a table's conversions */
} GdprLockSpace;

#endif /* GDPR_LOCKSPACE_H */
