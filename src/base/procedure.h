/*
 * procedure.h
 *	  Procedures that do their work in batches, each in a transaction of its own.
 */
#ifndef GDPR_PROCEDURE_H
#define GDPR_PROCEDURE_H

/* Ends the transaction and begins the next, in the memory context. */
extern void gdpr_procedure_commit(MemoryContext context);

/*
 * The same without waiting for the disk, for what would be done again after a
 * crash.
 */
extern void gdpr_procedure_commit_lazily(MemoryContext context);

/* Milliseconds, 0 for none; shorter when somebody signals. */
extern void gdpr_procedure_pause(int ms);

#endif /* GDPR_PROCEDURE_H */
