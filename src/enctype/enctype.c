/*
 * enctype.c
 *	  The encrypted types as the server sees them: OIDs, type modifier, input
 *	  and output.
 *
 * The types live in whatever schema the extension was created in.  They are
 * found through their input functions, which always live in schema gdpr.
 * Functions that can tell the type from the value are shared by all types.
 */
#include "base/compat.h"

#include "access/transam.h"
#include "access/xact.h"
#include "base/sql.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "enctype/enctype.h"
#include "enctype/output.h"
#include "enctype/value.h"
#include "libpq/pqformat.h"
#include "miscadmin.h"
#include "replication/walsender.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/syscache.h"

GDPR_FUNCTION(gdpr_enctype_typmod_in);
GDPR_FUNCTION(gdpr_enctype_typmod_out);
GDPR_FUNCTION(gdpr_enctype_out);
GDPR_FUNCTION(gdpr_enctype_send);

static bool oids_valid = false;
static Oid oids[GDPR_KIND_COUNT + 1]; /* by kind */

static void
forget_oids(Datum arg, int cacheid, uint32 hashvalue)
{
	oids_valid = false;
}

void
gdpr_enctype_init(void)
{
	CacheRegisterSyscacheCallback(TYPEOID, forget_oids, (Datum) 0);
	CacheRegisterSyscacheCallback(PROCOID, forget_oids, (Datum) 0);
}

static HeapTuple
own_function(Oid schema, const char *name, int nargs, const Oid *argtypes)
{
	oidvector *args = buildoidvector(argtypes, nargs);

	return SearchSysCache3(PROCNAMEARGSNSP, CStringGetDatum(name),
						   PointerGetDatum(args), ObjectIdGetDatum(schema));
}

static Oid
type_of_input(Oid schema, const GdprKind *kind)
{
	static const Oid argtypes[] = {CSTRINGOID, OIDOID, INT4OID};
	HeapTuple tuple = own_function(schema, psprintf("%s_in", kind->type_name),
								   lengthof(argtypes), argtypes);
	Oid typid;

	if (!HeapTupleIsValid(tuple))
		return InvalidOid;
	typid = ((Form_pg_proc) GETSTRUCT(tuple))->prorettype;
	ReleaseSysCache(tuple);
	return typid;
}

static void
find_oids(void)
{
	Oid schema = gdpr_sql_schema();
	bool complete = OidIsValid(schema);

	for (int kind = 1; kind <= GDPR_KIND_COUNT; kind++)
	{
		oids[kind] = complete ? type_of_input(schema, gdpr_kind_of(kind))
							  : InvalidOid;
		complete = complete && OidIsValid(oids[kind]);
	}
	/* An absent schema is not remembered: its creation resets nothing here. */
	oids_valid = complete;
}

Oid
gdpr_enctype_oid(const GdprKind *kind)
{
	if (!oids_valid)
		find_oids();
	return oids[kind->kind];
}

Oid
gdpr_enctype_text_oid(void)
{
	return gdpr_enctype_oid(&gdpr_kind_text);
}

const GdprKind *
gdpr_enctype_kind(Oid typid)
{
	/* Types of the server itself are most of what is asked for. */
	if (typid < FirstNormalObjectId)
		return NULL;
	if (!oids_valid)
		find_oids();
	for (int kind = 1; kind <= GDPR_KIND_COUNT; kind++)
	{
		if (oids[kind] == typid)
			return gdpr_kind_of(kind);
	}
	return NULL;
}

bool
gdpr_enctype_is(Oid typid)
{
	return gdpr_enctype_kind(typid) != NULL;
}

bool
gdpr_enctype_has_equality(Oid typid)
{
	const GdprKind *kind = gdpr_enctype_kind(typid);

	return kind != NULL && kind->canonical != NULL;
}

Oid
gdpr_enctype_base(Oid typid)
{
	const GdprKind *kind = gdpr_enctype_kind(typid);

	return kind != NULL ? kind->base : InvalidOid;
}

Oid
gdpr_enctype_probe_oid(Oid typid, Oid argtype)
{
	Oid argtypes[] = {argtype, INT4OID};
	const GdprKind *kind = gdpr_enctype_kind(typid);
	Oid schema = gdpr_sql_schema();
	HeapTuple tuple = NULL;
	Oid funcid;

	if (OidIsValid(schema) && kind != NULL)
		tuple = own_function(schema, psprintf("%s_probe", kind->type_name),
							 lengthof(argtypes), argtypes);
	if (!HeapTupleIsValid(tuple))
		return InvalidOid;
	funcid = ((Form_pg_proc) GETSTRUCT(tuple))->oid;
	ReleaseSysCache(tuple);
	return funcid;
}

/* A context by number, as typmod_out prints one whose name it cannot find. */
static int32
typmod_from_number(const char *digits)
{
	long number;

	errno = 0;
	number = strtol(digits, NULL, 10);
	if (errno != 0 || number < 1 || number > PG_INT32_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("number of an encryption context must be between 1 and %d",
						PG_INT32_MAX)));
	return (int32) number;
}

/*
 * Tables are restored before the contexts that they name, so an unknown one
 * is no error here.  The parser asks several times per column; one notice per
 * statement and context will do.
 */
static void
notice_unknown_context(const char *name, int32 typmod)
{
	static int32 last_typmod = -1;
	static TimestampTz last_statement = 0;
	TimestampTz statement = GetCurrentStatementStartTimestamp();

	if (!IsTransactionState() || am_walsender ||
		gdpr_keyring_context(typmod) != NULL)
		return;
	if (last_typmod == typmod && last_statement == statement)
		return;
	last_typmod = typmod;
	last_statement = statement;
	ereport(NOTICE,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("encryption context \"%s\" does not exist yet", name),
			 errhint("Create it with gdpr.create_context before the first value.")));
}

static int32
typmod_from_name(const char *name)
{
	int32 typmod;

	if (name[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("name of an encryption context must not be empty")));
	if (strlen(name) >= NAMEDATALEN)
		ereport(ERROR,
				(errcode(ERRCODE_NAME_TOO_LONG),
				 errmsg("name of an encryption context must be less than %d bytes",
						NAMEDATALEN)));
	typmod = (int32) gdpr_keyring_hash(name);
	notice_unknown_context(name, typmod);
	return typmod;
}

Datum
gdpr_enctype_typmod_in(PG_FUNCTION_ARGS)
{
	ArrayType *array = PG_GETARG_ARRAYTYPE_P(0);
	Datum *elements;
	int count;
	char *word;

	deconstruct_array(array, CSTRINGOID, -2, false, TYPALIGN_CHAR, &elements,
					  NULL, &count);
	if (count != 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("an encrypted type takes one argument, the name of its context")));
	word = DatumGetCString(elements[0]);
	if (word[0] != '\0' && strspn(word, "0123456789") == strlen(word))
		PG_RETURN_INT32(typmod_from_number(word));
	PG_RETURN_INT32(typmod_from_name(word));
}

Datum
gdpr_enctype_typmod_out(PG_FUNCTION_ARGS)
{
	int32 typmod = PG_GETARG_INT32(0);
	const GdprContext *context;

	if (typmod < 0)
		PG_RETURN_CSTRING(pstrdup(""));
	context = gdpr_keyring_context(typmod);
	if (context == NULL)
		PG_RETURN_CSTRING(psprintf("(%d)", typmod));
	PG_RETURN_CSTRING(
		psprintf("(%s)", quote_literal_cstr(NameStr(context->name))));
}

/*
 * COPY and Bind print the value that an input function fails on into the
 * error's context, so errors and notices from here get none.
 */
static Datum
input(FunctionCallInfo fcinfo, const GdprKind *kind, const char *text,
	  size_t length)
{
	ErrorContextCallback *outer = error_context_stack;
	Datum value;

	error_context_stack = NULL;
	value = gdpr_input_text(kind, text, length, PG_GETARG_INT32(2),
							fcinfo->context);
	error_context_stack = outer;
	if (DatumGetPointer(value) == NULL)
		PG_RETURN_NULL();
	PG_RETURN_DATUM(value);
}

static Datum
input_cstring(FunctionCallInfo fcinfo, const GdprKind *kind)
{
	char *text = PG_GETARG_CSTRING(0);

	return input(fcinfo, kind, text, strlen(text));
}

static Datum
input_message(FunctionCallInfo fcinfo, const GdprKind *kind)
{
	StringInfo buf = (StringInfo) PG_GETARG_POINTER(0);
	int length;
	char *text = pq_getmsgtext(buf, buf->len - buf->cursor, &length);

	return input(fcinfo, kind, text, length);
}

/* gdpr.<type>_in and gdpr.<type>_recv */
#define INPUT_FUNCTIONS(type, kind)            \
	GDPR_FUNCTION(gdpr_##type##_in);           \
	Datum gdpr_##type##_in(PG_FUNCTION_ARGS)   \
	{                                          \
		return input_cstring(fcinfo, &kind);   \
	}                                          \
	GDPR_FUNCTION(gdpr_##type##_recv);         \
	Datum gdpr_##type##_recv(PG_FUNCTION_ARGS) \
	{                                          \
		return input_message(fcinfo, &kind);   \
	}

GDPR_EACH_TYPE(INPUT_FUNCTIONS)

Datum
gdpr_enctype_out(PG_FUNCTION_ARGS)
{
	struct varlena *value = PG_GETARG_VARLENA_PP(0);
	size_t length;

	PG_RETURN_CSTRING(gdpr_output_text(gdpr_value_bytes(value), &length));
}

/* The binary form is the text form: one rule for both, in and out. */
Datum
gdpr_enctype_send(PG_FUNCTION_ARGS)
{
	struct varlena *value = PG_GETARG_VARLENA_PP(0);
	StringInfoData buf;
	size_t length;
	char *text = gdpr_output_text(gdpr_value_bytes(value), &length);

	pq_begintypsend(&buf);
	pq_sendtext(&buf, text, (int) length);
	PG_RETURN_BYTEA_P(pq_endtypsend(&buf));
}
