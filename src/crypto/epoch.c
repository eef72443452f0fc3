/*
 * epoch.c
 *	  Epoch keys: what the keys of persons are wrapped by.
 *
 * A root key wraps the epoch's key, and that the keys of all persons: another
 * root key needs one row, or one object of the keystore, written anew, and all
 * wrapped keys of persons that ever lay on a disk are worthless once an epoch's
 * key is destroyed.
 *
 * What came from the keystore is kept in memory of the server, which no core
 * dump shows, because a keystore may be a program that takes its time.
 */
#include "base/compat.h"

#include <openssl/crypto.h>

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "base/errors.h"
#include "base/sql.h"
#include "catalog/pg_type.h"
#include "crypto/epoch.h"
#include "crypto/keyring_internal.h"
#include "crypto/random.h"
#include "crypto/region.h"
#include "crypto/subject_key.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#define EPOCH_TABLE "subject_epoch"

/* A keystore that did not answer is not asked again before. */
#define PATIENCE_MS 5000

/* Columns of gdpr.subject_epoch. */
enum
{
	COL_EPOCH = 1,
	COL_STATUS,
	COL_LINEAGE,
	COL_ROOT_ID,
	COL_WRAPPED
};

typedef struct Epoch
{
	int32 number;
	bool primary;
	bool destroyed;
	bool kept_outside; /* in the keystore */
	char lineage[GDPR_EPOCH_LINEAGE_LEN];
	char root_id[GDPR_ROOT_ID_LEN];
	uint8 wrapped[GDPR_WRAPPED_LEN];
	GdprAead *aead; /* NULL until it is needed, and when it does not open */
	TimestampTz failed_at;
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

/* ---- keys of the keystore, for all processes ---- */

#define REMEMBERED 32

typedef struct Remembered
{
	char name[GDPR_KEYSTORE_NAME_LEN]; /* empty: free */
	uint8 key[GDPR_KEY_LEN];
} Remembered;

typedef struct Memory
{
	int next;
	Remembered keys[REMEMBERED];
} Memory;

static Memory *memory = NULL;

void
gdpr_epoch_startup(void)
{
	if (IsUnderPostmaster || memory != NULL)
		return;
	memory = gdpr_region_map(sizeof(Memory), "epoch keys");
}

static Remembered *
find_remembered(const char *name)
{
	for (int i = 0; i < REMEMBERED; i++)
	{
		if (strcmp(memory->keys[i].name, name) == 0)
			return &memory->keys[i];
	}
	return NULL;
}

static bool
recall(const char *name, uint8 *key)
{
	Remembered *found;

	LWLockAcquire(&gdpr_keyring_shared->lock, LW_SHARED);
	found = find_remembered(name);
	if (found != NULL)
		memcpy(key, found->key, GDPR_KEY_LEN);
	LWLockRelease(&gdpr_keyring_shared->lock);
	return found != NULL;
}

static void
remember(const char *name, const uint8 *key)
{
	Remembered *place;

	LWLockAcquire(&gdpr_keyring_shared->lock, LW_EXCLUSIVE);
	place = find_remembered(name);
	if (place == NULL)
	{
		place = &memory->keys[memory->next];
		memory->next = (memory->next + 1) % REMEMBERED;
	}
	memcpy(place->key, key, GDPR_KEY_LEN);
	strlcpy(place->name, name, sizeof(place->name));
	LWLockRelease(&gdpr_keyring_shared->lock);
}

void
gdpr_epoch_wipe(const char *lineage, int32 epoch)
{
	Remembered *found;

	LWLockAcquire(&gdpr_keyring_shared->lock, LW_EXCLUSIVE);
	found = find_remembered(gdpr_epoch_object(lineage, epoch, "key"));
	if (found != NULL)
		OPENSSL_cleanse(found, sizeof(*found));
	LWLockRelease(&gdpr_keyring_shared->lock);
}

/* ---- the keystore's objects ---- */

const char *
gdpr_epoch_object(const char *lineage, int32 epoch, const char *what)
{
	return psprintf("%s.%d.%s", lineage, epoch, what);
}

const char *
gdpr_epoch_head(const char *lineage)
{
	return psprintf("%s.head", lineage);
}

/* "<root id> <wrapped key in hex>" */
static bool
parse_object(const StringInfoData *object, char *root_id, uint8 *wrapped)
{
	const char *space = memchr(object->data, ' ', object->len);
	size_t id_length = space == NULL ? 0 : space - object->data;
	const size_t hex_length = 2 * GDPR_WRAPPED_LEN;

	if (id_length == 0 || id_length >= GDPR_ROOT_ID_LEN ||
		(size_t) object->len < id_length + 1 + hex_length)
		return false;
	memcpy(root_id, object->data, id_length);
	root_id[id_length] = '\0';
	for (size_t i = 0; i < hex_length; i++)
	{
		if (!isxdigit((unsigned char) space[1 + i]))
			return false;
	}
	return hex_decode(space + 1, hex_length, (char *) wrapped) ==
		   GDPR_WRAPPED_LEN;
}

static void
write_object(const char *lineage, int32 epoch, const uint8 *key, char *root_id)
{
	char hex[2 * GDPR_WRAPPED_LEN + 1] = {0};
	uint8 wrapped[GDPR_WRAPPED_LEN];
	char *object;

	gdpr_root_wrap(GDPR_KIND_EPOCH, lineage, epoch, key, wrapped, root_id);
	(void) hex_encode((const char *) wrapped, sizeof(wrapped), hex);
	object = psprintf("%s %s\n", root_id, hex);
	gdpr_keystore_write(gdpr_epoch_object(lineage, epoch, "key"), object,
						strlen(object));
}

/* False when it is not there, cannot be had or does not open. */
static bool
read_object(const char *lineage, int32 epoch, char *root_id, uint8 *key)
{
	StringInfoData object;
	uint8 wrapped[GDPR_WRAPPED_LEN];

	initStringInfo(&object);
	return gdpr_keystore_try_read(gdpr_epoch_object(lineage, epoch, "key"),
								  &object) == NULL &&
		   parse_object(&object, root_id, wrapped) &&
		   gdpr_root_unwrap(root_id, GDPR_KIND_EPOCH, lineage, epoch, wrapped,
							key);
}

bool
gdpr_epoch_needs_root(const char *lineage, int32 epoch, const char *root_id)
{
	const char *name = gdpr_epoch_object(lineage, epoch, "key");
	char wraps[GDPR_ROOT_ID_LEN];
	uint8 wrapped[GDPR_WRAPPED_LEN];
	StringInfoData object;

	initStringInfo(&object);
	if (gdpr_keystore_try_read(name, &object) != NULL)
		return true;
	return parse_object(&object, wraps, wrapped) && strcmp(wraps, root_id) == 0;
}

bool
gdpr_epoch_rewrap(const char *lineage, int32 epoch, char *root_id)
{
	char unused[GDPR_ROOT_ID_LEN];
	uint8 key[GDPR_KEY_LEN];

	if (!read_object(lineage, epoch, root_id, key))
		return false;
	PG_TRY();
	{
		gdpr_epoch_require_owner(lineage);
		write_object(lineage, epoch, key, unused);
	}
	PG_FINALLY();
	{
		OPENSSL_cleanse(key, sizeof(key));
	}
	PG_END_TRY();
	return true;
}

/* ---- the table ---- */

static void
take_text(char *to, size_t size, Datum value, bool isnull)
{
	if (isnull)
		to[0] = '\0';
	else
		strlcpy(to, TextDatumGetCString(value), size);
}

static void
read_epoch(HeapTuple tuple, TupleDesc columns)
{
	Epoch *epoch = MemoryContextAllocZero(TopMemoryContext, sizeof(Epoch));
	bool isnull;
	char *status;
	Datum value;

	/* In the list before anything can fail, so that it is freed again. */
	epoch->next = epochs;
	epochs = epoch;
	epoch->number = DatumGetInt32(
		heap_getattr(tuple, COL_EPOCH, columns, &isnull));
	status = TextDatumGetCString(
		heap_getattr(tuple, COL_STATUS, columns, &isnull));
	epoch->primary = strcmp(status, "primary") == 0;
	epoch->destroyed = strcmp(status, "destroyed") == 0;
	value = heap_getattr(tuple, COL_LINEAGE, columns, &isnull);
	take_text(epoch->lineage, sizeof(epoch->lineage), value, isnull);
	value = heap_getattr(tuple, COL_ROOT_ID, columns, &isnull);
	take_text(epoch->root_id, sizeof(epoch->root_id), value, isnull);
	value = heap_getattr(tuple, COL_WRAPPED, columns, &isnull);
	epoch->kept_outside = isnull;
	if (!isnull &&
		VARSIZE_ANY_EXHDR(DatumGetByteaPP(value)) == GDPR_WRAPPED_LEN)
		memcpy(epoch->wrapped, VARDATA_ANY(DatumGetByteaPP(value)),
			   GDPR_WRAPPED_LEN);
	/* On a standby this is how the end of an epoch is learned of. */
	if (epoch->destroyed)
		gdpr_epoch_wipe(epoch->lineage, epoch->number);
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

/* The key's bytes, from wherever it lies. */
static bool
fetch_key(const Epoch *epoch, uint8 *key)
{
	char unused[GDPR_ROOT_ID_LEN];
	const char *name;

	if (!epoch->kept_outside)
		return gdpr_root_unwrap(epoch->root_id, GDPR_KIND_EPOCH,
								GDPR_EPOCH_NAME, epoch->number, epoch->wrapped,
								key);
	name = gdpr_epoch_object(epoch->lineage, epoch->number, "key");
	if (recall(name, key))
		return true;
	if (!read_object(epoch->lineage, epoch->number, unused, key))
		return false;
	remember(name, key);
	return true;
}

static GdprAead *
open_epoch(Epoch *epoch)
{
	uint8 key[GDPR_KEY_LEN];

	if (epoch->aead != NULL || epoch->destroyed ||
		(epoch->failed_at != 0 &&
		 !TimestampDifferenceExceeds(epoch->failed_at, GetCurrentTimestamp(),
									 PATIENCE_MS)))
		return epoch->aead;
	if (!fetch_key(epoch, key))
	{
		epoch->failed_at = GetCurrentTimestamp();
		return NULL;
	}
	PG_TRY();
	{
		epoch->aead = gdpr_aead_create(key);
	}
	PG_FINALLY();
	{
		OPENSSL_cleanse(key, sizeof(key));
	}
	PG_END_TRY();
	return epoch->aead;
}

static Epoch *
find_epoch(int32 number)
{
	if (!loaded)
		load_epochs();
	for (Epoch *epoch = epochs; epoch != NULL; epoch = epoch->next)
	{
		if (epoch->number == number)
			return epoch;
	}
	return NULL;
}

static Epoch *
find_primary(void)
{
	if (!loaded)
		load_epochs();
	for (Epoch *epoch = epochs; epoch != NULL; epoch = epoch->next)
	{
		if (epoch->primary)
			return epoch;
	}
	return NULL;
}

bool
gdpr_epoch_is_available(int32 number)
{
	Epoch *epoch = find_epoch(number);

	return epoch != NULL && open_epoch(epoch) != NULL;
}

/* ---- making one ---- */

static void
choose_lineage(char *lineage)
{
	uint8 random[(GDPR_EPOCH_LINEAGE_LEN - 1) / 2];

	for (const Epoch *epoch = epochs; epoch != NULL; epoch = epoch->next)
	{
		if (epoch->lineage[0] != '\0')
		{
			strlcpy(lineage, epoch->lineage, GDPR_EPOCH_LINEAGE_LEN);
			return;
		}
	}
	gdpr_random_bytes(random, sizeof(random));
	(void) hex_encode((const char *) random, sizeof(random), lineage);
	lineage[GDPR_EPOCH_LINEAGE_LEN - 1] = '\0';
}

/* False when the keystore has nothing of the name. */
static bool
is_in_keystore(const char *name)
{
	StringInfoData object;

	initStringInfo(&object);
	return gdpr_keystore_read(name, &object);
}

/* What a transaction that failed left in the keystore, if it opens. */
static void
require_left_key(const char *lineage, int32 number)
{
	char root_id[GDPR_ROOT_ID_LEN];
	uint8 key[GDPR_KEY_LEN];
	bool opens = read_object(lineage, number, root_id, key);

	OPENSSL_cleanse(key, sizeof(key));
	if (!opens)
		ereport(ERROR,
				(errcode(ERRCODE_GDPR_KEY_UNAVAILABLE),
				 errmsg("the keystore has a key of epoch %d already, and it does not open", number),
				 errhint("Its root key is missing, or it is another database's. It is not overwritten.")));
}

/*
 * Durable in the keystore before the transaction that first uses it commits.
 * A key is never written over: that of a transaction that failed may be in the
 * memory of other processes, and that of a copy of the database in use.
 */
static void
make_outside(const char *lineage, int32 number)
{
	char root_id[GDPR_ROOT_ID_LEN];
	uint8 key[GDPR_KEY_LEN];

	gdpr_epoch_wipe(lineage, number);
	if (is_in_keystore(gdpr_epoch_object(lineage, number, "key")))
	{
		require_left_key(lineage, number);
		return;
	}
	gdpr_random_key(key, sizeof(key));
	PG_TRY();
	{
		write_object(lineage, number, key, root_id);
	}
	PG_FINALLY();
	{
		OPENSSL_cleanse(key, sizeof(key));
	}
	PG_END_TRY();
}

static void
insert_outside(const char *lineage, int32 number)
{
	Oid types[] = {INT4OID, TEXTOID};
	Datum values[] = {Int32GetDatum(number), CStringGetTextDatum(lineage)};

	(void)
		gdpr_sql_run("INSERT INTO gdpr.subject_epoch (epoch, status, lineage)"
					 " VALUES ($1, 'primary', $2)",
					 2, types, values, NULL, false, SPI_OK_INSERT);
}

static int32
newest_number(void)
{
	int32 newest = 0;

	for (const Epoch *epoch = epochs; epoch != NULL; epoch = epoch->next)
		newest = Max(newest, epoch->number);
	return newest;
}

int32
gdpr_epoch_make(void)
{
	char lineage[GDPR_EPOCH_LINEAGE_LEN];
	int32 number;

	load_epochs();
	number = newest_number() + 1;
	if (gdpr_keystore_exists())
	{
		choose_lineage(lineage);
		make_outside(lineage, number);
		gdpr_epoch_claim(lineage);
		(void) gdpr_sql_run("UPDATE gdpr.subject_epoch SET status = 'enabled' "
							"WHERE status = 'primary'",
							0, NULL, NULL, NULL, false, SPI_OK_UPDATE);
		insert_outside(lineage, number);
	}
	else
		number = gdpr_key_rotate(GDPR_KIND_EPOCH, GDPR_EPOCH_NAME);
	CommandCounterIncrement();
	gdpr_epoch_forget();
	return number;
}

/* Whoever comes second waits, and finds the other's. */
static void
make_first(void)
{
	gdpr_keyring_lock();
	gdpr_epoch_forget();
	if (find_primary() == NULL)
		(void) gdpr_epoch_make();
}

static const Epoch *
require_primary(void)
{
	Epoch *epoch = find_primary();
	GdprSqlScope scope;

	if (epoch == NULL)
	{
		gdpr_key_require_root();
		gdpr_sql_begin_own(&scope);
		make_first();
		gdpr_sql_end_own(&scope);
		epoch = find_primary();
	}
	if (epoch == NULL || open_epoch(epoch) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_GDPR_KEY_UNAVAILABLE),
				 errmsg("the key that wraps the keys of persons is not available"),
				 errhint("Its root key or the keystore is missing; after a backup was restored, run gdpr.restore_subject_keys().")));
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
	Epoch *epoch = find_epoch(number);
	uint8 aad[AAD_LEN];

	if (epoch == NULL || open_epoch(epoch) == NULL)
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
