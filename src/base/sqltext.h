/*
 * sqltext.h
 *	  The text of an SQL statement without its constants.
 */
#ifndef GDPR_SQLTEXT_H
#define GDPR_SQLTEXT_H

/* What stands for a constant. */
#define GDPR_SQLTEXT_CONSTANT '?'

/*
 * Copies a statement into out, which has room for length bytes and a NUL, with
 * a question mark for each constant and without what comments say.  Text that
 * cannot be taken apart for certain ends there.  With measures, numbers behind
 * "=" stay: the costs and times of a plan.
 *
 * *position, unless NULL, is an offset into the text, and becomes the offset of
 * the same place in the result.  Returns the length of the result.
 *
 * Raises nothing and allocates nothing: it runs while an error is reported.
 */
extern size_t gdpr_sqltext_redact(const char *text, size_t length,
								  bool measures, char *out, size_t *position);

#endif /* GDPR_SQLTEXT_H */
