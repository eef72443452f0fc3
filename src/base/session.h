/*
 * session.h
 *	  What a session says of itself: purpose, actor and subject.
 *
 * They are the settings gdpr.purpose, gdpr.actor and gdpr.subject, and hold
 * for a transaction (SET LOCAL, gdpr.begin_work) or, given by ALTER ROLE,
 * ALTER DATABASE or when connecting, for the session.  A value that an earlier
 * transaction left behind counts as none: behind a pooler it is another
 * client's.
 */
#ifndef GDPR_SESSION_H
#define GDPR_SESSION_H

#include "utils/guc.h"

typedef enum GdprSessionItem
{
	GDPR_SESSION_PURPOSE, /* a declared purpose's name; not yet checked */
	GDPR_SESSION_ACTOR,	  /* the person at the application; a claim */
	GDPR_SESSION_SUBJECT, /* kind:key, split at the first colon */
	GDPR_SESSION_ITEMS
} GdprSessionItem;

/* The setting's name. */
extern const char *gdpr_session_setting(GdprSessionItem item);

/* The value that counts here and now; NULL without one. */
extern const char *gdpr_session_value(GdprSessionItem item);

/*
 * Is the setting one of the three?  For those who watch SET.
 */
extern bool gdpr_session_is_setting(const char *name);

/*
 * Resets what an earlier transaction left behind, before parallel workers take
 * the settings over, who could not tell.  Cheap when there is nothing.
 */
extern void gdpr_session_sweep(void);

/* Does a dump's script run?  It brings rules before what they made. */
extern bool gdpr_session_is_restoring(void);

/* Of base/guc.c: syntax only, since a hook may run in no transaction. */
extern bool gdpr_session_check_purpose(char **newval, void **extra,
									   GucSource source);
extern bool gdpr_session_check_actor(char **newval, void **extra,
									 GucSource source);
extern bool gdpr_session_check_subject(char **newval, void **extra,
									   GucSource source);

#endif /* GDPR_SESSION_H */
