/*
 * procedure.c
 *	  Procedures that do their work in batches, each in a transaction of its own.
 */
#include "base/compat.h"

#include "base/procedure.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "tcop/pquery.h"
#include "utils/guc.h"

/* The portal of CALL needs its snapshot again. */
void
gdpr_procedure_commit(MemoryContext context)
{
	SPI_commit();
	EnsurePortalSnapshotExists();
	MemoryContextSwitchTo(context);
	CHECK_FOR_INTERRUPTS();
}

void
gdpr_procedure_commit_lazily(MemoryContext context)
{
	(void) set_config_option("synchronous_commit", "off", PGC_USERSET,
							 PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0, false);
	gdpr_procedure_commit(context);
}

void
gdpr_procedure_pause(int ms)
{
	if (ms == 0)
		return;
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
					 ms, PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}
