/*
 * guard.h
 *	  Statements that would change the log, or go round it.
 */
#ifndef GDPR_AUDIT_GUARD_H
#define GDPR_AUDIT_GUARD_H

#include "nodes/nodes.h"

#define GDPR_AUDIT_ROW_TRIGGER		"gdpr_audit"
#define GDPR_AUDIT_TRUNCATE_TRIGGER "gdpr_audit_truncate"

/* Of folder shred: sorts after the names of other triggers that run before. */
#define GDPR_AUDIT_SEAL_TRIGGER "~gdpr_subject_key"

/* Called by hooks.c. */
extern void gdpr_audit_guard_utility(Node *statement);
extern void gdpr_audit_guard_drop(Oid class, Oid object, int column);

/* The part of it that is about the extension's own objects. */
extern void gdpr_audit_guard_member(Node *statement);

/*
 * Our own changes of triggers and of the log pass.  Returns what it was; the
 * caller sets it back, also when an error passes.
 */
extern bool gdpr_audit_set_changing(bool changing);

/* Not while the extension's own script or its DROP is under way. */
extern bool gdpr_audit_tables_are_there(void);

extern bool gdpr_audit_is_changing(void);

/* Has the relation a trigger of ours of that name, or any when NULL? */
extern bool gdpr_audit_has_trigger(Oid relid, const char *name);

#endif /* GDPR_AUDIT_GUARD_H */
