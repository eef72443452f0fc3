/*
 * run.h
 *	  Runs what is due, batch by batch, each in its own transaction.
 */
#ifndef GDPR_RUN_H
#define GDPR_RUN_H

/*
 * Runs approved rules whose time has come, and then what follows for rows that
 * were kept and whose period is over.  Called in a transaction without an open
 * SPI connection of the caller's; boundary() commits it and begins another.
 * What fails is remembered with its rule and does not stop the others.
 * Returns how many rows were changed.
 */
extern int64 gdpr_retention_run_due(void (*boundary)(void));

/* Called when an approval wants to be acted upon at once; may be NULL. */
extern void (*gdpr_retention_wake)(void);

#endif /* GDPR_RUN_H */
