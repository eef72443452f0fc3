/*
 * who.h
 *	  Who makes a record: roles, actor, purpose, application, address.
 */
#ifndef GDPR_AUDIT_WHO_H
#define GDPR_AUDIT_WHO_H

/* Values of the log's columns; 0 stands for null. */
typedef struct GdprAuditWho
{
	int pins;
	MemoryContext context;
	Oid session_user;
	Oid user;
	char *actor_name;
	char *purpose_name;
	char *application_name;
	Datum session_role;
	Datum role;
	Datum actor;
	Datum purpose;
	Datum application;
	Datum address;
	Size size; /* of the values, in bytes */
} GdprAuditWho;

/*
 * Of the current moment: the same pointer as long as nothing has changed.  It
 * lives until the next call, and longer while somebody has it pinned.
 */
extern GdprAuditWho *gdpr_audit_who(void);
extern void gdpr_audit_who_pin(GdprAuditWho *who);
extern void gdpr_audit_who_unpin(GdprAuditWho *who);

/* Callbacks of every backend; called by _PG_init. */
extern void gdpr_audit_who_init(void);

#endif /* GDPR_AUDIT_WHO_H */
