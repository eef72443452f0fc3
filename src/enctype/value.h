/*
 * value.h
 *	  One machinery for the values of all encrypted types: sealing, opening,
 *	  tagging, and moving between contexts under the rights that this needs.
 */
#ifndef GDPR_VALUE_H
#define GDPR_VALUE_H

#include "crypto/keyring.h"
#include "enctype/kind.h"

typedef enum GdprOpened
{
	GDPR_OPENED,
	GDPR_OPEN_EMPTY,   /* erased, or a probe: there is no payload */
	GDPR_OPEN_NO_KEY,  /* context or key not available */
	GDPR_OPEN_GONE,	   /* the key of its person is destroyed */
	GDPR_OPEN_CORRUPT, /* does not authenticate */
} GdprOpened;

/* A literal or parameter that no context owns yet. */
static inline bool
gdpr_value_is_loose(const GdprEnvelope *env)
{
	return (env->flags & GDPR_FLAG_INFLIGHT) != 0 && env->context == 0;
}

/* Parses a datum that is detoasted already; PD008 when it is malformed. */
extern void gdpr_value_parse(GdprBytes bytes, GdprEnvelope *env);

/* Raises 42704 naming the number when there is no such context. */
extern const GdprContext *gdpr_value_context(uint32 hash);

/* Decrypts into out, which holds env->length bytes; never raises. */
extern GdprOpened gdpr_value_open(const GdprEnvelope *env, uint8 *out);

/*
 * Raises for any result but GDPR_OPENED: PD006, PD008, 0A000.  Where a person's
 * values are read, GDPR_OPEN_GONE is the caller's to treat as no value.
 */
extern void gdpr_value_require_opened(const GdprEnvelope *env,
									  GdprOpened opened);

/* Raises 54000 for a payload whose value would have no text form. */
extern void gdpr_value_check_length(size_t length);

/*
 * Raises PD006 where the context that a value names does not exist: what is
 * wrong is the value, or where it is, and not a column's type (42704).
 */
extern void gdpr_value_require_context(const GdprEnvelope *env);

/*
 * The current user's right to the plaintext; loose values are free.  Raises
 * 42501, and PD006 where the value's context does not exist.
 */
extern void gdpr_value_check_read(const GdprEnvelope *env);

/* The equality tag of a payload; false without the key. */
extern bool gdpr_value_tag(const GdprKind *kind, const GdprContext *context,
						   uint8 generation, GdprBytes payload, uint8 *tag);

/*
 * A value from a payload: of the context in typmod, which needs the write
 * privilege, or loose when typmod is -1.  Where nonces cannot be counted an
 * explicit cast gives a value in flight that knows its context and tag;
 * otherwise 25006.
 */
extern struct varlena *gdpr_value_make(const GdprKind *kind, GdprBytes payload,
									   int32 typmod, bool is_explicit);

/*
 * A stored value under another key of its own context: that of the person whose
 * key id this is (crypto/subject_key.h), or the context's with NULL.  No right
 * is needed: nothing is shown.  The argument itself when it is under that key
 * already, is erased, or its person's key is destroyed.  Raises PD006, XX001.
 */
extern Datum gdpr_value_rekey(Datum value, const uint8 *subject_id);

/* Is it a value at rest, with a payload: neither in flight nor erased? */
extern bool gdpr_value_is_stored(Datum value);

/*
 * The id of the person's key that the value is under, copied into id; NULL for
 * its context's, and for what is no value or erased.
 */
extern const uint8 *gdpr_value_subject_id(Datum value, uint8 *id);

/* A loose value, sealed.  Without shared memory there is none: raises 55000. */
extern struct varlena *gdpr_value_make_loose(const GdprKind *kind,
											 GdprBytes payload);

/* A value that was erased: no ciphertext, a random tag.  No right needed. */
extern struct varlena *gdpr_value_make_erased(const GdprKind *kind,
											  uint32 context);

/*
 * The value as one of this kind and context (typmod -1: whatever context it
 * has).  The argument itself when nothing changes; else the context rule:
 * read on the source, write on the target.
 */
extern Datum gdpr_value_move(const GdprKind *kind, Datum value, int32 typmod,
							 bool is_explicit);

/*
 * While true, what moves into another context keeps the key of its person.  For
 * those who move whole columns, where a row's person stays who he is.  Returns
 * what it was before; who sets it sets it back, also after an error.
 */
extern bool gdpr_value_keep_subjects(bool keep);

/*
 * Was a stored value sealed with another key than its context's primary?  Not
 * for one that has a subject's key or none.  Looks at its head alone.
 */
extern bool gdpr_value_is_behind(Datum value);

/*
 * The same value sealed with its context's primary key; the tag stays.  No
 * right is needed: who gets it learns nothing from it.  Anything but
 * GDPR_OPENED leaves *result alone.
 */
extern GdprOpened gdpr_value_reseal(Datum value, Datum *result);

/*
 * Text as the type's input function sees it; without a context plaintext stays
 * unsealed for the moment (unsealed.h).  escontext as in ereturn(): NULL after
 * an error that it took.
 */
extern Datum gdpr_input_text(const GdprKind *kind, const char *text,
							 size_t length, int32 typmod, Node *escontext);

/*
 * A string of SQL: our own text form is taken as by input, so that nothing is
 * encrypted twice; everything else is plaintext, also what looks escaped.
 */
extern struct varlena *gdpr_input_string(const GdprKind *kind, const char *text,
										 size_t length, int32 typmod,
										 bool is_explicit);

/* As much of a datum as gdpr_envelope_peek needs, fetched cheaply. */
extern GdprBytes gdpr_value_head(Datum value);

#endif /* GDPR_VALUE_H */
