/*
 * key.h
 *	  The person that a caller named: kind and key as text.
 */
#ifndef GDPR_KEY_H
#define GDPR_KEY_H

#include "crypto/tag.h"
#include "storage/itemptr.h"
#include "subject/graph.h"

typedef struct GdprSubject
{
	GdprMap *map;		 /* NULL: unknown, and of several kinds */
	char *key;			 /* canonical text; NULL: fits no key */
	bool found;			 /* the root row */
	Oid leaf;			 /* lies here ... */
	ItemPointerData tid; /* ... and here */
	List *values;		 /* char *, one a key column */
} GdprSubject;

/*
 * The map of the kind and the root row.  Without a kind, the one whose root
 * relation has a row of that key; 42P09 when several have.  read_only: with
 * the active snapshot, else with a new one.
 */
extern GdprSubject *gdpr_key_resolve(const char *subject, const char *kind,
									 bool read_only);

/*
 * Kind and canonical key alone; touches no user's row, and says nothing about
 * whether there is such a person.  Without a kind, the only one that is
 * declared, else 42P09.
 */
extern GdprSubject *gdpr_key_name(const char *subject, const char *kind);

/*
 * An expression as text that is the same in every session, if it is run
 * between gdpr_sql_begin_canonical() and its end.
 */
extern char *gdpr_key_canonical(Oid type, const char *expression);

/*
 * Looks for the root row again with a new snapshot, and takes it FOR UPDATE
 * when lock; sets found, leaf and tid.
 */
extern void gdpr_key_refind(GdprSubject *subject, bool lock);

/* The keyed pseudonym under which the ledger knows the person. */
extern void gdpr_key_pseudonym(const char *kind, const char *key, uint8 *out);

#endif /* GDPR_KEY_H */
