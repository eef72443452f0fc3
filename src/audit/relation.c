/*
 * relation.c
 *	  What is recorded of a protected relation, in a cache of each process.
 *
 * An entry is built when the first row of a relation is recorded and dropped
 * when the relation, or what is said about it, changes.  One that is in use
 * when that happens is only marked: it lives until the next look.
 */
#include "base/compat.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "audit/relation.h"
#include "base/ident.h"
#include "base/sql.h"
#include "catalog/namespace.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "enctype/enctype.h"
#include "enctype/typetree.h"
#include "executor/executor.h"
#include "optimizer/optimizer.h"
#include "registry/predicate.h"
#include "registry/registry.h"
#include "storage/proc.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/syscache.h"
#include "utils/uuid.h"

GDPR_FUNCTION(gdpr_audit_changed);

static HTAB *cache = NULL;
static Oid protected_relid = InvalidOid;
static GdprAuditRelation *last = NULL;
static LocalTransactionId outdated_after = InvalidLocalTransactionId;

/* ---- invalidation ---- */

static void
mark_all(void)
{
	HASH_SEQ_STATUS scan;
	GdprAuditRelation *entry;

	hash_seq_init(&scan, cache);
	while ((entry = hash_seq_search(&scan)) != NULL)
		entry->valid = false;
}

static void
relation_changed(Datum arg, Oid relid)
{
	GdprAuditRelation *entry;

	if (cache == NULL)
		return;
	if (!OidIsValid(relid) || relid == protected_relid)
	{
		mark_all();
		return;
	}
	entry = hash_search(cache, &relid, HASH_FIND, NULL);
	if (entry != NULL)
		entry->valid = false;
}

void
gdpr_audit_relation_init(void)
{
	CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
}

Datum
gdpr_audit_changed(PG_FUNCTION_ARGS)
{
	Oid relid = get_relname_relid("protected", gdpr_sql_schema());

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function must be called as a trigger")));
	if (OidIsValid(relid))
		CacheInvalidateRelcacheByRelid(relid);
	PG_RETURN_POINTER(NULL);
}

/* ---- which relation ---- */

/* The first column of gdpr.protected. */
#define ANUM_PROTECTED_RELATION 1

static Oid
our_relation(const char *name)
{
	return get_relname_relid(name, gdpr_sql_schema());
}

/*
 * Everybody's CREATE TABLE and ALTER TABLE comes here: a query would leave its
 * lock with their transactions, and take longer than they do.
 */
static bool
is_protected(Relation declared, Oid relid)
{
	ScanKeyData key;
	SysScanDesc scan;
	bool found;

	ScanKeyInit(&key, ANUM_PROTECTED_RELATION, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relid));
	scan = systable_beginscan(declared, our_relation("protected_pkey"), true,
							  NULL, 1, &key);
	found = HeapTupleIsValid(systable_getnext(scan));
	systable_endscan(scan);
	return found;
}

static List *
parents_of(Oid relid)
{
	Relation inherits = table_open(InheritsRelationId, AccessShareLock);
	List *parents = NIL;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;

	ScanKeyInit(&key, Anum_pg_inherits_inhrelid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(relid));
	scan = systable_beginscan(inherits, InheritsRelidSeqnoIndexId, true, NULL,
							  1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		parents = lappend_oid(parents,
							  ((Form_pg_inherits) GETSTRUCT(tuple))->inhparent);
	systable_endscan(scan);
	table_close(inherits, AccessShareLock);
	return parents;
}

/* Nearest first; a table may have several parents. */
static Oid
find_protected(Relation declared, Oid relid)
{
	ListCell *lc;

	if (is_protected(declared, relid))
		return relid;
	foreach (lc, parents_of(relid))
	{
		Oid found = find_protected(declared, lfirst_oid(lc));

		if (OidIsValid(found))
			return found;
	}
	return InvalidOid;
}

Oid
gdpr_audit_protected(Oid relid)
{
	Relation declared = table_open(our_relation("protected"), AccessShareLock);
	Oid result = find_protected(declared, relid);

	table_close(declared, AccessShareLock);
	return result;
}

/* ---- what is protected no longer ---- */

static const char *const
	has_sources = "SELECT 1 FROM gdpr.audit_source WHERE relation = $1 LIMIT 1";

/*
 * The relation or what it is a part of, of which the statement finds
 * something.  Nearest first.
 */
static Oid
find_above(Oid relid, const char *sql)
{
	Oid types[] = {OIDOID};
	Datum values[] = {ObjectIdGetDatum(relid)};
	List *parents = NIL;
	uint64 n;
	ListCell *lc;

	if (gdpr_sql_run(sql, 1, types, values, NULL, false, SPI_OK_SELECT) > 0)
		return relid;
	n = gdpr_sql_run(
		"SELECT inhparent FROM pg_inherits WHERE inhrelid = $1 ORDER BY inhseqno",
		1, types, values, NULL, false, SPI_OK_SELECT);
	for (uint64 i = 0; i < n; i++)
	{
		bool isnull;

		parents = lappend_oid(parents, DatumGetObjectId(
										   SPI_getbinval(SPI_tuptable->vals[i],
														 SPI_tuptable->tupdesc,
														 1, &isnull)));
	}
	foreach (lc, parents)
	{
		Oid found = find_above(lfirst_oid(lc), sql);

		if (OidIsValid(found))
			return found;
	}
	return InvalidOid;
}

/* ---- building ---- */

static GdprAuditSort
sort_of(Form_pg_attribute att, Oid base)
{
	if (gdpr_enctype_is(base))
		return GDPR_AUDIT_ENCRYPTED;
	if (gdpr_typetree_look(att->atttypid, att->atttypmod).encrypted)
		return GDPR_AUDIT_NESTED;
	switch (base)
	{
		case DATEOID:
		case TIMEOID:
		case TIMETZOID:
		case TIMESTAMPOID:
		case TIMESTAMPTZOID:
			return GDPR_AUDIT_TIME;
		default:
			return GDPR_AUDIT_PLAIN;
	}
}

static void
describe_column(GdprAuditColumn *column, Form_pg_attribute att,
				const List *excepted)
{
	bool isvarlena;
	Oid output;

	column->sort = GDPR_AUDIT_SKIP;
	if (att->attisdropped)
		return;
	column->base = getBaseType(att->atttypid);
	column->encrypted = gdpr_enctype_is(column->base);
	if (gdpr_ident_is_among(excepted, NameStr(att->attname)))
		return;
	column->sort = sort_of(att, column->base);
	column->typlen = att->attlen;
	column->typbyval = att->attbyval;
	column->name = pstrdup(NameStr(att->attname));
	getTypeOutputInfo(att->atttypid, &output, &isvarlena);
	fmgr_info_cxt(output, &column->output, CurrentMemoryContext);
}

/* Text of the other types may depend on settings of the session. */
static GdprAuditText
text_of(Oid type, bool of_person)
{
	if (gdpr_enctype_is(type))
		return of_person ? GDPR_AUDIT_PLAINTEXT : GDPR_AUDIT_TAG;
	switch (type)
	{
		case BPCHAROID:
			return GDPR_AUDIT_BLANKS;
		case NUMERICOID:
			/* The ledger's pseudonym is made of the text as it is. */
			return of_person ? GDPR_AUDIT_TEXT : GDPR_AUDIT_NUMERIC;
		case BOOLOID:
		case INT2OID:
		case INT4OID:
		case INT8OID:
		case TEXTOID:
		case VARCHAROID:
		case NAMEOID:
		case UUIDOID:
		case OIDOID:
			return GDPR_AUDIT_TEXT;
		default:
			return GDPR_AUDIT_CANONICAL;
	}
}

static void
describe_source(GdprAuditSource *source, Relation relation, const List *names)
{
	ListCell *lc;

	source->ncolumns = list_length(names);
	source->columns = palloc(sizeof(AttrNumber) * source->ncolumns);
	source->how = palloc0(sizeof(GdprAuditText) * source->ncolumns);
	source->output = palloc0(sizeof(FmgrInfo) * source->ncolumns);
	foreach (lc, names)
	{
		int i = foreach_current_index(lc);
		AttrNumber attnum = get_attnum(RelationGetRelid(relation), lfirst(lc));
		bool isvarlena;
		Oid output;
		Oid type;

		/* A column that is gone makes no tag: a null never does. */
		source->columns[i] = attnum;
		if (attnum <= 0)
			continue;
		type = getBaseType(get_atttype(RelationGetRelid(relation), attnum));
		source->how[i] = text_of(type, source->kind != NULL);
		getTypeOutputInfo(type, &output, &isvarlena);
		fmgr_info_cxt(output, &source->output[i], CurrentMemoryContext);
	}
	initStringInfo(&source->last);
}

static GdprAuditPart
part_of(const char *name)
{
	static const char *const names[] = {
		[GDPR_AUDIT_OWN] = "own",
		[GDPR_AUDIT_KEYS] = "keys",
		[GDPR_AUDIT_UP] = "up",
	};

	for (int i = 0; i < lengthof(names); i++)
	{
		if (strcmp(names[i], name) == 0)
			return (GdprAuditPart) i;
	}
	return GDPR_AUDIT_OWNS;
}

/* Columns are named in it, and numbered here as this relation has them. */
static ExprState *
condition_of(GdprAuditRelation *entry, const char *predicate)
{
	Node *condition;

	if (predicate == NULL)
		return NULL;
	if (entry->econtext == NULL)
		entry->econtext = CreateStandaloneExprContext();
	condition = gdpr_predicate_condition(entry->relid, predicate);
	return ExecInitQual(list_make1(expression_planner((Expr *) condition)),
						NULL);
}

static void
take_source(GdprAuditRelation *entry, Relation relation, SPITupleTable *rows,
			uint64 row)
{
	GdprAuditSource *source = &entry->sources[entry->nsources++];
	HeapTuple tuple = rows->vals[row];
	TupleDesc columns = rows->tupdesc;
	bool isnull;
	Datum value;
	MemoryContext old;

	source->part = part_of(SPI_getvalue(tuple, columns, 1));
	value = SPI_getbinval(tuple, columns, 3, &isnull);
	if (!isnull)
		memcpy(source->key, DatumGetUUIDP(value)->data, UUID_LEN);
	value = SPI_getbinval(tuple, columns, 4, &isnull);
	old = MemoryContextSwitchTo(entry->context);
	source->kind = SPI_getvalue(tuple, columns, 2);
	if (source->kind != NULL)
		source->kind = pstrdup(source->kind);
	describe_source(source, relation,
					gdpr_registry_list(DatumGetArrayTypePCopy(value)));
	source->condition = condition_of(entry, SPI_getvalue(tuple, columns, 5));
	MemoryContextSwitchTo(old);
}

static void
load_sources(GdprAuditRelation *entry, Relation relation, Oid top)
{
	Oid types[] = {OIDOID};
	Datum values[] = {ObjectIdGetDatum(top)};
	SPITupleTable *rows;
	uint64 n;

	n = gdpr_sql_run(
		"SELECT part, kind::text, key, columns, predicate FROM gdpr.audit_source "
		"WHERE relation = $1 ORDER BY part, kind NULLS LAST, key",
		1, types, values, NULL, false, SPI_OK_SELECT);
	entry->sources = MemoryContextAllocZero(entry->context,
											sizeof(GdprAuditSource) *
												Max(n, 1));
	rows = SPI_tuptable;
	for (uint64 i = 0; i < n; i++)
		take_source(entry, relation, rows, i);
}

/* While a column is converted, the second one says nothing that it does not. */
static List *
load_excepted(Oid top, Oid relid, MemoryContext context)
{
	Oid types[] = {OIDOID, OIDOID};
	Datum values[] = {ObjectIdGetDatum(top), ObjectIdGetDatum(relid)};
	MemoryContext old;
	List *result;
	bool isnull;
	Datum names;

	if (gdpr_sql_run(
			"WITH RECURSIVE up AS (SELECT $2 AS oid UNION SELECT i.inhparent "
			"FROM up JOIN pg_inherits i ON i.inhrelid = up.oid) "
			"SELECT p.except_columns || ARRAY(SELECT v.spare "
			"FROM gdpr.conversion v JOIN up ON up.oid = v.relation) "
			"FROM gdpr.protected p WHERE p.relation = $1",
			2, types, values, NULL, false, SPI_OK_SELECT) == 0)
		return NIL;
	names = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1,
						  &isnull);
	old = MemoryContextSwitchTo(context);
	result = gdpr_registry_list(DatumGetArrayTypePCopy(names));
	MemoryContextSwitchTo(old);
	return result;
}

bool
gdpr_audit_has_subject_keys(Oid top)
{
	Oid types[] = {OIDOID};
	Datum values[] = {ObjectIdGetDatum(top)};

	return gdpr_sql_run(
			   "SELECT 1 FROM gdpr.protected WHERE relation = $1 AND subject_keys",
			   1, types, values, NULL, false, SPI_OK_SELECT) > 0;
}

static void
build(GdprAuditRelation *entry, Relation relation)
{
	TupleDesc columns = RelationGetDescr(relation);
	MemoryContext old;
	GdprSqlScope scope;
	List *excepted;
	Oid top;

	/* Whatever changes while we read makes it invalid again. */
	entry->valid = true;
	protected_relid = get_relname_relid("protected", gdpr_sql_schema());
	gdpr_sql_begin_own(&scope);
	top = gdpr_audit_protected(RelationGetRelid(relation));
	excepted = load_excepted(top, RelationGetRelid(relation), entry->context);
	entry->subject_keys = gdpr_audit_has_subject_keys(top);
	/* Those of a relation that is protected no longer still find records. */
	if (!OidIsValid(top))
		top = find_above(RelationGetRelid(relation), has_sources);
	load_sources(entry, relation, top);
	gdpr_sql_end_own(&scope);
	old = MemoryContextSwitchTo(entry->context);
	entry->label = gdpr_ident_relation(RelationGetRelid(relation));
	entry->natts = columns->natts;
	entry->columns = palloc0(sizeof(GdprAuditColumn) * columns->natts);
	for (int i = 0; i < columns->natts; i++)
		describe_column(&entry->columns[i], TupleDescAttr(columns, i),
						excepted);
	MemoryContextSwitchTo(old);
}

static void
ensure_cache(void)
{
	HASHCTL ctl = {0};

	if (cache != NULL)
		return;
	ctl.keysize = sizeof(Oid);
	ctl.entrysize = sizeof(GdprAuditRelation);
	ctl.hcxt = TopMemoryContext;
	cache = hash_create("gdpr audited relations", 64, &ctl,
						HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

static GdprAuditRelation *
fresh_entry(Oid relid)
{
	GdprAuditRelation *entry;
	bool found;

	ensure_cache();
	entry = hash_search(cache, &relid, HASH_ENTER, &found);
	if (found && entry->context != NULL)
		MemoryContextDelete(entry->context);
	memset((char *) entry + sizeof(Oid), 0,
		   sizeof(GdprAuditRelation) - sizeof(Oid));
	entry->context = AllocSetContextCreate(TopMemoryContext,
										   "gdpr audited relation",
										   ALLOCSET_SMALL_SIZES);
	return entry;
}

/* A transaction with an old snapshot read what may not be true any more. */
static void
drop_outdated(void)
{
	if (outdated_after == InvalidLocalTransactionId ||
		outdated_after == GDPR_MY_LXID)
		return;
	mark_all();
	outdated_after = InvalidLocalTransactionId;
}

GdprAuditRelation *
gdpr_audit_relation(Relation relation)
{
	Oid relid = RelationGetRelid(relation);
	GdprAuditRelation *entry;

	if (last != NULL && last->relid == relid && last->valid &&
		outdated_after == InvalidLocalTransactionId)
		return last;
	last = NULL;
	ensure_cache();
	drop_outdated();
	entry = hash_search(cache, &relid, HASH_FIND, NULL);
	if (entry == NULL || !entry->valid)
	{
		entry = fresh_entry(relid);
		PG_TRY();
		{
			build(entry, relation);
		}
		PG_CATCH();
		{
			entry->valid = false;
			PG_RE_THROW();
		}
		PG_END_TRY();
		if (IsolationUsesXactSnapshot())
			outdated_after = GDPR_MY_LXID;
	}
	last = entry;
	return entry;
}
