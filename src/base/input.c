/*
 * input.c
 *	  A type's input function on text that may not fit.
 *
 * PostgreSQL 15 has no soft errors, and later majors not for every type, so
 * the function runs in a subtransaction.
 */
#include "base/compat.h"

#include "base/attempt.h"
#include "base/input.h"
#include "base/redact.h"
#include "catalog/pg_type.h"
#include "utils/lsyscache.h"

static bool
is_about_the_value(int sqlerrcode)
{
	int category = ERRCODE_TO_CATEGORY(sqlerrcode);

	return category == ERRCODE_DATA_EXCEPTION ||
		   category == ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION;
}

typedef struct Conversion
{
	Oid input;
	Oid param;
	int32 typmod;
	char *text;
	Datum *value;
} Conversion;

static void
convert(void *argument)
{
	Conversion *conversion = argument;

	*conversion->value = OidInputFunctionCall(conversion->input,
											  conversion->text,
											  conversion->param,
											  conversion->typmod);
}

bool
gdpr_input_try(Oid typid, int32 typmod, const char *text, Datum *value)
{
	Conversion conversion = {.typmod = typmod,
							 .text = pstrdup(text),
							 .value = value};
	ErrorData *error;

	getTypeInputInfo(typid, &conversion.input, &conversion.param);
	error = gdpr_attempt(convert, &conversion);
	if (error == NULL)
		return true;
	if (!is_about_the_value(error->sqlerrcode))
		gdpr_redact_rethrow(error, NULL);
	FreeErrorData(error);
	return false;
}

static const Oid simple_types[] = {BPCHAROID, DATEOID,	INT2OID,   INT4OID,
								   INT8OID,	  JSONBOID, NAMEOID,   NUMERICOID,
								   TEXTOID,	  UUIDOID,	VARCHAROID};

bool
gdpr_input_is_simple(Oid typid)
{
	for (int i = 0; i < lengthof(simple_types); i++)
	{
		if (simple_types[i] == typid)
			return true;
	}
	return false;
}

int
gdpr_input_try_code(Oid typid, char *text, Datum *value)
{
	MemoryContext context = CurrentMemoryContext;
	Oid input;
	Oid param;
	volatile int sqlerrcode = 0;

	getTypeInputInfo(typid, &input, &param);
	PG_TRY();
	{
		*value = OidInputFunctionCall(input, text, param, -1);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		if (!is_about_the_value(geterrcode()))
			PG_RE_THROW();
		sqlerrcode = geterrcode();
		FlushErrorState();
	}
	PG_END_TRY();
	return sqlerrcode;
}

bool
gdpr_input_try_simple(Oid typid, const char *text, Datum *value)
{
	Assert(gdpr_input_is_simple(typid));
	return gdpr_input_try_code(typid, pstrdup(text), value) == 0;
}
