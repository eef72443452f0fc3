/*
 * subject_table.h
 *	  Reading and writing the rows of gdpr.subject_key.
 */
#ifndef GDPR_SUBJECT_TABLE_H
#define GDPR_SUBJECT_TABLE_H

#include "crypto/subject_cache.h"

/*
 * The table's OID; InvalidOid where the extension is not created.  Known until
 * gdpr_subject_table_forget().
 */
extern Oid gdpr_subject_table(void);

/* Is that the table, as far as is known?  Asks no catalog. */
extern bool gdpr_subject_table_is(Oid relid);

/* The table, or its rows, changed: what is remembered of them is forgotten. */
extern void gdpr_subject_table_forget(void);

/* One row, as whoever looks now would see it.  gdpr_subject_table() first. */
extern bool gdpr_subject_table_by_id(const GdprSubjectId *id,
									 GdprSubjectRow *row);
extern bool gdpr_subject_table_by_subject(const GdprSubject *subject,
										  GdprSubjectRow *row);

/*
 * Adds a row, unless its person has one.  False when another session has made
 * one in the meantime, committed or not: it is waited for then.
 */
extern bool gdpr_subject_table_insert(const GdprSubjectRow *row);

/* The pseudonym as a value of the column. */
extern Datum gdpr_subject_datum(const GdprSubject *subject);

/* Callbacks of every backend. */
extern void gdpr_subject_table_init(void);

#endif /* GDPR_SUBJECT_TABLE_H */
