/*
 * refuse_rows.c
 *	  Comparisons of rows that hold encrypted values.
 *
 * The server's operators over rows compare, hash and sort the fields with the
 * default operators of their types: by tags, therefore, and without a word
 * when two tags are of different keys or one is missing.  The fields of a row
 * cannot be turned into probes without taking the row apart, so rows are only
 * checked: field by field they must be of contexts of one tag domain.  Where
 * nothing is known at plan time of the records on either side, they pass.
 */
#include "base/compat.h"

#include "access/transam.h"
#include "access/tupdesc.h"
#include "catalog/pg_type.h"
#include "enctype/enctype.h"
#include "enctype/refuse.h"
#include "enctype/rewrite.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "parser/parsetree.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

typedef enum Comparison
{
	COMPARES_NOTHING,
	COMPARES_ARRAYS,
	COMPARES_ROWS,
	ORDERS
} Comparison;

/* The encrypted values inside a value, in order. */
typedef struct Contents
{
	List *contexts; /* of integers; -1 where it is not known */
	bool opaque;	/* a record whose fields are not known */
} Contents;

static Comparison
comparison_of(Oid opno)
{
	switch (get_opcode(opno))
	{
		case F_ARRAY_EQ:
		case F_ARRAY_NE:
		case F_ARRAYOVERLAP:
		case F_ARRAYCONTAINS:
		case F_ARRAYCONTAINED:
			return COMPARES_ARRAYS;
		case F_RECORD_EQ:
		case F_RECORD_NE:
			return COMPARES_ROWS;
		case F_ARRAY_LT:
		case F_ARRAY_LE:
		case F_ARRAY_GT:
		case F_ARRAY_GE:
		case F_RECORD_LT:
		case F_RECORD_LE:
		case F_RECORD_GT:
		case F_RECORD_GE:
			return ORDERS;
		default:
			return COMPARES_NOTHING;
	}
}

/* Types of the server hold none of ours, but a record may. */
static bool
may_hold(Oid typid)
{
	return typid >= FirstNormalObjectId || typid == RECORDOID ||
		   typid == RECORDARRAYOID;
}

static void
collect_type(Oid typid, int32 typmod, Contents *contents)
{
	TupleDesc columns;

	if (!may_hold(typid))
		return;
	check_stack_depth();
	typid = getBaseTypeAndTypmod(typid, &typmod);
	if (gdpr_enctype_has_equality(typid))
		contents->contexts = lappend_int(contents->contexts, typmod);
	else if (typid == RECORDOID || typid == RECORDARRAYOID)
		contents->opaque = true;
	else if (OidIsValid(get_element_type(typid)))
		collect_type(get_element_type(typid), typmod, contents);
	else if (get_typtype(typid) == TYPTYPE_COMPOSITE)
	{
		columns = lookup_rowtype_tupdesc_copy(typid, -1);
		for (int i = 0; i < columns->natts; i++)
		{
			Form_pg_attribute column = TupleDescAttr(columns, i);

			if (!column->attisdropped)
				collect_type(column->atttypid, column->atttypmod, contents);
		}
		FreeTupleDesc(columns);
	}
}

static void
collect(Node *expr, Contents *contents)
{
	ListCell *cell;
	int32 context;

	if (IsA(expr, RowExpr))
	{
		foreach (cell, ((RowExpr *) expr)->args)
			collect(lfirst(cell), contents);
		return;
	}
	context = gdpr_rewrite_context(expr);
	collect_type(exprType(expr), context >= 0 ? context : exprTypmod(expr),
				 contents);
}

static Contents
contents_of(Node *expr)
{
	Contents contents = {NIL, false};

	collect(expr, &contents);
	return contents;
}

/* Do all fields of the two rows that are encrypted have comparable tags? */
static void
require_alike(const Contents *left, const Contents *right, bool rows,
			  const char *what)
{
	ListCell *a;
	ListCell *b;

	if (list_member_int(left->contexts, -1) ||
		list_member_int(right->contexts, -1))
		gdpr_refuse_unknown(what);
	if (left->opaque || right->opaque)
	{
		if (rows && (left->contexts != NIL || right->contexts != NIL))
			gdpr_refuse_unknown(what);
		return;
	}
	/* Rows of different shapes: comparing them raises an error of its own. */
	if (list_length(left->contexts) != list_length(right->contexts))
		return;
	forboth (a, left->contexts, b, right->contexts)
	{
		if (!gdpr_rewrite_same_domain(lfirst_int(a), lfirst_int(b)))
			gdpr_refuse_mixed();
	}
}

/* Records without rows behind them, a trigger's OLD among them, are not hashed. */
static void
check_rows(Node *left, Node *right)
{
	Contents left_contents = contents_of(left);
	Contents right_contents = contents_of(right);

	require_alike(&left_contents, &right_contents,
				  gdpr_rewrite_has_rows(left) && gdpr_rewrite_has_rows(right),
				  "comparison");
}

/* Such arrays have been seen to by the rewrite. */
static bool
is_array_of_tagged(Node *expr)
{
	return gdpr_enctype_has_equality(get_base_element_type(exprType(expr)));
}

static void
check_order(Node *left, Node *right)
{
	if (contents_of(left).contexts != NIL || contents_of(right).contexts != NIL)
		gdpr_refuse_order();
}

void
gdpr_refuse_rows(OpExpr *op)
{
	Node *left;
	Node *right;

	if (list_length(op->args) != 2)
		return;
	left = linitial(op->args);
	right = lsecond(op->args);
	if (!may_hold(exprType(left)) && !may_hold(exprType(right)))
		return;
	switch (comparison_of(op->opno))
	{
		case COMPARES_ARRAYS:
			if (!is_array_of_tagged(left))
				check_rows(left, right);
			break;
		case COMPARES_ROWS:
			check_rows(left, right);
			break;
		case ORDERS:
			check_order(left, right);
			break;
		case COMPARES_NOTHING:
			break;
	}
}

void
gdpr_refuse_row_list(ScalarArrayOpExpr *op)
{
	Node *left = linitial(op->args);
	Node *right = lsecond(op->args);
	ListCell *cell;

	if (!may_hold(exprType(left)) || comparison_of(op->opno) != COMPARES_ROWS)
		return;
	if (!IsA(right, ArrayExpr))
	{
		check_rows(left, right);
		return;
	}
	foreach (cell, ((ArrayExpr *) right)->elements)
		check_rows(left, lfirst(cell));
}

/* The expressions that one column of a set operation takes its values from. */
static void
list_sources(Query *query, Node *node, int column, List **sources)
{
	SetOperationStmt *setop = (SetOperationStmt *) node;
	Query *branch;

	if (IsA(node, SetOperationStmt))
	{
		list_sources(query, setop->larg, column, sources);
		list_sources(query, setop->rarg, column, sources);
		return;
	}
	branch = rt_fetch(castNode(RangeTblRef, node)->rtindex, query->rtable)
				 ->subquery;
	*sources = lappend(
		*sources, list_nth_node(TargetEntry, branch->targetList, column)->expr);
}

static void
check_set_column(Query *query, SetOperationStmt *setop, int column)
{
	List *sources = NIL;
	Contents first;
	ListCell *cell;

	list_sources(query, (Node *) setop, column, &sources);
	first = contents_of(linitial(sources));
	for_each_from(cell, sources, 1)
	{
		Contents other = contents_of(lfirst(cell));

		require_alike(&first, &other, true, "set operation");
	}
}

void
gdpr_refuse_row_set(Query *query, Node *node)
{
	SetOperationStmt *setop = (SetOperationStmt *) node;
	ListCell *type;

	if (node == NULL || !IsA(node, SetOperationStmt))
		return;
	foreach (type, setop->colTypes)
	{
		if (setop->groupClauses != NIL && may_hold(lfirst_oid(type)) &&
			type_is_rowtype(lfirst_oid(type)))
			check_set_column(query, setop, foreach_current_index(type));
	}
	gdpr_refuse_row_set(query, setop->larg);
	gdpr_refuse_row_set(query, setop->rarg);
}
