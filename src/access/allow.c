/*
 * allow.c
 *	  gdpr.allow, gdpr.deny, gdpr.release.
 *
 * The first rule of a relation closes it: row security, for the owner too, and
 * nobody without a rule sees a row.  So it is made only when something is
 * decided about everybody who uses the relation today.  A dry run does the
 * work and takes it back: what it shows is what would be.
 */
#include "base/compat.h"

#include "access/compile.h"
#include "access/follow.h"
#include "access/matrix.h"
#include "access/privilege.h"
#include "access/rule.h"
#include "access/xact.h"
#include "base/ident.h"
#include "base/options.h"
#include "base/sql.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "registry/predicate.h"
#include "registry/registry.h"
#include "subject/graph.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/tuplestore.h"

GDPR_FUNCTION(gdpr_allow);
GDPR_FUNCTION(gdpr_deny);
GDPR_FUNCTION(gdpr_release);

typedef struct Work
{
	GdprAccessRule rule;
	bool keep_others;
	bool dry_run;
	bool take_back; /* what failed last was to be undone, no more */
	MemoryContext target;
	List *before;
	List *after;
} Work;

/* ---- what is allowed ---- */

static void
refuse(const char *message, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s", message),
			 errhint("%s", hint)));
}

static void
check_topmost(Oid relid)
{
	char relkind = get_rel_relkind(relid);

	gdpr_registry_check_relation(relid);
	if (relkind == RELKIND_FOREIGN_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("foreign table %s has no row security", gdpr_ident_relation(relid))));
	if (gdpr_graph_relation_alone(relid)->relid != relid)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("relation %s is part of another", gdpr_ident_relation(relid)),
				 errhint("Make the rule on the topmost parent.")));
}

static void
check_categories(const List *categories)
{
	Oid types[] = {TEXTARRAYOID};
	Datum values[] = {PointerGetDatum(gdpr_registry_texts(categories))};
	char *unknown = NULL;
	GdprSqlScope scope;

	gdpr_sql_begin_own(&scope);
	if (gdpr_sql_run("SELECT 1 FROM unnest($1) c WHERE c <> '*' "
					 "AND c NOT IN (SELECT name FROM gdpr.category)",
					 1, types, values, NULL, false, SPI_OK_SELECT) > 0)
	{
		(void) gdpr_sql_run(
			"SELECT string_agg(name, ', ' ORDER BY name COLLATE \"C\") FROM gdpr.category",
			0, NULL, NULL, NULL, false, SPI_OK_SELECT);
		unknown = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	}
	if (unknown != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown category of personal data"),
				 errhint("The categories are: %s, and * for all.", unknown)));
	gdpr_sql_end_own(&scope);
}

static AclMode
take_privileges(const List *names)
{
	static const struct
	{
		const char *name;
		AclMode bit;
	} known[] = {{"SELECT", ACL_SELECT},
				 {"INSERT", ACL_INSERT},
				 {"UPDATE", ACL_UPDATE},
				 {"DELETE", ACL_DELETE}};
	AclMode bits = ACL_NO_RIGHTS;
	ListCell *lc;

	foreach (lc, names)
	{
		AclMode before = bits;

		for (int i = 0; i < lengthof(known); i++)
		{
			if (pg_strcasecmp(lfirst(lc), known[i].name) == 0)
				bits |= known[i].bit;
		}
		if (bits == before)
			refuse(
				"unknown privilege",
				"Privileges are SELECT, INSERT, UPDATE and DELETE, each once.");
	}
	if (bits == ACL_NO_RIGHTS)
		refuse("no privilege is given", "Use gdpr.deny to give none.");
	return bits;
}

static void
check_purposes(const List *purposes)
{
	Oid types[] = {TEXTARRAYOID};
	Datum values[] = {PointerGetDatum(gdpr_registry_texts(purposes))};
	GdprSqlScope scope;
	uint64 n;

	gdpr_sql_begin_own(&scope);
	n = gdpr_sql_run(
		"SELECT 1 FROM unnest($1) p WHERE p NOT IN (SELECT name::text FROM gdpr.purpose)",
		1, types, values, NULL, false, SPI_OK_SELECT);
	gdpr_sql_end_own(&scope);
	if (n > 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("there is no such purpose"),
				 errhint("Declare it with gdpr.create_purpose.")));
}

static void
take_arguments(FunctionCallInfo fcinfo, Work *work)
{
	static const char *const names[] = {"role", "relation", "categories",
										"privileges", "options"};
	char *others = NULL;
	const GdprOption known[] = {
		{.name = "dry_run", .flag = &work->dry_run},
		{.name = "filter", .text = &work->rule.filter},
		{.name = "others", .text = &others},
		{.name = "own", .text = &work->rule.own},
		{.name = "purposes", .list = &work->rule.purposes, .filled = true},
	};
	GdprAccessRule *rule = &work->rule;

	for (int i = 0; i < lengthof(names); i++)
		gdpr_registry_require(fcinfo, i, names[i]);
	rule->decision = 'a';
	rule->role = pstrdup(NameStr(*PG_GETARG_NAME(0)));
	rule->relation = PG_GETARG_OID(1);
	rule->categories = gdpr_registry_list(PG_GETARG_ARRAYTYPE_P(2));
	rule->privileges = take_privileges(
		gdpr_registry_list(PG_GETARG_ARRAYTYPE_P(3)));
	gdpr_options_parse(PG_GETARG_JSONB_P(4), known, lengthof(known));
	if (others != NULL && strcmp(others, "keep") != 0)
		refuse(
			"invalid value of \"others\"",
			"It is \"keep\": whoever uses the relation today goes on as before.");
	work->keep_others = others != NULL;
	(void) gdpr_access_role(rule->role, false);
	check_topmost(rule->relation);
	check_categories(rule->categories);
	check_purposes(rule->purposes);
	if (rule->filter != NULL)
		rule->filter = gdpr_predicate_filter(rule->relation, rule->filter);
	if (rule->own != NULL)
		(void) gdpr_own_condition(rule->relation, rule->own);
}

/* ---- closing a relation ---- */

static const char *
role_name(Oid role)
{
	return role == ACL_ID_PUBLIC ? GDPR_ACCESS_PUBLIC
								 : GetUserNameFromId(role, false);
}

static bool
is_decided(const List *rules, const char *role)
{
	ListCell *lc;

	foreach (lc, rules)
	{
		if (strcmp(((GdprAccessRule *) lfirst(lc))->role, role) == 0)
			return true;
	}
	return false;
}

static int
compare_names(const ListCell *a, const ListCell *b)
{
	return strcmp(lfirst(a), lfirst(b));
}

/* A superuser is bound by nothing, and needs no decision. */
static List *
undecided(Oid relation, const char *role)
{
	List *rules = gdpr_access_rules(relation);
	List *names = NIL;
	ListCell *lc;

	foreach (lc, gdpr_privilege_grantees(relation))
	{
		const char *name = role_name(lfirst_oid(lc));

		if (strcmp(name, role) != 0 && !is_decided(rules, name) &&
			(lfirst_oid(lc) == ACL_ID_PUBLIC || !superuser_arg(lfirst_oid(lc))))
			names = lappend(names, pstrdup(name));
	}
	list_sort(names, compare_names);
	return names;
}

static void
refuse_undecided(Oid relation, const List *names)
{
	StringInfoData buf;
	ListCell *lc;

	initStringInfo(&buf);
	foreach (lc, names)
		appendStringInfo(&buf, "%s%s", buf.len == 0 ? "" : ", ",
						 quote_identifier(lfirst(lc)));
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("others use relation %s, and would see nothing of it any more",
					gdpr_ident_relation(relation)),
			 errdetail("Undecided: %s.", buf.data),
			 errhint("Decide about each with gdpr.deny or gdpr.allow, or give \"others\": \"keep\".")));
}

/* Kept, PUBLIC would leave the relation open to everybody. */
static void
keep(Oid relation, const List *names)
{
	ListCell *lc;

	foreach (lc, names)
	{
		GdprAccessRule rule = {0};

		if (strcmp(lfirst(lc), GDPR_ACCESS_PUBLIC) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("PUBLIC uses relation %s, and cannot be kept",
							gdpr_ident_relation(relation)),
					 errhint("Take it with gdpr.deny('public', ...), or decide with gdpr.allow('public', ...).")));

		rule.relation = relation;
		rule.role = lfirst(lc);
		rule.decision = 'k';
		gdpr_access_put_rule(&rule);
	}
}

/*
 * Everything of it at once, so that what is decided holds when it is written;
 * ours first, since a lock may be waited for.
 */
static void
lock(Oid relation)
{
	ListCell *lc;

	foreach (lc, find_all_inheritors(relation, AccessExclusiveLock, NULL))
	{
		if (get_rel_relkind(lfirst_oid(lc)) == RELKIND_FOREIGN_TABLE)
			ereport(ERROR,
					(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					 errmsg("part %s of relation %s is a foreign table, which has no row security",
							gdpr_ident_relation(lfirst_oid(lc)), gdpr_ident_relation(relation))));
	}
	check_topmost(relation);
}

static void
remember(Oid relation)
{
	ListCell *lc;

	foreach (lc, gdpr_privilege_parts(relation))
		gdpr_privilege_remember(relation, lfirst_oid(lc));
}

/* Rules that wait for the relation to be closed come into force with it. */
static void
close_relation(Oid relation)
{
	ListCell *lc;

	foreach (lc, gdpr_privilege_parts(relation))
		gdpr_compile_close(lfirst_oid(lc));
	foreach (lc, gdpr_access_rules(relation))
	{
		GdprAccessRule *rule = lfirst(lc);

		if (gdpr_access_role(rule->role, true) != GDPR_ACCESS_NO_ROLE)
			gdpr_compile_rule(rule);
	}
}

static void
apply(Work *work)
{
	GdprAccessRule *rule = &work->rule;
	bool closed;
	List *others;

	lock(rule->relation);
	gdpr_compile_check_policies(rule->relation, rule->relation);
	closed = gdpr_access_is_closed(rule->relation);
	others = undecided(rule->relation, rule->role);
	if (others != NIL && !work->keep_others)
		refuse_undecided(rule->relation, others);
	remember(rule->relation);
	keep(rule->relation, others);
	gdpr_access_put_rule(rule);
	CommandCounterIncrement();
	if (!closed || others != NIL)
		close_relation(rule->relation);
	else
		gdpr_compile_rule(rule);
}

/* ---- gdpr.allow ---- */

/* Ends a subtransaction whose work is not to stay; run() knows. */
static void
take_back(Work *work)
{
	work->take_back = true;
	elog(ERROR, "the work was done for a look at it");
}

static void
do_work(void *argument)
{
	Work *work = argument;

	apply(work);
	CommandCounterIncrement();
	work->after = gdpr_matrix_read(work->rule.relation, work->target);
	if (work->dry_run)
		take_back(work);
}

/* The matrix is of relations under rules: for a look, a rule that gives nothing. */
static void
look(void *argument)
{
	Work *work = argument;

	if (gdpr_access_rules(work->rule.relation) == NIL)
	{
		GdprAccessRule rule = {.relation = work->rule.relation,
							   .role = work->rule.role,
							   .decision = 'd'};

		gdpr_access_put_rule(&rule);
		CommandCounterIncrement();
	}
	work->before = gdpr_matrix_read(work->rule.relation, work->target);
	take_back(work);
}

static void
run(void (*what)(void *argument), Work *work)
{
	ErrorData *error = gdpr_access_try(what, work);

	if (error != NULL && !work->take_back)
		ReThrowError(error);
	work->take_back = false;
}

static GdprMatrixCell *
same_cell(const List *cells, const GdprMatrixCell *cell)
{
	ListCell *lc;

	foreach (lc, cells)
	{
		GdprMatrixCell *other = lfirst(lc);

		if (strcmp(other->role, cell->role) == 0 &&
			strcmp(other->category, cell->category) == 0 &&
			strcmp(other->via, cell->via) == 0)
			return other;
	}
	return NULL;
}

static void
put_cell(ReturnSetInfo *result, const GdprMatrixCell *cell,
		 const GdprMatrixCell *before, const GdprMatrixCell *after)
{
	Datum values[5] = {0};
	bool nulls[5] = {false};

	values[0] = DirectFunctionCall1(namein, CStringGetDatum(cell->role));
	values[1] = CStringGetTextDatum(cell->category);
	values[2] = CStringGetTextDatum(cell->via);
	nulls[3] = before == NULL;
	nulls[4] = after == NULL;
	values[3] = before == NULL ? (Datum) 0 : CStringGetTextDatum(before->what);
	values[4] = after == NULL ? (Datum) 0 : CStringGetTextDatum(after->what);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

static void
put_matrix(ReturnSetInfo *result, const Work *work)
{
	ListCell *lc;

	foreach (lc, work->before)
		put_cell(result, lfirst(lc), lfirst(lc),
				 same_cell(work->after, lfirst(lc)));
	foreach (lc, work->after)
	{
		if (same_cell(work->before, lfirst(lc)) == NULL)
			put_cell(result, lfirst(lc), NULL, lfirst(lc));
	}
}

Datum
gdpr_allow(PG_FUNCTION_ARGS)
{
	Work work = {.target = CurrentMemoryContext};

	InitMaterializedSRF(fcinfo, 0);
	take_arguments(fcinfo, &work);
	run(look, &work);
	run(do_work, &work);
	put_matrix((ReturnSetInfo *) fcinfo->resultinfo, &work);
	return (Datum) 0;
}

/* ---- gdpr.deny ---- */

static void
do_deny(void *argument)
{
	Work *work = argument;

	lock(work->rule.relation);
	remember(work->rule.relation);
	gdpr_access_put_rule(&work->rule);
	CommandCounterIncrement();
	gdpr_compile_rule(&work->rule);
}

/* Before the first gdpr.allow it takes privileges only; nothing is closed yet. */
Datum
gdpr_deny(PG_FUNCTION_ARGS)
{
	Work work = {0};

	gdpr_registry_require(fcinfo, 0, "role");
	gdpr_registry_require(fcinfo, 1, "relation");
	work.rule.role = pstrdup(NameStr(*PG_GETARG_NAME(0)));
	work.rule.relation = PG_GETARG_OID(1);
	work.rule.decision = 'd';
	(void) gdpr_access_role(work.rule.role, false);
	check_topmost(work.rule.relation);
	gdpr_access_work(do_deny, &work);
	PG_RETURN_VOID();
}

/* ---- gdpr.release ---- */

static void
do_release(void *argument)
{
	Oid relation = *(Oid *) argument;
	List *roles = NIL;
	ListCell *lc;

	lock(relation);
	foreach (lc, gdpr_access_rules(relation))
	{
		GdprAccessRule *rule = lfirst(lc);
		Oid role = gdpr_access_role(rule->role, true);

		/* Of a role that is kept nothing was taken. */
		if (rule->decision != 'k' && role != GDPR_ACCESS_NO_ROLE)
			roles = lappend_oid(roles, role);
	}
	gdpr_compile_drop_policies(relation, 0);
	gdpr_privilege_restore(relation, roles);
	gdpr_access_delete_rules(relation);
}

Datum
gdpr_release(PG_FUNCTION_ARGS)
{
	Oid relation;

	gdpr_registry_require(fcinfo, 0, "relation");
	relation = PG_GETARG_OID(0);
	check_topmost(relation);
	if (gdpr_access_rules(relation) == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("access to relation %s is not under rules",
						gdpr_ident_relation(relation))));
	gdpr_access_work(do_release, &relation);
	PG_RETURN_VOID();
}
