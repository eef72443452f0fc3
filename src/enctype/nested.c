/*
 * nested.c
 *	  Encrypted values inside other values: arrays, rows, ranges.
 */
#include "base/compat.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "enctype/enctype.h"
#include "enctype/nested.h"
#include "enctype/typetree.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/lsyscache.h"
#include "utils/multirangetypes.h"
#include "utils/rangetypes.h"
#include "utils/typcache.h"

typedef struct Visit
{
	GdprNestedVisit visit;
	void *arg;
} Visit;

static Datum map(Oid typid, Datum value, const Visit *visit, bool *changed);

static Datum
map_array(Oid element, Datum value, const Visit *visit, bool *changed)
{
	ArrayType *array = DatumGetArrayTypeP(value);
	Datum *values;
	bool *nulls;
	int count;
	int16 length;
	bool byval;
	char align;
	bool any = false;

	get_typlenbyvalalign(element, &length, &byval, &align);
	deconstruct_array(array, element, length, byval, align, &values, &nulls,
					  &count);
	for (int i = 0; i < count; i++)
	{
		if (!nulls[i])
			values[i] = map(element, values[i], visit, &any);
	}
	if (!any)
		return value;
	*changed = true;
	return PointerGetDatum(
		construct_md_array(values, nulls, ARR_NDIM(array), ARR_DIMS(array),
						   ARR_LBOUND(array), element, length, byval, align));
}

static Datum
map_row(Datum value, const Visit *visit, bool *changed)
{
	HeapTupleHeader header = DatumGetHeapTupleHeader(value);
	TupleDesc desc = lookup_rowtype_tupdesc(HeapTupleHeaderGetTypeId(header),
											HeapTupleHeaderGetTypMod(header));
	HeapTupleData tuple = {.t_len = HeapTupleHeaderGetDatumLength(header),
						   .t_data = header};
	Datum *values = palloc(sizeof(Datum) * desc->natts);
	bool *nulls = palloc(sizeof(bool) * desc->natts);
	bool any = false;

	heap_deform_tuple(&tuple, desc, values, nulls);
	for (int i = 0; i < desc->natts; i++)
	{
		if (!nulls[i])
			values[i] = map(TupleDescAttr(desc, i)->atttypid, values[i], visit,
							&any);
	}
	if (any)
	{
		*changed = true;
		value = HeapTupleGetDatum(heap_form_tuple(desc, values, nulls));
	}
	ReleaseTupleDesc(desc);
	return value;
}

static RangeType *
map_range(TypeCacheEntry *type, RangeType *range, const Visit *visit,
		  bool *changed)
{
	RangeBound lower;
	RangeBound upper;
	bool empty;
	bool any = false;

	range_deserialize(type, range, &lower, &upper, &empty);
	if (empty)
		return range;
	if (!lower.infinite)
		lower.val = map(type->rngelemtype->type_id, lower.val, visit, &any);
	if (!upper.infinite)
		upper.val = map(type->rngelemtype->type_id, upper.val, visit, &any);
	if (!any)
		return range;
	*changed = true;
	return gdpr_compat_make_range(type, &lower, &upper);
}

static Datum
map_ranges(Oid typid, Datum value, const Visit *visit, bool *changed)
{
	TypeCacheEntry *type = lookup_type_cache(get_multirange_range(typid),
											 TYPECACHE_RANGE_INFO);
	RangeType **ranges;
	int32 count;
	bool any = false;

	multirange_deserialize(type, DatumGetMultirangeTypeP(value), &count,
						   &ranges);
	for (int i = 0; i < count; i++)
		ranges[i] = map_range(type, ranges[i], visit, &any);
	if (!any)
		return value;
	*changed = true;
	return MultirangeTypePGetDatum(make_multirange(typid, type, count, ranges));
}

static Datum
map(Oid typid, Datum value, const Visit *visit, bool *changed)
{
	Oid element;

	typid = getBaseType(typid);
	if (gdpr_enctype_is(typid))
		return visit->visit(value, visit->arg, changed);
	if (!gdpr_typetree_look(typid, -1).encrypted)
		return value;
	check_stack_depth();
	element = get_element_type(typid);
	if (OidIsValid(element))
		return map_array(element, value, visit, changed);
	switch (get_typtype(typid))
	{
		case TYPTYPE_COMPOSITE:
			return map_row(value, visit, changed);
		case TYPTYPE_RANGE:
			return RangeTypePGetDatum(
				map_range(lookup_type_cache(typid, TYPECACHE_RANGE_INFO),
						  DatumGetRangeTypeP(value), visit, changed));
		case TYPTYPE_MULTIRANGE:
			return map_ranges(typid, value, visit, changed);
		default:
			return value;
	}
}

Datum
gdpr_nested_map(Oid typid, Datum value, GdprNestedVisit visit, void *arg,
				bool *changed)
{
	Visit how = {visit, arg};

	return map(typid, value, &how, changed);
}
