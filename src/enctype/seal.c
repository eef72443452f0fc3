/*
 * seal.c
 *	  Plain constants that plans would show.
 *
 * A literal written as 'x'::text or 42, or a parameter of a plain type whose
 * value the planner puts into a custom plan, stands in the plan as it is, and
 * EXPLAIN and auto_explain print it.  Where such a constant is about to become
 * an encrypted value, the planner's support function for the conversion makes
 * it one in flight already: same value, same rights at run time, nothing to
 * read in the plan.
 */
#include "base/compat.h"

#include "catalog/pg_type.h"
#include "crypto/keyring.h"
#include "enctype/enctype.h"
#include "enctype/seal.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/supportnodes.h"
#include "parser/parse_coerce.h"
#include "utils/array.h"
#include "utils/lsyscache.h"

GDPR_FUNCTION(gdpr_seal_support);

/* A constant of a plain type, below relabelling; NULL otherwise. */
static Const *
plain_constant(Node *node)
{
	Const *constant;

	while (node != NULL && IsA(node, RelabelType))
		node = (Node *) ((RelabelType *) node)->arg;
	if (node == NULL || !IsA(node, Const))
		return NULL;
	constant = (Const *) node;
	if (constant->constisnull || gdpr_enctype_is(constant->consttype) ||
		gdpr_enctype_is(get_element_type(constant->consttype)))
		return NULL;
	return constant;
}

/* The cast from text, to be called without a context. */
static bool
find_cast(Oid target, FmgrInfo *cast)
{
	Oid funcid;

	if (find_coercion_pathway(target, TEXTOID, COERCION_EXPLICIT, &funcid) !=
		COERCION_PATH_FUNC)
		return false;
	fmgr_info(funcid, cast);
	return true;
}

static Datum
seal(FmgrInfo *cast, Datum value)
{
	return FunctionCall3(cast, value, Int32GetDatum(-1), BoolGetDatum(true));
}

static Const *
sealed_constant(Oid typid, Datum value)
{
	return makeConst(typid, -1, InvalidOid, -1, value, false, false);
}

/* A call with three arguments is the cast itself, with two that of a probe. */
static Const *
seal_scalar(FuncExpr *call, Const *plain)
{
	Oid target = call->funcresulttype;
	FmgrInfo cast;

	if (list_length(call->args) == 3)
		fmgr_info(call->funcid, &cast);
	else if ((plain->consttype != TEXTOID && plain->consttype != VARCHAROID) ||
			 !find_cast(target, &cast))
		return NULL;
	return sealed_constant(target, seal(&cast, plain->constvalue));
}

static Const *
seal_array(Const *plain, Oid target)
{
	ArrayType *array;
	FmgrInfo cast;
	Datum *values;
	bool *nulls;
	int count;
	Oid element = get_element_type(plain->consttype);
	int16 length;
	bool byval;
	char align;

	if ((element != TEXTOID && element != VARCHAROID) ||
		!find_cast(target, &cast))
		return NULL;
	array = DatumGetArrayTypeP(plain->constvalue);
	deconstruct_array(array, ARR_ELEMTYPE(array), -1, false, TYPALIGN_INT,
					  &values, &nulls, &count);
	for (int i = 0; i < count; i++)
	{
		if (!nulls[i])
			values[i] = seal(&cast, values[i]);
	}
	get_typlenbyvalalign(target, &length, &byval, &align);
	array = construct_md_array(values, nulls, ARR_NDIM(array), ARR_DIMS(array),
							   ARR_LBOUND(array), target, length, byval, align);
	return sealed_constant(get_array_type(target), PointerGetDatum(array));
}

/*
 * The same call with the constant sealed: the probe of another argument type,
 * or the coercion of the type to itself in place of the cast from text.
 */
static Node *
call_with(FuncExpr *call, Const *sealed)
{
	FuncExpr *result = copyObject(call);
	Oid funcid = InvalidOid;

	if (list_length(call->args) == 2)
		funcid = gdpr_enctype_probe_oid(gdpr_enctype_is(sealed->consttype)
											? sealed->consttype
											: get_element_type(
												  sealed->consttype),
										sealed->consttype);
	else
	{
		if (find_typmod_coercion_function(sealed->consttype, &funcid) !=
			COERCION_PATH_FUNC)
			return NULL;
		/* The planner does not pass the format on; as a cast it has a typmod. */
		result->funcformat = COERCE_EXPLICIT_CAST;
	}
	if (!OidIsValid(funcid))
		return NULL;
	result->funcid = funcid;
	linitial(result->args) = sealed;
	return (Node *) result;
}

Node *
gdpr_seal_call(FuncExpr *call)
{
	Const *plain = plain_constant(linitial(call->args));
	Oid target = call->funcresulttype;
	Const *sealed;

	/* Without shared memory there are no values in flight. */
	if (plain == NULL || !gdpr_keyring_preloaded())
		return NULL;
	if (gdpr_enctype_is(target))
		sealed = seal_scalar(call, plain);
	else
		sealed = seal_array(plain, get_element_type(target));
	return sealed == NULL ? NULL : call_with(call, sealed);
}

/* Support function of casts into our types and of the probes that take text. */
Datum
gdpr_seal_support(PG_FUNCTION_ARGS)
{
	Node *request = (Node *) PG_GETARG_POINTER(0);

	if (!IsA(request, SupportRequestSimplify))
		PG_RETURN_POINTER(NULL);
	PG_RETURN_POINTER(
		gdpr_seal_call(((SupportRequestSimplify *) request)->fcall));
}
