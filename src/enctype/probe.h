/*
 * probe.h
 *	  Tags for comparisons: what the side without a context becomes.
 */
#ifndef GDPR_PROBE_H
#define GDPR_PROBE_H

#include "enctype/value.h"

typedef enum GdprProbeForm
{
	GDPR_PROBE_TEXT,	/* text in the encoding of the database */
	GDPR_PROBE_PAYLOAD, /* of a parameter that was not sealed yet */
	GDPR_PROBE_SEALED,	/* the envelope of a loose value */
} GdprProbeForm;

/* What a comparison is asked with. */
typedef struct GdprProbeSource
{
	const GdprKind *kind;
	GdprBytes bytes;
	GdprProbeForm form;
} GdprProbeSource;

/*
 * The equality tag of the source in a context; generation 0 means the
 * context's current one.  Needs the search privilege of the current user
 * (42501) and the key (PD006).  The last result is kept with the function.
 */
extern void gdpr_probe_tag(FmgrInfo *flinfo, const GdprProbeSource *source,
						   uint32 context, uint8 generation, uint8 *tag);

#endif /* GDPR_PROBE_H */
