/*
 * guard.c
 *	  Statements that would change the log, or go round it.
 *
 * UPDATE, DELETE and TRUNCATE of the log are refused by triggers on each of
 * its tables; DDL on them, and on the triggers of protected relations, by the
 * hooks.  A superuser who changes files or loads code is stopped by nothing.
 */
#include "base/compat.h"

#include "audit/guard.h"
#include "audit/log.h"
#include "audit/partition.h"
#include "audit/relation.h"
#include "base/guc.h"
#include "base/ident.h"
#include "base/sql.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "commands/extension.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"
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

static bool
is_our_trigger(const char *name)
{
	return name != NULL && (strcmp(name, GDPR_AUDIT_ROW_TRIGGER) == 0 ||
							strcmp(name, GDPR_AUDIT_TRUNCATE_TRIGGER) == 0);
}

/* The relation, or one below it that the statement would reach too. */
static bool
has_our_trigger(Oid relid)
{
	ListCell *lc;

	foreach (lc, find_all_inheritors(relid, NoLock, NULL))
	{
		if (OidIsValid(
				get_trigger_oid(lfirst_oid(lc), GDPR_AUDIT_ROW_TRIGGER, true)))
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

static bool
silences(const AlterTableCmd *command)
{
	switch (command->subtype)
	{
		case AT_DisableTrigAll:
		case AT_DisableTrigUser:
		case AT_EnableTrigAll:
		case AT_EnableTrigUser:
			return true;
		case AT_DisableTrig:
		case AT_EnableTrig:
		case AT_EnableReplicaTrig:
			return is_our_trigger(command->name);
		default:
			return false;
	}
}

/* What a restore says of the log's tables, and takes nothing from it. */
static bool
adds_only(const AlterTableCmd *command)
{
	return command->subtype == AT_AttachPartition ||
		   command->subtype == AT_EnableAlwaysTrig;
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
			!adds_only(lfirst_node(AlterTableCmd, lc)))
			refuse_log();
		if (silences(lfirst_node(AlterTableCmd, lc)) && has_our_trigger(relid))
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
	if (!is_our_trigger(name))
		return;
	relid = RangeVarGetRelid(relation, NoLock, true);
	if (OidIsValid(relid) && has_our_trigger(relid))
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

void
gdpr_audit_guard_utility(Node *statement)
{
	if (changing || IsBinaryUpgrade || gdpr_audit_is_maintaining() ||
		!gdpr_audit_tables_are_there())
		return;
	switch (nodeTag(statement))
	{
		case T_AlterTableStmt:
			guard_alter((AlterTableStmt *) statement);
			break;
		case T_CreateTrigStmt:
			if (((CreateTrigStmt *) statement)->replace)
				guard_trigger_name(((CreateTrigStmt *) statement)->relation,
								   ((CreateTrigStmt *) statement)->trigname);
			break;
		case T_RuleStmt:
			guard_relation(((RuleStmt *) statement)->relation);
			break;
		case T_DropStmt:
			guard_drop_statement((DropStmt *) statement);
			break;
		case T_RenameStmt:
			if (((RenameStmt *) statement)->renameType == OBJECT_TRIGGER)
				guard_trigger_name(((RenameStmt *) statement)->relation,
								   ((RenameStmt *) statement)->subname);
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
gdpr_audit_guard_drop(ObjectAccessType access, Oid class, Oid object,
					  int column)
{
	char relkind;

	if (access != OAT_DROP || class != RelationRelationId || column != 0 ||
		changing || IsBinaryUpgrade || !ActiveSnapshotSet() ||
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
