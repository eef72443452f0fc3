/*
 * mask.h
 *	  What takes the place of a personal value in a row that stays.
 *
 * A mask is declared as text: "null", "constant:TEXT" or "pseudonym".  The
 * last is a value of the column's type that no other row has.  Without a mask
 * a column becomes NULL.
 */
#ifndef GDPR_MASK_H
#define GDPR_MASK_H

#include "access/attnum.h"
#include "crypto/tag.h"

typedef enum GdprMaskStrategy
{
	GDPR_MASK_NULL,
	GDPR_MASK_CONSTANT,
	GDPR_MASK_PSEUDONYM,
} GdprMaskStrategy;

typedef struct GdprMask
{
	GdprMaskStrategy strategy;
	const char *constant; /* of GDPR_MASK_CONSTANT */
} GdprMask;

/* False when it is no mask.  NULL parses as "null". */
extern bool gdpr_mask_parse(const char *text, GdprMask *mask);

/*
 * Why the mask cannot stand in the column, as a reason to show, else NULL:
 * NOT NULL, UNIQUE, foreign keys and the type are looked at.
 */
extern const char *gdpr_mask_conflict(Oid relid, AttrNumber attnum,
									  const GdprMask *mask);

/*
 * For declarations: 22023 when the text is no mask or conflicts with the
 * column, 42501 when the column is encrypted and the caller may not write to
 * its context.
 */
extern void gdpr_mask_check(Oid relid, AttrNumber attnum, const char *text);

/* Has the mask a value of its own in every row? */
#define gdpr_mask_is_per_row(mask) ((mask)->strategy == GDPR_MASK_PSEUDONYM)

/*
 * The mask as an SQL expression of the column's type.  For a pseudonym, value
 * is an expression of type text that holds what gdpr_mask_pseudonym() gave.
 */
extern char *gdpr_mask_expression(Oid relid, AttrNumber attnum,
								  const GdprMask *mask, const char *value);

/* A pseudonym in the column's type, as text, made of GDPR_TAG_LEN bytes. */
extern char *gdpr_mask_pseudonym(Oid relid, AttrNumber attnum,
								 const uint8 *bytes);

#endif /* GDPR_MASK_H */
