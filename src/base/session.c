/*
 * session.c
 *	  What a session says of itself: purpose, actor and subject.
 *
 * SET without LOCAL is refused elsewhere, but set_config(..., false) cannot be
 * told apart when it is called.  It shows later: the value's source is the
 * session, and this transaction has not touched it.
 */
#include "base/compat.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "base/guc.h"
#include "base/session.h"
#include "catalog/namespace.h"
#include "miscadmin.h"
#include "utils/guc_tables.h"

/* Longer ones are no name of a person at an application. */
#define LONGEST_ACTOR 256

typedef struct SessionItem
{
	const char *setting;
	char **value;
	struct config_generic *record; /* the server's own, found once */
} SessionItem;

static SessionItem items[GDPR_SESSION_ITEMS] = {
	[GDPR_SESSION_PURPOSE] = {"gdpr.purpose", &gdpr_guc_purpose},
	[GDPR_SESSION_ACTOR] = {"gdpr.actor", &gdpr_guc_actor},
	[GDPR_SESSION_SUBJECT] = {"gdpr.subject", &gdpr_guc_subject},
};

const char *
gdpr_session_setting(GdprSessionItem item)
{
	return items[item].setting;
}

bool
gdpr_session_is_setting(const char *name)
{
	for (int i = 0; i < GDPR_SESSION_ITEMS; i++)
	{
		if (pg_strcasecmp(name, items[i].setting) == 0)
			return true;
	}
	return false;
}

static struct config_generic *
find_record(const char *setting)
{
#ifdef GDPR_HAS_FIND_OPTION
	return find_option(setting, false, true, 0);
#else
	for (int i = 0; i < GetNumConfigOptions(); i++)
	{
		if (strcmp(get_guc_variables()[i]->name, setting) == 0)
			return get_guc_variables()[i];
	}
	return NULL;
#endif
}

/*
 * Set by a statement of an earlier transaction.  Workers were given what
 * counts for their leader, who swept before.
 */
static bool
is_left_behind(SessionItem *item)
{
	if (item->record == NULL)
		item->record = find_record(item->setting);
	return item->record != NULL && item->record->source == PGC_S_SESSION &&
		   item->record->stack == NULL && !IsParallelWorker();
}

static bool
is_set(const SessionItem *item)
{
	return *item->value != NULL && **item->value != '\0';
}

const char *
gdpr_session_value(GdprSessionItem item)
{
	SessionItem *it = &items[item];

	return is_set(it) && !is_left_behind(it) ? *it->value : NULL;
}

void
gdpr_session_sweep(void)
{
	for (int i = 0; i < GDPR_SESSION_ITEMS; i++)
	{
		if (is_set(&items[i]) && is_left_behind(&items[i]) &&
			!IsInParallelMode())
			(void) set_config_option(items[i].setting, NULL, PGC_USERSET,
									 PGC_S_SESSION, GUC_ACTION_SET, true, 0,
									 false);
	}
}

/* The server's own message would repeat the value. */
static bool
refuse(GdprSessionItem item, const char *detail)
{
	GUC_check_errmsg("invalid value for parameter \"%s\"", items[item].setting);
	GUC_check_errdetail("%s", detail);
	return false;
}

bool
gdpr_session_check_purpose(char **newval, void **extra, GucSource source)
{
	if (strlen(*newval) >= NAMEDATALEN)
		return refuse(GDPR_SESSION_PURPOSE,
					  "The name of a purpose is shorter than 64 bytes.");
	return true;
}

bool
gdpr_session_check_actor(char **newval, void **extra, GucSource source)
{
	if (strlen(*newval) > LONGEST_ACTOR)
		return refuse(GDPR_SESSION_ACTOR,
					  "An actor's name has at most 256 bytes.");
	return true;
}

bool
gdpr_session_check_subject(char **newval, void **extra, GucSource source)
{
	const char *colon = strchr(*newval, ':');

	if (**newval == '\0')
		return true;
	if (colon == NULL || colon == *newval || colon[1] == '\0' ||
		colon - *newval >= NAMEDATALEN)
		return refuse(GDPR_SESSION_SUBJECT, "A subject has the form kind:key.");
	return true;
}

/*
 * A dump brings rules before the policies and grants that they made.  Its
 * scripts run as a superuser, whom no rule binds, with an empty search_path,
 * which nobody works with.
 */
bool
gdpr_session_is_restoring(void)
{
	return superuser() && namespace_search_path != NULL &&
		   (*namespace_search_path == '\0' ||
			strcmp(namespace_search_path, "\"\"") == 0);
}
