/*
 * verify.c
 *	  Checks, in the erasing transaction, what is left of a person.
 *
 * The walk is run again with a latest snapshot and must find no row but those
 * that were to stay, and these without what they were to lose.  Where rows
 * refer to erased ones without a foreign key nothing leads to them any more,
 * so those values are remembered before and looked for after.
 */
#include "base/compat.h"

#include "access/xact.h"
#include "base/ident.h"
#include "catalog/pg_type.h"
#include "rights/execute.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"

/* The parents' values of one link, an array for each column. */
typedef struct Remembered
{
	GdprLink *link;
	GdprPlanLeaf *leaf;
	Oid *types;
	Datum *arrays;
} Remembered;

/* A row that stays, by its present address. */
typedef struct Survivor
{
	GdprRowId id;
	GdprPlanRow *row;
} Survivor;

/* ---- before ---- */

static bool
is_walked(const GdprPlanRow *row)
{
	return row->queued;
}

static char *
values_query(const GdprLink *link, const GdprPlanLeaf *leaf,
			 Remembered *remembered)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (int i = 0; i < link->ncolumns; i++)
	{
		Oid type = getBaseType(
			get_atttype(link->parent_relid, link->parent_columns[i]));

		remembered->types[i] = get_array_type(type);
		if (!OidIsValid(remembered->types[i]))
			return NULL;
		appendStringInfo(&buf, "%spg_catalog.array_agg(c.%s::%s)",
						 i == 0 ? "SELECT " : ", ",
						 gdpr_ident_column(link->parent_relid,
										   link->parent_columns[i]),
						 gdpr_ident_type(type, -1));
	}
	appendStringInfo(&buf, " FROM %s WHERE %s", gdpr_plan_from(leaf, "c"),
					 gdpr_plan_where(leaf, "c", 1));
	return buf.data;
}

static void
remember_link(GdprPlan *plan, GdprLink *link, GdprPlanLeaf *leaf, List **list)
{
	MemoryContext old = MemoryContextSwitchTo(plan->context);
	Remembered *remembered = palloc(sizeof(Remembered));
	GdprArgs *args = gdpr_statement_args();
	char *sql;

	remembered->link = link;
	remembered->leaf = leaf;
	remembered->types = palloc(sizeof(Oid) * link->ncolumns);
	remembered->arrays = palloc(sizeof(Datum) * link->ncolumns);
	sql = values_query(link, leaf, remembered);
	gdpr_statement_arg(args, TIDARRAYOID,
					   gdpr_plan_tids(leaf->rows, leaf->nrows, is_walked));
	MemoryContextSwitchTo(old);
	if (sql == NULL)
		return;
	gdpr_statement_run(sql, args, false, leaf->relation->label);
	for (int i = 0; i < link->ncolumns; i++)
	{
		bool isnull;
		Datum value = gdpr_statement_value(0, i + 1, &isnull);

		if (isnull)
			return;
		old = MemoryContextSwitchTo(plan->context);
		remembered->arrays[i] = datumCopy(value, false, -1);
		MemoryContextSwitchTo(old);
	}
	SPI_freetuptable(SPI_tuptable);
	old = MemoryContextSwitchTo(plan->context);
	*list = lappend(*list, remembered);
	MemoryContextSwitchTo(old);
}

List *
gdpr_verify_remember(GdprPlan *plan)
{
	List *list = NIL;
	GdprSqlScope scope;
	ListCell *lc;
	ListCell *ll;

	gdpr_sql_begin_caller(&scope);
	foreach (lc, plan->leaf_list)
	{
		GdprPlanLeaf *leaf = lfirst(lc);

		foreach (ll, leaf->relation->down)
		{
			GdprLink *link = lfirst(ll);

			if (!OidIsValid(link->constraint) &&
				gdpr_plan_covers(link->parent_relid, link->parent_only, leaf))
				remember_link(plan, link, leaf, &list);
		}
	}
	gdpr_sql_end_caller(&scope);
	return list;
}

/* ---- after ---- */

static HTAB *
survivors(GdprPlan *plan)
{
	HASHCTL ctl = {0};
	HTAB *table;
	HASH_SEQ_STATUS scan;
	GdprPlanRow *row;

	ctl.keysize = sizeof(GdprRowId);
	ctl.entrysize = sizeof(Survivor);
	ctl.hcxt = CurrentMemoryContext;
	table = hash_create("gdpr survivors", 64, &ctl,
						HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	hash_seq_init(&scan, plan->rows);
	while ((row = hash_seq_search(&scan)) != NULL)
	{
		bool there = gdpr_execute_refresh(row);
		GdprRowId id;

		if (there == gdpr_plan_is_deleted(row))
			gdpr_execute_incomplete(row->leaf);
		if (!there)
			continue;
		memset(&id, 0, sizeof(id));
		id.leaf = row->id.leaf;
		id.tid = row->now;
		((Survivor *) hash_search(table, &id, HASH_ENTER, NULL))->row = row;
	}
	return table;
}

static GdprPlanRow *
survivor(HTAB *table, Oid leaf, ItemPointer tid)
{
	GdprRowId id;
	Survivor *found;

	memset(&id, 0, sizeof(id));
	id.leaf = leaf;
	ItemPointerCopy(tid, &id.tid);
	found = hash_search(table, &id, HASH_FIND, NULL);
	return found == NULL ? NULL : found->row;
}

/* A row that stays must not be reached by a link that was to be taken off. */
static bool
is_still_linked(const GdprPlanRow *before, const GdprPlanRow *after)
{
	ListCell *lc;

	if (!before->pending)
		return false;
	foreach (lc, after->unlinks)
	{
		if (list_member_ptr(before->unlinks, lfirst(lc)))
			return true;
	}
	return false;
}

static void
check_walk(GdprPlan *plan, HTAB *staying)
{
	GdprSubject *subject = palloc(sizeof(GdprSubject));
	HASH_SEQ_STATUS scan;
	GdprPlanRow *row;

	*subject = *plan->subject;
	gdpr_key_refind(subject, false);
	if (!subject->found)
		return;
	hash_seq_init(&scan, gdpr_plan_walk(subject, GDPR_PLAN_SHOW)->rows);
	while ((row = hash_seq_search(&scan)) != NULL)
	{
		GdprPlanRow *before = survivor(staying, row->id.leaf, &row->id.tid);

		if (before == NULL || is_still_linked(before, row))
			gdpr_execute_incomplete(row->leaf);
	}
}

static char *
remaining_query(const Remembered *remembered, GdprArgs *args)
{
	const GdprLink *link = remembered->link;
	StringInfoData from;
	StringInfoData join;
	StringInfoData names;
	char *condition;
	char *source = gdpr_plan_source(link->child_relid, link->child->relid, "c",
									&condition);

	initStringInfo(&from);
	initStringInfo(&join);
	initStringInfo(&names);
	for (int i = 0; i < link->ncolumns; i++)
	{
		appendStringInfo(&from, "%spg_catalog.unnest($%d)", i == 0 ? "" : ", ",
						 gdpr_statement_arg(args, remembered->types[i],
											remembered->arrays[i]));
		appendStringInfo(&names, "%sk%d", i == 0 ? "" : ", ", i);
		appendStringInfo(&join, "%sp.k%d %s c.%s", i == 0 ? "" : " AND ", i,
						 gdpr_ident_operator(link->operators[i]),
						 gdpr_ident_column(link->child_relid,
										   link->child_columns[i]));
	}
	return psprintf(
		"SELECT c.tableoid, c.ctid FROM ROWS FROM (%s) AS p(%s) JOIN %s ON %s WHERE true%s%s",
		from.data, names.data, source, join.data, condition,
		link->predicate == NULL ? "" : psprintf(" AND (%s)", link->predicate));
}

static void
check_remembered(HTAB *staying, const Remembered *remembered)
{
	GdprArgs *args = gdpr_statement_args();
	uint64 n;

	n = gdpr_statement_run(remaining_query(remembered, args), args, false,
						   remembered->link->child->label);
	for (uint64 i = 0; i < n; i++)
	{
		bool isnull;
		Oid relid = DatumGetObjectId(gdpr_statement_value(i, 1, &isnull));
		ItemPointer tid = (ItemPointer) DatumGetPointer(
			gdpr_statement_value(i, 2, &isnull));
		GdprPlanLeaf leaf = {.relid = relid};

		if (survivor(staying, relid, tid) == NULL)
			gdpr_execute_incomplete(&leaf);
	}
	SPI_freetuptable(SPI_tuptable);
}

void
gdpr_verify_plan(GdprPlan *plan, List *remembered)
{
	GdprSqlScope scope;
	HTAB *staying;
	ListCell *lc;

	CommandCounterIncrement();
	staying = survivors(plan);
	check_walk(plan, staying);
	gdpr_sql_begin_pinned(&scope);
	foreach (lc, remembered)
		check_remembered(staying, lfirst(lc));
	gdpr_sql_end_caller(&scope);
	gdpr_sql_begin_caller(&scope);
	foreach (lc, plan->updates)
	{
		GdprPlanUpdate *update = lfirst(lc);

		if (gdpr_plan_find_pending(plan, update, false) > 0)
			gdpr_execute_incomplete(update->leaf);
	}
	gdpr_sql_end_caller(&scope);
}
