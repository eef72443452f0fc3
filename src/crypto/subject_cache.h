/*
 * subject_cache.h
 *	  Keys of single persons that a process used last, in its own memory.
 *
 * Nothing is looked for here: what is not in it is in gdpr.subject_key, or not.
 */
#ifndef GDPR_SUBJECT_CACHE_H
#define GDPR_SUBJECT_CACHE_H

#include "crypto/keyring_internal.h"
#include "crypto/subject_key.h"

typedef struct GdprSubjectId
{
	uint8 bytes[GDPR_SUBJECT_ID_LEN];
} GdprSubjectId;

typedef struct GdprSubject
{
	uint8 bytes[GDPR_TAG_LEN];
} GdprSubject;

/* A row of gdpr.subject_key. */
typedef struct GdprSubjectRow
{
	GdprSubjectId id;
	GdprSubject subject;
	int32 epoch;
	uint8 wrapped[GDPR_WRAPPED_LEN];
} GdprSubjectRow;

typedef struct GdprSubjectEntry GdprSubjectEntry;

/* NULL when it is not here; what is returned is good until the next add. */
extern GdprSubjectEntry *gdpr_subject_cache_by_id(const GdprSubjectId *id);
extern GdprSubjectEntry *
gdpr_subject_cache_by_subject(const GdprSubject *subject);

/* Takes the place of one that was not used for long. */
extern GdprSubjectEntry *gdpr_subject_cache_add(const GdprSubjectRow *row);

extern const GdprSubjectId *
gdpr_subject_cache_id(const GdprSubjectEntry *entry);

/*
 * A cipher with the entry's key, good until the next call.  NULL when the key
 * does not unwrap.  Raises 53200.
 */
extern GdprAead *gdpr_subject_cache_cipher(GdprSubjectEntry *entry,
										   bool to_seal);

/* Forgets all, keys cleansed. */
extern void gdpr_subject_cache_drop(void);

#endif /* GDPR_SUBJECT_CACHE_H */
