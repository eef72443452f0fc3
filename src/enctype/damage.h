/*
 * damage.h
 *	  Reports of values that cannot be used.
 *
 * Those that return a value return NULL, to a caller with an escontext of
 * ereturn(); with none they raise.
 */
#ifndef GDPR_DAMAGE_H
#define GDPR_DAMAGE_H

#include "enctype/value.h"

/* PD008; column is the type modifier where the value was to go, or -1. */
extern struct varlena *gdpr_damage_malformed(GdprEnvelopeError error,
											 GdprBytes bytes, int32 column,
											 Node *escontext);
extern struct varlena *gdpr_damage_broken_text(const char *text, size_t length,
											   int32 column, Node *escontext);
extern struct varlena *gdpr_damage_forged(const GdprEnvelope *env,
										  Node *escontext);
extern struct varlena *gdpr_damage_misplaced(const GdprEnvelope *env,
											 const char *type_name,
											 Node *escontext);
extern struct varlena *gdpr_damage_in_flight(const GdprEnvelope *env,
											 Node *escontext);

/* PD006: the value may be fine, but not here. */
extern void gdpr_damage_key_missing(const GdprEnvelope *env);
extern void gdpr_damage_context_missing(uint32 hash);

#endif /* GDPR_DAMAGE_H */
