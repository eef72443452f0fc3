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
#include "access/xact.h"
#include "base/ident.h"
#include "base/sql.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_type.h"
#include "crypto/keyring.h"
#include "enctype/enctype.h"
#include "lib/stringinfo.h"
#include "nodes/makefuncs.h"
#include "parser/parser.h"
#include "registry/registry.h"
#include "tcop/dest.h"
#include "tcop/utility.h"
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

#define ALL_COMMANDS (ACL_SELECT | ACL_INSERT | ACL_UPDATE | ACL_DELETE)

/*
 * Not by SPI, which puts the statement into the context of every message, nor
 * under its text, which pg_stat_statements would keep: the filter has the
 * user's literals.
 */
static void
run(const char *sql)
{
	PlannedStmt *statement = makeNode(PlannedStmt);

	statement->commandType = CMD_UTILITY;
	statement->utilityStmt = linitial_node(RawStmt,
										   raw_parser(sql, RAW_PARSE_DEFAULT))
								 ->stmt;
	statement->stmt_location = -1;
	ProcessUtility(statement, "a rule of access", false, PROCESS_UTILITY_QUERY,
				   NULL, NULL, None_Receiver, NULL);
	CommandCounterIncrement();
}

void
gdpr_compile_close(Oid part)
{
	GdprSqlScope scope;

	gdpr_sql_begin_own(&scope);
	run(psprintf(
		"ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
		gdpr_ident_relation(part)));
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

static void
drop_policies_of(Oid relation, int64 rule)
{
	Oid types[] = {OIDOID};
	Datum values[] = {ObjectIdGetDatum(relation)};
	List *names = NIL;
	uint64 n;
	ListCell *lc;

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
}

void
gdpr_compile_drop_policies(Oid relation, int64 rule)
{
	GdprSqlScope scope;
	ListCell *lc;

	gdpr_sql_begin_own(&scope);
	foreach (lc, gdpr_privilege_parts(relation))
		drop_policies_of(lfirst_oid(lc), rule);
	gdpr_sql_end_own(&scope);
}

/* Somebody's own policies would open what ours close. */
void
gdpr_compile_check_policies(Oid relation, Oid part)
{
	Oid types[] = {OIDOID, OIDOID};
	Datum values[] = {ObjectIdGetDatum(relation), ObjectIdGetDatum(part)};
	Oid found = InvalidOid;
	GdprSqlScope scope;
	bool isnull;

	gdpr_sql_begin_own(&scope);
	if (gdpr_sql_run(
			"WITH RECURSIVE down AS (SELECT $2 AS relid "
			"UNION SELECT i.inhrelid FROM pg_inherits i JOIN down ON i.inhparent = down.relid) "
			"SELECT p.polrelid FROM pg_policy p JOIN down ON down.relid = p.polrelid "
			"WHERE NOT EXISTS (SELECT 1 FROM gdpr.access_rule r WHERE r.relation = $1 "
			"AND p.polname ~ ('^" POLICY_PREFIX
			"' || r.rule || '_[siud]$')) LIMIT 1",
			2, types, values, NULL, false, SPI_OK_SELECT) > 0)
		found = DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[0],
											   SPI_tuptable->tupdesc, 1,
											   &isnull));
	gdpr_sql_end_own(&scope);
	if (OidIsValid(found))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("relation %s has row policies of its own", gdpr_ident_relation(found)),
				 errhint("Drop them, and give their conditions to gdpr.allow as \"filter\".")));
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
make_policies(const GdprAccessRule *rule, Oid relid, AclMode privileges)
{
	char *condition = condition_of(rule);

	for (int i = 0; i < lengthof(commands); i++)
	{
		const Command *command = &commands[i];

		if (!(privileges & command->privilege))
			continue;
		run(psprintf("CREATE POLICY " POLICY_PREFIX INT64_FORMAT
					 "_%c ON %s FOR %s TO %s%s%s",
					 rule->id, pg_tolower(command->name[0]),
					 gdpr_ident_relation(relid), command->name,
					 role_text(rule->role),
					 command->sees ? psprintf(" USING (%s)", condition) : "",
					 command->writes ? psprintf(" WITH CHECK (%s)", condition)
									 : ""));
	}
}

void
gdpr_compile_keep(const GdprAccessRule *rule, Oid part)
{
	GdprSqlScope scope;

	gdpr_sql_begin_own(&scope);
	make_policies(rule, part, ALL_COMMANDS);
	gdpr_sql_end_own(&scope);
}

/* ---- grants ---- */

/* One of the category and its ancestors is named, or all are. */
static bool
is_covered(const GdprPersonal *personal, const List *categories)
{
	ListCell *lc;

	if (gdpr_ident_is_among(categories, "*"))
		return true;
	foreach (lc, personal->categories)
	{
		if (gdpr_ident_is_among(categories, lfirst(lc)))
			return true;
	}
	return false;
}

static bool
is_allowed(const char *column, const List *declared, const List *categories)
{
	ListCell *lc;

	foreach (lc, declared)
	{
		GdprPersonal *personal = lfirst(lc);

		if (strcmp(personal->column, column) == 0 &&
			!is_covered(personal, categories))
			return false;
	}
	return true;
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
static bool
is_left_out(const GdprAccessRule *rule, Form_pg_attribute att, Oid role)
{
	if (!(rule->privileges & ACL_SELECT) || may_see_encrypted(att, role))
		return false;
	ereport(NOTICE,
			(errmsg("column \"%s\" is left out: role \"%s\" may not read or search its context",
					NameStr(att->attname), rule->role)));
	return true;
}

/* The numbers of the columns that a rule lets a role see. */
static List *
visible_columns(const GdprAccessRule *rule, Oid role, bool *all)
{
	List *declared = gdpr_access_personal(rule->relation);
	AttrNumber natts = gdpr_privilege_columns(rule->relation);
	List *result = NIL;

	*all = gdpr_ident_is_among(rule->categories, "*");
	for (AttrNumber attnum = 1; attnum <= natts; attnum++)
	{
		HeapTuple tuple = SearchSysCacheCopy2(ATTNUM,
											  ObjectIdGetDatum(rule->relation),
											  Int16GetDatum(attnum));
		Form_pg_attribute att = (Form_pg_attribute) GETSTRUCT(tuple);

		if (att->attisdropped ||
			!is_allowed(NameStr(att->attname), declared, rule->categories))
			continue;
		if (is_left_out(rule, att, role))
			*all = false;
		else
			result = lappend_int(result, attnum);
	}
	return result;
}

/*
 * Everything is the table, with the columns that the system has and those that
 * come.
 */
static void
give_columns(const GdprAccessRule *rule, Oid role)
{
	AclMode wanted = rule->privileges & (ACL_SELECT | ACL_INSERT | ACL_UPDATE);
	bool all;
	List *columns = visible_columns(rule, role, &all);
	ListCell *lc;

	if (all)
		gdpr_privilege_give(rule->relation, 0, role, wanted);
	foreach (lc, all ? NIL : columns)
		gdpr_privilege_give(rule->relation, (AttrNumber) lfirst_int(lc), role,
							wanted);
}

void
gdpr_compile_grants(const GdprAccessRule *rule)
{
	Oid role = gdpr_access_role(rule->role, false);

	if (rule->decision == 'k')
		return;
	gdpr_privilege_take(rule->relation, role);
	if (rule->decision == 'd')
		return;
	give_columns(rule, role);
	gdpr_privilege_give(rule->relation, 0, role, rule->privileges & ACL_DELETE);
}

/* Who goes on as before may have used parts by name. */
void
gdpr_compile_rule(const GdprAccessRule *rule)
{
	GdprSqlScope scope;
	ListCell *lc;

	gdpr_compile_drop_policies(rule->relation, rule->id);
	gdpr_sql_begin_own(&scope);
	gdpr_compile_grants(rule);
	if (rule->decision == 'a')
		make_policies(rule, rule->relation, rule->privileges);
	foreach (lc,
			 rule->decision == 'k' ? gdpr_privilege_parts(rule->relation) : NIL)
		make_policies(rule, lfirst_oid(lc), ALL_COMMANDS);
	gdpr_sql_end_own(&scope);
}
