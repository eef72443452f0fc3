/*
 * kind.c
 *	  The table of the encrypted types.
 */
#include "base/compat.h"

#include "enctype/kind.h"

#define ENTRY(type, kind) &kind,

static const GdprKind *const kinds[] = {GDPR_EACH_TYPE(ENTRY)};

StaticAssertDecl(lengthof(kinds) == GDPR_KIND_COUNT, "one type of each kind");

const GdprKind *
gdpr_kind_of(uint8 kind)
{
	return kind >= 1 && kind <= lengthof(kinds) ? kinds[kind - 1] : NULL;
}

const GdprKind *
gdpr_kind_by_name(const char *type_name)
{
	for (int i = 0; i < lengthof(kinds); i++)
	{
		if (strcmp(kinds[i]->type_name, type_name) == 0)
			return kinds[i];
	}
	return NULL;
}

GdprBytes
gdpr_kind_canonical(uint8 kind, GdprBytes payload)
{
	const GdprKind *type = gdpr_kind_of(kind);

	return type != NULL && type->canonical != NULL ? type->canonical(payload)
												   : payload;
}
