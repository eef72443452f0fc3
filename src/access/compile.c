/*
 * compile.c
 *	  A rule as grants and row policies.
 *
 * What does not depend on the row (the purpose, the subject's key) is asked in
 * a subquery, once a statement: a scan pays nothing for it, and an index on the
 * subject's column is used.
 */
#include "base/compat.h"

#include "access/compile.h"
#include "access/htup_details.h"
#include "access/privilege.h"
#include "base/ident.h"
#include "base/sql.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_type.h"
#include "crypto/keyring.h"
#include "enctype/enctype.h"
#include "lib/stringinfo.h"
#include "registry/registry.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

#define POLICY_PREFIX "gdpr_rule_"

typedef struct Command
{
	const char *name;
	AclMode privilege;
	bool sees;	 /* USING */
	bool writes; /* WITH CHECK */
} Command;

static const Command commands[] = {
	{"SELECT", ACL_SELECT, true, false},
	{"INSERT", ACL_INSERT, false, true},
	{"UPDATE", ACL_UPDATE, true, true},
	{"DELETE", ACL_DELETE, true, false},
};

static void
run(const char *sql)
{
	(void) gdpr_sql_run(sql, 0, NULL, NULL, NULL, false, SPI_OK_UTILITY);
}

static void
close_parts(Oid relation)
{
	GdprSqlScope scope;
	ListCell *lc;

	gdpr_sql_begin_own(&scope);
	foreach (lc, gdpr_privilege_parts(relation))
		run(psprintf(
			"ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
			gdpr_ident_relation(lfirst_oid(lc))));
	gdpr_sql_end_own(&scope);
}

/* ---- policies ---- */

int64
gdpr_compile_policy_rule(const char *policy)
{
	size_t length = strlen(POLICY_PREFIX);

	return strncmp(policy, POLICY_PREFIX, length) == 0
			   ? strtoll(policy + length, NULL, 10)
			   : 0;
}

void
gdpr_compile_drop_policies(Oid relation, int64 rule)
{
	Oid types[] = {OIDOID};
	Datum values[] = {ObjectIdGetDatum(relation)};
	List *names = NIL;
	GdprSqlScope scope;
	uint64 n;
	ListCell *lc;

	gdpr_sql_begin_own(&scope);
	n = gdpr_sql_run("SELECT polname::text FROM pg_policy WHERE polrelid = $1",
					 1, types, values, NULL, false, SPI_OK_SELECT);
	for (uint64 i = 0; i < n; i++)
		names = lappend(names, SPI_getvalue(SPI_tuptable->vals[i],
											SPI_tuptable->tupdesc, 1));
	foreach (lc, names)
	{
		int64 of = gdpr_compile_policy_rule(lfirst(lc));

		if (of != 0 && (rule == 0 || of == rule))
			run(psprintf("DROP POLICY %s ON %s", quote_identifier(lfirst(lc)),
						 gdpr_ident_relation(relation)));
	}
	gdpr_sql_end_own(&scope);
}

static char *
condition_of(const GdprAccessRule *rule)
{
	StringInfoData buf;

	initStringInfo(&buf);
	if (rule->purposes != NIL)
		appendStringInfo(&buf, "(SELECT gdpr.row_access(" INT64_FORMAT "))",
						 rule->id);
	if (rule->own != NULL)
		appendStringInfo(&buf, "%s%s", buf.len == 0 ? "" : " AND ",
						 gdpr_own_condition(rule->relation, rule->own));
	if (rule->filter != NULL)
		appendStringInfo(&buf, "%s(%s)", buf.len == 0 ? "" : " AND ",
						 rule->filter);
	return buf.len == 0 ? "true" : buf.data;
}

static const char *
role_text(const char *role)
{
	return strcmp(role, GDPR_ACCESS_PUBLIC) == 0 ? "PUBLIC"
												 : quote_identifier(role);
}

/* Who may update or delete has to see the row, which SELECT policies are for. */
static void
make_policies(const GdprAccessRule *rule)
{
	char *condition = condition_of(rule);
	AclMode privileges = rule->decision == 'k'
							 ? ACL_SELECT | ACL_INSERT | ACL_UPDATE | ACL_DELETE
							 : rule->privileges;

	for (int i = 0; i < lengthof(commands); i++)
	{
		const Command *command = &commands[i];

		if (!(privileges & command->privilege))
			continue;
		run(psprintf("CREATE POLICY " POLICY_PREFIX INT64_FORMAT
					 "_%c ON %s FOR %s TO %s%s%s",
					 rule->id, pg_tolower(command->name[0]),
					 gdpr_ident_relation(rule->relation), command->name,
					 role_text(rule->role),
					 command->sees ? psprintf(" USING (%s)", condition) : "",
					 command->writes ? psprintf(" WITH CHECK (%s)", condition)
									 : ""));
	}
}

/* ---- grants ---- */

static GdprDeclaredColumn *
declaration_of(const List *declared, Oid relation, const char *name)
{
	ListCell *lc;

	foreach (lc, declared)
	{
		GdprDeclaredColumn *column = lfirst(lc);

		if (column->relid == relation && strcmp(column->name, name) == 0)
			return column;
	}
	return NULL;
}

/* A parent covers its children. */
static bool
is_in_categories(const char *category, const List *categories)
{
	Oid types[] = {TEXTOID, TEXTARRAYOID};
	Datum values[] = {CStringGetTextDatum(category),
					  PointerGetDatum(gdpr_registry_texts(categories))};

	return gdpr_sql_run(
			   "WITH RECURSIVE up AS (SELECT name, parent FROM gdpr.category WHERE name = $1 "
			   "UNION SELECT c.name, c.parent FROM gdpr.category c JOIN up ON c.name = up.parent) "
			   "SELECT 1 FROM up WHERE name = ANY ($2) OR '*' = ANY ($2)",
			   2, types, values, NULL, false, SPI_OK_SELECT) > 0;
}

static bool
may_see_encrypted(Form_pg_attribute att, Oid role)
{
	int32 typmod = att->atttypmod;
	Oid type = getBaseTypeAndTypmod(att->atttypid, &typmod);
	const GdprContext *context;

	if (!gdpr_enctype_is(type))
		return true;
	context = gdpr_keyring_context((uint32) typmod);
	return context != NULL && role != ACL_ID_PUBLIC &&
		   (gdpr_keyring_may(context, role, GDPR_PRIV_READ) ||
			gdpr_keyring_may(context, role, GDPR_PRIV_SEARCH));
}

/* Ciphertext is no use to who may not read it, and confirms guesses. */
static AclMode
column_privileges(const GdprAccessRule *rule, Form_pg_attribute att, Oid role)
{
	AclMode wanted = rule->privileges & (ACL_SELECT | ACL_INSERT | ACL_UPDATE);

	if (!(wanted & ACL_SELECT) || may_see_encrypted(att, role))
		return wanted;
	ereport(NOTICE,
			(errmsg("column \"%s\" is left out: role \"%s\" may not read or search its context",
					NameStr(att->attname), rule->role)));
	return wanted & ~ACL_SELECT;
}

static void
give_columns(const GdprAccessRule *rule, Oid role)
{
	List *declared = gdpr_registry_columns();
	int natts = gdpr_privilege_columns(rule->relation);

	for (AttrNumber attnum = 1; attnum <= natts; attnum++)
	{
		HeapTuple tuple = SearchSysCacheCopy2(ATTNUM,
											  ObjectIdGetDatum(rule->relation),
											  Int16GetDatum(attnum));
		Form_pg_attribute att = (Form_pg_attribute) GETSTRUCT(tuple);
		GdprDeclaredColumn *column;

		if (att->attisdropped)
			continue;
		column = declaration_of(declared, rule->relation,
								NameStr(att->attname));
		if (column == NULL ||
			is_in_categories(column->category, rule->categories))
			gdpr_privilege_give(rule->relation, attnum, role,
								column_privileges(rule, att, role));
	}
}

void
gdpr_compile_rule(const GdprAccessRule *rule)
{
	Oid role = gdpr_access_role(rule->role, false);
	GdprSqlScope scope;

	gdpr_compile_drop_policies(rule->relation, rule->id);
	gdpr_sql_begin_own(&scope);
	if (rule->decision != 'k')
		gdpr_privilege_take(rule->relation, role);
	if (rule->decision == 'a')
	{
		give_columns(rule, role);
		gdpr_privilege_give(rule->relation, 0, role,
							rule->privileges & ACL_DELETE);
	}
	if (rule->decision != 'd')
		make_policies(rule);
	gdpr_sql_end_own(&scope);
}

/* Rules that wait for the relation to be closed come into force with it. */
void
gdpr_compile_relation(Oid relation)
{
	ListCell *lc;

	foreach (lc, gdpr_privilege_parts(relation))
		gdpr_privilege_remember(relation, lfirst_oid(lc));
	close_parts(relation);
	foreach (lc, gdpr_access_rules(relation))
	{
		GdprAccessRule *rule = lfirst(lc);

		if (gdpr_access_role(rule->role, true) != GDPR_ACCESS_NO_ROLE)
			gdpr_compile_rule(rule);
	}
}
