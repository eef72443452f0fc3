/*
 * partition.h
 *	  Partitions of the audit log, one a day.
 */
#ifndef GDPR_AUDIT_PARTITION_H
#define GDPR_AUDIT_PARTITION_H

/*
 * Makes the partitions of today and the week that comes, where they are
 * missing, and the indexes of those whose day is over.  Cheap when there is
 * nothing to do; does nothing while nothing was ever protected.
 */
extern void gdpr_audit_ensure_partitions(void);

/* Is DDL on the log our own? */
extern bool gdpr_audit_is_maintaining(void);

#endif /* GDPR_AUDIT_PARTITION_H */
