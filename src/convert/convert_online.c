/*
 * convert_online.c
 *	  Begins a conversion that runs while the table is in use, and gives it up.
 *
 * What there is of one is ordinary: a column, a constraint, a trigger, and a
 * row of gdpr.conversion.  So it survives crashes and dumps, and can be looked
 * at.
 */
#include "base/compat.h"

#include "access/htup_details.h"
#include "base/acl.h"
#include "base/attempt.h"
#include "base/ident.h"
#include "base/lockspace.h"
#include "base/sql.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "convert/convert.h"
#include "enctype/guard.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/lock.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

GDPR_FUNCTION(gdpr_cancel_conversion);
GDPR_FUNCTION(gdpr_conversion_indexes);


/* ---- the state ---- */

static const char *const find_sql =
	"WITH RECURSIVE up AS (SELECT $1 AS oid UNION SELECT i.inhparent "
	"FROM up JOIN pg_inherits i ON i.inhrelid = up.oid) "
	"SELECT v.relation::oid, v.column_name, v.spare, v.direction <> 'decrypt', "
	"v.phase = 'clear', v.via::oid, v.role, coalesce(v.part::oid, 0), v.next_block, "
	"NOT EXISTS (SELECT FROM pg_attribute a JOIN gdpr.context o ON o.hash = a.atttypmod "
	"JOIN pg_attribute b ON b.attrelid = a.attrelid AND b.attname = v.spare "
	"JOIN gdpr.context n ON n.hash = b.atttypmod "
	"JOIN gdpr.context_grant g ON g.context = n.name AND g.privilege <> 'write' "
	"WHERE a.attrelid = v.relation AND a.attname = v.column_name AND NOT EXISTS ("
	"SELECT FROM gdpr.context_grant h WHERE h.context = o.name AND h.role = g.role "
	"AND h.privilege IN ('read', g.privilege))) "
	"FROM gdpr.conversion v JOIN up ON up.oid = v.relation "
	"WHERE $2 IN (v.column_name, v.spare)";

static Datum
field(int number)
{
	bool isnull;

	return SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, number,
						 &isnull);
}

/* A role that is gone has left its table's owner in its place. */
static Oid
role_of(const char *name, Oid relation)
{
	Oid role = get_role_oid(name, true);

	return OidIsValid(role) ? role : gdpr_acl_owner(relation);
}

static void
take_fields(GdprConversion *conversion)
{
	conversion->relation = DatumGetObjectId(field(1));
	conversion->column = *DatumGetName(field(2));
	conversion->spare = *DatumGetName(field(3));
	conversion->encrypts = DatumGetBool(field(4));
	conversion->clears = DatumGetBool(field(5));
	conversion->via = DatumGetObjectId(field(6));
	conversion->role = role_of(NameStr(*DatumGetName(field(7))),
							   conversion->relation);
	conversion->part = DatumGetObjectId(field(8));
	conversion->block = (BlockNumber) DatumGetInt64(field(9));
	conversion->confined = DatumGetBool(field(10));
}

bool
gdpr_conversion_find(Oid relid, const char *name, GdprConversion *conversion)
{
	Oid types[] = {OIDOID, NAMEOID};
	NameData data;
	Datum values[2];
	GdprSqlScope scope;
	bool found;

	namestrcpy(&data, name);
	values[0] = ObjectIdGetDatum(relid);
	values[1] = NameGetDatum(&data);
	gdpr_sql_begin_own(&scope);
	/* The trigger of an old snapshot's writer has to know what is so now. */
	PushActiveSnapshot(GetLatestSnapshot());
	found = gdpr_sql_run(find_sql, 2, types, values, NULL, true,
						 SPI_OK_SELECT) > 0;
	if (found)
		take_fields(conversion);
	PopActiveSnapshot();
	gdpr_sql_end_own(&scope);
	return found;
}

void
gdpr_conversion_require(Oid relid, const char *name, GdprConversion *conversion)
{
	char *relation = get_rel_name(relid);

	if (relation == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", relid)));
	if (!gdpr_compat_owns_relation(relid, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, relation);
	if (!gdpr_conversion_find(relid, name, conversion) ||
		conversion->relation != relid ||
		strcmp(NameStr(conversion->column), name) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("no conversion of such a column of table \"%s\" is under way", relation),
				 errhint("Begin one by gdpr.encrypt_column or gdpr.decrypt_column with the option \"online\"; gdpr.conversion_status lists them.")));
}

static void
lock_tag(LOCKTAG *tag, Oid relation)
{
	SET_LOCKTAG_ADVISORY(*tag, MyDatabaseId, 0, relation, GDPR_LOCK_CONVERSION);
}

void
gdpr_conversion_take(Oid relation, bool session)
{
	LOCKTAG tag;

	lock_tag(&tag, relation);
	if (LockAcquire(&tag, ExclusiveLock, session, true) ==
		LOCKACQUIRE_NOT_AVAIL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("another session is at work on a conversion of table \"%s\"",
						get_rel_name(relation))));
}

void
gdpr_conversion_release(Oid relation)
{
	LOCKTAG tag;

	lock_tag(&tag, relation);
	(void) LockRelease(&tag, ExclusiveLock, true);
}

/* ---- statements ---- */

void
gdpr_conversion_ddl(const char *sql)
{
	GdprSqlScope scope;
	bool before = gdpr_guard_set_converting(true);

	PG_TRY();
	{
		gdpr_sql_begin_pinned(&scope);
		/* Nobody has to know by which names it goes. */
		(void) set_config_option("client_min_messages", "warning", PGC_USERSET,
								 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0,
								 false);
		gdpr_sql_run(sql, 0, NULL, NULL, NULL, false, SPI_OK_UTILITY);
		gdpr_sql_end_caller(&scope);
	}
	PG_FINALLY();
	{
		(void) gdpr_guard_set_converting(before);
	}
	PG_END_TRY();
}

List *
gdpr_conversion_texts(const char *sql, const GdprConversion *conversion)
{
	Oid types[] = {REGCLASSOID, NAMEOID};
	NameData name = conversion->column;
	Datum values[] = {ObjectIdGetDatum(conversion->relation),
					  NameGetDatum(&name)};
	MemoryContext caller = CurrentMemoryContext;
	List *texts = NIL;
	GdprSqlScope scope;

	gdpr_sql_begin_own(&scope);
	(void) gdpr_sql_run(sql, 2, types, values, NULL, false, SPI_OK_SELECT);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		char *text = SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc,
								  1);
		MemoryContext spi = MemoryContextSwitchTo(caller);

		texts = lappend(texts, text == NULL ? NULL : pstrdup(text));
		MemoryContextSwitchTo(spi);
	}
	gdpr_sql_end_own(&scope);
	return texts;
}

char *
gdpr_conversion_text(const char *sql, const GdprConversion *conversion)
{
	List *texts = gdpr_conversion_texts(sql, conversion);

	return texts == NIL ? NULL : linitial(texts);
}

/* ---- beginning ---- */

void
gdpr_conversion_refuse(const GdprConvertColumn *column)
{
	GdprConversion other;

	if (!gdpr_conversion_find(column->relid,
							  get_attname(column->relid, column->attnum, false),
							  &other))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_IN_USE),
			 errmsg("column %s of table %s is being converted already",
					column->name, column->relation),
			 errhint("CALL gdpr.convert_column goes on with it, gdpr.cancel_conversion gives it up.")));
}

/*
 * The function is not everybody's to make triggers of, so these are made as
 * the extension's owner.  The condition has both columns depend on it: neither
 * can be dropped or altered beneath it.
 */
void
gdpr_conversion_trigger(const GdprConversion *conversion)
{
	const char *spare = quote_identifier(NameStr(conversion->spare));
	const char *name = quote_identifier(
		psprintf("~%s", NameStr(conversion->spare)));
	char *relation = gdpr_ident_relation(conversion->relation);
	ListCell *lc;
	List *parts = gdpr_conversion_texts(
		"WITH RECURSIVE tree AS (SELECT $1::oid AS oid UNION SELECT i.inhrelid "
		"FROM tree JOIN pg_inherits i ON i.inhparent = tree.oid) "
		"SELECT tree.oid::regclass::text FROM tree WHERE $2 IS NOT NULL",
		conversion);
	GdprSqlScope scope;
	char *condition;

	if (conversion->clears)
		condition = psprintf("new.%s IS NOT NULL", spare);
	else
		condition = psprintf("new.%s IS NOT NULL OR new.%s IS NOT NULL",
							 quote_identifier(NameStr(conversion->column)),
							 spare);
	gdpr_sql_begin_own(&scope);
	gdpr_sql_run(
		psprintf("CREATE TRIGGER %s BEFORE INSERT OR UPDATE ON %s FOR EACH ROW "
				 "WHEN (%s) EXECUTE FUNCTION gdpr.convert_row(%s)",
				 name, relation, condition,
				 quote_literal_cstr(NameStr(conversion->spare))),
		0, NULL, NULL, NULL, false, SPI_OK_UTILITY);
	foreach (lc, parts)
		gdpr_sql_run(psprintf("ALTER TABLE %s ENABLE ALWAYS TRIGGER %s",
							  (char *) lfirst(lc), name),
					 0, NULL, NULL, NULL, false, SPI_OK_UTILITY);
	gdpr_sql_end_own(&scope);
}

static void
write_state(const GdprConversion *conversion, const char *direction)
{
	Oid types[] = {REGCLASSOID, NAMEOID, NAMEOID, TEXTOID, REGTYPEOID, NAMEOID};
	NameData column = conversion->column;
	NameData spare = conversion->spare;
	NameData role;
	Datum values[6];
	GdprSqlScope scope;

	namestrcpy(&role, GetUserNameFromId(conversion->role, false));
	values[0] = ObjectIdGetDatum(conversion->relation);
	values[1] = NameGetDatum(&column);
	values[2] = NameGetDatum(&spare);
	values[3] = CStringGetTextDatum(direction);
	values[4] = ObjectIdGetDatum(conversion->via);
	values[5] = NameGetDatum(&role);
	gdpr_sql_begin_own(&scope);
	gdpr_sql_run(
		"INSERT INTO gdpr.conversion (relation, column_name, spare, direction, via, role) "
		"VALUES ($1, $2, $3, $4, $5, $6)",
		6, types, values, NULL, false, SPI_OK_INSERT);
	gdpr_sql_end_own(&scope);
}

static bool
is_not_null(Oid relid, AttrNumber attnum)
{
	HeapTuple tuple = SearchSysCache2(ATTNUM, ObjectIdGetDatum(relid),
									  Int16GetDatum(attnum));
	bool result;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for column %d of relation %u", attnum,
			 relid);
	result = ((Form_pg_attribute) GETSTRUCT(tuple))->attnotnull;
	ReleaseSysCache(tuple);
	return result;
}

/*
 * The constraint holds for every row from here on; once it is validated, no row
 * is without its converted value.  In the form of NOT NULL it saves the scan
 * that SET NOT NULL would make under the lock.
 */
static void
add_spare(const GdprConvertColumn *column, const char *spare, const char *type)
{
	char *condition = psprintf("%s IS NOT NULL", spare);

	if (!is_not_null(column->relid, column->attnum))
		condition = psprintf("%s OR %s IS NULL", condition, column->name);
	gdpr_conversion_ddl(psprintf(
		"ALTER TABLE %s ADD COLUMN %s %s, ADD CONSTRAINT %s CHECK (%s) NOT VALID",
		column->relation, spare, type, spare, condition));
}

typedef struct Trial
{
	const GdprConversion *conversion;
	bool passed;
} Trial;

/* With the columns' names changed places, and back by an error of ours. */
static void
try_views(void *argument)
{
	Trial *trial = argument;
	Oid relid = trial->conversion->relation;
	char *relation = gdpr_ident_relation(relid);
	const char *column = quote_identifier(NameStr(trial->conversion->column));
	List *views = gdpr_convert_views_take(relid,
										  NameStr(trial->conversion->column));

	if (views != NIL)
	{
		gdpr_conversion_ddl(
			psprintf("ALTER TABLE %s RENAME COLUMN %s TO \"~gdpr\"", relation,
					 column));
		gdpr_conversion_ddl(
			psprintf("ALTER TABLE %s RENAME COLUMN %s TO %s", relation,
					 quote_identifier(NameStr(trial->conversion->spare)),
					 column));
		gdpr_convert_views_make(views);
	}
	trial->passed = true;
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("the trial of the views is over")));
}

/* A view that cannot be made again should stop us now and not at the swap. */
static void
check_views(const GdprConversion *conversion)
{
	Trial trial = {conversion, false};
	ErrorData *error = gdpr_attempt(try_views, &trial);

	if (!trial.passed)
		ReThrowError(error);
	FreeErrorData(error);
}

void
gdpr_conversion_begin(const GdprConvertColumn *column, const char *direction,
					  Oid via, const char *type)
{
	GdprConversion conversion = {.relation = column->relid,
								 .encrypts = strcmp(direction, "decrypt") != 0,
								 .via = via,
								 .role = GetUserId()};

	gdpr_conversion_take(column->relid, false);
	namestrcpy(&conversion.column,
			   get_attname(column->relid, column->attnum, false));
	namestrcpy(&conversion.spare,
			   psprintf(GDPR_SPARE_PREFIX "%d", column->attnum));
	add_spare(column, quote_identifier(NameStr(conversion.spare)), type);
	write_state(&conversion, direction);
	gdpr_conversion_trigger(&conversion);
	check_views(&conversion);
}

/* ---- giving up ---- */

/* gdpr.cancel_conversion(relation regclass, column_name name) */
Datum
gdpr_cancel_conversion(PG_FUNCTION_ARGS)
{
	GdprConversion conversion;
	const char *spare;
	char *relation;

	gdpr_conversion_require(PG_GETARG_OID(0), NameStr(*PG_GETARG_NAME(1)),
							&conversion);
	gdpr_conversion_take(conversion.relation, false);
	LockRelationOid(conversion.relation, AccessExclusiveLock);
	if (conversion.clears)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the columns are swapped already"),
				 errhint("CALL gdpr.convert_column finishes the conversion; gdpr.decrypt_column leads back.")));
	spare = quote_identifier(NameStr(conversion.spare));
	relation = gdpr_ident_relation(conversion.relation);
	gdpr_conversion_ddl(
		psprintf("DROP TRIGGER IF EXISTS %s ON %s",
				 quote_identifier(psprintf("~%s", NameStr(conversion.spare))),
				 relation));
	gdpr_conversion_ddl(
		psprintf("ALTER TABLE %s DROP COLUMN IF EXISTS %s", relation, spare));
	(void) gdpr_conversion_text(
		"WITH gone AS (DELETE FROM gdpr.conversion WHERE relation = $1 "
		"AND column_name = $2 RETURNING 1) SELECT count(*)::text FROM gone",
		&conversion);
	PG_RETURN_VOID();
}

/* gdpr.conversion_indexes(relation regclass, column_name name) */
Datum
gdpr_conversion_indexes(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	GdprConversion conversion;
	List *statements;
	ListCell *lc;

	gdpr_conversion_require(PG_GETARG_OID(0), NameStr(*PG_GETARG_NAME(1)),
							&conversion);
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	statements = gdpr_conversion_texts(
		"SELECT statement FROM gdpr.conversion_replacement($1, $2) WHERE NOT done "
		"ORDER BY step, index",
		&conversion);
	foreach (lc, statements)
	{
		Datum value = CStringGetTextDatum(lfirst(lc));
		bool isnull = false;

		tuplestore_putvalues(result->setResult, result->setDesc, &value,
							 &isnull);
	}
	PG_RETURN_NULL();
}
