/*
 * ops.c
 *	  Equality, order and hash of the encrypted types that have a tag.
 *
 * Stored values compare by the 16 bytes of their tags, without any key.  The
 * order is that of the tags: total and meaningless, good for indexes, unique
 * constraints, merge joins and DISTINCT.  Order and hash never raise.
 *
 * Loose values (literals and parameters that no context owns) compare among
 * themselves by plaintext and sort before all others.  Where the planner left
 * one beside a stored value, = makes its tag, which needs the search
 * privilege; order and hash call the two different.
 */
#include "base/compat.h"

#include "common/hashfn.h"
#include "enctype/probe.h"
#include "enctype/value.h"
#include "utils/builtins.h"

GDPR_FUNCTION(gdpr_enctext_eq);
GDPR_FUNCTION(gdpr_enctext_ne);
GDPR_FUNCTION(gdpr_enctext_eq_text);
GDPR_FUNCTION(gdpr_enctext_ne_text);
GDPR_FUNCTION(gdpr_text_eq_enctext);
GDPR_FUNCTION(gdpr_text_ne_enctext);
GDPR_FUNCTION(gdpr_enctext_lt);
GDPR_FUNCTION(gdpr_enctext_le);
GDPR_FUNCTION(gdpr_enctext_gt);
GDPR_FUNCTION(gdpr_enctext_ge);
GDPR_FUNCTION(gdpr_enctext_cmp);
GDPR_FUNCTION(gdpr_enctext_hash);
GDPR_FUNCTION(gdpr_enctext_hash_extended);

/* In the order in which they sort. */
typedef enum Rank
{
	RANK_LOOSE,
	RANK_TAGGED,
	RANK_OTHER, /* malformed, or without its tag */
} Rank;

typedef struct Operand
{
	Datum datum;
	Rank rank;
	GdprEnvelope env;					   /* head only */
	uint8 fetched[GDPR_ENVELOPE_HEAD_LEN]; /* the head of a toasted value */
} Operand;

/*
 * A sort compares for as long as it runs in one memory context, so nothing is
 * left behind here: what came from a TOAST table moves into the operand.
 */
static GdprBytes
look_at_head(Operand *op)
{
	struct varlena *raw = (struct varlena *) DatumGetPointer(op->datum);
	struct varlena *slice;
	GdprBytes head;

	if (!VARATT_IS_EXTERNAL(raw) && !VARATT_IS_COMPRESSED(raw))
		return gdpr_value_bytes(raw);
	slice = PG_DETOAST_DATUM_SLICE(op->datum, 0, GDPR_ENVELOPE_HEAD_LEN);
	head = gdpr_value_bytes(slice);
	memcpy(op->fetched, head.data, head.length);
	head.data = op->fetched;
	pfree(slice);
	return head;
}

static void
look(Operand *op, Datum datum)
{
	GdprBytes head;

	op->datum = datum;
	head = look_at_head(op);
	if (!gdpr_envelope_peek(head.data, head.length, &op->env))
		op->rank = RANK_OTHER;
	else if (op->env.tag != NULL)
		op->rank = RANK_TAGGED;
	else
		op->rank = gdpr_value_is_loose(&op->env) ? RANK_LOOSE : RANK_OTHER;
}

static GdprBytes
whole(const Operand *op)
{
	return gdpr_value_bytes(PG_DETOAST_DATUM_PACKED(op->datum));
}

/*
 * The canonical bytes of a loose value in a new buffer; false when it does
 * not open, which only happens to one that outlived its server run.
 */
static bool
open_loose(const Operand *op, GdprBytes *canonical, uint8 **buffer)
{
	GdprBytes bytes = whole(op);
	GdprEnvelope env;
	GdprBytes payload;

	*buffer = NULL;
	if (gdpr_envelope_parse(bytes.data, bytes.length, &env) != GDPR_ENVELOPE_OK)
		return false;
	*buffer = palloc(env.length + 1);
	if (gdpr_value_open(&env, *buffer) != GDPR_OPENED)
		return false;
	payload.data = *buffer;
	payload.length = env.length;
	*canonical = gdpr_kind_text.canonical(payload);
	return true;
}

static int
compare_bytes(GdprBytes a, GdprBytes b)
{
	int result = memcmp(a.data, b.data, Min(a.length, b.length));

	if (result == 0 && a.length != b.length)
		result = a.length < b.length ? -1 : 1;
	return result;
}

static int
compare_loose(const Operand *a, const Operand *b)
{
	GdprBytes a_plain;
	GdprBytes b_plain;
	uint8 *a_buffer;
	uint8 *b_buffer;
	bool a_opens = open_loose(a, &a_plain, &a_buffer);
	bool b_opens = open_loose(b, &b_plain, &b_buffer);
	int result;

	if (a_opens && b_opens)
		result = compare_bytes(a_plain, b_plain);
	else if (a_opens != b_opens)
		result = a_opens ? -1 : 1;
	else
		result = compare_bytes(whole(a), whole(b));
	if (a_buffer != NULL)
		pfree(a_buffer);
	if (b_buffer != NULL)
		pfree(b_buffer);
	return result;
}

static int
compare(Datum left, Datum right)
{
	Operand a;
	Operand b;

	look(&a, left);
	look(&b, right);
	if (a.rank == RANK_TAGGED && b.rank == RANK_TAGGED)
		return memcmp(a.env.tag, b.env.tag, GDPR_TAG_LEN);
	if (a.rank != b.rank)
		return a.rank < b.rank ? -1 : 1;
	if (a.rank == RANK_LOOSE)
		return compare_loose(&a, &b);
	return compare_bytes(whole(&a), whole(&b));
}

/* Does what is asked have the tag of this value, under its own key? */
static bool
matches_tag(FmgrInfo *flinfo, const GdprProbeSource *source,
			const Operand *tagged)
{
	uint8 tag[GDPR_TAG_LEN];

	gdpr_probe_tag(flinfo, source, tagged->env.context,
				   tagged->env.tag_generation, tag);
	return memcmp(tag, tagged->env.tag, GDPR_TAG_LEN) == 0;
}

static bool
loose_matches(FmgrInfo *flinfo, const Operand *loose, const Operand *tagged)
{
	GdprProbeSource source = {&gdpr_kind_text, whole(loose), true};

	return matches_tag(flinfo, &source, tagged);
}

static bool
values_equal(FmgrInfo *flinfo, Datum left, Datum right)
{
	Operand a;
	Operand b;

	look(&a, left);
	look(&b, right);
	if (a.rank == RANK_TAGGED && b.rank == RANK_TAGGED)
		return memcmp(a.env.tag, b.env.tag, GDPR_TAG_LEN) == 0;
	if (a.rank == RANK_LOOSE && b.rank == RANK_TAGGED)
		return loose_matches(flinfo, &a, &b);
	if (a.rank == RANK_TAGGED && b.rank == RANK_LOOSE)
		return loose_matches(flinfo, &b, &a);
	return compare(left, right) == 0;
}

static bool
loose_equals_text(const Operand *loose, text *string)
{
	GdprBytes payload = gdpr_kind_text.parse(gdpr_value_bytes(string));
	GdprBytes plain;
	uint8 *buffer;

	return open_loose(loose, &plain, &buffer) &&
		   compare_bytes(plain, gdpr_kind_text.canonical(payload)) == 0;
}

static bool
equal_text(FmgrInfo *flinfo, Datum value, text *string)
{
	GdprProbeSource source = {&gdpr_kind_text, gdpr_value_bytes(string), false};
	const char *data = (const char *) source.bytes.data;
	Operand op;

	look(&op, value);
	if (gdpr_envelope_text_form(data, source.bytes.length) ==
		GDPR_TEXT_ENVELOPE)
		return values_equal(
			flinfo, value,
			PointerGetDatum(gdpr_input_string(&gdpr_kind_text, data,
											  source.bytes.length, -1, true)));
	if (op.rank == RANK_TAGGED)
		return matches_tag(flinfo, &source, &op);
	return op.rank == RANK_LOOSE && loose_equals_text(&op, string);
}

Datum
gdpr_enctext_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(
		values_equal(fcinfo->flinfo, PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)));
}

Datum
gdpr_enctext_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(
		!values_equal(fcinfo->flinfo, PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)));
}

Datum
gdpr_enctext_eq_text(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(
		equal_text(fcinfo->flinfo, PG_GETARG_DATUM(0), PG_GETARG_TEXT_PP(1)));
}

Datum
gdpr_enctext_ne_text(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(
		!equal_text(fcinfo->flinfo, PG_GETARG_DATUM(0), PG_GETARG_TEXT_PP(1)));
}

Datum
gdpr_text_eq_enctext(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(
		equal_text(fcinfo->flinfo, PG_GETARG_DATUM(1), PG_GETARG_TEXT_PP(0)));
}

Datum
gdpr_text_ne_enctext(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(
		!equal_text(fcinfo->flinfo, PG_GETARG_DATUM(1), PG_GETARG_TEXT_PP(0)));
}

Datum
gdpr_enctext_lt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)) < 0);
}

Datum
gdpr_enctext_le(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)) <= 0);
}

Datum
gdpr_enctext_gt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)) > 0);
}

Datum
gdpr_enctext_ge(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)) >= 0);
}

Datum
gdpr_enctext_cmp(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(compare(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)));
}

/* Equal values have equal hashes; a seed of 0 gives the plain hash. */
static uint64
hash_value(Datum datum, uint64 seed)
{
	Operand op;
	GdprBytes plain;
	uint8 *buffer = NULL;
	uint64 hash;

	look(&op, datum);
	if (op.rank == RANK_TAGGED)
		return hash_bytes_extended(op.env.tag, GDPR_TAG_LEN, seed);
	if (op.rank != RANK_LOOSE || !open_loose(&op, &plain, &buffer))
		plain = whole(&op);
	hash = hash_bytes_extended(plain.data, (int) plain.length, seed);
	if (buffer != NULL)
		pfree(buffer);
	return hash;
}

Datum
gdpr_enctext_hash(PG_FUNCTION_ARGS)
{
	PG_RETURN_UINT32((uint32) hash_value(PG_GETARG_DATUM(0), 0));
}

Datum
gdpr_enctext_hash_extended(PG_FUNCTION_ARGS)
{
	PG_RETURN_UINT64(
		hash_value(PG_GETARG_DATUM(0), (uint64) PG_GETARG_INT64(1)));
}
