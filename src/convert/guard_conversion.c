/*
 * guard_conversion.c
 *	  Statements that would part a conversion from its trigger.
 *
 * A row that is written while the trigger is off keeps the converted value of
 * what it was: nothing would tell afterwards.  A partition that leaves would
 * leave its trigger behind.
 */
#include "base/compat.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "base/sql.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_trigger.h"
#include "convert/convert.h"
#include "enctype/guard.h"
#include "nodes/makefuncs.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"

static bool
runs_ours(Form_pg_trigger trigger)
{
	char *name;

	if (get_func_namespace(trigger->tgfoid) != gdpr_sql_schema())
		return false;
	name = get_func_name(trigger->tgfoid);
	return name != NULL && strcmp(name, "convert_row") == 0;
}

/* Of this name, or of any. */
static bool
has_trigger(Oid relid, const char *name)
{
	Relation catalog = table_open(TriggerRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;
	bool found = false;

	ScanKeyInit(&key, Anum_pg_trigger_tgrelid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relid));
	scan = systable_beginscan(catalog, TriggerRelidNameIndexId, true, NULL, 1,
							  &key);
	while (!found && HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_trigger trigger = (Form_pg_trigger) GETSTRUCT(tuple);

		found = (name == NULL || strcmp(NameStr(trigger->tgname), name) == 0) &&
				runs_ours(trigger);
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return found;
}

/* The statement would reach what is below the relation, too. */
static void
check_trigger(const RangeVar *relation, const char *name)
{
	Oid relid = RangeVarGetRelid(relation, NoLock, true);
	ListCell *lc;

	if (!OidIsValid(relid))
		return;
	foreach (lc, find_all_inheritors(relid, NoLock, NULL))
	{
		if (has_trigger(lfirst_oid(lc), name))
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_IN_USE),
					 errmsg("a column of relation \"%s\" is being converted, and its trigger for that stays",
							get_rel_name(lfirst_oid(lc))),
					 errhint("Use gdpr.cancel_conversion, or CALL gdpr.convert_column to finish.")));
	}
}

static void
check_alter(const AlterTableStmt *alter)
{
	ListCell *lc;

	foreach (lc, alter->cmds)
	{
		AlterTableCmd *command = lfirst_node(AlterTableCmd, lc);

		switch (command->subtype)
		{
			case AT_DisableTrigAll:
			case AT_DisableTrigUser:
			case AT_EnableTrigAll:
			case AT_EnableTrigUser:
				check_trigger(alter->relation, NULL);
				break;
			case AT_DisableTrig:
			case AT_EnableTrig:
			case AT_EnableReplicaTrig:
				check_trigger(alter->relation, command->name);
				break;
			case AT_DetachPartition:
				check_trigger(castNode(PartitionCmd, command->def)->name, NULL);
				break;
			default:
				break;
		}
	}
}

static void
check_drop(const DropStmt *drop)
{
	ListCell *lc;

	foreach (lc, drop->removeType == OBJECT_TRIGGER ? drop->objects : NIL)
	{
		List *name = list_copy(castNode(List, lfirst(lc)));
		char *trigger = strVal(llast(name));

		check_trigger(makeRangeVarFromNameList(list_delete_last(name)),
					  trigger);
	}
}

void
gdpr_guard_conversion(Node *statement)
{
	if (gdpr_guard_is_converting())
		return;
	if (IsA(statement, AlterTableStmt))
		check_alter((AlterTableStmt *) statement);
	else if (IsA(statement, DropStmt))
		check_drop((DropStmt *) statement);
	else if (IsA(statement, RenameStmt) &&
			 ((RenameStmt *) statement)->renameType == OBJECT_TRIGGER)
		check_trigger(((RenameStmt *) statement)->relation,
					  ((RenameStmt *) statement)->subname);
}
