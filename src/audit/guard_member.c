/*
 * guard_member.c
 *	  Statements that would put something else in the place of the extension's
 *	  own functions, views, tables, event triggers and schema.
 *
 * The log is filled, guarded and read by them, and we find them by name: what
 * gets another name or schema is out of sight, and so is every guard with it.
 * A member that ALTER EXTENSION ... DROP let go is the user's, so that is
 * refused before all others.  What a dump says of members (data, privileges,
 * triggers switched off for a load) is none of these statements.
 */
#include "base/compat.h"

#include "access/htup_details.h"
#include "audit/guard.h"
#include "base/guc.h"
#include "base/sql.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_event_trigger.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "commands/event_trigger.h"
#include "commands/extension.h"
#include "nodes/parsenodes.h"
#include "parser/parse_func.h"
#include "utils/catcache.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#define EXTENSION "gdpr_ext"

static bool
is_member(Oid class, Oid object)
{
	Oid extension = OidIsValid(object) ? getExtensionOfObject(class, object)
									   : InvalidOid;

	return OidIsValid(extension) &&
		   extension == get_extension_oid(EXTENSION, true);
}

static void
refuse(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("objects of the extension cannot be changed"),
			 errhint("The audit log is written and read by them.")));
}

static void
refuse_if_member(Oid class, Oid object)
{
	if (is_member(class, object))
		refuse();
}

/* ---- by kind ---- */

static void
guard_relation(const RangeVar *relation)
{
	if (relation != NULL)
		refuse_if_member(RelationRelationId,
						 RangeVarGetRelid(relation, NoLock, true));
}

/* Has a function of the extension that name, in that schema or in any? */
static bool
is_name_of_member(const char *name, Oid schema)
{
	CatCList *functions = SearchSysCacheList1(PROCNAMEARGSNSP,
											  CStringGetDatum(name));
	bool found = false;

	for (int i = 0; !found && i < functions->n_members; i++)
	{
		HeapTuple tuple = &functions->members[i]->tuple;
		Form_pg_proc function = (Form_pg_proc) GETSTRUCT(tuple);

		found = (!OidIsValid(schema) || function->pronamespace == schema) &&
				is_member(ProcedureRelationId, function->oid);
	}
	ReleaseCatCacheList(functions);
	return found;
}

/*
 * Functions of other names are not looked up: that may raise notices and
 * errors, which are the statement's own to raise.
 */
static void
guard_function(ObjectWithArgs *function)
{
	if (is_name_of_member(strVal(llast(function->objname)), InvalidOid))
		refuse_if_member(ProcedureRelationId,
						 LookupFuncWithArgs(OBJECT_ROUTINE, function, true));
}

static void
guard_event_trigger(const char *name)
{
	refuse_if_member(EventTriggerRelationId, get_event_trigger_oid(name, true));
}

/* ---- by statement ---- */

static void
guard_contents(const AlterExtensionContentsStmt *alter)
{
	if (alter->action < 0 && !gdpr_guc_allow_drop &&
		strcmp(alter->extname, EXTENSION) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("objects of the extension cannot be taken out of it"),
				 errhint("Set gdpr.allow_drop to let them go.")));
}

/*
 * Whatever its arguments: their types are worked out by the statement itself.
 * Where it will be made counts, not what the name finds now.
 */
static void
guard_replaced_function(const CreateFunctionStmt *create)
{
	char *name = strVal(llast(create->funcname));

	if (create->replace && is_name_of_member(name, InvalidOid) &&
		is_name_of_member(name,
						  QualifiedNameGetCreationNamespace(create->funcname,
															&name)))
		refuse();
}

static void
guard_replaced_view(const ViewStmt *create)
{
	Oid schema = gdpr_sql_schema();

	if (create->replace &&
		is_member(RelationRelationId,
				  get_relname_relid(create->view->relname, schema)) &&
		RangeVarGetCreationNamespace(create->view) == schema)
		refuse();
}

/* Tables have a guard of their own, which lets a dump's ALTER TABLE pass. */
static void
guard_altered_view(const AlterTableStmt *alter)
{
	Oid relid = RangeVarGetRelid(alter->relation, NoLock, true);

	if (OidIsValid(relid) && get_rel_relkind(relid) == RELKIND_VIEW)
		guard_relation(alter->relation);
}

/* The object of RENAME, SET SCHEMA, OWNER TO and DEPENDS ON EXTENSION. */
static void
guard_object(ObjectType type, const RangeVar *relation, Node *object)
{
	switch (type)
	{
		case OBJECT_FUNCTION:
		case OBJECT_PROCEDURE:
		case OBJECT_ROUTINE:
			guard_function(castNode(ObjectWithArgs, object));
			break;
		case OBJECT_EVENT_TRIGGER:
			guard_event_trigger(strVal(object));
			break;
		default:
			guard_relation(relation);
			break;
	}
}

static void
guard_rename(const RenameStmt *rename)
{
	if (rename->renameType == OBJECT_SCHEMA)
		refuse_if_member(NamespaceRelationId,
						 get_namespace_oid(rename->subname, true));
	else
		guard_object(rename->renameType, rename->relation, rename->object);
}

static void
guard_dropped_event_triggers(const DropStmt *drop)
{
	ListCell *lc;

	foreach (lc, drop->removeType == OBJECT_EVENT_TRIGGER ? drop->objects : NIL)
		guard_event_trigger(strVal(lfirst(lc)));
}

void
gdpr_audit_guard_member(Node *statement)
{
	switch (nodeTag(statement))
	{
		case T_AlterExtensionContentsStmt:
			guard_contents((AlterExtensionContentsStmt *) statement);
			break;
		case T_AlterFunctionStmt:
			guard_function(((AlterFunctionStmt *) statement)->func);
			break;
		case T_AlterObjectDependsStmt:
			guard_object(((AlterObjectDependsStmt *) statement)->objectType,
						 NULL, ((AlterObjectDependsStmt *) statement)->object);
			break;
		case T_AlterObjectSchemaStmt:
			guard_object(((AlterObjectSchemaStmt *) statement)->objectType,
						 ((AlterObjectSchemaStmt *) statement)->relation,
						 ((AlterObjectSchemaStmt *) statement)->object);
			break;
		case T_AlterOwnerStmt:
			guard_object(((AlterOwnerStmt *) statement)->objectType, NULL,
						 ((AlterOwnerStmt *) statement)->object);
			break;
		case T_AlterTableStmt:
			guard_altered_view((AlterTableStmt *) statement);
			break;
		case T_CreateFunctionStmt:
			guard_replaced_function((CreateFunctionStmt *) statement);
			break;
		case T_DropStmt:
			guard_dropped_event_triggers((DropStmt *) statement);
			break;
		case T_RenameStmt:
			guard_rename((RenameStmt *) statement);
			break;
		case T_RuleStmt:
			guard_relation(((RuleStmt *) statement)->relation);
			break;
		case T_ViewStmt:
			guard_replaced_view((ViewStmt *) statement);
			break;
		default:
			break;
	}
}
