/*
 * plan_check.c
 *	  CHECK constraints that masks or missing references would break.
 *
 * The server is asked about the rows as they would be: a constraint may look at
 * more columns than those that change.
 */
#include "base/compat.h"

#include "access/sysattr.h"
#include "access/table.h"
#include "nodes/nodes.h"
#include "optimizer/optimizer.h"
#include "subject/plan.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"

/* The columns of the leaf as they will be, by name. */
static char *
future_columns(const GdprPlanUpdate *update, Relation rel)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (int i = 0; i < RelationGetNumberOfAttributes(rel); i++)
	{
		Form_pg_attribute att = TupleDescAttr(RelationGetDescr(rel), i);
		const char *name = quote_identifier(NameStr(att->attname));
		char *value = psprintf("c.%s", name);
		ListCell *lc;

		if (att->attisdropped)
			continue;
		foreach (lc, update->sets)
		{
			GdprPlanSet *set = lfirst(lc);

			if (set->attnum != att->attnum)
				continue;
			value = gdpr_plan_set_value(update, set, foreach_current_index(lc));
			if (set->mask.strategy != GDPR_MASK_NULL)
				value = psprintf("CASE WHEN c.%s IS NULL THEN c.%s ELSE %s END",
								 name, name, value);
		}
		appendStringInfo(&buf, "%s%s AS %s", buf.len == 0 ? "" : ", ", value,
						 name);
	}
	return buf.data;
}

/*
 * Does the check look at a column that is set, and at no whole row?  One that
 * is not valid may be broken by any change of an old row.
 */
static bool
check_concerns(const GdprPlanUpdate *update, Node *check, bool valid)
{
	Bitmapset *columns = NULL;
	int i = -1;
	bool concerns = !valid;

	pull_varattnos(check, 1, &columns);
	while ((i = bms_next_member(columns, i)) >= 0)
	{
		AttrNumber attnum = i + FirstLowInvalidHeapAttributeNumber;

		if (attnum == InvalidAttrNumber)
			return false;
		concerns |= gdpr_plan_has_set(update, attnum);
	}
	return concerns;
}

/* CHECK constraints as "(check) IS FALSE" over the future rows, and their names. */
static List *
check_texts(const GdprPlanUpdate *update, Relation rel, List **names)
{
	TupleConstr *constraints = RelationGetDescr(rel)->constr;
	List *texts = NIL;

	for (int i = 0; constraints != NULL && i < constraints->num_check; i++)
	{
		Node *check = stringToNode(constraints->check[i].ccbin);

		if (!check_concerns(update, check, constraints->check[i].ccvalid))
			continue;
		texts = lappend(
			texts,
			psprintf("pg_catalog.bool_or((%s) IS FALSE)",
					 deparse_expression(
						 check, deparse_context_for("c", RelationGetRelid(rel)),
						 true, false)));
		*names = lappend(*names, pstrdup(constraints->check[i].ccname));
	}
	return texts;
}

static char *
join_texts(List *texts)
{
	StringInfoData buf;
	ListCell *lc;

	initStringInfo(&buf);
	foreach (lc, texts)
		appendStringInfo(&buf, "%s%s", lc == list_head(texts) ? "" : ", ",
						 (char *) lfirst(lc));
	return buf.data;
}

static void
run_checks(GdprPlan *plan, GdprPlanUpdate *update, Relation rel, List *texts,
		   List *names)
{
	GdprArgs *args = gdpr_statement_args();
	GdprPlanText text;
	ListCell *lc;

	gdpr_plan_update_text(update, false, args, &text);
	gdpr_statement_run(
		psprintf("SELECT %s FROM (SELECT %s FROM %s%s%s WHERE %s) AS c",
				 join_texts(texts), future_columns(update, rel),
				 gdpr_plan_from(update->leaf, "c"),
				 text.values == NULL ? "" : ", ",
				 text.values == NULL ? "" : text.values, text.where),
		args, false, update->leaf->relation->label);
	foreach (lc, names)
	{
		bool isnull;
		Datum broken = gdpr_statement_value(0, foreach_current_index(lc) + 1,
											&isnull);

		if (!isnull && DatumGetBool(broken))
			gdpr_plan_block(plan, update->leaf->relid,
							update->masked ? "anonymise" : "unlink",
							update->nrows, "rows stay without some values",
							psprintf("they would break check constraint %s",
									 quote_identifier(lfirst(lc))));
	}
	SPI_freetuptable(SPI_tuptable);
}

void
gdpr_plan_find_broken_checks(GdprPlan *plan, GdprPlanUpdate *update)
{
	Relation rel = table_open(update->leaf->relid, AccessShareLock);
	List *names = NIL;
	List *texts = check_texts(update, rel, &names);

	if (texts != NIL)
		run_checks(plan, update, rel, texts, names);
	table_close(rel, NoLock);
}
