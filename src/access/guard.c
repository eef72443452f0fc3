/*
 * guard.c
 *	  Statements that would go round the rules: policies and row security of
 *	  relations under rules, grants on them, and settings of the session that
 *	  would outlive their transaction.
 */
#include "base/compat.h"

#include "access/compile.h"
#include "access/guard.h"
#include "access/rule.h"
#include "base/ident.h"
#include "base/session.h"
#include "base/sql.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "nodes/makefuncs.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

static bool changing = false;

bool
gdpr_access_set_changing(bool value)
{
	bool before = changing;

	changing = value;
	return before;
}

bool
gdpr_access_is_changing(void)
{
	return changing;
}

bool
gdpr_access_is_ready(void)
{
	Oid schema = gdpr_sql_schema();

	return !creating_extension && OidIsValid(schema) &&
		   !gdpr_session_is_restoring() &&
		   OidIsValid(get_relname_relid("access_original", schema));
}

/* ---- SET ---- */

/* Behind a pooler the next client would have what this one said. */
static void
guard_set(const VariableSetStmt *set)
{
	if (set->is_local || set->name == NULL ||
		(set->kind != VAR_SET_VALUE && set->kind != VAR_SET_CURRENT) ||
		!gdpr_session_is_setting(set->name))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("\"%s\" holds for a transaction and is not set for a session",
					set->name),
			 errhint("Use SET LOCAL or gdpr.begin_work in a transaction, or ALTER ROLE ... SET for a default.")));
}

/* ---- relations under rules ---- */

static void
refuse(Oid relid)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("access to relation %s is under rules", gdpr_ident_relation(relid)),
			 errhint("Use gdpr.allow and gdpr.deny, or gdpr.release to end the rules.")));
}

static void
guard_relation(const RangeVar *relation)
{
	Oid relid = relation == NULL ? InvalidOid
								 : RangeVarGetRelid(relation, NoLock, true);

	if (OidIsValid(relid) && OidIsValid(gdpr_access_covered(relid)))
		refuse(relid);
}

static void
guard_alter(const AlterTableStmt *alter)
{
	ListCell *lc;

	foreach (lc, alter->cmds)
	{
		switch (lfirst_node(AlterTableCmd, lc)->subtype)
		{
			case AT_DisableRowSecurity:
			case AT_NoForceRowSecurity:
			case AT_ChangeOwner:
				guard_relation(alter->relation);
				break;
			default:
				break;
		}
	}
}

static void
guard_drop(const DropStmt *drop)
{
	ListCell *lc;

	foreach (lc, drop->removeType == OBJECT_POLICY ? drop->objects : NIL)
	{
		List *name = list_delete_last(list_copy(castNode(List, lfirst(lc))));

		guard_relation(makeRangeVarFromNameList(name));
	}
}

static void
guard_schema(const char *schema)
{
	Oid types[] = {TEXTOID};
	Datum values[] = {CStringGetTextDatum(schema)};
	Oid relid = InvalidOid;
	GdprSqlScope scope;
	bool isnull;

	gdpr_sql_begin_own(&scope);
	if (gdpr_sql_run(
			"SELECT c.oid FROM gdpr.access_rule r JOIN pg_class c ON c.oid = r.relation "
			"JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 LIMIT 1",
			1, types, values, NULL, false, SPI_OK_SELECT) > 0)
		relid = DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[0],
											   SPI_tuptable->tupdesc, 1,
											   &isnull));
	gdpr_sql_end_own(&scope);
	if (OidIsValid(relid))
		refuse(relid);
}

/* Is anybody given something? */
static void
guard_grant(const GrantStmt *grant)
{
	ListCell *lc;

	if (!grant->is_grant || grant->objtype != OBJECT_TABLE)
		return;
	foreach (lc, grant->objects)
	{
		if (grant->targtype == ACL_TARGET_OBJECT)
			guard_relation(lfirst_node(RangeVar, lc));
		else if (grant->targtype == ACL_TARGET_ALL_IN_SCHEMA)
			guard_schema(strVal(lfirst(lc)));
	}
}

void
gdpr_access_guard_utility(Node *statement)
{
	if (IsA(statement, VariableSetStmt))
	{
		guard_set((VariableSetStmt *) statement);
		return;
	}
	if (changing || IsBinaryUpgrade || !gdpr_access_is_ready())
		return;
	switch (nodeTag(statement))
	{
		case T_CreatePolicyStmt:
			guard_relation(((CreatePolicyStmt *) statement)->table);
			break;
		case T_AlterPolicyStmt:
			guard_relation(((AlterPolicyStmt *) statement)->table);
			break;
		case T_AlterTableStmt:
			guard_alter((AlterTableStmt *) statement);
			break;
		case T_DropStmt:
			guard_drop((DropStmt *) statement);
			break;
		case T_GrantStmt:
			guard_grant((GrantStmt *) statement);
			break;
		default:
			break;
	}
}
