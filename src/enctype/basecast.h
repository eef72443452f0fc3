/*
 * basecast.h
 *	  Plain values between the base type of a kind and other types of the
 *	  server, as the server's own casts convert them.
 */
#ifndef GDPR_BASECAST_H
#define GDPR_BASECAST_H

#include "enctype/kind.h"

typedef struct GdprBaseCast GdprBaseCast;

/*
 * From the type of the called function's first argument to the kind's base
 * type, and from that to the type of its result.  Kept in fn_extra.
 */
extern GdprBaseCast *gdpr_basecast_in(FmgrInfo *flinfo, const GdprKind *kind);
extern GdprBaseCast *gdpr_basecast_out(FmgrInfo *flinfo, const GdprKind *kind);

/* Of the type modifier, unless it is -1, as by a cast that is_explicit or not. */
extern Datum gdpr_basecast_apply(GdprBaseCast *cast, Datum value, int32 typmod,
								 bool is_explicit);

#endif /* GDPR_BASECAST_H */
