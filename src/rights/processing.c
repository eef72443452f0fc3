/*
 * processing.c
 *	  What the registry knows for Article 15(1) about the rows of an export:
 *	  categories of data, where they came from, and how long they are kept.
 */
#include "base/compat.h"

#include "rights/processing.h"
#include "utils/json.h"

typedef const char *(*ColumnFact)(const GdprColumn *column);

static const char *
category_of(const GdprColumn *column)
{
	return column->category;
}

static const char *
origin_of(const GdprColumn *column)
{
	return column->origin;
}

static bool
is_in_export(const GdprPlan *plan, const GdprRelation *relation)
{
	ListCell *lc;

	foreach (lc, plan->leaf_list)
	{
		GdprPlanLeaf *leaf = lfirst(lc);

		for (int i = 0; leaf->relation == relation && i < leaf->nrows; i++)
		{
			if (leaf->rows[i]->exported)
				return true;
		}
	}
	return false;
}

static void
append_name(StringInfo buf, const char *name)
{
	char last = buf->data[buf->len - 1];

	if (last != '{' && last != '[')
		appendStringInfoChar(buf, ',');
	escape_json(buf, name);
	appendStringInfoChar(buf, ':');
}

static void
append_pair(StringInfo buf, const char *name, const char *value)
{
	append_name(buf, name);
	if (value == NULL)
		appendStringInfoString(buf, "null");
	else
		escape_json(buf, value);
}

static void
append_relation(StringInfo buf, const GdprRelation *relation, ColumnFact fact)
{
	bool any = false;
	ListCell *lc;

	foreach (lc, relation->columns)
	{
		GdprColumn *column = lfirst(lc);

		if (fact(column) == NULL)
			continue;
		if (!any)
		{
			append_name(buf, relation->label);
			appendStringInfoChar(buf, '{');
		}
		append_pair(buf, column->name, fact(column));
		any = true;
	}
	if (any)
		appendStringInfoChar(buf, '}');
}

static void
append_facts(StringInfo buf, const GdprPlan *plan, const char *name,
			 ColumnFact fact)
{
	ListCell *lc;

	append_name(buf, name);
	appendStringInfoChar(buf, '{');
	foreach (lc, plan->map->relations)
	{
		if (is_in_export(plan, lfirst(lc)))
			append_relation(buf, lfirst(lc), fact);
	}
	appendStringInfoChar(buf, '}');
}

static const char *
keep_from_name(GdprKeepFrom from)
{
	switch (from)
	{
		case GDPR_KEEP_ROW:
			return "row";
		case GDPR_KEEP_CALENDAR_YEAR_END:
			return "calendar_year_end";
		case GDPR_KEEP_FISCAL_YEAR_END:
			return "fiscal_year_end";
	}
	return NULL;
}

static void
append_storage(StringInfo buf, const GdprPlan *plan)
{
	ListCell *lc;

	append_name(buf, "storage");
	appendStringInfoChar(buf, '[');
	foreach (lc, plan->map->links)
	{
		GdprLink *link = lfirst(lc);

		if (link->on_forget != GDPR_ACTION_KEEP ||
			!is_in_export(plan, link->child))
			continue;
		if (buf->data[buf->len - 1] != '[')
			appendStringInfoChar(buf, ',');
		appendStringInfoChar(buf, '{');
		append_pair(buf, "relation", link->child->label);
		append_pair(buf, "keep", link->keep);
		append_pair(buf, "keep_from", keep_from_name(link->keep_from));
		append_pair(buf, "ground", link->ground);
		append_pair(buf, "law", link->law);
		appendStringInfoChar(buf, '}');
	}
	appendStringInfoChar(buf, ']');
}

void
gdpr_processing_append(StringInfo buf, const GdprPlan *plan)
{
	appendStringInfoChar(buf, '{');
	append_facts(buf, plan, "categories", category_of);
	append_facts(buf, plan, "sources", origin_of);
	append_storage(buf, plan);
	appendStringInfoChar(buf, '}');
}
