/*
 * keyring_load.c
 *	  Reads contexts, their keys and grants from the tables of schema gdpr.
 *
 * Plain scans under one catalog snapshot: they need no SPI and no snapshot of
 * the caller's, see this transaction's own changes, and are allowed in
 * parallel workers and on a standby.
 */
#include "base/compat.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "base/sql.h"
#include "commands/extension.h"
#include "crypto/keyring_internal.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

typedef struct Row
{
	HeapTuple tuple;
	TupleDesc desc;
} Row;

typedef void (*RowReader)(GdprContextCache *cache, const Row *row);

static Datum
column(const Row *row, AttrNumber attnum, bool *isnull)
{
	return heap_getattr(row->tuple, attnum, row->desc, isnull);
}

/* A column that is NOT NULL. */
static Datum
value(const Row *row, AttrNumber attnum)
{
	bool isnull;

	return column(row, attnum, &isnull);
}

static GdprDomain *
find_domain(GdprContextCache *cache, Name name, bool create)
{
	GdprDomain *domain;

	for (domain = cache->domains; domain != NULL; domain = domain->next)
	{
		if (strcmp(NameStr(domain->name), NameStr(*name)) == 0)
			return domain;
	}
	if (!create)
		return NULL;
	domain = palloc0(sizeof(GdprDomain));
	domain->name = *name;
	domain->next = cache->domains;
	cache->domains = domain;
	return domain;
}

static GdprContext *
find_context(GdprContextCache *cache, Name name)
{
	uint32 hash = gdpr_keyring_hash(NameStr(*name));
	GdprContext *context = hash_search(cache->contexts, &hash, HASH_FIND, NULL);

	if (context != NULL && strcmp(NameStr(context->name), NameStr(*name)) == 0)
		return context;
	return NULL;
}

/* gdpr.context (name, hash, tag_domain, ...) */
static void
read_context(GdprContextCache *cache, const Row *row)
{
	Name name = DatumGetName(value(row, 1));
	Name domain = DatumGetName(value(row, 3));
	uint32 hash = gdpr_keyring_hash(NameStr(*name));
	GdprContext *context;
	bool found;

	context = hash_search(cache->contexts, &hash, HASH_ENTER, &found);
	if (found)
		return;
	context->name = *name;
	context->tag_domain = *domain;
	context->primary_version = 0;
	context->tag_generation = 0;
	context->keys = palloc0(sizeof(struct GdprContextKeys));
	context->keys->domain = find_domain(cache, domain, true);
	context->keys->next = cache->keys;
	cache->keys = context->keys;
}

/* (name, version, status, root_id, wrapped, ...), of both key tables */
static GdprKeySlot *
read_slot(const Row *row)
{
	GdprKeySlot *slot = palloc0(sizeof(GdprKeySlot));
	char *status = TextDatumGetCString(value(row, 3));
	Datum root_id;
	Datum wrapped;
	bool no_root;
	bool no_key;

	slot->version = DatumGetInt16(value(row, 2));
	slot->primary = strcmp(status, "primary") == 0;
	slot->fate = strcmp(status, "destroyed") == 0 ? GDPR_KEY_DESTROYED
				 : strcmp(status, "retired") == 0 ? GDPR_KEY_RETIRED
												  : GDPR_KEY_LIVES;
	root_id = column(row, 4, &no_root);
	wrapped = column(row, 5, &no_key);
	if (!no_root && !no_key && slot->fate != GDPR_KEY_DESTROYED)
	{
		bytea *key = DatumGetByteaPP(wrapped);

		strlcpy(slot->root_id, TextDatumGetCString(root_id), GDPR_ROOT_ID_LEN);
		slot->usable = VARSIZE_ANY_EXHDR(key) == GDPR_WRAPPED_LEN;
		if (slot->usable)
			memcpy(slot->wrapped, VARDATA_ANY(key), GDPR_WRAPPED_LEN);
	}
	return slot;
}

static void
read_context_key(GdprContextCache *cache, const Row *row)
{
	GdprContext *context = find_context(cache, DatumGetName(value(row, 1)));
	GdprKeySlot *slot;

	if (context == NULL)
		return;
	slot = read_slot(row);
	slot->next = context->keys->slots;
	context->keys->slots = slot;
	if (slot->primary)
		context->primary_version = slot->version;
}

static void
read_tag_key(GdprContextCache *cache, const Row *row)
{
	GdprDomain *domain = find_domain(cache, DatumGetName(value(row, 1)), true);
	GdprKeySlot *slot = read_slot(row);

	slot->next = domain->slots;
	domain->slots = slot;
}

/* gdpr.context_grant (context, role, privilege); a role may be gone. */
static void
read_grant(GdprContextCache *cache, const Row *row)
{
	GdprContext *context = find_context(cache, DatumGetName(value(row, 1)));
	Oid role = get_role_oid(NameStr(*DatumGetName(value(row, 2))), true);
	char *privilege = TextDatumGetCString(value(row, 3));
	GdprGrant *grant;

	if (context == NULL || !OidIsValid(role))
		return;
	grant = palloc0(sizeof(GdprGrant));
	grant->role = role;
	if (strcmp(privilege, "read") == 0)
		grant->privilege = GDPR_PRIV_READ | GDPR_PRIV_SEARCH;
	else if (strcmp(privilege, "search") == 0)
		grant->privilege = GDPR_PRIV_SEARCH;
	else if (strcmp(privilege, "write") == 0)
		grant->privilege = GDPR_PRIV_WRITE;
	grant->next = context->keys->grants;
	context->keys->grants = grant;
}

/* In the order in which rows refer to each other. */
static const struct
{
	const char *table;
	RowReader reader;
} tables[] = {
	{GDPR_TABLE_CONTEXT, read_context},
	{"context_key", read_context_key},
	{"tag_key", read_tag_key},
	{"context_grant", read_grant},
};

static void
read_table(GdprContextCache *cache, Oid relid, Snapshot snapshot,
		   RowReader reader)
{
	Relation rel = table_open(relid, AccessShareLock);
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, snapshot, 0,
										  NULL);
	Row row = {.desc = RelationGetDescr(rel)};

	while (HeapTupleIsValid(row.tuple = systable_getnext(scan)))
		reader(cache, &row);
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
}

/* The newest generation that is primary, once all keys are read. */
static void
set_tag_generations(GdprContextCache *cache)
{
	HASH_SEQ_STATUS status;
	GdprContext *context;

	hash_seq_init(&status, cache->contexts);
	while ((context = hash_seq_search(&status)) != NULL)
	{
		for (GdprKeySlot *slot = context->keys->domain->slots; slot;
			 slot = slot->next)
		{
			if (slot->primary)
				context->tag_generation = slot->version;
		}
	}
}

static void
free_slots(GdprKeySlot *slots)
{
	for (GdprKeySlot *slot = slots; slot != NULL; slot = slot->next)
	{
		gdpr_nonce_return(slot);
		gdpr_aead_free(slot->aead);
		gdpr_tag_free(slot->tag);
	}
}

/*
 * Memory context callback: OpenSSL's objects are not palloc'd.  The hash
 * table, a child context, is gone by now; the lists are not.
 */
static void
free_keys(void *arg)
{
	GdprContextCache *cache = arg;

	for (struct GdprContextKeys *keys = cache->keys; keys != NULL;
		 keys = keys->next)
		free_slots(keys->slots);
	for (GdprDomain *domain = cache->domains; domain != NULL;
		 domain = domain->next)
		free_slots(domain->slots);
}

static GdprContextCache *
create_cache(MemoryContext mcxt, Oid relid)
{
	GdprContextCache *cache = palloc0(sizeof(GdprContextCache));
	HASHCTL control = {
		.keysize = sizeof(uint32),
		.entrysize = sizeof(GdprContext),
		.hcxt = mcxt,
	};

	cache->mcxt = mcxt;
	cache->relid = relid;
	cache->callback.func = free_keys;
	cache->callback.arg = cache;
	cache->contexts = hash_create("gdpr contexts", 16, &control,
								  HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	MemoryContextRegisterResetCallback(mcxt, &cache->callback);
	return cache;
}

GdprContextCache *
gdpr_keyring_load(MemoryContext parent)
{
	MemoryContext mcxt;
	MemoryContext old;
	GdprContextCache *cache;
	Snapshot snapshot;
	Oid schema = gdpr_sql_schema();
	Oid relids[lengthof(tables)];

	/* A schema of this name is ours only where the extension is. */
	if (!OidIsValid(schema) || !OidIsValid(get_extension_oid("gdpr_ext", true)))
		return NULL;
	for (int i = 0; i < lengthof(tables); i++)
	{
		relids[i] = get_relname_relid(tables[i].table, schema);
		if (!OidIsValid(relids[i]))
			return NULL;
	}

	/* Freed with the caller's context if anything goes wrong on the way. */
	mcxt = AllocSetContextCreate(CurrentMemoryContext, "gdpr keyring",
								 ALLOCSET_SMALL_SIZES);
	old = MemoryContextSwitchTo(mcxt);
	cache = create_cache(mcxt, relids[0]);
	snapshot = RegisterSnapshot(GetCatalogSnapshot(relids[0]));
	for (int i = 0; i < lengthof(tables); i++)
		read_table(cache, relids[i], snapshot, tables[i].reader);
	UnregisterSnapshot(snapshot);
	set_tag_generations(cache);
	MemoryContextSwitchTo(old);
	MemoryContextSetParent(mcxt, parent);
	return cache;
}
