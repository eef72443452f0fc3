/*
 * log.c
 *	  Adding to the audit log.
 *
 * A row of it is one heap tuple, formed here and put into the partition of the
 * day.  Partitions have no index while their day lasts, so that is all; there
 * is no executor, no statement and nobody's privilege in it.  A day without a
 * partition goes to the default one: a writer never waits for DDL.
 */
#include "base/compat.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "audit/log.h"
#include "base/sql.h"
#include "catalog/namespace.h"
#include "catalog/partition.h"
#include "catalog/pg_type.h"
#include "commands/sequence.h"
#include "crypto/secret.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "port/pg_bswap.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

/* Numbers that a process takes at a time: the sequence's increment. */
#define BLOCK 1024

#define NO_DAY PG_INT64_MIN

enum
{
	COL_ID,
	COL_AT,
	COL_XID,
	COL_ROWS,
	COL_OWN,
	COL_KEYS,
	COL_UP,
	COL_SUBJECT,
	COL_RELATION,
	COL_OPERATION,
	COL_ORIGIN,
	COL_COLUMNS,
	COL_TAGS,
	COL_SESSION_ROLE,
	COL_ROLE,
	COL_ACTOR,
	COL_PURPOSE,
	COL_APPLICATION,
	COL_ADDRESS,
	COL_PAYLOAD,
	NCOLUMNS
};

static Oid log_parent = InvalidOid;
static Oid log_partition = InvalidOid;
static int64 log_day = NO_DAY;
static Oid log_sequence = InvalidOid;
static int64 next_number = 0;
static int64 last_number = -1;

/* ---- where ---- */

static void
relation_changed(Datum arg, Oid relid)
{
	if (!OidIsValid(relid) || relid == log_parent || relid == log_partition)
	{
		log_day = NO_DAY;
		log_parent = InvalidOid;
	}
}

void
gdpr_audit_log_init(void)
{
	CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
}

int64
gdpr_audit_day(TimestampTz at)
{
	return at / USECS_PER_DAY - (at % USECS_PER_DAY < 0);
}

void
gdpr_audit_partition_name(int64 day, char *name)
{
	int y;
	int m;
	int d;

	j2date((int) day + POSTGRES_EPOCH_JDATE, &y, &m, &d);
	snprintf(name, NAMEDATALEN, GDPR_AUDIT_PARENT "_%04d%02d%02d", y, m, d);
}

bool
gdpr_audit_is_log(Oid relid)
{
	Oid schema = gdpr_sql_schema();
	Oid parent;

	if (!OidIsValid(schema))
		return false;
	parent = get_relname_relid(GDPR_AUDIT_PARENT, schema);
	return OidIsValid(parent) &&
		   (relid == parent || (get_rel_relispartition(relid) &&
								get_partition_parent(relid, true) == parent));
}

static void
find_partition(int64 day)
{
	char name[NAMEDATALEN];
	Oid schema = gdpr_sql_schema();
	Oid parent = get_relname_relid(GDPR_AUDIT_PARENT, schema);
	Oid leaf;

	gdpr_audit_partition_name(day, name);
	leaf = get_relname_relid(name, schema);
	if (!OidIsValid(leaf) || !get_rel_relispartition(leaf) ||
		get_partition_parent(leaf, true) != parent)
		leaf = get_relname_relid(GDPR_AUDIT_DEFAULT, schema);
	if (!OidIsValid(leaf))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("the audit log has no partition for today"),
				 errhint("Restore table gdpr." GDPR_AUDIT_DEFAULT ".")));
	log_parent = parent;
	log_partition = leaf;
	if (log_sequence != get_relname_relid("audit_number", schema))
	{
		/* The first, or the extension was created anew. */
		log_sequence = get_relname_relid("audit_number", schema);
		last_number = -1;
		next_number = 0;
	}
	log_day = day;
}

/* ---- what ---- */

int64
gdpr_audit_take_ids(int n)
{
	int64 first;

	/* Which also looks for the sequence anew. */
	if (log_day == NO_DAY)
		find_partition(gdpr_audit_day(GetCurrentTimestamp()));
	if (last_number - next_number + 1 < n)
	{
		next_number = nextval_internal(log_sequence, false);
		last_number = next_number + BLOCK - 1;
	}
	first = next_number;
	next_number += n;
	return first;
}

bool
gdpr_audit_take_id(int64 id)
{
	if (log_day == NO_DAY || id != next_number || next_number > last_number)
		return false;
	next_number++;
	return true;
}

static Datum
tag_array(const StringInfo tags)
{
	Size size = ARR_OVERHEAD_NONULLS(1) + tags->len;
	ArrayType *array = palloc0(size);

	SET_VARSIZE(array, size);
	array->ndim = 1;
	array->elemtype = UUIDOID;
	ARR_DIMS(array)[0] = tags->len / sizeof(GdprAuditTag);
	ARR_LBOUND(array)[0] = 1;
	memcpy(ARR_DATA_PTR(array), tags->data, tags->len);
	return PointerGetDatum(array);
}

static const char *
origin_name(GdprOrigin origin)
{
	static const char *const names[] = {
		[GDPR_ORIGIN_APPLICATION] = "application",
		[GDPR_ORIGIN_FORGET] = "forget",
		[GDPR_ORIGIN_RETENTION] = "retention",
	};

	return names[origin];
}

static Datum
seal(const GdprAuditBatch *batch)
{
	uint64 place[2] = {pg_hton64((uint64) batch->id),
					   pg_hton64((uint64) batch->at)};

	return PointerGetDatum(gdpr_secret_seal("audit", place, sizeof(place),
											batch->payload.data,
											batch->payload.len));
}

static HeapTuple
form_row(const GdprAuditBatch *batch, TupleDesc columns)
{
	const GdprAuditRecord *shared = &batch->shared;
	const GdprAuditWho *who = batch->who;
	Datum values[NCOLUMNS] = {0};
	bool nulls[NCOLUMNS] = {false};

	values[COL_RELATION] = CStringGetTextDatum(shared->relation);
	values[COL_OPERATION] = CStringGetTextDatum(shared->operation);
	values[COL_ORIGIN] = CStringGetTextDatum(origin_name(batch->origin));
	values[COL_COLUMNS] = shared->columns;
	if (batch->tags.len > 0)
		values[COL_TAGS] = tag_array((StringInfo) &batch->tags);
	values[COL_SESSION_ROLE] = who->session_role;
	values[COL_ROLE] = who->role;
	values[COL_ACTOR] = who->actor;
	values[COL_PURPOSE] = who->purpose;
	values[COL_APPLICATION] = who->application;
	values[COL_ADDRESS] = who->address;
	if (batch->payload.len > 0)
		values[COL_PAYLOAD] = seal(batch);
	for (int i = COL_RELATION; i < NCOLUMNS; i++)
		nulls[i] = values[i] == (Datum) 0;
	values[COL_ID] = Int64GetDatum(batch->id);
	values[COL_AT] = TimestampTzGetDatum(batch->at);
	values[COL_XID] = FullTransactionIdGetDatum(GetTopFullTransactionId());
	values[COL_ROWS] = Int16GetDatum(batch->rows);
	values[COL_OWN] = Int16GetDatum(shared->own);
	values[COL_KEYS] = Int16GetDatum(shared->keys);
	values[COL_UP] = Int16GetDatum(shared->up);
	values[COL_SUBJECT] = Int16GetDatum(shared->subject);
	nulls[COL_SUBJECT] = shared->subject == 0;
	return heap_form_tuple(columns, values, nulls);
}

/*
 * Who attaches a partition has the default one locked.  A writer that waited
 * for that looks again, or his record would lie where no query looks for it.
 */
static Relation
open_partition(int64 day)
{
	for (;;)
	{
		Relation leaf;

		if (day != log_day)
			find_partition(day);
		leaf = try_table_open(log_partition, RowExclusiveLock);
		if (leaf != NULL && day == log_day)
			return leaf;
		if (leaf != NULL)
			table_close(leaf, NoLock);
		log_day = NO_DAY;
		CHECK_FOR_INTERRUPTS();
	}
}

/* A day that was over when its last record came, or an index of the DBA's. */
static void
insert_into_indexes(Relation leaf, HeapTuple tuple)
{
	EState *estate = CreateExecutorState();
	ResultRelInfo *result = makeNode(ResultRelInfo);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(RelationGetDescr(leaf),
													&TTSOpsHeapTuple);

	InitResultRelInfo(result, leaf, 1, NULL, 0);
	ExecOpenIndices(result, false);
	ExecStoreHeapTuple(tuple, slot, false);
	list_free(
		gdpr_compat_insert_index_tuples(result, slot, estate, false, false));
	ExecCloseIndices(result);
	ExecDropSingleTupleTableSlot(slot);
	FreeExecutorState(estate);
}

void
gdpr_audit_insert(const GdprAuditBatch *batch)
{
	Relation leaf = open_partition(gdpr_audit_day(batch->at));
	HeapTuple tuple;

	/* A library of another version than the extension's tables. */
	if (RelationGetDescr(leaf)->natts != NCOLUMNS)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"%s\" is not the audit log of this version",
						RelationGetRelationName(leaf)),
				 errhint("Run ALTER EXTENSION gdpr_ext UPDATE.")));
	tuple = form_row(batch, RelationGetDescr(leaf));
	heap_insert(leaf, tuple, GetCurrentCommandId(true), 0, NULL);
	if (leaf->rd_rel->relhasindex)
		insert_into_indexes(leaf, tuple);
	table_close(leaf, NoLock);
}
