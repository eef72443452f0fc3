/*
 * trigger.c
 *	  Triggers as the catalog has them.
 */
#include "base/compat.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "base/sql.h"
#include "base/trigger.h"
#include "catalog/indexing.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"

static bool
runs_one_of(Form_pg_trigger trigger, const char *const *functions)
{
	char *name;

	if (get_func_namespace(trigger->tgfoid) != gdpr_sql_schema())
		return false;
	name = get_func_name(trigger->tgfoid);
	for (; name != NULL && *functions != NULL; functions++)
	{
		if (strcmp(name, *functions) == 0)
			return true;
	}
	return false;
}

bool
gdpr_trigger_exists(Oid relid, const char *name, const char *const *functions)
{
	Relation catalog = table_open(TriggerRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;
	bool found = false;

	ScanKeyInit(&key, Anum_pg_trigger_tgrelid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relid));
	scan = systable_beginscan(catalog, TriggerRelidNameIndexId, true, NULL, 1,
							  &key);
	while (!found && HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_trigger trigger = (Form_pg_trigger) GETSTRUCT(tuple);

		found = (name == NULL || strcmp(NameStr(trigger->tgname), name) == 0) &&
				runs_one_of(trigger, functions);
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return found;
}
