/*
 * output.h
 *	  What the output functions of encrypted types may print.
 *
 * An output function does not know its caller, so whoever does (the hooks
 * around COPY, EXPLAIN and error reports) sets a mode around the call.
 */
#ifndef GDPR_OUTPUT_H
#define GDPR_OUTPUT_H

#include "enctype/value.h"

typedef enum GdprEmit
{
	/* Plaintext for a role that may read, otherwise as NEVER_PLAIN. */
	GDPR_EMIT_NORMAL,
	/* The stored form, byte for byte: whoever reads it may see tags. */
	GDPR_EMIT_STORAGE_WITH_TAG,
	/* The stored form; input computes the tag again. */
	GDPR_EMIT_STORAGE_WITHOUT_TAG,
	/* The stored form, with the tag only for a role that may search. */
	GDPR_EMIT_NEVER_PLAIN,
} GdprEmit;

/*
 * Sets the mode of this backend and returns the one before, which the caller
 * restores, in PG_FINALLY.
 */
extern GdprEmit gdpr_output_set_mode(GdprEmit mode);

/*
 * The mode in force: in a walsender and during logical decoding always
 * STORAGE_WITH_TAG, in background workers other than parallel ones and in
 * autovacuum never NORMAL.
 */
extern GdprEmit gdpr_output_mode(void);

/*
 * The text of a detoasted value for the current user, NUL-terminated.  Never
 * raises for what a value holds: what cannot be shown is printed as stored.
 */
extern char *gdpr_output_text(GdprBytes bytes, size_t *length);

#endif /* GDPR_OUTPUT_H */
