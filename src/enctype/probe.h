/*
 * probe.h
 *	  Tags for comparisons: what the side without a context becomes.
 */
#ifndef GDPR_PROBE_H
#define GDPR_PROBE_H

#include "enctype/value.h"

/* What a comparison is asked with: a loose value, or text. */
typedef struct GdprProbeSource
{
	const GdprKind *kind;
	GdprBytes bytes;
	bool is_sealed; /* bytes are a loose value's envelope */
} GdprProbeSource;

/*
 * The equality tag of the source in a context; generation 0 means the
 * context's current one.  Needs the search privilege of the current user
 * (42501) and the key (PD006).  The last result is kept with the function.
 */
extern void gdpr_probe_tag(FmgrInfo *flinfo, const GdprProbeSource *source,
						   uint32 context, uint8 generation, uint8 *tag);

#endif /* GDPR_PROBE_H */
