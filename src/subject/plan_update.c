/*
 * plan_update.c
 *	  What changes in rows that stay: masks, and references set null.
 *
 * Rows of one physical relation that change alike share one update.  Whether a
 * row would change at all is asked from the server, so that a second erasure
 * of what is masked already changes nothing.  A pseudonym is made of the row's
 * primary key, which stays in the row anyway: it says nothing about the value
 * that it replaces, and comes out the same again.
 */
#include "base/compat.h"

#include "access/table.h"
#include "base/ident.h"
#include "catalog/pg_type.h"
#include "crypto/keyring.h"
#include "enctype/enctype.h"
#include "miscadmin.h"
#include "subject/plan.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/typcache.h"

static const GdprMask null_mask = {GDPR_MASK_NULL, NULL};

static bool
is_changed(const GdprPlanRow *row)
{
	return gdpr_plan_is_masked(row) ||
		   (row->action == GDPR_ACTION_UNLINK && !row->shared);
}

static GdprPlanUpdate *
update_of(GdprPlan *plan, GdprPlanRow *row)
{
	bool masked = gdpr_plan_is_masked(row);
	bool ended = masked && row->ended && row->ground == NULL;
	GdprPlanUpdate *update;
	ListCell *lc;

	foreach (lc, plan->updates)
	{
		update = lfirst(lc);
		if (update->leaf == row->leaf && update->masked == masked &&
			update->ended == ended &&
			list_difference_ptr(update->unlinks, row->unlinks) == NIL &&
			list_difference_ptr(row->unlinks, update->unlinks) == NIL)
			return update;
	}
	update = palloc0(sizeof(GdprPlanUpdate));
	update->leaf = row->leaf;
	update->masked = masked;
	update->ended = ended;
	update->unlinks = row->unlinks;
	plan->updates = lappend(plan->updates, update);
	return update;
}

static void
add_to_update(GdprPlanUpdate *update, GdprPlanRow *row)
{
	if (update->nrows == update->capacity)
	{
		update->capacity = Max(8, update->capacity * 2);
		update->rows = update->rows == NULL
						   ? palloc(sizeof(GdprPlanRow *) * update->capacity)
						   : repalloc_huge(update->rows, sizeof(GdprPlanRow *) *
															 update->capacity);
	}
	update->rows[update->nrows++] = row;
}

bool
gdpr_plan_has_set(const GdprPlanUpdate *update, AttrNumber attnum)
{
	ListCell *lc;

	foreach (lc, update->sets)
	{
		if (((GdprPlanSet *) lfirst(lc))->attnum == attnum)
			return true;
	}
	return false;
}

static GdprPlanSet *
add_set(GdprPlanUpdate *update, AttrNumber attnum, const GdprMask *mask)
{
	GdprPlanSet *set = palloc0(sizeof(GdprPlanSet));

	set->attnum = attnum;
	set->mask = *mask;
	update->sets = lappend(update->sets, set);
	return set;
}

static void
block_column(GdprPlan *plan, GdprPlanUpdate *update, AttrNumber attnum,
			 const char *why)
{
	gdpr_plan_block(plan, update->leaf->relid,
					update->masked ? "anonymise" : "unlink", update->nrows,
					"rows stay without this value",
					psprintf("column %s: %s",
							 gdpr_ident_column(update->leaf->relid, attnum),
							 why));
}

/* Those of its columns that may be null. */
static void
add_unlink(GdprPlan *plan, GdprPlanUpdate *update, const GdprLink *link)
{
	Relation rel = table_open(update->leaf->relid, AccessShareLock);
	bool any = false;
	AttrNumber attnum = InvalidAttrNumber;

	for (int i = 0; i < link->ncolumns; i++)
	{
		attnum = get_attnum(update->leaf->relid,
							get_attname(link->child_relid,
										link->child_columns[i], false));
		if (TupleDescAttr(RelationGetDescr(rel), attnum - 1)->attnotnull)
			continue;
		any = true;
		if (!gdpr_plan_has_set(update, attnum))
			add_set(update, attnum, &null_mask);
	}
	table_close(rel, NoLock);
	if (!any)
		block_column(plan, update, attnum,
					 "the reference is NOT NULL and cannot be taken off");
}

static bool
is_generated(Oid relid, AttrNumber attnum)
{
	return get_attgenerated(relid, attnum) != '\0';
}

/* The context of an encrypted column, NULL of others. */
static const GdprContext *
column_context(Oid relid, AttrNumber attnum, Oid *type)
{
	Oid collation;
	int32 typmod;

	get_atttypetypmodcoll(relid, attnum, type, &typmod, &collation);
	*type = getBaseTypeAndTypmod(*type, &typmod);
	return gdpr_enctype_is(*type) ? gdpr_keyring_context((uint32) typmod)
								  : NULL;
}

/* Whether the caller may put a mask into an encrypted column. */
static const char *
write_conflict(Oid relid, AttrNumber attnum, const GdprMask *mask)
{
	Oid type;
	const GdprContext *context = column_context(relid, attnum, &type);

	if (context == NULL || mask->strategy == GDPR_MASK_NULL ||
		gdpr_keyring_may(context, GetUserId(), GDPR_PRIV_WRITE))
		return NULL;
	return psprintf("missing privilege: write on context %s",
					quote_identifier(NameStr(context->name)));
}

static void
add_mask(GdprPlan *plan, GdprPlanUpdate *update, const GdprColumn *column)
{
	Oid relid = update->leaf->relid;
	AttrNumber attnum = get_attnum(relid, column->name);
	GdprMask mask;
	const char *conflict;

	if ((column->keep && !update->ended) || gdpr_plan_has_set(update, attnum) ||
		is_generated(relid, attnum))
		return;
	if (!gdpr_mask_parse(column->mask, &mask))
		conflict = "unknown mask";
	else
		conflict = gdpr_mask_conflict(relid, attnum, &mask);
	if (conflict == NULL)
		conflict = write_conflict(relid, attnum, &mask);
	if (conflict != NULL)
		block_column(plan, update, attnum, conflict);
	else
		add_set(update, attnum, &mask);
}

static void
find_sets(GdprPlan *plan, GdprPlanUpdate *update)
{
	ListCell *lc;

	foreach (lc, update->unlinks)
		add_unlink(plan, update, lfirst(lc));
	foreach (lc, update->leaf->relation->columns)
	{
		GdprColumn *column = lfirst(lc);

		if (update->masked &&
			gdpr_plan_covers(column->relid, false, update->leaf))
			add_mask(plan, update, column);
	}
}

/* The primary key's columns by the leaf's numbers; false when a mask is among them. */
static bool
identity_columns(const GdprPlanUpdate *update, StringInfo buf)
{
	const GdprRelation *relation = update->leaf->relation;

	for (int i = 0; i < relation->nprimary; i++)
	{
		char *name = get_attname(relation->relid, relation->primary[i], false);
		Oid type = getBaseType(
			get_atttype(relation->relid, relation->primary[i]));

		if (gdpr_plan_has_set(update, get_attnum(update->leaf->relid, name)))
			return false;
		appendStringInfo(
			buf, "%s%s", i == 0 ? "" : ", ",
			gdpr_key_canonical(type, psprintf("c.%s", quote_identifier(name))));
	}
	return relation->nprimary > 0;
}

static void
find_identities(GdprPlan *plan, GdprPlanUpdate *update, const char *columns)
{
	GdprArgs *args = gdpr_statement_args();
	GdprSqlScope scope;
	uint64 n;

	gdpr_sql_begin_canonical(&scope);
	gdpr_statement_arg(args, TIDARRAYOID,
					   gdpr_plan_tids(update->rows, update->nrows, NULL));
	n = gdpr_statement_run(
		psprintf(
			"SELECT c.ctid, pg_catalog.row_to_json(ROW(%s))::pg_catalog.text"
			" FROM %s WHERE %s",
			columns, gdpr_plan_from(update->leaf, "c"),
			gdpr_plan_where(update->leaf, "c", 1)),
		args, false, update->leaf->relation->label);
	for (uint64 i = 0; i < n; i++)
	{
		bool isnull;
		ItemPointer tid = (ItemPointer) DatumGetPointer(
			gdpr_statement_value(i, 1, &isnull));
		GdprPlanRow *row = gdpr_plan_row(plan, update->leaf->relid, tid);

		row->identity = MemoryContextStrdup(
			plan->context,
			TextDatumGetCString(gdpr_statement_value(i, 2, &isnull)));
	}
	SPI_freetuptable(SPI_tuptable);
	gdpr_sql_end_caller(&scope);
}

static void
make_bytes(const GdprPlanUpdate *update, const GdprPlanSet *set,
		   const GdprPlanRow *row, uint8 *bytes)
{
	StringInfoData buf;

	if (row->identity == NULL)
	{
		if (!pg_strong_random(bytes, GDPR_TAG_LEN))
			ereport(ERROR,
					(errcode(ERRCODE_INTERNAL_ERROR),
					 errmsg("could not generate a random pseudonym")));
		return;
	}
	initStringInfo(&buf);
	appendStringInfoString(&buf, update->leaf->relation->label);
	appendStringInfoChar(&buf, '\0');
	appendStringInfoString(&buf, get_attname(update->leaf->relid, set->attnum,
											 false));
	appendStringInfoChar(&buf, '\0');
	appendStringInfoString(&buf, row->identity);
	gdpr_keyring_pseudonym("mask", buf.data, buf.len, bytes);
	pfree(buf.data);
}

bool
gdpr_plan_update_is_per_row(const GdprPlanUpdate *update)
{
	ListCell *lc;

	foreach (lc, update->sets)
	{
		if (gdpr_mask_is_per_row(&((GdprPlanSet *) lfirst(lc))->mask))
			return true;
	}
	return false;
}

static void
find_pseudonyms(GdprPlan *plan, GdprPlanUpdate *update)
{
	StringInfoData columns;
	bool keyed;
	ListCell *lc;

	if (!gdpr_plan_update_is_per_row(update))
		return;
	initStringInfo(&columns);
	keyed = identity_columns(update, &columns);
	if (keyed)
		find_identities(plan, update, columns.data);
	foreach (lc, update->sets)
	{
		GdprPlanSet *set = lfirst(lc);
		uint8 bytes[GDPR_TAG_LEN];

		if (!gdpr_mask_is_per_row(&set->mask))
			continue;
		set->random = !keyed;
		set->pseudonyms = MemoryContextAlloc(plan->context,
											 sizeof(Datum) * update->nrows);
		for (int i = 0; i < update->nrows; i++)
		{
			MemoryContext old = MemoryContextSwitchTo(plan->context);

			make_bytes(update, set, update->rows[i], bytes);
			set->pseudonyms[i] = CStringGetTextDatum(
				gdpr_mask_pseudonym(update->leaf->relid, set->attnum, bytes));
			MemoryContextSwitchTo(old);
		}
	}
}

char *
gdpr_plan_set_value(const GdprPlanUpdate *update, const GdprPlanSet *set,
					int number)
{
	return gdpr_mask_expression(update->leaf->relid, set->attnum, &set->mask,
								psprintf("m.v%d", number));
}

static bool
is_null_set(const GdprPlanSet *set)
{
	return set->mask.strategy == GDPR_MASK_NULL;
}

static bool
wanted(const GdprPlanRow *row, bool pending_only)
{
	return !pending_only || row->pending;
}

static Datum
text_array(const GdprPlanUpdate *update, const GdprPlanSet *set,
		   bool pending_only)
{
	Datum *values = palloc(sizeof(Datum) * Max(update->nrows, 1));
	int n = 0;

	for (int i = 0; i < update->nrows; i++)
	{
		if (wanted(update->rows[i], pending_only))
			values[n++] = set->pseudonyms[i];
	}
	return PointerGetDatum(
		construct_array(values, n, TEXTOID, -1, false, TYPALIGN_INT));
}

static bool
is_pending(const GdprPlanRow *row)
{
	return row->pending;
}

/*
 * The addresses lead to the rows, one look-up each: so the join is by address
 * alone, and the planner is not told how many there are, which would let it
 * read the whole table instead.
 */
static char *
values_text(const GdprPlanUpdate *update, bool pending_only, int tids,
			GdprArgs *args)
{
	StringInfoData from;
	StringInfoData names;
	ListCell *lc;

	initStringInfo(&from);
	initStringInfo(&names);
	foreach (lc, update->sets)
	{
		GdprPlanSet *set = lfirst(lc);

		if (set->pseudonyms == NULL)
			continue;
		appendStringInfo(&from, ", pg_catalog.unnest((SELECT $%d))",
						 gdpr_statement_arg(args, TEXTARRAYOID,
											text_array(update, set,
													   pending_only)));
		appendStringInfo(&names, ", v%d", foreach_current_index(lc));
	}
	if (from.len == 0)
		return NULL;
	return psprintf("ROWS FROM (pg_catalog.unnest((SELECT $%d))%s) AS m(tid%s)",
					tids, from.data, names.data);
}

/* A value that is null already is nobody's and stays so. */
char *
gdpr_plan_update_sets(const GdprPlanUpdate *update)
{
	StringInfoData buf;
	ListCell *lc;

	initStringInfo(&buf);
	foreach (lc, update->sets)
	{
		GdprPlanSet *set = lfirst(lc);
		char *name = gdpr_ident_column(update->leaf->relid, set->attnum);
		char *value = gdpr_plan_set_value(update, set,
										  foreach_current_index(lc));

		appendStringInfoString(&buf,
							   foreach_current_index(lc) == 0 ? "" : ", ");
		if (is_null_set(set))
			appendStringInfo(&buf, "%s = %s", name, value);
		else
			appendStringInfo(
				&buf, "%s = CASE WHEN c.%s IS NULL THEN c.%s ELSE %s END", name,
				name, name, value);
	}
	return buf.data;
}

void
gdpr_plan_update_text(const GdprPlanUpdate *update, bool pending_only,
					  GdprArgs *args, GdprPlanText *text)
{
	Datum tids = gdpr_plan_tids(update->rows, update->nrows,
								pending_only ? is_pending : NULL);
	int arg = gdpr_statement_arg(args, TIDARRAYOID, tids);

	text->values = values_text(update, pending_only, arg, args);
	text->sets = gdpr_plan_update_sets(update);
	if (text->values == NULL)
		text->where = gdpr_plan_where(update->leaf, "c", arg);
	else
		text->where = gdpr_plan_where_tid(update->leaf, "c", "m.tid");
}

static bool
may_read(const GdprContext *context)
{
	return gdpr_keyring_may(context, GetUserId(), GDPR_PRIV_READ);
}

/* Is there no way to see whether the value is the mask's already? */
static bool
cannot_tell(const GdprPlanUpdate *update, const GdprPlanSet *set)
{
	Oid type;
	const GdprContext *context;

	if (set->random || is_null_set(set))
		return set->random;
	context = column_context(update->leaf->relid, set->attnum, &type);
	return context != NULL && !may_read(context);
}

/*
 * Is the stored value another than the mask's?  Encrypted columns compare the
 * plaintext, which works in read-only transactions too; types without equality
 * are compared as text.
 */
static char *
differs(const GdprPlanUpdate *update, const GdprPlanSet *set, int number)
{
	Oid relid = update->leaf->relid;
	char *name = psprintf("c.%s", gdpr_ident_column(relid, set->attnum));
	char *value = gdpr_plan_set_value(update, set, number);
	const GdprContext *context;
	Oid type;
	Oid equality;

	if (is_null_set(set) || cannot_tell(update, set))
		return psprintf("%s IS NOT NULL", name);
	context = column_context(relid, set->attnum, &type);
	equality = lookup_type_cache(type, TYPECACHE_EQ_OPR)->eq_opr;
	if (context != NULL)
	{
		char *plain = gdpr_ident_type(gdpr_enctype_base(type), -1);

		/* As the plain type prints them, in whatever way they were written. */
		equality = InvalidOid;
		name = psprintf("(%s)::%s", name, plain);
		value = psprintf("(%s)::pg_catalog.text::%s",
						 set->pseudonyms != NULL
							 ? psprintf("m.v%d", number)
							 : quote_literal_cstr(set->mask.constant),
						 plain);
	}
	if (OidIsValid(equality))
		return psprintf("(%s IS NOT NULL AND NOT (%s %s %s))", name, name,
						gdpr_ident_operator(equality), value);
	return psprintf(
		"(%s IS NOT NULL AND (%s)::pg_catalog.text OPERATOR(pg_catalog.<>)"
		" (%s)::pg_catalog.text)",
		name, name, value);
}

static char *
pending_condition(const GdprPlanUpdate *update, bool mark)
{
	StringInfoData buf;
	ListCell *lc;

	initStringInfo(&buf);
	foreach (lc, update->sets)
	{
		GdprPlanSet *set = lfirst(lc);

		if (!mark && cannot_tell(update, set))
			continue;
		appendStringInfo(&buf, "%s%s", buf.len == 0 ? "" : " OR ",
						 differs(update, set, foreach_current_index(lc)));
	}
	return buf.len == 0 ? NULL : buf.data;
}

char *
gdpr_plan_update_pending(const GdprPlanUpdate *update)
{
	return pending_condition(update, true);
}

int64
gdpr_plan_find_pending(GdprPlan *plan, GdprPlanUpdate *update, bool mark)
{
	char *condition = pending_condition(update, mark);
	GdprArgs *args = gdpr_statement_args();
	GdprPlanText text;
	uint64 n;

	if (condition == NULL || update->nrows == 0)
		return 0;
	gdpr_plan_update_text(update, false, args, &text);
	n = gdpr_statement_run(
		psprintf("SELECT c.ctid FROM %s%s%s WHERE %s AND (%s)",
				 gdpr_plan_from(update->leaf, "c"),
				 text.values == NULL ? "" : ", ",
				 text.values == NULL ? "" : text.values, text.where, condition),
		args, false, update->leaf->relation->label);
	for (uint64 i = 0; mark && i < n; i++)
	{
		bool isnull;
		ItemPointer tid = (ItemPointer) DatumGetPointer(
			gdpr_statement_value(i, 1, &isnull));

		gdpr_plan_row(plan, update->leaf->relid, tid)->pending = true;
	}
	SPI_freetuptable(SPI_tuptable);
	return (int64) n;
}

GdprPlanUpdate *
gdpr_plan_update_alone(GdprPlan *plan, GdprRelation *relation, Oid leaf)
{
	MemoryContext old = MemoryContextSwitchTo(plan->context);
	GdprPlanUpdate *update = palloc0(sizeof(GdprPlanUpdate));

	update->leaf = gdpr_plan_leaf(plan, relation, leaf);
	update->masked = true;
	find_sets(plan, update);
	MemoryContextSwitchTo(old);
	return update;
}

void
gdpr_plan_update_rows(GdprPlan *plan, GdprPlanUpdate *update,
					  const ItemPointerData *tids, int ntids)
{
	MemoryContext old = MemoryContextSwitchTo(plan->context);

	for (int i = 0; i < ntids; i++)
	{
		ItemPointerData tid = tids[i];

		add_to_update(update, gdpr_plan_add_row(plan, update->leaf->relation,
												update->leaf->relid, &tid));
	}
	MemoryContextSwitchTo(old);
	find_pseudonyms(plan, update);
}

void
gdpr_plan_find_updates(GdprPlan *plan)
{
	MemoryContext old = MemoryContextSwitchTo(plan->context);
	ListCell *lc;

	foreach (lc, plan->leaf_list)
	{
		GdprPlanLeaf *leaf = lfirst(lc);

		for (int i = 0; i < leaf->nrows; i++)
		{
			if (is_changed(leaf->rows[i]))
				add_to_update(update_of(plan, leaf->rows[i]), leaf->rows[i]);
		}
	}
	foreach (lc, plan->updates)
		find_sets(plan, lfirst(lc));
	MemoryContextSwitchTo(old);
	foreach (lc, plan->updates)
	{
		find_pseudonyms(plan, lfirst(lc));
		gdpr_plan_find_pending(plan, lfirst(lc), true);
		gdpr_plan_find_broken_checks(plan, lfirst(lc));
	}
}
