/*
 * guard_drop.c
 *	  DROP ... CASCADE that would take encrypted columns or the extension's
 *	  records with it.
 *
 * PostgreSQL drops what depends on an object before the object, each with a
 * call of the object access hook.  When the call for a type comes, its columns
 * are gone already, so they are counted as the statement found them: with the
 * active snapshot, which was taken before the first drop.
 */
#include "base/compat.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "base/guc.h"
#include "base/ident.h"
#include "base/sql.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "enctype/enctype.h"
#include "enctype/guard.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

GDPR_FUNCTION(gdpr_guard_before_drop);

/*
 * Our types as the first dropped object of a statement found them.  Later the
 * functions by which they are found may be gone.
 */
static Oid known_types[GDPR_KIND_COUNT];

static void
remember_types(void)
{
	if (!OidIsValid(gdpr_enctype_text_oid()))
		return;
	for (int i = 0; i < GDPR_KIND_COUNT; i++)
		known_types[i] = gdpr_enctype_oid(gdpr_kind_of(i + 1));
}

static bool
is_known(Oid typid)
{
	for (int i = 0; i < GDPR_KIND_COUNT; i++)
	{
		if (OidIsValid(typid) && known_types[i] == typid)
			return true;
	}
	return false;
}

/* Our types and every array or domain over them, in the snapshot's view. */
static List *
types_in_use(Snapshot snapshot)
{
	List *types = NIL;
	int before;

	for (int i = 0; i < GDPR_KIND_COUNT; i++)
		types = lappend_oid(types, known_types[i]);
	do
	{
		Relation catalog = table_open(TypeRelationId, AccessShareLock);
		SysScanDesc scan = systable_beginscan(catalog, InvalidOid, false,
											  snapshot, 0, NULL);
		HeapTuple tuple;

		before = list_length(types);
		while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		{
			Form_pg_type type = (Form_pg_type) GETSTRUCT(tuple);

			if ((OidIsValid(type->typelem) &&
				 list_member_oid(types, type->typelem)) ||
				(OidIsValid(type->typbasetype) &&
				 list_member_oid(types, type->typbasetype)))
				types = list_append_unique_oid(types, type->oid);
		}
		systable_endscan(scan);
		table_close(catalog, AccessShareLock);
	} while (list_length(types) > before);
	return types;
}

/*
 * Does it keep rows of its own?  A row type does in the columns of that type,
 * which are not looked for.
 */
static bool
keeps_rows(Oid relid, Snapshot snapshot)
{
	Relation catalog = table_open(RelationRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;
	bool result = false;

	ScanKeyInit(&key, Anum_pg_class_oid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relid));
	scan = systable_beginscan(catalog, ClassOidIndexId, true, snapshot, 1,
							  &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		char kind = ((Form_pg_class) GETSTRUCT(tuple))->relkind;

		result = kind == RELKIND_RELATION ||
				 kind == RELKIND_PARTITIONED_TABLE || kind == RELKIND_MATVIEW ||
				 kind == RELKIND_FOREIGN_TABLE ||
				 kind == RELKIND_COMPOSITE_TYPE;
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return result;
}

static int
count_columns(Snapshot snapshot)
{
	List *types = types_in_use(snapshot);
	Relation catalog = table_open(AttributeRelationId, AccessShareLock);
	SysScanDesc scan = systable_beginscan(catalog, InvalidOid, false, snapshot,
										  0, NULL);
	HeapTuple tuple;
	int count = 0;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_attribute column = (Form_pg_attribute) GETSTRUCT(tuple);

		if (column->attnum > 0 && !column->attisdropped &&
			list_member_oid(types, column->atttypid) &&
			keeps_rows(column->attrelid, snapshot))
			count++;
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return count;
}

static void
check_type_drop(Oid typid)
{
	int count;

	if (!is_known(typid))
		return;
	count = ActiveSnapshotSet() ? count_columns(GetActiveSnapshot()) : 0;
	if (count > 0)
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg_plural("an encrypted type cannot be dropped while %d column uses it",
							   "an encrypted type cannot be dropped while %d columns use it",
							   count, count),
				 errhint("Decrypt the columns first with gdpr.decrypt_column; gdpr.uninstall_plan() lists the statements.")));
}

static Datum
extension_column(HeapTuple tuple, TupleDesc columns, AttrNumber attnum)
{
	bool isnull;
	Datum value = heap_getattr(tuple, attnum, columns, &isnull);

	return isnull ? (Datum) 0 : value;
}

/*
 * The condition under which rows of a relation are a user's and not shipped,
 * as pg_extension_config_dump() was told; NULL for a relation without records.
 */
static char *
record_condition(HeapTuple tuple, TupleDesc columns, Oid relid)
{
	Datum config = extension_column(tuple, columns,
									Anum_pg_extension_extconfig);
	Datum condition = extension_column(tuple, columns,
									   Anum_pg_extension_extcondition);
	Datum *relations;
	Datum *conditions;
	int count;

	if (config == 0 || condition == 0)
		return NULL;
	deconstruct_array(DatumGetArrayTypeP(config), OIDOID, sizeof(Oid), true,
					  TYPALIGN_INT, &relations, NULL, &count);
	deconstruct_array(DatumGetArrayTypeP(condition), TEXTOID, -1, false,
					  TYPALIGN_INT, &conditions, NULL, &count);
	for (int i = 0; i < count; i++)
	{
		if (DatumGetObjectId(relations[i]) == relid)
			return TextDatumGetCString(conditions[i]);
	}
	return NULL;
}

static char *
find_record_condition(Oid relid, Oid extension)
{
	Relation catalog = table_open(ExtensionRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;
	char *condition = NULL;

	ScanKeyInit(&key, Anum_pg_extension_oid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(extension));
	scan = systable_beginscan(catalog, ExtensionOidIndexId, true, NULL, 1,
							  &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		condition = record_condition(tuple, RelationGetDescr(catalog), relid);
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return condition;
}

static bool
holds_records(Oid relid, const char *condition)
{
	GdprSqlScope scope;
	uint64 found;
	char *sql = psprintf("SELECT 1 FROM %s %s LIMIT 1",
						 gdpr_ident_relation(relid), condition);

	gdpr_sql_begin_own(&scope);
	found = gdpr_sql_run(sql, 0, NULL, NULL, NULL, true, SPI_OK_SELECT);
	gdpr_sql_end_own(&scope);
	return found > 0;
}

/* A table of ours: keys, declarations, the ledger. */
static void
check_record_drop(Oid relid)
{
	Oid schema = gdpr_sql_schema();
	Oid extension;
	char *condition;

	if (gdpr_guc_allow_drop || !OidIsValid(schema) ||
		get_rel_namespace(relid) != schema ||
		get_rel_relkind(relid) != RELKIND_RELATION)
		return;
	extension = get_extension_oid("gdpr_ext", true);
	if (!OidIsValid(extension))
		return;
	condition = find_record_condition(relid, extension);
	if (condition != NULL && holds_records(relid, condition))
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("table \"%s\" holds keys, declarations or the ledger and cannot be dropped",
						get_rel_name(relid)),
				 errhint("Set gdpr.allow_drop to let them go; backups stay unreadable without the keys.")));
}

void
gdpr_guard_drop(Oid class, Oid object, int column)
{
	if (creating_extension || IsBinaryUpgrade)
		return;
	remember_types();
	if (class == TypeRelationId)
		check_type_drop(object);
	else if (class == RelationRelationId && column == 0)
		check_record_drop(object);
}

/*
 * Nothing to do but to be called: that loads the library where it is not
 * preloaded, and its hook sees the drop that follows.
 */
Datum
gdpr_guard_before_drop(PG_FUNCTION_ARGS)
{
	PG_RETURN_NULL();
}
