/*
 * basecast.c
 *	  Plain values between the base type of a kind and other types.
 *
 * One function for all casts: which of the server's functions does the work is
 * looked up by the types that the called function was declared with.
 */
#include "base/compat.h"

#include "access/htup_details.h"
#include "base/input.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "enctype/basecast.h"
#include "parser/parse_coerce.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

struct GdprBaseCast
{
	Oid source;
	Oid target;
	CoercionPathType path;
	FmgrInfo function;	 /* of a cast, or the source's output */
	FmgrInfo set_typmod; /* fn_oid is 0 for a type without modifiers */
};

/* The server's cast from float8 to numeric keeps 15 digits of 17. */
static bool
loses_digits(Oid source, Oid target)
{
	return (source == FLOAT4OID || source == FLOAT8OID) && target == NUMERICOID;
}

static void
find_function(GdprBaseCast *cast, MemoryContext context)
{
	Oid function;
	bool is_varlena;

	cast->path = find_coercion_pathway(cast->target, cast->source,
									   COERCION_EXPLICIT, &function);
	if (loses_digits(cast->source, cast->target))
		cast->path = COERCION_PATH_COERCEVIAIO;
	switch (cast->path)
	{
		case COERCION_PATH_RELABELTYPE:
			return;
		case COERCION_PATH_FUNC:
			break;
		case COERCION_PATH_COERCEVIAIO:
			getTypeOutputInfo(cast->source, &function, &is_varlena);
			break;
		default:
			/* Of a value that is not of the type that it stands in. */
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("encrypted value is malformed")));
	}
	fmgr_info_cxt(function, &cast->function, context);
}

static GdprBaseCast *
get_cast(FmgrInfo *flinfo, Oid source, Oid target)
{
	GdprBaseCast *cast = flinfo->fn_extra;
	Oid function;

	if (cast != NULL && cast->source == source && cast->target == target)
		return cast;
	cast = MemoryContextAllocZero(flinfo->fn_mcxt, sizeof(*cast));
	cast->source = source;
	cast->target = target;
	find_function(cast, flinfo->fn_mcxt);
	if (find_typmod_coercion_function(target, &function) == COERCION_PATH_FUNC)
		fmgr_info_cxt(function, &cast->set_typmod, flinfo->fn_mcxt);
	flinfo->fn_extra = cast;
	return cast;
}

/* What the function was declared with: callers of every kind agree on that. */
static void
declared_types(Oid funcid, Oid *argument, Oid *result)
{
	HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(funcid));
	Form_pg_proc form;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", funcid);
	form = (Form_pg_proc) GETSTRUCT(tuple);
	*argument = form->proargtypes.values[0];
	*result = form->prorettype;
	ReleaseSysCache(tuple);
}

GdprBaseCast *
gdpr_basecast_in(FmgrInfo *flinfo, const GdprKind *kind)
{
	GdprBaseCast *known = flinfo->fn_extra;
	Oid argument;
	Oid result;

	if (known != NULL)
		return known;
	declared_types(flinfo->fn_oid, &argument, &result);
	return get_cast(flinfo, argument, kind->base);
}

GdprBaseCast *
gdpr_basecast_out(FmgrInfo *flinfo, const GdprKind *kind)
{
	GdprBaseCast *known = flinfo->fn_extra;
	Oid argument;
	Oid result;

	if (known != NULL && known->source == kind->base)
		return known;
	declared_types(flinfo->fn_oid, &argument, &result);
	return get_cast(flinfo, kind->base, result);
}

/* An error of the input function would show the value. */
static Datum
through_text(GdprBaseCast *cast, Datum value)
{
	char *string = OutputFunctionCall(&cast->function, value);
	Datum result;
	int sqlerrcode = gdpr_input_try_code(cast->target, string, &result);

	if (sqlerrcode != 0)
		ereport(ERROR,
				(errcode(sqlerrcode),
				 errmsg("value of type %s is no value of type %s",
						format_type_be(cast->source),
						format_type_be(cast->target))));
	return result;
}

/* Of a cast's function; the modifier is set afterwards, where there is one. */
static Datum
call_cast(FmgrInfo *function, Datum value, int32 typmod, bool is_explicit)
{
	switch (function->fn_nargs)
	{
		case 1:
			return FunctionCall1(function, value);
		case 2:
			return FunctionCall2(function, value, Int32GetDatum(typmod));
		default:
			return FunctionCall3(function, value, Int32GetDatum(typmod),
								 BoolGetDatum(is_explicit));
	}
}

Datum
gdpr_basecast_apply(GdprBaseCast *cast, Datum value, int32 typmod,
					bool is_explicit)
{
	if (cast->path == COERCION_PATH_FUNC)
		value = call_cast(&cast->function, value, -1, true);
	else if (cast->path == COERCION_PATH_COERCEVIAIO)
		value = through_text(cast, value);
	if (typmod < 0 || !OidIsValid(cast->set_typmod.fn_oid))
		return value;
	return call_cast(&cast->set_typmod, value, typmod, is_explicit);
}
