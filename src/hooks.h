/*
 * hooks.h
 *	  The server's hooks that the extension uses.
 */
#ifndef GDPR_HOOKS_H
#define GDPR_HOOKS_H

/* Installs the hooks; called by _PG_init. */
extern void gdpr_hooks_init(void);

#endif /* GDPR_HOOKS_H */
