/*
 * kind.h
 *	  The encrypted types: what each adds to the one machinery of value.h.
 *
 * The list of the types is GDPR_EACH_TYPE and nothing else in C; in SQL it is
 * the tables of sql/parts/30_enctype.sql.
 */
#ifndef GDPR_KIND_H
#define GDPR_KIND_H

#include "enctype/envelope.h"
#include "lib/stringinfo.h"
#include "nodes/nodes.h"

typedef struct GdprBytes
{
	const uint8 *data;
	size_t length;
} GdprBytes;

static inline GdprBytes
gdpr_value_bytes(const struct varlena *value)
{
	GdprBytes bytes;

	bytes.data = (const uint8 *) VARDATA_ANY(value);
	bytes.length = VARSIZE_ANY_EXHDR(value);
	return bytes;
}

/*
 * A type.  Its payload is what is encrypted: the same bytes for the same value
 * on every server.  Functions may give back what they were given; other
 * results are palloc'd, and text among them ends in a NUL.
 */
typedef struct GdprKind GdprKind;
struct GdprKind
{
	uint8 kind; /* GDPR_KIND_xxx */
	const char *type_name;
	Oid base; /* the server's type of the plain values */
	const char *base_name;

	/*
	 * External text in the database's encoding to payload.  What does not fit
	 * is reported without being shown, as ereturn() does: false with a context
	 * for errors, raised without.
	 */
	bool (*parse)(const GdprKind *kind, GdprBytes text, Node *escontext,
				  GdprBytes *payload);
	/* Payload to external text; false when this database cannot show it. */
	bool (*print)(GdprBytes payload, GdprBytes *text);
	/* The bytes that equality compares; NULL for a type without equality. */
	GdprBytes (*canonical)(GdprBytes payload);
	/* A value of the base type to payload, and back; false as for print. */
	GdprBytes (*from_base)(Datum value);
	bool (*to_base)(struct varlena *payload, Datum *value);
	/* As json builders show the base type; NULL for a string of the text. */
	bool (*print_json)(GdprBytes payload, StringInfo out);
};

extern const GdprKind gdpr_kind_text;
extern const GdprKind gdpr_kind_folded;
extern const GdprKind gdpr_kind_secret;
extern const GdprKind gdpr_kind_bytes;
extern const GdprKind gdpr_kind_json;
extern const GdprKind gdpr_kind_numeric;
extern const GdprKind gdpr_kind_int8;
extern const GdprKind gdpr_kind_date;
extern const GdprKind gdpr_kind_timestamptz;

/* X(name of the SQL type, its kind), in the order of the kinds' numbers. */
#define GDPR_EACH_TEXT_TYPE(X)    \
	X(enctext, gdpr_kind_text)    \
	X(encitext, gdpr_kind_folded) \
	X(encsecret, gdpr_kind_secret)

#define GDPR_EACH_OTHER_TYPE(X)      \
	X(encbytea, gdpr_kind_bytes)     \
	X(encjsonb, gdpr_kind_json)      \
	X(encnumeric, gdpr_kind_numeric) \
	X(encint8, gdpr_kind_int8)       \
	X(encdate, gdpr_kind_date)       \
	X(enctimestamptz, gdpr_kind_timestamptz)

#define GDPR_EACH_TYPE(X)  \
	GDPR_EACH_TEXT_TYPE(X) \
	GDPR_EACH_OTHER_TYPE(X)

/* Types with equality. */
#define GDPR_EACH_TAGGED_TYPE(X) \
	X(enctext, gdpr_kind_text)   \
	X(encitext, gdpr_kind_folded)

/* Kinds are numbered from 1. */
#define GDPR_KIND_COUNT GDPR_KIND_TIMESTAMPTZ

/* NULL for a number that is no kind. */
extern const GdprKind *gdpr_kind_of(uint8 kind);

/* NULL for a name that is no encrypted type's. */
extern const GdprKind *gdpr_kind_by_name(const char *type_name);

/* The bytes that equality compares, those of the payload without equality. */
extern GdprBytes gdpr_kind_canonical(uint8 kind, GdprBytes payload);

/* text.c, for the kinds whose payload is text in UTF-8. */
extern bool gdpr_text_parse(const GdprKind *kind, GdprBytes text,
							Node *escontext, GdprBytes *payload);
extern bool gdpr_text_print(GdprBytes payload, GdprBytes *text);
extern GdprBytes gdpr_text_to_payload(GdprBytes text);

#endif /* GDPR_KIND_H */
