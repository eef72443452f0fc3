/*
 * input.c
 *	  A type's input function on text that may not fit.
 *
 * PostgreSQL 15 has no soft errors, and later majors not for every type, so
 * the function runs in a subtransaction.
 */
#include "base/compat.h"

#include "access/xact.h"
#include "base/input.h"
#include "base/redact.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

static bool
is_about_the_value(int sqlerrcode)
{
	int category = ERRCODE_TO_CATEGORY(sqlerrcode);

	return category == ERRCODE_DATA_EXCEPTION ||
		   category == ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION;
}

bool
gdpr_input_try(Oid typid, int32 typmod, const char *text, Datum *value)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	char *copy = pstrdup(text);
	volatile bool fits = true;
	Oid input;
	Oid param;

	getTypeInputInfo(typid, &input, &param);
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		*value = OidInputFunctionCall(input, copy, param, typmod);
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
	}
	PG_CATCH();
	{
		ErrorData *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
		if (!is_about_the_value(error->sqlerrcode))
			gdpr_redact_rethrow(error, NULL);
		FreeErrorData(error);
		fits = false;
	}
	PG_END_TRY();
	return fits;
}
