/*
 * hint.h
 *	  What to write instead of an operator that encrypted values do not have.
 */
#ifndef GDPR_HINT_H
#define GDPR_HINT_H

#include "utils/elog.h"

/*
 * emit_log_hook: an error about a function, an operator or an operator class
 * that is not there gets a hint of ours when its message names our types.
 */
extern void gdpr_hint_report(ErrorData *edata);

#endif /* GDPR_HINT_H */
