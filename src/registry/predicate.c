/*
 * predicate.c
 *	  The condition on a link: which rows of the child it is about.
 *
 * Whoever exports or erases runs it with his own rights.  So it is stored not
 * as written but as PostgreSQL understood it, every name qualified, and it
 * calls nothing but functions that a superuser owns: otherwise the owner of a
 * table would have his code run by the officer.
 */
#include "base/compat.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "base/ident.h"
#include "base/type.h"
#include "catalog/pg_proc.h"
#include "enctype/enctype.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/analyze.h"
#include "parser/parser.h"
#include "registry/predicate.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/ruleutils.h"
#include "utils/syscache.h"

static void
refuse(const char *problem)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("a predicate must not contain %s", problem)));
}

static bool
function_is_foreign(Oid function, void *context)
{
	HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	bool result;

	if (!HeapTupleIsValid(tuple))
		return true;
	result = !superuser_arg(((Form_pg_proc) GETSTRUCT(tuple))->proowner);
	ReleaseSysCache(tuple);
	return result;
}

/*
 * Those functions of the server that run statements on relations they are
 * given, views with functions among them, are not parallel safe.
 */
static bool
function_runs_more(Oid function, void *context)
{
	return function < FirstNormalObjectId &&
		   func_parallel(function) != PROPARALLEL_SAFE;
}

/* Input functions make values of any type, and check the domains in it. */
static bool
makes_value(const Node *node)
{
	switch (nodeTag(node))
	{
		case T_ArrayCoerceExpr:
		case T_ArrayExpr:
		case T_CoerceViaIO:
		case T_Const:
		case T_ConvertRowtypeExpr:
		case T_FuncExpr:
		case T_OpExpr:
		case T_RowExpr:
			return true;
		default:
			return false;
	}
}

static bool
check_node(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, SubLink))
		refuse("a subquery");
	if (IsA(node, CoerceToDomain))
		refuse("a cast to a domain");
	if (IsA(node, Const) && gdpr_enctype_is(((Const *) node)->consttype))
		refuse("an encrypted constant");
	if (check_functions_in_node(node, function_is_foreign, NULL))
		refuse("a function that no superuser owns");
	if (check_functions_in_node(node, function_runs_more, NULL))
		refuse("a function of the server that is not parallel safe");
	if (makes_value(node) && gdpr_type_has_foreign_domain(exprType(node)))
		refuse("a value of a type with a domain that no superuser owns");
	return expression_tree_walker(node, check_node, context);
}

/*
 * "SELECT text" must parse as well as the whole with the text in parentheses:
 * neither "true) OR (true" nor "true LIMIT 1" passes both.
 */
static void
check_alone(const char *text)
{
	List *statements = raw_parser(psprintf("SELECT %s\n", text),
								  RAW_PARSE_DEFAULT);
	SelectStmt *select;

	if (list_length(statements) == 1)
	{
		select = (SelectStmt *) linitial_node(RawStmt, statements)->stmt;
		if (IsA(select, SelectStmt) && list_length(select->targetList) == 1)
			return;
	}
	ereport(ERROR,
			(errcode(ERRCODE_SYNTAX_ERROR),
			 errmsg("a predicate must be one expression")));
}

static Node *
analyse(Oid relid, const char *alias, const char *text)
{
	char *sql = psprintf("SELECT 1 FROM %s %s WHERE (%s\n)",
						 gdpr_ident_relation(relid), quote_identifier(alias),
						 text);
	Query *query;

	check_alone(text);
	query = parse_analyze_fixedparams(
		linitial_node(RawStmt, raw_parser(sql, RAW_PARSE_DEFAULT)), sql, NULL,
		0, NULL);
	return query->jointree->quals;
}

/* The server's message would repeat the text, literals and all. */
static Node *
analyse_silently(Oid relid, const char *alias, const char *text)
{
	MemoryContext context = CurrentMemoryContext;
	Node *result = NULL;

	PG_TRY();
	{
		result = analyse(relid, alias, text);
	}
	PG_CATCH();
	{
		int code = geterrcode();
		int class = ERRCODE_TO_CATEGORY(code);

		if (class != ERRCODE_TO_CATEGORY(ERRCODE_SYNTAX_ERROR) &&
			class != ERRCODE_TO_CATEGORY(ERRCODE_DATA_EXCEPTION) &&
			class != ERRCODE_TO_CATEGORY(ERRCODE_FEATURE_NOT_SUPPORTED))
			PG_RE_THROW();
		MemoryContextSwitchTo(context);
		FlushErrorState();
		ereport(ERROR,
				(errcode(code),
				 errmsg("the predicate is no condition on relation %s",
						gdpr_ident_relation(relid)),
				 errhint("Try it with SELECT count(*) FROM %s " GDPR_PREDICATE_ALIAS " WHERE (...).",
						 gdpr_ident_relation(relid))));
	}
	PG_END_TRY();
	return result;
}

static void
set_local(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
}

/* Text that everybody's settings read alike. */
static char *
deparse(Oid relid, const char *alias, bool prefixed, Node *condition)
{
	int nestlevel = NewGUCNestLevel();
	char *result;

	set_local("search_path", "pg_catalog");
	set_local("DateStyle", "ISO, YMD");
	set_local("IntervalStyle", "postgres");
	set_local("TimeZone", "UTC");
	set_local("extra_float_digits", "3");
	result = deparse_expression(condition, deparse_context_for(alias, relid),
								prefixed, false);
	AtEOXact_GUC(true, nestlevel);
	return result;
}

static void
check_condition(Node *condition)
{
	(void) check_node(condition, NULL);
	if (contain_volatile_functions(condition))
		refuse("a volatile function");
}

char *
gdpr_predicate_normalise(Oid relid, const char *text)
{
	Node *condition = analyse_silently(relid, GDPR_PREDICATE_ALIAS, text);

	check_condition(condition);
	return deparse(relid, GDPR_PREDICATE_ALIAS, true, condition);
}

char *
gdpr_predicate_filter(Oid relid, const char *text)
{
	char *name = get_rel_name(relid);
	Node *condition = analyse_silently(relid, name, text);

	return deparse(relid, name, false, condition);
}

void
gdpr_predicate_check(Oid relid, const char *text)
{
	int nestlevel = NewGUCNestLevel();

	set_local("search_path", "pg_catalog, pg_temp");
	check_condition(analyse_silently(relid, GDPR_PREDICATE_ALIAS, text));
	AtEOXact_GUC(true, nestlevel);
}

Node *
gdpr_predicate_condition(Oid relid, const char *text)
{
	int nestlevel = NewGUCNestLevel();
	Node *condition;

	set_local("search_path", "pg_catalog, pg_temp");
	condition = analyse_silently(relid, GDPR_PREDICATE_ALIAS, text);
	check_condition(condition);
	AtEOXact_GUC(true, nestlevel);
	return condition;
}
