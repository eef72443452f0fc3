/*
 * redact_log.h
 *	  The server's log without the constants and parameters of statements.
 */
#ifndef GDPR_REDACT_LOG_H
#define GDPR_REDACT_LOG_H

#include "utils/elog.h"

/*
 * emit_log_hook.  True when another report went to the log in place of this
 * one; it has passed through the hook already, and this one is for the client
 * alone.
 */
extern bool gdpr_redact_log(ErrorData *edata);

#endif /* GDPR_REDACT_LOG_H */
