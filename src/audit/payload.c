/*
 * payload.c
 *	  What changed in a row.
 *
 * Values are printed column by column, by the type's output function.  An
 * encrypted value is never opened for it: whoever reads the log sees it as it
 * is stored, and needs the context's own right for more.
 */
#include "base/compat.h"

#include "access/detoast.h"
#include "audit/payload.h"
#include "audit/values.h"
#include "base/digest.h"
#include "catalog/pg_type.h"
#include "enctype/keep.h"
#include "enctype/output.h"
#include "enctype/value.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/datetime.h"
#include "utils/datum.h"
#include "utils/json.h"

/*
 * Longer texts are recorded by their length and a digest, and so are all once
 * a row has that much: the auditor sees it as json, which has its limits.
 */
#define LONGEST_TEXT (256 * 1024)
#define LONGEST_ROW	 (32 * 1024 * 1024)

/* ---- comparing ---- */

static bool
same_pointer(const struct varlena *a, const struct varlena *b)
{
	return VARATT_IS_EXTERNAL(a) && VARATT_IS_EXTERNAL(b) &&
		   VARSIZE_EXTERNAL(a) == VARSIZE_EXTERNAL(b) &&
		   memcmp(a, b, VARSIZE_EXTERNAL(a)) == 0;
}

static bool
parse(Datum value, GdprEnvelope *env)
{
	GdprBytes bytes = gdpr_value_bytes(PG_DETOAST_DATUM_PACKED(value));

	return gdpr_envelope_parse(bytes.data, bytes.length, env) ==
		   GDPR_ENVELOPE_OK;
}

/*
 * An application that writes every column back encrypts anew where it may not
 * read.  Nobody sees what is opened here.
 */
static bool
same_encrypted(Datum a, Datum b)
{
	GdprKeepTags tags;
	GdprEnvelope x;
	GdprEnvelope y;

	if (!parse(a, &x) || !parse(b, &y) || x.context != y.context ||
		GDPR_ENVELOPE_KIND(&x) != GDPR_ENVELOPE_KIND(&y))
		return false;
	tags = gdpr_keep_compare_tags(&x, &y);
	if (tags != GDPR_KEEP_UNKNOWN)
		return tags == GDPR_KEEP_SAME;
	return gdpr_keep_same_payload(&x, &y);
}

static bool
same_value(const GdprAuditColumn *column, Datum a, Datum b)
{
	if (column->typlen == -1 &&
		same_pointer((struct varlena *) DatumGetPointer(a),
					 (struct varlena *) DatumGetPointer(b)))
		return true;
	if (datum_image_eq(a, b, column->typbyval, column->typlen))
		return true;
	return column->sort == GDPR_AUDIT_ENCRYPTED && same_encrypted(a, b);
}

static bool
differs(const GdprAuditColumn *column, int i, const Datum *old_values,
		const bool *old_nulls, const Datum *new_values, const bool *new_nulls)
{
	bool old_null = old_values == NULL || old_nulls[i];
	bool new_null = new_values == NULL || new_nulls[i];

	if (column->sort == GDPR_AUDIT_SKIP || (old_null && new_null))
		return false;
	return old_null != new_null ||
		   !same_value(column, old_values[i], new_values[i]);
}

Bitmapset *
gdpr_audit_changed_columns(const GdprAuditRelation *entry,
						   const Datum *old_values, const bool *old_nulls,
						   const Datum *new_values, const bool *new_nulls)
{
	Bitmapset *changed = NULL;

	for (int i = 0; i < entry->natts; i++)
	{
		if (differs(&entry->columns[i], i, old_values, old_nulls, new_values,
					new_nulls))
			changed = bms_add_member(changed, i);
	}
	return changed;
}

/* ---- printing ---- */

static void
print_text(const char *text, StringInfo out)
{
	size_t length = strlen(text);

	if (length > LONGEST_TEXT || out->len + length > LONGEST_ROW)
	{
		text = psprintf("(%zu bytes, SHA-256 %s)", length,
						gdpr_digest_hex(text, length));
		length = strlen(text);
	}
	gdpr_audit_put(out, text, length);
}

static void
print_time(const GdprAuditColumn *column, Datum value, StringInfo out)
{
	char text[MAXDATELEN + 1];

	JsonEncodeDateTime(text, value, column->base, NULL);
	print_text(text, out);
}

static void
print_value(GdprAuditColumn *column, Datum value, StringInfo out)
{
	GdprEmit before;
	char *text;

	if (column->sort == GDPR_AUDIT_TIME)
	{
		print_time(column, value, out);
		return;
	}
	if (column->sort == GDPR_AUDIT_PLAIN)
		text = OutputFunctionCall(&column->output, value);
	else
	{
		/* The end of the transaction restores it where an error passes. */
		before = gdpr_output_set_mode(GDPR_EMIT_STORAGE_WITHOUT_TAG);
		text = OutputFunctionCall(&column->output, value);
		(void) gdpr_output_set_mode(before);
	}
	print_text(text, out);
	pfree(text);
}

static void
print_side(GdprAuditColumn *column, int i, const Datum *values,
		   const bool *nulls, StringInfo out)
{
	if (values == NULL || nulls[i])
		gdpr_audit_put(out, NULL, 0);
	else
		print_value(column, values[i], out);
}

void
gdpr_audit_print(GdprAuditRelation *entry, const Bitmapset *changed,
				 const Datum *old_values, const bool *old_nulls,
				 const Datum *new_values, const bool *new_nulls, StringInfo out)
{
	int i = -1;

	while ((i = bms_next_member(changed, i)) >= 0)
	{
		GdprAuditColumn *column = &entry->columns[i];

		print_side(column, i, old_values, old_nulls, out);
		print_side(column, i, new_values, new_nulls, out);
	}
}
