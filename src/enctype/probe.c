/*
 * probe.c
 *	  Tags for comparisons: what the side without a context becomes.
 *
 * The planner wraps a literal or parameter that is compared with a context's
 * values into gdpr.enctext_probe.  Making a tag is what the search privilege
 * protects, so it is checked here, at run time and for the current user: no
 * plan holds a tag.  Every tag that is made for a search is made by
 * gdpr_probe_tag, which counts it (search.c).
 */
#include "base/compat.h"

#include "base/errors.h"
#include "enctype/probe.h"
#include "enctype/search.h"
#include "enctype/unsealed.h"
#include "miscadmin.h"
#include "utils/memutils.h"

GDPR_FUNCTION(gdpr_enctype_probe);

/* Longer sources are tagged anew each time. */
#define CACHED_SOURCE 256

/*
 * In the filter of a sequential scan the same source comes with every row.
 * Kept in fn_extra, so for one execution of one statement.
 */
typedef struct ProbeCache
{
	Oid user;
	uint32 context;
	uint8 generation;
	GdprProbeForm form;
	uint16 length;
	uint8 tag[GDPR_TAG_LEN];
	uint8 bytes[CACHED_SOURCE];
} ProbeCache;

static bool
cache_holds(const ProbeCache *cache, const GdprProbeSource *source,
			uint32 context, uint8 generation)
{
	return cache->length == source->bytes.length && cache->context == context &&
		   cache->generation == generation && cache->form == source->form &&
		   cache->user == GetUserId() &&
		   memcmp(cache->bytes, source->bytes.data, cache->length) == 0;
}

static void
cache_fill(FmgrInfo *flinfo, const GdprProbeSource *source, uint32 context,
		   uint8 generation, const uint8 *tag)
{
	ProbeCache *cache = flinfo->fn_extra;

	if (source->bytes.length > CACHED_SOURCE)
		return;
	if (cache == NULL)
	{
		cache = MemoryContextAlloc(flinfo->fn_mcxt, sizeof(ProbeCache));
		flinfo->fn_extra = cache;
	}
	cache->user = GetUserId();
	cache->context = context;
	cache->generation = generation;
	cache->form = source->form;
	cache->length = (uint16) source->bytes.length;
	memcpy(cache->bytes, source->bytes.data, source->bytes.length);
	memcpy(cache->tag, tag, GDPR_TAG_LEN);
}

static void
make_tag(const GdprKind *kind, const GdprContext *context, uint8 generation,
		 GdprBytes payload, uint8 *tag)
{
	if (!gdpr_value_tag(kind, context, generation, payload, tag))
		ereport(ERROR,
				(errcode(ERRCODE_GDPR_KEY_UNAVAILABLE),
				 errmsg("search key of encryption context \"%s\" is not available",
						NameStr(context->name)),
				 errhint("Check gdpr.root_key_file or gdpr.root_key_command and gdpr.key_fingerprint().")));
}

static void
make_tag_of_sealed(const GdprProbeSource *source, const GdprContext *context,
				   uint8 generation, uint8 *tag)
{
	GdprEnvelope env;
	GdprBytes payload;
	uint8 *buffer;

	gdpr_value_parse(source->bytes, &env);
	buffer = palloc(env.length + 1);
	gdpr_value_require_opened(&env, gdpr_value_open(&env, buffer));
	payload.data = buffer;
	payload.length = env.length;
	make_tag(source->kind, context, generation, payload, tag);
	pfree(buffer);
}

void
gdpr_probe_tag(FmgrInfo *flinfo, const GdprProbeSource *source, uint32 hash,
			   uint8 generation, uint8 *tag)
{
	const ProbeCache *cache = flinfo != NULL ? flinfo->fn_extra : NULL;
	const GdprContext *context;
	uint8 actual;

	if (cache != NULL && cache_holds(cache, source, hash, generation))
	{
		memcpy(tag, cache->tag, GDPR_TAG_LEN);
		return;
	}
	context = gdpr_value_context(hash);
	gdpr_keyring_check(context, GetUserId(), GDPR_PRIV_SEARCH);
	gdpr_search_count(GetUserId(), context);
	actual = generation != 0 ? generation : context->tag_generation;
	switch (source->form)
	{
		case GDPR_PROBE_SEALED:
			make_tag_of_sealed(source, context, actual, tag);
			break;
		case GDPR_PROBE_PAYLOAD:
			make_tag(source->kind, context, actual, source->bytes, tag);
			break;
		case GDPR_PROBE_TEXT:
			make_tag(source->kind, context, actual,
					 gdpr_text_to_payload(source->bytes), tag);
			break;
	}
	if (flinfo != NULL)
		cache_fill(flinfo, source, hash, generation, tag);
}

/* A header with a tag and nothing behind it; never stored. */
static struct varlena *
make_probe(FmgrInfo *flinfo, const GdprProbeSource *source, uint32 hash)
{
	uint8 tag[GDPR_TAG_LEN];
	GdprEnvelope env = {
		.flags = source->kind->kind | GDPR_FLAG_INFLIGHT | GDPR_FLAG_TAG,
		.context = hash,
		.tag = tag,
	};
	struct varlena *probe = palloc(VARHDRSZ + GDPR_ENVELOPE_HEAD_LEN);

	gdpr_probe_tag(flinfo, source, hash, 0, tag);
	env.tag_generation = gdpr_value_context(hash)->tag_generation;
	SET_VARSIZE(probe, VARHDRSZ + GDPR_ENVELOPE_HEAD_LEN);
	(void) gdpr_envelope_write_header((uint8 *) VARDATA(probe), &env);
	return probe;
}

static struct varlena *
make_probe_of_unsealed(FmgrInfo *flinfo, const GdprUnsealedValue *unsealed,
					   uint32 hash)
{
	GdprProbeSource source = {
		.kind = unsealed->kind,
		.bytes = unsealed->payload,
		.form = GDPR_PROBE_PAYLOAD,
	};

	return make_probe(flinfo, &source, hash);
}

/* Tags of different domains are under different keys and never equal. */
static void
require_same_domain(uint32 have, uint32 want)
{
	const GdprContext *a;
	const GdprContext *b;

	a = gdpr_value_context(have);
	b = gdpr_value_context(want);
	if (strcmp(NameStr(a->tag_domain), NameStr(b->tag_domain)) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("values of encryption contexts \"%s\" and \"%s\" cannot be compared",
						NameStr(a->name), NameStr(b->name)),
				 errhint("Contexts whose values are joined must share a tag domain; otherwise cast both sides to text.")));
}

static Datum
probe_value(FunctionCallInfo fcinfo, Datum value, int32 typmod)
{
	GdprProbeSource source = {NULL, {NULL, 0}, GDPR_PROBE_SEALED};
	GdprUnsealedValue unsealed;
	GdprEnvelope env;
	GdprBytes head;

	if (typmod < 0)
		return value;
	if (gdpr_unsealed_get(value, &unsealed) && unsealed.kind->canonical != NULL)
		return PointerGetDatum(
			make_probe_of_unsealed(fcinfo->flinfo, &unsealed, typmod));
	head = gdpr_value_head(value);
	if (!gdpr_envelope_peek(head.data, head.length, &env) ||
		!gdpr_value_is_loose(&env))
	{
		if (env.context != 0 && env.context != (uint32) typmod)
		{
			gdpr_value_require_context(&env);
			require_same_domain(env.context, typmod);
		}
		return value;
	}
	source.kind = gdpr_kind_of(GDPR_ENVELOPE_KIND(&env));
	if (source.kind->canonical == NULL)
		return value;
	source.bytes = gdpr_value_bytes(PG_DETOAST_DATUM_PACKED(value));
	return PointerGetDatum(make_probe(fcinfo->flinfo, &source, typmod));
}

Datum
gdpr_enctype_probe(PG_FUNCTION_ARGS)
{
	return probe_value(fcinfo, PG_GETARG_DATUM(0), PG_GETARG_INT32(1));
}

/* A string that is a value's text form stands for that value. */
static Datum
probe_text(FunctionCallInfo fcinfo, const GdprKind *kind)
{
	text *string = PG_GETARG_TEXT_PP(0);
	int32 typmod = PG_GETARG_INT32(1);
	GdprProbeSource source = {kind, gdpr_value_bytes(string), GDPR_PROBE_TEXT};
	const char *data = (const char *) source.bytes.data;

	if (typmod < 0 || gdpr_envelope_text_claims(data, source.bytes.length))
		return probe_value(fcinfo,
						   PointerGetDatum(gdpr_input_string(
							   kind, data, source.bytes.length, -1, true)),
						   typmod);
	PG_RETURN_POINTER(make_probe(fcinfo->flinfo, &source, typmod));
}

#define PROBE_FUNCTION(type, kind)                   \
	GDPR_FUNCTION(gdpr_##type##_probe_text);         \
	Datum gdpr_##type##_probe_text(PG_FUNCTION_ARGS) \
	{                                                \
		return probe_text(fcinfo, &kind);            \
	}

GDPR_EACH_TAGGED_TYPE(PROBE_FUNCTION)
