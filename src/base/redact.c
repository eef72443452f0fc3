/*
 * redact.c
 *	  The server's errors without what a row holds.
 *
 * A violated constraint prints the row in its detail, a failing cast the value
 * in its message, and a trigger whatever it likes.  What is raised again from
 * here holds names of objects and numbers only.
 */
#include "base/compat.h"

#include "base/errors.h"
#include "base/redact.h"

/* By which messages of ours are known; nobody else writes it so. */
#define REDACTED_FORMAT "%s%.0s"

/*
 * Classes whose messages name objects that exist, never values.  The name of
 * one that does not exist may be a value: EXECUTE 'SELECT ' || OLD.email.
 */
static bool
class_is_plain(int sqlerrcode)
{
	switch (ERRCODE_TO_CATEGORY(sqlerrcode))
	{
		case ERRCODE_FEATURE_NOT_SUPPORTED:
		case ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION:
		case ERRCODE_INVALID_TRANSACTION_STATE:
		case ERRCODE_TRIGGERED_DATA_CHANGE_VIOLATION:
		case ERRCODE_TRANSACTION_ROLLBACK:
		case ERRCODE_INSUFFICIENT_RESOURCES:
		case ERRCODE_PROGRAM_LIMIT_EXCEEDED:
		case ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE:
		case ERRCODE_OPERATOR_INTERVENTION:
		case ERRCODE_SYSTEM_ERROR:
		case MAKE_SQLSTATE('P', 'D', '0', '0', '0'):
			return true;
		default:
			return sqlerrcode == ERRCODE_INSUFFICIENT_PRIVILEGE;
	}
}

/*
 * Procedural languages pass a message of the user's as "%s", and may choose
 * any SQLSTATE for it; the server's own messages have a text of their own.
 */
bool
gdpr_redact_written_by_server(const ErrorData *error)
{
	return error->message_id != NULL && strcmp(error->message_id, "%s") != 0;
}

/* What we raised again once needs no second look. */
bool
gdpr_redact_is_plain(const ErrorData *error)
{
	if (error->message_id != NULL &&
		strcmp(error->message_id, REDACTED_FORMAT) == 0)
		return true;
	return class_is_plain(error->sqlerrcode) &&
		   gdpr_redact_written_by_server(error);
}

char *
gdpr_redact_message(const ErrorData *error, const char *relation)
{
	/* What blocks is a list of names that we made. */
	if (gdpr_redact_is_plain(error) && error->detail != NULL &&
		error->sqlerrcode == ERRCODE_GDPR_ERASURE_BLOCKED)
		return psprintf("%s: %s", error->message, error->detail);
	if (gdpr_redact_is_plain(error))
		return pstrdup(error->message);
	if (relation != NULL)
		return psprintf("a statement on relation %s failed with SQLSTATE %s",
						relation, unpack_sql_state(error->sqlerrcode));
	return psprintf("a statement failed with SQLSTATE %s",
					unpack_sql_state(error->sqlerrcode));
}

void
gdpr_redact_rethrow(ErrorData *error, const char *relation)
{
	const char *hint =
		"The server's own message is left out: it may hold personal data.";

	if (gdpr_redact_is_plain(error))
		hint = error->hint;
	ereport(ERROR,
			(errcode(error->sqlerrcode),
			 errmsg_internal(REDACTED_FORMAT, gdpr_redact_message(error, relation), ""),
			 hint == NULL ? 0 : errhint("%s", hint)));
}
