/*
 * attempt.c
 *	  Running something that may fail, and going on when it does.
 */
#include "base/compat.h"

#include "access/xact.h"
#include "base/attempt.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

ErrorData *
gdpr_attempt(void (*attempt)(void *argument), void *argument)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		attempt(argument);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return error;
}
