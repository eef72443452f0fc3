/*
 * guard.c
 *	  DDL that would lose encrypted values or show them.
 *
 * An event trigger looks at what a statement made, at its end: columns of an
 * encrypted type without a context (values in flight would rest there, and
 * their key is gone with the server), stored expressions that hold an
 * encrypted constant (the same, and whoever reads the definition sees it),
 * foreign keys that no two values could satisfy, statistics of values.
 *
 * The roads out are watched before they are taken: ALTER TYPE to another type
 * by the statement, DROP ... CASCADE by the object access hook, which sees
 * every drop whatever statement leads to it.
 */
#include "base/compat.h"

#include "access/genam.h"
#include "base/sql.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_policy.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_publication_rel.h"
#include "catalog/pg_rewrite.h"
#include "catalog/pg_statistic_ext.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "commands/event_trigger.h"
#include "commands/extension.h"
#include "enctype/enctype.h"
#include "enctype/guard.h"
#include "enctype/rewrite.h"
#include "enctype/typetree.h"
#include "miscadmin.h"
#include "parser/parse_type.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/relcache.h"

GDPR_FUNCTION(gdpr_guard_ddl);

/* An object that the statement made or changed. */
typedef struct Touched
{
	Oid class;
	Oid object;
} Touched;

/*
 * The node trees stored for an object, one SELECT per catalog; $1 is the
 * object.  A relation brings everything that hangs on it.
 */
typedef struct Stored
{
	Oid class;
	const char *trees;
	SPIPlanPtr plan;
} Stored;

static Stored stored[] = {
	{RelationRelationId,
	 "SELECT ev_action::text FROM pg_rewrite WHERE ev_class = $1 "
	 "UNION ALL SELECT ev_qual::text FROM pg_rewrite WHERE ev_class = $1 "
	 "UNION ALL SELECT adbin::text FROM pg_attrdef WHERE adrelid = $1 "
	 "UNION ALL SELECT conbin::text FROM pg_constraint WHERE conrelid = $1 "
	 "UNION ALL SELECT polqual::text FROM pg_policy WHERE polrelid = $1 "
	 "UNION ALL SELECT polwithcheck::text FROM pg_policy WHERE polrelid = $1 "
	 "UNION ALL SELECT concat(indexprs, indpred) FROM pg_index WHERE indrelid = $1 "
	 "UNION ALL SELECT concat(indexprs, indpred) FROM pg_index WHERE indexrelid = $1 "
	 "UNION ALL SELECT tgqual::text FROM pg_trigger WHERE tgrelid = $1 "
	 "UNION ALL SELECT partexprs::text FROM pg_partitioned_table WHERE partrelid = $1 "
	 "UNION ALL SELECT relpartbound::text FROM pg_class WHERE oid = $1 "
	 "UNION ALL SELECT relpartbound::text FROM pg_class, pg_inherits "
	 "WHERE oid = inhrelid AND inhparent = $1"},
	{RewriteRelationId,
	 "SELECT ev_action::text FROM pg_rewrite WHERE oid = $1 "
	 "UNION ALL SELECT ev_qual::text FROM pg_rewrite WHERE oid = $1"},
	{PolicyRelationId,
	 "SELECT polqual::text FROM pg_policy WHERE oid = $1 "
	 "UNION ALL SELECT polwithcheck::text FROM pg_policy WHERE oid = $1"},
	{TriggerRelationId, "SELECT tgqual::text FROM pg_trigger WHERE oid = $1"},
	{ConstraintRelationId,
	 "SELECT conbin::text FROM pg_constraint WHERE oid = $1"},
	{ProcedureRelationId,
	 "SELECT prosqlbody::text FROM pg_proc WHERE oid = $1 "
	 "UNION ALL SELECT proargdefaults::text FROM pg_proc WHERE oid = $1"},
	{TypeRelationId,
	 "SELECT typdefaultbin::text FROM pg_type WHERE oid = $1 "
	 "UNION ALL SELECT conbin::text FROM pg_constraint WHERE contypid = $1"},
	{StatisticExtRelationId,
	 "SELECT stxexprs::text FROM pg_statistic_ext WHERE oid = $1"},
	{PublicationRelRelationId,
	 "SELECT prqual::text FROM pg_publication_rel WHERE oid = $1"},
};

static bool converting = false;

bool
gdpr_guard_set_converting(bool value)
{
	bool before = converting;

	converting = value;
	return before;
}

bool
gdpr_guard_is_converting(void)
{
	return converting;
}

static void
refuse_no_context(const char *kind, const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("%s \"%s\" has an encrypted type without a context", kind, name),
			 errhint("Name the context behind the type, as in enctext('context').")));
}

static void
check_columns(Relation relation)
{
	TupleDesc columns = RelationGetDescr(relation);

	for (int i = 0; i < columns->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(columns, i);

		if (!column->attisdropped &&
			gdpr_typetree_look(column->atttypid, column->atttypmod)
				.without_context)
			refuse_no_context("column", NameStr(column->attname));
	}
}

/*
 * What is found through an index is found by tag.  Values of no context have
 * none, so a search would miss those that the column's other values match.
 */
static void
check_index(Relation index)
{
	Form_pg_index form = index->rd_index;

	for (int i = 0; i < form->indnkeyatts; i++)
	{
		Form_pg_attribute key = TupleDescAttr(RelationGetDescr(index), i);
		AttrNumber attnum = form->indkey.values[i];
		Oid typid = key->atttypid;
		int32 typmod = key->atttypmod;
		Oid collation;

		if (attnum != 0)
			get_atttypetypmodcoll(form->indrelid, attnum, &typid, &typmod,
								  &collation);
		if (gdpr_typetree_look(typid, typmod).without_context)
			refuse_no_context("index column", NameStr(key->attname));
	}
}

static void
check_indexes(Relation relation)
{
	ListCell *cell;

	if (relation->rd_index != NULL)
		check_index(relation);
	foreach (cell, RelationGetIndexList(relation))
	{
		Relation index = index_open(lfirst_oid(cell), AccessShareLock);

		check_index(index);
		index_close(index, AccessShareLock);
	}
}

static bool
rests_on_disk(Relation relation)
{
	switch (relation->rd_rel->relkind)
	{
		case RELKIND_RELATION:
		case RELKIND_PARTITIONED_TABLE:
		case RELKIND_MATVIEW:
		case RELKIND_FOREIGN_TABLE:
		case RELKIND_COMPOSITE_TYPE:
			return true;
		default:
			return false;
	}
}

/* Domains, ranges, and row types that belong to no table. */
static void
check_type(Oid typid)
{
	switch (get_typtype(typid))
	{
		case TYPTYPE_DOMAIN:
		case TYPTYPE_RANGE:
		case TYPTYPE_COMPOSITE:
			if (gdpr_typetree_look(typid, -1).without_context)
				refuse_no_context("type", format_type_be(typid));
			break;
		default:
			break;
	}
}

/* The constants of a node tree that are of our types and not null. */
static bool
holds_constant(const char *tree)
{
	static const char *const key = ":consttype ";

	while ((tree = strstr(tree, key)) != NULL)
	{
		Oid typid = atooid(tree + strlen(key));
		const char *null = strstr(tree, ":constisnull ");

		tree += strlen(key);
		if (null != NULL &&
			strncmp(null + strlen(":constisnull "), "true", 4) == 0)
			continue;
		if (gdpr_typetree_look(typid, 1).encrypted)
			return true;
	}
	return false;
}

static void
refuse_constant(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("a stored expression cannot hold an encrypted constant"),
			 errhint("Write the constant as text, which is converted at run time: 'constant'::text.")));
}

/* Runs a SELECT by a plan that the backend keeps; $1 is the object, if any. */
static uint64
run_kept(SPIPlanPtr *kept, const char *sql, Oid object)
{
	Oid argtype = OIDOID;
	Datum value = ObjectIdGetDatum(object);
	int nargs = OidIsValid(object) ? 1 : 0;

	if (*kept == NULL)
	{
		SPIPlanPtr plan = SPI_prepare(sql, nargs, &argtype);

		if (plan == NULL || SPI_keepplan(plan) != 0)
			elog(ERROR, "cannot prepare a look at the catalog");
		*kept = plan;
	}
	if (SPI_execute_plan(*kept, &value, NULL, false, 0) != SPI_OK_SELECT)
		elog(ERROR, "cannot look at the catalog");
	return SPI_processed;
}

static void
check_trees(Stored *source, Oid object)
{
	uint64 count = run_kept(&source->plan, source->trees, object);

	for (uint64 i = 0; i < count; i++)
	{
		char *tree = SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc,
								  1);

		if (tree != NULL && holds_constant(tree))
			refuse_constant();
	}
	SPI_freetuptable(SPI_tuptable);
}

static void
check_stored(const Touched *touched)
{
	for (int i = 0; i < lengthof(stored); i++)
	{
		if (stored[i].class == touched->class)
			check_trees(&stored[i], touched->object);
	}
}

static Datum
result_value(int row, int number)
{
	bool isnull;

	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, number,
						 &isnull);
}

/* A pair of columns of a foreign key: can a value of one be a value of the other? */
static void
check_pair(Oid child, int32 child_typmod, Oid parent, int32 parent_typmod)
{
	child = getBaseTypeAndTypmod(child, &child_typmod);
	parent = getBaseTypeAndTypmod(parent, &parent_typmod);
	if (!gdpr_enctype_has_equality(child) || !gdpr_enctype_has_equality(parent))
		return;
	if (!gdpr_rewrite_same_domain(child_typmod, parent_typmod))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("a foreign key cannot join contexts of different tag domains"),
				 errhint("Use the referenced column's context, or create both contexts in one tag domain.")));
}

static void
check_foreign_keys(Oid relid)
{
	static SPIPlanPtr plan = NULL;
	uint64 count = run_kept(
		&plan,
		"SELECT a.atttypid, a.atttypmod, b.atttypid, b.atttypmod"
		" FROM pg_constraint c, unnest(c.conkey, c.confkey) k (x, y),"
		" pg_attribute a, pg_attribute b"
		" WHERE c.contype = 'f' AND $1 IN (c.conrelid, c.confrelid)"
		" AND a.attrelid = c.conrelid AND a.attnum = k.x"
		" AND b.attrelid = c.confrelid AND b.attnum = k.y"
		" AND a.atttypid >= 16384 AND b.atttypid >= 16384",
		relid);

	for (uint64 i = 0; i < count; i++)
		check_pair(DatumGetObjectId(result_value(i, 1)),
				   DatumGetInt32(result_value(i, 2)),
				   DatumGetObjectId(result_value(i, 3)),
				   DatumGetInt32(result_value(i, 4)));
	SPI_freetuptable(SPI_tuptable);
}

/* Statistics objects keep values, which ANALYZE of a column does not. */
static void
check_statistics(Oid object)
{
	static SPIPlanPtr plan = NULL;
	uint64 count = run_kept(
		&plan,
		"SELECT a.atttypid, a.atttypmod"
		" FROM pg_statistic_ext s, pg_depend d, pg_attribute a"
		" WHERE $1 IN (s.oid, s.stxrelid)"
		" AND d.classid = 'pg_statistic_ext'::regclass AND d.objid = s.oid"
		" AND d.refclassid = 'pg_class'::regclass"
		" AND a.attrelid = d.refobjid AND a.attnum = d.refobjsubid"
		" AND a.atttypid >= 16384",
		object);

	for (uint64 i = 0; i < count; i++)
	{
		if (gdpr_typetree_look(DatumGetObjectId(result_value(i, 1)),
							   DatumGetInt32(result_value(i, 2)))
				.encrypted)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("extended statistics cannot be kept of encrypted columns")));
	}
	SPI_freetuptable(SPI_tuptable);
}

/* The trigger of a conversion, and its state, know both columns by name. */
static void
check_conversion(Oid relid)
{
	static SPIPlanPtr plan = NULL;

	if (converting)
		return;
	if (run_kept(&plan,
				 "SELECT 1 FROM gdpr.conversion v WHERE v.relation = $1"
				 " AND (SELECT count(*) FROM pg_attribute a"
				 " WHERE a.attrelid = v.relation AND NOT a.attisdropped"
				 " AND a.attname IN (v.column_name, v.spare)) < 2",
				 relid) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("a column of the relation is being converted, and keeps its name until that is done"),
				 errhint("Use gdpr.cancel_conversion, or CALL gdpr.convert_column to finish.")));
	SPI_freetuptable(SPI_tuptable);
}

/* Returns false when nothing of the relation is to be looked at. */
static bool
check_relation(Oid relid)
{
	Relation relation = RelationIdGetRelation(relid);
	bool temporary;

	if (!RelationIsValid(relation))
		return false;
	temporary = relation->rd_rel->relpersistence == RELPERSISTENCE_TEMP;
	if ((!temporary && rests_on_disk(relation)) ||
		relation->rd_rel->relkind == RELKIND_PARTITIONED_TABLE)
		check_columns(relation);
	check_indexes(relation);
	RelationClose(relation);
	check_conversion(relid);
	if (gdpr_typetree_relation(relid))
		gdpr_guard_statistics(relid);
	if (!temporary && gdpr_typetree_relation(relid))
	{
		check_foreign_keys(relid);
		check_statistics(relid);
	}
	return !temporary;
}

/* Operators and dumps find the types by name, in the extension's schema. */
static void
check_own_type(Oid typid)
{
	static SPIPlanPtr plan = NULL;
	const GdprKind *kind = gdpr_enctype_kind(typid);

	if (run_kept(&plan,
				 "SELECT t.typname FROM pg_type t, pg_extension e"
				 " WHERE t.oid = $1 AND e.extname = 'gdpr_ext'"
				 " AND t.typnamespace = e.extnamespace",
				 typid) == 0 ||
		strcmp(SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1),
			   kind->type_name) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("an encrypted type keeps its name and its schema")));
	SPI_freetuptable(SPI_tuptable);
}

static void
check_touched(const Touched *touched)
{
	if (touched->class == RelationRelationId &&
		!check_relation(touched->object))
		return;
	if (touched->class == TypeRelationId)
	{
		check_type(touched->object);
		if (gdpr_enctype_is(touched->object))
			check_own_type(touched->object);
	}
	if (touched->class == StatisticExtRelationId)
		check_statistics(touched->object);
	check_stored(touched);
}

static Touched *
list_touched(uint64 *count)
{
	static SPIPlanPtr plan = NULL;
	Touched *touched;

	*count = run_kept(
		&plan,
		"SELECT DISTINCT classid, objid FROM pg_event_trigger_ddl_commands()"
		" WHERE NOT in_extension AND objid IS NOT NULL",
		InvalidOid);
	touched = palloc(sizeof(Touched) * (*count + 1));
	for (uint64 i = 0; i < *count; i++)
	{
		touched[i].class = DatumGetObjectId(result_value(i, 1));
		touched[i].object = DatumGetObjectId(result_value(i, 2));
	}
	SPI_freetuptable(SPI_tuptable);
	return touched;
}

/* Event trigger at ddl_command_end. */
Datum
gdpr_guard_ddl(PG_FUNCTION_ARGS)
{
	GdprSqlScope scope;
	Touched *touched;
	uint64 count;

	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" must be called as an event trigger", "gdpr.guard_ddl")));
	if (creating_extension || IsBinaryUpgrade ||
		!OidIsValid(gdpr_enctype_text_oid()))
		PG_RETURN_NULL();
	gdpr_sql_begin_own(&scope);
	touched = list_touched(&count);
	for (uint64 i = 0; i < count; i++)
		check_touched(&touched[i]);
	gdpr_sql_end_own(&scope);
	PG_RETURN_NULL();
}

static void
check_new_type(Oid relid, AlterTableCmd *command)
{
	AttrNumber attnum = get_attnum(relid, command->name);
	ColumnDef *definition = (ColumnDef *) command->def;
	Oid typid;
	int32 typmod;
	Oid collation;

	if (attnum == InvalidAttrNumber)
		return;
	get_atttypetypmodcoll(relid, attnum, &typid, &typmod, &collation);
	if (!gdpr_typetree_look(typid, typmod).encrypted)
		return;
	typenameTypeIdAndMod(NULL, definition->typeName, &typid, &typmod);
	if (!gdpr_typetree_look(typid, typmod).encrypted)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("column \"%s\" is encrypted and cannot be altered to another type",
						command->name),
				 errhint("Use gdpr.decrypt_column.")));
}

void
gdpr_guard_utility(Node *statement)
{
	AlterTableStmt *alter = (AlterTableStmt *) statement;
	ListCell *cell;
	Oid relid = InvalidOid;

	if (!IsA(statement, AlterTableStmt) || converting ||
		!OidIsValid(gdpr_enctype_text_oid()))
		return;
	foreach (cell, alter->cmds)
	{
		AlterTableCmd *command = lfirst_node(AlterTableCmd, cell);

		if (command->subtype != AT_AlterColumnType)
			continue;
		if (!OidIsValid(relid))
			relid = RangeVarGetRelid(alter->relation, NoLock, true);
		if (OidIsValid(relid))
			check_new_type(relid, command);
	}
}
