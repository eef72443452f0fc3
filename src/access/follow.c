/*
 * follow.c
 *	  Rules follow what happens to their relations: parts that come and go,
 *	  columns that become personal.
 *
 * A part that comes is closed to direct access like the others.  One that
 * leaves stays closed, with rules of its own, until somebody decides about it:
 * detaching a partition is no way to its rows.
 */
#include "base/compat.h"

#include "access/compile.h"
#include "access/follow.h"
#include "access/guard.h"
#include "access/privilege.h"
#include "access/rule.h"
#include "base/attempt.h"
#include "base/ident.h"
#include "base/session.h"
#include "base/sql.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "commands/event_trigger.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

GDPR_FUNCTION(gdpr_access_follow_ddl);
GDPR_FUNCTION(gdpr_access_follow_column);

typedef struct Part
{
	Oid relation;
	Oid part;
} Part;

/* Rules of relations that nobody is let into yet close nothing. */
#define BELOW                                                                       \
	"WITH RECURSIVE below AS (SELECT DISTINCT r.relation, r.relation::oid AS part " \
	"FROM gdpr.access_rule r JOIN pg_class c ON c.oid = r.relation "                \
	"WHERE c.relrowsecurity AND c.relforcerowsecurity "                             \
	"UNION SELECT b.relation, i.inhrelid FROM pg_inherits i JOIN below b ON b.part = i.inhparent) "

static const char *const came = BELOW
	"SELECT b.relation::oid, b.part FROM below b WHERE b.relation <> b.part "
	"AND NOT EXISTS (SELECT 1 FROM gdpr.access_original o "
	"WHERE o.relation = b.relation AND o.part = b.part)";

static const char *const left = BELOW
	"SELECT DISTINCT o.relation::oid, o.part::oid FROM gdpr.access_original o "
	"WHERE o.relation <> o.part AND o.relation IN (SELECT relation FROM below) "
	"AND o.part IN (SELECT oid FROM pg_class) "
	"AND NOT EXISTS (SELECT 1 FROM below b WHERE b.relation = o.relation AND b.part = o.part)";

/* What leaves takes along what it was like, and who was kept. */
static const char *const part_ways[] = {
	"UPDATE gdpr.access_original SET relation = part WHERE relation = $1 AND part = $2",
	"INSERT INTO gdpr.access_rule (relation, role, decision, decided_by, decided_at) "
	"SELECT $2, role, CASE decision WHEN 'keep' THEN 'keep' ELSE 'deny' END, decided_by, decided_at "
	"FROM gdpr.access_rule WHERE relation = $1 ON CONFLICT (relation, role) DO NOTHING",
};

static const int part_ways_results[] = {SPI_OK_UPDATE, SPI_OK_INSERT};

static List *
find_parts(const char *sql)
{
	List *result = NIL;
	uint64 n = gdpr_sql_run(sql, 0, NULL, NULL, NULL, false, SPI_OK_SELECT);

	for (uint64 i = 0; i < n; i++)
	{
		Part *part = palloc(sizeof(Part));
		bool isnull;

		part->relation = DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[i],
														SPI_tuptable->tupdesc,
														1, &isnull));
		part->part = DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[i],
													SPI_tuptable->tupdesc, 2,
													&isnull));
		result = lappend(result, part);
	}
	return result;
}

static void
close_part(const Part *part)
{
	ListCell *lc;

	if (get_rel_relkind(part->part) == RELKIND_FOREIGN_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("foreign table %s has no row security", gdpr_ident_relation(part->part)),
				 errhint("It cannot be a part of relation %s, which is under rules.",
						 gdpr_ident_relation(part->relation))));
	gdpr_compile_check_policies(part->relation, part->part);
	gdpr_privilege_remember(part->relation, part->part);
	gdpr_compile_close(part->part);
	foreach (lc, gdpr_access_rules(part->relation))
	{
		GdprAccessRule *rule = lfirst(lc);
		Oid role = gdpr_access_role(rule->role, true);

		if (role == GDPR_ACCESS_NO_ROLE)
			continue;
		if (rule->decision == 'k')
			gdpr_compile_keep(rule, part->part);
		else
			gdpr_privilege_take_part(part->part, role);
	}
}

static void
leave_part(const Part *part)
{
	Oid types[] = {OIDOID, OIDOID};
	Datum values[] = {ObjectIdGetDatum(part->relation),
					  ObjectIdGetDatum(part->part)};
	ListCell *lc;

	for (int i = 0; i < lengthof(part_ways); i++)
		(void) gdpr_sql_run(part_ways[i], 2, types, values, NULL, false,
							part_ways_results[i]);
	gdpr_compile_drop_policies(part->part, 0);
	foreach (lc, gdpr_access_rules(part->part))
	{
		GdprAccessRule *rule = lfirst(lc);

		if (gdpr_access_role(rule->role, true) != GDPR_ACCESS_NO_ROLE)
			gdpr_compile_rule(rule);
	}
}

/* A rule on everything includes a column that came, unless it is encrypted. */
static const char *const altered =
	"SELECT DISTINCT r.relation::oid, r.relation::oid FROM gdpr.access_rule r "
	"JOIN pg_event_trigger_ddl_commands() c ON c.objid = r.relation "
	"WHERE c.classid = 'pg_class'::regclass AND c.command_tag = 'ALTER TABLE' "
	"AND '*' = ANY (r.categories)";

/* Column grants are made anew where a declaration changed. */
static void
follow_column(void *argument)
{
	Oid relation = *(Oid *) argument;
	ListCell *lc;

	foreach (lc, gdpr_access_rules(relation))
	{
		GdprAccessRule *rule = lfirst(lc);

		if (rule->decision == 'a' &&
			gdpr_access_role(rule->role, true) != GDPR_ACCESS_NO_ROLE)
			gdpr_compile_grants(rule);
	}
}

static void
follow_parts(void *argument)
{
	GdprSqlScope scope;
	ListCell *lc;

	gdpr_sql_begin_own(&scope);
	foreach (lc, find_parts(came))
		close_part(lfirst(lc));
	foreach (lc, find_parts(left))
		leave_part(lfirst(lc));
	foreach (lc, find_parts(altered))
		follow_column(&((Part *) lfirst(lc))->relation);
	gdpr_sql_end_own(&scope);
}

/* The text of our statements has the filter in it, with the user's literals. */
ErrorData *
gdpr_access_try(void (*work)(void *argument), void *argument)
{
	bool before = gdpr_access_set_changing(true);
	ErrorData *error = gdpr_attempt(work, argument);

	(void) gdpr_access_set_changing(before);
	if (error != NULL)
	{
		error->context = NULL;
		error->internalquery = NULL;
		error->internalpos = 0;
		error->cursorpos = 0;
	}
	return error;
}

void
gdpr_access_work(void (*work)(void *argument), void *argument)
{
	ErrorData *error = gdpr_access_try(work, argument);

	if (error != NULL)
		ReThrowError(error);
}

Datum
gdpr_access_follow_ddl(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function was not called by the event trigger manager")));
	/* Our own DDL has closed what it had to close. */
	if (!IsBinaryUpgrade && !gdpr_access_is_changing() &&
		gdpr_access_is_ready() && gdpr_sql_any_row("access_rule"))
		gdpr_access_work(follow_parts, NULL);
	return PointerGetDatum(NULL);
}

static Oid
relation_of(const TriggerData *trigger)
{
	TupleDesc desc = RelationGetDescr(trigger->tg_relation);
	bool isnull;

	return DatumGetObjectId(SPI_getbinval(trigger->tg_trigtuple, desc,
										  SPI_fnumber(desc, "relation"),
										  &isnull));
}

/* Of a relation that is being dropped its rules go by themselves. */
Datum
gdpr_access_follow_column(PG_FUNCTION_ARGS)
{
	Oid relid;
	Oid relation = InvalidOid;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function must be called as a trigger")));
	relid = relation_of((TriggerData *) fcinfo->context);
	if (!IsBinaryUpgrade && gdpr_access_is_ready() &&
		!gdpr_session_is_restoring() && get_rel_relkind(relid) != '\0')
		relation = gdpr_access_covered(relid);
	if (OidIsValid(relation) && get_rel_relkind(relation) != '\0')
		gdpr_access_work(follow_column, &relation);
	return PointerGetDatum(NULL);
}
