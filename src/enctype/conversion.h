/*
 * conversion.h
 *	  Plain values between the base type of a kind and other types of the
 *	  server, as the server's own casts convert them.
 */
#ifndef GDPR_CONVERSION_H
#define GDPR_CONVERSION_H

#include "enctype/kind.h"

typedef struct GdprConversion GdprConversion;

/*
 * From the type of the called function's first argument to the kind's base
 * type, and from that to the type of its result.  Kept in fn_extra.
 */
extern GdprConversion *gdpr_conversion_in(FmgrInfo *flinfo,
										  const GdprKind *kind);
extern GdprConversion *gdpr_conversion_out(FmgrInfo *flinfo,
										   const GdprKind *kind);

/* Of the type modifier, unless it is -1, as by a cast that is_explicit or not. */
extern Datum gdpr_conversion_apply(GdprConversion *conversion, Datum value,
								   int32 typmod, bool is_explicit);

#endif /* GDPR_CONVERSION_H */
