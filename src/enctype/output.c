/*
 * output.c
 *	  Who sees plaintext: the mode of output, and the decision per value.
 */
#include "base/compat.h"

#include "access/parallel.h"
#include "enctype/output.h"
#include "postmaster/autovacuum.h"
#include "postmaster/bgworker.h"
#include "replication/walsender.h"
#include "utils/snapmgr.h"

static GdprEmit emit_mode = GDPR_EMIT_NORMAL;

GdprEmit
gdpr_output_set_mode(GdprEmit mode)
{
	GdprEmit	before = emit_mode;

	emit_mode = mode;
	return before;
}

/* A process that serves no client's query of its own. */
static bool
is_maintenance_process(void)
{
	if (MyBgworkerEntry != NULL)
		return !IsParallelWorker();
	return AmAutoVacuumWorkerProcess();
}

GdprEmit
gdpr_output_mode(void)
{
	if (am_walsender || HistoricSnapshotActive())
		return GDPR_EMIT_STORAGE_WITH_TAG;
	if (emit_mode == GDPR_EMIT_NORMAL && is_maintenance_process())
		return GDPR_EMIT_NEVER_PLAIN;
	return emit_mode;
}
