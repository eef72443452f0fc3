/*
 * redact.h
 *	  The server's errors without what a row holds.
 */
#ifndef GDPR_REDACT_H
#define GDPR_REDACT_H

#include "utils/elog.h"

/* Has it a text of the server's or the extension's, not one of a function's? */
extern bool gdpr_redact_written_by_server(const ErrorData *error);

/* May the message be shown as it is? */
extern bool gdpr_redact_is_plain(const ErrorData *error);

/* What may be shown of the error's message, palloc'd. */
extern char *gdpr_redact_message(const ErrorData *error, const char *relation);

/*
 * Raises the error again with its SQLSTATE, without detail and context.
 * Message and hint are kept where the server wrote them and the class names
 * objects only; otherwise it says that a statement failed, on which relation (unless
 * NULL).  To be called after FlushErrorState(), on a copy.
 */
pg_noreturn extern void gdpr_redact_rethrow(ErrorData *error,
											const char *relation);

#endif /* GDPR_REDACT_H */
