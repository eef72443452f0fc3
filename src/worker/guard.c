/*
 * guard.c
 *	  Keeps workers out of the way of DDL on databases, and says which
 *	  databases are visited.
 *
 * DROP DATABASE and CREATE DATABASE ... TEMPLATE wait five seconds for others
 * to leave a database and then fail; a worker is asked to leave at once.  It
 * loses no work but the batch that it is in.
 */
#include "base/compat.h"

#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/pg_database.h"
#include "catalog/pg_extension.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/parsenodes.h"
#include "utils/acl.h"
#include "worker/shared.h"
#include "worker/worker.h"

GDPR_FUNCTION(gdpr_worker_enable);

/* Databases to be woken when the transaction is committed. */
static Oid woken[2] = {InvalidOid, InvalidOid};

enum
{
	THIS_DATABASE,
	NAMED_DATABASE
};

/* ---- waking ---- */

static void
end_transaction(XactEvent event, void *arg)
{
	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT &&
		event != XACT_EVENT_PREPARE)
		return;
	for (int i = 0; i < lengthof(woken); i++)
	{
		if (event == XACT_EVENT_COMMIT && OidIsValid(woken[i]))
			gdpr_worker_shared_wake(woken[i]);
		woken[i] = InvalidOid;
	}
}

static void
wake(int which, Oid database)
{
	static bool registered = false;

	if (!registered)
		RegisterXactCallback(end_transaction, NULL);
	registered = true;
	woken[which] = database;
}

void
gdpr_worker_wake(void)
{
	wake(THIS_DATABASE, MyDatabaseId);
}

/* ---- databases ---- */

/* Only who may run the statement sends workers away. */
static void
clear(const char *name)
{
	Oid database = name == NULL ? InvalidOid : get_database_oid(name, true);

	if (OidIsValid(database) &&
		gdpr_compat_owns_database(database, GetUserId()))
		gdpr_worker_shared_clear(database);
}

static const char *
option_text(List *options, const char *name)
{
	ListCell *lc;

	foreach (lc, options)
	{
		DefElem *option = lfirst_node(DefElem, lc);

		if (strcmp(option->defname, name) == 0 && option->arg != NULL)
			return defGetString(option);
	}
	return NULL;
}

void
gdpr_worker_guard_utility(Node *statement)
{
	switch (nodeTag(statement))
	{
		case T_DropdbStmt:
			clear(((DropdbStmt *) statement)->dbname);
			break;
		case T_CreatedbStmt:
			clear(
				option_text(((CreatedbStmt *) statement)->options, "template"));
			break;
		case T_AlterDatabaseStmt:
			if (option_text(((AlterDatabaseStmt *) statement)->options,
							"tablespace") != NULL)
				clear(((AlterDatabaseStmt *) statement)->dbname);
			break;
		case T_RenameStmt:
			if (((RenameStmt *) statement)->renameType == OBJECT_DATABASE)
				clear(((RenameStmt *) statement)->subname);
			break;
		case T_AlterDatabaseSetStmt:
			/* Perhaps gdpr.enabled. */
			wake(NAMED_DATABASE,
				 get_database_oid(((AlterDatabaseSetStmt *) statement)->dbname,
								  true));
			break;
		default:
			break;
	}
}

/* ---- gdpr.enabled ---- */

/* ALTER DATABASE this SET gdpr.enabled = on, or RESET. */
static void
set_enabled(bool on)
{
	AlterDatabaseSetStmt *alter = makeNode(AlterDatabaseSetStmt);
	VariableSetStmt *set = makeNode(VariableSetStmt);
	A_Const *value = makeNode(A_Const);

	set->kind = on ? VAR_SET_VALUE : VAR_RESET;
	set->name = "gdpr.enabled";
	value->val.sval.type = T_String;
	value->val.sval.sval = "on";
	value->location = -1;
	set->args = on ? list_make1(value) : NIL;
	alter->dbname = get_database_name(MyDatabaseId);
	alter->setstmt = set;
	(void) AlterDatabaseSet(alter);
}

void
gdpr_worker_guard_drop(Oid class, Oid object, int column)
{
	if (class == ExtensionRelationId &&
		object == get_extension_oid("gdpr_ext", true))
		set_enabled(false);
}

/* Called by the script of CREATE EXTENSION, and by nobody else. */
Datum
gdpr_worker_enable(PG_FUNCTION_ARGS)
{
	set_enabled(true);
	gdpr_worker_wake();
	PG_RETURN_VOID();
}
