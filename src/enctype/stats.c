/*
 * stats.c
 *	  ANALYZE of encrypted columns: how many, how wide, how distinct.
 *
 * Most common values and histograms would put ciphertext and tags, with their
 * frequencies, into pg_statistic, where they outlive the rows.
 */
#include "base/compat.h"

#include <math.h>

#include "commands/vacuum.h"
#include "enctype/enctype.h"
#include "enctype/value.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"

GDPR_FUNCTION(gdpr_enctype_typanalyze);

typedef struct Sample
{
	int nulls;
	int values;
	double width;
	int tags;
	uint8 (*tag)[GDPR_TAG_LEN];
} Sample;

static int
compare_tags(const void *a, const void *b)
{
	return memcmp(a, b, GDPR_TAG_LEN);
}

static void
take_sample(VacAttrStats *stats, AnalyzeAttrFetchFunc fetch, int rows,
			Sample *sample)
{
	bool with_tags = gdpr_enctype_has_equality(getBaseType(stats->attrtypid));

	sample->tag = palloc(GDPR_TAG_LEN * Max(rows, 1));
	for (int i = 0; i < rows; i++)
	{
		GdprEnvelope env;
		GdprBytes head;
		Datum value;
		bool isnull;

		CHECK_FOR_INTERRUPTS();
		value = fetch(stats, i, &isnull);
		if (isnull)
		{
			sample->nulls++;
			continue;
		}
		sample->values++;
		sample->width += VARSIZE_ANY(DatumGetPointer(value));
		if (!with_tags)
			continue;
		head = gdpr_value_head(value);
		if (gdpr_envelope_peek(head.data, head.length, &env) && env.tag != NULL)
			memcpy(sample->tag[sample->tags++], env.tag, GDPR_TAG_LEN);
	}
}

/* Distinct tags of the sample, and those that occur more than once. */
static void
count_distinct(Sample *sample, int *distinct, int *repeated)
{
	int run = 0;

	*distinct = *repeated = 0;
	qsort(sample->tag, sample->tags, GDPR_TAG_LEN, compare_tags);
	for (int i = 0; i < sample->tags; i++)
	{
		run++;
		if (i + 1 < sample->tags &&
			compare_tags(sample->tag[i], sample->tag[i + 1]) == 0)
			continue;
		(*distinct)++;
		if (run > 1)
			(*repeated)++;
		run = 0;
	}
}

/*
 * The estimator of Haas and Stokes, as the server's own ANALYZE uses it:
 * n*d / (n - f1 + f1*n/N).
 */
static double
estimate_distinct(Sample *sample, double nullfrac, double totalrows)
{
	double n = sample->tags;
	double all = totalrows * (1.0 - nullfrac);
	double once;
	double estimate;
	int distinct;
	int repeated;

	count_distinct(sample, &distinct, &repeated);
	if (distinct == 0)
		return 0.0;
	if (repeated == 0)
		return -1.0 * (1.0 - nullfrac);
	if (repeated == distinct)
		return distinct;
	once = distinct - repeated;
	estimate = all > 0 ? n * distinct / (n - once + once * n / all) : 0;
	estimate = floor(Min(Max(estimate, distinct), all) + 0.5);
	return estimate > 0.1 * totalrows ? -(estimate / totalrows) : estimate;
}

static void
compute_stats(VacAttrStats *stats, AnalyzeAttrFetchFunc fetch, int rows,
			  double totalrows)
{
	Sample sample = {0};

	take_sample(stats, fetch, rows, &sample);
	if (sample.nulls + sample.values > 0)
	{
		stats->stats_valid = true;
		stats->stanullfrac = (double) sample.nulls /
							 (sample.nulls + sample.values);
		if (sample.values > 0)
		{
			stats->stawidth = (int32) (sample.width / sample.values);
			stats->stadistinct = estimate_distinct(&sample, stats->stanullfrac,
												   totalrows);
		}
	}
	pfree(sample.tag);
}

/* For our types and for arrays of them, which have no distinct count. */
Datum
gdpr_enctype_typanalyze(PG_FUNCTION_ARGS)
{
	VacAttrStats *stats = (VacAttrStats *) PG_GETARG_POINTER(0);
	int target = GDPR_STATTARGET(stats);

	if (target < 0)
		target = default_statistics_target;
	stats->compute_stats = compute_stats;
	stats->minrows = 300 * target;
	PG_RETURN_BOOL(true);
}
