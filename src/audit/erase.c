/*
 * erase.c
 *	  A person's records: finding them, and taking the values out.
 *
 * A record belongs to the person when one of its tags is his, or is that of a
 * row of his.  Then its own row is one of his as well, and so on down: that
 * finds the line of an order that was deleted years before its customer.
 * Never up: a tag of what a row belongs to says nothing of whose that is.
 */
#include "base/compat.h"

#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "audit/erase.h"
#include "audit/guard.h"
#include "audit/relation.h"
#include "base/errors.h"
#include "base/sql.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "registry/registry.h"
#include "subject/key.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/snapmgr.h"
#include "utils/tuplestore.h"
#include "utils/uuid.h"

GDPR_FUNCTION(gdpr_audit_records);

/* A set of tags that grows, and what was not looked for yet. */
typedef struct TagSet
{
	HTAB *seen;
	List *fresh; /* GdprAuditTag * */
} TagSet;

struct GdprAuditPerson
{
	TagSet his;
	TagSet kept; /* of rows that stay whole */
	bool rows_only;
};

static void
init_set(TagSet *set)
{
	HASHCTL ctl = {0};

	ctl.keysize = sizeof(GdprAuditTag);
	ctl.entrysize = sizeof(GdprAuditTag);
	ctl.hcxt = CurrentMemoryContext;
	set->seen = hash_create("gdpr audit tags", 256, &ctl,
							HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	set->fresh = NIL;
}

static bool
has_tag(const TagSet *set, const GdprAuditTag *tag)
{
	return hash_search(set->seen, tag, HASH_FIND, NULL) != NULL;
}

static void
add_tag(TagSet *set, const GdprAuditTag *tag)
{
	bool found;
	GdprAuditTag *entry = hash_search(set->seen, tag, HASH_ENTER, &found);

	if (!found)
		set->fresh = lappend(set->fresh, entry);
}

/* An array of the tags, as $n of a statement. */
static Datum
tag_list(const List *tags)
{
	Datum *values = palloc(sizeof(Datum) * Max(list_length(tags), 1));
	int n = 0;
	ListCell *lc;

	foreach (lc, tags)
		values[n++] = PointerGetDatum(lfirst(lc));
	return PointerGetDatum(
		construct_array(values, n, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR));
}

static Datum
all_tags(const TagSet *set)
{
	HASH_SEQ_STATUS scan;
	GdprAuditTag *tag;
	List *tags = NIL;

	hash_seq_init(&scan, set->seen);
	while ((tag = hash_seq_search(&scan)) != NULL)
		tags = lappend(tags, tag);
	return tag_list(tags);
}

/* ---- what the plan knows ---- */

static void
add_own_tags(GdprAuditRelation *entry, TupleTableSlot *slot, TagSet *set)
{
	GdprAuditTags tags = {.subject = -1};

	slot_getallattrs(slot);
	gdpr_audit_add_tags(entry, true, slot->tts_values, slot->tts_isnull, &tags);
	for (int i = 0; i < tags.n; i++)
		add_tag(set, &tags.tags[i]);
}

/* Rows kept by law, and parents that are others' too, stay as they are. */
static bool
stays_whole(const GdprPlanRow *row)
{
	return row->shared ||
		   (!gdpr_plan_is_deleted(row) && !gdpr_plan_is_masked(row) &&
			row->action == GDPR_ACTION_KEEP);
}

/* Which rows a "refers" link reached are others', and never his. */
static bool
is_his(const GdprPlanRow *row)
{
	return row->owned || row->owns;
}

static void
take_leaf(GdprAuditPerson *person, const GdprPlanLeaf *leaf)
{
	Relation relation = table_open(leaf->relid, AccessShareLock);
	GdprAuditRelation *entry = gdpr_audit_relation(relation);
	TupleTableSlot *slot = table_slot_create(relation, NULL);
	Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());

	for (int i = 0; entry->nsources > 0 && i < leaf->nrows; i++)
	{
		GdprPlanRow *row = leaf->rows[i];

		if (!is_his(row) ||
			!table_tuple_fetch_row_version(relation, &row->now, snapshot, slot))
			continue;
		add_own_tags(entry, slot,
					 stays_whole(row) ? &person->kept : &person->his);
		ExecClearTuple(slot);
	}
	UnregisterSnapshot(snapshot);
	ExecDropSingleTupleTableSlot(slot);
	table_close(relation, NoLock);
}

static bool
anything_recorded(void)
{
	GdprSqlScope scope;
	bool result;

	gdpr_sql_begin_own(&scope);
	result = gdpr_sql_run("SELECT 1 FROM gdpr.audit_log LIMIT 1", 0, NULL, NULL,
						  NULL, false, SPI_OK_SELECT) > 0;
	gdpr_sql_end_own(&scope);
	return result;
}

static void
add_pseudonym(TagSet *set, const uint8 *pseudonym)
{
	GdprAuditTag tag;

	memcpy(tag.bytes, pseudonym, GDPR_TAG_LEN);
	add_tag(set, &tag);
}

GdprAuditPerson *
gdpr_audit_remember(GdprPlan *plan, const uint8 *pseudonym)
{
	GdprAuditPerson *person;
	ListCell *lc;

	if (!anything_recorded())
		return NULL;
	person = palloc0(sizeof(GdprAuditPerson));
	init_set(&person->his);
	init_set(&person->kept);
	foreach (lc, plan->leaf_list)
		take_leaf(person, lfirst(lc));
	if (pseudonym != NULL)
		add_pseudonym(&person->his, pseudonym);
	return person;
}

GdprAuditPerson *
gdpr_audit_remember_rows(Oid relid, const ItemPointerData *tids, int ntids)
{
	GdprPlanLeaf leaf = {.relid = relid, .nrows = ntids};
	GdprPlanRow *rows;
	GdprAuditPerson *person;

	if (!OidIsValid(gdpr_audit_protected(relid)) || !anything_recorded())
		return NULL;
	person = palloc0(sizeof(GdprAuditPerson));
	person->rows_only = true;
	init_set(&person->his);
	init_set(&person->kept);
	rows = palloc0(sizeof(GdprPlanRow) * Max(ntids, 1));
	leaf.rows = palloc(sizeof(GdprPlanRow *) * Max(ntids, 1));
	for (int i = 0; i < ntids; i++)
	{
		rows[i].now = tids[i];
		rows[i].owned = true;
		rows[i].action = GDPR_ACTION_DELETE;
		leaf.rows[i] = &rows[i];
	}
	take_leaf(person, &leaf);
	return person;
}

/* ---- the closure ---- */

static void
take_record_tags(GdprAuditPerson *person, uint64 row)
{
	bool isnull;
	int own = DatumGetInt16(SPI_getbinval(SPI_tuptable->vals[row],
										  SPI_tuptable->tupdesc, 1, &isnull));
	Datum array = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc,
								2, &isnull);
	Datum *tags;
	int n;

	deconstruct_array(DatumGetArrayTypeP(array), UUIDOID, UUID_LEN, false,
					  TYPALIGN_CHAR, &tags, NULL, &n);
	for (int i = 0; i < own && i < n; i++)
	{
		if (has_tag(&person->kept, (GdprAuditTag *) DatumGetUUIDP(tags[i])))
			return;
	}
	for (int i = 0; i < own && i < n; i++)
		add_tag(&person->his, (GdprAuditTag *) DatumGetUUIDP(tags[i]));
}

/* Until the records that are found name no row that was not known. */
static void
find_all(GdprAuditPerson *person)
{
	Oid types[] = {UUIDARRAYOID};

	while (person->his.fresh != NIL)
	{
		Datum values[] = {tag_list(person->his.fresh)};
		uint64 n;

		person->his.fresh = NIL;
		n = gdpr_sql_run("SELECT DISTINCT own, tags FROM gdpr.audit_log "
						 "WHERE tags && $1 AND own > 0",
						 1, types, values, NULL, false, SPI_OK_SELECT);
		for (uint64 row = 0; row < n; row++)
			take_record_tags(person, row);
		SPI_freetuptable(SPI_tuptable);
		CHECK_FOR_INTERRUPTS();
	}
}

/* Own tags are the first of an array. */
#define OF_HIM "tags && $1 AND NOT coalesce(tags[1:own] && $2, false)"

static int64
strip(GdprAuditPerson *person)
{
	Oid types[] = {UUIDARRAYOID, UUIDARRAYOID};
	Datum values[] = {all_tags(&person->his), all_tags(&person->kept)};
	uint64 n;

	n = gdpr_sql_run("UPDATE gdpr.audit_log SET payload = NULL "
					 "WHERE payload IS NOT NULL AND " OF_HIM,
					 2, types, values, NULL, false, SPI_OK_UPDATE);
	CommandCounterIncrement();
	if (gdpr_sql_run("SELECT 1 FROM gdpr.audit_log "
					 "WHERE payload IS NOT NULL AND " OF_HIM " LIMIT 1",
					 2, types, values, NULL, false, SPI_OK_SELECT) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_GDPR_ERASURE_INCOMPLETE),
				 errmsg("erasure of the audit log is incomplete"),
				 errhint("Rows changed meanwhile. Nothing was changed.")));
	return (int64) n;
}

int64
gdpr_audit_erase(GdprAuditPerson *person)
{
	bool before;
	GdprSqlScope scope;
	volatile int64 n = 0;

	if (person == NULL)
		return 0;
	CommandCounterIncrement();
	before = gdpr_audit_set_changing(true);
	PG_TRY();
	{
		gdpr_sql_begin_own(&scope);
		if (!person->rows_only)
			find_all(person);
		n = strip(person);
		gdpr_sql_end_own(&scope);
	}
	PG_FINALLY();
	{
		(void) gdpr_audit_set_changing(before);
	}
	PG_END_TRY();
	return n;
}

/* ---- gdpr.audit_records ---- */

static void
put_records(GdprAuditPerson *person, ReturnSetInfo *result)
{
	Oid types[] = {UUIDARRAYOID};
	Datum values[] = {all_tags(&person->his)};
	uint64 n;

	n = gdpr_sql_run("SELECT id FROM gdpr.audit_log WHERE tags && $1", 1, types,
					 values, NULL, false, SPI_OK_SELECT);
	for (uint64 row = 0; row < n; row++)
	{
		bool isnull = false;
		Datum id = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc,
								 1, &isnull);

		tuplestore_putvalues(result->setResult, result->setDesc, &id, &isnull);
	}
}

Datum
gdpr_audit_records(PG_FUNCTION_ARGS)
{
	GdprAuditPerson person;
	uint8 pseudonym[GDPR_TAG_LEN];
	GdprSubject *subject;
	GdprSqlScope scope;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	gdpr_registry_require(fcinfo, 0, "subject");
	/* Without his table: the auditor need not see it, nor the person be there. */
	subject = gdpr_key_name(text_to_cstring(PG_GETARG_TEXT_PP(0)),
							PG_ARGISNULL(1) ? NULL
											: NameStr(*PG_GETARG_NAME(1)));
	if (subject->key == NULL)
		return (Datum) 0;
	gdpr_key_pseudonym(NameStr(subject->map->kind), subject->key, pseudonym);
	init_set(&person.his);
	init_set(&person.kept);
	add_pseudonym(&person.his, pseudonym);
	gdpr_sql_begin_own(&scope);
	find_all(&person);
	put_records(&person, (ReturnSetInfo *) fcinfo->resultinfo);
	gdpr_sql_end_own(&scope);
	return (Datum) 0;
}
