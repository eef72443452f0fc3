/*
 * privilege.c
 *	  Privileges and row security of a relation and its parts.
 *
 * Access lists are read and written as the catalogs have them: REVOKE takes
 * only what the owner granted, and GRANT would put back what it took in
 * another order than pg_dump showed it.
 */
#include "base/compat.h"

#include "access/htup_details.h"
#include "access/privilege.h"
#include "access/xact.h"
#include "base/acl.h"
#include "base/ident.h"
#include "base/input.h"
#include "base/sql.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

List *
gdpr_privilege_parts(Oid relation)
{
	List *parts = NIL;
	ListCell *lc;

	foreach (lc, find_all_inheritors(relation, NoLock, NULL))
	{
		char relkind = get_rel_relkind(lfirst_oid(lc));

		if (relkind == RELKIND_RELATION || relkind == RELKIND_PARTITIONED_TABLE)
			parts = lappend_oid(parts, lfirst_oid(lc));
	}
	return parts;
}

/* ---- the catalogs' lists ---- */

static Acl *
or_default(Oid relid, AttrNumber attnum, Acl *acl)
{
	if (acl != NULL)
		return acl;
	return acldefault(attnum == 0 ? OBJECT_TABLE : OBJECT_COLUMN,
					  gdpr_acl_owner(relid));
}

/* A list of the items that are wanted, in their order. */
static Acl *
make_acl(const AclItem *items, int n)
{
	Size size = ARR_OVERHEAD_NONULLS(1) + n * sizeof(AclItem);
	Acl *acl = palloc0(size);

	SET_VARSIZE(acl, size);
	acl->ndim = 1;
	acl->dataoffset = 0;
	acl->elemtype = ACLITEMOID;
	ARR_LBOUND(acl)[0] = 1;
	ARR_DIMS(acl)[0] = n;
	memcpy(ACL_DAT(acl), items, n * sizeof(AclItem));
	return acl;
}

static bool
has_role(Acl *acl, Oid role)
{
	for (int i = 0; acl != NULL && i < ACL_NUM(acl); i++)
	{
		if (ACL_DAT(acl)[i].ai_grantee == role)
			return true;
	}
	return false;
}

/* Those whose grantee is, or is not, among the roles. */
static Acl *
pick(Acl *acl, const List *roles, bool among)
{
	AclItem *items = palloc(sizeof(AclItem) * (ACL_NUM(acl) + 1));
	int n = 0;

	for (int i = 0; i < ACL_NUM(acl); i++)
	{
		if (list_member_oid(roles, ACL_DAT(acl)[i].ai_grantee) == among)
			items[n++] = ACL_DAT(acl)[i];
	}
	return make_acl(items, n);
}

/* ---- looking ---- */

static List *
add_grantees(List *roles, Acl *acl)
{
	for (int i = 0; acl != NULL && i < ACL_NUM(acl); i++)
		roles = list_append_unique_oid(roles, ACL_DAT(acl)[i].ai_grantee);
	return roles;
}

AttrNumber
gdpr_privilege_columns(Oid relid)
{
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	AttrNumber natts;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", relid);
	natts = ((Form_pg_class) GETSTRUCT(tuple))->relnatts;
	ReleaseSysCache(tuple);
	return natts;
}

static bool
has_column(Oid relid, AttrNumber attnum)
{
	return get_attname(relid, attnum, true) != NULL;
}

List *
gdpr_privilege_grantees(Oid relation)
{
	List *roles = list_make1_oid(gdpr_acl_owner(relation));
	ListCell *lc;

	foreach (lc, gdpr_privilege_parts(relation))
	{
		Oid part = lfirst_oid(lc);

		roles = list_append_unique_oid(roles, gdpr_acl_owner(part));
		roles = add_grantees(roles, gdpr_acl_read(part, 0));
		for (AttrNumber i = 1; i <= gdpr_privilege_columns(part); i++)
		{
			if (has_column(part, i))
				roles = add_grantees(roles, gdpr_acl_read(part, i));
		}
	}
	return roles;
}

/* ---- taking and giving ---- */

static char *
names_of(const List *roles)
{
	StringInfoData buf;
	ListCell *lc;

	initStringInfo(&buf);
	foreach (lc, roles)
		appendStringInfo(&buf, "%s%s", buf.len == 0 ? "" : ", ",
						 lfirst_oid(lc) == ACL_ID_PUBLIC
							 ? "PUBLIC"
							 : quote_identifier(
								   GetUserNameFromId(lfirst_oid(lc), false)));
	return buf.data;
}

/* Taking his would leave grants that nobody stands behind. */
static void
check_passed_on(Oid relid, Acl *acl, Oid role)
{
	List *to = NIL;

	for (int i = 0; acl != NULL && i < ACL_NUM(acl); i++)
	{
		if (ACL_DAT(acl)[i].ai_grantor == role)
			to = list_append_unique_oid(to, ACL_DAT(acl)[i].ai_grantee);
	}
	if (to != NIL && role != gdpr_acl_owner(relid))
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("role \"%s\" has passed on privileges on relation %s",
						GetUserNameFromId(role, false), gdpr_ident_relation(relid)),
				 errdetail("It granted to: %s.", names_of(to)),
				 errhint("Revoke what it granted, and grant it by the owner.")));
}

static void
take_from(Oid relid, AttrNumber attnum, Oid role)
{
	Acl *acl = gdpr_acl_read(relid, attnum);
	List *roles = list_make1_oid(role);

	check_passed_on(relid, acl, role);
	if (has_role(acl, role))
		gdpr_acl_write(relid, attnum, pick(acl, roles, false));
}

void
gdpr_privilege_take_part(Oid part, Oid role)
{
	/* His own are what foreign keys are checked with. */
	if (role == gdpr_acl_owner(part))
		return;
	take_from(part, 0, role);
	for (AttrNumber i = 1; i <= gdpr_privilege_columns(part); i++)
	{
		if (has_column(part, i))
			take_from(part, i, role);
	}
}

void
gdpr_privilege_take(Oid relation, Oid role)
{
	ListCell *lc;

	foreach (lc, gdpr_privilege_parts(relation))
		gdpr_privilege_take_part(lfirst_oid(lc), role);
}

void
gdpr_privilege_give(Oid relation, AttrNumber attnum, Oid role,
					AclMode privileges)
{
	Oid owner = gdpr_acl_owner(relation);
	AclItem item;

	if (role == owner || privileges == ACL_NO_RIGHTS)
		return;
	item.ai_grantee = role;
	item.ai_grantor = owner;
	ACLITEM_SET_PRIVS_GOPTIONS(item, privileges, ACL_NO_RIGHTS);
	gdpr_acl_write(relation, attnum,
				   aclupdate(or_default(relation, attnum,
										gdpr_acl_read(relation, attnum)),
							 &item, ACL_MODECHG_ADD, owner, DROP_RESTRICT));
}

/* ---- remembering ---- */

static Datum
acl_texts(Acl *acl)
{
	Datum *texts = palloc(sizeof(Datum) * (ACL_NUM(acl) + 1));

	for (int i = 0; i < ACL_NUM(acl); i++)
		texts[i] = CStringGetTextDatum(DatumGetCString(
			DirectFunctionCall1(aclitemout,
								PointerGetDatum(&ACL_DAT(acl)[i]))));
	return PointerGetDatum(
		construct_array(texts, ACL_NUM(acl), TEXTOID, -1, false, TYPALIGN_INT));
}

static void
remember(Oid relation, Oid part, const char *column, Acl *acl)
{
	Oid types[] = {REGCLASSOID,	 REGCLASSOID, TEXTOID,
				   TEXTARRAYOID, BOOLOID,	  BOOLOID};
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(part));
	Form_pg_class form = (Form_pg_class) GETSTRUCT(tuple);
	Datum values[] = {ObjectIdGetDatum(relation),
					  ObjectIdGetDatum(part),
					  CStringGetTextDatum(column),
					  acl == NULL ? (Datum) 0 : acl_texts(acl),
					  BoolGetDatum(form->relrowsecurity),
					  BoolGetDatum(form->relforcerowsecurity)};

	ReleaseSysCache(tuple);
	(void) gdpr_sql_run(
		"INSERT INTO gdpr.access_original VALUES ($1, $2, $3::name, $4, $5, $6) "
		"ON CONFLICT DO NOTHING",
		6, types, values, acl == NULL ? "   n  " : "      ", false,
		SPI_OK_INSERT);
}

void
gdpr_privilege_remember(Oid relation, Oid part)
{
	Oid types[] = {OIDOID, OIDOID};
	Datum values[] = {ObjectIdGetDatum(relation), ObjectIdGetDatum(part)};
	GdprSqlScope scope;

	gdpr_sql_begin_own(&scope);
	if (gdpr_sql_run(
			"SELECT 1 FROM gdpr.access_original WHERE relation = $1 AND part = $2 LIMIT 1",
			2, types, values, NULL, false, SPI_OK_SELECT) == 0)
	{
		remember(relation, part, "", gdpr_acl_read(part, 0));
		for (AttrNumber i = 1; i <= gdpr_privilege_columns(part); i++)
		{
			if (has_column(part, i) && gdpr_acl_read(part, i) != NULL)
				remember(relation, part, get_attname(part, i, false),
						 gdpr_acl_read(part, i));
		}
	}
	gdpr_sql_end_own(&scope);
}

/* ---- restoring ---- */

/* Items of roles that are gone are gone with them. */
static Acl *
acl_from_texts(ArrayType *array)
{
	Datum *texts;
	AclItem *items;
	int count;
	int n = 0;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &texts, NULL,
					  &count);
	items = palloc(sizeof(AclItem) * (count + 1));
	for (int i = 0; i < count; i++)
	{
		Datum item;

		if (gdpr_input_try(ACLITEMOID, -1, TextDatumGetCString(texts[i]),
						   &item))
			items[n++] = *DatumGetAclItemP(item);
	}
	return make_acl(items, n);
}

static bool
same_items(Acl *a, Acl *b)
{
	if (ACL_NUM(a) != ACL_NUM(b))
		return false;
	for (int i = 0; i < ACL_NUM(a); i++)
	{
		bool found = false;

		for (int j = 0; j < ACL_NUM(b); j++)
			found |= memcmp(&ACL_DAT(a)[i], &ACL_DAT(b)[j], sizeof(AclItem)) ==
					 0;
		if (!found)
			return false;
	}
	return true;
}

static Acl *
joined(Acl *a, Acl *b)
{
	AclItem *items = palloc(sizeof(AclItem) * (ACL_NUM(a) + ACL_NUM(b) + 1));

	memcpy(items, ACL_DAT(a), ACL_NUM(a) * sizeof(AclItem));
	memcpy(items + ACL_NUM(a), ACL_DAT(b), ACL_NUM(b) * sizeof(AclItem));
	return make_acl(items, ACL_NUM(a) + ACL_NUM(b));
}

/*
 * Exactly as it was where nobody else's grants changed since; else theirs as
 * they are now, and of the roles under rules what they had.
 */
static void
restore_acl(Oid part, AttrNumber attnum, Acl *original, const List *roles)
{
	Acl *now = gdpr_acl_read(part, attnum);
	Acl *was_full = or_default(part, attnum, original);
	Acl *now_full = or_default(part, attnum, now);

	if (original == NULL && now == NULL)
		return;
	if (same_items(pick(was_full, roles, false), pick(now_full, roles, false)))
		gdpr_acl_write(part, attnum, original);
	else
		gdpr_acl_write(part, attnum,
					   joined(pick(now_full, roles, false),
							  pick(was_full, roles, true)));
}

/* What was remembered of a column; NULL: nothing, or no list. */
static Acl *
remembered_acl(Oid relation, Oid part, const char *column)
{
	Oid types[] = {OIDOID, OIDOID, TEXTOID};
	Datum values[] = {ObjectIdGetDatum(relation), ObjectIdGetDatum(part),
					  CStringGetTextDatum(column)};
	bool isnull = true;
	Datum texts = 0;

	if (gdpr_sql_run(
			"SELECT acl FROM gdpr.access_original "
			"WHERE relation = $1 AND part = $2 AND column_name = $3::name",
			3, types, values, NULL, false, SPI_OK_SELECT) > 0)
		texts = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1,
							  &isnull);
	return isnull ? NULL : acl_from_texts(DatumGetArrayTypePCopy(texts));
}

static void
restore_flags(Oid relation, Oid part)
{
	Oid types[] = {OIDOID, OIDOID};
	Datum values[] = {ObjectIdGetDatum(relation), ObjectIdGetDatum(part)};
	bool isnull;
	bool enabled;
	bool forced;

	if (gdpr_sql_run(
			"SELECT row_security, force_row_security FROM gdpr.access_original "
			"WHERE relation = $1 AND part = $2 AND column_name = ''",
			2, types, values, NULL, false, SPI_OK_SELECT) == 0)
		return;
	enabled = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0],
										 SPI_tuptable->tupdesc, 1, &isnull));
	forced = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0],
										SPI_tuptable->tupdesc, 2, &isnull));
	(void) gdpr_sql_run(
		psprintf("ALTER TABLE %s %s ROW LEVEL SECURITY, %s ROW LEVEL SECURITY",
				 gdpr_ident_relation(part), enabled ? "ENABLE" : "DISABLE",
				 forced ? "FORCE" : "NO FORCE"),
		0, NULL, NULL, NULL, false, SPI_OK_UTILITY);
}

static void
restore_part(Oid relation, Oid part, const List *roles)
{
	restore_flags(relation, part);
	restore_acl(part, 0, remembered_acl(relation, part, ""), roles);
	for (AttrNumber i = 1; i <= gdpr_privilege_columns(part); i++)
	{
		if (has_column(part, i))
			restore_acl(part, i,
						remembered_acl(relation, part,
									   get_attname(part, i, false)),
						roles);
	}
}

void
gdpr_privilege_restore(Oid relation, const List *roles)
{
	GdprSqlScope scope;
	ListCell *lc;

	gdpr_sql_begin_own(&scope);
	foreach (lc, gdpr_privilege_parts(relation))
		restore_part(relation, lfirst_oid(lc), roles);
	gdpr_sql_end_own(&scope);
}
