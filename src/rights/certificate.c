/*
 * certificate.c
 *	  What an erasure did, or would do, as json.
 *
 * It holds names, numbers, grounds, dates and the person's pseudonym.  "kept"
 * counts rows that stay for a ground, whole or reduced; "anonymised" those
 * whose personal columns this erasure masks, so that a row reduced for a
 * ground counts in both, and in "kept" alone once it is masked.
 */
#include "base/compat.h"

#include "base/digest.h"
#include "base/ident.h"
#include "catalog/pg_type.h"
#include "rights/certificate.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/json.h"

typedef struct Counts
{
	int64 deleted;
	int64 anonymised;
	int64 unlinked;
	int64 kept;
	const char *ground;
	bool has_until;
	bool endless; /* some row is kept without an end */
	DateADT until;
} Counts;

static void
count_row(Counts *counts, const GdprPlanRow *row)
{
	if (gdpr_plan_is_deleted(row))
		counts->deleted++;
	else if (gdpr_plan_is_masked(row))
		counts->anonymised += row->pending;
	else if (row->action == GDPR_ACTION_UNLINK && !row->shared)
		counts->unlinked += row->pending;
	if (row->ground == NULL || gdpr_plan_is_deleted(row))
		return;
	counts->kept++;
	counts->endless |= row->endless;
	if (counts->ground == NULL)
		counts->ground = row->ground;
	if (row->has_until && (!counts->has_until || row->until > counts->until))
	{
		counts->has_until = true;
		counts->until = row->until;
		counts->ground = row->ground;
	}
}

static bool
note_is_of(const GdprPlanNote *note, const GdprRelation *relation)
{
	return note->relid == relation->relid ||
		   list_member_oid(relation->leaves, note->relid);
}

static void
count_relation(const GdprPlan *plan, const GdprRelation *relation,
			   Counts *counts)
{
	ListCell *lc;

	memset(counts, 0, sizeof(*counts));
	foreach (lc, plan->leaf_list)
	{
		GdprPlanLeaf *leaf = lfirst(lc);

		for (int i = 0; leaf->relation == relation && i < leaf->nrows; i++)
			count_row(counts, leaf->rows[i]);
	}
	foreach (lc, plan->notes)
	{
		GdprPlanNote *note = lfirst(lc);

		if (note->blocker == NULL && note_is_of(note, relation))
			counts->unlinked += note->rows;
	}
}

/* Rows outside the map whose reference the server sets null: one entry each. */
static int64
count_outside(const GdprPlan *plan, const GdprPlanNote *first)
{
	int64 rows = 0;
	ListCell *lc;

	foreach (lc, plan->notes)
	{
		GdprPlanNote *note = lfirst(lc);

		if (note->blocker != NULL || note->relid != first->relid)
			continue;
		if (note == first || rows > 0)
			rows += note->rows;
		else
			return 0; /* counted with an earlier note */
	}
	return rows;
}

static bool
is_in_map(const GdprPlan *plan, const GdprPlanNote *note)
{
	ListCell *lc;

	foreach (lc, plan->map->relations)
	{
		if (note_is_of(note, lfirst(lc)))
			return true;
	}
	return false;
}

static void
append_counts(StringInfo buf, const char *label, const Counts *counts)
{
	char date[MAXDATELEN + 1];

	appendStringInfoString(buf, buf->len == 1 ? "{\"relation\":"
											  : ",{\"relation\":");
	escape_json(buf, label);
	appendStringInfo(buf,
					 ",\"deleted\":" INT64_FORMAT
					 ",\"anonymised\":" INT64_FORMAT
					 ",\"unlinked\":" INT64_FORMAT ",\"kept\":" INT64_FORMAT
					 ",\"ground\":",
					 counts->deleted, counts->anonymised, counts->unlinked,
					 counts->kept);
	if (counts->ground == NULL)
		appendStringInfoString(buf, "null");
	else
		escape_json(buf, counts->ground);
	if (counts->has_until && !counts->endless)
		appendStringInfo(buf, ",\"until\":\"%s\"}",
						 JsonEncodeDateTime(date,
											DateADTGetDatum(counts->until),
											DATEOID, NULL));
	else
		appendStringInfoString(buf, ",\"until\":null}");
}

char *
gdpr_certificate_relations(const GdprPlan *plan)
{
	StringInfoData buf;
	ListCell *lc;
	Counts counts;

	initStringInfo(&buf);
	appendStringInfoChar(&buf, '[');
	foreach (lc, plan->map->relations)
	{
		GdprRelation *relation = lfirst(lc);

		count_relation(plan, relation, &counts);
		if (counts.deleted + counts.anonymised + counts.unlinked + counts.kept >
			0)
			append_counts(&buf, relation->label, &counts);
	}
	foreach (lc, plan->notes)
	{
		GdprPlanNote *note = lfirst(lc);

		memset(&counts, 0, sizeof(counts));
		if (note->blocker != NULL || is_in_map(plan, note))
			continue;
		counts.unlinked = count_outside(plan, note);
		if (counts.unlinked > 0)
			append_counts(&buf, gdpr_ident_relation(note->relid), &counts);
	}
	appendStringInfoChar(&buf, ']');
	return buf.data;
}

char *
gdpr_certificate_hash(const GdprPlan *plan, const uint8 *pseudonym,
					  const char *relations)
{
	StringInfoData buf;

	initStringInfo(&buf);
	appendStringInfoString(&buf, plan->map->hash);
	appendBinaryStringInfo(&buf, (const char *) pseudonym, GDPR_TAG_LEN);
	appendStringInfoString(&buf, relations);
	return gdpr_digest_hex(buf.data, buf.len);
}

bool
gdpr_certificate_changes(const GdprPlan *plan)
{
	ListCell *lc;

	foreach (lc, plan->leaf_list)
	{
		GdprPlanLeaf *leaf = lfirst(lc);

		for (int i = 0; i < leaf->nrows; i++)
		{
			if (gdpr_plan_is_deleted(leaf->rows[i]) || leaf->rows[i]->pending)
				return true;
		}
	}
	return false;
}

static void
append_blockers(StringInfo buf, const GdprPlan *plan)
{
	bool any = false;
	ListCell *lc;

	appendStringInfoString(buf, ",\"blockers\":[");
	foreach (lc, plan->notes)
	{
		GdprPlanNote *note = lfirst(lc);

		if (note->blocker == NULL)
			continue;
		appendStringInfoString(buf, any ? ",{\"relation\":" : "{\"relation\":");
		escape_json(buf, gdpr_ident_relation(note->relid));
		appendStringInfoString(buf, ",\"blocker\":");
		escape_json(buf, note->blocker);
		appendStringInfoChar(buf, '}');
		any = true;
	}
	appendStringInfoChar(buf, ']');
}

/* What a copy of before still tells, and how long. */
static void
append_key(StringInfo buf, const GdprSubjectKeyEnd *key)
{
	if (!key->destroyed)
		appendStringInfoString(buf, ",\"key\":null");
	else if (key->outside)
		appendStringInfo(
			buf,
			",\"key\":{\"destroyed\":true,\"epoch\":%d,"
			"\"older_copies\":\"readable until epoch %d is destroyed\"}",
			key->epoch, key->epoch);
	else
		appendStringInfo(buf,
						 ",\"key\":{\"destroyed\":true,\"epoch\":%d,"
						 "\"older_copies\":\"readable with the root key\"}",
						 key->epoch);
}

static void
append_erasure(StringInfo buf, const GdprErasure *erasure)
{
	char at[MAXDATELEN + 1];

	if (erasure == NULL)
	{
		appendStringInfoString(
			buf, ",\"level\":null,\"forgotten_at\":null,\"dry_run\":true");
		return;
	}
	appendStringInfo(
		buf, ",\"level\":\"logical\",\"forgotten_at\":\"%s\"",
		JsonEncodeDateTime(at, TimestampTzGetDatum(erasure->forgotten_at),
						   TIMESTAMPTZOID, NULL));
}

char *
gdpr_certificate_make(const GdprPlan *plan, const uint8 *pseudonym,
					  const char *relations, const char *plan_hash,
					  const GdprErasure *erasure, const GdprSubjectKeyEnd *key)
{
	StringInfoData buf;
	char hex[GDPR_TAG_LEN * 2 + 1];

	hex[hex_encode((const char *) pseudonym, GDPR_TAG_LEN, hex)] = '\0';
	initStringInfo(&buf);
	if (erasure == NULL)
		appendStringInfoString(&buf, "{\"erasure\":null,\"kind\":");
	else
		appendStringInfo(&buf, "{\"erasure\":\"%s\",\"kind\":", erasure->id);
	escape_json(&buf, NameStr(plan->map->kind));
	appendStringInfo(
		&buf,
		",\"pseudonym\":\"%s\",\"changed\":%s,\"relations\":%s,\"plan_hash\":\"%s\"",
		hex, gdpr_certificate_changes(plan) ? "true" : "false", relations,
		plan_hash);
	append_key(&buf, key);
	append_erasure(&buf, erasure);
	if (erasure == NULL)
		append_blockers(&buf, plan);
	appendStringInfoChar(&buf, '}');
	return buf.data;
}
