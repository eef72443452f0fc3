/*
 * redact_scope.c
 *	  Does the statement that runs touch encrypted columns?
 *
 * That is known for certain when it has run: every plan says which relations it
 * reads or writes, those of functions, triggers and views too.  Before, and when
 * it fails on the way, it may have been about to, so a database in which the
 * extension is created is all that is asked.
 *
 * The catalogs cannot be asked while an error is reported, and a session's first
 * statement can fail before any of our hooks runs.  So databases without the
 * extension are listed in shared memory, and one that is not listed counts as
 * one that has it.
 */
#include "base/compat.h"

#include "access/transam.h"
#include "access/xact.h"
#include "base/guc.h"
#include "enctype/enctype.h"
#include "enctype/redact_scope.h"
#include "enctype/typetree.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/inval.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

/* More databases than these are each looked at by each session. */
#define LIST_LENGTH 256

typedef enum Database
{
	DATABASE_UNKNOWN,
	DATABASE_WITHOUT,
	DATABASE_WITH,
} Database;

/* Databases without the extension, in no order; InvalidOid is a free place. */
typedef struct Without
{
	pg_atomic_uint32 databases[LIST_LENGTH];
} Without;

static Without *without = NULL;
static Database database = DATABASE_UNKNOWN;

/* Something was invalidated since the catalogs were looked at. */
static bool changed = false;

/* When the command began that touched something encrypted. */
static TimestampTz touched_at = 0;

/* And when the one that ran a plan. */
static TimestampTz ran_at = 0;

Size
gdpr_redact_scope_shmem_size(void)
{
	return MAXALIGN(sizeof(Without));
}

void
gdpr_redact_scope_shmem_startup(void)
{
	bool found;

	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	without = ShmemInitStruct("gdpr_ext databases without it", sizeof(Without),
							  &found);
	for (int i = 0; !found && i < LIST_LENGTH; i++)
		pg_atomic_init_u32(&without->databases[i], InvalidOid);
	LWLockRelease(AddinShmemInitLock);
}

/* The extension is created or dropped by making schema, functions and types. */
static void
forget_database(Datum arg, int cacheid, uint32 hashvalue)
{
	database = DATABASE_UNKNOWN;
	changed = true;
}

void
gdpr_redact_scope_init(void)
{
	CacheRegisterSyscacheCallback(NAMESPACEOID, forget_database, (Datum) 0);
	CacheRegisterSyscacheCallback(PROCOID, forget_database, (Datum) 0);
	CacheRegisterSyscacheCallback(TYPEOID, forget_database, (Datum) 0);
}

/* Takes no lock, for errors are reported under any. */
static bool
is_listed(void)
{
	for (int i = 0; without != NULL && i < LIST_LENGTH; i++)
	{
		if (pg_atomic_read_u32(&without->databases[i]) == MyDatabaseId)
			return true;
	}
	return false;
}

static void
list(void)
{
	if (without == NULL || is_listed())
		return;
	for (int i = 0; i < LIST_LENGTH; i++)
	{
		uint32 place = InvalidOid;

		if (pg_atomic_compare_exchange_u32(&without->databases[i], &place,
										   MyDatabaseId))
			return;
	}
}

/* Two sessions may have listed it at the same time. */
static void
unlist(void)
{
	for (int i = 0; without != NULL && i < LIST_LENGTH; i++)
	{
		uint32 place = MyDatabaseId;

		(void) pg_atomic_compare_exchange_u32(&without->databases[i], &place,
											  InvalidOid);
	}
}

static void
look_at_database(void)
{
	MemoryContext before = MemoryContextSwitchTo(CurTransactionContext);
	bool with;

	changed = false;
	with = OidIsValid(gdpr_enctype_text_oid());
	MemoryContextSwitchTo(before);
	if (with)
		unlist();
	/* Invalidations come while the catalogs are read, too. */
	if (changed)
		return;
	database = with ? DATABASE_WITH : DATABASE_WITHOUT;
	if (!with)
		list();
}

bool
gdpr_redact_scope_database(bool look)
{
	if (database == DATABASE_UNKNOWN && look && IsTransactionState())
		look_at_database();
	if (database == DATABASE_UNKNOWN)
		return !is_listed();
	return database == DATABASE_WITH;
}

bool
gdpr_redact_scope_touched(void)
{
	return touched_at == GetCurrentStatementStartTimestamp();
}

bool
gdpr_redact_scope_ran(void)
{
	return ran_at == GetCurrentStatementStartTimestamp();
}

void
gdpr_redact_scope_touch(void)
{
	touched_at = GetCurrentStatementStartTimestamp();
}

/* Is there something to find out? */
static bool
is_asked(void)
{
	return gdpr_guc_redact_log == GDPR_REDACT_LOG_ENCRYPTED &&
		   !gdpr_redact_scope_touched() && gdpr_redact_scope_database(true);
}

static bool
reads_encrypted(PlannedStmt *plan)
{
	ListCell *cell;

	foreach (cell, plan->relationOids)
	{
		if (gdpr_typetree_relation(lfirst_oid(cell)))
			return true;
	}
	return false;
}

static bool
takes_encrypted(ParamListInfo parameters)
{
	/* Variables of a function; what they go into is known by the plan. */
	if (parameters == NULL || parameters->paramFetch != NULL)
		return false;
	for (int i = 0; i < parameters->numParams; i++)
	{
		Oid typid = parameters->params[i].ptype;

		if (typid >= FirstNormalObjectId &&
			gdpr_typetree_look(typid, -1).encrypted)
			return true;
	}
	return false;
}

void
gdpr_redact_scope_plan(PlannedStmt *plan, ParamListInfo parameters)
{
	ran_at = GetCurrentStatementStartTimestamp();
	if (is_asked() && (reads_encrypted(plan) || takes_encrypted(parameters)))
		gdpr_redact_scope_touch();
}

/* What a utility statement does with its constants is not looked into. */
void
gdpr_redact_scope_utility(void)
{
	if (is_asked())
		gdpr_redact_scope_touch();
}
