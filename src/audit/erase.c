/*
 * erase.c
 *	  A person's records: finding them, and taking the values out.
 *
 * A record is the person's when it is about his own row, or about a row that
 * belonged to one of his when it was made; a row without an owner is his while
 * it is known to be.  So the line of an order is found that was deleted years
 * before its customer, and what became of an order after it was given to
 * somebody else is not.  Never up: of the rows that a row belongs to nothing
 * is known by it.  And by what is a key, but not the row's own, only children
 * are found: an address of mail may have another owner by now.
 */
#include "base/compat.h"

#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "audit/batch.h"
#include "audit/erase.h"
#include "audit/erased.h"
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
	TagSet self;  /* his own row; all that is about it is his */
	TagSet named; /* pseudonyms of him, where no row of his is known */
	TagSet rows;  /* rows that are his, himself included */
	TagSet keys;  /* by what else their children refer to them */
	TagSet owned; /* rows that his rows own, if nobody else's do */
	TagSet kept;  /* rows that stay whole */
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
add_tags(GdprAuditRelation *entry, GdprAuditPart part, TupleTableSlot *slot,
		 TagSet *set)
{
	GdprAuditTags tags = {.subject = -1};

	gdpr_audit_add_tags(entry, part, slot, &tags);
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
take_row(GdprAuditPerson *person, GdprAuditRelation *entry,
		 const GdprPlanRow *row, TupleTableSlot *slot)
{
	if (stays_whole(row))
	{
		add_tags(entry, GDPR_AUDIT_OWN, slot, &person->kept);
		return;
	}
	if (row->link == NULL)
		add_tags(entry, GDPR_AUDIT_OWN, slot, &person->self);
	add_tags(entry, GDPR_AUDIT_OWN, slot, &person->rows);
	add_tags(entry, GDPR_AUDIT_KEYS, slot, &person->keys);
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
		slot_getallattrs(slot);
		take_row(person, entry, row, slot);
		ExecClearTuple(slot);
	}
	UnregisterSnapshot(snapshot);
	ExecDropSingleTupleTableSlot(slot);
	table_close(relation, NoLock);
}

/* What an outer statement has not written yet could not be erased. */
static void
require_all_records(void)
{
	if (!gdpr_audit_flush())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("records of an outer statement are not in the audit log yet"),
				 errhint("Do not erase in an exception block of a trigger on a protected relation.")));
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

static GdprAuditPerson *
make_person(void)
{
	GdprAuditPerson *person = palloc0(sizeof(GdprAuditPerson));
	TagSet *sets[] = {&person->self, &person->named, &person->rows,
					  &person->keys, &person->owned, &person->kept};

	for (int i = 0; i < lengthof(sets); i++)
		init_set(sets[i]);
	return person;
}

GdprAuditPerson *
gdpr_audit_remember(GdprPlan *plan, const uint8 *pseudonym)
{
	GdprAuditPerson *person;
	ListCell *lc;

	require_all_records();
	if (!anything_recorded())
		return NULL;
	person = make_person();
	foreach (lc, plan->leaf_list)
		take_leaf(person, lfirst(lc));
	/* Of a person who was never protected his children may know. */
	if (pseudonym != NULL)
		add_pseudonym(&person->keys, pseudonym);
	return person;
}

GdprAuditPerson *
gdpr_audit_remember_rows(Oid relid, const ItemPointerData *tids, int ntids)
{
	GdprPlanLeaf leaf = {.relid = relid, .nrows = ntids};
	GdprPlanRow *rows;
	GdprAuditPerson *person;

	if (!OidIsValid(gdpr_audit_protected(relid)))
		return NULL;
	require_all_records();
	if (!anything_recorded())
		return NULL;
	person = make_person();
	person->rows_only = true;
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

/*
 * The records of the log: entry n of the row l, whose tags begin after b and
 * are w.
 */
#define OF_ROW                                                              \
	"gdpr.audit_entries(l.rows) n, "                                        \
	"LATERAL (SELECT pg_catalog.cardinality(l.tags) / l.rows AS w) width, " \
	"LATERAL (SELECT n * w AS b) base"
#define RECORDS "gdpr.audit_log l, " OF_ROW

/*
 * Is a record of his?  $1 to $4 are self, named, rows and keys.  All parts are
 * of one array, so that one index finds them: "tags && ..." comes before.
 */
#define OWN	 "l.tags[b + 1:b + l.own]"
#define KEYS "l.tags[b + l.own + 1:b + l.own + l.keys]"
#define UP	 "l.tags[b + l.own + l.keys + 1:b + l.own + l.keys + l.up]"
#define OWNS "l.tags[b + l.own + l.keys + l.up + 1:b + w]"
#define IS_HIS                                                  \
	"(" OWN " && $1 OR " KEYS " && $2 OR " UP " && ($3 || $4) " \
	"OR (l.up = 0 AND " OWN " && $3))"
#define MAY_BE_HIS "l.tags && ($1 || $2 || $3 || $4)"

typedef struct Arguments
{
	Oid types[6];
	Datum values[6];
} Arguments;

static void
fill_arguments(GdprAuditPerson *person, Datum fifth, Arguments *arguments)
{
	Datum values[] = {all_tags(&person->self),
					  all_tags(&person->named),
					  person->rows_only ? tag_list(NIL)
										: all_tags(&person->rows),
					  person->rows_only ? tag_list(NIL)
										: all_tags(&person->keys),
					  fifth,
					  all_tags(&person->kept)};

	for (int i = 0; i < lengthof(arguments->types); i++)
	{
		arguments->types[i] = UUIDARRAYOID;
		arguments->values[i] = values[i];
	}
}

static uint64
run(const char *sql, Arguments *arguments, int expected)
{
	return gdpr_sql_run(sql, lengthof(arguments->types), arguments->types,
						arguments->values, NULL, false, expected);
}

static int
number(uint64 row, int column)
{
	bool isnull;

	return DatumGetInt16(SPI_getbinval(SPI_tuptable->vals[row],
									   SPI_tuptable->tupdesc, column, &isnull));
}

static void
take_record_tags(GdprAuditPerson *person, uint64 row)
{
	int own;
	int keys;
	int up;
	bool isnull;
	Datum array = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc,
								4, &isnull);
	Datum *tags;
	int n;

	deconstruct_array(DatumGetArrayTypeP(array), UUIDOID, UUID_LEN, false,
					  TYPALIGN_CHAR, &tags, NULL, &n);
	/* A superuser may have written anything. */
	own = Min(number(row, 1), n);
	keys = Min(own + number(row, 2), n);
	up = Min(keys + number(row, 3), n);
	for (int i = 0; i < own; i++)
	{
		if (has_tag(&person->kept, (GdprAuditTag *) DatumGetUUIDP(tags[i])))
			return;
	}
	for (int i = 0; i < n; i++)
	{
		GdprAuditTag *tag = (GdprAuditTag *) DatumGetUUIDP(tags[i]);

		if (i < own)
			add_tag(&person->rows, tag);
		else if (i < keys)
			add_tag(&person->keys, tag);
		else if (i >= up)
			add_tag(&person->owned, tag);
	}
}

/* What is new in a set, which then is known. */
static List *
take_fresh(TagSet *set, List *fresh)
{
	fresh = list_concat(fresh, set->fresh);
	set->fresh = NIL;
	return fresh;
}

/* Until the records that are found name no row that was not known. */
static void
find_records(GdprAuditPerson *person)
{
	for (;;)
	{
		List *fresh = NIL;
		Arguments arguments;
		uint64 n;

		fresh = take_fresh(&person->self, fresh);
		fresh = take_fresh(&person->named, fresh);
		fresh = take_fresh(&person->rows, fresh);
		fresh = take_fresh(&person->keys, fresh);
		if (fresh == NIL)
			return;
		fill_arguments(person, tag_list(fresh), &arguments);
		n = run("SELECT DISTINCT l.own, l.keys, l.up, l.tags[b + 1:b + w] "
				"FROM " RECORDS " WHERE l.tags && $5 AND " IS_HIS
				" AND $6 IS NOT NULL",
				&arguments, SPI_OK_SELECT);
		for (uint64 row = 0; row < n; row++)
			take_record_tags(person, row);
		SPI_freetuptable(SPI_tuptable);
		CHECK_FOR_INTERRUPTS();
	}
}

/*
 * Rows that his rows owned are his too, unless a row of somebody else's ever
 * owned them as well.
 */
static void
take_owned(GdprAuditPerson *person)
{
	List *owned = take_fresh(&person->owned, NIL);
	Arguments arguments;
	ListCell *lc;
	uint64 n;
	TagSet others;

	if (owned == NIL)
		return;
	init_set(&others);
	fill_arguments(person, tag_list(owned), &arguments);
	n = run("SELECT DISTINCT t FROM " RECORDS ", unnest(" OWNS ") t "
			"WHERE l.tags && $5 AND t = ANY ($5) "
			"AND NOT " IS_HIS " AND $6 IS NOT NULL",
			&arguments, SPI_OK_SELECT);
	for (uint64 row = 0; row < n; row++)
	{
		bool isnull;

		add_tag(&others, (GdprAuditTag *) DatumGetUUIDP(
							 SPI_getbinval(SPI_tuptable->vals[row],
										   SPI_tuptable->tupdesc, 1, &isnull)));
	}
	SPI_freetuptable(SPI_tuptable);
	foreach (lc, owned)
	{
		if (!has_tag(&others, lfirst(lc)) &&
			!has_tag(&person->kept, lfirst(lc)))
			add_tag(&person->rows, lfirst(lc));
	}
}

static void
find_all(GdprAuditPerson *person)
{
	do
	{
		find_records(person);
		take_owned(person);
	} while (person->rows.fresh != NIL);
}

/* Records whose values are to go. */
#define TO_STRIP                                            \
	IS_HIS " AND NOT " OWN " && $6 AND $5 IS NOT NULL AND " \
		   "gdpr.audit_has_values(l.payload, l.id, l.at, n)"
#define HAS_VALUES "l.payload IS NOT NULL AND " MAY_BE_HIS

static int64
count_to_strip(Arguments *arguments)
{
	bool isnull;

	run("SELECT count(*) FROM " RECORDS " WHERE " HAS_VALUES " AND " TO_STRIP,
		arguments, SPI_OK_SELECT);
	return DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0],
									   SPI_tuptable->tupdesc, 1, &isnull));
}

static int64
strip(GdprAuditPerson *person)
{
	Arguments arguments;
	int64 n;

	fill_arguments(person, tag_list(NIL), &arguments);
	n = count_to_strip(&arguments);
	if (n == 0)
		return 0;
	run("UPDATE gdpr.audit_log l SET payload = gdpr.audit_strip(l.payload, "
		"l.id, l.at, ARRAY(SELECT n FROM " OF_ROW " WHERE " TO_STRIP ")) "
		"WHERE " HAS_VALUES " AND EXISTS (SELECT FROM " OF_ROW
		" WHERE " TO_STRIP ")",
		&arguments, SPI_OK_UPDATE);
	CommandCounterIncrement();
	if (count_to_strip(&arguments) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_GDPR_ERASURE_INCOMPLETE),
				 errmsg("erasure of the audit log is incomplete"),
				 errhint("Rows changed meanwhile. Nothing was changed.")));
	return n;
}

/* What is recorded of him from now on, in this transaction. */
static void
remember_erased(GdprAuditPerson *person)
{
	TagSet *sets[] = {&person->self, &person->named, &person->rows};

	for (int i = 0; i < lengthof(sets); i++)
	{
		HASH_SEQ_STATUS scan;
		GdprAuditTag *tag;

		hash_seq_init(&scan, sets[i]->seen);
		while ((tag = hash_seq_search(&scan)) != NULL)
			gdpr_audit_erased_add(tag);
	}
}

int64
gdpr_audit_erase(GdprAuditPerson *person)
{
	bool before;
	GdprSqlScope scope;
	volatile int64 n = 0;

	if (person == NULL)
		return 0;
	require_all_records();
	CommandCounterIncrement();
	before = gdpr_audit_set_changing(true);
	PG_TRY();
	{
		gdpr_sql_begin_own(&scope);
		if (!person->rows_only)
			find_all(person);
		n = strip(person);
		remember_erased(person);
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
	Arguments arguments;
	uint64 n;

	fill_arguments(person, tag_list(NIL), &arguments);
	n = run("SELECT l.id + n FROM " RECORDS " WHERE " MAY_BE_HIS " AND " IS_HIS
			" AND $5 IS NOT NULL AND $6 IS NOT NULL",
			&arguments, SPI_OK_SELECT);
	for (uint64 row = 0; row < n; row++)
	{
		bool isnull = false;
		Datum id = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc,
								 1, &isnull);

		tuplestore_putvalues(result->setResult, result->setDesc, &id, &isnull);
	}
}

static void
find_trail(const GdprSubject *subject, ReturnSetInfo *result)
{
	GdprAuditPerson *person = make_person();
	uint8 pseudonym[GDPR_TAG_LEN];

	gdpr_key_pseudonym(NameStr(subject->map->kind), subject->key, pseudonym);
	add_pseudonym(&person->self, pseudonym);
	add_pseudonym(&person->named, pseudonym);
	add_pseudonym(&person->keys, pseudonym);
	find_all(person);
	put_records(person, result);
}

Datum
gdpr_audit_records(PG_FUNCTION_ARGS)
{
	GdprSubject *subject;
	GdprSqlScope scope;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	gdpr_registry_require(fcinfo, 0, "subject");
	(void) gdpr_audit_flush();
	/* The auditor need not see the table, nor the person be there. */
	gdpr_sql_begin_own(&scope);
	subject = gdpr_key_name(text_to_cstring(PG_GETARG_TEXT_PP(0)),
							PG_ARGISNULL(1) ? NULL
											: NameStr(*PG_GETARG_NAME(1)));
	if (subject->key != NULL)
		find_trail(subject, (ReturnSetInfo *) fcinfo->resultinfo);
	gdpr_sql_end_own(&scope);
	return (Datum) 0;
}
