/*
 * subject_hint.h
 *	  Where the rows of gdpr.subject_key lie, for transactions that look for
 *	  many.
 *
 * A hint may be wrong and may be missing: whoever follows it looks whether the
 * row is the one that he wanted, and else goes by the index.
 */
#ifndef GDPR_SUBJECT_HINT_H
#define GDPR_SUBJECT_HINT_H

#include "storage/itemptr.h"
#include "utils/rel.h"

/* What is looked for: the first eight bytes of it, which are random in both. */
typedef enum GdprSubjectHint
{
	GDPR_SUBJECT_HINT_ID,
	GDPR_SUBJECT_HINT_SUBJECT,
	GDPR_SUBJECT_HINTS
} GdprSubjectHint;

extern bool gdpr_subject_hint_find(GdprSubjectHint kind, const uint8 *bytes,
								   ItemPointer place);

/*
 * A row was found by the index: reads the whole table when that has happened
 * so often that it would have been cheaper.  The table is locked until the end
 * of the transaction then.
 */
extern void gdpr_subject_hint_missed(GdprSubjectHint kind, Relation relation);

/* The table was changed by more than rows that come. */
extern void gdpr_subject_hint_forget(void);

#endif /* GDPR_SUBJECT_HINT_H */
