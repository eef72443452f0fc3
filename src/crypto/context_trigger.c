/*
 * context_trigger.c
 *	  Triggers of the tables of contexts: whatever changes them, a restore
 *	  included, reaches every process, and every key has its nonces counted.
 */
#include "base/compat.h"

#include "base/sql.h"
#include "catalog/dependency.h"
#include "catalog/pg_class.h"
#include "catalog/pg_extension.h"
#include "commands/extension.h"
#include "commands/trigger.h"
#include "crypto/keyring_internal.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"

static void
require_trigger(FunctionCallInfo fcinfo)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function must be called as a trigger")));
}

/* Makes every process read the tables again. */
GDPR_FUNCTION(gdpr_context_trigger_changed);
Datum
gdpr_context_trigger_changed(PG_FUNCTION_ARGS)
{
	Oid relid;

	require_trigger(fcinfo);
	relid = get_relname_relid(GDPR_TABLE_CONTEXT, gdpr_sql_schema());
	if (OidIsValid(relid))
		CacheInvalidateRelcacheByRelid(relid);
	gdpr_keyring_bump_at_commit();
	return PointerGetDatum(NULL);
}

/* The sequence goes when the extension goes, and is dumped like any other. */
static void
adopt_sequence(const char *name)
{
	ObjectAddress sequence;
	ObjectAddress extension;
	Oid relid = get_relname_relid(name, gdpr_sql_schema());

	ObjectAddressSet(sequence, RelationRelationId, relid);
	ObjectAddressSet(extension, ExtensionRelationId,
					 get_extension_oid("gdpr_ext", false));
	if (getAutoExtensionsOfObject(RelationRelationId, relid) == NIL)
		recordDependencyOn(&sequence, &extension, DEPENDENCY_AUTO_EXTENSION);
}

static void
make_sequence(const char *context, uint16 version)
{
	char name[NAMEDATALEN];

	snprintf(name, sizeof(name), GDPR_NONCE_SEQUENCE,
			 gdpr_keyring_hash(context), version);
	if (!OidIsValid(get_relname_relid(name, gdpr_sql_schema())))
		(void) gdpr_sql_run(
			psprintf("CREATE SEQUENCE gdpr.%s AS bigint INCREMENT 256"
					 " MINVALUE 0 MAXVALUE 4294967040 START 0",
					 quote_identifier(name)),
			0, NULL, NULL, NULL, false, SPI_OK_UTILITY);
	adopt_sequence(name);
}

/*
 * After rows of gdpr.context_key came, from create_context or from a restore:
 * in a restore the sequences are there already, but belong to nothing.
 */
GDPR_FUNCTION(gdpr_context_trigger_count_nonces);
Datum
gdpr_context_trigger_count_nonces(PG_FUNCTION_ARGS)
{
	GdprSqlScope scope;
	SPITupleTable *rows;
	uint64 count;

	require_trigger(fcinfo);
	gdpr_sql_begin_own(&scope);
	count = gdpr_sql_run("SELECT context::text, version FROM gdpr.context_key"
						 " WHERE status <> 'destroyed'",
						 0, NULL, NULL, NULL, false, SPI_OK_SELECT);
	rows = SPI_tuptable;
	for (uint64 i = 0; i < count; i++)
	{
		char *context = SPI_getvalue(rows->vals[i], rows->tupdesc, 1);
		char *version = SPI_getvalue(rows->vals[i], rows->tupdesc, 2);

		make_sequence(context, (uint16) pg_strtoint32(version));
	}
	gdpr_sql_end_own(&scope);
	return PointerGetDatum(NULL);
}
