/*
 * sql.h
 *	  The few SPI idioms that the extension uses.
 */
#ifndef GDPR_SQL_H
#define GDPR_SQL_H

#include "executor/spi.h"

/*
 * A scope in which our own tables are read and written: current user is the
 * owner of schema gdpr, search_path is pg_catalog alone, row security is off.
 * Never run a statement on a user's table inside one.
 */
typedef struct GdprSqlScope
{
	Oid userid;
	int sec_context;
	int nestlevel;
	bool keeps_settings; /* that statements inside made */
} GdprSqlScope;

/* Opens the scope and connects SPI; 55000 when the extension is not there. */
extern void gdpr_sql_begin_own(GdprSqlScope *scope);
extern void gdpr_sql_end_own(GdprSqlScope *scope);

/*
 * A scope for statements on users' tables: the caller's own rights and
 * search_path (the tables' triggers may depend on it, so our statement text
 * qualifies every name and operator itself); 42501 where row security would
 * filter silently (base/rows.h).  Connects SPI.
 */
extern void gdpr_sql_begin_caller(GdprSqlScope *scope);
extern void gdpr_sql_end_caller(GdprSqlScope *scope);

/*
 * The same for statements that fire no trigger: search_path is pg_catalog
 * alone, so that what is not qualified in a deparsed expression means what it
 * meant when it was stored.  Ends with gdpr_sql_end_caller().
 */
extern void gdpr_sql_begin_pinned(GdprSqlScope *scope);

/*
 * And with the settings that values are printed by: a key's text must not
 * depend on the session.  Input of text that a user gave belongs before it.
 */
extern void gdpr_sql_begin_canonical(GdprSqlScope *scope);

/*
 * A scope for statements on users' tables that somebody mightier runs for a
 * role: its rights, search_path pg_catalog, and a restricted operation, in
 * which neither the tables' triggers nor what they leave for the commit can
 * get at more, nor leave settings behind.  Constraints are immediate from here to the end of the
 * transaction.  Ends with gdpr_sql_end_caller().
 */
extern void gdpr_sql_begin_role(GdprSqlScope *scope, Oid role);

/*
 * The same for SELECT alone.  The constraints of the caller's transaction, and
 * the triggers that wait for its end, are left as they are.
 */
extern void gdpr_sql_begin_look(GdprSqlScope *scope, Oid role);

/* Runs one statement; checks SPI's result code.  Returns rows processed. */
extern uint64 gdpr_sql_run(const char *sql, int nargs, Oid *argtypes,
						   Datum *values, const char *nulls, bool read_only,
						   int expected);

/*
 * Has this table of ours a row?  For what everybody's statements ask: a query
 * would leave its locks with their transactions, and take longer.
 */
extern bool gdpr_sql_any_row(const char *table);

/* OID of schema gdpr, InvalidOid when the extension is not created here. */
extern Oid gdpr_sql_schema(void);

#endif /* GDPR_SQL_H */
