/*
 * show.c
 *	  gdpr.forget_plan: what forget would do with a person's rows, and why.
 */
#include "base/compat.h"

#include "base/ident.h"
#include "funcapi.h"
#include "registry/registry.h"
#include "rights/ledger.h"
#include "subject/plan.h"
#include "utils/builtins.h"
#include "utils/tuplestore.h"

GDPR_FUNCTION(gdpr_forget_plan);

enum
{
	COL_RELATION,
	COL_ACTION,
	COL_ROWS,
	COL_REASON,
	COL_INDEX,
	COL_BLOCKER,
	NCOLUMNS
};

/* Rows that one line speaks of. */
typedef struct Line
{
	const char *action;
	const GdprLink *link;
	const char *reason;
	const char *ground;
	int64 rows;
} Line;

static void
put_line(ReturnSetInfo *result, Oid relid, const char *action, int64 rows,
		 const char *reason, const char *index, const char *blocker)
{
	Datum values[NCOLUMNS];
	bool nulls[NCOLUMNS] = {false};

	nulls[COL_ROWS] = rows < 0;
	nulls[COL_INDEX] = index == NULL;
	nulls[COL_BLOCKER] = blocker == NULL;
	values[COL_RELATION] = ObjectIdGetDatum(relid);
	values[COL_ACTION] = CStringGetTextDatum(action);
	values[COL_ROWS] = Int64GetDatum(rows);
	values[COL_REASON] = CStringGetTextDatum(reason);
	values[COL_INDEX] = nulls[COL_INDEX] ? (Datum) 0
										 : CStringGetTextDatum(index);
	values[COL_BLOCKER] = nulls[COL_BLOCKER] ? (Datum) 0
											 : CStringGetTextDatum(blocker);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

static char *
describe(const Line *line)
{
	const GdprLink *link = line->link;
	StringInfoData buf;

	initStringInfo(&buf);
	if (link == NULL)
		appendStringInfoString(&buf, "the subject's own row");
	else
		appendStringInfo(&buf, "%s through %s",
						 gdpr_graph_belongs_name(link->belongs),
						 gdpr_ident_relation(link->belongs == GDPR_BELONGS_OWNS
												 ? link->child_relid
												 : link->parent_relid));
	if (line->reason != NULL)
		appendStringInfo(&buf, "; %s", line->reason);
	if (line->ground != NULL)
		appendStringInfo(&buf, "; kept for %s", line->ground);
	return buf.data;
}

static Line *
line_of(List **lines, const GdprPlanRow *row)
{
	const char *action = gdpr_plan_action_name(row);
	const char *reason = row->shared ? "others refer to it" : row->reason;
	Line *line;
	ListCell *lc;

	foreach (lc, *lines)
	{
		line = lfirst(lc);
		if (strcmp(line->action, action) == 0 && line->link == row->link &&
			line->ground == row->ground &&
			(line->reason == reason ||
			 (line->reason != NULL && reason != NULL &&
			  strcmp(line->reason, reason) == 0)))
			return line;
	}
	line = palloc0(sizeof(Line));
	line->action = action;
	line->link = row->link;
	line->reason = reason;
	line->ground = row->ground;
	*lines = lappend(*lines, line);
	return line;
}

static void
put_leaf(ReturnSetInfo *result, const GdprPlanLeaf *leaf)
{
	List *lines = NIL;
	ListCell *lc;

	for (int i = 0; i < leaf->nrows; i++)
		line_of(&lines, leaf->rows[i])->rows++;
	foreach (lc, lines)
	{
		Line *line = lfirst(lc);
		const char *index = NULL;

		if (line->link != NULL && line->link->belongs != GDPR_BELONGS_OWNS)
			index = line->link->index != NULL ? line->link->index : "missing";
		put_line(result, leaf->relid, line->action, line->rows, describe(line),
				 index, NULL);
	}
}

static void
put_plan(ReturnSetInfo *result, const GdprPlan *plan)
{
	ListCell *lr;
	ListCell *lc;

	foreach (lr, plan->map->relations)
	{
		foreach (lc, plan->leaf_list)
		{
			GdprPlanLeaf *leaf = lfirst(lc);

			if (leaf->relation == lfirst(lr))
				put_leaf(result, leaf);
		}
	}
	foreach (lc, plan->notes)
	{
		GdprPlanNote *note = lfirst(lc);

		put_line(result, note->relid, note->action, note->rows, note->reason,
				 NULL, note->blocker);
	}
}

Datum
gdpr_forget_plan(PG_FUNCTION_ARGS)
{
	GdprSubject *subject;
	GdprPlan *plan;

	InitMaterializedSRF(fcinfo, 0);
	gdpr_registry_require(fcinfo, 0, "subject");
	subject = gdpr_key_resolve(text_to_cstring(PG_GETARG_TEXT_PP(0)),
							   PG_ARGISNULL(1) ? NULL
											   : NameStr(*PG_GETARG_NAME(1)),
							   false);
	if (!subject->found)
		gdpr_ledger_unknown(subject);
	plan = gdpr_plan_walk(subject, GDPR_PLAN_SHOW);
	gdpr_plan_decide(plan);
	put_plan((ReturnSetInfo *) fcinfo->resultinfo, plan);
	return (Datum) 0;
}
