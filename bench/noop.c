/*
 * noop.c
 *	  What calling a function and storing its result costs, whatever it does:
 *	  from text to as many bytes as its encrypted value has, none computed; and
 *	  what reading so many bytes costs, and calling a function that makes text.
 */
#include "postgres.h"

#include "fmgr.h"

PG_MODULE_MAGIC;

#define OVERHEAD 53

PG_FUNCTION_INFO_V1(noop);

Datum
noop(PG_FUNCTION_ARGS)
{
	text	   *source = PG_GETARG_TEXT_PP(0);
	Size		length = VARSIZE_ANY_EXHDR(source);
	bytea	   *result = palloc(VARHDRSZ + OVERHEAD + length);

	SET_VARSIZE(result, VARHDRSZ + OVERHEAD + length);
	memset(VARDATA(result), 1, OVERHEAD);
	memcpy(VARDATA(result) + OVERHEAD, VARDATA_ANY(source), length);
	PG_RETURN_BYTEA_P(result);
}

PG_FUNCTION_INFO_V1(noop_back);

Datum
noop_back(PG_FUNCTION_ARGS)
{
	bytea	   *source = PG_GETARG_BYTEA_PP(0);
	Size		length = VARSIZE_ANY_EXHDR(source) - OVERHEAD;
	text	   *result = palloc(VARHDRSZ + length);

	SET_VARSIZE(result, VARHDRSZ + length);
	memcpy(VARDATA(result), VARDATA_ANY(source) + OVERHEAD, length);
	PG_RETURN_TEXT_P(result);
}
