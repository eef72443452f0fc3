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
#include "utils/acl.h"
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

/*
 * A relation is read through whatever it is a part of, and by that one's
 * policies alone.  What left its whole may come back to it.
 */
static void
guard_joining(const RangeVar *part, const RangeVar *whole)
{
	Oid part_relid = RangeVarGetRelid(part, NoLock, true);
	Oid whole_relid = RangeVarGetRelid(whole, NoLock, true);
	Oid covered;

	if (!OidIsValid(part_relid) || !OidIsValid(whole_relid))
		return;
	covered = gdpr_access_covered(part_relid);
	if (OidIsValid(covered) && covered != gdpr_access_covered(whole_relid))
		refuse(part_relid);
}

static void
guard_alter(Node *statement)
{
	const AlterTableStmt *alter = castNode(AlterTableStmt, statement);
	ListCell *lc;

	foreach (lc, alter->cmds)
	{
		AlterTableCmd *cmd = lfirst_node(AlterTableCmd, lc);

		switch (cmd->subtype)
		{
			case AT_DisableRowSecurity:
			case AT_NoForceRowSecurity:
			case AT_ChangeOwner:
				guard_relation(alter->relation);
				break;
			case AT_AddInherit:
				guard_joining(alter->relation, (RangeVar *) cmd->def);
				break;
			case AT_AttachPartition:
				guard_joining(castNode(PartitionCmd, cmd->def)->name,
							  alter->relation);
				break;
			default:
				break;
		}
	}
}

static void
guard_drop(Node *statement)
{
	const DropStmt *drop = castNode(DropStmt, statement);
	ListCell *lc;

	foreach (lc, drop->removeType == OBJECT_POLICY ? drop->objects : NIL)
	{
		List *name = list_delete_last(list_copy(castNode(List, lfirst(lc))));

		guard_relation(makeRangeVarFromNameList(name));
	}
}

/* One that a query with one argument of type text finds, InvalidOid. */
static Oid
find_relation(const char *sql, const char *argument)
{
	Oid types[] = {TEXTOID};
	Datum values[] = {CStringGetTextDatum(argument)};
	Oid relid = InvalidOid;
	GdprSqlScope scope;
	bool isnull;

	gdpr_sql_begin_own(&scope);
	if (gdpr_sql_run(sql, 1, types, values, NULL, false, SPI_OK_SELECT) > 0)
		relid = DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[0],
											   SPI_tuptable->tupdesc, 1,
											   &isnull));
	gdpr_sql_end_own(&scope);
	return relid;
}

#define COVERED \
	"(SELECT relation FROM gdpr.access_rule UNION SELECT part FROM gdpr.access_original)"

static void
guard_schema(const char *schema)
{
	Oid relid = find_relation(
		"SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
		"WHERE n.nspname = $1 AND c.oid IN " COVERED " LIMIT 1",
		schema);

	if (OidIsValid(relid))
		refuse(relid);
}

/* Grants are remembered by their owner's name. */
static void
guard_reassign(Node *statement)
{
	const ReassignOwnedStmt *reassign = castNode(ReassignOwnedStmt, statement);
	ListCell *lc;

	foreach (lc, reassign->roles)
	{
		Oid role = get_rolespec_oid(lfirst_node(RoleSpec, lc), true);
		Oid relid = InvalidOid;

		if (OidIsValid(role))
			relid = find_relation(
				"SELECT c.oid FROM pg_class c WHERE c.relowner = $1::oid AND c.oid IN " COVERED
				" LIMIT 1",
				psprintf("%u", role));
		if (OidIsValid(relid))
			refuse(relid);
	}
}

/*
 * Rules, purposes and what is remembered of grants name roles: a renamed role
 * would leave its rules to the next of its old name.  Of this database alone;
 * others cannot be looked into.
 */
static void
guard_role(const char *role)
{
	Oid relid = find_relation(
		"SELECT r.relation::oid FROM gdpr.access_rule r WHERE r.role = $1 "
		"UNION ALL SELECT o.part::oid FROM gdpr.access_original o, unnest(o.acl) i "
		"WHERE i ^@ (quote_ident($1) || '=') OR right(i, length(quote_ident($1)) + 1) = '/' || quote_ident($1) "
		"UNION ALL SELECT 'gdpr.purpose_grant'::regclass::oid FROM gdpr.purpose_grant p WHERE p.role = $1 "
		"LIMIT 1",
		role);

	if (OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("role \"%s\" is named by access rules or purposes", role),
				 errdetail("Relation %s is one of those.", gdpr_ident_relation(relid)),
				 errhint("Use gdpr.release and gdpr.revoke_purpose before, and decide again after.")));
}

static void
guard_rename(Node *statement)
{
	const RenameStmt *rename = castNode(RenameStmt, statement);
	if (rename->renameType == OBJECT_POLICY)
		guard_relation(rename->relation);
	else if (rename->renameType == OBJECT_ROLE)
		guard_role(rename->subname);
}

/* Is anybody given something? */
static void
guard_grant(Node *statement)
{
	const GrantStmt *grant = castNode(GrantStmt, statement);
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

static void
guard_create_policy(Node *statement)
{
	guard_relation(castNode(CreatePolicyStmt, statement)->table);
}

static void
guard_alter_policy(Node *statement)
{
	guard_relation(castNode(AlterPolicyStmt, statement)->table);
}

static const struct
{
	NodeTag tag;
	void (*guard)(Node *statement);
} guards[] = {
	{T_AlterPolicyStmt, guard_alter_policy},
	{T_AlterTableStmt, guard_alter},
	{T_CreatePolicyStmt, guard_create_policy},
	{T_DropStmt, guard_drop},
	{T_GrantStmt, guard_grant},
	{T_ReassignOwnedStmt, guard_reassign},
	{T_RenameStmt, guard_rename},
};

void
gdpr_access_guard_utility(Node *statement)
{
	if (IsA(statement, VariableSetStmt))
	{
		guard_set((VariableSetStmt *) statement);
		return;
	}
	for (int i = 0; i < lengthof(guards); i++)
	{
		if (guards[i].tag == nodeTag(statement) && !changing &&
			!IsBinaryUpgrade && gdpr_access_is_ready() &&
			!gdpr_session_is_restoring())
			guards[i].guard(statement);
	}
}
