/*
 * mask.c
 *	  What takes the place of a personal value in a row that stays.
 *
 * A pseudonym stands in one row only, so that UNIQUE holds; what it is made
 * of is the caller's affair.
 */
#include "base/compat.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "base/ident.h"
#include "base/input.h"
#include "catalog/pg_constraint.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "crypto/keyring.h"
#include "enctype/enctype.h"
#include "mask/conflict.h"
#include "mask/mask.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

#define CONSTANT_PREFIX "constant:"

/* Shorter texts than this would not stay unique. */
#define SHORTEST_TEXT 8

/* Digits before the decimal point that a unique number needs. */
#define SHORTEST_NUMERIC 12

bool
gdpr_mask_parse(const char *text, GdprMask *mask)
{
	mask->constant = NULL;
	if (text == NULL || strcmp(text, "null") == 0)
		mask->strategy = GDPR_MASK_NULL;
	else if (strcmp(text, "pseudonym") == 0)
		mask->strategy = GDPR_MASK_PSEUDONYM;
	else if (strncmp(text, CONSTANT_PREFIX, strlen(CONSTANT_PREFIX)) == 0)
	{
		mask->strategy = GDPR_MASK_CONSTANT;
		mask->constant = text + strlen(CONSTANT_PREFIX);
	}
	else
		return false;
	return true;
}

static Oid
base_type(Form_pg_attribute att, int32 *typmod)
{
	*typmod = att->atttypmod;
	return getBaseTypeAndTypmod(att->atttypid, typmod);
}

/* The type that a mask's text has to be of: of an encrypted column its base. */
static Oid
plain_type(Oid type, int32 *typmod)
{
	Oid plain;

	type = getBaseTypeAndTypmod(type, typmod);
	plain = gdpr_enctype_base(type);
	if (!OidIsValid(plain))
		return type;
	*typmod = -1;
	return plain;
}

/* How many characters fit, or -1 when as many as one likes. */
static int
text_limit(Oid type, int32 typmod)
{
	if ((type == VARCHAROID || type == BPCHAROID) && typmod >= (int32) VARHDRSZ)
		return typmod - VARHDRSZ;
	if (type == NAMEOID)
		return NAMEDATALEN - 1;
	return -1;
}

static bool
is_text_like(Oid type)
{
	char category;
	bool preferred;

	get_type_category_preferred(type, &category, &preferred);
	return category == TYPCATEGORY_STRING;
}

static const char *
pseudonym_conflict(Oid type, int32 typmod)
{
	int limit;

	if (type == INT4OID || type == INT8OID || type == UUIDOID ||
		type == BYTEAOID)
		return NULL;
	if (type == NUMERICOID && typmod >= (int32) VARHDRSZ)
	{
		int precision = ((typmod - VARHDRSZ) >> 16) & 0xffff;
		int scale = (((typmod - VARHDRSZ) & 0x7ff) ^ 1024) - 1024;

		return precision - scale < SHORTEST_NUMERIC
				   ? "the column's type is too short for unique pseudonyms"
				   : NULL;
	}
	if (type == NUMERICOID)
		return NULL;
	if (!is_text_like(type))
		return "there are no pseudonyms of the column's type";
	limit = text_limit(type, typmod);
	if (limit >= 0 && limit < SHORTEST_TEXT)
		return "the column's type is too short for unique pseudonyms";
	return NULL;
}

static bool
references_other(Relation rel, AttrNumber attnum)
{
	ListCell *lc;

	foreach (lc, RelationGetFKeyList(rel))
	{
		ForeignKeyCacheInfo *fk = lfirst(lc);

		for (int i = 0; i < fk->nkeys; i++)
		{
			if (fk->conkey[i] == attnum)
				return true;
		}
	}
	return false;
}

static bool
constraint_references(Oid constraint, AttrNumber attnum)
{
	HeapTuple tuple = SearchSysCache1(CONSTROID, ObjectIdGetDatum(constraint));
	AttrNumber confkey[INDEX_MAX_KEYS];
	AttrNumber conkey[INDEX_MAX_KEYS];
	Oid operators[INDEX_MAX_KEYS];
	int n;

	if (!HeapTupleIsValid(tuple))
		return false;
	DeconstructFkConstraintRow(tuple, &n, conkey, confkey, operators, NULL,
							   NULL, NULL, NULL);
	ReleaseSysCache(tuple);
	for (int i = 0; i < n; i++)
	{
		if (confkey[i] == attnum)
			return true;
	}
	return false;
}

/* The relation's own triggers know the keys that point at it. */
static bool
referenced_by_other(Relation rel, AttrNumber attnum)
{
	TriggerDesc *triggers = rel->trigdesc;

	for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
	{
		Trigger *trigger = &triggers->triggers[i];

		if (RI_FKey_trigger_type(trigger->tgfoid) == RI_TRIGGER_PK &&
			constraint_references(trigger->tgconstraint, attnum))
			return true;
	}
	return false;
}

static bool
domain_not_null(Oid type)
{
	bool found = false;

	while (get_typtype(type) == TYPTYPE_DOMAIN && !found)
	{
		HeapTuple tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(type));

		if (!HeapTupleIsValid(tuple))
			elog(ERROR, "cache lookup failed for type %u", type);
		found = ((Form_pg_type) GETSTRUCT(tuple))->typnotnull;
		type = ((Form_pg_type) GETSTRUCT(tuple))->typbasetype;
		ReleaseSysCache(tuple);
	}
	return found;
}

/* A domain may check anything; a pseudonym is tried with an example. */
static bool
fits_domain(Relation rel, Form_pg_attribute att, const GdprMask *mask)
{
	const uint8 bytes[GDPR_TAG_LEN] = {1};
	const char *text = mask->constant;
	Datum ignored;

	if (get_typtype(att->atttypid) != TYPTYPE_DOMAIN ||
		mask->strategy == GDPR_MASK_NULL ||
		gdpr_enctype_is(getBaseType(att->atttypid)))
		return true;
	if (mask->strategy == GDPR_MASK_PSEUDONYM)
		text = gdpr_mask_pseudonym(RelationGetRelid(rel), att->attnum, bytes);
	return gdpr_input_try(att->atttypid, att->atttypmod, text, &ignored);
}

static const char *
column_conflict(Relation rel, Form_pg_attribute att, const GdprMask *mask)
{
	const char *conflict = NULL;
	bool null = mask->strategy == GDPR_MASK_NULL;
	int32 typmod = att->atttypmod;
	Oid type = plain_type(att->atttypid, &typmod);

	if (null && (att->attnotnull || domain_not_null(att->atttypid)))
		return "the column is NOT NULL and has no mask but null";
	if (!null && references_other(rel, att->attnum))
		return "the column is part of a foreign key, which a made-up value breaks";
	if (referenced_by_other(rel, att->attnum))
		return "a foreign key refers to the column";
	if (mask->strategy != GDPR_MASK_PSEUDONYM &&
		gdpr_conflict_unique(rel, att->attnum, null))
		return "the column is UNIQUE, which one value for all rows breaks";
	if (att->attidentity == ATTRIBUTE_IDENTITY_ALWAYS)
		return "the column is GENERATED ALWAYS AS IDENTITY";
	if (gdpr_conflict_partition_key(rel, att->attnum))
		return "the column is part of the partition key";
	if (mask->strategy == GDPR_MASK_PSEUDONYM)
		conflict = pseudonym_conflict(type, typmod);
	if (conflict == NULL && !fits_domain(rel, att, mask))
		return "the column's domain does not take such a value";
	return conflict;
}

const char *
gdpr_mask_conflict(Oid relid, AttrNumber attnum, const GdprMask *mask)
{
	Relation rel = table_open(relid, AccessShareLock);
	Form_pg_attribute att = TupleDescAttr(RelationGetDescr(rel), attnum - 1);
	const char *conflict = NULL;

	/* Generated columns follow the columns that they are made of. */
	if (att->attgenerated == '\0')
		conflict = column_conflict(rel, att, mask);
	table_close(rel, NoLock);
	return conflict;
}

/* An encrypted column's own input would want the keys. */
static bool
takes_constant(Form_pg_attribute att, const char *constant)
{
	Oid plain = gdpr_enctype_base(getBaseType(att->atttypid));
	Datum ignored;

	if (OidIsValid(plain))
		return gdpr_input_try(plain, -1, constant, &ignored);
	return gdpr_input_try(att->atttypid, att->atttypmod, constant, &ignored);
}

static void
check_column(Relation rel, Form_pg_attribute att, const GdprMask *mask)
{
	const char *conflict = column_conflict(rel, att, mask);
	int32 typmod;
	Oid type = base_type(att, &typmod);

	if (att->attgenerated != '\0')
		conflict =
			"the column is generated and follows the columns that it is made of";
	else if (conflict == NULL && mask->strategy == GDPR_MASK_CONSTANT &&
			 !takes_constant(att, mask->constant))
		conflict = "the constant is no value of the column's type";
	if (conflict != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("mask does not fit column \"%s\" of relation \"%s\"",
						NameStr(att->attname), RelationGetRelationName(rel)),
				 errdetail("%s.", conflict),
				 errhint("Masks are null, constant:TEXT and pseudonym.")));
	if (gdpr_enctype_is(type) && mask->strategy != GDPR_MASK_NULL)
	{
		const GdprContext *context = gdpr_keyring_context((uint32) typmod);

		if (context != NULL)
			gdpr_keyring_check(context, GetUserId(), GDPR_PRIV_WRITE);
	}
}

void
gdpr_mask_check(Oid relid, AttrNumber attnum, const char *text)
{
	GdprMask mask;
	Relation rel;

	if (!gdpr_mask_parse(text, &mask))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown mask"),
				 errhint("Masks are null, constant:TEXT and pseudonym.")));
	rel = table_open(relid, AccessShareLock);
	check_column(rel, TupleDescAttr(RelationGetDescr(rel), attnum - 1), &mask);
	table_close(rel, NoLock);
}

char *
gdpr_mask_expression(Oid relid, AttrNumber attnum, const GdprMask *mask,
					 const char *value)
{
	Oid type;
	int32 typmod;
	Oid collation;

	get_atttypetypmodcoll(relid, attnum, &type, &typmod, &collation);
	if (mask->strategy == GDPR_MASK_NULL)
		return psprintf("NULL::%s", gdpr_ident_type(type, typmod));
	if (mask->strategy == GDPR_MASK_CONSTANT)
		value = quote_literal_cstr(mask->constant);
	return psprintf("(%s)::pg_catalog.text::%s", value,
					gdpr_ident_type(type, typmod));
}

static uint64
number_from(const uint8 *bytes)
{
	uint64 n = 0;

	for (int i = 0; i < (int) sizeof(n); i++)
		n = (n << 8) | bytes[i];
	return n;
}

static char *
text_pseudonym(const uint8 *bytes, int limit)
{
	static const char prefix[] = "erased-";
	char hex[GDPR_TAG_LEN * 2 + 1];

	for (int i = 0; i < GDPR_TAG_LEN; i++)
		snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
	if (limit < 0 || limit >= (int) (strlen(prefix) + strlen(hex)))
		return psprintf("%s%s", prefix, hex);
	return pnstrdup(hex, limit);
}

char *
gdpr_mask_pseudonym(Oid relid, AttrNumber attnum, const uint8 *bytes)
{
	uint64 n = number_from(bytes);
	char *hex = text_pseudonym(bytes, GDPR_TAG_LEN * 2);
	Oid type;
	int32 typmod;
	Oid collation;

	get_atttypetypmodcoll(relid, attnum, &type, &typmod, &collation);
	type = plain_type(type, &typmod);
	switch (type)
	{
		case INT4OID:
			return psprintf("%d", (int) (n & 0x7fffffff));
		case INT8OID:
			return psprintf(INT64_FORMAT, (int64) (n >> 1));
		case NUMERICOID:
			return psprintf(UINT64_FORMAT, n % UINT64CONST(1000000000000));
		case UUIDOID:
			return hex;
		case BYTEAOID:
			return psprintf("\\x%s", hex);
		default:
			return text_pseudonym(bytes, text_limit(type, typmod));
	}
}
