/*
 * check.c
 *	  What every declaration checks first.
 */
#include "base/compat.h"

#include "access/htup_details.h"
#include "base/ident.h"
#include "base/sql.h"
#include "catalog/catalog.h"
#include "catalog/namespace.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "registry/registry.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

void
gdpr_registry_require(FunctionCallInfo fcinfo, int arg, const char *name)
{
	if (PG_ARGISNULL(arg))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be null", name)));
}

bool
gdpr_registry_not_null(Oid relid, AttrNumber attnum)
{
	HeapTuple tuple = SearchSysCache2(ATTNUM, ObjectIdGetDatum(relid),
									  Int16GetDatum(attnum));
	bool result;

	if (!HeapTupleIsValid(tuple))
		return false;
	result = ((Form_pg_attribute) GETSTRUCT(tuple))->attnotnull;
	ReleaseSysCache(tuple);
	return result;
}

bool
gdpr_registry_is_date(Oid relid, AttrNumber attnum)
{
	Oid type = getBaseType(get_atttype(relid, attnum));

	return type == DATEOID || type == TIMESTAMPOID || type == TIMESTAMPTZOID;
}

void
gdpr_registry_check_relation(Oid relid)
{
	if (get_rel_relkind(relid) != '\0' &&
		!gdpr_compat_owns_relation(relid, GetUserId()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("must be owner of relation %s", gdpr_ident_relation(relid))));
	gdpr_registry_check_table(relid);
}

void
gdpr_registry_check_table(Oid relid)
{
	char relkind = get_rel_relkind(relid);
	Oid schema = get_rel_namespace(relid);

	if (relkind == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", relid)));
	if (relkind != RELKIND_RELATION && relkind != RELKIND_PARTITIONED_TABLE &&
		relkind != RELKIND_FOREIGN_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("relation %s is not a table", gdpr_ident_relation(relid)),
				 errhint("Declare the tables that it shows.")));
	if (isAnyTempNamespace(schema) || IsCatalogRelationOid(relid) ||
		schema == gdpr_sql_schema())
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("relation %s is temporary or belongs to the system",
						gdpr_ident_relation(relid))));
}

AttrNumber
gdpr_registry_column(Oid relid, const char *name)
{
	AttrNumber attnum = get_attnum(relid, name);

	/* The name is the caller's word, and may be anything: not repeated. */
	if (attnum <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("relation %s has no such column", gdpr_ident_relation(relid))));
	return attnum;
}
