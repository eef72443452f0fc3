/*
 * hooks.c
 *	  Entry points of the server's hooks: save, dispatch by table, chain.
 *
 * The only file in which a server's hook variable is assigned.  What a hook
 * does is decided below, in the folder that it is about; here is only the
 * order of the calls and the restoring of what they changed.
 */
#include "base/compat.h"

#include "access/guard.h"
#include "access/xact.h"
#include "audit/batch.h"
#include "audit/guard.h"
#include "base/rows.h"
#include "base/session.h"
#include "catalog/objectaccess.h"
#include "convert/convert.h"
#include "crypto/keyring.h"
#include "enctype/guard.h"
#include "enctype/hint.h"
#include "enctype/keep.h"
#include "enctype/leak.h"
#include "enctype/redact_log.h"
#include "enctype/redact_scope.h"
#include "enctype/rewrite.h"
#include "executor/executor.h"
#include "hooks.h"
#include "miscadmin.h"
#include "optimizer/plancat.h"
#include "optimizer/planner.h"
#include "storage/ipc.h"
#include "storage/shmem.h"
#include "tcop/utility.h"
#include "worker/worker.h"

/* Who keeps something in shared memory; filled in this order. */
typedef struct SharedPart
{
	Size (*size)(void);
	void (*startup)(void);
} SharedPart;

/* Who looks at a utility statement before it runs, and may refuse it. */
typedef void (*UtilityGuard)(Node *statement);

/* Who looks at an object before it is dropped, and may refuse it. */
typedef void (*DropGuard)(Oid class, Oid object, int column);

typedef void (*HookFunction)(void);

/* A hook variable of the server, our function for it, and who was there. */
typedef struct Hook
{
	HookFunction *variable;
	HookFunction ours;
	HookFunction *previous;
	bool only_preloaded; /* useless once the server runs */
} Hook;

static const SharedPart shared_parts[] = {
	{gdpr_keyring_shmem_size, gdpr_keyring_shmem_startup},
	{gdpr_worker_shmem_size, gdpr_worker_shmem_startup},
	{gdpr_redact_scope_shmem_size, gdpr_redact_scope_shmem_startup},
};

static const UtilityGuard utility_guards[] = {
	gdpr_guard_utility,		   gdpr_guard_conversion,
	gdpr_access_guard_utility, gdpr_audit_guard_utility,
	gdpr_worker_guard_utility,
};

static const DropGuard drop_guards[] = {
	gdpr_guard_drop,
	gdpr_audit_guard_drop,
	gdpr_worker_guard_drop,
};

static shmem_request_hook_type previous_shmem_request = NULL;
static shmem_startup_hook_type previous_shmem_startup = NULL;
static planner_hook_type previous_planner = NULL;
static get_relation_info_hook_type previous_relation_info = NULL;
static ExecutorStart_hook_type previous_executor_start = NULL;
static ExecutorRun_hook_type previous_executor_run = NULL;
static ExecutorFinish_hook_type previous_executor_finish = NULL;
static ExecutorEnd_hook_type previous_executor_end = NULL;
static ProcessUtility_hook_type previous_process_utility = NULL;
static object_access_hook_type previous_object_access = NULL;
static emit_log_hook_type previous_emit_log = NULL;

static void
shmem_request(void)
{
	if (previous_shmem_request)
		previous_shmem_request();
	for (int i = 0; i < lengthof(shared_parts); i++)
		RequestAddinShmemSpace(shared_parts[i].size());
}

static void
shmem_startup(void)
{
	if (previous_shmem_startup)
		previous_shmem_startup();
	for (int i = 0; i < lengthof(shared_parts); i++)
		shared_parts[i].startup();
}

static PlannedStmt *
plan(Query *query, const char *text, int options, ParamListInfo parameters)
{
	gdpr_rows_check(query);
	gdpr_rewrite_query(query);
	gdpr_keep_query(query);
	return (previous_planner ? previous_planner : standard_planner)(query, text,
																	options,
																	parameters);
}

static void
relation_info(PlannerInfo *root, Oid relid, bool is_parent,
			  RelOptInfo *relation)
{
	if (previous_relation_info)
		previous_relation_info(root, relid, is_parent, relation);
	gdpr_rewrite_level(root, relid);
}

static void
executor_start(QueryDesc *query, int eflags)
{
	gdpr_session_sweep();
	(previous_executor_start ? previous_executor_start
							 : standard_ExecutorStart)(query, eflags);
}

static void
chain_run(GDPR_RUN_PARAMETERS)
{
	(previous_executor_run ? previous_executor_run
						   : standard_ExecutorRun)(GDPR_RUN_ARGUMENTS);
}

static void
executor_run(GDPR_RUN_PARAMETERS)
{
	GdprLeakScope scope;

	gdpr_redact_scope_plan(query->plannedstmt, query->params);
	if (!gdpr_leak_open_run(&scope, query->plannedstmt))
	{
		chain_run(GDPR_RUN_ARGUMENTS);
		return;
	}
	PG_TRY();
	{
		chain_run(GDPR_RUN_ARGUMENTS);
	}
	PG_CATCH();
	{
		gdpr_leak_fail(&scope);
	}
	PG_END_TRY();
	gdpr_leak_close(&scope);
}

static void
chain_finish(QueryDesc *query)
{
	(previous_executor_finish ? previous_executor_finish
							  : standard_ExecutorFinish)(query);
}

/* AFTER triggers run here. */
static void
executor_finish(QueryDesc *query)
{
	GdprLeakScope scope;

	gdpr_audit_begin();
	if (!gdpr_leak_open_run(&scope, query->plannedstmt))
		chain_finish(query);
	else
	{
		PG_TRY();
		{
			chain_finish(query);
		}
		PG_CATCH();
		{
			gdpr_leak_fail(&scope);
		}
		PG_END_TRY();
		gdpr_leak_close(&scope);
	}
	gdpr_audit_end();
	gdpr_leak_begin_end(query);
}

/* auto_explain prints its plan here, before us or in the chain. */
static void
executor_end(QueryDesc *query)
{
	(previous_executor_end ? previous_executor_end
						   : standard_ExecutorEnd)(query);
	gdpr_leak_finish_end(query);
}

static void
call_utility(PlannedStmt *statement, const char *text, bool read_only,
			 ProcessUtilityContext context, ParamListInfo parameters,
			 QueryEnvironment *environment, DestReceiver *receiver,
			 QueryCompletion *completion)
{
	(previous_process_utility
		 ? previous_process_utility
		 : standard_ProcessUtility)(statement, text, read_only, context,
									parameters, environment, receiver,
									completion);
}

/* COPY fires AFTER triggers itself. */
static void
chain_utility(PlannedStmt *statement, const char *text, bool read_only,
			  ProcessUtilityContext context, ParamListInfo parameters,
			  QueryEnvironment *environment, DestReceiver *receiver,
			  QueryCompletion *completion)
{
	bool gathers = IsA(statement->utilityStmt, CopyStmt);

	if (gathers)
		gdpr_audit_begin();
	call_utility(statement, text, read_only, context, parameters, environment,
				 receiver, completion);
	if (gathers)
		gdpr_audit_end();
}

/*
 * They come with every statement of some applications, and carry nothing that
 * anybody looks at: an EXECUTE's query comes by the other hooks.
 */
static bool
is_frequent(Node *statement)
{
	switch (nodeTag(statement))
	{
		case T_ExecuteStmt:
		case T_TransactionStmt:
		case T_FetchStmt:
		case T_ClosePortalStmt:
		case T_DeallocateStmt:
			return true;
		default:
			return false;
	}
}

static void
process_utility(PlannedStmt *statement, const char *text, bool read_only,
				ProcessUtilityContext context, ParamListInfo parameters,
				QueryEnvironment *environment, DestReceiver *receiver,
				QueryCompletion *completion)
{
	/* In an aborted transaction no catalog may be looked at. */
	bool looked_at = IsTransactionState() &&
					 !is_frequent(statement->utilityStmt);
	GdprLeakScope scope;

	if (looked_at)
		gdpr_redact_scope_utility();
	for (int i = 0; looked_at && i < lengthof(utility_guards); i++)
		utility_guards[i](statement->utilityStmt);
	if (!looked_at || !gdpr_leak_open_utility(&scope, statement->utilityStmt))
	{
		chain_utility(statement, text, read_only, context, parameters,
					  environment, receiver, completion);
		return;
	}
	PG_TRY();
	{
		chain_utility(statement, text, read_only, context, parameters,
					  environment, receiver, completion);
	}
	PG_CATCH();
	{
		gdpr_leak_fail(&scope);
	}
	PG_END_TRY();
	gdpr_leak_close(&scope);
}

static void
object_access(ObjectAccessType access, Oid class, Oid object, int column,
			  void *arg)
{
	if (previous_object_access)
		previous_object_access(access, class, object, column, arg);
	/* Most calls are about schemas that a name is looked for in. */
	for (int i = 0; access == OAT_DROP && i < lengthof(drop_guards); i++)
		drop_guards[i](class, object, column);
}

static void
emit_log(ErrorData *edata)
{
	gdpr_leak_report(edata);
	gdpr_hint_report(edata);
	/* What goes to the log in its place has been to who was there before. */
	if (gdpr_redact_log(edata))
		return;
	if (previous_emit_log)
		previous_emit_log(edata);
}

#define HOOK(variable, ours, previous, only_preloaded)   \
	{                                                    \
		(HookFunction *) &variable, (HookFunction) ours, \
			(HookFunction *) &previous, only_preloaded   \
	}

static const Hook hooks[] = {
	HOOK(shmem_request_hook, shmem_request, previous_shmem_request, true),
	HOOK(shmem_startup_hook, shmem_startup, previous_shmem_startup, true),
	HOOK(planner_hook, plan, previous_planner, false),
	HOOK(get_relation_info_hook, relation_info, previous_relation_info, false),
	HOOK(ExecutorStart_hook, executor_start, previous_executor_start, false),
	HOOK(ExecutorRun_hook, executor_run, previous_executor_run, false),
	HOOK(ExecutorFinish_hook, executor_finish, previous_executor_finish, false),
	HOOK(ExecutorEnd_hook, executor_end, previous_executor_end, false),
	HOOK(ProcessUtility_hook, process_utility, previous_process_utility, false),
	HOOK(object_access_hook, object_access, previous_object_access, false),
	HOOK(emit_log_hook, emit_log, previous_emit_log, false),
};

void
gdpr_hooks_init(void)
{
	for (int i = 0; i < lengthof(hooks); i++)
	{
		/* Shared memory can be asked for only while the server starts. */
		if (hooks[i].only_preloaded &&
			!process_shared_preload_libraries_in_progress)
			continue;
		*hooks[i].previous = *hooks[i].variable;
		*hooks[i].variable = hooks[i].ours;
	}
}
