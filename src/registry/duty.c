/*
 * duty.c
 *	  gdpr.grant_duty: the rights of a duty, given to a role of the DBA's.
 *
 * The extension creates no role.  A duty is a list of functions, tables and
 * views; the list is here and nowhere else.  Functions are listed by name:
 * each exists once.
 */
#include "base/compat.h"

#include "base/sql.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "registry/registry.h"
#include "utils/acl.h"
#include "utils/builtins.h"

GDPR_FUNCTION(gdpr_grant_duty);
GDPR_FUNCTION(gdpr_revoke_duty);

#define OFFICER	 0x01
#define AUDITOR	 0x02
#define OPERATOR 0x04
#define BACKUP	 0x08 /* all tables and sequences, see below */

static const struct
{
	const char *name;
	int duty;
} duties[] = {
	{"officer", OFFICER},
	{"auditor", AUDITOR},
	{"operator", OPERATOR},
	{"backup", BACKUP},
};

typedef struct DutyItem
{
	int duties;
	const char *name;
} DutyItem;

static const DutyItem functions[] = {
	{OPERATOR, "allow"},
	{OPERATOR, "approve_map"},
	{OPERATOR, "create_purpose"},
	{OPERATOR, "deny"},
	{OPERATOR, "drop_purpose"},
	{OPERATOR, "grant_purpose"},
	{OPERATOR, "release"},
	{OPERATOR, "revoke_purpose"},
	{AUDITOR, "audit_actor"},
	{AUDITOR, "audit_changes"},
	{AUDITOR, "audit_entries"},
	{OPERATOR, "audit_maintain"},
	{AUDITOR, "audit_records"},
	{AUDITOR, "audit_trail"},
	{OPERATOR, "plain_default"},
	{OPERATOR, "protect"},
	{OPERATOR, "protect_subject"},
	{OPERATOR, "unprotect"},
	{OPERATOR, "approve_retention"},
	{OPERATOR, "drop_retention"},
	{OPERATOR, "hold_relation"},
	{OFFICER, "hold_subject"},
	{OFFICER | OPERATOR, "release_hold"},
	{OFFICER | OPERATOR, "retention_due"},
	{OPERATOR, "retention_plan"},
	{OPERATOR, "run_retention"},
	{OPERATOR, "set_retention"},
	{OPERATOR, "verify_values"},
	{OPERATOR, "end_epoch"},
	{OPERATOR, "restore_subject_keys"},
	{OPERATOR, "standby_ready"},
	{OPERATOR, "cancel_conversion"},
	{OPERATOR, "check_column"},
	{OPERATOR, "column_report"},
	{OPERATOR, "column_view"},
	{OPERATOR, "confirm_key_backup"},
	{OPERATOR, "conversion_fault"},
	{OPERATOR, "conversion_indexes"},
	{OPERATOR, "conversion_replacement"},
	{OPERATOR, "conversion_report"},
	{OPERATOR, "conversion_swap"},
	{OPERATOR, "convert_column"},
	{OPERATOR, "create_context"},
	{OFFICER | OPERATOR, "data_map"},
	{OPERATOR, "declare_column"},
	{OPERATOR, "declare_link"},
	{OPERATOR, "declare_subject"},
	{OPERATOR, "decrypt_column"},
	{OPERATOR, "destroy_context"},
	{OPERATOR, "destroy_key"},
	{OPERATOR, "encrypt_column"},
	{OFFICER, "export_rows"},
	{OFFICER, "forget_plan"},
	{OFFICER, "gdpr_export"},
	{OFFICER, "gdpr_forget"},
	{OPERATOR, "grant_context"},
	{OPERATOR, "key_backup_challenge"},
	{OPERATOR, "key_fingerprint"},
	{OPERATOR, "key_state"},
	{OFFICER | OPERATOR, "map_hash"},
	{OPERATOR, "reencrypt"},
	{OPERATOR, "reload_keys"},
	{OPERATOR, "retire_context"},
	{OPERATOR, "retire_key"},
	{OPERATOR, "revoke_context"},
	{OPERATOR, "rewrap_keys"},
	{OPERATOR, "rotate_context"},
	{OPERATOR, "tag_rotation_plan"},
	{OPERATOR, "undeclare_column"},
	{OPERATOR, "undeclare_link"},
	{OPERATOR, "undeclare_subject"},
	{OPERATOR, "uninstall_plan"},
};

static const DutyItem tables[] = {
	{OPERATOR, "approval"},
	{OFFICER | OPERATOR, "category"},
	{OPERATOR, "context"},
	{OPERATOR, "context_grant"},
	{OPERATOR, "conversion"},
	{OPERATOR, "conversion_status"},
	{OPERATOR, "duty_grant"},
	{OFFICER | AUDITOR, "erasure"},
	{OFFICER | AUDITOR | OPERATOR, "access_matrix"},
	{OPERATOR, "access_rule"},
	{OFFICER | OPERATOR, "purpose"},
	{OPERATOR, "purpose_grant"},
	{AUDITOR, "audit"},
	{OFFICER | OPERATOR, "hold"},
	{OFFICER | AUDITOR | OPERATOR, "protected"},
	{OFFICER | OPERATOR, "retention_rule"},
	{OFFICER | OPERATOR, "retention_state"},
	{OFFICER | OPERATOR, "retention_status"},
	{OPERATOR, "key_confirmation"},
	{OPERATOR, "key_event"},
	{OPERATOR, "key_status"},
	{OPERATOR, "link"},
	{OPERATOR, "reencrypt_progress"},
	{OPERATOR, "personal_column"},
	{OPERATOR, "sharing"},
	{OPERATOR, "subject"},
};

static int
find_duty(const char *name)
{
	for (int i = 0; i < lengthof(duties); i++)
	{
		if (strcmp(duties[i].name, name) == 0)
			return duties[i].duty;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown duty"),
			 errhint("The duties are: officer, auditor, operator, backup.")));
}

/* ---- statements; all run as the owner of what they grant ---- */

static void
run_utility(const char *sql)
{
	(void) gdpr_sql_run(sql, 0, NULL, NULL, NULL, false, SPI_OK_UTILITY);
}

/* Members of the extension by this name, as GRANT names them. */
static List *
function_signatures(const char *name)
{
	Oid types[1] = {NAMEOID};
	Datum values[1];
	List *result = NIL;
	uint64 n;

	values[0] = DirectFunctionCall1(namein, CStringGetDatum(name));
	n = gdpr_sql_run(
		"SELECT p.oid::pg_catalog.regprocedure FROM pg_catalog.pg_proc p "
		"JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass "
		"AND d.objid = p.oid AND d.deptype = 'e' "
		"AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass "
		"JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid AND e.extname = 'gdpr_ext' "
		"WHERE p.proname = $1",
		1, types, values, NULL, true, SPI_OK_SELECT);
	if (n == 0)
		elog(ERROR, "function \"%s\" of a duty does not exist", name);
	for (uint64 i = 0; i < n; i++)
		result = lappend(result, SPI_getvalue(SPI_tuptable->vals[i],
											  SPI_tuptable->tupdesc, 1));
	return result;
}

static void
change_function(const char *verb, const char *preposition, const char *name,
				const char *role)
{
	ListCell *lc;

	foreach (lc, function_signatures(name))
		run_utility(psprintf("%s EXECUTE ON ROUTINE %s %s %s", verb,
							 (char *) lfirst(lc), preposition, role));
}

/* Also of tables and sequences made later: contexts bring theirs. */
static void
change_everything(const char *verb, const char *preposition, const char *role)
{
	static const char *const kinds[] = {"TABLES", "SEQUENCES"};

	for (int i = 0; i < lengthof(kinds); i++)
	{
		run_utility(psprintf("%s SELECT ON ALL %s IN SCHEMA gdpr %s %s", verb,
							 kinds[i], preposition, role));
		run_utility(psprintf(
			"ALTER DEFAULT PRIVILEGES IN SCHEMA gdpr %s SELECT ON %s %s %s",
			verb, kinds[i], preposition, role));
	}
}

static void
change_duty(bool grant, int duty, const char *role)
{
	const char *verb = grant ? "GRANT" : "REVOKE";
	const char *preposition = grant ? "TO" : "FROM";

	if (duty & BACKUP)
		change_everything(verb, preposition, role);
	for (int i = 0; i < lengthof(functions); i++)
	{
		if (functions[i].duties & duty)
			change_function(verb, preposition, functions[i].name, role);
	}
	for (int i = 0; i < lengthof(tables); i++)
	{
		if (tables[i].duties & duty)
			run_utility(psprintf("%s SELECT ON gdpr.%s %s %s", verb,
								 quote_identifier(tables[i].name), preposition,
								 role));
	}
}

/* ---- what is remembered ---- */

static uint64
write_grant(const char *sql, Name role, const char *duty, int expected)
{
	Oid types[2] = {NAMEOID, TEXTOID};
	Datum values[2];

	values[0] = NameGetDatum(role);
	values[1] = CStringGetTextDatum(duty);
	return gdpr_sql_run(sql, 2, types, values, NULL, false, expected);
}

static int
remaining_duties(Name role)
{
	Oid types[1] = {NAMEOID};
	Datum values[1];
	int result = 0;
	uint64 n;

	values[0] = NameGetDatum(role);
	n = gdpr_sql_run("SELECT duty FROM gdpr.duty_grant WHERE role = $1", 1,
					 types, values, NULL, false, SPI_OK_SELECT);
	for (uint64 i = 0; i < n; i++)
		result |= find_duty(
			SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1));
	return result;
}

/* ---- the verbs ---- */

static void
take_arguments(FunctionCallInfo fcinfo, Name *role, char **duty, int *bit)
{
	gdpr_registry_require(fcinfo, 0, "role");
	gdpr_registry_require(fcinfo, 1, "duty");
	*role = PG_GETARG_NAME(0);
	*duty = text_to_cstring(PG_GETARG_TEXT_PP(1));
	*bit = find_duty(*duty);
}

Datum
gdpr_grant_duty(PG_FUNCTION_ARGS)
{
	Name role;
	char *duty;
	int bit;
	GdprSqlScope scope;

	take_arguments(fcinfo, &role, &duty, &bit);
	(void) get_role_oid(NameStr(*role), false);
	gdpr_sql_begin_own(&scope);
	change_duty(true, bit, quote_identifier(NameStr(*role)));
	(void)
		write_grant("INSERT INTO gdpr.duty_grant (role, duty) VALUES ($1, $2) "
					"ON CONFLICT DO NOTHING",
					role, duty, SPI_OK_INSERT);
	gdpr_sql_end_own(&scope);
	PG_RETURN_VOID();
}

/* Not by name in the row alone: the role may have been renamed since. */
static void
report_missing(Name role, bool exists, bool recorded)
{
	if (!exists && !recorded)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("role \"%s\" does not exist and has no duty", NameStr(*role))));
	if (!exists)
		ereport(WARNING,
				(errcode(ERRCODE_WARNING),
				 errmsg("role \"%s\" does not exist any more", NameStr(*role)),
				 errhint("If it was renamed, take the duty from its new name too.")));
	if (!recorded)
		ereport(NOTICE,
				(errmsg("role \"%s\" was not known to have this duty", NameStr(*role))));
}

/*
 * What another duty of the role gives too is given again.  A dropped role
 * took its rights along; only the row is left to delete.
 */
Datum
gdpr_revoke_duty(PG_FUNCTION_ARGS)
{
	Name role;
	char *duty;
	int bit;
	bool exists;
	bool recorded;
	GdprSqlScope scope;

	take_arguments(fcinfo, &role, &duty, &bit);
	exists = OidIsValid(get_role_oid(NameStr(*role), true));
	gdpr_sql_begin_own(&scope);
	recorded = write_grant(
				   "DELETE FROM gdpr.duty_grant WHERE role = $1 AND duty = $2",
				   role, duty, SPI_OK_DELETE) > 0;
	report_missing(role, exists, recorded);
	if (exists)
	{
		change_duty(false, bit, quote_identifier(NameStr(*role)));
		change_duty(true, remaining_duties(role),
					quote_identifier(NameStr(*role)));
	}
	gdpr_sql_end_own(&scope);
	PG_RETURN_VOID();
}
