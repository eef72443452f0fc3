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

GDPR_FUNCTION(gdpr_enctype_eq);
GDPR_FUNCTION(gdpr_enctype_ne);
GDPR_FUNCTION(gdpr_enctype_eq_text);
GDPR_FUNCTION(gdpr_enctype_ne_text);
GDPR_FUNCTION(gdpr_text_eq_enctype);
GDPR_FUNCTION(gdpr_text_ne_enctype);
GDPR_FUNCTION(gdpr_enctype_lt);
GDPR_FUNCTION(gdpr_enctype_le);
GDPR_FUNCTION(gdpr_enctype_gt);
GDPR_FUNCTION(gdpr_enctype_ge);
GDPR_FUNCTION(gdpr_enctype_cmp);
GDPR_FUNCTION(gdpr_enctype_hash);
GDPR_FUNCTION(gdpr_enctype_hash_extended);

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

/* What is compared of a plaintext, and the memory that it lies in. */
typedef struct Plain
{
	GdprBytes canonical;
	uint8 *payload;
} Plain;

/*
 * Opens a loose value; false when it does not open, which only happens to one
 * that outlived its server run.
 */
static bool
open_loose(const Operand *op, Plain *plain)
{
	GdprBytes bytes = whole(op);
	GdprEnvelope env;
	GdprBytes payload;

	plain->payload = NULL;
	if (gdpr_envelope_parse(bytes.data, bytes.length, &env) != GDPR_ENVELOPE_OK)
		return false;
	plain->payload = palloc(env.length + 1);
	payload.data = plain->canonical.data = plain->payload;
	payload.length = env.length;
	if (gdpr_value_open(&env, plain->payload) != GDPR_OPENED)
		return false;
	plain->canonical = gdpr_kind_canonical(GDPR_ENVELOPE_KIND(&env), payload);
	return true;
}

static void
free_plain(Plain *plain)
{
	if (plain->payload == NULL)
		return;
	if (plain->canonical.data != plain->payload)
		pfree((uint8 *) plain->canonical.data);
	pfree(plain->payload);
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
	Plain a_plain;
	Plain b_plain;
	bool a_opens = open_loose(a, &a_plain);
	bool b_opens = open_loose(b, &b_plain);
	int result;

	if (a_opens && b_opens)
		result = compare_bytes(a_plain.canonical, b_plain.canonical);
	else if (a_opens != b_opens)
		result = a_opens ? -1 : 1;
	else
		result = compare_bytes(whole(a), whole(b));
	free_plain(&a_plain);
	free_plain(&b_plain);
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

	gdpr_value_require_context(&tagged->env);
	gdpr_probe_tag(flinfo, source, tagged->env.context,
				   tagged->env.tag_generation, tag);
	return memcmp(tag, tagged->env.tag, GDPR_TAG_LEN) == 0;
}

/* Whatever has a tag is of a kind with equality. */
static const GdprKind *
kind_of(const Operand *op)
{
	return gdpr_kind_of(GDPR_ENVELOPE_KIND(&op->env));
}

static bool
loose_matches(FmgrInfo *flinfo, const Operand *loose, const Operand *tagged)
{
	GdprProbeSource source = {kind_of(tagged), whole(loose), GDPR_PROBE_SEALED};

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
	GdprBytes payload = gdpr_text_to_payload(gdpr_value_bytes(string));
	GdprBytes asked = gdpr_kind_canonical(GDPR_ENVELOPE_KIND(&loose->env),
										  payload);
	Plain plain;

	return open_loose(loose, &plain) &&
		   compare_bytes(plain.canonical, asked) == 0;
}

static bool
equal_text(FmgrInfo *flinfo, Datum value, text *string)
{
	GdprProbeSource source = {NULL, gdpr_value_bytes(string), GDPR_PROBE_TEXT};
	const char *data = (const char *) source.bytes.data;
	Operand op;

	look(&op, value);
	if (op.rank == RANK_OTHER)
		return false;
	source.kind = kind_of(&op);
	if (gdpr_envelope_text_claims(data, source.bytes.length))
		return values_equal(
			flinfo, value,
			PointerGetDatum(gdpr_input_string(source.kind, data,
											  source.bytes.length, -1, true)));
	if (op.rank == RANK_TAGGED)
		return matches_tag(flinfo, &source, &op);
	return loose_equals_text(&op, string);
}

Datum
gdpr_enctype_eq(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(
		values_equal(fcinfo->flinfo, PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)));
}

Datum
gdpr_enctype_ne(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(
		!values_equal(fcinfo->flinfo, PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)));
}

Datum
gdpr_enctype_eq_text(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(
		equal_text(fcinfo->flinfo, PG_GETARG_DATUM(0), PG_GETARG_TEXT_PP(1)));
}

Datum
gdpr_enctype_ne_text(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(
		!equal_text(fcinfo->flinfo, PG_GETARG_DATUM(0), PG_GETARG_TEXT_PP(1)));
}

Datum
gdpr_text_eq_enctype(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(
		equal_text(fcinfo->flinfo, PG_GETARG_DATUM(1), PG_GETARG_TEXT_PP(0)));
}

Datum
gdpr_text_ne_enctype(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(
		!equal_text(fcinfo->flinfo, PG_GETARG_DATUM(1), PG_GETARG_TEXT_PP(0)));
}

Datum
gdpr_enctype_lt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)) < 0);
}

Datum
gdpr_enctype_le(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)) <= 0);
}

Datum
gdpr_enctype_gt(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)) > 0);
}

Datum
gdpr_enctype_ge(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)) >= 0);
}

Datum
gdpr_enctype_cmp(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(compare(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)));
}

static uint64
hash_bytes_of(GdprBytes bytes, uint64 seed)
{
	return hash_bytes_extended(bytes.data, (int) bytes.length, seed);
}

/* Equal values have equal hashes; a seed of 0 gives the plain hash. */
static uint64
hash_value(Datum datum, uint64 seed)
{
	Operand op;
	Plain plain;
	uint64 hash;

	look(&op, datum);
	if (op.rank == RANK_TAGGED)
		return hash_bytes_extended(op.env.tag, GDPR_TAG_LEN, seed);
	if (op.rank != RANK_LOOSE)
		return hash_bytes_of(whole(&op), seed);
	hash = hash_bytes_of(open_loose(&op, &plain) ? plain.canonical : whole(&op),
						 seed);
	free_plain(&plain);
	return hash;
}

Datum
gdpr_enctype_hash(PG_FUNCTION_ARGS)
{
	PG_RETURN_UINT32((uint32) hash_value(PG_GETARG_DATUM(0), 0));
}

Datum
gdpr_enctype_hash_extended(PG_FUNCTION_ARGS)
{
	PG_RETURN_UINT64(
		hash_value(PG_GETARG_DATUM(0), (uint64) PG_GETARG_INT64(1)));
}
