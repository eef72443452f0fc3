/*
 * ledger.c
 *	  The ledger of erasures: who was forgotten, by pseudonym.
 *
 * A row is written in the transaction that erases, with our rights.  Nobody
 * changes it by SQL.  A person who comes back under the same key is a new
 * person: the ledger is asked only where no row exists.
 */
#include "base/compat.h"

#include "base/errors.h"
#include "base/sql.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "crypto/keyring.h"
#include "miscadmin.h"
#include "rights/ledger.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

GDPR_FUNCTION(gdpr_ledger_guard);

static bytea *
pseudonym_bytes(const uint8 *pseudonym)
{
	bytea *result = palloc(VARHDRSZ + GDPR_TAG_LEN);

	SET_VARSIZE(result, VARHDRSZ + GDPR_TAG_LEN);
	memcpy(VARDATA(result), pseudonym, GDPR_TAG_LEN);
	return result;
}

static void
take_erasure(GdprErasure *erasure)
{
	bool isnull;
	Datum id = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1,
							 &isnull);
	Datum at = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2,
							 &isnull);

	strlcpy(erasure->id, TextDatumGetCString(id), sizeof(erasure->id));
	erasure->forgotten_at = DatumGetTimestampTz(at);
}

bool
gdpr_ledger_find(const char *kind, const uint8 *pseudonym, GdprErasure *erasure)
{
	Oid types[] = {TEXTOID, BYTEAOID};
	Datum values[] = {CStringGetTextDatum(kind),
					  PointerGetDatum(pseudonym_bytes(pseudonym))};
	GdprSqlScope scope;
	bool found;

	gdpr_sql_begin_own(&scope);
	found = gdpr_sql_run(
				"SELECT id::text, forgotten_at FROM gdpr.erasure_ledger"
				" WHERE kind::text = $1 AND pseudonym = $2"
				" ORDER BY forgotten_at DESC LIMIT 1",
				lengthof(types), types, values, NULL, false, SPI_OK_SELECT) > 0;
	if (found)
		take_erasure(erasure);
	gdpr_sql_end_own(&scope);
	return found;
}

void
gdpr_ledger_write(const char *kind, const uint8 *pseudonym,
				  const char *plan_hash, const char *relations,
				  const char *reason, GdprErasure *erasure)
{
	Oid types[] = {TEXTOID, BYTEAOID, INT4OID, TEXTOID,
				   TEXTOID, TEXTOID,  TEXTOID};
	Datum values[] = {CStringGetTextDatum(kind),
					  PointerGetDatum(pseudonym_bytes(pseudonym)),
					  Int32GetDatum(gdpr_keyring_reserved()->tag_generation),
					  CStringGetTextDatum(plan_hash),
					  CStringGetTextDatum(relations),
					  reason == NULL ? (Datum) 0 : CStringGetTextDatum(reason),
					  CStringGetTextDatum(
						  GetUserNameFromId(GetUserId(), false))};
	char nulls[] = "       ";
	GdprSqlScope scope;

	if (reason == NULL)
		nulls[5] = 'n';
	gdpr_sql_begin_own(&scope);
	gdpr_sql_run(
		"INSERT INTO gdpr.erasure_ledger"
		" (kind, pseudonym, key_version, plan_hash, relations, reason, requested_by)"
		" VALUES ($1::name, $2, $3, $4, $5::json, $6, $7::name)"
		" RETURNING id::text, forgotten_at",
		lengthof(types), types, values, nulls, false, SPI_OK_INSERT_RETURNING);
	take_erasure(erasure);
	gdpr_sql_end_own(&scope);
}

/* The officer's duty is SELECT on the view of erasures and EXECUTE on forget. */
static bool
may_see_erasures(void)
{
	Oid schema = gdpr_sql_schema();
	Oid view = OidIsValid(schema) ? get_relname_relid("erasure", schema)
								  : InvalidOid;

	return OidIsValid(view) &&
		   pg_class_aclcheck(view, GetUserId(), ACL_SELECT) == ACLCHECK_OK;
}

void
gdpr_ledger_unknown(const GdprSubject *subject)
{
	GdprErasure erasure;
	uint8 pseudonym[GDPR_TAG_LEN];
	bool forgotten = false;

	if (subject->key != NULL && may_see_erasures() && gdpr_keyring_has_root())
	{
		gdpr_key_pseudonym(NameStr(subject->map->kind), subject->key,
						   pseudonym);
		forgotten = gdpr_ledger_find(NameStr(subject->map->kind), pseudonym,
									 &erasure);
	}
	ereport(ERROR,
			(errcode(ERRCODE_GDPR_UNKNOWN_SUBJECT),
			 errmsg("unknown subject"),
			 forgotten ? errdetail("A subject of this key was forgotten at %s.",
								   timestamptz_to_str(erasure.forgotten_at)) : 0,
			 subject->map != NULL && subject->map->nkeys > 1 ?
			 errhint("The key of kind \"%s\" has %d columns: give it as a json array of strings.",
					 NameStr(subject->map->kind), subject->map->nkeys) :
			 errhint("No row of the subject's relation has this key.")));
}

/* BEFORE UPDATE OR DELETE OR TRUNCATE on the ledger, for superusers too. */
Datum
gdpr_ledger_guard(PG_FUNCTION_ARGS)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("this function is a trigger of the ledger of erasures")));
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("the ledger of erasures cannot be changed"),
			 errhint("It is the evidence of what was erased, and is only added to.")));
}
