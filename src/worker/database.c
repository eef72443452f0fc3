/*
 * database.c
 *	  A worker's visit to one database.
 *
 * It does each task of the table in turn and leaves.  A task that fails is
 * logged by its name and SQLSTATE alone, and does not keep the others from
 * being done.
 */
#include "base/compat.h"

#include "access/xact.h"
#include "audit/partition.h"
#include "base/attempt.h"
#include "base/guc.h"
#include "base/sql.h"
#include "commands/extension.h"
#include "crypto/epoch_end.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "retention/run.h"
#include "storage/ipc.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "worker/shared.h"
#include "worker/worker.h"

/* What is done in a database; in a transaction, which boundary() parts. */
typedef struct Task
{
	const char *activity;
	void (*run)(void);
} Task;

extern PGDLLEXPORT void gdpr_worker_database_main(Datum arg);

static void
begin(void)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
}

static void
commit(void)
{
	PopActiveSnapshot();
	CommitTransactionCommand();
	pgstat_report_stat(true);
}

static void
boundary(void)
{
	commit();
	CHECK_FOR_INTERRUPTS();
	if (ConfigReloadPending)
	{
		ConfigReloadPending = false;
		ProcessConfigFile(PGC_SIGHUP);
	}
	begin();
}

static void
run_retention(void)
{
	(void) gdpr_retention_run_due(boundary);
}

static void
end_epoch(void)
{
	gdpr_epoch_end_run_due(boundary);
}

static const Task tasks[] = {
	{"gdpr_ext: partitions of the audit log", gdpr_audit_ensure_partitions},
	{"gdpr_ext: retention", run_retention},
	{"gdpr_ext: keys of persons", end_epoch},
};

static void
run_task(const Task *task)
{
	MemoryContext context = AllocSetContextCreate(TopMemoryContext,
												  "gdpr_ext task",
												  ALLOCSET_DEFAULT_SIZES);

	pgstat_report_activity(STATE_RUNNING, task->activity);
	PG_TRY();
	{
		begin();
		MemoryContextSwitchTo(context);
		task->run();
		commit();
	}
	PG_CATCH();
	{
		int code = geterrcode();

		MemoryContextSwitchTo(context);
		FlushErrorState();
		AbortCurrentTransaction();
		ereport(LOG,
				(errmsg("task \"%s\" failed with SQLSTATE %s", task->activity,
						unpack_sql_state(code)),
				 errhint("It is tried again; gdpr.retention_status may say more.")));
	}
	PG_END_TRY();
	pgstat_report_activity(STATE_IDLE, NULL);
	MemoryContextSwitchTo(TopMemoryContext);
	MemoryContextDelete(context);
}

static bool
has_work(void)
{
	bool result;

	begin();
	result = gdpr_guc_enabled &&
			 OidIsValid(get_extension_oid("gdpr_ext", true)) &&
			 OidIsValid(gdpr_sql_schema());
	commit();
	return result;
}

void
gdpr_worker_database_main(Datum arg)
{
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(DatumGetObjectId(arg), InvalidOid,
											  0);
	if (!gdpr_worker_shared_enter())
		proc_exit(0);
	SetConfigOption("search_path", "pg_catalog, pg_temp", PGC_SUSET,
					PGC_S_OVERRIDE);
	SetConfigOption("application_name", MyBgworkerEntry->bgw_type, PGC_USERSET,
					PGC_S_OVERRIDE);
	/* A hold that was just placed has to be seen, whatever others prefer. */
	SetConfigOption("default_transaction_isolation", "read committed",
					PGC_SUSET, PGC_S_OVERRIDE);
	if (!has_work())
		gdpr_worker_shared_report_idle();
	else
	{
		for (int i = 0; i < lengthof(tasks); i++)
			run_task(&tasks[i]);
	}
	proc_exit(0);
}
