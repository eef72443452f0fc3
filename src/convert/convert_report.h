/*
 * convert_report.h
 *	  What a conversion says before it does anything, as rows of its result:
 *	  item, object, action, blocking.
 */
#ifndef GDPR_CONVERT_REPORT_H
#define GDPR_CONVERT_REPORT_H

#include "convert/convert.h"
#include "crypto/keyring.h"
#include "enctype/kind.h"
#include "fmgr.h"

/* The first line, and unless it is a dry run the table's lock before it. */
extern void gdpr_report_begin(FunctionCallInfo fcinfo,
							  const GdprConvertColumn *column, const char *type,
							  bool dry_run);

/*
 * What depends on the column; returns the names of what stands in the way, or
 * NULL.  kind is what the column becomes, NULL when it becomes plain.
 */
extern char *gdpr_report_dependents(FunctionCallInfo fcinfo,
									const GdprConvertColumn *column,
									const GdprKind *kind, bool default_blocks,
									bool online);

/* Roles that read the column today and would see ciphertext. */
extern void gdpr_report_roles(FunctionCallInfo fcinfo,
							  const GdprConvertColumn *column,
							  const GdprContext *context);

/* Roles that would lose what they have on the context with this hash. */
extern void gdpr_report_grants(FunctionCallInfo fcinfo, uint32 hash,
							   const GdprContext *context);

/* Raises 2BP01 with those names. */
extern void gdpr_report_refuse(const char *blockers);

#endif /* GDPR_CONVERT_REPORT_H */
