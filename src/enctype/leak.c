/*
 * leak.c
 *	  Roads on which plaintext would leave beside a query's result.
 *
 * An output function does not know whether it prints for a client, for a dump,
 * for a plan or for an error's detail.  Here the callers that matter are known:
 *
 * COPY relation TO, which is what pg_dump runs, gives the stored form whoever
 * runs it.  EXPLAIN prints plans without plaintext; what it executes follows
 * the ordinary rule.  auto_explain prints its plan in ExecutorEnd, before or
 * after our hook there, so nothing is plain from the end of ExecutorFinish on.
 * Violated constraints print the row: their errors are raised again without
 * it, here for what a statement does and in the log hook for what is checked
 * at commit.  COPY FROM prints the line that it stands at.
 */
#include "base/compat.h"

#include "access/xact.h"
#include "base/sql.h"
#include "catalog/index.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "enctype/enctype.h"
#include "enctype/leak.h"
#include "enctype/typetree.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "parser/parse_type.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"

#define CLASS_CONSTRAINT   MAKE_SQLSTATE('2', '3', '0', '0', '0')
#define CLASS_CHECK_OPTION MAKE_SQLSTATE('4', '4', '0', '0', '0')

static GdprLeakState state = {.mode = GDPR_EMIT_NORMAL};

/* Did this transaction write a relation with encrypted columns? */
static bool wrote_encrypted = false;

static void
set_mode(GdprEmit mode)
{
	state.mode = mode;
	(void) gdpr_output_set_mode(mode);
}

static void
restore(const GdprLeakState *before)
{
	state = *before;
	(void) gdpr_output_set_mode(state.mode);
}

/*
 * An error between ExecutorFinish and ExecutorEnd leaves the window open; the
 * scopes, which are restored while the stack unwinds, are right already.
 */
static void
abandon_end(void)
{
	if (state.ending != NULL)
	{
		state.ending = NULL;
		set_mode(state.mode_before_end);
	}
}

static void
at_transaction_end(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT ||
		event == XACT_EVENT_PREPARE || event == XACT_EVENT_PARALLEL_ABORT)
	{
		abandon_end();
		wrote_encrypted = false;
		state.copying_in = false;
	}
}

static void
at_subtransaction_end(SubXactEvent event, SubTransactionId id,
					  SubTransactionId parent, void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		abandon_end();
}

void
gdpr_leak_init(void)
{
	RegisterXactCallback(at_transaction_end, NULL);
	RegisterSubXactCallback(at_subtransaction_end, NULL);
}

static void
open_scope(GdprLeakScope *scope, GdprLeakStrip strip)
{
	scope->before = state;
	scope->strip = strip;
	scope->relation = NULL;
	scope->context = CurrentMemoryContext;
}

void
gdpr_leak_close(GdprLeakScope *scope)
{
	restore(&scope->before);
}

static bool
writes_encrypted(PlannedStmt *statement)
{
	ListCell *cell;

	foreach (cell, statement->resultRelations)
	{
		RangeTblEntry *rte = list_nth(statement->rtable, lfirst_int(cell) - 1);

		if (gdpr_typetree_relation(rte->relid))
			return true;
	}
	return false;
}

bool
gdpr_leak_open_run(GdprLeakScope *scope, PlannedStmt *statement)
{
	bool writes = statement->resultRelations != NIL &&
				  writes_encrypted(statement);

	if (!writes && !state.explaining)
		return false;
	open_scope(scope, writes ? GDPR_STRIP_CONSTRAINT : GDPR_STRIP_NOTHING);
	if (writes)
		wrote_encrypted = true;
	if (state.explaining)
	{
		/* EXPLAIN ANALYZE runs the statement as if it were not explained. */
		state.explaining = false;
		set_mode(GDPR_EMIT_NORMAL);
	}
	return true;
}

/* Has the role what gdpr.grant_duty gives a role that backs up? */
static bool
has_backup_duty(Oid role)
{
	Oid keys = get_relname_relid("context_key", gdpr_sql_schema());

	return OidIsValid(keys) &&
		   pg_class_aclcheck(keys, role, ACL_SELECT) == ACLCHECK_OK;
}

/* Whoever could restore the dump gets it whole; others get no tags to compare. */
static GdprEmit
mode_of_dump(Oid relid)
{
	Oid role = GetUserId();

	if (gdpr_compat_owns_relation(relid, role) || has_backup_duty(role))
		return GDPR_EMIT_STORAGE_WITH_TAG;
	return GDPR_EMIT_NEVER_PLAIN;
}

static Oid
named_relation(RangeVar *name)
{
	return name == NULL ? InvalidOid : RangeVarGetRelid(name, NoLock, true);
}

static bool
open_copy(GdprLeakScope *scope, CopyStmt *copy)
{
	Oid relid = named_relation(copy->relation);

	/* COPY (query) is a query's result. */
	if (!gdpr_typetree_relation(relid))
		return false;
	if (copy->is_from)
	{
		open_scope(scope, GDPR_STRIP_COPY);
		scope->relation = get_rel_name(relid);
		wrote_encrypted = state.copying_in = true;
		return true;
	}
	open_scope(scope, GDPR_STRIP_NOTHING);
	set_mode(mode_of_dump(relid));
	return true;
}

static bool
open_explain(GdprLeakScope *scope)
{
	open_scope(scope, GDPR_STRIP_NOTHING);
	state.explaining = true;
	set_mode(GDPR_EMIT_NEVER_PLAIN);
	return true;
}

static bool
open_strip(GdprLeakScope *scope, bool needed, GdprLeakStrip strip)
{
	if (needed)
		open_scope(scope, strip);
	return needed;
}

/* REINDEX of one index or table; of a schema or database it may be any. */
static bool
reindexes_encrypted(ReindexStmt *reindex)
{
	Oid relid = named_relation(reindex->relation);
	char kind = OidIsValid(relid) ? get_rel_relkind(relid) : '\0';

	if (reindex->relation == NULL)
		return true;
	if (kind == RELKIND_INDEX || kind == RELKIND_PARTITIONED_INDEX)
		relid = IndexGetRelation(relid, true);
	return gdpr_typetree_relation(relid);
}

/* Does the command give a column a type with ours in it? */
static bool
brings_encrypted(AlterTableCmd *command)
{
	Oid typid;

	if (command->subtype != AT_AlterColumnType &&
		command->subtype != AT_AddColumn)
		return false;
	typid = LookupTypeNameOid(NULL, castNode(ColumnDef, command->def)->typeName,
							  true);
	return OidIsValid(typid) && gdpr_typetree_look(typid, -1).encrypted;
}

/* A column that becomes encrypted is one in its errors already. */
static bool
alters_encrypted(AlterTableStmt *alter)
{
	ListCell *cell;

	foreach (cell, alter->cmds)
	{
		if (brings_encrypted(lfirst_node(AlterTableCmd, cell)))
			return true;
	}
	return gdpr_typetree_relation(named_relation(alter->relation));
}

bool
gdpr_leak_open_utility(GdprLeakScope *scope, Node *statement)
{
	if (!OidIsValid(gdpr_enctype_text_oid()))
		return false;
	switch (nodeTag(statement))
	{
		case T_CopyStmt:
			return open_copy(scope, (CopyStmt *) statement);
		case T_ExplainStmt:
			return open_explain(scope);
		case T_IndexStmt:
			return open_strip(scope,
							  gdpr_typetree_relation(named_relation(
								  ((IndexStmt *) statement)->relation)),
							  GDPR_STRIP_CONSTRAINT);
		case T_AlterTableStmt:
			return open_strip(scope,
							  alters_encrypted((AlterTableStmt *) statement),
							  GDPR_STRIP_CONSTRAINT);
		case T_ReindexStmt:
			return open_strip(scope,
							  reindexes_encrypted((ReindexStmt *) statement),
							  GDPR_STRIP_CONSTRAINT);
		case T_ConstraintsSetStmt:
			return open_strip(scope, wrote_encrypted, GDPR_STRIP_CONSTRAINT);
		case T_RefreshMatViewStmt:
			/* Duplicate rows are printed under a class of their own. */
			return open_strip(
				scope,
				gdpr_typetree_relation(named_relation(
					((RefreshMatViewStmt *) statement)->relation)),
				GDPR_STRIP_DETAIL);
		default:
			return false;
	}
}

static bool
prints_row(int sqlerrcode)
{
	return ERRCODE_TO_CATEGORY(sqlerrcode) == CLASS_CONSTRAINT ||
		   ERRCODE_TO_CATEGORY(sqlerrcode) == CLASS_CHECK_OPTION;
}

/* Classes whose details name objects; a row's text may be in any other. */
static bool
names_objects(int sqlerrcode)
{
	switch (ERRCODE_TO_CATEGORY(sqlerrcode))
	{
		case ERRCODE_FEATURE_NOT_SUPPORTED:
		case ERRCODE_INVALID_TRANSACTION_STATE:
		case ERRCODE_SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION:
		case ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE:
		case MAKE_SQLSTATE('P', 'D', '0', '0', '0'):
			return true;
		default:
			return false;
	}
}

static bool
must_strip(GdprLeakStrip strip, int sqlerrcode)
{
	switch (strip)
	{
		case GDPR_STRIP_NOTHING:
			return false;
		case GDPR_STRIP_CONSTRAINT:
			return prints_row(sqlerrcode);
		default:
			return true;
	}
}

/*
 * "COPY relation, line N, column c: value" without what follows the number.
 * In another language than English nothing of it is kept.
 */
static char *
copy_line(const char *context, const char *relation)
{
	char *start = psprintf("COPY %s, line ", relation);
	size_t length = strlen(start);
	size_t digits;

	if (context == NULL || strncmp(context, start, length) != 0)
		return NULL;
	digits = strspn(context + length, "0123456789");
	return pnstrdup(context, length + digits);
}

static void
strip_error(ErrorData *edata)
{
	if (!names_objects(edata->sqlerrcode))
		edata->detail = edata->detail_log = NULL;
	edata->context = NULL;
	edata->hide_stmt = true;
}

void
gdpr_leak_fail(GdprLeakScope *scope)
{
	GdprLeakStrip strip = scope->strip;
	ErrorData *edata;
	char *line = NULL;

	gdpr_leak_close(scope);
	if (!must_strip(strip, geterrcode()))
		PG_RE_THROW();
	MemoryContextSwitchTo(scope->context);
	edata = CopyErrorData();
	FlushErrorState();
	if (strip == GDPR_STRIP_COPY && scope->relation != NULL)
		line = copy_line(edata->context, scope->relation);
	strip_error(edata);
	edata->context = line;
	ReThrowError(edata);
}

void
gdpr_leak_begin_end(QueryDesc *query)
{
	if (state.ending != NULL)
		return;
	state.mode_before_end = state.mode;
	state.ending = query;
	set_mode(GDPR_EMIT_NEVER_PLAIN);
}

void
gdpr_leak_finish_end(QueryDesc *query)
{
	if (state.ending == query)
		abandon_end();
}

QueryDesc *
gdpr_leak_ending(void)
{
	return state.ending;
}

/* Runs inside error reporting: looks at nothing but this backend's variables. */
void
gdpr_leak_report(ErrorData *edata)
{
	if (wrote_encrypted && edata->elevel >= ERROR &&
		prints_row(edata->sqlerrcode))
		strip_error(edata);
	else if (state.copying_in)
		edata->context = NULL;
}
