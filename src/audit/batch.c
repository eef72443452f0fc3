/*
 * batch.c
 *	  Records of one statement, gathered into rows of the log.
 *
 * Most of what a record cost was room: pages that are added to the log.  What
 * the records of one statement have in common, which is most of it, is
 * therefore written once for as many of them as a tuple holds that need not be
 * toasted, and their values are sealed together.
 *
 * A statement that fires its triggers between begin and end gathers; any other
 * (the apply worker's, and what constraints do at the end of the transaction)
 * writes each record at once.  Triggers run statements of their own, with
 * levels of their own.  A level's records are written only in the
 * subtransaction in which it began: they go with its rows, never with those of
 * a subtransaction within a trigger.
 */
#include "base/compat.h"

#include "access/heaptoast.h"
#include "access/xact.h"
#include "audit/batch.h"
#include "audit/person.h"
#include "audit/values.h"
#include "crypto/secret.h"
#include "utils/array.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* Header, numbers, lengths of what varies, and what aligning adds. */
#define FIXED_SIZE 128

/* The time of a record is that of its row's first; they differ by no more. */
#define LONGEST_TIME (100 * INT64CONST(1000))

/* Numbers that a row of the log takes where others take some in between. */
#define RUN 32

typedef struct Level
{
	SubTransactionId subxid;
	GdprAuditBatch *batch; /* NULL: nothing gathered */
	bool writing;
	bool interleaved; /* statements in its triggers take numbers too */
} Level;

static Level *levels = NULL;
static int capacity = 0;
static int depth = 0;

/* ---- a batch ---- */

static GdprAuditBatch *
start_batch(const GdprAuditRecord *record, GdprAuditWho *who, int run)
{
	MemoryContext context = AllocSetContextCreate(TopTransactionContext,
												  "gdpr audit batch",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	GdprAuditBatch *batch = palloc0(sizeof(GdprAuditBatch));

	batch->context = context;
	batch->id = gdpr_audit_take_ids(run);
	batch->ids = run;
	batch->at = GetCurrentTimestamp();
	batch->origin = gdpr_origin_get();
	batch->shared = *record;
	batch->shared.relation = pstrdup(record->relation);
	batch->shared.operation = pstrdup(record->operation);
	if (record->columns != (Datum) 0)
		batch->shared.columns = PointerGetDatum(
			DatumGetArrayTypePCopy(record->columns));
	initStringInfo(&batch->tags);
	initStringInfo(&batch->payload);
	initStringInfo(&batch->one);
	MemoryContextSwitchTo(old);
	batch->who = who;
	gdpr_audit_who_pin(who);
	return batch;
}

static void
drop_batch(GdprAuditBatch *batch)
{
	gdpr_audit_who_unpin(batch->who);
	MemoryContextDelete(batch->context);
}

static void
add_record(GdprAuditBatch *batch, const GdprAuditRecord *record)
{
	appendBinaryStringInfo(&batch->tags, (const char *) record->tags,
						   (int) sizeof(GdprAuditTag) * record->ntags);
	if (record->payload != NULL)
	{
		resetStringInfo(&batch->one);
		gdpr_audit_person_seal(record, &batch->one);
		gdpr_audit_put(&batch->payload, batch->one.data, batch->one.len);
	}
	batch->rows++;
}

static bool
same_columns(Datum a, Datum b)
{
	if (a == (Datum) 0 || b == (Datum) 0)
		return a == b;
	return VARSIZE(DatumGetPointer(a)) == VARSIZE(DatumGetPointer(b)) &&
		   memcmp(DatumGetPointer(a), DatumGetPointer(b),
				  VARSIZE(DatumGetPointer(a))) == 0;
}

static bool
is_alike(const GdprAuditRecord *a, const GdprAuditRecord *b)
{
	return a->own == b->own && a->keys == b->keys && a->up == b->up &&
		   a->ntags == b->ntags && a->subject == b->subject &&
		   (a->payload == NULL) == (b->payload == NULL) &&
		   strcmp(a->operation, b->operation) == 0 &&
		   strcmp(a->relation, b->relation) == 0 &&
		   same_columns(a->columns, b->columns);
}

static bool
has_room(const GdprAuditBatch *batch, const GdprAuditRecord *record)
{
	Size size = FIXED_SIZE + GDPR_SECRET_OVERHEAD + batch->who->size +
				strlen(batch->shared.relation) + batch->tags.len +
				batch->payload.len + sizeof(GdprAuditTag) * record->ntags +
				record->payload_length + GDPR_AUDIT_PERSON_OVERHEAD +
				GDPR_AUDIT_LENGTH_MAX;

	if (batch->shared.columns != (Datum) 0)
		size += VARSIZE(DatumGetPointer(batch->shared.columns));
	return size <= TOAST_TUPLE_THRESHOLD && batch->rows < PG_INT16_MAX;
}

static bool
fits(const GdprAuditBatch *batch, const GdprAuditRecord *record,
	 const GdprAuditWho *who)
{
	return batch->who == who && batch->origin == gdpr_origin_get() &&
		   is_alike(&batch->shared, record) && has_room(batch, record) &&
		   GetCurrentTimestamp() - batch->at <= LONGEST_TIME;
}

/* The numbers of a row follow each other. */
static bool
has_id(GdprAuditBatch *batch)
{
	if (batch->rows < batch->ids)
		return true;
	if (!gdpr_audit_take_id(batch->id + batch->ids))
		return false;
	batch->ids++;
	return true;
}

/* ---- levels ---- */

/*
 * After an error the abort drops what is there.  An index of the DBA's may run
 * anything: levels may move meanwhile, and what is being written is not
 * written twice.
 */
static void
write_level(int i)
{
	GdprAuditBatch *batch = levels[i].batch;
	MemoryContext old;

	if (batch == NULL || levels[i].writing)
		return;
	levels[i].writing = true;
	old = MemoryContextSwitchTo(batch->context);
	gdpr_audit_insert(batch);
	MemoryContextSwitchTo(old);
	levels[i].writing = false;
	levels[i].batch = NULL;
	drop_batch(batch);
}

/* To the innermost level. */
static void
add_to_level(const GdprAuditRecord *record)
{
	GdprAuditWho *who = gdpr_audit_who();
	int i = depth - 1;
	GdprAuditBatch *batch = levels[i].batch;

	if (batch != NULL && !fits(batch, record, who))
		write_level(i);
	else if (batch != NULL && !has_id(batch))
	{
		levels[i].interleaved = true;
		write_level(i);
	}
	if (levels[i].batch == NULL)
		levels[i].batch = start_batch(record, who,
									  levels[i].interleaved ? RUN : 1);
	add_record(levels[i].batch, record);
}

/* Is there a level that was begun in this subtransaction? */
static bool
is_gathering(void)
{
	return depth > 0 && !levels[depth - 1].writing &&
		   levels[depth - 1].subxid == GetCurrentSubTransactionId();
}

void
gdpr_audit_write(const GdprAuditRecord *record)
{
	if (is_gathering())
	{
		add_to_level(record);
		return;
	}
	gdpr_audit_begin();
	add_to_level(record);
	gdpr_audit_end();
}

static void
make_room(void)
{
	if (levels == NULL)
	{
		levels = MemoryContextAlloc(TopMemoryContext, 16 * sizeof(Level));
		capacity = 16;
		return;
	}
	levels = repalloc(levels, 2 * capacity * sizeof(Level));
	capacity *= 2;
}

void
gdpr_audit_begin(void)
{
	if (depth == capacity)
		make_room();
	levels[depth] = (Level){.subxid = GetCurrentSubTransactionId()};
	depth++;
}

void
gdpr_audit_end(void)
{
	Assert(depth > 0);
	write_level(depth - 1);
	depth--;
}

bool
gdpr_audit_flush(void)
{
	SubTransactionId subxid = GetCurrentSubTransactionId();
	bool all = true;

	for (int i = 0; i < depth; i++)
	{
		if (levels[i].subxid == subxid)
			write_level(i);
		else if (levels[i].batch != NULL)
			all = false;
	}
	return all;
}

/* ---- ends of transactions ---- */

static void
leave_level(void)
{
	Level *level = &levels[--depth];

	if (level->batch != NULL)
		drop_batch(level->batch);
}

static void
at_transaction_end(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PARALLEL_ABORT:
			while (depth > 0)
				leave_level();
			break;
		default:
			break;
	}
}

/* Subtransactions within have greater numbers, and are over. */
static void
at_subtransaction_end(SubXactEvent event, SubTransactionId mine,
					  SubTransactionId parent, void *arg)
{
	if (event != SUBXACT_EVENT_ABORT_SUB)
		return;
	while (depth > 0 && levels[depth - 1].subxid >= mine)
		leave_level();
}

void
gdpr_audit_batch_init(void)
{
	RegisterXactCallback(at_transaction_end, NULL);
	RegisterSubXactCallback(at_subtransaction_end, NULL);
}
