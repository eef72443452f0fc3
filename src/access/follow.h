/*
 * follow.h
 *	  Rules follow what happens to their relations.
 */
#ifndef GDPR_ACCESS_FOLLOW_H
#define GDPR_ACCESS_FOLLOW_H

/*
 * Does work that the guard would refuse to others, all of it or nothing;
 * raises what it raised.
 */
extern void gdpr_access_work(void (*work)(void *argument), void *argument);

/* The same, but the error is returned; NULL when the work is done. */
extern ErrorData *gdpr_access_try(void (*work)(void *argument), void *argument);

#endif /* GDPR_ACCESS_FOLLOW_H */
