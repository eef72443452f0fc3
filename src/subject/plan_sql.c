/*
 * plan_sql.c
 *	  Text and rights shared by all statements of a plan.
 *
 * Every name and operator is qualified: the caller's search_path stays in
 * force, because the tables' own triggers may depend on it.
 */
#include "base/compat.h"

#include "base/ident.h"
#include "base/rows.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "subject/plan.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"

static bool
may_select(Oid relid)
{
	return pg_class_aclcheck(relid, GetUserId(), ACL_SELECT) == ACLCHECK_OK;
}

char *
gdpr_plan_source(Oid relid, Oid top, const char *alias, char **condition)
{
	StringInfoData buf;
	ListCell *lc;

	*condition = "";
	if (relid == top || may_select(relid) || !may_select(top))
		return psprintf("%s AS %s", gdpr_ident_relation(relid), alias);
	initStringInfo(&buf);
	appendStringInfo(&buf, " AND %s.tableoid IN (", alias);
	foreach (lc, find_all_inheritors(relid, AccessShareLock, NULL))
		appendStringInfo(&buf, "%s%u::pg_catalog.oid",
						 foreach_current_index(lc) ? ", " : "", lfirst_oid(lc));
	appendStringInfoChar(&buf, ')');
	*condition = buf.data;
	return psprintf("%s AS %s", gdpr_ident_relation(top), alias);
}

char *
gdpr_plan_from(const GdprPlanLeaf *leaf, const char *alias)
{
	if (leaf->direct)
		return psprintf("ONLY %s AS %s", gdpr_ident_relation(leaf->relid),
						alias);
	return psprintf("%s AS %s", gdpr_ident_relation(leaf->relation->relid),
					alias);
}

char *
gdpr_plan_where_tid(const GdprPlanLeaf *leaf, const char *alias,
					const char *tids)
{
	char *tid = psprintf("%s.ctid OPERATOR(pg_catalog.=) %s", alias, tids);

	if (leaf->direct)
		return tid;
	return psprintf(
		"%s AND %s.tableoid OPERATOR(pg_catalog.=) %u::pg_catalog.oid", tid,
		alias, leaf->relid);
}

char *
gdpr_plan_where(const GdprPlanLeaf *leaf, const char *alias, int arg)
{
	return gdpr_plan_where_tid(leaf, alias, psprintf("ANY ($%d)", arg));
}

Datum
gdpr_plan_tids(GdprPlanRow **rows, int nrows,
			   bool (*keep)(const GdprPlanRow *row))
{
	ItemPointerData *tids = palloc(sizeof(ItemPointerData) * Max(nrows, 1));
	int n = 0;

	for (int i = 0; i < nrows; i++)
	{
		if (keep == NULL || keep(rows[i]))
			tids[n++] = rows[i]->now;
	}
	return gdpr_statement_tids(tids, n);
}

char *
gdpr_plan_join(const GdprLink *link, const char *parent, const char *child)
{
	StringInfoData buf;

	initStringInfo(&buf);
	for (int i = 0; i < link->ncolumns; i++)
		appendStringInfo(
			&buf, "%s%s.%s %s %s.%s", i == 0 ? "" : " AND ", parent,
			gdpr_ident_column(link->parent_relid, link->parent_columns[i]),
			gdpr_ident_operator(link->operators[i]), child,
			gdpr_ident_column(link->child_relid, link->child_columns[i]));
	return buf.data;
}

static bool
same_blocker(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

void
gdpr_plan_block(GdprPlan *plan, Oid relid, const char *action, int64 rows,
				const char *reason, const char *blocker)
{
	MemoryContext old = MemoryContextSwitchTo(plan->context);
	GdprPlanNote *note = plan->notes == NIL ? NULL : llast(plan->notes);

	if (note != NULL && note->relid == relid &&
		strcmp(note->action, action) == 0 &&
		strcmp(note->reason, reason) == 0 &&
		same_blocker(note->blocker, blocker))
	{
		if (rows > 0)
			note->rows += rows;
		MemoryContextSwitchTo(old);
		return;
	}
	note = palloc0(sizeof(GdprPlanNote));
	note->relid = relid;
	note->action = action;
	note->rows = rows;
	note->reason = pstrdup(reason);
	note->blocker = blocker == NULL ? NULL : pstrdup(blocker);
	plan->notes = lappend(plan->notes, note);
	MemoryContextSwitchTo(old);
}

/*
 * Export runs into the server's own errors instead: it has no line to show
 * what it left out.
 */
bool
gdpr_plan_readable(GdprPlan *plan, Oid relid, const char *action)
{
	const char *lack = NULL;

	if (plan->mode == GDPR_PLAN_EXPORT)
		return true;
	if (!may_select(relid))
		lack = "missing privilege: SELECT";
	else if (gdpr_rows_hidden(relid, ACL_SELECT))
		lack = "row security hides rows from this role";
	if (lack != NULL && !list_member_oid(plan->denied, relid))
	{
		MemoryContext old = MemoryContextSwitchTo(plan->context);

		plan->denied = lappend_oid(plan->denied, relid);
		MemoryContextSwitchTo(old);
		gdpr_plan_block(plan, relid, action, -1,
						"its rows cannot be looked for", lack);
	}
	return lack == NULL;
}
