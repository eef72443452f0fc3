/*
 * destroy.c
 *	  The end of a key, or of a context: after a look at every value that could
 *	  still need it.
 *
 * That look needs no right to the tables and shows nobody a value: it reads
 * heads, without a statement, a policy or a function of anybody's.  It sees
 * what is committed; what is not cannot be there, because
 *	- the key is retired, committed, so who begins now does not seal with it,
 *	  and who had begun before has ended: that is waited for, and
 *	- the tables are locked against writers, prepared transactions included.
 * Temporary tables of other sessions cannot be read.
 */
#include "base/compat.h"

#include "access/relation.h"
#include "access/tableam.h"
#include "base/ident.h"
#include "base/options.h"
#include "base/sql.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "crypto/keyring.h"
#include "enctype/enctype.h"
#include "enctype/nested.h"
#include "enctype/typetree.h"
#include "enctype/value.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

GDPR_FUNCTION(gdpr_destroy_key);
GDPR_FUNCTION(gdpr_retire_context);
GDPR_FUNCTION(gdpr_destroy_context);

/* As many places as a message lists. */
#define MOST_LISTED 10

typedef struct Search
{
	uint32 context;
	uint16 version; /* 0: any, and keys of persons */
	int64 found;	/* in the column that is being looked at */
	int places;
	StringInfoData list;
} Search;

/* Transactions that began before the key was seen as retired. */
static void
wait_for_others(void)
{
	int count;
	VirtualTransactionId *others = GetCurrentVirtualXIDs(InvalidTransactionId,
														 false, false,
														 PROC_IS_AUTOVACUUM |
															 PROC_IN_VACUUM,
														 &count);

	for (int i = 0; i < count; i++)
		(void) VirtualXactLock(others[i], true);
	pfree(others);
}

static Datum
count_value(Datum value, void *arg, bool *changed)
{
	Search *search = arg;
	GdprBytes head = gdpr_value_head(value);
	GdprEnvelope env;

	if (gdpr_envelope_peek(head.data, head.length, &env) &&
		!(env.flags & (GDPR_FLAG_INFLIGHT | GDPR_FLAG_ERASED)) &&
		env.context == search->context &&
		(search->version == 0 || env.key_version == search->version))
		search->found++;
	return value;
}

/* Can the column hold values of the context? */
static bool
may_hold(Form_pg_attribute column, uint32 context)
{
	int32 typmod = column->atttypmod;
	Oid typid;

	if (column->attisdropped ||
		!gdpr_typetree_look(column->atttypid, typmod).encrypted)
		return false;
	typid = getBaseTypeAndTypmod(column->atttypid, &typmod);
	return !gdpr_enctype_is(typid) || typmod < 0 || (uint32) typmod == context;
}

/* Numbers, from 0, of the columns to look at. */
static List *
find_columns(Relation relation, uint32 context)
{
	TupleDesc desc = RelationGetDescr(relation);
	List *result = NIL;

	for (int i = 0; i < desc->natts; i++)
	{
		if (may_hold(TupleDescAttr(desc, i), context))
			result = lappend_int(result, i);
	}
	return result;
}

static void
search_row(TupleTableSlot *slot, List *columns, int64 *found, Search *search)
{
	ListCell *lc;

	foreach (lc, columns)
	{
		int i = lfirst_int(lc);
		bool isnull;
		bool changed = false;
		Datum value = slot_getattr(slot, i + 1, &isnull);

		if (isnull)
			continue;
		search->found = 0;
		(void) gdpr_nested_map(
			TupleDescAttr(slot->tts_tupleDescriptor, i)->atttypid, value,
			count_value, search, &changed);
		found[i] += search->found;
	}
}

static void
note_places(Relation relation, List *columns, const int64 *found,
			Search *search)
{
	ListCell *lc;

	foreach (lc, columns)
	{
		int i = lfirst_int(lc);
		Oid relid = RelationGetRelid(relation);

		if (found[i] == 0)
			continue;
		if (++search->places <= MOST_LISTED)
			appendStringInfo(&search->list, "%s%s.%s: " INT64_FORMAT,
							 search->places > 1 ? ", " : "",
							 gdpr_ident_relation(relid),
							 gdpr_ident_column(relid, i + 1), found[i]);
	}
}

static void
search_rows(Relation relation, List *columns, Search *search)
{
	Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
	TableScanDesc scan = table_beginscan(relation, snapshot, 0, NULL);
	TupleTableSlot *slot = table_slot_create(relation, NULL);
	int64 *found = palloc0(sizeof(int64) *
						   RelationGetNumberOfAttributes(relation));
	MemoryContext work = AllocSetContextCreate(CurrentMemoryContext,
											   "gdpr_ext destroy_key",
											   ALLOCSET_DEFAULT_SIZES);

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		MemoryContext old = MemoryContextSwitchTo(work);

		CHECK_FOR_INTERRUPTS();
		search_row(slot, columns, found, search);
		MemoryContextSwitchTo(old);
		MemoryContextReset(work);
	}
	MemoryContextDelete(work);
	ExecDropSingleTupleTableSlot(slot);
	table_endscan(scan);
	UnregisterSnapshot(snapshot);
	note_places(relation, columns, found, search);
}

static void
search_relation(Oid relid, Search *search)
{
	Relation relation = try_relation_open(relid, ShareLock);
	List *columns;

	if (relation == NULL)
		return;
	columns = find_columns(relation, search->context);
	if (columns != NIL && !RELATION_IS_OTHER_TEMP(relation) &&
		relation->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
		search_rows(relation, columns, search);
	relation_close(relation, NoLock);
}

/*
 * Tables and materialized views with a column of a type that is not the
 * server's own, in the order of their numbers: everybody locks them so.
 */
static List *
candidates(MemoryContext mcxt)
{
	List *result = NIL;
	uint64 count = gdpr_sql_run(
		"SELECT DISTINCT c.oid FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
		" WHERE c.relkind IN ('r', 'p', 'm') AND a.attnum > 0 AND NOT a.attisdropped"
		" AND a.atttypid >= 16384 ORDER BY 1",
		0, NULL, NULL, NULL, true, SPI_OK_SELECT);

	for (uint64 i = 0; i < count; i++)
	{
		bool isnull;
		Oid relid = DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[i],
												   SPI_tuptable->tupdesc, 1,
												   &isnull));
		MemoryContext old = MemoryContextSwitchTo(mcxt);

		if (gdpr_typetree_relation(relid))
			result = lappend_oid(result, relid);
		MemoryContextSwitchTo(old);
	}
	return result;
}

/* The columns that hold what is searched for, and how much; NULL: none. */
static const char *
find_values(const char *context, int version, MemoryContext mcxt)
{
	Search search = {.context = gdpr_keyring_hash(context), .version = version};
	List *relids = candidates(mcxt);
	ListCell *lc;

	initStringInfo(&search.list);
	foreach (lc, relids)
		search_relation(lfirst_oid(lc), &search);
	if (search.places > MOST_LISTED)
		appendStringInfo(&search.list, ", and in %d more columns",
						 search.places - MOST_LISTED);
	return search.places > 0 ? search.list.data : NULL;
}

/* Raises where a value has the key. */
static void
refuse_used(const char *context, int version, MemoryContext mcxt)
{
	const char *places = find_values(context, version, mcxt);

	if (places != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("the key of version %d of context \"%s\" is still needed", version, context),
				 errdetail("Values that have it: %s.", places),
				 errhint("Move them with CALL gdpr.reencrypt(relation); to lose them, give the option \"lose_values\".")));
}

static void
refuse_used_context(const char *context, MemoryContext mcxt)
{
	const char *places = find_values(context, 0, mcxt);

	if (places != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("context \"%s\" is still needed", context),
				 errdetail("Values of it: %s.", places),
				 errhint("Move them into another context with gdpr.encrypt_column; to lose them, give the option \"lose_values\".")));
}

/* A column, or a domain, whose values belong to the context; NULL: none. */
static const char *
find_declared(const char *context)
{
	Oid types[] = {INT4OID};
	Datum values[] = {Int32GetDatum((int32) gdpr_keyring_hash(context))};
	uint64 n = gdpr_sql_run(
		"SELECT coalesce(nullif(t.typelem, 0), t.oid), a.attrelid::regclass::text || '.' || quote_ident(a.attname)"
		" FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid"
		" WHERE a.atttypmod = $1 AND a.attnum > 0 AND NOT a.attisdropped AND t.oid >= 16384"
		" AND EXISTS (SELECT 1 FROM pg_class c WHERE c.oid = a.attrelid AND c.relkind IN ('r', 'p', 'm', 'f', 'c'))"
		" UNION ALL SELECT coalesce(nullif(b.typelem, 0), b.oid), t.oid::regtype::text"
		" FROM pg_type t JOIN pg_type b ON b.oid = t.typbasetype WHERE t.typtypmod = $1 AND b.oid >= 16384"
		" ORDER BY 2",
		1, types, values, NULL, false, SPI_OK_SELECT);

	for (uint64 i = 0; i < n; i++)
	{
		HeapTuple row = SPI_tuptable->vals[i];
		bool isnull;

		if (gdpr_enctype_is(DatumGetObjectId(
				SPI_getbinval(row, SPI_tuptable->tupdesc, 1, &isnull))))
			return SPI_getvalue(row, SPI_tuptable->tupdesc, 2);
	}
	return NULL;
}

static void
refuse_declared(const char *context)
{
	const char *declared = find_declared(context);

	if (declared != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("%s belongs to context \"%s\"", declared, context),
				 errhint("Move its values into another context with gdpr.encrypt_column, or drop it.")));
}

/* gdpr.retire_context(context name) */
Datum
gdpr_retire_context(PG_FUNCTION_ARGS)
{
	char *context = NameStr(*PG_GETARG_NAME(0));
	GdprSqlScope scope;

	gdpr_sql_begin_own(&scope);
	gdpr_keyring_lock();
	refuse_declared(context);
	gdpr_keyring_retire_context(context);
	gdpr_sql_end_own(&scope);
	PG_RETURN_VOID();
}

/* gdpr.destroy_context(context name, options jsonb) */
Datum
gdpr_destroy_context(PG_FUNCTION_ARGS)
{
	char *context = NameStr(*PG_GETARG_NAME(0));
	bool lose_values = false;
	const GdprOption known[] = {{.name = "lose_values", .flag = &lose_values}};
	MemoryContext mcxt = CurrentMemoryContext;
	GdprSqlScope scope;

	gdpr_options_parse(PG_GETARG_JSONB_P(1), known, lengthof(known));
	gdpr_sql_begin_own(&scope);
	gdpr_keyring_require_context_retired(context);
	/* As below. */
	if (!lose_values)
		wait_for_others();
	gdpr_keyring_lock();
	gdpr_keyring_require_context_retired(context);
	refuse_declared(context);
	if (!lose_values)
		refuse_used_context(context, mcxt);
	gdpr_keyring_destroy_context(context);
	gdpr_sql_end_own(&scope);
	PG_RETURN_VOID();
}

/* gdpr.destroy_key(context name, version integer, options jsonb) */
Datum
gdpr_destroy_key(PG_FUNCTION_ARGS)
{
	char *context = NameStr(*PG_GETARG_NAME(0));
	int version = PG_GETARG_INT32(1);
	bool lose_values = false;
	const GdprOption known[] = {{.name = "lose_values", .flag = &lose_values}};
	MemoryContext mcxt = CurrentMemoryContext;
	GdprSqlScope scope;

	gdpr_options_parse(PG_GETARG_JSONB_P(2), known, lengthof(known));
	gdpr_sql_begin_own(&scope);
	gdpr_keyring_require_retired(context, version);
	/* With no lock yet that one of them could wait for. */
	if (!lose_values)
		wait_for_others();
	gdpr_keyring_lock();
	gdpr_keyring_require_retired(context, version);
	if (!lose_values)
		refuse_used(context, version, mcxt);
	gdpr_keyring_destroy(context, version);
	gdpr_sql_end_own(&scope);
	PG_RETURN_VOID();
}
