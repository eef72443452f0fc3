/*
 * guard.c
 *	  Statements that would change the log, or go round it.
 *
 * UPDATE, DELETE and TRUNCATE of the log are refused by triggers on each of
 * its tables; DDL on them, and on the triggers of protected relations, by the
 * hooks.  A superuser who writes to the catalogs or to files, or loads code, is
 * stopped by nothing.
 */
#include "base/compat.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "audit/batch.h"
#include "audit/guard.h"
#include "audit/log.h"
#include "audit/partition.h"
#include "audit/relation.h"
#include "base/guc.h"
#include "base/ident.h"
#include "base/sql.h"
#include "base/trigger.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/indexing.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_trigger.h"
#include "commands/extension.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "parser/parse_func.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

GDPR_FUNCTION(gdpr_audit_guard);

static bool changing = false;

bool
gdpr_audit_set_changing(bool value)
{
	bool before = changing;

	changing = value;
	return before;
}

bool
gdpr_audit_is_changing(void)
{
	return changing;
}

bool
gdpr_audit_tables_are_there(void)
{
	Oid schema = gdpr_sql_schema();

	return !creating_extension && OidIsValid(schema) &&
		   OidIsValid(get_relname_relid("protected", schema)) &&
		   OidIsValid(get_relname_relid("audit_source", schema));
}

/* ---- the log ---- */

static void
refuse_log(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("the audit log cannot be changed"),
			 errhint("It is the evidence of who touched what, and is only added to.")));
}

/* BEFORE UPDATE OR DELETE OR TRUNCATE on each table of the log. */
Datum
gdpr_audit_guard(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("this function is a trigger of the audit log")));
	if (!changing)
		refuse_log();
	PG_RETURN_POINTER(NULL);
}

/* ---- protected relations ---- */

bool
gdpr_audit_has_trigger(Oid relid, const char *name)
{
	static const char *const ours[] = {"audit_row", "audit_truncate",
									   "seal_row", NULL};

	return gdpr_trigger_exists(relid, name, ours);
}

/* The relation, or one below it that the statement would reach too. */
static bool
has_trigger_below(Oid relid, const char *name)
{
	ListCell *lc;

	foreach (lc, find_all_inheritors(relid, NoLock, NULL))
	{
		if (gdpr_audit_has_trigger(lfirst_oid(lc), name))
			return true;
	}
	return false;
}

static void
refuse_trigger(Oid relid)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("writes of relation %s are recorded, and its triggers for that stay",
					gdpr_ident_relation(relid)),
			 errhint("Use gdpr.unprotect, which is recorded too.")));
}

/* Would the command leave one of our triggers other than always enabled? */
static bool
silences(const AlterTableCmd *command, Oid relid)
{
	switch (command->subtype)
	{
		case AT_DisableTrigAll:
		case AT_DisableTrigUser:
		case AT_EnableTrigAll:
		case AT_EnableTrigUser:
			return has_trigger_below(relid, NULL);
		case AT_DisableTrig:
		case AT_EnableTrig:
		case AT_EnableReplicaTrig:
			return has_trigger_below(relid, command->name);
		default:
			return false;
	}
}

/* What a restore says of the log's tables, and what takes nothing from it. */
static bool
is_harmless(const AlterTableCmd *command)
{
	static const AlterTableType harmless[] = {
		AT_AttachPartition, AT_EnableAlwaysTrig, AT_ReplicaIdentity,
		AT_ResetRelOptions, AT_SetRelOptions,	 AT_SetStatistics,
		AT_SetStorage,		AT_SetTableSpace,
	};

	if (command->subtype == AT_ChangeOwner)
		return superuser_arg(get_rolespec_oid(command->newowner, false));
	for (int i = 0; i < lengthof(harmless); i++)
	{
		if (harmless[i] == command->subtype)
			return true;
	}
	return false;
}

static void
guard_alter(const AlterTableStmt *alter)
{
	Oid relid = RangeVarGetRelid(alter->relation, NoLock, true);
	ListCell *lc;

	if (!OidIsValid(relid))
		return;
	foreach (lc, alter->cmds)
	{
		if (gdpr_audit_is_log(relid) &&
			!is_harmless(lfirst_node(AlterTableCmd, lc)))
			refuse_log();
		if (silences(lfirst_node(AlterTableCmd, lc), relid))
			refuse_trigger(relid);
	}
}

static void
guard_relation(const RangeVar *relation)
{
	Oid relid = relation == NULL ? InvalidOid
								 : RangeVarGetRelid(relation, NoLock, true);

	if (OidIsValid(relid) && gdpr_audit_is_log(relid))
		refuse_log();
}

static void
guard_trigger_name(const RangeVar *relation, const char *name)
{
	Oid relid;

	guard_relation(relation);
	relid = RangeVarGetRelid(relation, NoLock, true);
	if (OidIsValid(relid) && has_trigger_below(relid, name))
		refuse_trigger(relid);
}

/* DROP TRIGGER name ON relation: a list of the relation's names and its own. */
static void
guard_drop_statement(const DropStmt *drop)
{
	ListCell *lc;

	foreach (lc, drop->removeType == OBJECT_TRIGGER ? drop->objects : NIL)
	{
		List *name = list_copy(castNode(List, lfirst(lc)));
		char *trigger = strVal(llast(name));

		name = list_delete_last(name);
		guard_trigger_name(makeRangeVarFromNameList(name), trigger);
	}
}

/* DROP of the other extension would take the trigger with it. */
static void
guard_depends(const AlterObjectDependsStmt *depends)
{
	if (depends->objectType == OBJECT_TRIGGER)
		guard_trigger_name(depends->relation,
						   strVal(llast(castNode(List, depends->object))));
}

/* Ours, not somebody's function of that name. */
static bool
is_guard(List *name)
{
	Oid function = LookupFuncName(name, 0, NULL, true);

	return OidIsValid(function) &&
		   get_func_namespace(function) == gdpr_sql_schema() &&
		   strcmp(strVal(llast(name)), "audit_guard") == 0;
}

/* What sees a row after its values were sealed could put others in their place. */
static void
guard_later_trigger(const RangeVar *relation, const char *name)
{
	Oid relid = RangeVarGetRelid(relation, NoLock, true);

	if (OidIsValid(relid) && strcmp(name, GDPR_AUDIT_SEAL_TRIGGER) > 0 &&
		has_trigger_below(relid, GDPR_AUDIT_SEAL_TRIGGER))
		ereport(ERROR,
				(errcode(ERRCODE_RESERVED_NAME),
				 errmsg("a trigger of this name would see rows of relation %s after their values were sealed",
						gdpr_ident_relation(relid)),
				 errhint("Choose a name that sorts before \"%s\".", GDPR_AUDIT_SEAL_TRIGGER)));
}

static bool
runs_before_row(const CreateTrigStmt *create)
{
	return create->row && (create->timing & TRIGGER_TYPE_BEFORE) != 0;
}

/* A restore makes the guards of partitions; others could hold an erasure up. */
static void
guard_new_trigger(const CreateTrigStmt *create)
{
	if (!is_guard(create->funcname))
		guard_relation(create->relation);
	if (create->replace)
		guard_trigger_name(create->relation, create->trigname);
	if (runs_before_row(create))
		guard_later_trigger(create->relation, create->trigname);
}

static void
guard_renamed_trigger(const RenameStmt *rename)
{
	guard_trigger_name(rename->relation, rename->subname);
	guard_later_trigger(rename->relation, rename->newname);
}

/* Nothing but our partitions is a part of the log. */
static void
guard_parents(const CreateStmt *create)
{
	ListCell *lc;

	foreach (lc, create->inhRelations)
		guard_relation(lfirst_node(RangeVar, lc));
}

static void
guard_event_trigger(const AlterEventTrigStmt *alter)
{
	if (strncmp(alter->trigname, "gdpr_audit_", strlen("gdpr_audit_")) == 0 &&
		alter->tgenabled != TRIGGER_FIRES_ALWAYS)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("event trigger \"%s\" is always enabled", alter->trigname)));
}

/* Before anything is looked up: BEGIN and COMMIT come this way, too. */
static bool
is_watched(NodeTag tag)
{
	static const NodeTag watched[] = {
		T_AlterEventTrigStmt,
		T_AlterExtensionContentsStmt,
		T_AlterFunctionStmt,
		T_AlterObjectDependsStmt,
		T_AlterObjectSchemaStmt,
		T_AlterOwnerStmt,
		T_AlterTableStmt,
		T_CreateFunctionStmt,
		T_CreateStmt,
		T_CreateTrigStmt,
		T_DropStmt,
		T_RenameStmt,
		T_RuleStmt,
		T_ViewStmt,
	};

	for (int i = 0; i < lengthof(watched); i++)
	{
		if (watched[i] == tag)
			return true;
	}
	return false;
}

void
gdpr_audit_guard_utility(Node *statement)
{
	if (!is_watched(nodeTag(statement)) || changing || IsBinaryUpgrade ||
		gdpr_audit_is_maintaining() || !gdpr_audit_tables_are_there())
		return;
	gdpr_audit_guard_member(statement);
	switch (nodeTag(statement))
	{
		case T_AlterTableStmt:
			guard_alter((AlterTableStmt *) statement);
			break;
		case T_CreateTrigStmt:
			guard_new_trigger((CreateTrigStmt *) statement);
			break;
		case T_CreateStmt:
			guard_parents((CreateStmt *) statement);
			break;
		case T_AlterObjectSchemaStmt:
			guard_relation(((AlterObjectSchemaStmt *) statement)->relation);
			break;
		case T_AlterEventTrigStmt:
			guard_event_trigger((AlterEventTrigStmt *) statement);
			break;
		case T_AlterObjectDependsStmt:
			guard_depends((AlterObjectDependsStmt *) statement);
			break;
		case T_RuleStmt:
			guard_relation(((RuleStmt *) statement)->relation);
			break;
		case T_DropStmt:
			guard_drop_statement((DropStmt *) statement);
			break;
		case T_RenameStmt:
			if (((RenameStmt *) statement)->renameType == OBJECT_TRIGGER)
				guard_renamed_trigger((RenameStmt *) statement);
			else
				guard_relation(((RenameStmt *) statement)->relation);
			break;
		default:
			break;
	}
}

/* ---- drops ---- */

static bool
holds_records(Oid relid)
{
	GdprSqlScope scope;
	bool result;

	gdpr_sql_begin_own(&scope);
	result = gdpr_sql_run(psprintf("SELECT 1 FROM ONLY %s LIMIT 1",
								   gdpr_ident_relation(relid)),
						  0, NULL, NULL, NULL, true, SPI_OK_SELECT) > 0;
	gdpr_sql_end_own(&scope);
	return result;
}

static bool
is_said_to_be_protected(Oid relid)
{
	Oid types[] = {OIDOID};
	Datum values[] = {ObjectIdGetDatum(relid)};
	GdprSqlScope scope;
	bool result;

	gdpr_sql_begin_own(&scope);
	result = gdpr_sql_run("SELECT 1 FROM gdpr.protected WHERE relation = $1", 1,
						  types, values, NULL, true, SPI_OK_SELECT) > 0;
	gdpr_sql_end_own(&scope);
	return result;
}

static void
note_drop(Oid relid)
{
	GdprAuditRecord record = {0};

	record.relation = gdpr_ident_relation(relid);
	record.operation = "drop";
	gdpr_audit_write(&record);
}

void
gdpr_audit_guard_drop(Oid class, Oid object, int column)
{
	char relkind;

	if (class != RelationRelationId || column != 0 || changing ||
		IsBinaryUpgrade || !ActiveSnapshotSet() ||
		!gdpr_audit_tables_are_there())
		return;
	relkind = get_rel_relkind(object);
	if (relkind != RELKIND_RELATION && relkind != RELKIND_PARTITIONED_TABLE)
		return;
	if (gdpr_audit_is_log(object))
	{
		if (!gdpr_guc_allow_drop && relkind == RELKIND_RELATION &&
			holds_records(object))
			ereport(ERROR,
					(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
					 errmsg("table \"%s\" holds audit records and cannot be dropped",
							get_rel_name(object)),
					 errhint("Set gdpr.allow_drop to let them go with the extension.")));
	}
	else if (get_rel_namespace(object) != gdpr_sql_schema() &&
			 is_said_to_be_protected(object))
		note_drop(object);
}
