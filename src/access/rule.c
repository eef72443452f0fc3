/*
 * rule.c
 *	  Reads and writes what was decided about roles and relations.
 */
#include "base/compat.h"

#include "access/htup_details.h"
#include "access/rule.h"
#include "base/sql.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "registry/registry.h"
#include "utils/builtins.h"
#include "utils/syscache.h"

static const struct
{
	const char *name;
	AclMode bit;
} privileges[] = {
	{"SELECT", ACL_SELECT},
	{"INSERT", ACL_INSERT},
	{"UPDATE", ACL_UPDATE},
	{"DELETE", ACL_DELETE},
};

static Datum
field(uint64 row, int column, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column,
						 isnull);
}

static char *
text_field(uint64 row, int column)
{
	return SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column);
}

static List *
list_field(uint64 row, int column)
{
	bool isnull;

	return gdpr_registry_list(
		DatumGetArrayTypePCopy(field(row, column, &isnull)));
}

static AclMode
privilege_bits(List *names)
{
	AclMode bits = ACL_NO_RIGHTS;
	ListCell *lc;

	foreach (lc, names)
	{
		for (int i = 0; i < lengthof(privileges); i++)
		{
			if (strcmp(lfirst(lc), privileges[i].name) == 0)
				bits |= privileges[i].bit;
		}
	}
	return bits;
}

static List *
privilege_names(AclMode bits)
{
	List *names = NIL;

	for (int i = 0; i < lengthof(privileges); i++)
	{
		if (bits & privileges[i].bit)
			names = lappend(names, pstrdup(privileges[i].name));
	}
	return names;
}

static GdprAccessRule *
take_rule(uint64 row)
{
	GdprAccessRule *rule = palloc0(sizeof(GdprAccessRule));
	bool isnull;

	rule->id = DatumGetInt64(field(row, 1, &isnull));
	rule->relation = DatumGetObjectId(field(row, 2, &isnull));
	rule->role = text_field(row, 3);
	rule->decision = *text_field(row, 4);
	rule->categories = list_field(row, 5);
	rule->privileges = privilege_bits(list_field(row, 6));
	rule->filter = text_field(row, 7);
	rule->own = text_field(row, 8);
	rule->purposes = list_field(row, 9);
	return rule;
}

List *
gdpr_access_rules(Oid relation)
{
	MemoryContext target = CurrentMemoryContext;
	Oid types[] = {OIDOID};
	Datum values[] = {ObjectIdGetDatum(relation)};
	List *result = NIL;
	GdprSqlScope scope;
	uint64 n;

	gdpr_sql_begin_own(&scope);
	n = gdpr_sql_run("SELECT rule, relation, role::text, decision, categories, "
					 "privileges, filter, own::text, purposes "
					 "FROM gdpr.access_rule WHERE relation = $1 ORDER BY rule",
					 1, types, values, NULL, false, SPI_OK_SELECT);
	for (uint64 row = 0; row < n; row++)
	{
		MemoryContext old = MemoryContextSwitchTo(target);

		result = lappend(result, take_rule(row));
		MemoryContextSwitchTo(old);
	}
	gdpr_sql_end_own(&scope);
	return result;
}

static const char *
decision_name(char decision)
{
	return decision == 'a' ? "allow" : decision == 'd' ? "deny" : "keep";
}

void
gdpr_access_put_rule(GdprAccessRule *rule)
{
	Oid types[] = {REGCLASSOID,	 TEXTOID, TEXTOID, TEXTARRAYOID,
				   TEXTARRAYOID, TEXTOID, TEXTOID, NAMEARRAYOID};
	Datum values[8];
	char nulls[] = "        ";
	GdprSqlScope scope;
	bool isnull;

	values[0] = ObjectIdGetDatum(rule->relation);
	values[1] = CStringGetTextDatum(rule->role);
	values[2] = CStringGetTextDatum(decision_name(rule->decision));
	values[3] = PointerGetDatum(gdpr_registry_texts(rule->categories));
	values[4] = PointerGetDatum(
		gdpr_registry_texts(privilege_names(rule->privileges)));
	values[5] = rule->filter ? CStringGetTextDatum(rule->filter) : (Datum) 0;
	values[6] = rule->own ? CStringGetTextDatum(rule->own) : (Datum) 0;
	values[7] = PointerGetDatum(gdpr_registry_names(rule->purposes));
	nulls[5] = rule->filter ? ' ' : 'n';
	nulls[6] = rule->own ? ' ' : 'n';
	gdpr_sql_begin_own(&scope);
	(void) gdpr_sql_run(
		"INSERT INTO gdpr.access_rule (relation, role, decision, categories, privileges, "
		"filter, own, purposes) VALUES ($1, $2::name, $3, $4, $5, $6, $7::name, $8) "
		"ON CONFLICT (relation, role) DO UPDATE SET decision = excluded.decision, "
		"categories = excluded.categories, privileges = excluded.privileges, "
		"filter = excluded.filter, own = excluded.own, purposes = excluded.purposes, "
		"decided_by = excluded.decided_by, decided_at = excluded.decided_at RETURNING rule",
		8, types, values, nulls, false, SPI_OK_INSERT_RETURNING);
	rule->id = DatumGetInt64(field(0, 1, &isnull));
	gdpr_sql_end_own(&scope);
}

void
gdpr_access_delete_rules(Oid relation)
{
	static const char *const statements[] = {
		"DELETE FROM gdpr.access_rule WHERE relation = $1",
		"DELETE FROM gdpr.access_original WHERE relation = $1",
	};
	Oid types[] = {OIDOID};
	Datum values[] = {ObjectIdGetDatum(relation)};
	GdprSqlScope scope;

	gdpr_sql_begin_own(&scope);
	for (int i = 0; i < lengthof(statements); i++)
		(void) gdpr_sql_run(statements[i], 1, types, values, NULL, false,
							SPI_OK_DELETE);
	gdpr_sql_end_own(&scope);
}

Oid
gdpr_access_role(const char *role, bool missing_ok)
{
	Oid oid;

	if (strcmp(role, GDPR_ACCESS_PUBLIC) == 0)
		return ACL_ID_PUBLIC;
	oid = get_role_oid(role, missing_ok);
	return OidIsValid(oid) ? oid : GDPR_ACCESS_NO_ROLE;
}

/* Rules are made on topmost relations; a part is known by its original too. */
Oid
gdpr_access_covered(Oid relid)
{
	Oid types[] = {OIDOID};
	Datum values[] = {ObjectIdGetDatum(relid)};
	GdprSqlScope scope;
	Oid result = InvalidOid;
	bool isnull;

	gdpr_sql_begin_own(&scope);
	if (gdpr_sql_run(
			"WITH RECURSIVE up AS (SELECT $1 AS relid "
			"UNION SELECT i.inhparent FROM pg_inherits i JOIN up ON i.inhrelid = up.relid) "
			"SELECT r.relation::oid FROM gdpr.access_rule r JOIN up ON up.relid = r.relation "
			"UNION ALL SELECT o.relation::oid FROM gdpr.access_original o WHERE o.part = $1 "
			"LIMIT 1",
			1, types, values, NULL, false, SPI_OK_SELECT) > 0)
		result = DatumGetObjectId(field(0, 1, &isnull));
	gdpr_sql_end_own(&scope);
	return result;
}

bool
gdpr_access_is_closed(Oid relid)
{
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Form_pg_class form;
	bool result;

	if (!HeapTupleIsValid(tuple))
		return false;
	form = (Form_pg_class) GETSTRUCT(tuple);
	result = form->relrowsecurity && form->relforcerowsecurity;
	ReleaseSysCache(tuple);
	return result && gdpr_access_rules(relid) != NIL;
}

/*
 * A column declared on a part is personal in the whole; declared twice, each
 * declaration has to be allowed.  While a column is converted, its values are
 * in a second one too.
 */
List *
gdpr_access_personal(Oid relation)
{
	MemoryContext target = CurrentMemoryContext;
	Oid types[] = {OIDOID};
	Datum values[] = {ObjectIdGetDatum(relation)};
	List *result = NIL;
	GdprSqlScope scope;
	uint64 n;

	gdpr_sql_begin_own(&scope);
	n = gdpr_sql_run(
		"WITH RECURSIVE down AS (SELECT $1 AS relid "
		"UNION SELECT i.inhrelid FROM pg_inherits i JOIN down ON i.inhparent = down.relid), "
		"up AS (SELECT n.name::text AS column_name, c.category, c.category AS reached "
		"FROM gdpr.personal_column c JOIN down ON down.relid = c.relation "
		"CROSS JOIN LATERAL (SELECT c.column_name AS name UNION ALL "
		"SELECT v.spare FROM gdpr.conversion v JOIN pg_attribute a ON a.attname = v.spare "
		"WHERE v.column_name = c.column_name AND a.attrelid = c.relation) n "
		"UNION SELECT up.column_name, up.category, g.parent FROM up "
		"JOIN gdpr.category g ON g.name = up.reached WHERE g.parent IS NOT NULL) "
		"SELECT column_name, array_agg(reached) FROM up GROUP BY column_name, category",
		1, types, values, NULL, false, SPI_OK_SELECT);
	for (uint64 row = 0; row < n; row++)
	{
		MemoryContext old = MemoryContextSwitchTo(target);
		GdprPersonal *personal = palloc(sizeof(GdprPersonal));

		personal->column = text_field(row, 1);
		personal->categories = list_field(row, 2);
		result = lappend(result, personal);
		MemoryContextSwitchTo(old);
	}
	gdpr_sql_end_own(&scope);
	return result;
}
