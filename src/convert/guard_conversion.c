/*
 * guard_conversion.c
 *	  Statements that would part a conversion from its trigger.
 *
 * A row that is written while the trigger is off keeps the converted value of
 * what it was: nothing would tell afterwards.  A partition that leaves would
 * leave its trigger behind.
 */
#include "base/compat.h"

#include "base/trigger.h"
#include "catalog/namespace.h"
#include "catalog/pg_inherits.h"
#include "convert/convert.h"
#include "enctype/guard.h"
#include "nodes/makefuncs.h"
#include "utils/lsyscache.h"

static const char *const ours[] = {"convert_row", NULL};

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
		if (gdpr_trigger_exists(lfirst_oid(lc), name, ours))
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
