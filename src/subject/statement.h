/*
 * statement.h
 *	  Statements on users' tables: cached plans, errors without values.
 *
 * All run inside a caller's scope (base/sql.h).
 */
#ifndef GDPR_STATEMENT_H
#define GDPR_STATEMENT_H

#include "base/sql.h"
#include "lib/stringinfo.h"
#include "storage/itemptr.h"

/* Arguments collected while the text of a statement is built. */
typedef struct GdprArgs
{
	int n;
	int capacity;
	Oid *types;
	Datum *values;
} GdprArgs;

extern GdprArgs *gdpr_statement_args(void);

/* Adds an argument; its number, for "$n".  54023 when there are too many. */
extern int gdpr_statement_arg(GdprArgs *args, Oid type, Datum value);

/*
 * Runs a statement; its rows are in SPI_tuptable.  read_only: with the active
 * snapshot, else with a new one.  An error is raised again by gdpr_redact_rethrow
 * with the relation's name, which may be NULL.
 */
extern uint64 gdpr_statement_run(const char *sql, const GdprArgs *args,
								 bool read_only, const char *relation);

/* A column of a row of SPI_tuptable. */
extern Datum gdpr_statement_value(uint64 row, int column, bool *isnull);

/* An array of tids. */
extern Datum gdpr_statement_tids(const ItemPointerData *tids, int ntids);

#endif /* GDPR_STATEMENT_H */
