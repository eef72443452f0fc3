/*
 * shared.c
 *	  What launcher, workers and other processes say to each other.
 *
 * A few lists of fixed length in shared memory under one lock, which is held
 * for some instructions and is taken after no other lock of ours.  A list that
 * is full loses nothing: too many that are woken are all woken, an idle
 * database that could not be reported is visited once more.
 */
#include "base/compat.h"

#include <signal.h>

#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "storage/lwlock.h"
#include "storage/proc.h"
#include "storage/shmem.h"
#include "utils/timestamp.h"
#include "worker/shared.h"
#include "worker/worker.h"

#define LIST_LENGTH 64

/* How long workers stay away from a database that somebody needs. */
#define CLEAR_MS 30000

typedef struct DatabaseList
{
	int n;
	bool overflowed;
	Oid databases[LIST_LENGTH];
} DatabaseList;

typedef struct Visitor
{
	Oid database; /* InvalidOid: free */
	pid_t pid;
} Visitor;

typedef struct Cleared
{
	Oid database;
	TimestampTz until;
} Cleared;

typedef struct WorkerShared
{
	LWLock lock;
	Latch *launcher; /* NULL while there is none */
	DatabaseList woken;
	DatabaseList idle;
	Visitor visitors[LIST_LENGTH];
	Cleared cleared[LIST_LENGTH];
} WorkerShared;

static WorkerShared *shared = NULL;

Size
gdpr_worker_shmem_size(void)
{
	return MAXALIGN(sizeof(WorkerShared));
}

void
gdpr_worker_shmem_startup(void)
{
	bool found;

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	shared = ShmemInitStruct("gdpr_ext workers", sizeof(WorkerShared), &found);
	if (!found)
	{
		memset(shared, 0, sizeof(WorkerShared));
		LWLockInitialize(&shared->lock, LWLockNewTrancheId());
	}
	LWLockRegisterTranche(shared->lock.tranche, "gdpr_ext_workers");
	LWLockRelease(AddinShmemInitLock);
}

static void
add_to(DatabaseList *list, Oid database)
{
	for (int i = 0; i < list->n; i++)
	{
		if (list->databases[i] == database)
			return;
	}
	if (list->n < LIST_LENGTH)
		list->databases[list->n++] = database;
	else
		list->overflowed = true;
}

static List *
take_from(DatabaseList *list, bool *overflowed)
{
	Oid databases[LIST_LENGTH];
	List *result = NIL;
	int n;

	LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
	n = list->n;
	memcpy(databases, list->databases, sizeof(Oid) * n);
	*overflowed = list->overflowed;
	list->n = 0;
	list->overflowed = false;
	LWLockRelease(&shared->lock);
	for (int i = 0; i < n; i++)
		result = lappend_oid(result, databases[i]);
	return result;
}

void
gdpr_worker_shared_wake(Oid database)
{
	if (shared == NULL)
		return;
	LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
	add_to(&shared->woken, database);
	if (shared->launcher != NULL)
		SetLatch(shared->launcher);
	LWLockRelease(&shared->lock);
}

/* A place that is free, or whose time is over; else the first to be over. */
static Cleared *
place_for(Oid database)
{
	Cleared *place = &shared->cleared[0];

	for (int i = 0; i < LIST_LENGTH; i++)
	{
		if (shared->cleared[i].database == database)
			return &shared->cleared[i];
		if (shared->cleared[i].until < place->until)
			place = &shared->cleared[i];
	}
	return place;
}

/* The lock keeps a visitor from leaving, and its pid from being another's. */
void
gdpr_worker_shared_clear(Oid database)
{
	Cleared *place;

	if (shared == NULL)
		return;
	LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
	place = place_for(database);
	place->database = database;
	place->until = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), CLEAR_MS);
	for (int i = 0; i < LIST_LENGTH; i++)
	{
		if (shared->visitors[i].database == database)
			(void) kill(shared->visitors[i].pid, SIGTERM);
	}
	LWLockRelease(&shared->lock);
}

/* ---- the launcher ---- */

static void
leave_launcher(int code, Datum arg)
{
	LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
	shared->launcher = NULL;
	LWLockRelease(&shared->lock);
}

void
gdpr_worker_shared_enter_launcher(void)
{
	LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
	shared->launcher = MyLatch;
	LWLockRelease(&shared->lock);
	before_shmem_exit(leave_launcher, (Datum) 0);
}

List *
gdpr_worker_shared_take_woken(bool *all)
{
	return take_from(&shared->woken, all);
}

List *
gdpr_worker_shared_take_idle(void)
{
	bool ignored;

	return take_from(&shared->idle, &ignored);
}

/* ---- a worker ---- */

static void
leave(int code, Datum arg)
{
	Visitor *visitor = (Visitor *) DatumGetPointer(arg);

	LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
	visitor->database = InvalidOid;
	LWLockRelease(&shared->lock);
}

static bool
is_cleared(Oid database)
{
	TimestampTz now = GetCurrentTimestamp();

	for (int i = 0; i < LIST_LENGTH; i++)
	{
		if (shared->cleared[i].database == database &&
			shared->cleared[i].until > now)
			return true;
	}
	return false;
}

static Visitor *
free_place(Oid database)
{
	Visitor *place = NULL;

	for (int i = 0; i < LIST_LENGTH; i++)
	{
		if (shared->visitors[i].database == database)
			return NULL;
		if (place == NULL && !OidIsValid(shared->visitors[i].database))
			place = &shared->visitors[i];
	}
	return place;
}

bool
gdpr_worker_shared_enter(void)
{
	Visitor *visitor = NULL;

	LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
	if (!is_cleared(MyDatabaseId))
		visitor = free_place(MyDatabaseId);
	if (visitor != NULL)
	{
		visitor->database = MyDatabaseId;
		visitor->pid = MyProcPid;
	}
	LWLockRelease(&shared->lock);
	if (visitor == NULL)
		return false;
	before_shmem_exit(leave, PointerGetDatum(visitor));
	return true;
}

void
gdpr_worker_shared_report_idle(void)
{
	LWLockAcquire(&shared->lock, LW_EXCLUSIVE);
	add_to(&shared->idle, MyDatabaseId);
	LWLockRelease(&shared->lock);
}
