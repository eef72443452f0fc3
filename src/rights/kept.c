/*
 * kept.c
 *	  Persons who were forgotten and of whom the law keeps rows.
 *
 * The ledger knows them by pseudonym only, and nothing else leads to their
 * rows; so the key lies sealed beside the day on which the next row may go.
 */
#include "base/compat.h"

#include "base/sql.h"
#include "catalog/pg_type.h"
#include "crypto/secret.h"
#include "miscadmin.h"
#include "rights/kept.h"
#include "utils/builtins.h"

#define SECRET_PURPOSE "kept"

static Datum
pseudonym_datum(const uint8 *pseudonym)
{
	return PointerGetDatum(
		cstring_to_text_with_len((const char *) pseudonym, GDPR_TAG_LEN));
}

/* The first day after a period of keeping; false when nothing ends. */
static bool
first_day(const GdprPlan *plan, DateADT *day)
{
	bool found = false;
	ListCell *lc;

	foreach (lc, plan->leaf_list)
	{
		GdprPlanLeaf *leaf = lfirst(lc);

		for (int i = 0; i < leaf->nrows; i++)
		{
			GdprPlanRow *row = leaf->rows[i];

			if (row->action != GDPR_ACTION_KEEP || !row->has_until ||
				row->endless || DATE_NOT_FINITE(row->until))
				continue;
			if (!found || row->until + 1 < *day)
				*day = row->until + 1;
			found = true;
		}
	}
	return found;
}

void
gdpr_kept_remember(const GdprPlan *plan, const uint8 *pseudonym)
{
	Oid types[] = {TEXTOID, BYTEAOID, BYTEAOID, DATEOID, TEXTOID};
	const char *key = plan->subject->key;
	Datum values[5];
	DateADT day;
	GdprSqlScope scope;

	if (!first_day(plan, &day))
	{
		gdpr_kept_drop(NameStr(plan->map->kind), pseudonym);
		return;
	}
	values[0] = CStringGetTextDatum(NameStr(plan->map->kind));
	values[1] = pseudonym_datum(pseudonym);
	values[2] = PointerGetDatum(gdpr_secret_seal(SECRET_PURPOSE, pseudonym,
												 GDPR_TAG_LEN, key,
												 strlen(key)));
	values[3] = DateADTGetDatum(day);
	/* Asked for before we become the owner of the table. */
	values[4] = CStringGetTextDatum(GetUserNameFromId(GetUserId(), false));
	gdpr_sql_begin_own(&scope);
	(void) gdpr_sql_run(
		"INSERT INTO gdpr.kept_subject (kind, pseudonym, subject, due, forgotten_by) "
		"VALUES ($1::name, $2, $3, $4, $5::name) "
		"ON CONFLICT (kind, pseudonym) DO UPDATE SET subject = excluded.subject, "
		"due = excluded.due, forgotten_by = excluded.forgotten_by, "
		"failures = 0, last_error = NULL, next_run = NULL",
		5, types, values, NULL, false, SPI_OK_INSERT);
	gdpr_sql_end_own(&scope);
}

static GdprKept *
take_kept(uint64 row)
{
	GdprKept *kept = palloc0(sizeof(GdprKept));
	TupleDesc columns = SPI_tuptable->tupdesc;
	HeapTuple tuple = SPI_tuptable->vals[row];
	bool isnull;
	bytea *pseudonym = DatumGetByteaPP(
		SPI_getbinval(tuple, columns, 2, &isnull));
	bytea *sealed = DatumGetByteaPP(SPI_getbinval(tuple, columns, 3, &isnull));
	size_t length;

	kept->kind = SPI_getvalue(tuple, columns, 1);
	memcpy(kept->pseudonym, VARDATA_ANY(pseudonym), GDPR_TAG_LEN);
	kept->role = SPI_getvalue(tuple, columns, 4);
	if (gdpr_secret_open(SECRET_PURPOSE, kept->pseudonym, GDPR_TAG_LEN, sealed,
						 &kept->subject, &length) != GDPR_SECRET_OPENED)
		kept->subject = NULL;
	return kept;
}

List *
gdpr_kept_due(int limit)
{
	MemoryContext target = CurrentMemoryContext;
	Oid types[] = {DATEOID, INT4OID};
	Datum values[] = {DateADTGetDatum(gdpr_plan_today()), Int32GetDatum(limit)};
	List *result = NIL;
	GdprSqlScope scope;
	uint64 n;

	gdpr_sql_begin_own(&scope);
	n = gdpr_sql_run(
		"SELECT kind, pseudonym, subject, forgotten_by FROM gdpr.kept_subject "
		"WHERE due <= $1 AND (next_run IS NULL OR next_run <= pg_catalog.now()) "
		"ORDER BY due, pseudonym LIMIT $2",
		2, types, values, NULL, false, SPI_OK_SELECT);
	for (uint64 row = 0; row < n; row++)
	{
		MemoryContext old = MemoryContextSwitchTo(target);

		result = lappend(result, take_kept(row));
		MemoryContextSwitchTo(old);
	}
	gdpr_sql_end_own(&scope);
	return result;
}

/* An error is not tried again before a day is over, then two, up to a week. */
void
gdpr_kept_report(const GdprKept *kept, const char *error)
{
	Oid types[] = {TEXTOID, BYTEAOID, TEXTOID};
	Datum values[] = {CStringGetTextDatum(kept->kind),
					  pseudonym_datum(kept->pseudonym), 0};
	GdprSqlScope scope;

	if (error == NULL)
		return;
	values[2] = CStringGetTextDatum(error);
	gdpr_sql_begin_own(&scope);
	(void) gdpr_sql_run(
		"UPDATE gdpr.kept_subject SET failures = failures + 1, last_error = $3, "
		"next_run = pg_catalog.now() + least(failures + 1, 7) * interval '1 day' "
		"WHERE kind::text = $1 AND pseudonym = $2",
		3, types, values, NULL, false, SPI_OK_UPDATE);
	gdpr_sql_end_own(&scope);
}

void
gdpr_kept_drop(const char *kind, const uint8 *pseudonym)
{
	Oid types[] = {TEXTOID, BYTEAOID};
	Datum values[] = {CStringGetTextDatum(kind), pseudonym_datum(pseudonym)};
	GdprSqlScope scope;

	gdpr_sql_begin_own(&scope);
	(void) gdpr_sql_run(
		"DELETE FROM gdpr.kept_subject WHERE kind::text = $1 AND pseudonym = $2",
		2, types, values, NULL, false, SPI_OK_DELETE);
	gdpr_sql_end_own(&scope);
}
