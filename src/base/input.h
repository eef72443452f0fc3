/*
 * input.h
 *	  A type's input function on text that may not fit.
 */
#ifndef GDPR_INPUT_H
#define GDPR_INPUT_H

/*
 * False when the text is no value of the type (classes 22 and 23); the error,
 * which would repeat the text, is dropped.  Other errors are raised.
 */
extern bool gdpr_input_try(Oid typid, int32 typmod, const char *text,
						   Datum *value);

/*
 * The same where no subtransaction may begin, as in parallel mode: for the
 * types of ordinary keys, and jsonb, whose input functions hold nothing that
 * an error would leave behind.
 */
extern bool gdpr_input_is_simple(Oid typid);
extern bool gdpr_input_try_simple(Oid typid, const char *text, Datum *value);

/*
 * The same for any type of the server itself whose input function runs no
 * statement: 0, or the SQLSTATE of what does not fit.
 */
extern int gdpr_input_try_code(Oid typid, char *text, Datum *value);

#endif /* GDPR_INPUT_H */
