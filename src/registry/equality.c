/*
 * equality.c
 *	  The operator by which a declared link compares its columns.
 *
 * As for foreign keys it comes from an operator family, not from the name
 * "=" and somebody's search_path.
 */
#include "base/compat.h"

#include "access/stratnum.h"
#include "catalog/pg_am.h"
#include "commands/defrem.h"
#include "parser/parse_coerce.h"
#include "registry/registry.h"
#include "utils/lsyscache.h"

/* The type that an operator class works on, and the family. */
static bool
equality_family(Oid type, Oid am, Oid *family, Oid *input)
{
	Oid opclass = GetDefaultOpClass(getBaseType(type), am);

	return OidIsValid(opclass) &&
		   get_opclass_opfamily_and_input_type(opclass, family, input);
}

static Oid
equality_in(Oid left, Oid right, Oid am, StrategyNumber strategy)
{
	Oid family;
	Oid left_input;
	Oid right_family;
	Oid right_input;

	if (!equality_family(left, am, &family, &left_input))
		return InvalidOid;
	if (equality_family(right, am, &right_family, &right_input) &&
		right_family == family)
		return get_opfamily_member(family, left_input, right_input, strategy);
	if (IsBinaryCoercible(getBaseType(right), left_input))
		return get_opfamily_member(family, left_input, left_input, strategy);
	return InvalidOid;
}

/*
 * Either side may lend the operator class: citext is coerced to text, not
 * the other way round.
 */
Oid
gdpr_registry_equality(Oid parent_type, Oid child_type)
{
	Oid result = equality_in(parent_type, child_type, BTREE_AM_OID,
							 BTEqualStrategyNumber);
	Oid reversed;

	if (OidIsValid(result))
		return result;
	reversed = equality_in(child_type, parent_type, BTREE_AM_OID,
						   BTEqualStrategyNumber);
	if (OidIsValid(reversed))
		return get_commutator(reversed);
	return equality_in(parent_type, child_type, HASH_AM_OID,
					   HTEqualStrategyNumber);
}
