/*
 * declare.c
 *	  gdpr.set_retention, gdpr.retention_plan, gdpr.approve_retention.
 *
 * A rule says what would be done; it runs only after a person has looked at
 * the plan and said yes to its hash.
 */
#include "base/compat.h"

#include "access/htup_details.h"
#include "base/attempt.h"
#include "base/errors.h"
#include "base/ident.h"
#include "base/input.h"
#include "base/options.h"
#include "base/rows.h"
#include "base/sql.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "registry/predicate.h"
#include "registry/registry.h"
#include "retention/run.h"
#include "retention/target.h"
#include "subject/hold.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

GDPR_FUNCTION(gdpr_set_retention);
GDPR_FUNCTION(gdpr_drop_retention);
GDPR_FUNCTION(gdpr_retention_plan);
GDPR_FUNCTION(gdpr_approve_retention);
GDPR_FUNCTION(gdpr_retention_due);

#define NO_RULE		  PG_INT32_MIN
#define DEFAULT_BATCH 1000
#define LARGEST_BATCH 100000
#define UNKNOWN_ROWS  (-1)

/* Rows whose plan is made at a time, for a look at all of them. */
#define PLAN_CHUNK 10000

typedef struct NewRule
{
	GdprRule rule;
	char *every;
	int replaces; /* number of a rule, NO_RULE: none */
} NewRule;

/* ---- gdpr.set_retention ---- */

static void
refuse(const char *message, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s", message),
			 errhint("%s", hint)));
}

static int
compare_interval(Datum value, const char *text)
{
	Datum other = DirectFunctionCall3(interval_in, CStringGetDatum(text),
									  ObjectIdGetDatum(InvalidOid),
									  Int32GetDatum(-1));

	return DatumGetInt32(DirectFunctionCall2(interval_cmp, value, other));
}

/* Not so long that adding it to a date fails. */
static void
check_interval(const char *name, const char *text, const char *least,
			   const char *most)
{
	Datum value;

	if (!gdpr_input_try(INTERVALOID, -1, text, &value) ||
		compare_interval(value, least) < 0 || compare_interval(value, most) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid value of \"%s\"", name),
				 errhint("It is an interval from %s to %s.", least, most)));
}

static char *
relation_owner(Oid relid)
{
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	char *result;
	Oid owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", relid);
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	result = GetUserNameFromId(owner, false);
	if (superuser_arg(owner) && !superuser())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("relation %s belongs to a superuser, whose rights the rule would have",
						gdpr_ident_relation(relid)),
				 errhint("Give the relation to a role of its own, or let a superuser set the rule.")));
	return result;
}

/* The kind in whose map the relation is, if any. */
static char *
find_kind(const GdprRule *rule)
{
	char *found = NULL;
	ListCell *lc;

	foreach (lc, gdpr_graph_kinds())
	{
		GdprMap *map = gdpr_graph_load(lfirst(lc));
		ListCell *ll;

		foreach (ll, map->relations)
		{
			if (((GdprRelation *) lfirst(ll))->relid != rule->relation)
				continue;
			if (found != NULL)
				ereport(ERROR,
						(errcode(ERRCODE_AMBIGUOUS_ALIAS),
						 errmsg("relation %s is in the maps of several kinds, \"%s\" and \"%s\" among them",
								gdpr_ident_relation(rule->relation), found,
								NameStr(map->kind)),
						 errhint("Name one with the option \"kind\".")));
			found = pstrdup(NameStr(map->kind));
		}
	}
	return found;
}

static void
check_kind(const GdprRule *rule)
{
	GdprMap *map = gdpr_graph_load(rule->kind);
	bool found = false;
	ListCell *lc;

	foreach (lc, map->relations)
		found |= ((GdprRelation *) lfirst(lc))->relid == rule->relation;
	if (!found)
		ereport(ERROR,
				(errcode(ERRCODE_GDPR_RELATION_NOT_DECLARED),
				 errmsg("relation %s is not in the map of kind \"%s\"",
						gdpr_ident_relation(rule->relation), rule->kind)));
	if (!map->approved)
		ereport(ERROR,
				(errcode(ERRCODE_GDPR_MAP_NOT_APPROVED),
				 errmsg("the map of kind \"%s\" is not approved", rule->kind),
				 errhint("Approve it with gdpr.approve_map first.")));
}

/* A rule is about whole relations, as the map has them. */
static void
check_topmost(Oid relid)
{
	if (gdpr_graph_relation_alone(relid)->relid != relid)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("relation %s is part of another", gdpr_ident_relation(relid)),
				 errhint("Set the rule on the topmost parent; \"filter\" can narrow it.")));
}

static void
take_rule(FunctionCallInfo fcinfo, NewRule *new)
{
	static const char *const names[] = {"relation", "keep", "since", "action",
										"options"};
	GdprOption known[] = {
		{.name = "batch_size", .number = &new->rule.batch_size},
		{.name = "every", .text = &new->every},
		{.name = "filter", .text = &new->rule.filter},
		{.name = "kind", .text = &new->rule.kind},
		{.name = "rule", .number = &new->replaces},
	};
	GdprRule *rule = &new->rule;
	char *action;

	for (int i = 0; i < lengthof(names); i++)
		gdpr_registry_require(fcinfo, i, names[i]);
	rule->relation = PG_GETARG_OID(0);
	rule->keep = DatumGetCString(
		DirectFunctionCall1(interval_out, PG_GETARG_DATUM(1)));
	rule->since = pstrdup(NameStr(*PG_GETARG_NAME(2)));
	action = text_to_cstring(PG_GETARG_TEXT_PP(3));
	rule->batch_size = DEFAULT_BATCH;
	new->replaces = NO_RULE;
	gdpr_options_parse(PG_GETARG_JSONB_P(4), known, lengthof(known));
	if (strcmp(action, "anonymise") != 0 && strcmp(action, "delete") != 0)
		refuse("invalid value of \"action\"",
			   "It is one of: anonymise, delete.");
	rule->anonymise = strcmp(action, "anonymise") == 0;
	if (rule->batch_size < 1 || rule->batch_size > LARGEST_BATCH)
		refuse("invalid value of \"batch_size\"",
			   "It is a number of rows, from 1 to 100000.");
}

static void
check_rule(NewRule *new)
{
	GdprRule *rule = &new->rule;
	AttrNumber since;

	gdpr_registry_check_relation(rule->relation);
	if (get_rel_relkind(rule->relation) == RELKIND_FOREIGN_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("rows of foreign table %s lie on another server",
						gdpr_ident_relation(rule->relation))));
	check_topmost(rule->relation);
	since = gdpr_registry_column(rule->relation, rule->since);
	if (!gdpr_registry_is_date(rule->relation, since))
		refuse("the column of \"since\" must be a date or a timestamp",
			   "Name the column that says how old a row is.");
	check_interval("keep", rule->keep, "1 second", "1000 years");
	if (new->every == NULL)
		new->every = "1 day";
	check_interval("every", new->every, "1 second", "1 year");
	if (rule->filter != NULL)
		rule->filter = gdpr_predicate_normalise(rule->relation, rule->filter);
	rule->runs_as = relation_owner(rule->relation);
	if (rule->kind == NULL)
		rule->kind = find_kind(rule);
	if (rule->kind != NULL)
		check_kind(rule);
}

/* Whatever stands in the way of every run is better said now. */
static void
try_rule(GdprRule *rule)
{
	GdprRun run = {0};
	GdprSqlScope scope;
	ListCell *lc;

	gdpr_target_describe(&run, rule);
	gdpr_sql_begin_look(&scope, run.role);
	foreach (lc, run.relation->leaves)
	{
		GdprDue due;

		gdpr_target_collect(&run, lfirst_oid(lc), NIL, 0, &due);
	}
	gdpr_sql_end_caller(&scope);
}

static int64
write_rule(const NewRule *new)
{
	const GdprRule *rule = &new->rule;
	Oid types[] = {INT8OID, REGCLASSOID, TEXTOID, TEXTOID, TEXTOID,
				   TEXTOID, TEXTOID,	 INT4OID, TEXTOID, TEXTOID};
	const char *texts[] = {rule->keep, rule->since,
						   rule->anonymise ? "anonymise" : "delete",
						   rule->filter, rule->kind};
	Datum values[10];
	char nulls[] = "          ";
	GdprSqlScope scope;
	bool isnull;
	int64 id;

	values[0] = Int64GetDatum(new->replaces);
	nulls[0] = new->replaces == NO_RULE ? 'n' : ' ';
	values[1] = ObjectIdGetDatum(rule->relation);
	for (int i = 0; i < lengthof(texts); i++)
	{
		values[i + 2] = texts[i] == NULL ? (Datum) 0
										 : CStringGetTextDatum(texts[i]);
		nulls[i + 2] = texts[i] == NULL ? 'n' : ' ';
	}
	values[7] = Int32GetDatum(rule->batch_size);
	values[8] = CStringGetTextDatum(new->every);
	values[9] = CStringGetTextDatum(rule->runs_as);
	gdpr_sql_begin_own(&scope);
	(void) gdpr_sql_run(
		"INSERT INTO gdpr.retention_rule AS r (rule, relation, keep, since, action, "
		"filter, kind, batch_size, every, runs_as) VALUES ("
		"coalesce($1, pg_catalog.nextval('gdpr.retention_rule_number')), $2, $3::interval, "
		"$4::name, $5, $6, $7::name, $8, $9::interval, $10::name) "
		"ON CONFLICT (rule) DO UPDATE SET relation = excluded.relation, "
		"keep = excluded.keep, since = excluded.since, action = excluded.action, "
		"filter = excluded.filter, kind = excluded.kind, batch_size = excluded.batch_size, "
		"every = excluded.every, runs_as = excluded.runs_as, "
		"declared_by = excluded.declared_by, declared_at = excluded.declared_at, "
		"approved_hash = NULL, approved_by = NULL, approved_at = NULL RETURNING rule",
		10, types, values, nulls, false, SPI_OK_INSERT_RETURNING);
	id = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0],
									 SPI_tuptable->tupdesc, 1, &isnull));
	values[0] = Int64GetDatum(id);
	(void) gdpr_sql_run("INSERT INTO gdpr.retention_state (rule) VALUES ($1) "
						"ON CONFLICT DO NOTHING",
						1, types, values, NULL, false, SPI_OK_INSERT);
	gdpr_sql_end_own(&scope);
	return id;
}

Datum
gdpr_set_retention(PG_FUNCTION_ARGS)
{
	NewRule new = {0};

	take_rule(fcinfo, &new);
	check_rule(&new);
	/* The rule that is replaced has to be the caller's too. */
	if (new.replaces != NO_RULE)
		gdpr_registry_check_relation(gdpr_rule_get(new.replaces)->relation);
	try_rule(&new.rule);
	if (new.replaces != NO_RULE)
		gdpr_rule_exclude(new.replaces);
	PG_RETURN_INT64(write_rule(&new));
}

static GdprRule *
own_rule(FunctionCallInfo fcinfo)
{
	GdprRule *rule;

	gdpr_registry_require(fcinfo, 0, "rule");
	rule = gdpr_rule_get(PG_GETARG_INT64(0));
	if (get_rel_relkind(rule->relation) != '\0')
		gdpr_registry_check_relation(rule->relation);
	return rule;
}

Datum
gdpr_drop_retention(PG_FUNCTION_ARGS)
{
	Oid types[] = {INT8OID};
	Datum values[] = {Int64GetDatum(own_rule(fcinfo)->id)};
	GdprSqlScope scope;

	gdpr_rule_exclude(DatumGetInt64(values[0]));
	gdpr_sql_begin_own(&scope);
	(void) gdpr_sql_run("DELETE FROM gdpr.retention_state WHERE rule = $1", 1,
						types, values, NULL, false, SPI_OK_DELETE);
	(void) gdpr_sql_run("DELETE FROM gdpr.retention_rule WHERE rule = $1", 1,
						types, values, NULL, false, SPI_OK_DELETE);
	gdpr_sql_end_own(&scope);
	PG_RETURN_VOID();
}

/* ---- gdpr.retention_plan ---- */

/* Rows of one relation with one action. */
typedef struct Line
{
	Oid relid;
	const char *action;
	int64 rows;
} Line;

static void
count_line(List **lines, Oid relid, const char *action, int64 rows)
{
	Line *line;
	ListCell *lc;

	foreach (lc, *lines)
	{
		line = lfirst(lc);
		if (line->relid == relid && strcmp(line->action, action) == 0)
		{
			if (rows > 0)
				line->rows += rows;
			return;
		}
	}
	line = palloc(sizeof(Line));
	line->relid = relid;
	line->action = action;
	line->rows = rows;
	*lines = lappend(*lines, line);
}

/* Rows at which plans start: those of none are held. */
typedef struct Counting
{
	List **lines;
	MemoryContext context;
} Counting;

static int64
count_plan(GdprPlan *plan, Oid leaf_relid, void *argument)
{
	Counting *counting = argument;
	MemoryContext old = MemoryContextSwitchTo(counting->context);
	ListCell *lc;

	foreach (lc, plan->leaf_list)
	{
		GdprPlanLeaf *leaf = lfirst(lc);

		for (int i = 0; i < leaf->nrows; i++)
			count_line(counting->lines, leaf->relid,
					   gdpr_plan_action_name(leaf->rows[i]), 1);
	}
	MemoryContextSwitchTo(old);
	return plan->nroots;
}

/* What hangs below the rows is the map's to say. */
static void
plan_deletes(const GdprRun *run, Oid leaf, const GdprDue *due, List **lines)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext chunk = AllocSetContextCreate(caller, "gdpr retention plan",
												ALLOCSET_DEFAULT_SIZES);
	Counting counting = {lines, caller};
	int64 free = 0;

	MemoryContextSwitchTo(chunk);
	for (int at = 0; at < due->n; at += PLAN_CHUNK)
	{
		free += gdpr_target_plan(run, leaf, due->tids + at,
								 Min(PLAN_CHUNK, due->n - at), GDPR_PLAN_SHOW,
								 count_plan, &counting);
		MemoryContextReset(chunk);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(chunk);
	if (free < due->n)
		count_line(lines, leaf, "hold", due->n - free);
}

/* What every run would run into is better said now. */
static void
plan_masks(const GdprRun *run, Oid leaf, const GdprDue *due)
{
	MemoryContext caller = CurrentMemoryContext;
	MemoryContext chunk = AllocSetContextCreate(caller, "gdpr retention plan",
												ALLOCSET_DEFAULT_SIZES);

	MemoryContextSwitchTo(chunk);
	for (int at = 0; at < due->n; at += PLAN_CHUNK)
	{
		gdpr_target_check_masks(run, leaf, due->tids + at,
								Min(PLAN_CHUNK, due->n - at));
		MemoryContextReset(chunk);
	}
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(chunk);
}

/* What foreign keys do is the server's affair, and not counted. */
static void
add_references(const GdprRun *run, List **lines)
{
	ListCell *lc;

	foreach (lc, gdpr_rule_references(run->relation))
	{
		GdprRuleReference *reference = lfirst(lc);

		if (reference->on_delete == FKCONSTR_ACTION_CASCADE)
			count_line(lines, reference->child, "cascade", UNKNOWN_ROWS);
		else if (reference->on_delete == FKCONSTR_ACTION_SETNULL ||
				 reference->on_delete == FKCONSTR_ACTION_SETDEFAULT)
			count_line(lines, reference->child, "unlink", UNKNOWN_ROWS);
	}
}

static List *
plan_lines(const GdprRun *run)
{
	const char *action = run->rule->anonymise ? "anonymise" : "delete";
	List *holds = gdpr_hold_active();
	List *lines = NIL;
	ListCell *lc;

	foreach (lc, run->relation->leaves)
	{
		Oid leaf = lfirst_oid(lc);
		HTAB *held = gdpr_hold_rows(holds, leaf);
		int n = 0;
		GdprDue due;

		gdpr_target_collect(run, leaf, holds, INT_MAX, &due);
		for (int i = 0; i < due.n; i++)
		{
			if (gdpr_hold_has(held, leaf, &due.tids[i]))
				count_line(&lines, leaf, "hold", 1);
			else
				due.tids[n++] = due.tids[i];
		}
		due.n = n;
		if (run->rule->anonymise)
			plan_masks(run, leaf, &due);
		if (run->rule->anonymise || run->map == NULL)
			count_line(&lines, leaf, action, due.n);
		else
			plan_deletes(run, leaf, &due, &lines);
		pfree(due.tids);
	}
	if (!run->rule->anonymise && run->map == NULL)
		add_references(run, &lines);
	/* Nothing due is a plan too, and has a hash to be approved. */
	if (lines == NIL)
		count_line(&lines, run->relation->relid, action, 0);
	return lines;
}

Datum
gdpr_retention_plan(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	GdprRule *rule = own_rule(fcinfo);
	GdprRun run = {0};
	GdprSqlScope scope;
	List *lines;
	char *hash;
	ListCell *lc;

	InitMaterializedSRF(fcinfo, 0);
	gdpr_target_describe(&run, rule);
	hash = gdpr_rule_hash(rule, run.map, run.relation);
	gdpr_sql_begin_look(&scope, run.role);
	lines = plan_lines(&run);
	foreach (lc, lines)
	{
		Line *line = lfirst(lc);
		Datum values[] = {ObjectIdGetDatum(line->relid),
						  CStringGetTextDatum(line->action),
						  Int64GetDatum(line->rows), CStringGetTextDatum(hash)};
		bool nulls[lengthof(values)] = {false};

		nulls[2] = line->rows < 0;
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	gdpr_sql_end_caller(&scope);
	return (Datum) 0;
}

/* ---- gdpr.approve_retention ---- */

Datum
gdpr_approve_retention(PG_FUNCTION_ARGS)
{
	Oid types[] = {INT8OID, TEXTOID};
	Datum values[2];
	GdprRule *rule = own_rule(fcinfo);
	GdprRun run = {0};
	GdprSqlScope scope;
	char *hash;

	gdpr_registry_require(fcinfo, 1, "plan_hash");
	gdpr_target_describe(&run, rule);
	if (rule->kind != NULL)
		check_kind(rule);
	hash = gdpr_rule_hash(rule, run.map, run.relation);
	if (strcmp(hash, text_to_cstring(PG_GETARG_TEXT_PP(1))) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_GDPR_MAP_NOT_APPROVED),
				 errmsg("the plan is not the one that \"plan_hash\" names"),
				 errhint("Look at gdpr.retention_plan and approve the hash that it shows.")));
	values[0] = Int64GetDatum(rule->id);
	values[1] = CStringGetTextDatum(hash);
	gdpr_sql_begin_own(&scope);
	(void) gdpr_sql_run(
		"UPDATE gdpr.retention_rule SET approved_hash = $2, approved_by = SESSION_USER, "
		"approved_at = pg_catalog.now() WHERE rule = $1",
		2, types, values, NULL, false, SPI_OK_UPDATE);
	(void) gdpr_sql_run(
		"UPDATE gdpr.retention_state SET next_run = pg_catalog.now(), failures = 0, "
		"last_error = NULL WHERE rule = $1",
		1, types, values, NULL, false, SPI_OK_UPDATE);
	gdpr_sql_end_own(&scope);
	if (gdpr_retention_wake != NULL)
		gdpr_retention_wake();
	PG_RETURN_VOID();
}

/* ---- gdpr.retention_status ---- */

static bool
may_count(const GdprRelation *relation)
{
	return pg_class_aclcheck(relation->relid, GetUserId(), ACL_SELECT) ==
			   ACLCHECK_OK &&
		   !gdpr_rows_hidden(relation->relid, ACL_SELECT);
}

/* What the attempt below takes and gives. */
typedef struct Count
{
	GdprRule *rule;
	bool seen;
	int64 rows;
} Count;

static void
count_due(void *argument)
{
	Count *count = argument;
	GdprRun run = {0};
	GdprSqlScope scope;
	List *holds;
	ListCell *lc;

	gdpr_target_describe(&run, count->rule);
	if (!may_count(run.relation))
		return;
	holds = gdpr_hold_active();
	gdpr_sql_begin_look(&scope, run.role);
	foreach (lc, run.relation->leaves)
		count->rows += gdpr_target_count(&run, lfirst_oid(lc), holds);
	gdpr_sql_end_caller(&scope);
	count->seen = true;
}

/*
 * Due rows of a rule; NULL where the reader may not see them, or none can tell:
 * a rule that cannot run must not hide the others from who looks at the view.
 */
Datum
gdpr_retention_due(PG_FUNCTION_ARGS)
{
	Count count = {.rule = gdpr_rule_find(PG_GETARG_INT64(0))};
	ErrorData *error;

	if (count.rule == NULL)
		PG_RETURN_NULL();
	error = gdpr_attempt(count_due, &count);
	if (error != NULL &&
		ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_OPERATOR_INTERVENTION)
		ReThrowError(error);
	if (error != NULL || !count.seen)
		PG_RETURN_NULL();
	PG_RETURN_INT64(count.rows);
}
