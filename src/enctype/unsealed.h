/*
 * unsealed.h
 *	  Parameters on their way to a column, not yet sealed.
 */
#ifndef GDPR_UNSEALED_H
#define GDPR_UNSEALED_H

#include "enctype/value.h"

/* What such a value holds; the payload lives as long as the value. */
typedef struct GdprUnsealedValue
{
	const GdprKind *kind;
	GdprBytes payload;
} GdprUnsealedValue;

/*
 * A value in flight that no context owns, for what may well be sealed for a
 * context a moment later.  An expanded object in the current memory context:
 * whoever copies, stores or looks into it gets it sealed.  Long payloads are
 * sealed at once.  Raises 55000 where the library is not preloaded.
 */
extern Datum gdpr_unsealed_make(const GdprKind *kind, GdprBytes payload);

/* False for any datum that gdpr_unsealed_make() did not return. */
extern bool gdpr_unsealed_get(Datum value, GdprUnsealedValue *unsealed);

#endif /* GDPR_UNSEALED_H */
