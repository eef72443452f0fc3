/*
 * epoch.c
 *	  Epoch keys: what the keys of persons are wrapped by.
 *
 * A root key wraps the epoch's key, and that the keys of all persons: another
 * root key needs one row written anew, and all wrapped keys of persons that
 * ever lay on a disk are worthless once an epoch's key is destroyed.
 */
#include "base/compat.h"

#include <openssl/crypto.h>

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "base/errors.h"
#include "base/sql.h"
#include "crypto/epoch.h"
#include "crypto/keyring_internal.h"
#include "crypto/random.h"
#include "crypto/subject_key.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#define EPOCH_TABLE "subject_epoch"

/* Columns of gdpr.subject_epoch. */
enum
{
	COL_EPOCH = 1,
	COL_STATUS,
	COL_ROOT_ID,
	COL_WRAPPED
};

typedef struct Epoch
{
	int32 number;
	bool primary;
	GdprAead *aead; /* NULL: its root key is not here, or it is destroyed */
	struct Epoch *next;
} Epoch;

static Epoch *epochs = NULL;
static bool loaded = false;

void
gdpr_epoch_forget(void)
{
	while (epochs != NULL)
	{
		Epoch *next = epochs->next;

		gdpr_aead_free(epochs->aead);
		pfree(epochs);
		epochs = next;
	}
	loaded = false;
}

static GdprAead *
open_epoch(int32 number, Datum root_id, Datum wrapped)
{
	bytea *bytes = DatumGetByteaPP(wrapped);
	uint8 key[GDPR_KEY_LEN];
	GdprAead *aead = NULL;

	if (VARSIZE_ANY_EXHDR(bytes) != GDPR_WRAPPED_LEN ||
		!gdpr_root_unwrap(TextDatumGetCString(root_id), GDPR_KIND_EPOCH, GDPR_EPOCH_NAME,
						  (uint16) number, (uint8 *) VARDATA_ANY(bytes), key))
		return NULL;
	PG_TRY();
	{
		aead = gdpr_aead_create(key);
	}
	PG_FINALLY();
	{
		OPENSSL_cleanse(key, sizeof(key));
	}
	PG_END_TRY();
	return aead;
}

static void
read_epoch(HeapTuple tuple, TupleDesc columns)
{
	Epoch *epoch = MemoryContextAllocZero(TopMemoryContext, sizeof(Epoch));
	bool no_root;
	bool no_key;
	bool isnull;
	Datum root_id = heap_getattr(tuple, COL_ROOT_ID, columns, &no_root);
	Datum wrapped = heap_getattr(tuple, COL_WRAPPED, columns, &no_key);

	/* In the list before anything can fail, so that it is freed again. */
	epoch->next = epochs;
	epochs = epoch;
	epoch->number = DatumGetInt32(
		heap_getattr(tuple, COL_EPOCH, columns, &isnull));
	epoch->primary = strcmp(TextDatumGetCString(heap_getattr(tuple, COL_STATUS,
															 columns, &isnull)),
							"primary") == 0;
	if (!no_root && !no_key)
		epoch->aead = open_epoch(epoch->number, root_id, wrapped);
}

/* A plain scan, as keyring_load.c reads its tables, and for the same reasons. */
static void
load_epochs(void)
{
	Oid relid = get_relname_relid(EPOCH_TABLE, gdpr_sql_schema());
	Relation relation;
	SysScanDesc scan;
	HeapTuple tuple;

	if (!OidIsValid(relid))
		return;
	gdpr_epoch_forget();
	relation = table_open(relid, AccessShareLock);
	scan = systable_beginscan(relation, InvalidOid, false, NULL, 0, NULL);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		read_epoch(tuple, RelationGetDescr(relation));
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	loaded = true;
}

static const Epoch *
find_epoch(int32 number)
{
	if (!loaded)
		load_epochs();
	for (const Epoch *epoch = epochs; epoch != NULL; epoch = epoch->next)
	{
		if (epoch->number == number)
			return epoch;
	}
	return NULL;
}

static const Epoch *
find_primary(void)
{
	if (!loaded)
		load_epochs();
	for (const Epoch *epoch = epochs; epoch != NULL; epoch = epoch->next)
	{
		if (epoch->primary)
			return epoch;
	}
	return NULL;
}

/* ---- making one ---- */

/* Whoever comes second waits, and finds the other's. */
static void
make_first(void)
{
	gdpr_keyring_lock();
	gdpr_epoch_forget();
	if (find_primary() != NULL)
		return;
	gdpr_key_insert(GDPR_KIND_EPOCH, GDPR_EPOCH_NAME, 1);
	CommandCounterIncrement();
	gdpr_epoch_forget();
}

static const Epoch *
require_primary(void)
{
	const Epoch *epoch = find_primary();
	GdprSqlScope scope;

	if (epoch == NULL)
	{
		gdpr_key_require_root();
		gdpr_sql_begin_own(&scope);
		make_first();
		gdpr_sql_end_own(&scope);
		epoch = find_primary();
	}
	if (epoch == NULL || epoch->aead == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_GDPR_KEY_UNAVAILABLE),
				 errmsg("the key that wraps the keys of persons is not available"),
				 errhint("Its root key is not among those that the server started with.")));
	return epoch;
}

void
gdpr_epoch_require(void)
{
	(void) require_primary();
}

/* ---- wrapping ---- */

#define AAD_LEN (sizeof(aad_label) + GDPR_SUBJECT_ID_LEN + GDPR_TAG_LEN)

static const char aad_label[] = "gdpr subject key v1";

static void
build_aad(const uint8 *id, const uint8 *subject, uint8 *aad)
{
	memcpy(aad, aad_label, sizeof(aad_label));
	aad += sizeof(aad_label);
	memcpy(aad, id, GDPR_SUBJECT_ID_LEN);
	memcpy(aad + GDPR_SUBJECT_ID_LEN, subject, GDPR_TAG_LEN);
}

bool
gdpr_epoch_unwrap(int32 number, const uint8 *id, const uint8 *subject,
				  const uint8 *wrapped, uint8 *key)
{
	const Epoch *epoch = find_epoch(number);
	uint8 aad[AAD_LEN];

	if (epoch == NULL || epoch->aead == NULL)
		return false;
	build_aad(id, subject, aad);
	return gdpr_aead_open(epoch->aead, wrapped, aad, sizeof(aad),
						  wrapped + GDPR_NONCE_LEN, GDPR_KEY_LEN, key);
}

int32
gdpr_epoch_wrap(const uint8 *id, const uint8 *subject, const uint8 *key,
				uint8 *wrapped)
{
	const Epoch *epoch = require_primary();
	uint8 aad[AAD_LEN];

	build_aad(id, subject, aad);
	gdpr_random_bytes(wrapped, GDPR_NONCE_LEN);
	gdpr_aead_seal(epoch->aead, wrapped, aad, sizeof(aad), key, GDPR_KEY_LEN,
				   wrapped + GDPR_NONCE_LEN);
	return epoch->number;
}
