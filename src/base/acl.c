/*
 * acl.c
 *	  Access lists of relations and columns as the catalogs have them.
 *
 * REVOKE takes only what one grantor gave, and GRANT puts items back in another
 * order than pg_dump showed them.
 */
#include "base/compat.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "base/acl.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "utils/array.h"
#include "utils/inval.h"
#include "utils/rel.h"
#include "utils/syscache.h"

Oid
gdpr_acl_owner(Oid relid)
{
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Oid owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", relid);
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

Acl *
gdpr_acl_read(Oid relid, AttrNumber attnum)
{
	HeapTuple tuple = attnum == 0
						  ? SearchSysCache1(RELOID, ObjectIdGetDatum(relid))
						  : SearchSysCache2(ATTNUM, ObjectIdGetDatum(relid),
											Int16GetDatum(attnum));
	bool isnull;
	Datum value;
	Acl *acl = NULL;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", relid);
	value = attnum == 0
				? SysCacheGetAttr(RELOID, tuple, Anum_pg_class_relacl, &isnull)
				: SysCacheGetAttr(ATTNUM, tuple, Anum_pg_attribute_attacl,
								  &isnull);
	if (!isnull)
		acl = DatumGetAclPCopy(value);
	ReleaseSysCache(tuple);
	return acl;
}

static void
update_tuple(Oid catalog, HeapTuple tuple, AttrNumber column, Acl *acl)
{
	Relation relation = table_open(catalog, RowExclusiveLock);
	Datum *values = palloc0(sizeof(Datum) * RelationGetDescr(relation)->natts);
	bool *nulls = palloc0(sizeof(bool) * RelationGetDescr(relation)->natts);
	bool *replaces = palloc0(sizeof(bool) * RelationGetDescr(relation)->natts);
	HeapTuple new;

	replaces[column - 1] = true;
	nulls[column - 1] = acl == NULL;
	values[column - 1] = PointerGetDatum(acl);
	new = heap_modify_tuple(tuple, RelationGetDescr(relation), values, nulls,
							replaces);
	CatalogTupleUpdate(relation, &tuple->t_self, new);
	table_close(relation, RowExclusiveLock);
}

static int
members(Acl *acl, Oid **roles)
{
	*roles = NULL;
	return acl == NULL ? 0 : aclmembers(acl, roles);
}

/* An empty list is stored as none on columns, as GRANT and REVOKE do. */
void
gdpr_acl_write(Oid relid, AttrNumber attnum, Acl *list)
{
	Acl *new = list != NULL &&attnum > 0 && ACL_NUM(list) == 0 ? NULL : list;
	Acl *old = gdpr_acl_read(relid, attnum);
	Oid *old_roles;
	Oid *new_roles;
	int nold = members(old, &old_roles);
	int nnew = members(new, &new_roles);
	HeapTuple tuple = attnum == 0
						  ? SearchSysCacheCopy1(RELOID, ObjectIdGetDatum(relid))
						  : SearchSysCacheCopy2(ATTNUM, ObjectIdGetDatum(relid),
												Int16GetDatum(attnum));

	if (attnum == 0)
		update_tuple(RelationRelationId, tuple, Anum_pg_class_relacl, new);
	else
		update_tuple(AttributeRelationId, tuple, Anum_pg_attribute_attacl, new);
	updateAclDependencies(RelationRelationId, relid, attnum,
						  gdpr_acl_owner(relid), nold, old_roles, nnew,
						  new_roles);
	CacheInvalidateRelcacheByRelid(relid);
	CommandCounterIncrement();
}
