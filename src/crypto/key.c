/*
 * key.c
 *	  Rows of the tables of keys: made, replaced by a next version, recorded.
 */
#include "base/compat.h"

#include <openssl/crypto.h>

#include "base/errors.h"
#include "base/sql.h"
#include "catalog/pg_type.h"
#include "crypto/keyring_internal.h"
#include "crypto/random.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

/* What differs between the tables. */
typedef struct KeyTable
{
	const char *kind;
	const char *what; /* for messages */
	int most;		  /* versions that the format has room for */
	const char *demote;
	const char *newest;
	const char *insert;
} KeyTable;

static const KeyTable tables[] = {
	{
		.kind = GDPR_KIND_CONTEXT,
		.what = "context",
		.most = PG_INT16_MAX,
		.demote = "UPDATE gdpr.context_key SET status = 'enabled'"
				  " WHERE context = $1::name AND status = 'primary'",
		.newest = "SELECT coalesce(pg_catalog.max(version), 0)::integer"
				  " FROM gdpr.context_key WHERE context = $1::name",
		.insert =
			"INSERT INTO gdpr.context_key (context, version, status, root_id, wrapped)"
			" VALUES ($1::name, $2, 'primary', $3, $4)",
	},
	{
		.kind = GDPR_KIND_TAG,
		.what = "tag domain",
		.most = PG_UINT8_MAX,
		.demote = "UPDATE gdpr.tag_key SET status = 'enabled'"
				  " WHERE tag_domain = $1::name AND status = 'primary'",
		.newest = "SELECT coalesce(pg_catalog.max(generation), 0)::integer"
				  " FROM gdpr.tag_key WHERE tag_domain = $1::name",
		.insert =
			"INSERT INTO gdpr.tag_key (tag_domain, generation, status, root_id, wrapped)"
			" VALUES ($1::name, $2, 'primary', $3, $4)",
	},
	{
		.kind = GDPR_KIND_EPOCH,
		.what = "epoch",
		.most = PG_UINT16_MAX,
		.demote = "UPDATE gdpr.subject_epoch SET status = 'enabled'"
				  " WHERE $1 = 'subject' AND status = 'primary'",
		.newest = "SELECT coalesce(pg_catalog.max(epoch), 0)"
				  " FROM gdpr.subject_epoch WHERE $1 = 'subject'",
		.insert =
			"INSERT INTO gdpr.subject_epoch (epoch, status, root_id, wrapped)"
			" SELECT $2, 'primary', $3, $4 WHERE $1 = 'subject'",
	},
};

static const KeyTable *
table_of(const char *kind)
{
	for (int i = 0; i < lengthof(tables); i++)
	{
		if (strcmp(tables[i].kind, kind) == 0)
			return &tables[i];
	}
	elog(ERROR, "no table has keys of kind \"%s\"", kind);
}

/* What others did before is seen once it is held. */
void
gdpr_keyring_lock(void)
{
	(void) gdpr_sql_run("LOCK TABLE gdpr.context IN SHARE ROW EXCLUSIVE MODE",
						0, NULL, NULL, NULL, false, SPI_OK_UTILITY);
}

bool
gdpr_key_try_lock(void)
{
	Oid relid = get_relname_relid(GDPR_TABLE_CONTEXT, gdpr_sql_schema());

	return OidIsValid(relid) &&
		   ConditionalLockRelationOid(relid, ShareRowExclusiveLock);
}

void
gdpr_key_require_root(void)
{
	gdpr_keyring_require_preload();
	if (!gdpr_keyring_has_root())
		ereport(ERROR,
				(errcode(ERRCODE_GDPR_KEY_UNAVAILABLE),
				 errmsg("the server has no root key"),
				 errhint("Set gdpr.root_key_file or gdpr.root_key_command and call gdpr.reload_keys().")));
}

/* A new random key, wrapped, as a bytea. */
static Datum
make_wrapped_key(const char *kind, const char *name, int version, char *root_id)
{
	bytea *wrapped = palloc(VARHDRSZ + GDPR_WRAPPED_LEN);
	uint8 key[GDPR_KEY_LEN];

	SET_VARSIZE(wrapped, VARHDRSZ + GDPR_WRAPPED_LEN);
	gdpr_random_key(key, sizeof(key));
	PG_TRY();
	{
		gdpr_root_wrap(kind, name, version, key, (uint8 *) VARDATA(wrapped),
					   root_id);
	}
	PG_FINALLY();
	{
		OPENSSL_cleanse(key, sizeof(key));
	}
	PG_END_TRY();
	return PointerGetDatum(wrapped);
}

void
gdpr_key_insert(const char *kind, const char *name, int version)
{
	Oid types[] = {TEXTOID, INT4OID, TEXTOID, BYTEAOID};
	char root_id[GDPR_ROOT_ID_LEN];
	Datum values[4];

	values[0] = CStringGetTextDatum(name);
	values[1] = Int32GetDatum(version);
	values[3] = make_wrapped_key(kind, name, version, root_id);
	values[2] = CStringGetTextDatum(root_id);
	(void) gdpr_sql_run(table_of(kind)->insert, 4, types, values, NULL, false,
						SPI_OK_INSERT);
}

static int
newest_version(const KeyTable *table, const char *name)
{
	Oid types[] = {TEXTOID};
	Datum values[] = {CStringGetTextDatum(name)};
	bool isnull;

	(void) gdpr_sql_run(table->newest, 1, types, values, NULL, false,
						SPI_OK_SELECT);
	return DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[0],
									   SPI_tuptable->tupdesc, 1, &isnull));
}

int
gdpr_key_insert_next(const char *kind, const char *name)
{
	const KeyTable *table = table_of(kind);
	int version = newest_version(table, name) + 1;

	if (version > table->most)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("%s \"%s\" has had as many keys as it can have", table->what, name)));
	gdpr_key_insert(kind, name, version);
	return version;
}

int
gdpr_key_rotate(const char *kind, const char *name)
{
	Oid types[] = {TEXTOID};
	Datum values[] = {CStringGetTextDatum(name)};
	int version;

	(void) gdpr_sql_run(table_of(kind)->demote, 1, types, values, NULL, false,
						SPI_OK_UPDATE);
	version = gdpr_key_insert_next(kind, name);
	gdpr_key_record("rotate", kind, name, version);
	return version;
}

void
gdpr_key_record(const char *action, const char *kind, const char *name,
				int version)
{
	Oid types[] = {TEXTOID, TEXTOID, TEXTOID, INT4OID};
	Datum values[4];

	values[0] = CStringGetTextDatum(action);
	values[1] = CStringGetTextDatum(kind);
	values[2] = name == NULL ? (Datum) 0 : CStringGetTextDatum(name);
	values[3] = Int32GetDatum(version);
	(void) gdpr_sql_run(
		"INSERT INTO gdpr.key_event (action, kind, name, version)"
		" VALUES ($1, $2, $3::name, nullif($4, 0))",
		4, types, values, name == NULL ? "  n " : "    ", false, SPI_OK_INSERT);
}
