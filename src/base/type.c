/*
 * type.c
 *	  What a type is made of, and whose code handles it.
 *
 * Whoever reads a table of somebody else's runs no code of its owner as long
 * as values are only printed.  Casts and the constraints of domains are code
 * of a type's owner.
 */
#include "base/compat.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "base/type.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

typedef bool (*TypeTest)(char typtype);

static bool
is_scalar(char typtype)
{
	return typtype == TYPTYPE_ENUM || typtype == TYPTYPE_RANGE ||
		   typtype == TYPTYPE_MULTIRANGE || typtype == TYPTYPE_BASE;
}

static bool
is_domain(char typtype)
{
	return typtype == TYPTYPE_DOMAIN;
}

static bool contains(Oid type, TypeTest test);

static bool
row_contains(Oid type, TypeTest test)
{
	TupleDesc desc = lookup_rowtype_tupdesc(type, -1);
	bool found = false;

	for (int i = 0; i < desc->natts && !found; i++)
	{
		if (!TupleDescAttr(desc, i)->attisdropped)
			found = contains(TupleDescAttr(desc, i)->atttypid, test);
	}
	ReleaseTupleDesc(desc);
	return found;
}

static bool
owned_by_user(Oid type, TypeTest test)
{
	HeapTuple tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));
	Form_pg_type form;
	bool result;

	if (!HeapTupleIsValid(tuple))
		return true;
	form = (Form_pg_type) GETSTRUCT(tuple);
	result = test(form->typtype) && !superuser_arg(form->typowner);
	ReleaseSysCache(tuple);
	return result;
}

static bool
contains(Oid type, TypeTest test)
{
	Oid element = get_element_type(type);

	check_stack_depth();
	if (OidIsValid(element))
		return contains(element, test);
	if (type < FirstNormalObjectId)
		return false;
	if (owned_by_user(type, test))
		return true;
	switch (get_typtype(type))
	{
		case TYPTYPE_COMPOSITE:
			return row_contains(type, test);
		case TYPTYPE_DOMAIN:
			return contains(getBaseType(type), test);
		case TYPTYPE_RANGE:
			return contains(get_range_subtype(type), test);
		case TYPTYPE_MULTIRANGE:
			return contains(get_multirange_range(type), test);
		default:
			return false;
	}
}

bool
gdpr_type_has_foreign_scalar(Oid type)
{
	return contains(type, is_scalar);
}

bool
gdpr_type_has_foreign_domain(Oid type)
{
	return contains(type, is_domain);
}
