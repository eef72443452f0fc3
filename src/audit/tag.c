/*
 * tag.c
 *	  Pseudonyms by which a row, and whose it is, are known to the log.
 *
 * A tag is a keyed hash of a set of columns and their values as text.  Where
 * the columns are the key of a person, it is the pseudonym of the ledger; so a
 * record and a certificate name him alike.  A child's reference makes the tag
 * of the parent's key, because values that are equal print alike whatever
 * integer or string type they have.
 */
#include "base/compat.h"

#include "audit/relation.h"
#include "base/sql.h"
#include "catalog/pg_type.h"
#include "crypto/keyring.h"
#include "enctype/value.h"
#include "executor/executor.h"
#include "subject/key.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"

#define ROW_PURPOSE "row"

/* The bytes of an encrypted value's equality tag, as hex; NULL without one. */
static char *
encrypted_text(Datum value)
{
	struct varlena *bytes = PG_DETOAST_DATUM_PACKED(value);
	GdprEnvelope env;
	char *hex;

	if (gdpr_envelope_parse((uint8 *) VARDATA_ANY(bytes),
							VARSIZE_ANY_EXHDR(bytes),
							&env) != GDPR_ENVELOPE_OK ||
		env.tag == NULL)
		return NULL;
	hex = palloc(2 * GDPR_ENVELOPE_TAG_LEN + 1);
	hex[hex_encode((const char *) env.tag, GDPR_ENVELOPE_TAG_LEN, hex)] = '\0';
	return hex;
}

/* What it holds, as its equality sees it; nobody else does.  NULL without the key. */
static char *
opened_text(Datum value)
{
	GdprBytes bytes = gdpr_value_bytes(PG_DETOAST_DATUM_PACKED(value));
	GdprEnvelope env;
	GdprBytes payload;
	uint8 *buffer;

	if (gdpr_envelope_parse(bytes.data, bytes.length, &env) !=
			GDPR_ENVELOPE_OK ||
		env.nonce == NULL)
		return NULL;
	buffer = palloc(env.length + 1);
	if (gdpr_value_open(&env, buffer) != GDPR_OPENED)
		return NULL;
	payload.data = buffer;
	payload.length = env.length;
	payload = gdpr_kind_canonical(GDPR_ENVELOPE_KIND(&env), payload);
	return pnstrdup((const char *) payload.data, payload.length);
}

static char *
without_blanks(char *text)
{
	size_t n = strlen(text);

	while (n > 0 && text[n - 1] == ' ')
		text[--n] = '\0';
	return text;
}

static char *
canonical_text(FmgrInfo *output, Datum value)
{
	MemoryContext caller = CurrentMemoryContext;
	GdprSqlScope scope;
	char *text;

	gdpr_sql_begin_canonical(&scope);
	text = MemoryContextStrdup(caller, OutputFunctionCall(output, value));
	gdpr_sql_end_caller(&scope);
	return text;
}

static char *
value_text(GdprAuditText how, FmgrInfo *output, Datum value)
{
	switch (how)
	{
		case GDPR_AUDIT_TAG:
			return encrypted_text(value);
		case GDPR_AUDIT_PLAINTEXT:
			return opened_text(value);
		case GDPR_AUDIT_CANONICAL:
			return canonical_text(output, value);
		case GDPR_AUDIT_BLANKS:
			return without_blanks(OutputFunctionCall(output, value));
		case GDPR_AUDIT_NUMERIC:
			return OutputFunctionCall(output,
									  DirectFunctionCall1(numeric_trim_scale,
														  value));
		case GDPR_AUDIT_TEXT:
			break;
	}
	return OutputFunctionCall(output, value);
}

/* The key as subject/key.c writes it: one text, or a json array. */
static bool
key_text(GdprAuditSource *source, const TupleTableSlot *slot, StringInfo out)
{
	if (source->ncolumns > 1)
		appendStringInfoChar(out, '[');
	for (int i = 0; i < source->ncolumns; i++)
	{
		int at = source->columns[i] - 1;
		char *text;

		if (at < 0 || slot->tts_isnull[at])
			return false;
		text = value_text(source->how[i], &source->output[i],
						  slot->tts_values[at]);
		if (text == NULL)
			return false;
		if (i > 0)
			appendStringInfoChar(out, ',');
		if (source->ncolumns > 1)
			escape_json(out, text);
		else
			appendStringInfoString(out, text);
	}
	if (source->ncolumns > 1)
		appendStringInfoChar(out, ']');
	return true;
}

static void
make_tag(const GdprAuditSource *source, StringInfo key, GdprAuditTag *tag)
{
	StringInfoData buf;

	if (source->kind != NULL)
	{
		gdpr_key_pseudonym(source->kind, key->data, tag->bytes);
		return;
	}
	initStringInfo(&buf);
	appendBinaryStringInfo(&buf, (const char *) source->key,
						   sizeof(source->key));
	appendBinaryStringInfo(&buf, key->data, key->len);
	gdpr_keyring_pseudonym(ROW_PURPOSE, buf.data, buf.len, tag->bytes);
	pfree(buf.data);
}

/* Lines of one invoice follow each other: the last tag is often the next. */
static void
remembered_tag(GdprAuditSource *source, StringInfo key, GdprAuditTag *tag)
{
	if (source->last.len != key->len || source->last.len == 0 ||
		memcmp(source->last.data, key->data, key->len) != 0)
	{
		make_tag(source, key, &source->last_tag);
		resetStringInfo(&source->last);
		appendBinaryStringInfo(&source->last, key->data, key->len);
	}
	*tag = source->last_tag;
}

static int
find_tag(const GdprAuditTags *tags, const GdprAuditTag *tag)
{
	for (int i = 0; i < tags->n; i++)
	{
		if (memcmp(&tags->tags[i], tag, sizeof(*tag)) == 0)
			return i;
	}
	return -1;
}

/* A reference that only some rows make: to one of several sorts of parents. */
static bool
is_meant(const GdprAuditRelation *entry, const GdprAuditSource *source,
		 TupleTableSlot *slot)
{
	if (source->condition == NULL)
		return true;
	ResetExprContext(entry->econtext);
	entry->econtext->ecxt_scantuple = slot;
	return ExecQual(source->condition, entry->econtext);
}

static int
add_tag(GdprAuditRelation *entry, GdprAuditPart part, const GdprAuditTag *tag,
		GdprAuditTags *tags)
{
	int at = find_tag(tags, tag);

	if (at >= 0)
		return at;
	if (tags->n == GDPR_AUDIT_MOST_TAGS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("a row of relation %s belongs to too many others to be recorded",
						entry->label)));
	tags->tags[tags->n] = *tag;
	tags->count[part]++;
	return tags->n++;
}

void
gdpr_audit_add_tags(GdprAuditRelation *entry, GdprAuditPart part,
					TupleTableSlot *slot, GdprAuditTags *tags)
{
	StringInfoData key;

	initStringInfo(&key);
	for (int i = 0; i < entry->nsources; i++)
	{
		GdprAuditSource *source = &entry->sources[i];
		GdprAuditTag tag;
		int at;

		if (source->part != part || !is_meant(entry, source, slot))
			continue;
		resetStringInfo(&key);
		if (!key_text(source, slot, &key))
			continue;
		remembered_tag(source, &key, &tag);
		at = add_tag(entry, part, &tag, tags);
		if (source->kind != NULL && tags->subject < 0)
			tags->subject = at;
	}
	pfree(key.data);
}

bool
gdpr_audit_person(GdprAuditRelation *entry, TupleTableSlot *slot,
				  GdprAuditTag *tag)
{
	StringInfoData key;
	bool found = false;

	initStringInfo(&key);
	for (int i = 0; i < entry->nsources && !found; i++)
	{
		GdprAuditSource *source = &entry->sources[i];

		if (source->kind == NULL || !is_meant(entry, source, slot))
			continue;
		resetStringInfo(&key);
		found = key_text(source, slot, &key);
		if (found)
			remembered_tag(source, &key, tag);
	}
	pfree(key.data);
	return found;
}

int
gdpr_audit_count_persons(const GdprAuditRelation *entry)
{
	int n = 0;

	for (int i = 0; i < entry->nsources; i++)
		n += entry->sources[i].kind != NULL;
	return n;
}
