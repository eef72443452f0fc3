/*
 * rows.c
 *	  Row security that hides rows, and row security that does not.
 *
 * Export and erasure must see every row or say that they do not.  row_security
 * = off says so even where a policy shows all rows to the caller, who would
 * then need BYPASSRLS for what he may do anyway.  So each statement of ours is
 * looked at when it is planned: its relations are locked by then, and whatever
 * changes their policies has it planned again.
 */
#include "base/compat.h"

#include "access/table.h"
#include "access/xact.h"
#include "base/ident.h"
#include "base/rows.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "parser/parse_relation.h"
#include "parser/parsetree.h"
#include "rewrite/rowsecurity.h"
#include "utils/acl.h"
#include "utils/rel.h"
#include "utils/rls.h"

/* Of each open scope, how deeply transactions were nested. */
#define DEEPEST 64
static int open_levels[DEEPEST];
static int open_count = 0;

/* ---- policies ---- */

static const struct
{
	AclMode privilege;
	char command;
} commands[] = {
	{ACL_SELECT, ACL_SELECT_CHR},
	{ACL_UPDATE, ACL_UPDATE_CHR},
	{ACL_DELETE, ACL_DELETE_CHR},
};

static bool
is_for_user(ArrayType *roles, Oid user)
{
	Oid *oids = (Oid *) ARR_DATA_PTR(roles);

	for (int i = 0; i < ARR_DIMS(roles)[0]; i++)
	{
		if (oids[i] == ACL_ID_PUBLIC || has_privs_of_role(user, oids[i]))
			return true;
	}
	return false;
}

static bool
is_true(const Expr *condition)
{
	const Const *constant = (const Const *) condition;

	return condition != NULL && IsA(condition, Const) &&
		   constant->consttype == BOOLOID && !constant->constisnull &&
		   DatumGetBool(constant->constvalue);
}

/* One permissive "true" is enough, where nothing restricts it. */
static bool
shows_all(Relation relation, Oid user, char command)
{
	bool result = false;
	ListCell *lc;

	foreach (lc,
			 relation->rd_rsdesc == NULL ? NIL : relation->rd_rsdesc->policies)
	{
		RowSecurityPolicy *policy = lfirst(lc);

		if (!policy->permissive)
			return false;
		if ((policy->polcmd == '*' || policy->polcmd == command) &&
			is_true(policy->qual) && is_for_user(policy->roles, user))
			result = true;
	}
	return result;
}

static bool
hides(Oid relid, Oid user, AclMode privileges)
{
	Relation relation;
	bool result = false;

	if (check_enable_rls(relid, user, true) != RLS_ENABLED)
		return false;
	/* Hooks may add policies of which we know nothing. */
	if (row_security_policy_hook_permissive != NULL ||
		row_security_policy_hook_restrictive != NULL)
		return true;
	if (!OidIsValid(user))
		user = GetUserId();
	relation = table_open(relid, AccessShareLock);
	for (int i = 0; i < lengthof(commands); i++)
	{
		if ((privileges & commands[i].privilege) &&
			!shows_all(relation, user, commands[i].command))
			result = true;
	}
	table_close(relation, NoLock);
	return result;
}

bool
gdpr_rows_hidden(Oid relid, AclMode privileges)
{
	return hides(relid, InvalidOid, privileges);
}

/* ---- statements ---- */

static AclMode
commands_of(const Query *query, int index)
{
	AclMode result = ACL_SELECT;

	if (index == query->resultRelation)
		result |= query->commandType == CMD_DELETE ? ACL_DELETE : ACL_UPDATE;
	else if (get_parse_rowmark((Query *) query, index) != NULL)
		result |= ACL_UPDATE;
	return result;
}

static bool
check_query(Node *node, void *context)
{
	Query *query = (Query *) node;
	int index = 0;
	ListCell *lc;

	if (node == NULL)
		return false;
	if (!IsA(node, Query))
		return expression_tree_walker(node, check_query, context);
	foreach (lc, query->rtable)
	{
		RangeTblEntry *rte = lfirst(lc);

		index++;
		if (rte->rtekind != RTE_RELATION ||
			(index == query->resultRelation &&
			 query->commandType == CMD_INSERT) ||
			!hides(rte->relid, gdpr_compat_check_as_user(query, rte),
				   commands_of(query, index)))
			continue;
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("row security would hide rows of relation %s",
						gdpr_ident_relation(rte->relid))));
	}
	return query_tree_walker(query, check_query, context, 0);
}

void
gdpr_rows_check(const Query *query)
{
	if (open_count > 0)
		(void) check_query((Node *) query, NULL);
}

/* ---- scopes ---- */

void
gdpr_rows_begin(void)
{
	if (open_count >= DEEPEST)
		ereport(ERROR,
				(errcode(ERRCODE_STATEMENT_TOO_COMPLEX),
				 errmsg("statements of export and erasure are nested too deeply")));
	open_levels[open_count++] = GetCurrentTransactionNestLevel();
}

void
gdpr_rows_end(void)
{
	open_count--;
}

static void
end_transaction(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_ABORT || event == XACT_EVENT_PARALLEL_ABORT)
		open_count = 0;
}

static void
end_subtransaction(SubXactEvent event, SubTransactionId mine,
				   SubTransactionId parent, void *arg)
{
	if (event != SUBXACT_EVENT_ABORT_SUB)
		return;
	while (open_count > 0 &&
		   open_levels[open_count - 1] >= GetCurrentTransactionNestLevel())
		open_count--;
}

void
gdpr_rows_init(void)
{
	RegisterXactCallback(end_transaction, NULL);
	RegisterSubXactCallback(end_subtransaction, NULL);
}
