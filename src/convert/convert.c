/*
 * convert.c
 *	  From a plain column to an encrypted one, and back, and from one context
 *	  into another, in one statement (online: convert_online.c).
 *
 * ALTER TABLE ... ALTER COLUMN ... TYPE does the work and rebuilds the indexes;
 * views are dropped and made again.  What cannot be carried over (checks,
 * foreign keys, pattern indexes ...) is listed with what to do about it and
 * never dropped.  The catalogs are read
 * as the extension's owner, the table is altered as the caller.
 */
#include "base/compat.h"

#include "base/ident.h"
#include "base/options.h"
#include "base/sql.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "convert/convert.h"
#include "convert/convert_report.h"
#include "crypto/keyring.h"
#include "enctype/enctype.h"
#include "enctype/guard.h"
#include "enctype/value.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "parser/parse_coerce.h"
#include "parser/parse_type.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

GDPR_FUNCTION(gdpr_convert_encrypt);
GDPR_FUNCTION(gdpr_convert_decrypt);

typedef GdprConvertColumn Column;

typedef struct Options
{
	char *type; /* NULL when not given */
	bool dry_run;
	bool online;
} Options;

static Options
parse_options(Jsonb *json)
{
	Options options = {NULL, false, false};
	const GdprOption known[] = {
		{.name = "dry_run", .flag = &options.dry_run},
		{.name = "online", .flag = &options.online},
		{.name = "type", .text = &options.type},
	};

	gdpr_options_parse(json, known, lengthof(known));
	return options;
}

static void
require_arguments(FunctionCallInfo fcinfo)
{
	for (int i = 0; i < PG_NARGS(); i++)
	{
		if (PG_ARGISNULL(i))
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("argument %d must not be null", i + 1)));
	}
}

/* The table and the column, of which the caller must be the owner. */
static Column
find_column(Oid relid, Name name)
{
	Column column = {.relid = relid};
	char kind = get_rel_relkind(relid);
	Oid collation;

	if (kind != RELKIND_RELATION && kind != RELKIND_PARTITIONED_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("the relation is not a table")));
	if (!gdpr_compat_owns_relation(relid, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, get_rel_name(relid));
	column.attnum = get_attnum(relid, NameStr(*name));
	if (column.attnum <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("table \"%s\" has no such column", get_rel_name(relid))));
	get_atttypetypmodcoll(relid, column.attnum, &column.typid, &column.typmod,
						  &collation);
	column.relation = gdpr_ident_relation(relid);
	column.name = gdpr_ident_column(relid, column.attnum);
	gdpr_conversion_refuse(&column);
	return column;
}

/* What a column becomes when nobody says otherwise. */
static const struct
{
	Oid plain;
	const GdprKind *kind;
} defaults[] = {
	{TEXTOID, &gdpr_kind_text},
	{VARCHAROID, &gdpr_kind_text},
	{BPCHAROID, &gdpr_kind_text},
	{NAMEOID, &gdpr_kind_text},
	{BYTEAOID, &gdpr_kind_bytes},
	{JSONOID, &gdpr_kind_json},
	{JSONBOID, &gdpr_kind_json},
	{NUMERICOID, &gdpr_kind_numeric},
	{FLOAT4OID, &gdpr_kind_numeric},
	{FLOAT8OID, &gdpr_kind_numeric},
	{INT2OID, &gdpr_kind_int8},
	{INT4OID, &gdpr_kind_int8},
	{INT8OID, &gdpr_kind_int8},
	{DATEOID, &gdpr_kind_date},
	{TIMESTAMPOID, &gdpr_kind_timestamptz},
	{TIMESTAMPTZOID, &gdpr_kind_timestamptz},
};

static bool
is_citext(Oid typid)
{
	HeapTuple tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(typid));
	bool result;

	if (!HeapTupleIsValid(tuple))
		return false;
	result = strcmp(NameStr(((Form_pg_type) GETSTRUCT(tuple))->typname),
					"citext") == 0;
	ReleaseSysCache(tuple);
	return result;
}

/* NULL for a type that cannot be encrypted. */
static const GdprKind *
default_kind(Oid typid)
{
	for (int i = 0; i < lengthof(defaults); i++)
	{
		if (defaults[i].plain == typid)
			return defaults[i].kind;
	}
	return is_citext(typid) ? &gdpr_kind_folded : NULL;
}

/* The type that a column is read as on its way: of citext text. */
static Oid
source_type(Oid typid)
{
	return is_citext(typid) ? TEXTOID : typid;
}

static bool
is_assignable(Oid source, Oid target)
{
	Oid function;

	return find_coercion_pathway(target, source, COERCION_ASSIGNMENT,
								 &function) != COERCION_PATH_NONE;
}

/*
 * The expression that a default becomes: of a plain column what it is, of an
 * encrypted one what was cast into its type.  NULL: none, or nothing to be had.
 */
static char *
column_default(const Column *column, bool encrypted)
{
	GdprSqlScope scope;
	Oid argtypes[] = {REGCLASSOID, NAMEOID};
	NameData name;
	Datum values[] = {ObjectIdGetDatum(column->relid), NameGetDatum(&name)};
	MemoryContext caller = CurrentMemoryContext;
	char *value;

	namestrcpy(&name, get_attname(column->relid, column->attnum, false));
	gdpr_sql_begin_own(&scope);
	gdpr_sql_run(
		encrypted
			? "SELECT gdpr.plain_default($1, $2)"
			: "SELECT (SELECT pg_get_expr(d.adbin, d.adrelid) FROM pg_attrdef d "
			  "JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum "
			  "WHERE a.attrelid = $1 AND a.attname = $2)",
		2, argtypes, values, NULL, true, SPI_OK_SELECT);
	value = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	if (value != NULL)
		value = MemoryContextStrdup(caller, value);
	gdpr_sql_end_own(&scope);
	return value;
}

/* Values that were a person's stay his where the table is about persons. */
static void
run_alter(const Column *column, const char *sql)
{
	GdprSqlScope scope;
	bool converting;
	bool keeping;

	/* The default's text is qualified for this search_path. */
	gdpr_sql_begin_pinned(&scope);
	converting = gdpr_guard_set_converting(true);
	keeping = gdpr_value_keep_subjects(
		gdpr_converter_has_subjects(column->relid));
	PG_TRY();
	{
		gdpr_sql_run(sql, 0, NULL, NULL, NULL, false, SPI_OK_UTILITY);
	}
	PG_FINALLY();
	{
		(void) gdpr_value_keep_subjects(keeping);
		(void) gdpr_guard_set_converting(converting);
	}
	PG_END_TRY();
	gdpr_sql_end_caller(&scope);
}

/*
 * Changes the type as the caller.  A default is taken off and put back as it
 * was, cast at run time: PostgreSQL would cast the constant itself.
 */
static void
alter_type(const Column *column, const char *type, const char *using,
		   bool encrypted)
{
	char *value = column_default(column, encrypted);
	StringInfoData sql;
	List *views = gdpr_convert_views_take(column->relid,
										  get_attname(column->relid,
													  column->attnum, false));

	initStringInfo(&sql);
	appendStringInfo(&sql, "ALTER TABLE %s ", column->relation);
	if (value != NULL)
		appendStringInfo(&sql, "ALTER COLUMN %s DROP DEFAULT, ", column->name);
	appendStringInfo(&sql, "ALTER COLUMN %s TYPE %s USING %s", column->name,
					 type, using);
	if (value != NULL)
		appendStringInfo(
			&sql, ", ALTER COLUMN %s SET DEFAULT (%s)::pg_catalog.text::%s",
			column->name, value, type);
	run_alter(column, sql.data);
	gdpr_convert_views_make(views);
}

/* The encrypted type that an option names, or the default. */
static const GdprKind *
encrypted_kind(const Column *column, const char *name)
{
	const GdprKind *standard = default_kind(column->typid);
	const GdprKind *kind = name == NULL ? standard : gdpr_kind_by_name(name);

	if (standard == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("column %s is of type %s, which has no encrypted type", column->name, format_type_be(column->typid)),
				 errhint("Strings, bytea, json, numbers, dates and timestamps can be encrypted.")));
	if (kind == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"%s\" names no encrypted type", "type"),
				 errhint("A column of type %s becomes \"%s\" without the option.", format_type_be(column->typid), standard->type_name)));
	if (!is_assignable(source_type(column->typid), gdpr_enctype_oid(kind)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a column of type %s cannot become %s", format_type_be(column->typid), kind->type_name)));
	return kind;
}

static const GdprContext *
find_context(Name name)
{
	const GdprContext *context = gdpr_keyring_context_by_name(NameStr(*name));

	if (context == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("encryption context does not exist"),
				 errhint("Make it with gdpr.create_context.")));
	return context;
}

/* An encrypted type, a domain over it, an array of either, a domain over that. */
typedef struct Shape
{
	bool array;
	Oid typid; /* the encrypted type */
	int32 typmod;
} Shape;

/* False where it is none of these. */
static bool
find_shape(const Column *column, Shape *shape)
{
	Oid typid;
	Oid element;

	shape->typmod = column->typmod;
	typid = getBaseTypeAndTypmod(column->typid, &shape->typmod);
	element = get_element_type(typid);
	shape->array = OidIsValid(element);
	if (shape->array)
		typid = getBaseTypeAndTypmod(element, &shape->typmod);
	shape->typid = typid;
	return gdpr_enctype_is(typid);
}

static Shape
shape_of(const Column *column)
{
	Shape shape;

	if (!find_shape(column, &shape))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("column %s is not encrypted", column->name)));
	return shape;
}

/* Else the first batch would say so. */
static void
check_readable(uint32 hash)
{
	const GdprContext *context = gdpr_keyring_context(hash);

	if (context != NULL)
		gdpr_keyring_check(context, GetUserId(), GDPR_PRIV_READ);
}

/* ---- from one context into another ---- */

/* What a column that is encrypted already becomes. */
static const GdprKind *
moved_kind(const Column *column, const Shape *shape, const char *name,
		   const GdprContext *context)
{
	const GdprKind *was = gdpr_enctype_kind(shape->typid);
	const GdprKind *kind = name == NULL ? was : gdpr_kind_by_name(name);

	if (kind == NULL || kind->base != was->base)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"%s\" names no type that %s is cast to", "type", was->type_name)));
	/* The domain would go, and its constraints with it. */
	if (column->typid != shape->typid &&
		get_element_type(column->typid) != shape->typid)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("column %s is of domain %s, which has a context of its own", column->name, format_type_be(column->typid)),
				 errhint("ALTER COLUMN … TYPE %s%s first; it does not rewrite the table.", gdpr_ident_type(shape->typid, shape->typmod), shape->array ? "[]" : "")));
	if (kind == was && (uint32) shape->typmod == context->hash)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("column %s is of type %s already", column->name, format_type_with_typemod(column->typid, column->typmod))));
	return kind;
}

static void
move_column(FunctionCallInfo fcinfo, const Column *column, const Shape *shape,
			const GdprContext *context, const Options *options)
{
	const GdprKind *kind = moved_kind(column, shape, options->type, context);
	const char *brackets = shape->array ? "[]" : "";
	char *type = psprintf("%s%s",
						  gdpr_ident_type(gdpr_enctype_oid(kind),
										  context->hash),
						  brackets);
	char *blockers;

	gdpr_report_begin(fcinfo, column, type, options->dry_run);
	blockers = gdpr_report_dependents(fcinfo, column, kind,
									  column_default(column, true) == NULL,
									  options->online);
	gdpr_report_grants(fcinfo, shape->typmod, context);
	if (options->dry_run)
		return;
	if (blockers != NULL)
		gdpr_report_refuse(blockers);
	check_readable(shape->typmod);
	gdpr_keyring_check(context, GetUserId(), GDPR_PRIV_WRITE);
	if (options->online)
		gdpr_conversion_begin(column, "move",
							  shape->array ? get_array_type(kind->base)
										   : kind->base,
							  type);
	else
		alter_type(column, type, psprintf("%s::%s", column->name, type), true);
}

/*
 * gdpr.encrypt_column(relation regclass, column_name name, context name,
 * options jsonb)
 */
Datum
gdpr_convert_encrypt(PG_FUNCTION_ARGS)
{
	Column column;
	Options options;
	const GdprContext *context;
	const GdprKind *kind;
	Shape shape;
	char *type;
	char *blockers;
	Oid via;

	require_arguments(fcinfo);
	options = parse_options(PG_GETARG_JSONB_P(3));
	context = find_context(PG_GETARG_NAME(2));
	column = find_column(PG_GETARG_OID(0), PG_GETARG_NAME(1));
	if (find_shape(&column, &shape))
	{
		move_column(fcinfo, &column, &shape, context, &options);
		PG_RETURN_NULL();
	}
	kind = encrypted_kind(&column, options.type);
	type = gdpr_ident_type(gdpr_enctype_oid(kind), context->hash);

	gdpr_report_begin(fcinfo, &column, type, options.dry_run);
	blockers = gdpr_report_dependents(fcinfo, &column, kind, false,
									  options.online);
	gdpr_report_roles(fcinfo, &column, context);
	if (options.dry_run)
		PG_RETURN_NULL();
	if (blockers != NULL)
		gdpr_report_refuse(blockers);
	via = source_type(column.typid);
	if (options.online)
	{
		gdpr_keyring_check(context, GetUserId(), GDPR_PRIV_WRITE);
		gdpr_conversion_begin(&column, "encrypt", via, type);
	}
	else
		alter_type(&column, type,
				   psprintf("%s::%s::%s", column.name, gdpr_ident_type(via, -1),
							type),
				   false);
	PG_RETURN_NULL();
}

/* The type to go back to: the base type unless the option says otherwise. */
static char *
plain_type(const GdprKind *kind, const char *name)
{
	Oid typid = kind->base;
	int32 typmod = -1;

	if (name != NULL)
		gdpr_parse_type_string(name, &typid, &typmod);
	if (gdpr_enctype_is(typid) || !is_assignable(kind->base, typid))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"%s\" is not a type that values of type %s are assigned to", "type", kind->base_name)));
	return gdpr_ident_type(typid, typmod);
}

/* gdpr.decrypt_column(relation regclass, column_name name, options jsonb) */
Datum
gdpr_convert_decrypt(PG_FUNCTION_ARGS)
{
	Column column;
	Options options;
	const GdprKind *kind;
	Shape shape;
	Oid via;
	char *type;
	char *blockers;

	require_arguments(fcinfo);
	options = parse_options(PG_GETARG_JSONB_P(2));
	column = find_column(PG_GETARG_OID(0), PG_GETARG_NAME(1));
	shape = shape_of(&column);
	kind = gdpr_enctype_kind(shape.typid);
	via = shape.array ? get_array_type(kind->base) : kind->base;
	type = psprintf("%s%s", plain_type(kind, options.type),
					shape.array ? "[]" : "");

	gdpr_report_begin(fcinfo, &column, type, options.dry_run);
	blockers = gdpr_report_dependents(fcinfo, &column, NULL,
									  column_default(&column, true) == NULL,
									  options.online);
	if (options.dry_run)
		PG_RETURN_NULL();
	if (blockers != NULL)
		gdpr_report_refuse(blockers);
	if (options.online)
	{
		check_readable(shape.typmod);
		gdpr_conversion_begin(&column, "decrypt", via, type);
		PG_RETURN_NULL();
	}
	/* The assignment to the type complains of what an explicit cast would cut. */
	alter_type(&column, type,
			   psprintf("%s::%s", column.name, gdpr_ident_type(via, -1)), true);
	PG_RETURN_NULL();
}
