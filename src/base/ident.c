/*
 * ident.c
 *	  Names of catalog objects: as quoted SQL text, and in lists.
 *
 * Statements that we build run under any search_path and over names of any
 * shape, so everything is qualified and quoted here and nowhere else.
 */
#include "base/compat.h"

#include "access/htup_details.h"
#include "base/ident.h"
#include "catalog/pg_operator.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

char *
gdpr_ident_relation(Oid relid)
{
	char *name = get_rel_name(relid);
	char *schema = get_namespace_name_or_temp(get_rel_namespace(relid));

	if (name == NULL || schema == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", relid)));
	return psprintf("%s.%s", quote_identifier(schema), quote_identifier(name));
}

char *
gdpr_ident_column(Oid relid, AttrNumber attnum)
{
	char *name = get_attname(relid, attnum, true);

	if (name == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column %d of relation with OID %u does not exist",
						attnum, relid)));
	return pstrdup(quote_identifier(name));
}

char *
gdpr_ident_operator(Oid operator)
{
	HeapTuple tuple = SearchSysCache1(OPEROID, ObjectIdGetDatum(operator));
	Form_pg_operator form;
	char *result;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for operator %u", operator);
	form = (Form_pg_operator) GETSTRUCT(tuple);
	result = psprintf("OPERATOR(%s.%s)",
					  quote_identifier(get_namespace_name(form->oprnamespace)),
					  NameStr(form->oprname));
	ReleaseSysCache(tuple);
	return result;
}

char *
gdpr_ident_type(Oid typid, int32 typmod)
{
	return format_type_extended(typid, typmod,
								FORMAT_TYPE_TYPEMOD_GIVEN |
									FORMAT_TYPE_FORCE_QUALIFY);
}

bool
gdpr_ident_is_among(const List *names, const char *name)
{
	ListCell *lc;

	foreach (lc, names)
	{
		if (strcmp(lfirst(lc), name) == 0)
			return true;
	}
	return false;
}
