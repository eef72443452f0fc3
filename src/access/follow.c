/*
 * follow.c
 *	  Rules follow the relation: parts that come later are closed to direct
 *	  access, and a column's declaration decides who sees it from then on.
 */
#include "base/compat.h"

#include "access/compile.h"
#include "access/guard.h"
#include "base/attempt.h"
#include "base/sql.h"
#include "catalog/pg_type.h"
#include "commands/event_trigger.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

GDPR_FUNCTION(gdpr_access_follow_ddl);
GDPR_FUNCTION(gdpr_access_follow_column);

static void
follow(void *argument)
{
	gdpr_compile_relation(*(Oid *) argument);
}

/* ---- parts ---- */

static List *
touched(void)
{
	List *result = NIL;
	uint64 n = gdpr_sql_run(
		"WITH RECURSIVE t AS (SELECT objid AS relid FROM pg_event_trigger_ddl_commands() "
		"WHERE classid = 'pg_class'::regclass AND NOT in_extension "
		"UNION SELECT i.inhparent FROM pg_inherits i JOIN t ON t.relid = i.inhrelid) "
		"SELECT DISTINCT r.relation::oid FROM gdpr.access_rule r JOIN t ON t.relid = r.relation "
		"WHERE r.decision <> 'deny' AND EXISTS (SELECT 1 FROM pg_inherits i WHERE i.inhparent = r.relation)",
		0, NULL, NULL, NULL, false, SPI_OK_SELECT);

	for (uint64 i = 0; i < n; i++)
	{
		bool isnull;

		result = lappend_oid(result, DatumGetObjectId(
										 SPI_getbinval(SPI_tuptable->vals[i],
													   SPI_tuptable->tupdesc, 1,
													   &isnull)));
	}
	return result;
}

static void
follow_relation(Oid relation)
{
	bool changing = gdpr_access_set_changing(true);
	ErrorData *error = gdpr_attempt(follow, &relation);

	(void) gdpr_access_set_changing(changing);
	if (error != NULL)
		ReThrowError(error);
}

Datum
gdpr_access_follow_ddl(PG_FUNCTION_ARGS)
{
	GdprSqlScope scope;
	ListCell *lc;

	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function was not called by the event trigger manager")));
	if (IsBinaryUpgrade || gdpr_access_is_changing() ||
		!gdpr_access_is_ready() || !gdpr_sql_any_row("access_rule"))
		PG_RETURN_NULL();
	gdpr_sql_begin_own(&scope);
	foreach (lc, touched())
		follow_relation(lfirst_oid(lc));
	gdpr_sql_end_own(&scope);
	PG_RETURN_NULL();
}

/* ---- columns ---- */

static Oid
relation_of(TriggerData *trigger, HeapTuple row)
{
	TupleDesc desc = RelationGetDescr(trigger->tg_relation);
	bool isnull;

	return DatumGetObjectId(
		SPI_getbinval(row, desc, SPI_fnumber(desc, "relation"), &isnull));
}

static bool
has_open_rules(Oid relation)
{
	Oid types[] = {OIDOID};
	Datum values[] = {ObjectIdGetDatum(relation)};
	GdprSqlScope scope;
	bool result;

	gdpr_sql_begin_own(&scope);
	result = gdpr_sql_run("SELECT 1 FROM gdpr.access_rule "
						  "WHERE relation = $1 AND decision <> 'deny' LIMIT 1",
						  1, types, values, NULL, false, SPI_OK_SELECT) > 0;
	gdpr_sql_end_own(&scope);
	return result;
}

/* Of a relation that is being dropped its rules go by themselves. */
Datum
gdpr_access_follow_column(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	Oid relation;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function must be called as a trigger")));
	relation = relation_of(trigger, trigger->tg_trigtuple);
	if (!IsBinaryUpgrade && gdpr_access_is_ready() &&
		get_rel_name(relation) != NULL && has_open_rules(relation))
		follow_relation(relation);
	return PointerGetDatum(NULL);
}
