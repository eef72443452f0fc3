/*
 * origin.c
 *	  Who changes a row: the application, or one of our own verbs.
 */
#include "base/compat.h"

#include "base/origin.h"

static GdprOrigin current = GDPR_ORIGIN_APPLICATION;

GdprOrigin
gdpr_origin_get(void)
{
	return current;
}

GdprOrigin
gdpr_origin_set(GdprOrigin origin)
{
	GdprOrigin before = current;

	current = origin;
	return before;
}
