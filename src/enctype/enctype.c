/*
 * enctype.c
 *	  The encrypted types in the catalog: which OIDs are ours.
 *
 * The types live in whatever schema the extension was created in.  They are
 * found through their input functions, which always live in schema gdpr.
 */
#include "base/compat.h"

#include "access/transam.h"
#include "base/sql.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "enctype/enctype.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/syscache.h"

static bool oids_valid = false;
static Oid	text_oid;
static Oid	secret_oid;

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
	oidvector  *args = buildoidvector(argtypes, nargs);

	return SearchSysCache3(PROCNAMEARGSNSP, CStringGetDatum(name),
						   PointerGetDatum(args), ObjectIdGetDatum(schema));
}

static Oid
type_of_input(Oid schema, const char *name)
{
	static const Oid argtypes[] = {CSTRINGOID, OIDOID, INT4OID};
	HeapTuple	tuple = own_function(schema, name, lengthof(argtypes), argtypes);
	Oid			typid;

	if (!HeapTupleIsValid(tuple))
		return InvalidOid;
	typid = ((Form_pg_proc) GETSTRUCT(tuple))->prorettype;
	ReleaseSysCache(tuple);
	return typid;
}

static void
find_oids(void)
{
	Oid			schema = gdpr_sql_schema();

	text_oid = secret_oid = InvalidOid;
	if (OidIsValid(schema))
	{
		text_oid = type_of_input(schema, "enctext_in");
		secret_oid = type_of_input(schema, "encsecret_in");
	}
	/* An absent schema is not remembered: its creation resets nothing here. */
	oids_valid = OidIsValid(text_oid) && OidIsValid(secret_oid);
}

Oid
gdpr_enctype_text_oid(void)
{
	if (!oids_valid)
		find_oids();
	return text_oid;
}

Oid
gdpr_enctype_secret_oid(void)
{
	if (!oids_valid)
		find_oids();
	return secret_oid;
}

bool
gdpr_enctype_is(Oid typid)
{
	/* Types of the server itself are most of what is asked for. */
	if (typid < FirstNormalObjectId)
		return false;
	return typid == gdpr_enctype_text_oid() || typid == gdpr_enctype_secret_oid();
}

bool
gdpr_enctype_has_equality(Oid typid)
{
	return typid >= FirstNormalObjectId && typid == gdpr_enctype_text_oid();
}

Oid
gdpr_enctype_probe_oid(Oid argtype)
{
	Oid			argtypes[] = {argtype, INT4OID};
	Oid			schema = gdpr_sql_schema();
	HeapTuple	tuple = NULL;
	Oid			funcid;

	if (OidIsValid(schema))
		tuple = own_function(schema, "enctext_probe", lengthof(argtypes), argtypes);
	if (!HeapTupleIsValid(tuple))
		return InvalidOid;
	funcid = ((Form_pg_proc) GETSTRUCT(tuple))->oid;
	ReleaseSysCache(tuple);
	return funcid;
}
