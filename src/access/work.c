/*
 * work.c
 *	  gdpr.begin_work: why, who and on whose behalf, for one transaction.
 */
#include "base/compat.h"

#include "access/xact.h"
#include "base/session.h"
#include "utils/builtins.h"
#include "utils/guc.h"

GDPR_FUNCTION(gdpr_begin_work);

static void
set_item(GdprSessionItem item, const char *value)
{
	(void) set_config_option(gdpr_session_setting(item),
							 value == NULL ? "" : value, PGC_USERSET,
							 PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0, false);
}

/* begin_work(purpose name, actor text, subject text) */
Datum
gdpr_begin_work(PG_FUNCTION_ARGS)
{
	if (!IsTransactionBlock())
		ereport(WARNING,
				(errcode(ERRCODE_NO_ACTIVE_SQL_TRANSACTION),
				 errmsg("gdpr.begin_work has effect in a transaction block only"),
				 errhint("Call it after BEGIN.")));
	set_item(GDPR_SESSION_PURPOSE,
			 PG_ARGISNULL(0) ? NULL : NameStr(*PG_GETARG_NAME(0)));
	set_item(GDPR_SESSION_ACTOR,
			 PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1)));
	set_item(GDPR_SESSION_SUBJECT,
			 PG_ARGISNULL(2) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(2)));
	PG_RETURN_VOID();
}
