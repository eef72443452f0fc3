/*
 * subject_key.h
 *	  Keys of single persons.
 *
 * A person is known here by the keyed pseudonym of kind and key (16 bytes, as
 * in the ledger) and his key by a random id (8 bytes), which every value that
 * it sealed carries.  The keys lie in gdpr.subject_key, each wrapped by an
 * epoch key; erasing a person deletes the row.  Each process keeps the keys
 * that it used last, ready for use.
 *
 * Values under such a key are not counted: its nonces are random, and nobody
 * has 2^32 values of one person written.
 */
#ifndef GDPR_SUBJECT_KEY_H
#define GDPR_SUBJECT_KEY_H

#include "crypto/aead.h"
#include "crypto/tag.h"

#define GDPR_SUBJECT_ID_LEN 8

typedef enum GdprSubjectKeyState
{
	GDPR_SUBJECT_KEY_READY,
	GDPR_SUBJECT_KEY_GONE,	 /* there is no such key: the person was erased */
	GDPR_SUBJECT_KEY_LOCKED, /* its epoch key, or the table, is out of reach */
} GdprSubjectKeyState;

/*
 * The cipher for one direction, good until the next call of a function of
 * this file.  NULL unless the state is READY.  Raises 53200 only.
 */
extern GdprAead *gdpr_subject_key_opener(const uint8 *id,
										 GdprSubjectKeyState *state);
extern GdprAead *gdpr_subject_key_sealer(const uint8 *id,
										 GdprSubjectKeyState *state);

/* Was the person erased whose key that was? */
extern bool gdpr_subject_key_is_gone(const uint8 *id);

/* The id of the person's key; false when he has none. */
extern bool gdpr_subject_key_find(const uint8 *subject, uint8 *id);

/*
 * From here to the end of the transaction nobody destroys the person's key;
 * call it before the key is looked for to write with.  Who destroys it excludes
 * such writers first, before he locks any row: he waits for them, and they for
 * him, some of other persons too.
 */
extern void gdpr_subject_key_hold(const uint8 *subject);
extern void gdpr_subject_key_exclude(const uint8 *subject);

/*
 * The same as gdpr_subject_key_find, but he gets one when he has none.  Writes our own tables then.
 * PD006 without a root key, 55000 without preload.
 */
extern void gdpr_subject_key_make(const uint8 *subject, uint8 *id);

/* What became of a person's key, and what wraps older copies of it. */
typedef struct GdprSubjectKeyEnd
{
	bool destroyed; /* false: he had none */
	int32 epoch;
	bool outside; /* the epoch's key lies in a keystore */
} GdprSubjectKeyEnd;

/* Deletes the person's key.  Writes our own table. */
extern GdprSubjectKeyEnd gdpr_subject_key_destroy(const uint8 *subject);

/* Callbacks of every backend; called by _PG_init. */
extern void gdpr_subject_key_init(void);

#endif /* GDPR_SUBJECT_KEY_H */
