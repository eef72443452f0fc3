/*
 * rule.c
 *	  Reads the rules of retention.
 */
#include "base/compat.h"

#include "base/digest.h"
#include "base/ident.h"
#include "base/lockspace.h"
#include "base/sql.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "retention/rule.h"
#include "storage/lock.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"

/*
 * The lock is no lock of the rule's row: one batch after the other would share
 * it, and who wants to change the row might never get his turn.
 */
#define COLUMNS                                                                 \
	"r.rule, r.relation, r.keep::text, r.since::text, r.action = 'anonymise', " \
	"r.filter, r.kind::text, r.batch_size, r.runs_as::text, r.approved_hash "

static Datum
field(uint64 row, int column)
{
	bool isnull;

	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column,
						 &isnull);
}

static char *
text_field(uint64 row, int column)
{
	return SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column);
}

static GdprRule *
take_rule(uint64 row)
{
	GdprRule *rule = palloc0(sizeof(GdprRule));

	rule->id = DatumGetInt64(field(row, 1));
	rule->relation = DatumGetObjectId(field(row, 2));
	rule->keep = text_field(row, 3);
	rule->since = text_field(row, 4);
	rule->anonymise = DatumGetBool(field(row, 5));
	rule->filter = text_field(row, 6);
	rule->kind = text_field(row, 7);
	rule->batch_size = DatumGetInt32(field(row, 8));
	rule->runs_as = text_field(row, 9);
	rule->approved_hash = text_field(row, 10);
	return rule;
}

static List *
load(const char *sql, int nargs, Oid *types, Datum *values)
{
	MemoryContext target = CurrentMemoryContext;
	List *result = NIL;
	GdprSqlScope scope;
	uint64 n;

	gdpr_sql_begin_own(&scope);
	/* The interval's text is part of what was approved. */
	(void) set_config_option("IntervalStyle", "postgres", PGC_USERSET,
							 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	n = gdpr_sql_run(sql, nargs, types, values, NULL, false, SPI_OK_SELECT);
	for (uint64 row = 0; row < n; row++)
	{
		MemoryContext old = MemoryContextSwitchTo(target);

		result = lappend(result, take_rule(row));
		MemoryContextSwitchTo(old);
	}
	gdpr_sql_end_own(&scope);
	return result;
}

List *
gdpr_rule_due(Oid relation, bool all)
{
	Oid types[] = {OIDOID, BOOLOID};
	Datum values[] = {ObjectIdGetDatum(relation), BoolGetDatum(all)};

	return load(
		"SELECT " COLUMNS
		"FROM gdpr.retention_rule r JOIN gdpr.retention_state s USING (rule) "
		"WHERE r.approved_hash IS NOT NULL "
		"AND (r.relation = $1 OR $1 = 0) "
		"AND ($2 OR s.next_run IS NULL OR s.next_run <= pg_catalog.now()) "
		"ORDER BY r.rule",
		2, types, values);
}

GdprRule *
gdpr_rule_find(int64 id)
{
	Oid types[] = {INT8OID};
	Datum values[] = {Int64GetDatum(id)};
	List *rules = load("SELECT " COLUMNS
					   "FROM gdpr.retention_rule r WHERE r.rule = $1",
					   1, types, values);

	return rules == NIL ? NULL : linitial(rules);
}

GdprRule *
gdpr_rule_get(int64 id)
{
	GdprRule *rule = gdpr_rule_find(id);

	if (rule == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("there is no rule of retention with this number")));
	return rule;
}

static void
lock_definition(int64 id, LOCKMODE mode)
{
	LOCKTAG tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, (uint32) (id >> 32), (uint32) id,
						 GDPR_LOCK_RULE);
	(void) LockAcquire(&tag, mode, false, false);
}

void
gdpr_rule_exclude(int64 id)
{
	lock_definition(id, ExclusiveLock);
}

bool
gdpr_rule_lock(const GdprRule *rule)
{
	Oid types[] = {INT8OID, TEXTOID};
	Datum values[] = {Int64GetDatum(rule->id),
					  CStringGetTextDatum(rule->approved_hash)};
	GdprSqlScope scope;
	bool there;

	lock_definition(rule->id, ShareLock);
	gdpr_sql_begin_own(&scope);
	there = gdpr_sql_run("SELECT 1 FROM gdpr.retention_rule WHERE rule = $1 "
						 "AND approved_hash = $2",
						 2, types, values, NULL, false, SPI_OK_SELECT) > 0;
	gdpr_sql_end_own(&scope);
	return there;
}

GdprMap *
gdpr_rule_map(const GdprRule *rule)
{
	return rule->kind == NULL ? NULL : gdpr_graph_load(rule->kind);
}

GdprRelation *
gdpr_rule_relation(const GdprRule *rule, GdprMap *map)
{
	ListCell *lc;

	foreach (lc, map == NULL ? NIL : map->relations)
	{
		GdprRelation *relation = lfirst(lc);

		if (relation->relid == rule->relation)
			return relation;
	}
	return gdpr_graph_relation_alone(rule->relation);
}

Oid
gdpr_rule_role(const char *name)
{
	Oid role = get_role_oid(name, true);

	if (!OidIsValid(role))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("role \"%s\" does not exist any more", name)));
	return role;
}

static ArrayType *
relation_array(const GdprRelation *relation)
{
	List *oids = list_append_unique_oid(list_copy(relation->leaves),
										relation->relid);
	Datum *values = palloc(sizeof(Datum) * list_length(oids));
	int n = 0;
	ListCell *lc;

	foreach (lc, oids)
		values[n++] = ObjectIdGetDatum(lfirst_oid(lc));
	return construct_array(values, n, OIDOID, sizeof(Oid), true, TYPALIGN_INT);
}

List *
gdpr_rule_references(const GdprRelation *relation)
{
	MemoryContext target = CurrentMemoryContext;
	Oid types[] = {OIDARRAYOID};
	Datum values[] = {PointerGetDatum(relation_array(relation))};
	List *result = NIL;
	GdprSqlScope scope;
	uint64 n;

	gdpr_sql_begin_own(&scope);
	n = gdpr_sql_run(
		"SELECT child, on_delete, child::text, name FROM (SELECT "
		"conrelid::pg_catalog.regclass AS child, confdeltype AS on_delete, conname::text AS name "
		"FROM pg_catalog.pg_constraint WHERE contype = 'f' AND conparentid = 0 "
		"AND confrelid = ANY ($1)) r ORDER BY child::text COLLATE \"C\", name COLLATE \"C\"",
		1, types, values, NULL, false, SPI_OK_SELECT);
	for (uint64 row = 0; row < n; row++)
	{
		MemoryContext old = MemoryContextSwitchTo(target);
		GdprRuleReference *reference = palloc0(sizeof(GdprRuleReference));

		reference->child = DatumGetObjectId(field(row, 1));
		reference->on_delete = DatumGetChar(field(row, 2));
		reference->name = psprintf("%s %s", text_field(row, 3),
								   text_field(row, 4));
		result = lappend(result, reference);
		MemoryContextSwitchTo(old);
	}
	gdpr_sql_end_own(&scope);
	return result;
}

/* Without a map, what the foreign keys do is part of what is approved. */
static void
put_references(StringInfo out, const GdprRelation *relation)
{
	ListCell *lc;

	foreach (lc, gdpr_rule_references(relation))
	{
		GdprRuleReference *reference = lfirst(lc);

		gdpr_digest_field(out, reference->name);
		appendStringInfo(out, "%c;", reference->on_delete);
	}
}

char *
gdpr_rule_hash(const GdprRule *rule, const GdprMap *map,
			   const GdprRelation *relation)
{
	StringInfoData out;
	ListCell *lc;

	initStringInfo(&out);
	gdpr_digest_field(&out, "gdpr retention v1");
	gdpr_digest_field(&out, relation->label);
	gdpr_digest_field(&out, rule->keep);
	gdpr_digest_field(&out, rule->since);
	gdpr_digest_field(&out, rule->anonymise ? "anonymise" : "delete");
	gdpr_digest_field(&out, rule->filter);
	gdpr_digest_field(&out, rule->runs_as);
	gdpr_digest_field(&out, rule->kind);
	gdpr_digest_field(&out, map == NULL ? NULL : map->hash);
	foreach (lc, relation->columns)
	{
		GdprColumn *column = lfirst(lc);

		gdpr_digest_field(&out, gdpr_ident_relation(column->relid));
		gdpr_digest_field(&out, column->name);
		gdpr_digest_field(&out, column->mask);
		gdpr_digest_field(&out, column->keep ? "keep" : NULL);
	}
	if (map == NULL && !rule->anonymise)
		put_references(&out, relation);
	return gdpr_digest_hex(out.data, out.len);
}
