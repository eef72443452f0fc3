/*
 * purpose.c
 *	  Purposes: declared, granted, and asked for when a row policy runs.
 *
 * A purpose is a name that the session gives.  Whether the current user may
 * work for it is decided when it is used, because roles change after the name
 * is set, and remembered until rules, grants or roles change.
 */
#include "base/compat.h"

#include "access/rule.h"
#include "base/ident.h"
#include "base/options.h"
#include "base/session.h"
#include "base/sql.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "registry/registry.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

GDPR_FUNCTION(gdpr_create_purpose);
GDPR_FUNCTION(gdpr_drop_purpose);
GDPR_FUNCTION(gdpr_grant_purpose);
GDPR_FUNCTION(gdpr_revoke_purpose);
GDPR_FUNCTION(gdpr_row_access);
GDPR_FUNCTION(gdpr_access_changed);

static const char *const bases[] = {"consent",			"contract",
									"legal_obligation", "vital_interests",
									"public_task",		"legitimate_interests"};

/* ---- declaring ---- */

static uint64
run(const char *sql, const char *a, const char *b, const char *c, int expected)
{
	Oid types[] = {TEXTOID, TEXTOID, TEXTOID};
	const char *texts[] = {a, b, c};
	Datum values[3];
	char nulls[] = "   ";
	GdprSqlScope scope;
	uint64 n;

	for (int i = 0; i < lengthof(texts); i++)
	{
		values[i] = texts[i] == NULL ? (Datum) 0
									 : CStringGetTextDatum(texts[i]);
		nulls[i] = texts[i] == NULL ? 'n' : ' ';
	}
	gdpr_sql_begin_own(&scope);
	n = gdpr_sql_run(sql, 3, types, values, nulls, false, expected);
	gdpr_sql_end_own(&scope);
	return n;
}

static bool
purpose_exists(const char *name)
{
	return run("SELECT 1 FROM gdpr.purpose WHERE name = $1::name AND ($2, $3) IS NOT NULL",
			   name, "", "", SPI_OK_SELECT) > 0;
}

static void
require_purpose(const char *name)
{
	if (!purpose_exists(name))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("there is no such purpose"),
				 errhint("Declare it with gdpr.create_purpose.")));
}

static void
check_basis(const char *basis)
{
	for (int i = 0; i < lengthof(bases); i++)
	{
		if (strcmp(basis, bases[i]) == 0)
			return;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid value of \"lawful_basis\""),
			 errhint("It is one of: consent, contract, legal_obligation, vital_interests, public_task, legitimate_interests.")));
}

Datum
gdpr_create_purpose(PG_FUNCTION_ARGS)
{
	char *description = NULL;
	const GdprOption known[] = {{.name = "description", .text = &description}};
	char *name;
	char *basis;

	gdpr_registry_require(fcinfo, 0, "purpose");
	gdpr_registry_require(fcinfo, 1, "lawful_basis");
	gdpr_registry_require(fcinfo, 2, "options");
	name = NameStr(*PG_GETARG_NAME(0));
	basis = text_to_cstring(PG_GETARG_TEXT_PP(1));
	gdpr_options_parse(PG_GETARG_JSONB_P(2), known, lengthof(known));
	check_basis(basis);
	if (*name == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a purpose needs a name")));
	if (purpose_exists(name))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("purpose \"%s\" exists already", name)));
	(void) run(
		"INSERT INTO gdpr.purpose (name, lawful_basis, description) VALUES ($1::name, $2, $3)",
		name, basis, description, SPI_OK_INSERT);
	PG_RETURN_VOID();
}

Datum
gdpr_drop_purpose(PG_FUNCTION_ARGS)
{
	char *name;

	gdpr_registry_require(fcinfo, 0, "purpose");
	name = NameStr(*PG_GETARG_NAME(0));
	require_purpose(name);
	if (run("SELECT 1 FROM gdpr.access_rule WHERE $1::name = ANY (purposes) AND ($2, $3) IS NOT NULL",
			name, "", "", SPI_OK_SELECT) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("access rules name purpose \"%s\"", name),
				 errhint("Change them with gdpr.allow first.")));
	(void) run(
		"DELETE FROM gdpr.purpose_grant WHERE purpose = $1::name AND ($2, $3) IS NOT NULL",
		name, "", "", SPI_OK_DELETE);
	(void) run(
		"DELETE FROM gdpr.purpose WHERE name = $1::name AND ($2, $3) IS NOT NULL",
		name, "", "", SPI_OK_DELETE);
	PG_RETURN_VOID();
}

Datum
gdpr_grant_purpose(PG_FUNCTION_ARGS)
{
	gdpr_registry_require(fcinfo, 0, "role");
	gdpr_registry_require(fcinfo, 1, "purpose");
	(void) gdpr_access_role(NameStr(*PG_GETARG_NAME(0)), false);
	require_purpose(NameStr(*PG_GETARG_NAME(1)));
	(void) run(
		"INSERT INTO gdpr.purpose_grant (role, purpose) "
		"SELECT $1::name, $2::name WHERE $3 IS NOT NULL ON CONFLICT DO NOTHING",
		NameStr(*PG_GETARG_NAME(0)), NameStr(*PG_GETARG_NAME(1)), "",
		SPI_OK_INSERT);
	PG_RETURN_VOID();
}

/* Of a role that is gone too. */
Datum
gdpr_revoke_purpose(PG_FUNCTION_ARGS)
{
	gdpr_registry_require(fcinfo, 0, "role");
	gdpr_registry_require(fcinfo, 1, "purpose");
	if (run("DELETE FROM gdpr.purpose_grant WHERE role = $1::name AND purpose = $2::name AND $3 IS NOT NULL",
			NameStr(*PG_GETARG_NAME(0)), NameStr(*PG_GETARG_NAME(1)), "",
			SPI_OK_DELETE) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("the role was not granted this purpose")));
	PG_RETURN_VOID();
}

/* ---- the answer, remembered ---- */

typedef enum Answer
{
	YES,
	NO,		 /* but another rule lets the user in */
	REFUSED, /* nothing does, for want of a purpose */
} Answer;

typedef struct Remembered
{
	bool valid;
	int64 rule;
	Oid user;
	char purpose[NAMEDATALEN];
	Answer answer;
	char *relation;
} Remembered;

/* A statement asks for a few rules, each once. */
#define NREMEMBERED 16

static Remembered remembered[NREMEMBERED];
static Oid rule_table = InvalidOid;

static void
forget_all(void)
{
	for (int i = 0; i < NREMEMBERED; i++)
		remembered[i].valid = false;
}

static void
relation_changed(Datum arg, Oid relid)
{
	if (!OidIsValid(relid) || relid == rule_table || !OidIsValid(rule_table))
		forget_all();
}

static void
role_changed(Datum arg, int cacheid, uint32 hashvalue)
{
	forget_all();
}

Datum
gdpr_access_changed(PG_FUNCTION_ARGS)
{
	Oid relid = get_relname_relid("access_rule", gdpr_sql_schema());

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function must be called as a trigger")));
	if (OidIsValid(relid))
		CacheInvalidateRelcacheByRelid(relid);
	PG_RETURN_POINTER(NULL);
}

static void
watch(void)
{
	static bool watching = false;

	if (watching)
		return;
	CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHOID, role_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, role_changed, (Datum) 0);
	watching = true;
}

static bool
is_member(Oid user, const char *role)
{
	Oid oid = gdpr_access_role(role, true);

	return oid == ACL_ID_PUBLIC ||
		   (oid != GDPR_ACCESS_NO_ROLE && has_privs_of_role(user, oid));
}

/* Roles that were granted the purpose, of which one has to be the user's. */
static bool
is_granted(Oid user, const char *purpose)
{
	Oid types[] = {TEXTOID};
	Datum values[] = {CStringGetTextDatum(purpose)};
	uint64 n = gdpr_sql_run(
		"SELECT role::text FROM gdpr.purpose_grant WHERE purpose = $1::name", 1,
		types, values, NULL, true, SPI_OK_SELECT);

	for (uint64 i = 0; i < n; i++)
	{
		if (is_member(user, SPI_getvalue(SPI_tuptable->vals[i],
										 SPI_tuptable->tupdesc, 1)))
			return true;
	}
	return false;
}

static bool
is_named(const GdprAccessRule *rule, const char *purpose)
{
	ListCell *lc;

	foreach (lc, rule->purposes)
	{
		if (purpose != NULL && strcmp(lfirst(lc), purpose) == 0)
			return true;
	}
	return false;
}

static bool
lets_in(const GdprAccessRule *rule, Oid user, const char *purpose, bool granted)
{
	return rule->decision != 'd' && is_member(user, rule->role) &&
		   (rule->purposes == NIL || (granted && is_named(rule, purpose)));
}

static Oid
relation_of(int64 rule)
{
	Oid types[] = {INT8OID};
	Datum values[] = {Int64GetDatum(rule)};
	bool isnull;

	if (gdpr_sql_run(
			"SELECT relation::oid FROM gdpr.access_rule WHERE rule = $1", 1,
			types, values, NULL, true, SPI_OK_SELECT) == 0)
		return InvalidOid;
	return DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[0],
										  SPI_tuptable->tupdesc, 1, &isnull));
}

static Answer
decide(int64 id, Oid relation, Oid user, const char *purpose)
{
	bool granted = purpose != NULL && is_granted(user, purpose);
	bool other = false;
	ListCell *lc;

	foreach (lc, gdpr_access_rules(relation))
	{
		GdprAccessRule *rule = lfirst(lc);

		/* The policy's role was matched by the server: a view's owner, maybe. */
		if (rule->id == id)
		{
			if (rule->purposes == NIL || (granted && is_named(rule, purpose)))
				return YES;
		}
		else
			other |= lets_in(rule, user, purpose, granted);
	}
	return other ? NO : REFUSED;
}

static Remembered *
find_answer(int64 rule, Oid user, const char *purpose)
{
	static int next = 0;
	Remembered *entry;
	GdprSqlScope scope;
	Oid relation;

	for (int i = 0; i < NREMEMBERED; i++)
	{
		entry = &remembered[i];
		if (entry->valid && entry->rule == rule && entry->user == user &&
			strcmp(entry->purpose, purpose == NULL ? "" : purpose) == 0)
			return entry;
	}
	watch();
	entry = &remembered[next++ % NREMEMBERED];
	entry->valid = false;
	gdpr_sql_begin_own(&scope);
	rule_table = get_relname_relid("access_rule", gdpr_sql_schema());
	relation = relation_of(rule);
	entry->answer = OidIsValid(relation) ? decide(rule, relation, user, purpose)
										 : REFUSED;
	gdpr_sql_end_own(&scope);
	entry->rule = rule;
	entry->user = user;
	strlcpy(entry->purpose, purpose == NULL ? "" : purpose, NAMEDATALEN);
	entry->valid = true;
	return entry;
}

/*
 * row_access(rule bigint) returns boolean.  Zero rows would be taken for an
 * empty table, so where only a purpose is missing it is said.
 */
Datum
gdpr_row_access(PG_FUNCTION_ARGS)
{
	const char *purpose = gdpr_session_value(GDPR_SESSION_PURPOSE);
	Remembered *entry = find_answer(PG_GETARG_INT64(0), GetUserId(), purpose);

	if (entry->answer == REFUSED)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 purpose == NULL ?
				 errmsg("personal data is read for a purpose, and the session names none") :
				 errmsg("the session's purpose is not one that role \"%s\" may read this for",
						GetUserNameFromId(GetUserId(), false)),
				 errhint("Begin the transaction with gdpr.begin_work(purpose => ...).")));
	PG_RETURN_BOOL(entry->answer == YES);
}
