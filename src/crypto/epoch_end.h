/*
 * epoch_end.h
 *	  Ending an epoch, so that older copies of erased persons' keys are
 *	  worthless.
 */
#ifndef GDPR_EPOCH_END_H
#define GDPR_EPOCH_END_H

/* What a call has done; the next one does more, or finds nothing to do. */
typedef enum GdprEpochStep
{
	GDPR_EPOCH_IDLE,	  /* nobody was erased since the epoch began */
	GDPR_EPOCH_BEGUN,	  /* new keys are wrapped by the next epoch */
	GDPR_EPOCH_REWRAPPED, /* some keys of the old one */
	GDPR_EPOCH_EMPTIED,	  /* all of them; the keystore has the set */
	GDPR_EPOCH_WAITING,	  /* for a standby or a slot */
	GDPR_EPOCH_DESTROYED, /* the old one's key is gone */
} GdprEpochStep;

/*
 * Does one step, in the current transaction, which the caller commits.  Begins
 * only when somebody was erased in this epoch, and unless at_once only when it
 * is older than gdpr.epoch_interval.  Raises 55000 without a keystore, and when
 * the keystore is of a later time than the database.
 */
extern GdprEpochStep gdpr_epoch_end_step(bool at_once);

/* The worker's task; boundary parts transactions. */
extern void gdpr_epoch_end_run_due(void (*boundary)(void));

#endif /* GDPR_EPOCH_END_H */
