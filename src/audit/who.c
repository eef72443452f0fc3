/*
 * who.c
 *	  Who makes a record: the same for most records of a session.
 *
 * Records that are not written yet keep what they were made with pinned, while
 * a SECURITY DEFINER function below them is somebody else.
 */
#include "base/compat.h"

#include "audit/who.h"
#include "base/session.h"
#include "crypto/secret.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

static GdprAuditWho *current = NULL;
static bool outdated = false;

/* The client's, null by a local socket and in a worker. */
static Datum address = 0;
static bool address_known = false;

/* A role may have another name. */
static void
role_changed(Datum arg, int cacheid, uint32 hashvalue)
{
	outdated = true;
}

void
gdpr_audit_who_init(void)
{
	CacheRegisterSyscacheCallback(AUTHOID, role_changed, (Datum) 0);
}

static bool
same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static char *
copy_text(const char *text)
{
	return text == NULL ? NULL : pstrdup(text);
}

static Datum
text_datum(const char *text)
{
	return text == NULL || *text == '\0' ? (Datum) 0
										 : CStringGetTextDatum(text);
}

static Datum
role_datum(Oid role)
{
	return CStringGetTextDatum(GetUserNameFromId(role, false));
}

static void
find_address(void)
{
	LOCAL_FCINFO(call, 0);
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

	InitFunctionCallInfoData(*call, NULL, 0, InvalidOid, NULL, NULL);
	address = inet_client_addr(call);
	if (call->isnull)
		address = (Datum) 0;
	address_known = true;
	MemoryContextSwitchTo(old);
}

static Size
size_of(const GdprAuditWho *who)
{
	Datum values[] = {who->session_role, who->role,		   who->actor,
					  who->purpose,		 who->application, who->address};
	Size size = 0;

	for (int i = 0; i < lengthof(values); i++)
	{
		if (values[i] != (Datum) 0)
			size += VARSIZE_ANY(DatumGetPointer(values[i]));
	}
	return size;
}

/* Under a context that goes with an error, until all of it is there. */
static GdprAuditWho *
learn(const char *actor, const char *purpose)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "gdpr audit who",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	GdprAuditWho *who = palloc0(sizeof(GdprAuditWho));

	who->context = context;
	who->session_user = GetSessionUserId();
	who->user = GetUserId();
	who->actor_name = copy_text(actor);
	who->purpose_name = copy_text(purpose);
	who->application_name = copy_text(application_name);
	who->session_role = role_datum(who->session_user);
	who->role = role_datum(who->user);
	if (actor != NULL)
		who->actor = PointerGetDatum(
			gdpr_secret_seal("actor", NULL, 0, actor, strlen(actor)));
	who->purpose = text_datum(purpose);
	who->application = text_datum(application_name);
	who->address = address;
	who->size = size_of(who);
	MemoryContextSwitchTo(old);
	MemoryContextSetParent(context, TopMemoryContext);
	return who;
}

static bool
is_same(const GdprAuditWho *who, const char *actor, const char *purpose)
{
	return who->session_user == GetSessionUserId() &&
		   who->user == GetUserId() && same_text(who->actor_name, actor) &&
		   same_text(who->purpose_name, purpose) &&
		   same_text(who->application_name, application_name);
}

GdprAuditWho *
gdpr_audit_who(void)
{
	const char *actor = gdpr_session_value(GDPR_SESSION_ACTOR);
	const char *purpose = gdpr_session_value(GDPR_SESSION_PURPOSE);
	GdprAuditWho *before = current;

	if (before != NULL && !outdated && is_same(before, actor, purpose))
		return before;
	if (!address_known)
		find_address();
	/* Should something fail below, nothing is known. */
	current = NULL;
	if (before != NULL && before->pins == 0)
		MemoryContextDelete(before->context);
	outdated = false;
	current = learn(actor, purpose);
	return current;
}

void
gdpr_audit_who_pin(GdprAuditWho *who)
{
	who->pins++;
}

void
gdpr_audit_who_unpin(GdprAuditWho *who)
{
	Assert(who->pins > 0);
	if (--who->pins == 0 && who != current)
		MemoryContextDelete(who->context);
}
