/*
 * subject_cache.c
 *	  Keys of single persons that a process used last.
 *
 * A read of many persons' values takes a key for a row or two and then the
 * next.  Cipher contexts are large, and those that were not used for a while
 * have left the processor's caches, so there are a few of them that are given
 * one key after the other; of most persons the key alone is kept.
 *
 * Ids and pseudonyms are random, so a few bits of them say where to look.
 */
#include "base/compat.h"

#include <openssl/crypto.h>

#include "crypto/epoch.h"
#include "crypto/subject_cache.h"
#include "utils/memutils.h"

#define SETS 256 /* by the first byte of the id */
#define WAYS 4
#define KEPT (SETS * WAYS)

/* As many persons as a row, or rows beside each other, may have. */
#define CIPHERS 8

typedef struct Cipher Cipher;

struct GdprSubjectEntry
{
	bool used;
	bool opened; /* the key is unwrapped */
	uint32 last_use;
	Cipher *cipher; /* NULL: none has its key */
	GdprSubjectRow row;
	uint8 key[GDPR_KEY_LEN];
};

struct Cipher
{
	GdprSubjectEntry *owner; /* NULL: free */
	bool seals;				 /* keyed for this direction */
	bool opens;
	GdprAead *aead; /* NULL until it is needed the first time */
};

static GdprSubjectEntry (*entries)[WAYS] = NULL;
static GdprSubjectEntry *by_subject[KEPT]; /* may be another's by now */
static Cipher ciphers[CIPHERS];
static int next_cipher = 0;
static uint32 tick = 0;

/* A row has several values of one person. */
static GdprSubjectEntry *last = NULL;

static GdprSubjectEntry *
set_of(const GdprSubjectId *id)
{
	StaticAssertStmt(SETS == 1 << BITS_PER_BYTE, "a set for each first byte");
	return entries[id->bytes[0]];
}

static GdprSubjectEntry **
place_of(const GdprSubject *subject)
{
	return &by_subject[(subject->bytes[0] << BITS_PER_BYTE |
						subject->bytes[1]) %
					   KEPT];
}

static GdprSubjectEntry *
touch(GdprSubjectEntry *entry)
{
	entry->last_use = ++tick;
	last = entry;
	return entry;
}

GdprSubjectEntry *
gdpr_subject_cache_by_id(const GdprSubjectId *id)
{
	GdprSubjectEntry *set;

	if (last != NULL && memcmp(&last->row.id, id, sizeof(*id)) == 0)
		return last;
	if (entries == NULL)
		return NULL;
	set = set_of(id);
	for (int i = 0; i < WAYS; i++)
	{
		if (set[i].used && memcmp(&set[i].row.id, id, sizeof(*id)) == 0)
			return touch(&set[i]);
	}
	return NULL;
}

GdprSubjectEntry *
gdpr_subject_cache_by_subject(const GdprSubject *subject)
{
	GdprSubjectEntry *entry = *place_of(subject);

	if (entry == NULL || !entry->used ||
		memcmp(&entry->row.subject, subject, sizeof(*subject)) != 0)
		return NULL;
	return touch(entry);
}

static void
free_cipher(Cipher *cipher)
{
	cipher->owner->cipher = NULL;
	cipher->owner = NULL;
	cipher->seals = cipher->opens = false;
}

static void
drop_entry(GdprSubjectEntry *entry)
{
	if (last == entry)
		last = NULL;
	if (entry->cipher != NULL)
		free_cipher(entry->cipher);
	if (entry->opened)
		OPENSSL_cleanse(entry->key, sizeof(entry->key));
	entry->used = entry->opened = false;
}

static GdprSubjectEntry *
find_victim(const GdprSubjectId *id)
{
	GdprSubjectEntry *set = set_of(id);
	GdprSubjectEntry *victim = &set[0];

	for (int i = 0; i < WAYS; i++)
	{
		if (!set[i].used || memcmp(&set[i].row.id, id, sizeof(*id)) == 0)
			return &set[i];
		if (tick - set[i].last_use > tick - victim->last_use)
			victim = &set[i];
	}
	return victim;
}

GdprSubjectEntry *
gdpr_subject_cache_add(const GdprSubjectRow *row)
{
	GdprSubjectEntry *entry;

	if (entries == NULL)
		entries = MemoryContextAllocZero(TopMemoryContext,
										 sizeof(GdprSubjectEntry) * KEPT);
	entry = find_victim(&row->id);
	drop_entry(entry);
	entry->row = *row;
	entry->used = true;
	*place_of(&row->subject) = entry;
	return touch(entry);
}

const GdprSubjectId *
gdpr_subject_cache_id(const GdprSubjectEntry *entry)
{
	return &entry->row.id;
}

/* One after the other: what was keyed last is used most. */
static Cipher *
take_cipher(GdprSubjectEntry *entry)
{
	Cipher *cipher = entry->cipher;

	if (cipher != NULL)
		return cipher;
	cipher = &ciphers[next_cipher];
	if (cipher->aead == NULL)
		cipher->aead = gdpr_aead_create_empty();
	next_cipher = (next_cipher + 1) % CIPHERS;
	if (cipher->owner != NULL)
		free_cipher(cipher);
	cipher->owner = entry;
	entry->cipher = cipher;
	return cipher;
}

static bool
open_key(GdprSubjectEntry *entry)
{
	const GdprSubjectRow *row = &entry->row;

	if (!entry->opened)
		entry->opened = gdpr_epoch_unwrap(row->epoch, row->id.bytes,
										  row->subject.bytes, row->wrapped,
										  entry->key);
	return entry->opened;
}

GdprAead *
gdpr_subject_cache_cipher(GdprSubjectEntry *entry, bool to_seal)
{
	Cipher *cipher;

	if (!open_key(entry))
		return NULL;
	cipher = take_cipher(entry);
	if (to_seal && !cipher->seals)
		gdpr_aead_key_seal(cipher->aead, entry->key);
	if (!to_seal && !cipher->opens)
		gdpr_aead_key_open(cipher->aead, entry->key);
	cipher->seals |= to_seal;
	cipher->opens |= !to_seal;
	return cipher->aead;
}

/* The contexts go too: what they hold is a key. */
void
gdpr_subject_cache_drop(void)
{
	for (int i = 0; i < CIPHERS; i++)
	{
		if (ciphers[i].owner != NULL)
			free_cipher(&ciphers[i]);
		gdpr_aead_free(ciphers[i].aead);
		ciphers[i].aead = NULL;
	}
	for (int i = 0; entries != NULL && i < KEPT; i++)
		drop_entry(&entries[i / WAYS][i % WAYS]);
}
