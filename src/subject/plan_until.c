/*
 * plan_until.c
 *	  How long kept rows are kept.
 *
 * A period counts from a date in the row, or in the kept row above it (a line
 * takes its invoice's); from that day, or from the end of the calendar or
 * financial year that it lies in.  When it is over the row is kept no longer:
 * what follows, deleting or masking, is done with it.  A row that stays
 * because a kept row refers to it stays as long, for the same ground.
 */
#include "base/compat.h"

#include "access/xact.h"
#include "base/guc.h"
#include "datatype/timestamp.h"
#include "miscadmin.h"
#include "subject/plan.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/timestamp.h"

/* 1 January 200000; periods are no longer than 1000 years. */
#define LATEST_BASE (date2j(200000, 1, 1) - POSTGRES_EPOCH_JDATE)

/* In days; and a year until the period begins. */
#define LONGEST_PERIOD (1002 * 366)

static bool
raise_date(bool *has, DateADT *date, DateADT other)
{
	if (*has && *date >= other)
		return false;
	*has = true;
	*date = other;
	return true;
}

static DateADT
year_end(DateADT date, int month, int day)
{
	int y;
	int m;
	int d;

	j2date(date + POSTGRES_EPOCH_JDATE, &y, &m, &d);
	if (m > month || (m == month && d > day))
		y++;
	return date2j(y, month, day) - POSTGRES_EPOCH_JDATE;
}

static DateADT
period_end(const GdprLink *link, DateADT base)
{
	Datum interval;
	Datum end;

	/* Never, or so late that a timestamp cannot say it. */
	if (DATE_NOT_FINITE(base) || base > LATEST_BASE)
		return base == DATEVAL_NOBEGIN ? DATEVAL_NOBEGIN : DATEVAL_NOEND;
	if (link->keep_from == GDPR_KEEP_CALENDAR_YEAR_END)
		base = year_end(base, 12, 31);
	else if (link->keep_from == GDPR_KEEP_FISCAL_YEAR_END)
		base = year_end(base, atoi(gdpr_guc_fiscal_year_end),
						atoi(gdpr_guc_fiscal_year_end + 3));
	interval = DirectFunctionCall3(interval_in, CStringGetDatum(link->keep),
								   ObjectIdGetDatum(InvalidOid),
								   Int32GetDatum(-1));
	end = DirectFunctionCall2(date_pl_interval, DateADTGetDatum(base),
							  interval);
	return DatumGetDateADT(DirectFunctionCall1(timestamp_date, end));
}

static bool
keeps(const GdprPlanEdge *edge)
{
	return edge->link != NULL && edge->link->on_forget == GDPR_ACTION_KEEP &&
		   edge->child->action == GDPR_ACTION_KEEP &&
		   edge->link->belongs != GDPR_BELONGS_OWNS;
}

/* The date along one link into a kept row; dates come down from kept parents. */
static bool
spread_base(GdprPlanEdge *edge)
{
	GdprPlanRow *child = edge->child;

	if (!keeps(edge))
		return false;
	if (edge->has_since)
		return raise_date(&child->has_base, &child->base, edge->since);
	if (edge->link->keep_since == InvalidAttrNumber && edge->parent->has_base &&
		edge->parent->action == GDPR_ACTION_KEEP)
		return raise_date(&child->has_base, &child->base, edge->parent->base);
	return false;
}

/* Kept, but nothing says since when: no end can be promised. */
static void
note_endless(GdprPlanEdge *edge)
{
	GdprPlanRow *row = edge->child;

	if (!keeps(edge) || row->has_until)
		return;
	row->endless = true;
	row->reason = "kept without an end: its date is null";
}

static bool
spread_until(GdprPlanEdge *edge)
{
	GdprPlanRow *parent = edge->parent;
	GdprPlanRow *child = edge->child;
	bool changed = false;

	if (!parent->reduced && !parent->shared)
		return false;
	if (child->ground == NULL)
	{
		changed = child->ended && !parent->ended;
		parent->ended |= child->ended;
		return changed;
	}
	if (parent->ground == NULL ||
		(child->has_until &&
		 (!parent->has_until || child->until > parent->until)))
	{
		parent->ground = child->ground;
		changed = true;
	}
	if (child->has_until)
		changed |= raise_date(&parent->has_until, &parent->until, child->until);
	changed |= child->endless && !parent->endless;
	parent->endless |= child->endless;
	return changed;
}

static void
spread(GdprPlan *plan, bool (*step)(GdprPlanEdge *edge))
{
	bool changed;

	do
	{
		changed = false;
		/* Both ways: dates come down the chains, ends go up. */
		for (int i = 0; i < plan->nedges; i++)
			changed |= step(&plan->edges[i]);
		for (int i = plan->nedges - 1; i >= 0; i--)
			changed |= step(&plan->edges[i]);
		CHECK_FOR_INTERRUPTS();
	} while (changed);
}

static void
take_period(GdprPlanEdge *edge)
{
	GdprPlanRow *row = edge->child;

	if (!keeps(edge))
		return;
	/* Of several links the strongest, as everywhere. */
	row->then_action = Max(row->then_action, edge->link->then_action);
	if (row->ground == NULL)
		row->ground = edge->link->ground;
	if (row->has_base && raise_date(&row->has_until, &row->until,
									period_end(edge->link, row->base)))
		row->ground = edge->link->ground;
}

/* The last day is still one of keeping. */
static void
end_keeping(GdprPlanEdge *edge, DateADT today)
{
	GdprPlanRow *row = edge->child;

	if (!keeps(edge) || !row->has_until || row->endless || row->until >= today)
		return;
	row->ended = true;
	row->action = row->then_action;
	row->ground = NULL;
	row->has_until = false;
	row->reason = "its period of keeping is over";
}

DateADT
gdpr_plan_today(void)
{
	return DatumGetDateADT(DirectFunctionCall1(
		timestamptz_date,
		TimestampTzGetDatum(GetCurrentTransactionStartTimestamp())));
}

/* Later days have later ends, so it is found by halving. */
DateADT
gdpr_plan_last_over(const GdprLink *link)
{
	DateADT today = gdpr_plan_today();
	DateADT over = today - LONGEST_PERIOD;
	DateADT open = today;

	while (open - over > 1)
	{
		DateADT middle = over + (open - over) / 2;

		if (period_end(link, middle) < today)
			over = middle;
		else
			open = middle;
	}
	return over;
}

void
gdpr_plan_end_keeping(GdprPlan *plan)
{
	MemoryContext old = MemoryContextSwitchTo(plan->context);
	DateADT today = gdpr_plan_today();

	spread(plan, spread_base);
	for (int i = 0; i < plan->nedges; i++)
		take_period(&plan->edges[i]);
	for (int i = 0; i < plan->nedges; i++)
		note_endless(&plan->edges[i]);
	for (int i = 0; i < plan->nedges; i++)
		end_keeping(&plan->edges[i], today);
	MemoryContextSwitchTo(old);
}

void
gdpr_plan_find_until(GdprPlan *plan)
{
	MemoryContext old = MemoryContextSwitchTo(plan->context);

	spread(plan, spread_until);
	MemoryContextSwitchTo(old);
}
