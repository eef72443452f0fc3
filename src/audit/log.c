/*
 * log.c
 *	  Adding to the audit log.
 *
 * A record is one heap tuple, formed here and put into the partition of the
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
#include "audit/page.h"
#include "base/origin.h"
#include "base/session.h"
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
	COL_RELATION,
	COL_OPERATION,
	COL_ORIGIN,
	COL_COLUMNS,
	COL_SUBJECT,
	COL_OWN,
	COL_KEYS,
	COL_UP,
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

/* Who: the same for most records of a session. */
typedef struct Who
{
	MemoryContext context;
	Oid session_user;
	Oid user;
	char *actor_name;
	char *purpose_name;
	char *application_name;
	Datum session_role;
	Datum role;
	Datum actor;
	Datum purpose;
	Datum application;
} Who;

static Oid log_parent = InvalidOid;
static Oid log_partition = InvalidOid;
static int64 log_day = NO_DAY;
static Oid log_sequence = InvalidOid;
static int64 next_number = 0;
static int64 last_number = -1;
static Who who;
static Datum address = 0;
static bool address_known = false;

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

/* A role may have another name. */
static void
role_changed(Datum arg, int cacheid, uint32 hashvalue)
{
	who.session_user = InvalidOid;
}

void
gdpr_audit_log_init(void)
{
	CacheRegisterSyscacheCallback(AUTHOID, role_changed, (Datum) 0);
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

/* ---- who ---- */

static bool
same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static char *
copy_text(const char *text)
{
	return text == NULL ? NULL : pstrdup(text);
}

static Datum
text_datum(const char *text)
{
	return text == NULL || *text == '\0' ? (Datum) 0
										 : CStringGetTextDatum(text);
}

static void
learn_who(const char *actor, const char *purpose)
{
	MemoryContext old;

	if (who.context == NULL)
		who.context = AllocSetContextCreate(TopMemoryContext, "gdpr audit who",
											ALLOCSET_SMALL_SIZES);
	MemoryContextReset(who.context);
	old = MemoryContextSwitchTo(who.context);
	who.session_user = InvalidOid; /* should something fail below */
	who.user = GetUserId();
	who.actor_name = copy_text(actor);
	who.purpose_name = copy_text(purpose);
	who.application_name = copy_text(application_name);
	who.session_role = CStringGetTextDatum(
		GetUserNameFromId(GetSessionUserId(), false));
	who.role = CStringGetTextDatum(GetUserNameFromId(who.user, false));
	who.actor = actor == NULL
					? (Datum) 0
					: PointerGetDatum(gdpr_secret_seal("actor", NULL, 0, actor,
													   strlen(actor)));
	who.purpose = text_datum(purpose);
	who.application = text_datum(application_name);
	who.session_user = GetSessionUserId();
	MemoryContextSwitchTo(old);
}

static void
find_who(void)
{
	const char *actor = gdpr_session_value(GDPR_SESSION_ACTOR);
	const char *purpose = gdpr_session_value(GDPR_SESSION_PURPOSE);

	if (who.session_user != GetSessionUserId() || who.user != GetUserId() ||
		!same_text(who.actor_name, actor) ||
		!same_text(who.purpose_name, purpose) ||
		!same_text(who.application_name, application_name))
		learn_who(actor, purpose);
}

/* The client's address, NULL by a local socket and in a worker. */
static void
find_address(void)
{
	LOCAL_FCINFO(call, 0);
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

	InitFunctionCallInfoData(*call, NULL, 0, InvalidOid, NULL, NULL);
	address = inet_client_addr(call);
	if (call->isnull)
		address = (Datum) 0;
	address_known = true;
	MemoryContextSwitchTo(old);
}

/* ---- what ---- */

static int64
next_id(void)
{
	if (next_number > last_number)
	{
		next_number = nextval_internal(log_sequence, false);
		last_number = next_number + BLOCK - 1;
	}
	return next_number++;
}

static Datum
tag_array(const GdprAuditTag *tags, int ntags)
{
	Size size = ARR_OVERHEAD_NONULLS(1) + sizeof(GdprAuditTag) * ntags;
	ArrayType *array = palloc0(size);

	SET_VARSIZE(array, size);
	array->ndim = 1;
	array->elemtype = UUIDOID;
	ARR_DIMS(array)[0] = ntags;
	ARR_LBOUND(array)[0] = 1;
	memcpy(ARR_DATA_PTR(array), tags, sizeof(GdprAuditTag) * ntags);
	return PointerGetDatum(array);
}

static const char *
origin_name(void)
{
	static const char *const names[] = {
		[GDPR_ORIGIN_APPLICATION] = "application",
		[GDPR_ORIGIN_FORGET] = "forget",
		[GDPR_ORIGIN_RETENTION] = "retention",
	};

	return names[gdpr_origin_get()];
}

static Datum
seal(const GdprAuditRecord *record, int64 id, TimestampTz at)
{
	uint64 place[2] = {pg_hton64((uint64) id), pg_hton64((uint64) at)};

	return PointerGetDatum(gdpr_secret_seal("audit", place, sizeof(place),
											record->payload,
											record->payload_length));
}

static HeapTuple
form_record(const GdprAuditRecord *record, TimestampTz at, TupleDesc columns)
{
	Datum values[NCOLUMNS] = {0};
	bool nulls[NCOLUMNS];
	int64 id = next_id();

	values[COL_ID] = Int64GetDatum(id);
	values[COL_AT] = TimestampTzGetDatum(at);
	values[COL_XID] = FullTransactionIdGetDatum(GetTopFullTransactionId());
	values[COL_RELATION] = CStringGetTextDatum(record->relation);
	values[COL_OPERATION] = CStringGetTextDatum(record->operation);
	values[COL_ORIGIN] = CStringGetTextDatum(origin_name());
	values[COL_COLUMNS] = record->columns;
	values[COL_SUBJECT] = PointerGetDatum(record->subject);
	values[COL_TAGS] = record->ntags == 0
						   ? (Datum) 0
						   : tag_array(record->tags, record->ntags);
	values[COL_SESSION_ROLE] = who.session_role;
	values[COL_ROLE] = who.role;
	values[COL_ACTOR] = who.actor;
	values[COL_PURPOSE] = who.purpose;
	values[COL_APPLICATION] = who.application;
	values[COL_ADDRESS] = address;
	values[COL_PAYLOAD] = record->payload == NULL ? (Datum) 0
												  : seal(record, id, at);
	for (int i = 0; i < NCOLUMNS; i++)
		nulls[i] = values[i] == (Datum) 0;
	nulls[COL_ID] = nulls[COL_AT] = nulls[COL_XID] = false;
	values[COL_OWN] = Int16GetDatum(record->own);
	values[COL_KEYS] = Int16GetDatum(record->keys);
	values[COL_UP] = Int16GetDatum(record->up);
	nulls[COL_OWN] = nulls[COL_KEYS] = nulls[COL_UP] = false;
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
	list_free(gdpr_compat_insert_index_tuples(result, slot, estate));
	ExecCloseIndices(result);
	ExecDropSingleTupleTableSlot(slot);
	FreeExecutorState(estate);
}

void
gdpr_audit_write(const GdprAuditRecord *record)
{
	TimestampTz at = GetCurrentTimestamp();
	Relation leaf = open_partition(gdpr_audit_day(at));
	HeapTuple tuple;

	/* A library of another version than the extension's tables. */
	if (RelationGetDescr(leaf)->natts != NCOLUMNS)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table \"%s\" is not the audit log of this version",
						RelationGetRelationName(leaf)),
				 errhint("Run ALTER EXTENSION gdpr_ext UPDATE.")));
	find_who();
	if (!address_known)
		find_address();
	tuple = form_record(record, at, RelationGetDescr(leaf));
	heap_insert(leaf, tuple, GetCurrentCommandId(true), 0,
				gdpr_audit_page(leaf));
	if (leaf->rd_rel->relhasindex)
		insert_into_indexes(leaf, tuple);
	heap_freetuple(tuple);
	table_close(leaf, NoLock);
}
