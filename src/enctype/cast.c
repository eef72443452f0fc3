/*
 * cast.c
 *	  Casts into, between and out of the encrypted types, and concatenation.
 *
 * Every way out to plaintext goes through one function, which needs the read
 * privilege and raises 42501 rather than hand out ciphertext.
 */
#include "base/compat.h"

#include "enctype/basecast.h"
#include "enctype/value.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/jsonb.h"

GDPR_FUNCTION(gdpr_enctype_to_text);
GDPR_FUNCTION(gdpr_enctype_to_varchar);
GDPR_FUNCTION(gdpr_enctype_to_bpchar);
GDPR_FUNCTION(gdpr_enctype_to_name);
GDPR_FUNCTION(gdpr_enctype_to_json);
GDPR_FUNCTION(gdpr_enctype_to_jsonb);
GDPR_FUNCTION(gdpr_enctype_to_base);
GDPR_FUNCTION(gdpr_encitext_folded);
GDPR_FUNCTION(gdpr_enctype_cat_text);
GDPR_FUNCTION(gdpr_text_cat_enctype);
GDPR_FUNCTION(gdpr_enctype_cat_enctype);

/* Arguments of all casts in: value, typmod, is it explicit. */
static Datum
from_string(FunctionCallInfo fcinfo, const GdprKind *kind, const char *data,
			size_t length)
{
	PG_RETURN_POINTER(gdpr_input_string(kind, data, length, PG_GETARG_INT32(1),
										PG_GETARG_BOOL(2)));
}

static Datum
from_text(FunctionCallInfo fcinfo, const GdprKind *kind)
{
	text *source = PG_GETARG_TEXT_PP(0);

	return from_string(fcinfo, kind, VARDATA_ANY(source),
					   VARSIZE_ANY_EXHDR(source));
}

/* Trailing blanks of char(n) mean nothing, as in its cast to text. */
static Datum
from_bpchar(FunctionCallInfo fcinfo, const GdprKind *kind)
{
	BpChar *source = PG_GETARG_BPCHAR_PP(0);
	char *data = VARDATA_ANY(source);

	return from_string(fcinfo, kind, data,
					   bpchartruelen(data, VARSIZE_ANY_EXHDR(source)));
}

static Datum
from_name(FunctionCallInfo fcinfo, const GdprKind *kind)
{
	char *data = NameStr(*PG_GETARG_NAME(0));

	return from_string(fcinfo, kind, data, strlen(data));
}

/* The length-coercion cast of a type, and the cast from another of ours. */
static Datum
from_value(FunctionCallInfo fcinfo, const GdprKind *kind)
{
	return gdpr_value_move(kind, PG_GETARG_DATUM(0), PG_GETARG_INT32(1),
						   PG_GETARG_BOOL(2));
}

/* From any type that the server casts to the base type. */
static Datum
from_base(FunctionCallInfo fcinfo, const GdprKind *kind)
{
	GdprBaseCast *cast = gdpr_basecast_in(fcinfo->flinfo, kind);
	Datum value = gdpr_basecast_apply(cast, PG_GETARG_DATUM(0), -1, false);

	PG_RETURN_POINTER(gdpr_value_make(kind, kind->from_base(value),
									  PG_GETARG_INT32(1), PG_GETARG_BOOL(2)));
}

#define CAST_FROM(type, what, kind)                   \
	GDPR_FUNCTION(gdpr_##type##_from_##what);         \
	Datum gdpr_##type##_from_##what(PG_FUNCTION_ARGS) \
	{                                                 \
		return from_##what(fcinfo, &kind);            \
	}

#define CASTS_FROM(type, kind)    \
	CAST_FROM(type, text, kind)   \
	CAST_FROM(type, bpchar, kind) \
	CAST_FROM(type, base, kind)   \
	CAST_FROM(type, value, kind)

#define CASTS_FROM_NAME(type, kind) CAST_FROM(type, name, kind)

/* gdpr.<type>_from_<what> and gdpr.<type>_coerce */
GDPR_EACH_TYPE(CASTS_FROM)
GDPR_EACH_TEXT_TYPE(CASTS_FROM_NAME)

static void
raise_not_shown(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNTRANSLATABLE_CHARACTER),
			 errmsg("encrypted value cannot be shown in the encoding of this database")));
}

/*
 * The payload for a user who may read it, in a varlena; NULL for an erased
 * value.
 */
static struct varlena *
open_value(struct varlena *value, const GdprKind **kind)
{
	struct varlena *payload;
	GdprEnvelope env;
	GdprOpened opened;

	gdpr_value_parse(gdpr_value_bytes(value), &env);
	gdpr_value_check_read(&env);
	if (env.flags & GDPR_FLAG_ERASED)
		return NULL;
	*kind = gdpr_kind_of(GDPR_ENVELOPE_KIND(&env));
	payload = (struct varlena *) palloc(VARHDRSZ + env.length);
	SET_VARSIZE(payload, VARHDRSZ + env.length);
	opened = gdpr_value_open(&env, (uint8 *) VARDATA(payload));
	/* The key of an erased person is as good as the value erased. */
	if (opened == GDPR_OPEN_GONE)
		return NULL;
	gdpr_value_require_opened(&env, opened);
	return payload;
}

/* The plaintext as text of this database; text itself when it is that. */
static text *
plaintext(struct varlena *value)
{
	const GdprKind *kind;
	struct varlena *payload = open_value(value, &kind);
	GdprBytes shown;

	if (payload == NULL)
		return NULL;
	if (!kind->print(gdpr_value_bytes(payload), &shown))
		raise_not_shown();
	if (shown.data == (uint8 *) VARDATA_ANY(payload))
		return payload;
	return cstring_to_text_with_len((const char *) shown.data,
									(int) shown.length);
}

/* The plaintext as equality sees it, in which a person has one name. */
Datum
gdpr_encitext_folded(PG_FUNCTION_ARGS)
{
	const GdprKind *kind;
	struct varlena *payload = open_value(PG_GETARG_VARLENA_PP(0), &kind);
	GdprBytes folded;
	GdprBytes shown;

	if (payload == NULL)
		PG_RETURN_NULL();
	folded = gdpr_kind_canonical(kind->kind, gdpr_value_bytes(payload));
	if (!kind->print(folded, &shown))
		raise_not_shown();
	PG_RETURN_TEXT_P(cstring_to_text_with_len((const char *) shown.data,
											  (int) shown.length));
}

/* To any type that the server casts the base type to. */
Datum
gdpr_enctype_to_base(PG_FUNCTION_ARGS)
{
	const GdprKind *kind;
	struct varlena *payload = open_value(PG_GETARG_VARLENA_PP(0), &kind);
	bool modified = PG_NARGS() == 3;
	Datum value;

	if (payload == NULL)
		PG_RETURN_NULL();
	if (!kind->to_base(payload, &value))
		raise_not_shown();
	return gdpr_basecast_apply(gdpr_basecast_out(fcinfo->flinfo, kind), value,
							   modified ? PG_GETARG_INT32(1) : -1,
							   modified && PG_GETARG_BOOL(2));
}

Datum
gdpr_enctype_to_text(PG_FUNCTION_ARGS)
{
	text *plain = plaintext(PG_GETARG_VARLENA_PP(0));

	if (plain == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(plain);
}

Datum
gdpr_enctype_to_varchar(PG_FUNCTION_ARGS)
{
	text *plain = plaintext(PG_GETARG_VARLENA_PP(0));

	if (plain == NULL)
		PG_RETURN_NULL();
	return DirectFunctionCall3(varchar, PointerGetDatum(plain),
							   PG_GETARG_DATUM(1), PG_GETARG_DATUM(2));
}

Datum
gdpr_enctype_to_bpchar(PG_FUNCTION_ARGS)
{
	text *plain = plaintext(PG_GETARG_VARLENA_PP(0));

	if (plain == NULL)
		PG_RETURN_NULL();
	return DirectFunctionCall3(bpchar, PointerGetDatum(plain),
							   PG_GETARG_DATUM(1), PG_GETARG_DATUM(2));
}

Datum
gdpr_enctype_to_name(PG_FUNCTION_ARGS)
{
	text *plain = plaintext(PG_GETARG_VARLENA_PP(0));

	if (plain == NULL)
		PG_RETURN_NULL();
	return DirectFunctionCall1(text_name, PointerGetDatum(plain));
}

/*
 * to_jsonb() and its kin call these casts and do not expect NULL from them,
 * so an erased value is the null of json.
 */
static char *
json_text(struct varlena *value)
{
	const GdprKind *kind;
	struct varlena *payload = open_value(value, &kind);
	GdprBytes bytes;
	GdprBytes shown;
	StringInfoData buf;

	if (payload == NULL)
		return pstrdup("null");
	bytes = gdpr_value_bytes(payload);
	initStringInfo(&buf);
	if (kind->print_json != NULL ? !kind->print_json(bytes, &buf)
								 : !kind->print(bytes, &shown))
		raise_not_shown();
	if (kind->print_json == NULL)
		escape_json(&buf, pnstrdup((const char *) shown.data, shown.length));
	return buf.data;
}

Datum
gdpr_enctype_to_json(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(json_text(PG_GETARG_VARLENA_PP(0))));
}

Datum
gdpr_enctype_to_jsonb(PG_FUNCTION_ARGS)
{
	char *json = json_text(PG_GETARG_VARLENA_PP(0));

	return DirectFunctionCall1(jsonb_in, CStringGetDatum(json));
}

/* NULL with NULL on either side, as || of text. */
static Datum
concatenate(FunctionCallInfo fcinfo, text *left, text *right)
{
	if (left == NULL || right == NULL)
		PG_RETURN_NULL();
	return DirectFunctionCall2(textcat, PointerGetDatum(left),
							   PointerGetDatum(right));
}

Datum
gdpr_enctype_cat_text(PG_FUNCTION_ARGS)
{
	return concatenate(fcinfo, plaintext(PG_GETARG_VARLENA_PP(0)),
					   PG_GETARG_TEXT_PP(1));
}

Datum
gdpr_text_cat_enctype(PG_FUNCTION_ARGS)
{
	return concatenate(fcinfo, PG_GETARG_TEXT_PP(0),
					   plaintext(PG_GETARG_VARLENA_PP(1)));
}

Datum
gdpr_enctype_cat_enctype(PG_FUNCTION_ARGS)
{
	return concatenate(fcinfo, plaintext(PG_GETARG_VARLENA_PP(0)),
					   plaintext(PG_GETARG_VARLENA_PP(1)));
}
