/*
 * context.c
 *	  The SQL functions that make contexts and say who may use them.
 *
 * They write our own tables as their owner; who may call them is a matter of
 * EXECUTE, which is nobody's until granted.
 */
#include "base/compat.h"

#include "access/xact.h"
#include "base/errors.h"
#include "base/options.h"
#include "base/sql.h"
#include "catalog/pg_type.h"
#include "crypto/keyring_internal.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"

static const char *const privileges[] = {"read", "search", "write"};

/* ---- what makes a name and an option acceptable ---- */

static void
check_context_name(const char *name)
{
	if (name[0] == '\0' || strspn(name, "0123456789") == strlen(name))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a context's name must not be empty or consist of digits only"),
				 errhint("A number in a type modifier is a context's hash.")));
	if (strcmp(name, GDPR_CONTEXT_RESERVED) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_RESERVED_NAME),
				 errmsg("context name \"%s\" is reserved", name),
				 errdetail("The extension keeps its own secrets there.")));
}

static void
check_privilege(const char *privilege)
{
	for (int i = 0; i < lengthof(privileges); i++)
	{
		if (strcmp(privileges[i], privilege) == 0)
			return;
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown privilege on a context"),
			 errhint("The privileges are \"read\", \"search\" and \"write\".")));
}

/* The option tag_domain; NULL when it is not given. */
static char *
parse_options(Jsonb *options)
{
	char *domain = NULL;
	const GdprOption known[] = {{.name = "tag_domain", .text = &domain}};

	gdpr_options_parse(options, known, lengthof(known));
	if (domain == NULL)
		return NULL;
	if (domain[0] == '\0' || strlen(domain) >= NAMEDATALEN)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"%s\" must be a name", "tag_domain")));
	if (strcmp(domain, GDPR_CONTEXT_RESERVED) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_RESERVED_NAME),
				 errmsg("tag domain \"%s\" is reserved", GDPR_CONTEXT_RESERVED)));
	return domain;
}

/* ---- rows ---- */

static void
insert_context(const char *name, const char *domain, bool new_domain)
{
	Oid types[] = {TEXTOID, INT4OID, TEXTOID};
	Datum values[3];

	values[0] = CStringGetTextDatum(name);
	values[1] = Int32GetDatum((int32) gdpr_keyring_hash(name));
	values[2] = CStringGetTextDatum(domain);
	(void) gdpr_sql_run("INSERT INTO gdpr.context (name, hash, tag_domain)"
						" VALUES ($1::name, $2, $3::name)",
						3, types, values, NULL, false, SPI_OK_INSERT);
	gdpr_key_insert(GDPR_KIND_CONTEXT, name, 1);
	if (new_domain)
		(void) gdpr_key_insert_next(GDPR_KIND_TAG, domain);
}

static void
insert_grant(const char *context, const char *role, const char *privilege)
{
	Oid types[] = {TEXTOID, TEXTOID, TEXTOID};
	Datum values[3];

	values[0] = CStringGetTextDatum(context);
	values[1] = CStringGetTextDatum(role);
	values[2] = CStringGetTextDatum(privilege);
	(void)
		gdpr_sql_run("INSERT INTO gdpr.context_grant (context, role, privilege)"
					 " VALUES ($1::name, $2::name, $3) ON CONFLICT DO NOTHING",
					 3, types, values, NULL, false, SPI_OK_INSERT);
}

static void
refuse_duplicate(const char *name, const char *domain)
{
	const GdprContext *other = gdpr_keyring_context(gdpr_keyring_hash(name));

	if (other != NULL && strcmp(NameStr(other->name), name) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("context \"%s\" already exists", name)));
	if (other != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("context \"%s\" has the same hash as context \"%s\"",
						name, NameStr(other->name)),
				 errhint("Choose another name.")));
	if (domain == NULL && gdpr_keyring_has_domain(name))
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("tag domain \"%s\" already exists", name),
				 errhint("Values of this context would equal those of the domain's other contexts; to join it, give the option \"tag_domain\".")));
}

const GdprContext *
gdpr_keyring_reserved(void)
{
	static uint32 hash = 0;
	const GdprContext *context;
	GdprSqlScope scope;

	/* Asked for with every audit record: its name is hashed once. */
	if (hash == 0)
		hash = gdpr_keyring_hash(GDPR_CONTEXT_RESERVED);
	context = gdpr_keyring_context(hash);
	if (context != NULL &&
		strcmp(NameStr(context->name), GDPR_CONTEXT_RESERVED) == 0)
		return context;
	gdpr_key_require_root();
	gdpr_sql_begin_own(&scope);
	gdpr_keyring_lock();
	if (gdpr_keyring_context_by_name(GDPR_CONTEXT_RESERVED) == NULL)
	{
		insert_context(GDPR_CONTEXT_RESERVED, GDPR_CONTEXT_RESERVED, true);
		CommandCounterIncrement();
	}
	gdpr_sql_end_own(&scope);
	context = gdpr_keyring_context_by_name(GDPR_CONTEXT_RESERVED);
	if (context == NULL)
		elog(ERROR, "the reserved context is not visible");
	return context;
}

/* ---- functions ---- */

static void
refuse_null(FunctionCallInfo fcinfo, int first, int last)
{
	for (int i = first; i <= last; i++)
	{
		if (PG_ARGISNULL(i))
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("argument %d must not be null", i + 1)));
	}
}

/* Elements of a name[]; 42704 for one that is no role. */
static char **
role_names(ArrayType *array, int *count)
{
	Datum *elements;
	bool *nulls;
	char **names;

	deconstruct_array(array, NAMEOID, NAMEDATALEN, false, TYPALIGN_CHAR,
					  &elements, &nulls, count);
	names = palloc(sizeof(char *) * (*count + 1));
	for (int i = 0; i < *count; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("a reader must not be null")));
		names[i] = NameStr(*DatumGetName(elements[i]));
		(void) get_role_oid(names[i], false);
	}
	return names;
}

GDPR_FUNCTION(gdpr_context_create);
Datum
gdpr_context_create(PG_FUNCTION_ARGS)
{
	char *name;
	char *domain;
	char **readers;
	int count;
	GdprSqlScope scope;

	refuse_null(fcinfo, 0, 2);
	name = NameStr(*PG_GETARG_NAME(0));
	check_context_name(name);
	readers = role_names(PG_GETARG_ARRAYTYPE_P(1), &count);
	domain = parse_options(PG_GETARG_JSONB_P(2));
	gdpr_key_require_root();

	gdpr_sql_begin_own(&scope);
	gdpr_keyring_lock();
	refuse_duplicate(name, domain);
	if (domain == NULL)
		domain = name;
	insert_context(name, domain, !gdpr_keyring_has_domain(domain));
	for (int i = 0; i < count; i++)
		insert_grant(name, readers[i], "read");
	gdpr_sql_end_own(&scope);
	PG_RETURN_VOID();
}

void
gdpr_key_require_context(const char *name)
{
	if (strcmp(name, GDPR_CONTEXT_RESERVED) == 0)
		check_context_name(name);
	if (gdpr_keyring_context_by_name(name) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("context \"%s\" does not exist", name)));
}

GDPR_FUNCTION(gdpr_context_grant);
Datum
gdpr_context_grant(PG_FUNCTION_ARGS)
{
	char *name;
	char *role;
	char *privilege;
	GdprSqlScope scope;

	refuse_null(fcinfo, 0, 2);
	name = NameStr(*PG_GETARG_NAME(0));
	role = NameStr(*PG_GETARG_NAME(1));
	privilege = text_to_cstring(PG_GETARG_TEXT_PP(2));
	check_privilege(privilege);
	(void) get_role_oid(role, false);
	gdpr_sql_begin_own(&scope);
	gdpr_key_require_context(name);
	insert_grant(name, role, privilege);
	gdpr_sql_end_own(&scope);
	PG_RETURN_VOID();
}

GDPR_FUNCTION(gdpr_context_revoke);
Datum
gdpr_context_revoke(PG_FUNCTION_ARGS)
{
	Oid types[] = {TEXTOID, TEXTOID, TEXTOID};
	Datum values[3];
	char nulls[] = "   ";
	char *name;
	GdprSqlScope scope;

	refuse_null(fcinfo, 0, 1);
	name = NameStr(*PG_GETARG_NAME(0));
	values[0] = CStringGetTextDatum(name);
	values[1] = CStringGetTextDatum(NameStr(*PG_GETARG_NAME(1)));
	values[2] = PG_ARGISNULL(2) ? (Datum) 0 : PG_GETARG_DATUM(2);
	if (PG_ARGISNULL(2))
		nulls[2] = 'n';
	else
		check_privilege(text_to_cstring(PG_GETARG_TEXT_PP(2)));

	gdpr_sql_begin_own(&scope);
	gdpr_key_require_context(name);
	/* The role need not exist any more. */
	(void) gdpr_sql_run("DELETE FROM gdpr.context_grant"
						" WHERE context = $1::name AND role = $2::name"
						" AND ($3 IS NULL OR privilege = $3)",
						3, types, values, nulls, false, SPI_OK_DELETE);
	gdpr_sql_end_own(&scope);
	PG_RETURN_VOID();
}
