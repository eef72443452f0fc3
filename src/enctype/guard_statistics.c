/*
 * guard_statistics.c
 *	  Keeps ANALYZE from columns whose statistics would hold encrypted values.
 *
 * Our types bring an ANALYZE of their own, and so do domains over them and
 * arrays of them.  Rows, arrays of rows and arrays of domains are analysed by
 * the server, which keeps their most common values and a histogram: ciphertext
 * and tags with their frequencies, beside rows that may be gone.  Such a
 * column gets a statistics target of 0, which dumps and pg_upgrade carry
 * along.
 */
#include "base/compat.h"

#include "access/htup_details.h"
#include "base/ident.h"
#include "base/sql.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "enctype/enctype.h"
#include "enctype/guard.h"
#include "enctype/typetree.h"
#include "lib/stringinfo.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

static Oid
analyze_function(Oid typid)
{
	HeapTuple tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(typid));
	Oid function;

	if (!HeapTupleIsValid(tuple))
		return InvalidOid;
	function = ((Form_pg_type) GETSTRUCT(tuple))->typanalyze;
	ReleaseSysCache(tuple);
	return function;
}

static bool
is_analysed_by_server(Oid typid, int32 typmod)
{
	return gdpr_typetree_look(typid, typmod).encrypted &&
		   analyze_function(typid) != analyze_function(gdpr_enctype_text_oid());
}

static int64
column_of(uint64 row, int number)
{
	char *value = SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc,
							   number);

	return strtoll(value, NULL, 10);
}

/* Columns of a table, expressions of an index, that are analysed now. */
static List *
list_analysed(Oid relid)
{
	Oid argtype = OIDOID;
	Datum value = ObjectIdGetDatum(relid);
	List *columns = NIL;

	gdpr_sql_run(
		"SELECT a.attnum, a.atttypid, a.atttypmod FROM pg_attribute a"
		" JOIN pg_class c ON c.oid = a.attrelid"
		" LEFT JOIN pg_index i ON i.indexrelid = c.oid"
		" WHERE c.oid = $1 AND c.relkind IN ('r', 'p', 'm', 'f', 'i', 'I')"
		" AND a.attnum > 0 AND NOT a.attisdropped AND a.atttypid >= 16384"
		" AND a.attstattarget IS DISTINCT FROM 0"
		" AND (i.indkey IS NULL OR i.indkey[a.attnum - 1] = 0)",
		1, &argtype, &value, NULL, false, SPI_OK_SELECT);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		if (is_analysed_by_server((Oid) column_of(i, 2),
								  (int32) column_of(i, 3)))
			columns = lappend_int(columns, (int) column_of(i, 1));
	}
	SPI_freetuptable(SPI_tuptable);
	return columns;
}

void
gdpr_guard_statistics(Oid relid)
{
	char kind = get_rel_relkind(relid);
	bool index = kind == RELKIND_INDEX || kind == RELKIND_PARTITIONED_INDEX;
	ListCell *cell;
	StringInfoData sql;

	initStringInfo(&sql);
	foreach (cell, list_analysed(relid))
	{
		resetStringInfo(&sql);
		appendStringInfo(&sql, "ALTER %s %s ALTER COLUMN ",
						 index ? "INDEX" : "TABLE", gdpr_ident_relation(relid));
		if (index)
			appendStringInfo(&sql, "%d", lfirst_int(cell));
		else
			appendStringInfoString(
				&sql, gdpr_ident_column(relid, (AttrNumber) lfirst_int(cell)));
		appendStringInfoString(&sql, " SET STATISTICS 0");
		gdpr_sql_run(sql.data, 0, NULL, NULL, NULL, false, SPI_OK_UTILITY);
	}
}
