/*
 * convert.h
 *	  From a plain column to an encrypted one, and back, and from one context
 *	  into another: what the two ways of doing it share.
 *
 * In one statement (convert.c) the table is rewritten under its lock.  Online,
 * a spare column is filled beside the column and swapped with it:
 * convert_online.c begins and gives up, convert_row.c keeps the columns in
 * step, convert_fill.c changes a batch of rows, convert_run.c does it all in
 * order and swaps.  Views are carried over by both ways (convert_view.c).  The state of each is a row of gdpr.conversion.
 */
#ifndef GDPR_CONVERT_H
#define GDPR_CONVERT_H

#include "access/attnum.h"
#include "nodes/parsenodes.h"
#include "storage/block.h"
#include "storage/itemptr.h"
#include "utils/rel.h"

typedef struct GdprConvertColumn
{
	Oid relid;
	AttrNumber attnum;
	Oid typid;
	int32 typmod;
	char *relation; /* quoted, qualified */
	char *name;		/* quoted */
} GdprConvertColumn;

/* ---- convert_row.c: one value ---- */

typedef struct GdprConverter GdprConverter;

/*
 * Values of one column, cast through a plain type into another's; the last
 * cast is an assignment where they become plain, so that nothing is cut.  From
 * one context into another the cast is direct: what was erased stays erased,
 * and a person's value stays under his key.  As the role, whoever the current
 * user is.
 */
extern GdprConverter *gdpr_converter_make(Form_pg_attribute from, Oid via,
										  Form_pg_attribute to, bool encrypts,
										  Oid role);

/* Does a value of the relation belong under the key of the row's person? */
extern bool gdpr_converter_has_subjects(Oid relid);

/* Valid until the next one.  Null only for null: else PD006. */
extern Datum gdpr_converter_run(GdprConverter *converter, Datum value,
								bool *isnull);

/* ---- convert_online.c: the state ---- */

/* What the names of spare columns begin with; others' may, too. */
#define GDPR_SPARE_PREFIX "gdpr_convert_"

typedef struct GdprConversion
{
	Oid relation;
	NameData column;
	NameData spare;
	bool encrypts;
	bool clears; /* swapped: what is left is removed */
	/* nobody reads or searches the new context who may not the old one */
	bool confined;
	Oid via;
	Oid role;
	Oid part; /* that is worked on, InvalidOid before the first */
	BlockNumber block;
} GdprConversion;

/*
 * Of a relation, or of what it is a part of, by the column's name or the spare
 * one's.  False when there is none.
 */
extern bool gdpr_conversion_find(Oid relid, const char *name,
								 GdprConversion *conversion);

/* The same for its owner, who calls; 42501, 55000 when there is none. */
extern void gdpr_conversion_require(Oid relid, const char *name,
									GdprConversion *conversion);

/*
 * Takes the relation's conversions for this session, until
 * gdpr_conversion_release(), or for this transaction; 55006 where another
 * session has them.
 */
extern void gdpr_conversion_take(Oid relation, bool session);
extern void gdpr_conversion_release(Oid relation);

/* 55006 where the column is being converted. */
extern void gdpr_conversion_refuse(const GdprConvertColumn *column);

/*
 * Begins one: the spare column, the trigger, the constraint, the state.  The
 * direction is encrypt, decrypt or move, which encrypts anew.
 */
extern void gdpr_conversion_begin(const GdprConvertColumn *column,
								  const char *direction, Oid via,
								  const char *type);

/* One DDL statement as the caller, whom our own guards let pass. */
extern void gdpr_conversion_ddl(const char *sql);

/* The trigger of the phase, on the relation and its parts. */
extern void gdpr_conversion_trigger(const GdprConversion *conversion);

/* The text that one of our functions returns for a conversion; NULL: null. */
extern char *gdpr_conversion_text(const char *sql,
								  const GdprConversion *conversion);

/* All of them. */
extern List *gdpr_conversion_texts(const char *sql,
								   const GdprConversion *conversion);

/* ---- convert_view.c: views on the column ---- */

/*
 * Drops those that can be carried over, as the caller, and returns what makes
 * them again; 2BP01 where one cannot be made over the column's other type.
 */
extern List *gdpr_convert_views_take(Oid relid, const char *column);
extern void gdpr_convert_views_make(List *views);

/* Names of those that the caller may not drop. */
extern List *gdpr_convert_views_foreign(Oid relid, const char *column);

/* ---- convert_fill.c: one batch ---- */

typedef struct GdprFill
{
	BlockNumber next;	/* in: where to begin; out: where to go on */
	BlockNumber blocks; /* out: how many there are */
	int changed;
	int skipped; /* locked by somebody else */
} GdprFill;

/* Whole blocks of a table, until so many rows are changed. */
extern void gdpr_fill_batch(const GdprConversion *conversion, Oid part,
							int batch, GdprFill *fill);

/* ---- guard_conversion.c ---- */

/*
 * Before a utility statement: refuses to take a conversion's trigger off, or a
 * partition out.
 */
extern void gdpr_guard_conversion(Node *statement);

#endif /* GDPR_CONVERT_H */
