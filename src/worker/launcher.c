/*
 * launcher.c
 *	  Sends a worker to every database when its time has come.
 *
 * Which databases have the extension cannot be seen from outside (pg_extension
 * is each database's own, and without a database only pg_database can be
 * read).  So every database is visited once after the start, and then every
 * gdpr.worker_naptime if the visitor had something to do there, or when
 * somebody wakes it (CREATE EXTENSION, ALTER DATABASE ... SET, an approval).
 */
#include "base/compat.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "base/guc.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "retention/run.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/proc.h"
#include "tcop/tcopprot.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "worker/shared.h"
#include "worker/worker.h"

#define LIBRARY "gdpr_ext"

/* After a crash of the launcher. */
#define RESTART_SECONDS 10

/* Should a wake-up ever get lost, idle databases are visited all the same. */
#define IDLE_MS (60 * 60 * 1000)

/* What the launcher knows of one database. */
typedef struct Database
{
	Oid oid;
	bool there; /* seen in pg_database this time */
	bool idle;	/* the last visitor had nothing to do */
	TimestampTz visited;
	BackgroundWorkerHandle *visitor; /* NULL: nobody is on the way */
} Database;

extern PGDLLEXPORT void gdpr_worker_launcher_main(Datum arg);

static List *known = NIL; /* Database, in TopMemoryContext */

static Database *
find_database(Oid oid)
{
	Database *database;
	MemoryContext old;
	ListCell *lc;

	foreach (lc, known)
	{
		database = lfirst(lc);
		if (database->oid == oid)
			return database;
	}
	old = MemoryContextSwitchTo(TopMemoryContext);
	database = palloc0(sizeof(Database));
	database->oid = oid;
	known = lappend(known, database);
	MemoryContextSwitchTo(old);
	return database;
}

/* Templates are for copying: nobody should sit in them. */
static void
see_databases(void)
{
	Relation catalog;
	TableScanDesc scan;
	HeapTuple tuple;

	StartTransactionCommand();
	(void) GetTransactionSnapshot();
	catalog = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(catalog, 0, NULL);
	while (HeapTupleIsValid(tuple = heap_getnext(scan, ForwardScanDirection)))
	{
		Form_pg_database form = (Form_pg_database) GETSTRUCT(tuple);

		if (form->datallowconn && !form->datistemplate &&
			!database_is_invalid_form(form))
			find_database(form->oid)->there = true;
	}
	table_endscan(scan);
	table_close(catalog, AccessShareLock);
	CommitTransactionCommand();
}

static void
forget_dropped(void)
{
	ListCell *lc;

	foreach (lc, known)
	{
		Database *database = lfirst(lc);

		if (!database->there && database->visitor == NULL)
		{
			known = foreach_delete_current(known, lc);
			pfree(database);
		}
		else
			database->there = false;
	}
}

static void
take_messages(void)
{
	bool all;
	List *woken = gdpr_worker_shared_take_woken(&all);
	ListCell *lc;

	foreach (lc, gdpr_worker_shared_take_idle())
		find_database(lfirst_oid(lc))->idle = true;
	foreach (lc, known)
	{
		Database *database = lfirst(lc);

		if (all || list_member_oid(woken, database->oid))
		{
			database->idle = false;
			database->visited = 0;
		}
	}
	/* One that is not known yet is new, and will be visited anyway. */
	list_free(woken);
}

/* How many visitors are still on the way; forgets those who came back. */
static int
count_visitors(void)
{
	int n = 0;
	ListCell *lc;

	foreach (lc, known)
	{
		Database *database = lfirst(lc);
		pid_t pid;

		if (database->visitor == NULL)
			continue;
		if (GetBackgroundWorkerPid(database->visitor, &pid) == BGWH_STOPPED)
		{
			pfree(database->visitor);
			database->visitor = NULL;
		}
		else
			n++;
	}
	return n;
}

static bool
send_visitor(Database *database)
{
	BackgroundWorker worker = {0};
	MemoryContext old;
	bool sent;

	worker.bgw_flags = BGWORKER_SHMEM_ACCESS |
					   BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = BGW_NEVER_RESTART;
	worker.bgw_main_arg = ObjectIdGetDatum(database->oid);
	worker.bgw_notify_pid = MyProcPid;
	strlcpy(worker.bgw_library_name, LIBRARY, sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "gdpr_worker_database_main",
			sizeof(worker.bgw_function_name));
	strlcpy(worker.bgw_type, "gdpr_ext worker", sizeof(worker.bgw_type));
	snprintf(worker.bgw_name, sizeof(worker.bgw_name),
			 "gdpr_ext worker for database %u", database->oid);
	old = MemoryContextSwitchTo(TopMemoryContext);
	sent = RegisterDynamicBackgroundWorker(&worker, &database->visitor);
	MemoryContextSwitchTo(old);
	if (!sent)
		database->visitor = NULL;
	return sent;
}

static TimestampTz
next_visit(const Database *database)
{
	if (database->visited == 0)
		return 0;
	return TimestampTzPlusMilliseconds(
		database->visited,
		database->idle ? IDLE_MS : (int64) gdpr_guc_worker_naptime * 1000);
}

/* Those who wait longest first.  False: no room for one that should go. */
static bool
send_visitors(void)
{
	TimestampTz now = GetCurrentTimestamp();

	for (int n = count_visitors();; n++)
	{
		Database *next = NULL;
		ListCell *lc;

		foreach (lc, known)
		{
			Database *database = lfirst(lc);

			if (database->there && database->visitor == NULL &&
				next_visit(database) <= now &&
				(next == NULL || database->visited < next->visited))
				next = database;
		}
		if (next == NULL)
			return true;
		if (n >= gdpr_guc_max_workers || !send_visitor(next))
			return false;
		next->visited = now;
	}
}

static void
run_cycle(void)
{
	see_databases();
	take_messages();
	(void) send_visitors();
	forget_dropped();
}

/* Exit code 1 makes the postmaster start us again; 0 would be for good. */
void
gdpr_worker_launcher_main(Datum arg)
{
	MemoryContext context;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	gdpr_worker_shared_enter_launcher();
	context = AllocSetContextCreate(TopMemoryContext, "gdpr_ext launcher",
									ALLOCSET_DEFAULT_SIZES);
	while (!ShutdownRequestPending)
	{
		/* A visitor who comes back sets our latch: nobody waits in vain. */
		MemoryContextSwitchTo(context);
		MemoryContextReset(context);
		run_cycle();
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH,
						 gdpr_guc_worker_naptime * 1000L, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
	}
	proc_exit(1);
}

void
gdpr_worker_init(void)
{
	BackgroundWorker worker = {0};

	/* The server of pg_upgrade runs in the middle of a migration. */
	if (!process_shared_preload_libraries_in_progress || IsBinaryUpgrade)
		return;
	gdpr_retention_wake = gdpr_worker_wake;
	worker.bgw_flags = BGWORKER_SHMEM_ACCESS |
					   BGWORKER_BACKEND_DATABASE_CONNECTION;
	worker.bgw_start_time = BgWorkerStart_RecoveryFinished;
	worker.bgw_restart_time = RESTART_SECONDS;
	strlcpy(worker.bgw_library_name, LIBRARY, sizeof(worker.bgw_library_name));
	strlcpy(worker.bgw_function_name, "gdpr_worker_launcher_main",
			sizeof(worker.bgw_function_name));
	strlcpy(worker.bgw_name, "gdpr_ext launcher", sizeof(worker.bgw_name));
	strlcpy(worker.bgw_type, "gdpr_ext launcher", sizeof(worker.bgw_type));
	RegisterBackgroundWorker(&worker);
}
