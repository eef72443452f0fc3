/*
 * declare.c
 *	  gdpr.declare_subject and its way back.
 */
#include "base/compat.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "base/errors.h"
#include "base/ident.h"
#include "base/options.h"
#include "base/sql.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "catalog/pg_type.h"
#include "crypto/keyring.h"
#include "registry/registry.h"
#include "subject/graph_build.h"
#include "subject/sharing.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/syscache.h"

GDPR_FUNCTION(gdpr_declare_subject);
GDPR_FUNCTION(gdpr_undeclare_subject);

/* Reports carry the kind, so it is a name that people can read. */
static void
check_kind(const char *kind)
{
	if (kind[0] == '\0' || strchr(kind, ':') != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a subject kind must not be empty or contain a colon"),
				 errhint("A colon separates kind and key in the setting gdpr.subject.")));
}

static void
check_root(GdprInheritance *inheritance, Oid relid)
{
	if (gdpr_reference_top(inheritance, relid) != relid)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("relation %s is a partition or inheritance child",
						gdpr_ident_relation(relid)),
				 errhint("Declare the topmost parent.")));
	if (get_rel_relkind(relid) != RELKIND_PARTITIONED_TABLE &&
		gdpr_reference_has_children(inheritance, relid))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("relation %s has inheritance children",
						gdpr_ident_relation(relid)),
				 errdetail("No key is unique over a table and its inheritance children.")));
	if (get_rel_relkind(relid) == RELKIND_FOREIGN_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("relation %s is a foreign table", gdpr_ident_relation(relid)),
				 errdetail("A foreign table has no key that the server checks.")));
}

/* Is the index a key over exactly these columns, in any order? */
static bool
is_key_over(Oid indexid, Relation relation, const List *columns)
{
	HeapTuple tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(indexid));
	Form_pg_index index;
	bool result;

	if (!HeapTupleIsValid(tuple))
		return false;
	index = (Form_pg_index) GETSTRUCT(tuple);
	result = index->indisunique && index->indisvalid && index->indimmediate &&
			 index->indnkeyatts == list_length(columns) &&
			 heap_attisnull(tuple, Anum_pg_index_indpred, NULL);
	for (int i = 0; result && i < index->indnkeyatts; i++)
	{
		AttrNumber attnum = index->indkey.values[i];

		result = attnum > 0 && list_member_int(columns, attnum) &&
				 TupleDescAttr(RelationGetDescr(relation), attnum - 1)
					 ->attnotnull;
	}
	ReleaseSysCache(tuple);
	return result;
}

static bool
has_key_over(Oid relid, const List *columns)
{
	Relation relation = table_open(relid, AccessShareLock);
	bool found = false;
	ListCell *lc;

	foreach (lc, RelationGetIndexList(relation))
		found = found || is_key_over(lfirst_oid(lc), relation, columns);
	table_close(relation, NoLock);
	return found;
}

static List *
primary_key(Oid relid)
{
	Relation relation = table_open(relid, AccessShareLock);
	Bitmapset *columns;
	List *result = NIL;
	HeapTuple tuple;

	(void) RelationGetIndexList(relation); /* sets rd_pkindex */
	columns = RelationGetIndexAttrBitmap(relation,
										 INDEX_ATTR_BITMAP_PRIMARY_KEY);
	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(relation->rd_pkindex));
	if (!bms_is_empty(columns) && HeapTupleIsValid(tuple))
	{
		Form_pg_index index = (Form_pg_index) GETSTRUCT(tuple);

		for (int i = 0; i < index->indnkeyatts; i++)
			result = lappend(result, get_attname(relid, index->indkey.values[i],
												 false));
	}
	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	table_close(relation, NoLock);
	return result;
}

/* No key given: the primary key. */
static List *
default_key(Oid relid)
{
	List *key = primary_key(relid);

	if (key == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("relation %s has no primary key", gdpr_ident_relation(relid)),
				 errhint("Give the argument \"key\": the columns of a UNIQUE constraint, all NOT NULL.")));
	return key;
}

static void
check_key(Oid relid, const List *key)
{
	List *columns = NIL;
	ListCell *lc;

	foreach (lc, key)
		columns = list_append_unique_int(columns,
										 gdpr_registry_column(relid,
															  lfirst(lc)));
	if (key == NIL || list_length(columns) != list_length(key) ||
		!has_key_over(relid, columns))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the key of relation %s must be unique and NOT NULL",
						gdpr_ident_relation(relid)),
				 errhint("Give exactly the columns of a primary key or of a UNIQUE constraint that is not deferrable.")));
}

static int
count_reviews(const GdprMap *map)
{
	int result = 0;
	ListCell *lc;

	foreach (lc, map->links)
	{
		if (((GdprLink *) lfirst(lc))->on_forget == GDPR_ACTION_REVIEW)
			result++;
	}
	return result;
}

Datum
gdpr_declare_subject(PG_FUNCTION_ARGS)
{
	GdprDeclaredSubject subject;
	GdprMap *map;

	gdpr_registry_require(fcinfo, 0, "kind");
	gdpr_registry_require(fcinfo, 1, "relation");
	gdpr_registry_require(fcinfo, 3, "options");
	subject.kind = pstrdup(NameStr(*PG_GETARG_NAME(0)));
	subject.relid = PG_GETARG_OID(1);
	gdpr_options_parse(PG_GETARG_JSONB_P(3), NULL, 0);

	check_kind(subject.kind);
	gdpr_registry_check_relation(subject.relid);
	check_root(gdpr_reference_inheritance(), subject.relid);
	subject.key = PG_ARGISNULL(2)
					  ? default_key(subject.relid)
					  : gdpr_registry_list(PG_GETARG_ARRAYTYPE_P(2));
	check_key(subject.relid, subject.key);
	(void) gdpr_keyring_reserved(); /* erasure needs its pseudonyms */

	gdpr_registry_put_subject(&subject);
	gdpr_sharing_look(subject.kind);
	map = gdpr_graph_load(subject.kind);
	ereport(NOTICE,
			(errmsg("subject kind \"%s\": %d links, %d to review",
					subject.kind, list_length(map->links), count_reviews(map)),
			 errhint("See gdpr.data_map(), decide with gdpr.declare_link(), then call gdpr.approve_map().")));
	PG_RETURN_INT32(list_length(map->links));
}

Datum
gdpr_undeclare_subject(PG_FUNCTION_ARGS)
{
	char *kind;
	ListCell *lc;

	gdpr_registry_require(fcinfo, 0, "kind");
	kind = NameStr(*PG_GETARG_NAME(0));
	foreach (lc, gdpr_registry_subjects())
	{
		GdprDeclaredSubject *subject = lfirst(lc);

		if (strcmp(subject->kind, kind) == 0)
			gdpr_registry_check_relation(subject->relid);
	}
	if (!gdpr_registry_delete_subject(kind))
		ereport(ERROR,
				(errcode(ERRCODE_GDPR_RELATION_NOT_DECLARED),
				 errmsg("subject kind \"%s\" is not declared", kind)));
	PG_RETURN_VOID();
}
