/*
 * verify.c
 *	  gdpr.verify_values(relation): is every value under the key that it should
 *	  be under?  Says how many are not and where, and shows none.
 *
 * A value that somebody moved from one person's row into another's, past the
 * trigger, still opens: its own person's key does that.  Here it is seen.
 */
#include "base/compat.h"

#include "access/table.h"
#include "access/tableam.h"
#include "audit/relation.h"
#include "base/ident.h"
#include "base/sql.h"
#include "catalog/pg_type.h"
#include "crypto/subject_key.h"
#include "enctype/value.h"
#include "executor/tuptable.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "registry/registry.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

GDPR_FUNCTION(gdpr_verify_values);

#define BATCH 1000

/* Places of values that are not right, for one line of the result. */
#define PLACES 10

typedef enum Finding
{
	OF_PERSON,	   /* under the key of the row's person */
	OF_CONTEXT,	   /* under the context's, and the row names nobody */
	NOT_YET,	   /* under the context's, though it names somebody */
	OF_ANOTHER,	   /* under another person's key */
	OF_ERASED,	   /* under a key that is destroyed */
	DOES_NOT_OPEN, /* does not authenticate, or is no value */
	NO_KEY,		   /* the key is not here */
	ERASED,		   /* itself */
	FINDINGS
} Finding;

static const struct
{
	const char *name;
	bool good;
} findings[] = {
	[OF_PERSON] = {"key of the person", true},
	[OF_CONTEXT] = {"key of the context", true},
	[NOT_YET] = {"not moved to the person's key", false},
	[OF_ANOTHER] = {"another person's", false},
	[OF_ERASED] = {"of an erased person", false},
	[DOES_NOT_OPEN] = {"corrupt", false},
	[NO_KEY] = {"key not available", false},
	[ERASED] = {"erased", true},
};

typedef struct Tally
{
	int64 count[FINDINGS];
	List *places[FINDINGS]; /* text, "relation (block,tuple)" */
} Tally;

typedef struct Look
{
	Oid relid; /* as named */
	int natts;
	Tally *tallies; /* by column of the relation named */
	MemoryContext result;
	MemoryContext row;
} Look;

static bool
opens(const GdprEnvelope *env, GdprOpened *opened)
{
	uint8 *buffer = palloc(env->length + 1);

	*opened = gdpr_value_open(env, buffer);
	explicit_bzero(buffer, env->length);
	pfree(buffer);
	return *opened == GDPR_OPENED;
}

/* wanted: id of the key of the row's person, NULL where he has none. */
static Finding
judge(Datum value, bool names_person, const uint8 *wanted)
{
	GdprBytes bytes = gdpr_value_bytes(PG_DETOAST_DATUM_PACKED(value));
	GdprEnvelope env;
	GdprOpened opened;

	if (gdpr_envelope_parse(bytes.data, bytes.length, &env) != GDPR_ENVELOPE_OK)
		return DOES_NOT_OPEN;
	if (env.flags & GDPR_FLAG_ERASED)
		return ERASED;
	if (!opens(&env, &opened))
		return opened == GDPR_OPEN_GONE		? OF_ERASED
			   : opened == GDPR_OPEN_NO_KEY ? NO_KEY
											: DOES_NOT_OPEN;
	if (env.subject == NULL)
		return names_person ? NOT_YET : OF_CONTEXT;
	return wanted != NULL &&
				   memcmp(env.subject, wanted, GDPR_SUBJECT_ID_LEN) == 0
			   ? OF_PERSON
			   : OF_ANOTHER;
}

static void
count_value(Look *scan, Relation leaf, ItemPointer tid, AttrNumber attnum,
			Finding finding)
{
	const char *name = NameStr(
		TupleDescAttr(RelationGetDescr(leaf), attnum)->attname);
	Tally *tally = &scan->tallies[get_attnum(scan->relid, name) - 1];

	tally->count[finding]++;
	if (!findings[finding].good && list_length(tally->places[finding]) < PLACES)
	{
		MemoryContext old = MemoryContextSwitchTo(scan->result);

		tally->places[finding] = lappend(
			tally->places[finding],
			psprintf("%s (%u,%u)", gdpr_ident_relation(RelationGetRelid(leaf)),
					 ItemPointerGetBlockNumber(tid),
					 ItemPointerGetOffsetNumber(tid)));
		MemoryContextSwitchTo(old);
	}
}

static void
judge_row(Look *scan, Relation leaf, ItemPointer tid, TupleTableSlot *slot)
{
	GdprAuditRelation *entry = gdpr_audit_relation(leaf);
	uint8 id[GDPR_SUBJECT_ID_LEN];
	GdprAuditTag tag;
	bool named;
	bool has_key;

	slot_getallattrs(slot);
	named = gdpr_audit_person(entry, slot, &tag);
	has_key = named && gdpr_subject_key_find(tag.bytes, id);
	for (int i = 0; i < entry->natts; i++)
	{
		if (entry->columns[i].encrypted && !slot->tts_isnull[i])
			count_value(scan, leaf, tid, i,
						judge(slot->tts_values[i], named, has_key ? id : NULL));
	}
}

/* The row as the caller's query saw it, if it is there yet. */
static void
look_at_row(Look *scan, Oid leaf, ItemPointer tid, Snapshot snapshot)
{
	Relation relation = table_open(leaf, AccessShareLock);
	TupleTableSlot *slot = table_slot_create(relation, NULL);

	if (table_tuple_fetch_row_version(relation, tid, snapshot, slot))
		judge_row(scan, relation, tid, slot);
	ExecDropSingleTupleTableSlot(slot);
	table_close(relation, NoLock);
}

static void
look_at_batch(Look *scan, Snapshot snapshot)
{
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple row = SPI_tuptable->vals[i];
		TupleDesc columns = SPI_tuptable->tupdesc;
		bool isnull;
		Oid leaf = DatumGetObjectId(SPI_getbinval(row, columns, 1, &isnull));
		ItemPointer tid = (ItemPointer) DatumGetPointer(
			SPI_getbinval(row, columns, 2, &isnull));
		MemoryContext old = MemoryContextSwitchTo(scan->row);

		CHECK_FOR_INTERRUPTS();
		look_at_row(scan, leaf, tid, snapshot);
		MemoryContextSwitchTo(old);
		MemoryContextReset(scan->row);
	}
}

/* Rows are found as the caller, who needs SELECT and sees what he may see. */
static void
look_at_rows(Look *scan)
{
	char *sql = psprintf("SELECT c.tableoid, c.ctid FROM %s c",
						 gdpr_ident_relation(scan->relid));
	GdprSqlScope scope;
	SPIPlanPtr plan;
	Portal cursor;

	gdpr_sql_begin_caller(&scope);
	plan = SPI_prepare(sql, 0, NULL);
	if (plan == NULL)
		elog(ERROR, "cannot prepare a look at the relation");
	cursor = SPI_cursor_open(NULL, plan, NULL, NULL, true);
	do
	{
		SPI_cursor_fetch(cursor, true, BATCH);
		look_at_batch(scan, GetActiveSnapshot());
		SPI_freetuptable(SPI_tuptable);
	} while (SPI_processed > 0);
	SPI_cursor_close(cursor);
	gdpr_sql_end_caller(&scope);
}

static Datum
places_array(const List *places)
{
	Datum *values = palloc(sizeof(Datum) * Max(list_length(places), 1));
	int n = 0;
	ListCell *lc;

	foreach (lc, places)
		values[n++] = CStringGetTextDatum(lfirst(lc));
	return PointerGetDatum(
		construct_array(values, n, TEXTOID, -1, false, TYPALIGN_INT));
}

static void
put_tally(FunctionCallInfo fcinfo, const char *column, const Tally *tally)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	NameData name;

	namestrcpy(&name, column);
	for (int i = 0; i < FINDINGS; i++)
	{
		Datum values[] = {NameGetDatum(&name),
						  CStringGetTextDatum(findings[i].name),
						  BoolGetDatum(findings[i].good),
						  Int64GetDatum(tally->count[i]),
						  places_array(tally->places[i])};
		bool nulls[lengthof(values)] = {false};

		if (tally->count[i] > 0)
			tuplestore_putvalues(result->setResult, result->setDesc, values,
								 nulls);
	}
}

static void
require_subject_keys(Oid relid)
{
	GdprSqlScope scope;
	bool has_keys;

	gdpr_sql_begin_own(&scope);
	has_keys = gdpr_audit_has_subject_keys(gdpr_audit_protected(relid));
	gdpr_sql_end_own(&scope);
	if (!has_keys)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("relation %s has no keys of persons", gdpr_ident_relation(relid)),
				 errhint("Give it some with gdpr.protect and the option \"subject_keys\"; gdpr.check_column looks at one column of any relation.")));
}

static int
count_columns(Oid relid)
{
	Relation relation = table_open(relid, AccessShareLock);
	int natts = RelationGetNumberOfAttributes(relation);

	table_close(relation, NoLock);
	return natts;
}

/* gdpr.verify_values(relation regclass) */
Datum
gdpr_verify_values(PG_FUNCTION_ARGS)
{
	Oid relid = PG_GETARG_OID(0);
	Look scan = {.relid = relid, .result = CurrentMemoryContext};

	gdpr_registry_check_relation(relid);
	require_subject_keys(relid);
	InitMaterializedSRF(fcinfo, 0);
	scan.natts = count_columns(relid);
	scan.tallies = palloc0(sizeof(Tally) * Max(scan.natts, 1));
	scan.row = AllocSetContextCreate(CurrentMemoryContext,
									 "gdpr_ext verify_values",
									 ALLOCSET_DEFAULT_SIZES);
	look_at_rows(&scan);
	for (int i = 0; i < scan.natts; i++)
	{
		char *column = get_attname(relid, i + 1, true);

		if (column != NULL)
			put_tally(fcinfo, column, &scan.tallies[i]);
	}
	MemoryContextDelete(scan.row);
	PG_RETURN_NULL();
}
