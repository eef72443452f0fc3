/*
 * matrix.c
 *	  Who sees what of a relation, to be compared before and after.
 */
#include "base/compat.h"

#include "access/matrix.h"
#include "base/sql.h"
#include "catalog/pg_type.h"
#include "utils/memutils.h"

static char *
text_field(MemoryContext target, uint64 row, int column)
{
	char *value = SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc,
							   column);

	return value == NULL ? NULL : MemoryContextStrdup(target, value);
}

List *
gdpr_matrix_read(Oid relation, MemoryContext target)
{
	Oid types[] = {OIDOID};
	Datum values[] = {ObjectIdGetDatum(relation)};
	List *result = NIL;
	GdprSqlScope scope;
	uint64 n;

	gdpr_sql_begin_own(&scope);
	n = gdpr_sql_run(
		"SELECT role::text, category, via, privileges || ': ' || rows || "
		"coalesce(' (' || purposes || ')', '') || CASE WHEN bypasses THEN ', bypasses' ELSE '' END "
		"FROM gdpr.access_matrix WHERE relation = $1 AND via <> 'superuser' "
		"ORDER BY role, category, via",
		1, types, values, NULL, false, SPI_OK_SELECT);
	for (uint64 row = 0; row < n; row++)
	{
		MemoryContext old = MemoryContextSwitchTo(target);
		GdprMatrixCell *cell = palloc(sizeof(GdprMatrixCell));

		cell->role = text_field(target, row, 1);
		cell->category = text_field(target, row, 2);
		cell->via = text_field(target, row, 3);
		cell->what = text_field(target, row, 4);
		result = lappend(result, cell);
		MemoryContextSwitchTo(old);
	}
	gdpr_sql_end_own(&scope);
	return result;
}
