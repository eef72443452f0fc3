/*
 * guard.h
 *	  Statements that would go round the rules.
 */
#ifndef GDPR_ACCESS_GUARD_H
#define GDPR_ACCESS_GUARD_H

#include "nodes/nodes.h"

/* Called by hooks.c. */
extern void gdpr_access_guard_utility(Node *statement);

/* Not while the extension's own script is under way, and never in a restore. */
extern bool gdpr_access_is_ready(void);

/* Our own DDL passes; set back by the caller, also when an error passes. */
extern bool gdpr_access_set_changing(bool changing);
extern bool gdpr_access_is_changing(void);

#endif /* GDPR_ACCESS_GUARD_H */
