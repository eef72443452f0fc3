/*
 * shared.h
 *	  What launcher, workers and other processes say to each other.
 */
#ifndef GDPR_WORKER_SHARED_H
#define GDPR_WORKER_SHARED_H

#include "datatype/timestamp.h"

/* ---- every process ---- */

/* Has a database visited soon, whatever is known about it. */
extern void gdpr_worker_shared_wake(Oid database);

/* Our workers leave the database and stay away for some seconds. */
extern void gdpr_worker_shared_clear(Oid database);

/* ---- the launcher ---- */

extern void gdpr_worker_shared_enter_launcher(void);

/* Databases that somebody woke since the last call; *all when too many. */
extern List *gdpr_worker_shared_take_woken(bool *all);

/* Databases in which the last visitors found nothing to do, ever. */
extern List *gdpr_worker_shared_take_idle(void);

/* ---- a worker, connected to its database ---- */

/* False when the database is to be left alone, or somebody is in it. */
extern bool gdpr_worker_shared_enter(void);

/* There is nothing to do here until somebody wakes the database. */
extern void gdpr_worker_shared_report_idle(void);

#endif /* GDPR_WORKER_SHARED_H */
