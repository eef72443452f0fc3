/*
 * rewrite.c
 *	  Comparisons of encrypted values, made answerable at plan time.
 *
 * A literal or a parameter has no context, so its equality tag is unknown and
 * an index on tags could not be searched with it.  Where the other side of the
 * comparison has a context, the value is wrapped in gdpr.<type>_probe(value,
 * context), which makes the tag at run time, with the right of the user who
 * runs the query then: no plan holds a tag.  One routine does this for two
 * callers: the planner hook, which sees every form of comparison of the whole
 * query, and the support function of the equality functions, which sees plain
 * comparisons that appear later, when the planner inlines an SQL function.
 *
 * The stored-to-stored operator compares tags without a key and never raises,
 * so values under different tag keys would silently never be equal.  What
 * would come to that is refused (refuse.c).
 */
#include "base/compat.h"

#include "access/transam.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "crypto/keyring.h"
#include "enctype/enctype.h"
#include "enctype/refuse.h"
#include "enctype/rewrite.h"
#include "enctype/seal.h"
#include "enctype/typetree.h"
#include "enctype/value.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/supportnodes.h"
#include "optimizer/optimizer.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

/* Operators of all arrays; PostgreSQL has names for some of them. */
#define OID_ARRAY_EQ 1070
#define OID_ARRAY_NE 1071

/* The equality operators of a type, by what stands on either side. */
typedef enum OperatorKind
{
	KIND_BOTH,	/* ours, ours: the one to rewrite into */
	KIND_LEFT,	/* ours, text */
	KIND_RIGHT, /* text, ours */
	KIND_COUNT
} OperatorKind;

typedef struct Operators
{
	Oid type;
	Oid equal[KIND_COUNT];
	Oid unequal[KIND_COUNT];
} Operators;

/* One of them. */
typedef struct Comparison
{
	const Operators *operators;
	OperatorKind kind;
	bool negated;
} Comparison;

/* Two sides of a comparison that are to be brought together. */
typedef struct Sides
{
	Node *left;
	Node *right;
} Sides;

#define KIND_POINTER(type, kind) &kind,

static const GdprKind *const tagged[] = {GDPR_EACH_TAGGED_TYPE(KIND_POINTER)};

GDPR_FUNCTION(gdpr_rewrite_eq_support);

static bool operators_valid = false;
static Operators operators[lengthof(tagged)];

static void
forget_operators(Datum arg, int cacheid, uint32 hashvalue)
{
	operators_valid = false;
}

void
gdpr_rewrite_init(void)
{
	CacheRegisterSyscacheCallback(TYPEOID, forget_operators, (Datum) 0);
	CacheRegisterSyscacheCallback(OPEROID, forget_operators, (Datum) 0);
}

static Oid
find_operator(const char *name, Oid left, Oid right, Oid schema)
{
	return GetSysCacheOid4(OPERNAMENSP, Anum_pg_operator_oid,
						   CStringGetDatum(name), ObjectIdGetDatum(left),
						   ObjectIdGetDatum(right), ObjectIdGetDatum(schema));
}

static Oid
schema_of_type(Oid typid)
{
	HeapTuple tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(typid));
	Oid schema;

	if (!HeapTupleIsValid(tuple))
		return InvalidOid;
	schema = ((Form_pg_type) GETSTRUCT(tuple))->typnamespace;
	ReleaseSysCache(tuple);
	return schema;
}

static void
find_operators(Operators *ops, Oid ours)
{
	Oid lefts[] = {ours, ours, TEXTOID};
	Oid rights[] = {ours, TEXTOID, ours};
	Oid schema = schema_of_type(ours);

	ops->type = ours;
	for (int i = 0; i < KIND_COUNT; i++)
	{
		ops->equal[i] = find_operator("=", lefts[i], rights[i], schema);
		ops->unequal[i] = find_operator("<>", lefts[i], rights[i], schema);
	}
}

/* Finds the operators of this database; false without the extension. */
static bool
know_operators(void)
{
	bool complete = true;

	if (!OidIsValid(gdpr_enctype_text_oid()))
		return false;
	if (operators_valid)
		return true;
	for (int i = 0; i < lengthof(tagged); i++)
	{
		find_operators(&operators[i], gdpr_enctype_oid(tagged[i]));
		complete = complete && OidIsValid(operators[i].equal[KIND_BOTH]);
	}
	operators_valid = complete;
	return complete;
}

/* Is it one of our operators? */
static bool
find_comparison(Oid opno, Comparison *found)
{
	if (opno < FirstNormalObjectId || !know_operators())
		return false;
	for (int i = 0; i < lengthof(operators); i++)
	{
		for (int kind = 0; kind < KIND_COUNT; kind++)
		{
			if (opno != operators[i].equal[kind] &&
				opno != operators[i].unequal[kind])
				continue;
			found->operators = &operators[i];
			found->kind = kind;
			found->negated = opno == operators[i].unequal[kind];
			return true;
		}
	}
	return false;
}

/* The operator over two encrypted sides that an operator stands for. */
static Oid
operator_over_both(const Comparison *comparison)
{
	return comparison->negated ? comparison->operators->unequal[KIND_BOTH]
							   : comparison->operators->equal[KIND_BOTH];
}

/* The type itself, or an array's elements'. */
static Oid
scalar_type(Oid typid)
{
	Oid element = get_element_type(typid);

	return OidIsValid(element) ? element : typid;
}

/* The probe function's context argument, -1 for another function. */
static int32
probe_context(FuncExpr *call)
{
	Const *context;

	if (list_length(call->args) != 2 || !IsA(lsecond(call->args), Const))
		return -1;
	context = (Const *) lsecond(call->args);
	if (context->consttype != INT4OID || context->constisnull)
		return -1;
	if (call->funcid !=
		gdpr_enctype_probe_oid(scalar_type(call->funcresulttype),
							   exprType((Node *) linitial(call->args))))
		return -1;
	return DatumGetInt32(context->constvalue);
}

int32
gdpr_rewrite_context(Node *expr)
{
	Oid typid = exprType(expr);
	int32 typmod = exprTypmod(expr);

	if (typid < FirstNormalObjectId || typmod >= 0)
		return typid < FirstNormalObjectId ? -1 : typmod;
	if (IsA(expr, RelabelType))
		return gdpr_rewrite_context((Node *) ((RelabelType *) expr)->arg);
	if (IsA(expr, FuncExpr))
		return probe_context((FuncExpr *) expr);
	if (get_typtype(typid) == TYPTYPE_DOMAIN)
		(void) getBaseTypeAndTypmod(typid, &typmod);
	return typmod;
}

bool
gdpr_rewrite_same_domain(int32 left, int32 right)
{
	const GdprContext *a;
	const GdprContext *b;

	if (left == right)
		return true;
	a = gdpr_keyring_context((uint32) left);
	b = gdpr_keyring_context((uint32) right);
	return a != NULL && b != NULL &&
		   strcmp(NameStr(a->tag_domain), NameStr(b->tag_domain)) == 0;
}

static bool
has_rows_walker(Node *node, void *unused)
{
	if (node == NULL)
		return false;
	if (IsA(node, Var))
		return true;
	if (IsA(node, Param) && ((Param *) node)->paramkind == PARAM_SUBLINK)
		return true;
	return expression_tree_walker(node, has_rows_walker, unused);
}

bool
gdpr_rewrite_has_rows(Node *expr)
{
	return has_rows_walker(expr, NULL);
}

static Node *
wrap_in_probe(Node *value, int32 context, Oid result)
{
	Oid argtype = exprType(value);
	Oid funcid = gdpr_enctype_probe_oid(scalar_type(result), argtype);
	Const *typmod;
	FuncExpr *call;
	Node *sealed;

	if (!OidIsValid(funcid))
		elog(ERROR, "no probe function for type %u", argtype);
	typmod = makeConst(INT4OID, -1, InvalidOid, sizeof(int32),
					   Int32GetDatum(context), false, true);
	call = makeFuncExpr(funcid, result, list_make2(value, typmod), InvalidOid,
						InvalidOid, COERCE_EXPLICIT_CALL);
	sealed = gdpr_seal_call(call);
	return sealed != NULL ? sealed : (Node *) call;
}

/* Below a relabelling to text, to text[]: what the probe functions take. */
static Node *
as_probe_input(Node *value, Oid wanted)
{
	if (exprType(value) == wanted)
		return value;
	return (Node *) makeRelabelType((Expr *) value, wanted, -1,
									get_typcollation(wanted),
									COERCE_IMPLICIT_CAST);
}

/* The value as the array or scalar of our type or text that it is at the base. */
static Node *
wrap_side(Node *value, int32 context, Oid ours, bool is_array, bool is_text)
{
	Oid input = is_text ? TEXTOID : ours;
	Oid result = ours;

	if (is_array)
	{
		input = is_text ? TEXTARRAYOID : get_array_type(ours);
		result = get_array_type(ours);
	}
	return wrap_in_probe(as_probe_input(value, input), context, result);
}

static bool
is_loose_constant(Node *expr)
{
	Const *constant = (Const *) expr;
	GdprBytes head;
	GdprEnvelope env;

	if (!IsA(expr, Const) || constant->constisnull ||
		!gdpr_enctype_has_equality(constant->consttype))
		return false;
	head = gdpr_value_head(constant->constvalue);
	return gdpr_envelope_peek(head.data, head.length, &env) &&
		   gdpr_value_is_loose(&env);
}

/*
 * A cast into a context, of a value that no context owns yet, makes a probe
 * when it is compared: encrypting it would use up a nonce per row, and need
 * the right to write where the right to search is what is at stake.
 */
static bool
probe_cast(Node **side)
{
	FuncExpr *cast = (FuncExpr *) *side;
	Node *input;
	int32 typmod;

	if (!IsA(cast, FuncExpr) || !exprIsLengthCoercion(*side, &typmod) ||
		typmod < 0 || !gdpr_enctype_has_equality(cast->funcresulttype))
		return false;
	input = linitial(cast->args);
	if (exprType(input) != TEXTOID &&
		(exprType(input) != cast->funcresulttype || !is_loose_constant(input)))
		return false;
	*side = wrap_in_probe(input, typmod, cast->funcresulttype);
	return true;
}

/*
 * Brings the two sides under one context.  Returns whether a side changed, so
 * that the operator over two encrypted sides is the one to use.
 */
static bool
align_sides(Sides *sides, const Comparison *comparison, bool right_is_array)
{
	OperatorKind kind = comparison->kind;
	Oid ours = comparison->operators->type;
	int32 left = kind == KIND_RIGHT ? -1 : gdpr_rewrite_context(sides->left);
	int32 right = kind == KIND_LEFT ? -1 : gdpr_rewrite_context(sides->right);
	bool changed;

	if (left >= 0 && right >= 0)
	{
		if (!gdpr_rewrite_same_domain(left, right))
			gdpr_refuse_mixed();
		changed = probe_cast(&sides->left);
		return probe_cast(&sides->right) || changed;
	}
	if (left >= 0)
		sides->right = wrap_side(sides->right, left, ours, right_is_array,
								 kind == KIND_LEFT);
	else if (right >= 0)
		sides->left = wrap_side(sides->left, right, ours, false,
								kind == KIND_RIGHT);
	else if (gdpr_rewrite_has_rows(sides->left) &&
			 gdpr_rewrite_has_rows(sides->right))
		gdpr_refuse_unknown("comparison");
	else
		return false;
	return true;
}

/* Comparisons of whole arrays, which compare elements: = <> && @> <@ */
static bool
compares_arrays(Oid opno)
{
	return opno == OID_ARRAY_EQ || opno == OID_ARRAY_NE ||
		   opno == OID_ARRAY_OVERLAP_OP || opno == OID_ARRAY_CONTAINS_OP ||
		   opno == OID_ARRAY_CONTAINED_OP;
}

/* Two arrays of encrypted values: the operator stays, a side becomes probes. */
static void
rewrite_array_comparison(OpExpr *op)
{
	Node *left = linitial(op->args);
	Node *right = lsecond(op->args);
	int32 left_context;
	int32 right_context;
	Oid ours = get_element_type(exprType(left));

	if (!gdpr_enctype_has_equality(ours) || exprType(right) != exprType(left))
		return;
	left_context = gdpr_rewrite_context(left);
	right_context = gdpr_rewrite_context(right);
	if (left_context >= 0 && right_context >= 0)
	{
		if (!gdpr_rewrite_same_domain(left_context, right_context))
			gdpr_refuse_mixed();
	}
	else if (left_context >= 0)
		lsecond(op->args) = wrap_side(right, left_context, ours, true, false);
	else if (IsA(op, NullIfExpr))
		return; /* gives its left side back */
	else if (right_context >= 0)
		linitial(op->args) = wrap_side(left, right_context, ours, true, false);
	else if (gdpr_rewrite_has_rows(left) && gdpr_rewrite_has_rows(right))
		gdpr_refuse_unknown("comparison");
}

/* An OpExpr or one of its look-alikes. */
static void
rewrite_operator(OpExpr *op)
{
	Comparison comparison;
	Sides sides;

	if (!find_comparison(op->opno, &comparison))
	{
		if (compares_arrays(op->opno))
			rewrite_array_comparison(op);
		gdpr_refuse_rows(op);
		return;
	}
	sides.left = linitial(op->args);
	sides.right = lsecond(op->args);

	/* NULLIF gives its left side back, which must not become a probe. */
	if (IsA(op, NullIfExpr) && comparison.kind == KIND_RIGHT)
		return;
	if (IsA(op, NullIfExpr) && gdpr_rewrite_context(sides.left) < 0)
		return;
	if (!align_sides(&sides, &comparison, false))
		return;
	if (IsA(op, NullIfExpr))
		sides.left = linitial(op->args);
	op->opno = operator_over_both(&comparison);
	op->opfuncid = get_opcode(op->opno);
	op->inputcollid = InvalidOid;
	op->args = list_make2(sides.left, sides.right);
}

/* x = ANY (array) and its kin, IN lists among them. */
static void
rewrite_array_operator(ScalarArrayOpExpr *op)
{
	Comparison comparison;
	Sides sides;

	if (!find_comparison(op->opno, &comparison))
	{
		gdpr_refuse_row_list(op);
		return;
	}
	sides.left = linitial(op->args);
	sides.right = lsecond(op->args);
	if (!align_sides(&sides, &comparison, true))
	{
		/* A long list would be hashed, which values in flight cannot be. */
		if (comparison.kind != KIND_BOTH ||
			gdpr_rewrite_context(sides.left) >= 0 ||
			gdpr_rewrite_context(sides.right) >= 0)
			return;
		sides.right = wrap_side(sides.right, -1, comparison.operators->type,
								true, false);
	}
	op->opno = operator_over_both(&comparison);
	op->opfuncid = get_opcode(op->opno);
	op->hashfuncid = op->negfuncid = InvalidOid;
	op->inputcollid = InvalidOid;
	op->args = list_make2(sides.left, sides.right);
}

/* Nothing but relations, columns and conditions, as most queries are. */
static bool
is_plain(const Query *query)
{
	ListCell *lc;

	if (query->commandType == CMD_MERGE || query->cteList != NIL ||
		query->setOperations != NULL || query->havingQual != NULL ||
		query->windowClause != NIL || query->limitOffset != NULL ||
		query->limitCount != NULL || query->onConflict != NULL ||
		query->returningList != NIL || query->withCheckOptions != NIL ||
		query->jointree == NULL)
		return false;
	foreach (lc, query->rtable)
	{
		const RangeTblEntry *rte = lfirst_node(RangeTblEntry, lc);

		if (rte->rtekind != RTE_RELATION || rte->tablesample != NULL ||
			rte->securityQuals != NIL)
			return false;
	}
	return true;
}

static bool
walk_list(List *nodes, bool (*walker)(Node *, void *), void *context)
{
	ListCell *lc;

	foreach (lc, nodes)
	{
		if (walker(lfirst(lc), context))
			return true;
	}
	return false;
}

/* What query_tree_walker would do, which takes three times as long. */
static bool
walk_plain(Query *query, bool (*walker)(Node *, void *), void *context)
{
	ListCell *lc;

	foreach (lc, query->targetList)
	{
		if (walker((Node *) lfirst_node(TargetEntry, lc)->expr, context))
			return true;
	}
	return walk_list(query->jointree->fromlist, walker, context) ||
		   walker(query->jointree->quals, context);
}

static bool
query_walker(Node *node, void *unused)
{
	if (node == NULL)
		return false;
	switch (nodeTag(node))
	{
			/* Most nodes of most queries: the general walker takes longer. */
		case T_Var:
		case T_Const:
		case T_Param:
		case T_RangeTblRef:
			return false;
		case T_TargetEntry:
			return query_walker((Node *) ((TargetEntry *) node)->expr, unused);
		case T_Query:
			gdpr_refuse_clauses((Query *) node);
			gdpr_refuse_row_set((Query *) node,
								((Query *) node)->setOperations);
			if (is_plain((Query *) node))
				return walk_plain((Query *) node, query_walker, unused);
			return query_tree_walker((Query *) node, query_walker, unused,
									 QTW_IGNORE_JOINALIASES);
		case T_OpExpr:
		case T_DistinctExpr:
		case T_NullIfExpr:
			rewrite_operator((OpExpr *) node);
			return walk_list(((OpExpr *) node)->args, query_walker, unused);
		case T_ScalarArrayOpExpr:
			rewrite_array_operator((ScalarArrayOpExpr *) node);
			break;
		case T_Aggref:
			gdpr_refuse_aggregate((Aggref *) node);
			break;
		case T_CoerceViaIO:
			gdpr_refuse_assignment((CoerceViaIO *) node);
			break;
		case T_MinMaxExpr:
			gdpr_refuse_extreme((MinMaxExpr *) node);
			break;
		case T_SetOperationStmt:
			gdpr_refuse_set_operation((SetOperationStmt *) node);
			break;
		default:
			break;
	}
	return expression_tree_walker(node, query_walker, unused);
}

void
gdpr_rewrite_query(Query *query)
{
	/* Most databases have no encrypted type at all. */
	if (know_operators())
		(void) query_walker((Node *) query, NULL);
}

/*
 * The planner calls for every relation of a level; once something is rewritten
 * there is nothing left to do, so no note is taken of levels done.
 */
void
gdpr_rewrite_level(PlannerInfo *root, Oid relid)
{
	if (!gdpr_typetree_relation(relid) || !know_operators())
		return;
	gdpr_refuse_clauses(root->parse);
	(void) query_tree_walker(root->parse, query_walker, NULL,
							 QTW_IGNORE_RANGE_TABLE |
								 QTW_IGNORE_CTE_SUBQUERIES);
}

/* The operator that a comparison function belongs to. */
static Oid
operator_of_function(Oid funcid)
{
	if (!know_operators())
		return InvalidOid;
	for (int i = 0; i < lengthof(operators); i++)
	{
		for (int kind = 0; kind < KIND_COUNT; kind++)
		{
			Oid equal = operators[i].equal[kind];
			Oid unequal = operators[i].unequal[kind];

			if (OidIsValid(equal) && get_opcode(equal) == funcid)
				return equal;
			if (OidIsValid(unequal) && get_opcode(unequal) == funcid)
				return unequal;
		}
	}
	return InvalidOid;
}

static Node *
simplify_comparison(FuncExpr *call)
{
	Comparison comparison;
	Sides sides;
	OpExpr *result;

	if (!find_comparison(operator_of_function(call->funcid), &comparison) ||
		list_length(call->args) != 2)
		return NULL;
	sides.left = linitial(call->args);
	sides.right = lsecond(call->args);
	if (!align_sides(&sides, &comparison, false))
		return NULL;
	result = (OpExpr *) make_opclause(operator_over_both(&comparison), BOOLOID,
									  false, (Expr *) sides.left,
									  (Expr *) sides.right, InvalidOid,
									  InvalidOid);
	result->opfuncid = get_opcode(result->opno);
	return (Node *) result;
}

/* Support function of the comparison functions of our types. */
Datum
gdpr_rewrite_eq_support(PG_FUNCTION_ARGS)
{
	Node *request = (Node *) PG_GETARG_POINTER(0);

	if (!IsA(request, SupportRequestSimplify))
		PG_RETURN_POINTER(NULL);
	PG_RETURN_POINTER(
		simplify_comparison(((SupportRequestSimplify *) request)->fcall));
}
