/*
 * events.c
 *	  Declarations follow the tables that they are about.
 *
 * A dropped table would leave a bare number behind that a dump carries into
 * another database, where it may be somebody else's table.  Columns are
 * stored by name, because numbers change in a restore; so a rename is
 * followed here.
 */
#include "base/compat.h"

#include "base/ident.h"
#include "base/sql.h"
#include "catalog/namespace.h"
#include "catalog/partition.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "commands/event_trigger.h"
#include "enctype/guard.h"
#include "registry/registry.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

GDPR_FUNCTION(gdpr_registry_on_drop);
GDPR_FUNCTION(gdpr_registry_on_rename);

/* Relations and columns among what one command dropped. */
#define GONE                                                                                      \
	"WITH gone AS (SELECT d.objid, CASE WHEN d.objsubid <> 0 THEN d.address_names[3] END AS col " \
	"FROM pg_catalog.pg_event_trigger_dropped_objects() d "                                       \
	"WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass) "

/* Most of what is dropped was never declared: temporary tables, indexes. */
static const char *const is_declared =
	"SELECT 1 FROM pg_catalog.pg_event_trigger_dropped_objects() d "
	"WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND NOT d.is_temporary "
	"AND d.object_type IN ('table', 'foreign table', 'table column', 'foreign table column') "
	"AND (EXISTS (SELECT 1 FROM gdpr.subject s WHERE s.relation = d.objid) "
	"OR EXISTS (SELECT 1 FROM gdpr.link l WHERE d.objid IN (l.child, l.parent)) "
	"OR EXISTS (SELECT 1 FROM gdpr.personal_column c WHERE c.relation = d.objid) "
	"OR EXISTS (SELECT 1 FROM gdpr.retention_rule r WHERE r.relation = d.objid) "
	"OR EXISTS (SELECT 1 FROM gdpr.hold o WHERE o.relation = d.objid) "
	"OR EXISTS (SELECT 1 FROM gdpr.access_original a WHERE d.objid IN (a.relation, a.part)) "
	"OR EXISTS (SELECT 1 FROM gdpr.audit_key k WHERE k.relation = d.objid) "
	"OR EXISTS (SELECT 1 FROM gdpr.protected p WHERE p.relation = d.objid) "
	"OR EXISTS (SELECT 1 FROM gdpr.conversion v WHERE v.relation = d.objid) "
	"OR EXISTS (SELECT 1 FROM gdpr.sharing h WHERE d.objid IN (h.child, h.parent))) LIMIT 1";

static const char *const drop_statements[] = {
	GONE
	"DELETE FROM gdpr.approval a USING gdpr.subject s, gone g WHERE a.kind = s.kind "
	"AND s.relation = g.objid AND (g.col IS NULL OR g.col = ANY (s.key))",
	GONE
	"DELETE FROM gdpr.subject s USING gone g "
	"WHERE s.relation = g.objid AND (g.col IS NULL OR g.col = ANY (s.key))",
	GONE
	"DELETE FROM gdpr.link l USING gone g "
	"WHERE (l.child = g.objid AND (g.col IS NULL OR g.col = ANY (l.child_columns) OR g.col = l.keep_since)) "
	"OR (l.parent = g.objid AND (g.col IS NULL OR g.col = ANY (l.parent_columns)))",
	GONE
	"DELETE FROM gdpr.personal_column c USING gone g "
	"WHERE c.relation = g.objid AND (g.col IS NULL OR g.col = c.column_name)",
	GONE
	"DELETE FROM gdpr.retention_state s USING gdpr.retention_rule r, gone g "
	"WHERE s.rule = r.rule AND r.relation = g.objid AND (g.col IS NULL OR g.col = r.since)",
	GONE "DELETE FROM gdpr.retention_rule r USING gone g "
		 "WHERE r.relation = g.objid AND (g.col IS NULL OR g.col = r.since)",
	GONE
	"DELETE FROM gdpr.access_rule a USING gone g WHERE a.relation = g.objid AND g.col IS NULL",
	GONE "DELETE FROM gdpr.access_original a USING gone g "
		 "WHERE (g.objid IN (a.relation, a.part) AND g.col IS NULL) "
		 "OR (a.part = g.objid AND a.column_name = g.col)",
	GONE
	"DELETE FROM gdpr.protected p USING gone g WHERE p.relation = g.objid AND g.col IS NULL",
	GONE
	"DELETE FROM gdpr.audit_source s USING gone g WHERE s.relation = g.objid "
	"AND (g.col IS NULL OR g.col = ANY (s.columns))",
	GONE "DELETE FROM gdpr.audit_key k USING gone g WHERE k.relation = g.objid "
		 "AND (g.col IS NULL OR g.col = ANY (k.columns))",
	/* A column that goes is refused while it is converted. */
	GONE
	"DELETE FROM gdpr.conversion v USING gone g WHERE v.relation = g.objid AND g.col IS NULL",
	GONE
	"DELETE FROM gdpr.hold o USING gone g WHERE o.relation = g.objid AND g.col IS NULL",
	GONE
	"DELETE FROM gdpr.sharing l USING gone g "
	"WHERE (l.child = g.objid AND (g.col IS NULL OR g.col = ANY (l.child_columns))) "
	"OR (l.parent = g.objid AND (g.col IS NULL OR g.col = ANY (l.parent_columns)))",
};

static const char *const rename_statements[] = {
	"UPDATE gdpr.access_original SET column_name = $3 WHERE part = ANY ($1) AND column_name = $2",
	"UPDATE gdpr.protected SET except_columns = pg_catalog.array_replace(except_columns, $2, $3) "
	"WHERE relation = ANY ($1) AND $2 = ANY (except_columns)",
	"UPDATE gdpr.audit_key SET columns = pg_catalog.array_replace(columns, $2, $3) "
	"WHERE relation = ANY ($1) AND $2 = ANY (columns)",
	"UPDATE gdpr.audit_source SET columns = pg_catalog.array_replace(columns, $2, $3) "
	"WHERE relation = ANY ($1) AND $2 = ANY (columns)",
	"UPDATE gdpr.retention_rule SET since = $3 WHERE relation = ANY ($1) AND since = $2",
	"UPDATE gdpr.subject SET key = pg_catalog.array_replace(key, $2, $3) "
	"WHERE relation = ANY ($1) AND $2 = ANY (key)",
	"UPDATE gdpr.link SET child_columns = pg_catalog.array_replace(child_columns, $2, $3) "
	"WHERE child = ANY ($1) AND $2 = ANY (child_columns)",
	"UPDATE gdpr.link SET parent_columns = pg_catalog.array_replace(parent_columns, $2, $3) "
	"WHERE parent = ANY ($1) AND $2 = ANY (parent_columns)",
	"UPDATE gdpr.link SET keep_since = $3 WHERE child = ANY ($1) AND keep_since = $2",
	"UPDATE gdpr.personal_column SET column_name = $3 "
	"WHERE relation = ANY ($1) AND column_name = $2",
	"UPDATE gdpr.sharing SET child_columns = pg_catalog.array_replace(child_columns, $2, $3) "
	"WHERE child = ANY ($1) AND $2 = ANY (child_columns)",
	"UPDATE gdpr.sharing SET parent_columns = pg_catalog.array_replace(parent_columns, $2, $3) "
	"WHERE parent = ANY ($1) AND $2 = ANY (parent_columns)",
};

static EventTriggerData *
event_data(FunctionCallInfo fcinfo)
{
	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function was not called by the event trigger manager")));
	return (EventTriggerData *) fcinfo->context;
}

/* Not while the extension's own script or its DROP is under way. */
static bool
tables_are_there(void)
{
	Oid schema = gdpr_sql_schema();

	return OidIsValid(schema) &&
		   OidIsValid(get_relname_relid("kept_subject", schema)) &&
		   OidIsValid(get_relname_relid("subject", schema));
}

/* Asked at every DROP of every session, so planned once a session. */
static bool
any_declared(void)
{
	static SPIPlanPtr plan = NULL;

	if (plan == NULL)
	{
		SPIPlanPtr fresh = SPI_prepare(is_declared, 0, NULL);

		if (fresh == NULL || SPI_keepplan(fresh) != 0)
			elog(ERROR, "SPI failed to prepare a statement");
		plan = fresh;
	}
	if (SPI_execute_plan(plan, NULL, NULL, false, 1) != SPI_OK_SELECT)
		elog(ERROR, "SPI failed to run a prepared statement");
	return SPI_processed > 0;
}

Datum
gdpr_registry_on_drop(PG_FUNCTION_ARGS)
{
	uint64 removed = 0;
	GdprSqlScope scope;

	(void) event_data(fcinfo);
	if (!tables_are_there() || gdpr_guard_is_converting())
		PG_RETURN_NULL();
	gdpr_sql_begin_own(&scope);
	if (!any_declared())
	{
		gdpr_sql_end_own(&scope);
		PG_RETURN_NULL();
	}
	for (int i = 0; i < lengthof(drop_statements); i++)
		removed += gdpr_sql_run(drop_statements[i], 0, NULL, NULL, NULL, false,
								SPI_OK_DELETE);
	gdpr_sql_end_own(&scope);
	if (removed > 0)
		ereport(NOTICE,
				(errmsg("declarations about dropped tables or columns were removed")));
	PG_RETURN_NULL();
}

static ArrayType *
oid_array(const List *oids)
{
	Datum *values = palloc(sizeof(Datum) * list_length(oids));
	int n = 0;
	ListCell *lc;

	foreach (lc, oids)
		values[n++] = ObjectIdGetDatum(lfirst_oid(lc));
	return construct_array(values, n, OIDOID, sizeof(Oid), true, TYPALIGN_INT);
}

/* The relation and everything that inherited its column. */
static ArrayType *
renamed_relations(Oid relid)
{
	return oid_array(find_all_inheritors(relid, NoLock, NULL));
}

static void
rename_column(Oid relid, const char *from, const char *to)
{
	Oid types[] = {OIDARRAYOID, NAMEOID, NAMEOID};
	Datum values[3];
	bool in_predicate;
	GdprSqlScope scope;

	values[0] = PointerGetDatum(renamed_relations(relid));
	values[1] = DirectFunctionCall1(namein, CStringGetDatum(from));
	values[2] = DirectFunctionCall1(namein, CStringGetDatum(to));
	gdpr_sql_begin_own(&scope);
	for (int i = 0; i < lengthof(rename_statements); i++)
		(void) gdpr_sql_run(rename_statements[i], 3, types, values, NULL, false,
							SPI_OK_UPDATE);
	in_predicate =
		gdpr_sql_run(
			"SELECT 1 FROM (SELECT child AS relation, predicate FROM gdpr.link "
			"UNION ALL SELECT relation, filter FROM gdpr.retention_rule "
			"UNION ALL SELECT relation, filter FROM gdpr.hold "
			"UNION ALL SELECT relation, filter FROM gdpr.access_rule) p "
			"WHERE relation = ANY ($1) AND "
			"pg_catalog.strpos(predicate, pg_catalog.quote_ident($2::text)) > 0",
			3, types, values, NULL, false, SPI_OK_SELECT) > 0;
	gdpr_sql_end_own(&scope);
	if (in_predicate)
		ereport(WARNING,
				(errcode(ERRCODE_WARNING),
				 errmsg("a predicate or filter declared about relation %s may name the renamed column",
						gdpr_ident_relation(relid)),
				 errhint("Declare the link, rule or hold again.")));
}

static void
follow_rename(const RenameStmt *stmt)
{
	Oid relid;

	if (stmt->renameType != OBJECT_COLUMN || stmt->relation == NULL)
		return;
	relid = RangeVarGetRelid(stmt->relation, NoLock, true);
	if (OidIsValid(relid))
		rename_column(relid, stmt->subname, stmt->newname);
}

/* Is anything said about the relation, or about one that it is a part of? */
static bool
is_covered(Oid relid)
{
	List *all = list_make1_oid(relid);
	Oid types[] = {OIDARRAYOID};
	Datum values[1];
	GdprSqlScope scope;
	bool result;

	if (get_rel_relispartition(relid))
		all = list_concat(all, get_partition_ancestors(relid));
	values[0] = PointerGetDatum(oid_array(all));
	gdpr_sql_begin_own(&scope);
	result =
		gdpr_sql_run(
			"SELECT 1 FROM gdpr.link "
			"WHERE child = ANY ($1) OR parent = ANY ($1) "
			"UNION ALL SELECT 1 FROM gdpr.subject WHERE relation = ANY ($1) "
			"UNION ALL SELECT 1 FROM gdpr.personal_column WHERE relation = ANY ($1)",
			1, types, values, NULL, false, SPI_OK_SELECT) > 0;
	gdpr_sql_end_own(&scope);
	return result;
}

static void
warn_of_parting(const RangeVar *part, const RangeVar *whole)
{
	Oid part_relid = RangeVarGetRelid(part, NoLock, true);
	Oid whole_relid = RangeVarGetRelid(whole, NoLock, true);

	if (!OidIsValid(part_relid) || !OidIsValid(whole_relid) ||
		!is_covered(whole_relid))
		return;
	ereport(WARNING,
			(errcode(ERRCODE_WARNING),
			 errmsg("what is declared about relation %s no longer covers the rows of %s",
					gdpr_ident_relation(whole_relid), gdpr_ident_relation(part_relid)),
			 errhint("Declare links and columns of it, or drop it: export and erasure do not find its rows.")));
}

/* A part that leaves takes its rows along; its own foreign keys stay links. */
static void
follow_parting(const AlterTableStmt *stmt)
{
	ListCell *lc;

	foreach (lc, stmt->cmds)
	{
		AlterTableCmd *cmd = lfirst_node(AlterTableCmd, lc);

		if (cmd->subtype == AT_DetachPartition)
			warn_of_parting(((PartitionCmd *) cmd->def)->name, stmt->relation);
		else if (cmd->subtype == AT_DropInherit)
			warn_of_parting(stmt->relation, (RangeVar *) cmd->def);
	}
}

Datum
gdpr_registry_on_rename(PG_FUNCTION_ARGS)
{
	Node *stmt = (Node *) event_data(fcinfo)->parsetree;

	if (!tables_are_there() || gdpr_guard_is_converting())
		PG_RETURN_NULL();
	if (IsA(stmt, RenameStmt))
		follow_rename((RenameStmt *) stmt);
	else if (IsA(stmt, AlterTableStmt))
		follow_parting((AlterTableStmt *) stmt);
	PG_RETURN_NULL();
}
