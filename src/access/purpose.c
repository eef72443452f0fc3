/*
 * purpose.c
 *	  Purposes: declared, granted, taken back.
 */
#include "base/compat.h"

#include "access/rule.h"
#include "base/options.h"
#include "base/sql.h"
#include "catalog/pg_type.h"
#include "registry/registry.h"
#include "utils/builtins.h"

GDPR_FUNCTION(gdpr_create_purpose);
GDPR_FUNCTION(gdpr_drop_purpose);
GDPR_FUNCTION(gdpr_grant_purpose);
GDPR_FUNCTION(gdpr_revoke_purpose);

static const char *const bases[] = {"consent",			"contract",
									"legal_obligation", "vital_interests",
									"public_task",		"legitimate_interests"};

/* ---- declaring ---- */

static uint64
run(const char *sql, int nargs, const char *a, const char *b, const char *c,
	int expected)
{
	Oid types[] = {TEXTOID, TEXTOID, TEXTOID};
	const char *texts[] = {a, b, c};
	Datum values[3];
	char nulls[] = "   ";
	GdprSqlScope scope;
	uint64 n;

	for (int i = 0; i < nargs; i++)
	{
		values[i] = texts[i] == NULL ? (Datum) 0
									 : CStringGetTextDatum(texts[i]);
		nulls[i] = texts[i] == NULL ? 'n' : ' ';
	}
	gdpr_sql_begin_own(&scope);
	n = gdpr_sql_run(sql, nargs, types, values, nulls, false, expected);
	gdpr_sql_end_own(&scope);
	return n;
}

static bool
purpose_exists(const char *name)
{
	return run("SELECT 1 FROM gdpr.purpose WHERE name = $1::name", 1, name,
			   NULL, NULL, SPI_OK_SELECT) > 0;
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
		3, name, basis, description, SPI_OK_INSERT);
	PG_RETURN_VOID();
}

Datum
gdpr_drop_purpose(PG_FUNCTION_ARGS)
{
	char *name;

	gdpr_registry_require(fcinfo, 0, "purpose");
	name = NameStr(*PG_GETARG_NAME(0));
	require_purpose(name);
	if (run("SELECT 1 FROM gdpr.access_rule WHERE $1::name = ANY (purposes)", 1,
			name, NULL, NULL, SPI_OK_SELECT) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("access rules name purpose \"%s\"", name),
				 errhint("Change them with gdpr.allow first.")));
	(void) run("DELETE FROM gdpr.purpose_grant WHERE purpose = $1::name", 1,
			   name, NULL, NULL, SPI_OK_DELETE);
	(void) run("DELETE FROM gdpr.purpose WHERE name = $1::name", 1, name, NULL,
			   NULL, SPI_OK_DELETE);
	PG_RETURN_VOID();
}

Datum
gdpr_grant_purpose(PG_FUNCTION_ARGS)
{
	gdpr_registry_require(fcinfo, 0, "role");
	gdpr_registry_require(fcinfo, 1, "purpose");
	(void) gdpr_access_role(NameStr(*PG_GETARG_NAME(0)), false);
	require_purpose(NameStr(*PG_GETARG_NAME(1)));
	(void) run("INSERT INTO gdpr.purpose_grant (role, purpose) "
			   "SELECT $1::name, $2::name ON CONFLICT DO NOTHING",
			   2, NameStr(*PG_GETARG_NAME(0)), NameStr(*PG_GETARG_NAME(1)),
			   NULL, SPI_OK_INSERT);
	PG_RETURN_VOID();
}

/* Of a role that is gone too. */
Datum
gdpr_revoke_purpose(PG_FUNCTION_ARGS)
{
	gdpr_registry_require(fcinfo, 0, "role");
	gdpr_registry_require(fcinfo, 1, "purpose");
	if (run("DELETE FROM gdpr.purpose_grant WHERE role = $1::name AND purpose = $2::name",
			2, NameStr(*PG_GETARG_NAME(0)), NameStr(*PG_GETARG_NAME(1)), NULL,
			SPI_OK_DELETE) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("the role was not granted this purpose")));
	PG_RETURN_VOID();
}
