/*
 * refuse.c
 *	  What cannot be answered over encrypted values, said at plan time.
 *
 * Grouping, DISTINCT and set operations tell values apart by their tags, which
 * works for values under one tag key only.  An order of tags exists for
 * indexes, and means nothing to whoever asks for one.
 */
#include "base/compat.h"

#include "access/transam.h"
#include "enctype/enctype.h"
#include "enctype/refuse.h"
#include "enctype/rewrite.h"
#include "enctype/typetree.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "optimizer/tlist.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

/* The type of an array's elements below domains; InvalidOid for no array. */
static Oid
element_base(Oid typid)
{
	Oid element = get_base_element_type(typid);

	return OidIsValid(element) ? getBaseType(element) : InvalidOid;
}

/* Is it a value of a type with tags, or an array or domain of one? */
static bool
is_tagged(Node *expr)
{
	Oid typid = exprType(expr);

	if (typid < FirstNormalObjectId)
		return false;
	typid = getBaseType(typid);
	return gdpr_enctype_has_equality(typid) ||
		   gdpr_enctype_has_equality(element_base(typid));
}

void
gdpr_refuse_unknown(const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("%s over encrypted values whose context is not known", what),
			 errhint("Name the context: value::enctext('context').")));
}

void
gdpr_refuse_mixed(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("encrypted values of different contexts cannot be compared"),
			 errhint("Create the contexts in one tag domain, or move one side: value::enctext('context').")));
}

void
gdpr_refuse_order(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("encrypted values have no order"),
			 errhint("Sort by the plaintext, as a role that may read it: ORDER BY value::text.")));
}

/* Are there encrypted values in it?  Sorting by it would sort by their tags. */
static bool
holds_encrypted(Node *expr)
{
	ListCell *cell;

	if (!IsA(expr, RowExpr))
		return gdpr_typetree_look(exprType(expr), -1).encrypted;
	foreach (cell, ((RowExpr *) expr)->args)
	{
		if (holds_encrypted(lfirst(cell)))
			return true;
	}
	return false;
}

/* Sorting that the user asked for has no meaning on ciphertext. */
static void
check_order(List *clauses, List *targets)
{
	ListCell *cell;

	foreach (cell, clauses)
	{
		SortGroupClause *clause = lfirst_node(SortGroupClause, cell);

		if (holds_encrypted(
				(Node *) get_sortgroupclause_tle(clause, targets)->expr))
			gdpr_refuse_order();
	}
}

/* Can its tags be of more than one key? */
static bool
mixes_tags(Node *expr)
{
	ListCell *cell;

	if (IsA(expr, RowExpr))
	{
		foreach (cell, ((RowExpr *) expr)->args)
		{
			if (mixes_tags(lfirst(cell)))
				return true;
		}
		return false;
	}
	if (is_tagged(expr))
		return gdpr_rewrite_context(expr) < 0;
	return gdpr_typetree_look(exprType(expr), exprTypmod(expr)).without_context;
}

/* Values that are to be told apart by their tags must be of one known context. */
static void
check_grouping(List *clauses, List *targets, const char *what)
{
	ListCell *cell;

	foreach (cell, clauses)
	{
		SortGroupClause *clause = lfirst_node(SortGroupClause, cell);

		if (mixes_tags((Node *) get_sortgroupclause_tle(clause, targets)->expr))
			gdpr_refuse_unknown(what);
	}
}

static void
check_windows(Query *query)
{
	ListCell *cell;

	foreach (cell, query->windowClause)
	{
		WindowClause *window = lfirst_node(WindowClause, cell);

		check_order(window->orderClause, query->targetList);
		check_grouping(window->partitionClause, query->targetList,
					   "PARTITION BY");
	}
}

/* UNION, INTERSECT and EXCEPT compare rows; their ALL forms mostly do not. */
void
gdpr_refuse_set_operation(SetOperationStmt *setop)
{
	ListCell *type;
	ListCell *typmod;

	if (setop->groupClauses == NIL)
		return;
	forboth (type, setop->colTypes, typmod, setop->colTypmods)
	{
		Oid typid = lfirst_oid(type);
		int32 context = lfirst_int(typmod);

		if (typid < FirstNormalObjectId || context >= 0)
			continue;
		typid = getBaseTypeAndTypmod(typid, &context);
		if (context < 0 && (gdpr_enctype_has_equality(typid) ||
							gdpr_enctype_has_equality(element_base(typid))))
			gdpr_refuse_unknown("set operation");
	}
}

/* GREATEST and LEAST. */
void
gdpr_refuse_extreme(MinMaxExpr *extreme)
{
	ListCell *cell;

	foreach (cell, extreme->args)
	{
		if (holds_encrypted(lfirst(cell)))
			gdpr_refuse_order();
	}
}

/*
 * PostgreSQL assigns any value to any string type (citext, say) by printing it,
 * unless there is a cast.  From the encrypted types to its own strings there
 * is; other types' strings, rows and arrays of rows come here.
 */
void
gdpr_refuse_assignment(CoerceViaIO *conversion)
{
	if (conversion->coerceformat == COERCE_IMPLICIT_CAST &&
		holds_encrypted((Node *) conversion->arg))
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("an encrypted value does not become a value of type %s by assignment",
						format_type_be(conversion->resulttype)),
				 errhint("Cast it, as a role that may read the plaintext: value::text.")));
}

void
gdpr_refuse_aggregate(Aggref *aggregate)
{
	check_order(aggregate->aggorder, aggregate->args);
	check_grouping(aggregate->aggdistinct, aggregate->args, "DISTINCT");
}

void
gdpr_refuse_clauses(Query *query)
{
	check_order(query->sortClause, query->targetList);
	check_grouping(query->groupClause, query->targetList, "GROUP BY");
	check_grouping(query->distinctClause, query->targetList, "DISTINCT");
	check_windows(query);
}
