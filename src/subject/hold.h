/*
 * hold.h
 *	  Legal holds: persons and rows that nobody may erase for now.
 */
#ifndef GDPR_HOLD_H
#define GDPR_HOLD_H

#include "crypto/tag.h"
#include "nodes/pg_list.h"
#include "storage/itemptr.h"
#include "subject/plan.h"

/* A hold in force; of a person, or of rows of a relation. */
typedef struct GdprHold
{
	int64 id;
	char *kind; /* NULL: of a relation */
	uint8 pseudonym[GDPR_TAG_LEN];
	char *subject; /* the key; NULL when our key is not there */
	Oid relation;
	char *filter; /* NULL: all its rows */
} GdprHold;

/*
 * Until the end of the transaction nobody can place or release a hold; who
 * does waits, and what is done here is done before.
 */
extern void gdpr_hold_lock(void);

/* Those in force, in the current memory context. */
extern List *gdpr_hold_active(void);

/* Seals a person's key for the table of holds. */
extern bytea *gdpr_hold_seal(const char *subject);

/*
 * "AND ..." over alias c that leaves the rows of held relations out, "" when
 * there are none.
 */
extern char *gdpr_hold_condition(List *holds, Oid leaf);

/*
 * The rows of the relation of a map that belong to held persons, as a set of
 * GdprRowId; NULL when there are none.  Looked for with the current user's
 * rights: PD003 where these do not suffice to see them all.
 */
extern HTAB *gdpr_hold_rows(List *holds, Oid relation);
extern bool gdpr_hold_has(HTAB *rows, Oid leaf, const ItemPointerData *tid);

#endif /* GDPR_HOLD_H */
