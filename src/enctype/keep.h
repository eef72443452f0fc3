/*
 * keep.h
 *	  An UPDATE that writes a value back keeps its stored form.
 */
#ifndef GDPR_KEEP_H
#define GDPR_KEEP_H

#include "enctype/envelope.h"
#include "nodes/parsenodes.h"

/*
 * Wraps what UPDATE, ON CONFLICT DO UPDATE and MERGE assign to encrypted
 * columns into gdpr.enctype_keep(old, new).  Called by the planner hook; the
 * query is the planner's own.
 */
extern void gdpr_keep_query(Query *query);

typedef enum GdprKeepTags
{
	GDPR_KEEP_SAME,
	GDPR_KEEP_DIFFERENT,
	GDPR_KEEP_UNKNOWN, /* no tags, or of texts that may differ in case */
} GdprKeepTags;

/* What the equality tags of two values of one type and context say. */
extern GdprKeepTags gdpr_keep_compare_tags(const GdprEnvelope *a,
										   const GdprEnvelope *b);

/* Do two whole values hold the same?  Opens both; no right is asked for. */
extern bool gdpr_keep_same_payload(const GdprEnvelope *a,
								   const GdprEnvelope *b);

#endif /* GDPR_KEEP_H */
