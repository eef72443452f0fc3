/*
 * hold.c
 *	  gdpr.hold_subject, gdpr.hold_relation, gdpr.release_hold.
 *
 * Writing the table of holds waits for every erasure and every batch of
 * retention that is under way (subject/hold.h), so when the verb returns none
 * of them touches what is held.
 */
#include "base/compat.h"

#include "base/options.h"
#include "base/sql.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "registry/predicate.h"
#include "registry/registry.h"
#include "rights/ledger.h"
#include "subject/hold.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

GDPR_FUNCTION(gdpr_hold_subject);
GDPR_FUNCTION(gdpr_hold_relation);
GDPR_FUNCTION(gdpr_release_hold);

enum
{
	ARG_KIND,
	ARG_PSEUDONYM,
	ARG_SUBJECT,
	ARG_RELATION,
	ARG_FILTER,
	ARG_REASON,
	ARG_UNTIL,
	NARGS
};

static int64
write_hold(Datum *values, const bool *given)
{
	Oid types[NARGS] = {TEXTOID, BYTEAOID, BYTEAOID,	  REGCLASSOID,
						TEXTOID, TEXTOID,  TIMESTAMPTZOID};
	char nulls[NARGS];
	GdprSqlScope scope;
	bool isnull;
	int64 id;

	for (int i = 0; i < NARGS; i++)
		nulls[i] = given[i] ? ' ' : 'n';
	gdpr_sql_begin_own(&scope);
	(void) gdpr_sql_run(
		"INSERT INTO gdpr.hold (kind, pseudonym, subject, relation, filter, reason, until) "
		"VALUES ($1::name, $2, $3, $4, $5, $6, $7) RETURNING id",
		NARGS, types, values, nulls, false, SPI_OK_INSERT_RETURNING);
	id = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0],
									 SPI_tuptable->tupdesc, 1, &isnull));
	gdpr_sql_end_own(&scope);
	return id;
}

/* It would hold nothing, and whoever placed it would think it did. */
static void
check_until(TimestampTz until)
{
	if (until <= GetCurrentTimestamp())
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the end of the legal hold is past"),
				 errhint("\"until\" is a time to come, or null for a hold without an end.")));
}

static void
take_reason(FunctionCallInfo fcinfo, int reason, int until, Datum *values,
			bool *given)
{
	given[ARG_REASON] = !PG_ARGISNULL(reason);
	values[ARG_REASON] = given[ARG_REASON] ? PG_GETARG_DATUM(reason) : 0;
	given[ARG_UNTIL] = !PG_ARGISNULL(until);
	if (given[ARG_UNTIL])
		check_until(PG_GETARG_TIMESTAMPTZ(until));
	values[ARG_UNTIL] = given[ARG_UNTIL] ? PG_GETARG_DATUM(until) : 0;
}

Datum
gdpr_hold_subject(PG_FUNCTION_ARGS)
{
	Datum values[NARGS] = {0};
	bool given[NARGS] = {false};
	uint8 pseudonym[GDPR_TAG_LEN];
	GdprSubject *subject;

	gdpr_registry_require(fcinfo, 0, "subject");
	subject = gdpr_key_resolve(text_to_cstring(PG_GETARG_TEXT_PP(0)),
							   PG_ARGISNULL(1) ? NULL
											   : NameStr(*PG_GETARG_NAME(1)),
							   false);
	if (!subject->found)
		gdpr_ledger_unknown(subject);
	gdpr_key_pseudonym(NameStr(subject->map->kind), subject->key, pseudonym);
	values[ARG_KIND] = CStringGetTextDatum(NameStr(subject->map->kind));
	values[ARG_PSEUDONYM] = PointerGetDatum(
		cstring_to_text_with_len((char *) pseudonym, GDPR_TAG_LEN));
	values[ARG_SUBJECT] = PointerGetDatum(gdpr_hold_seal(subject->key));
	given[ARG_KIND] = given[ARG_PSEUDONYM] = given[ARG_SUBJECT] = true;
	take_reason(fcinfo, 2, 3, values, given);
	PG_RETURN_INT64(write_hold(values, given));
}

Datum
gdpr_hold_relation(PG_FUNCTION_ARGS)
{
	Datum values[NARGS] = {0};
	bool given[NARGS] = {false};
	char *filter = NULL;
	const GdprOption known[] = {{.name = "filter", .text = &filter}};
	Oid relid;

	gdpr_registry_require(fcinfo, 0, "relation");
	gdpr_registry_require(fcinfo, 3, "options");
	relid = PG_GETARG_OID(0);
	gdpr_registry_check_relation(relid);
	gdpr_options_parse(PG_GETARG_JSONB_P(3), known, lengthof(known));
	values[ARG_RELATION] = ObjectIdGetDatum(relid);
	given[ARG_RELATION] = true;
	if (filter != NULL)
	{
		values[ARG_FILTER] = CStringGetTextDatum(
			gdpr_predicate_normalise(relid, filter));
		given[ARG_FILTER] = true;
	}
	take_reason(fcinfo, 1, 2, values, given);
	PG_RETURN_INT64(write_hold(values, given));
}

/* A hold in force that is to be released. */
typedef struct Release
{
	bool found;
	Oid relation; /* InvalidOid: of a person */
	bool officer; /* the caller may hold persons */
} Release;

static void
find_hold(Datum id, Release *release)
{
	Oid types[] = {INT8OID, OIDOID};
	Datum values[] = {id, ObjectIdGetDatum(GetUserId())};
	GdprSqlScope scope;
	bool isnull;

	gdpr_sql_begin_own(&scope);
	release->found =
		gdpr_sql_run(
			"SELECT coalesce(relation::oid, 0), pg_catalog.has_function_privilege($2, "
			"'gdpr.hold_subject(text, name, text, timestamp with time zone)', 'EXECUTE') "
			"FROM gdpr.hold WHERE id = $1 AND released_at IS NULL",
			2, types, values, NULL, false, SPI_OK_SELECT) > 0;
	if (release->found)
	{
		HeapTuple row = SPI_tuptable->vals[0];

		release->relation = DatumGetObjectId(
			SPI_getbinval(row, SPI_tuptable->tupdesc, 1, &isnull));
		release->officer = DatumGetBool(
			SPI_getbinval(row, SPI_tuptable->tupdesc, 2, &isnull));
	}
	gdpr_sql_end_own(&scope);
}

/* Who may place such a hold may release it. */
static void
check_release(const Release *release)
{
	if (!release->found)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("there is no such legal hold in force")));
	if (release->officer)
		return;
	if (!OidIsValid(release->relation))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to release the hold of a person"),
				 errhint("It takes the duty of the officer.")));
	gdpr_registry_check_relation(release->relation);
}

Datum
gdpr_release_hold(PG_FUNCTION_ARGS)
{
	Oid types[] = {INT8OID};
	Datum values[1];
	Release release = {0};
	GdprSqlScope scope;

	gdpr_registry_require(fcinfo, 0, "hold");
	values[0] = PG_GETARG_DATUM(0);
	find_hold(values[0], &release);
	check_release(&release);
	gdpr_sql_begin_own(&scope);
	(void) gdpr_sql_run(
		"UPDATE gdpr.hold SET released_at = pg_catalog.now(), released_by = SESSION_USER "
		"WHERE id = $1 AND released_at IS NULL",
		1, types, values, NULL, false, SPI_OK_UPDATE);
	gdpr_sql_end_own(&scope);
	PG_RETURN_VOID();
}
