/*
 * fold.h
 *	  Case folding of text in UTF-8, for the equality of encitext.
 *
 * Pure, and independent of the server: tags made from its result are stored,
 * and compared with those of other servers, locales and majors.  The rule is
 * the simple case folding (C and S) of Unicode 14.0, one code point for one.
 * Bytes that are no UTF-8 stay as they are, as does what later versions of
 * Unicode assign.
 */
#ifndef GDPR_FOLD_H
#define GDPR_FOLD_H

/* False when the result would certainly be the same bytes. */
extern bool gdpr_fold_changes(const uint8 *text, size_t length);

/* Bytes that the result takes at most. */
extern size_t gdpr_fold_room(size_t length);

/* Returns the bytes written. */
extern size_t gdpr_fold(const uint8 *text, size_t length, uint8 *out);

#endif /* GDPR_FOLD_H */
