/*
 * gdpr_ext.c
 *	  Entry point of the library: a table of contents.
 */
#include "base/compat.h"

#include "base/guc.h"
#include "enctype/enctype.h"

GDPR_MODULE_MAGIC;

extern PGDLLEXPORT void _PG_init(void);

void
_PG_init(void)
{
	gdpr_guc_init();
	gdpr_enctype_init();
}
