/*
 * probe_array.c
 *	  What the elements of an array become in a comparison.
 */
#include "base/compat.h"

#include "enctype/enctype.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

/* What a call site of the array probe keeps from one row to the next. */
typedef struct ProbeArrayCache
{
	FmgrInfo scalar; /* the probe of one element */
	Oid type;		 /* ours, of the result's elements */
	Oid element_type;
	ArrayType *input;
	ArrayType *result;
	Oid userid; /* whose right to search the result shows */
	int32 context;
} ProbeArrayCache;

static ProbeArrayCache *
probe_array_cache(FmgrInfo *flinfo, const GdprKind *kind, Oid element_type)
{
	ProbeArrayCache *cache = flinfo->fn_extra;

	if (cache == NULL)
	{
		cache = MemoryContextAllocZero(flinfo->fn_mcxt, sizeof(*cache));
		cache->type = gdpr_enctype_oid(kind);
		cache->element_type = element_type;
		fmgr_info_cxt(gdpr_enctype_probe_oid(cache->type, element_type),
					  &cache->scalar, flinfo->fn_mcxt);
		flinfo->fn_extra = cache;
	}
	return cache;
}

static bool
same_array(const ArrayType *a, const ArrayType *b)
{
	return a != NULL && VARSIZE(a) == VARSIZE(b) &&
		   memcmp(a, b, VARSIZE(a)) == 0;
}

static ArrayType *
probe_elements(ArrayType *input, ProbeArrayCache *cache, int32 context)
{
	Datum *values;
	bool *nulls;
	int count;
	int16 length;
	bool byval;
	char align;

	get_typlenbyvalalign(cache->element_type, &length, &byval, &align);
	deconstruct_array(input, cache->element_type, length, byval, align, &values,
					  &nulls, &count);
	for (int i = 0; i < count; i++)
	{
		if (!nulls[i])
			values[i] = FunctionCall2(&cache->scalar, values[i],
									  Int32GetDatum(context));
	}
	get_typlenbyvalalign(cache->type, &length, &byval, &align);
	return construct_md_array(values, nulls, ARR_NDIM(input), ARR_DIMS(input),
							  ARR_LBOUND(input), cache->type, length, byval,
							  align);
}

/*
 * gdpr.<type>_probe(<type>[] | text[], int4): the probe of every element.  A
 * filter calls it for each row with the same array, so the last one is kept.
 */
static Datum
probe_array(FunctionCallInfo fcinfo, const GdprKind *kind)
{
	ArrayType *input = PG_GETARG_ARRAYTYPE_P(0);
	int32 context = PG_GETARG_INT32(1);
	ProbeArrayCache *cache = probe_array_cache(fcinfo->flinfo, kind,
											   ARR_ELEMTYPE(input));
	ArrayType *result;
	MemoryContext old;

	if (same_array(cache->input, input) && cache->context == context &&
		cache->userid == GetUserId())
		PG_RETURN_ARRAYTYPE_P(cache->result);
	result = probe_elements(input, cache, context);

	old = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
	if (cache->input != NULL)
		pfree(cache->input);
	if (cache->result != NULL)
		pfree(cache->result);
	cache->input = cache->result = NULL;
	cache->input = (ArrayType *) DatumGetPointer(
		datumCopy(PointerGetDatum(input), false, -1));
	cache->result = (ArrayType *) DatumGetPointer(
		datumCopy(PointerGetDatum(result), false, -1));
	MemoryContextSwitchTo(old);
	cache->context = context;
	cache->userid = GetUserId();
	PG_RETURN_ARRAYTYPE_P(cache->result);
}

#define ARRAY_FUNCTION(type, kind)                    \
	GDPR_FUNCTION(gdpr_##type##_probe_array);         \
	Datum gdpr_##type##_probe_array(PG_FUNCTION_ARGS) \
	{                                                 \
		return probe_array(fcinfo, &kind);            \
	}

GDPR_EACH_TAGGED_TYPE(ARRAY_FUNCTION)
