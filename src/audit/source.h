/*
 * source.h
 *	  Finds by which columns the rows of a relation, and whose they are, are
 *	  known to the log.
 */
#ifndef GDPR_AUDIT_SOURCE_H
#define GDPR_AUDIT_SOURCE_H

/* Writes gdpr.audit_source of a protected relation anew, from the maps. */
extern void gdpr_audit_find_sources(Oid relid);

/* Is there a key by which its own rows are known? */
extern bool gdpr_audit_has_own_source(Oid relid);

/* Follows maps that are approved; called by _PG_init. */
extern void gdpr_audit_source_init(void);

#endif /* GDPR_AUDIT_SOURCE_H */
