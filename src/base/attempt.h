/*
 * attempt.h
 *	  Running something that may fail, and going on when it does.
 */
#ifndef GDPR_ATTEMPT_H
#define GDPR_ATTEMPT_H

/*
 * Calls attempt(argument) in a subtransaction.  Returns NULL when it came
 * back; else everything that it did is undone, and the error is returned, in
 * the caller's memory context, for the caller to throw again or to free.
 */
extern ErrorData *gdpr_attempt(void (*attempt)(void *argument), void *argument);

#endif /* GDPR_ATTEMPT_H */
