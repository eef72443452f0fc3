/*
 * protect.c
 *	  gdpr.protect, gdpr.protect_subject, gdpr.unprotect.
 *
 * The triggers are made by us on a relation that is the caller's: he need not
 * have a right on our functions.
 */
#include "base/compat.h"

#include "access/table.h"
#include "audit/batch.h"
#include "audit/guard.h"
#include "audit/partition.h"
#include "audit/relation.h"
#include "audit/source.h"
#include "base/errors.h"
#include "base/ident.h"
#include "base/options.h"
#include "base/session.h"
#include "base/sql.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "commands/event_trigger.h"
#include "commands/trigger.h"
#include "crypto/keyring.h"
#include "enctype/enctype.h"
#include "miscadmin.h"
#include "registry/registry.h"
#include "subject/graph.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

GDPR_FUNCTION(gdpr_protect);
GDPR_FUNCTION(gdpr_protect_subject);
GDPR_FUNCTION(gdpr_unprotect);
GDPR_FUNCTION(gdpr_audit_follow_ddl);

/* What gdpr.protect was told. */
typedef struct Protection
{
	List *excepted; /* names of columns */
	bool subject_keys;
} Protection;

static void
run(const char *sql)
{
	(void) gdpr_sql_run(sql, 0, NULL, NULL, NULL, false, SPI_OK_UTILITY);
}

static bool
has_trigger(Oid relid, const char *name)
{
	return OidIsValid(get_trigger_oid(relid, name, true));
}

/* Somebody may have taken the name for a trigger that records nothing. */
static void
refuse_foreign(Oid relid, const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_DUPLICATE_OBJECT),
			 errmsg("relation %s has a trigger \"%s\" that is not ours",
					gdpr_ident_relation(relid), name),
			 errhint("Drop or rename it.")));
}

/* A trigger of ours: what CREATE TRIGGER says of it. */
typedef struct TriggerKind
{
	const char *name;
	const char *events;
	const char *each;
	const char *function;
	bool always; /* also for what replication brings */
} TriggerKind;

static const TriggerKind row_trigger = {
	.name = GDPR_AUDIT_ROW_TRIGGER,
	.events = "AFTER INSERT OR UPDATE OR DELETE",
	.each = "ROW",
	.function = "audit_row",
	.always = true,
};

static const TriggerKind truncate_trigger = {
	.name = GDPR_AUDIT_TRUNCATE_TRIGGER,
	.events = "AFTER TRUNCATE",
	.each = "STATEMENT",
	.function = "audit_truncate",
	.always = true,
};

/* Replication brings values that are sealed already. */
static const TriggerKind seal_trigger = {
	.name = GDPR_AUDIT_SEAL_TRIGGER,
	.events = "BEFORE INSERT OR UPDATE",
	.each = "ROW",
	.function = "seal_row",
	.always = false,
};

static void
make_trigger(Oid relid, const TriggerKind *kind)
{
	char *relation = gdpr_ident_relation(relid);
	const char *name = quote_identifier(kind->name);
	bool there = has_trigger(relid, kind->name);

	if (there && !gdpr_audit_has_trigger(relid, kind->name))
		refuse_foreign(relid, kind->name);
	if (!there)
		run(psprintf(
			"CREATE TRIGGER %s %s ON %s FOR EACH %s EXECUTE FUNCTION gdpr.%s()",
			name, kind->events, relation, kind->each, kind->function));
	if (kind->always)
		run(psprintf("ALTER TABLE %s ENABLE ALWAYS TRIGGER %s", relation,
					 name));
}

/* What it seals; it costs every row that is updated a lock. */
static bool
has_encrypted_column(Oid relid)
{
	Relation relation = table_open(relid, AccessShareLock);
	TupleDesc desc = RelationGetDescr(relation);
	bool found = false;

	for (int i = 0; i < desc->natts && !found; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		found = !att->attisdropped &&
				gdpr_enctype_is(getBaseType(att->atttypid));
	}
	table_close(relation, NoLock);
	return found;
}

/* One that is there already and would see rows after their values were sealed. */
static void
refuse_later_triggers(Oid relid)
{
	Relation relation = table_open(relid, AccessShareLock);
	const TriggerDesc *triggers = relation->trigdesc;

	for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
	{
		const Trigger *trigger = &triggers->triggers[i];

		if (TRIGGER_FOR_BEFORE(trigger->tgtype) &&
			TRIGGER_FOR_ROW(trigger->tgtype) &&
			strcmp(trigger->tgname, GDPR_AUDIT_SEAL_TRIGGER) > 0)
			ereport(ERROR,
					(errcode(ERRCODE_RESERVED_NAME),
					 errmsg("trigger \"%s\" of relation %s would see rows after their values were sealed",
							trigger->tgname, gdpr_ident_relation(relid)),
					 errhint("Give it a name that sorts before \"%s\".", GDPR_AUDIT_SEAL_TRIGGER)));
	}
	table_close(relation, NoLock);
}

/* Row triggers come down to partitions by themselves, others do not. */
static void
make_triggers(Oid relid, bool subject_keys)
{
	if (get_rel_relkind(relid) != RELKIND_RELATION &&
		get_rel_relkind(relid) != RELKIND_PARTITIONED_TABLE)
		return;
	make_trigger(relid, &row_trigger);
	make_trigger(relid, &truncate_trigger);
	if (subject_keys && has_encrypted_column(relid))
	{
		refuse_later_triggers(relid);
		make_trigger(relid, &seal_trigger);
	}
}

static void
make_all_triggers(Oid relid, bool subject_keys)
{
	ListCell *lc;

	foreach (lc, find_all_inheritors(relid, NoLock, NULL))
		make_triggers(lfirst_oid(lc), subject_keys);
}

static void
drop_trigger(Oid relid, const char *name)
{
	if (gdpr_audit_has_trigger(relid, name))
		run(psprintf("DROP TRIGGER %s ON %s", quote_identifier(name),
					 gdpr_ident_relation(relid)));
}

/* A partition's row trigger goes with its parent's. */
static void
drop_row_triggers(Oid relid, const TriggerKind *kind)
{
	ListCell *lc;

	foreach (lc, find_all_inheritors(relid, NoLock, NULL))
	{
		if (!get_rel_relispartition(lfirst_oid(lc)) || lfirst_oid(lc) == relid)
			drop_trigger(lfirst_oid(lc), kind->name);
	}
}

static void
drop_all_triggers(Oid relid)
{
	ListCell *lc;

	drop_row_triggers(relid, &row_trigger);
	drop_row_triggers(relid, &seal_trigger);
	foreach (lc, find_all_inheritors(relid, NoLock, NULL))
		drop_trigger(lfirst_oid(lc), truncate_trigger.name);
}

static void
note(Oid relid, const char *operation)
{
	GdprAuditRecord record = {0};

	record.relation = gdpr_ident_relation(relid);
	record.operation = operation;
	gdpr_audit_write(&record);
}

/* ---- gdpr.protect ---- */

static void
check_relation(Oid relid)
{
	gdpr_registry_check_relation(relid);
	if (get_rel_relkind(relid) == RELKIND_FOREIGN_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("rows of foreign table %s lie on another server",
						gdpr_ident_relation(relid)),
				 errhint("Protect the table there.")));
	if (get_rel_relispartition(relid))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("relation %s is a partition", gdpr_ident_relation(relid)),
				 errhint("Protect the partitioned table: its partitions are protected with it.")));
}

static void
write_protected(Oid relid, const Protection *how)
{
	Oid types[] = {REGCLASSOID, NAMEARRAYOID, BOOLOID};
	Datum values[] = {ObjectIdGetDatum(relid),
					  PointerGetDatum(gdpr_registry_names(how->excepted)),
					  BoolGetDatum(how->subject_keys)};

	(void) gdpr_sql_run(
		"INSERT INTO gdpr.protected (relation, except_columns, subject_keys) "
		"VALUES ($1, $2, $3) ON CONFLICT (relation) DO UPDATE SET "
		"except_columns = excluded.except_columns, subject_keys = excluded.subject_keys",
		3, types, values, NULL, false, SPI_OK_INSERT);
}

/* A row must name one person, himself or by one reference, and no other. */
static bool
names_one_person(Oid relid)
{
	Relation relation = table_open(relid, AccessShareLock);
	GdprAuditRelation *entry = gdpr_audit_relation(relation);
	int n = gdpr_audit_count_persons(entry);

	table_close(relation, NoLock);
	return n == 1;
}

/* Rows would come and go without a column's name, and change unseen. */
static void
check_excepted(Oid relid, const List *excepted)
{
	Relation relation = table_open(relid, AccessShareLock);
	TupleDesc desc = RelationGetDescr(relation);
	bool recorded = excepted == NIL;

	for (int i = 0; i < desc->natts; i++)
	{
		Form_pg_attribute att = TupleDescAttr(desc, i);

		recorded |= !att->attisdropped &&
					!gdpr_ident_is_among(excepted, NameStr(att->attname));
	}
	table_close(relation, AccessShareLock);
	if (!recorded)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("every column of relation %s is excepted: nothing would be recorded of its changes",
						gdpr_ident_relation(relid)),
				 errhint("Leave one column at least.")));
}

static bool
is_protected(Oid relid)
{
	return gdpr_audit_protected(relid) == relid;
}

static void
record(Oid relid, const Protection *how)
{
	GdprSqlScope scope;

	gdpr_sql_begin_own(&scope);
	write_protected(relid, how);
	make_all_triggers(relid, how->subject_keys);
	if (!how->subject_keys)
		drop_row_triggers(relid, &seal_trigger);
	gdpr_sql_end_own(&scope);
}

static void
protect(Oid relid, const Protection *how)
{
	bool before;
	bool new;

	check_relation(relid);
	check_excepted(relid, how->excepted);
	new = !is_protected(relid);
	(void) gdpr_keyring_reserved();
	before = gdpr_audit_set_changing(true);
	PG_TRY();
	{
		record(relid, how);
	}
	PG_FINALLY();
	{
		(void) gdpr_audit_set_changing(before);
	}
	PG_END_TRY();
	gdpr_audit_find_sources(relid);
	CommandCounterIncrement();
	gdpr_audit_ensure_partitions();
	if (new)
		note(relid, "protect");
}

static Protection
take_options(FunctionCallInfo fcinfo, Oid relid)
{
	Protection how = {NIL, false};
	const GdprOption known[] = {
		{.name = "except_columns", .list = &how.excepted},
		{.name = "subject_keys", .flag = &how.subject_keys},
	};
	ListCell *lc;

	gdpr_registry_require(fcinfo, 0, "relation");
	gdpr_registry_require(fcinfo, 1, "options");
	gdpr_options_parse(PG_GETARG_JSONB_P(1), known, lengthof(known));
	foreach (lc, OidIsValid(relid) ? how.excepted : NIL)
		(void) gdpr_registry_column(relid, lfirst(lc));
	return how;
}

Datum
gdpr_protect(PG_FUNCTION_ARGS)
{
	Oid relid = PG_ARGISNULL(0) ? InvalidOid : PG_GETARG_OID(0);

	Protection how;

	if (OidIsValid(relid))
		check_relation(relid);
	how = take_options(fcinfo, relid);
	protect(relid, &how);
	if (how.subject_keys && !names_one_person(relid))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("rows of relation %s do not name one person each",
						gdpr_ident_relation(relid)),
				 errhint("Keys of persons need a relation of one kind of subject, or one with a single reference to its key; gdpr.data_map shows the links.")));
	PG_RETURN_VOID();
}

/* Those of the columns that the relation has. */
static List *
columns_of(Oid relid, const List *names)
{
	List *result = NIL;
	ListCell *lc;

	foreach (lc, names)
	{
		if (get_attnum(relid, lfirst(lc)) > 0)
			result = lappend(result, lfirst(lc));
	}
	return result;
}

/* Does anything of a person hang on it? */
static bool
is_personal(const GdprMap *map, const GdprRelation *relation)
{
	ListCell *lc;

	if (relation == map->root)
		return true;
	foreach (lc, map->links)
	{
		GdprLink *link = lfirst(lc);

		if ((link->child == relation && link->belongs != GDPR_BELONGS_NONE) ||
			(link->parent == relation && link->belongs == GDPR_BELONGS_OWNS))
			return true;
	}
	return false;
}

/* What does not name one person keeps its contexts' keys. */
static void
protect_one(Oid relid, const Protection *asked)
{
	Protection how = *asked;

	how.excepted = columns_of(relid, asked->excepted);
	protect(relid, &how);
	if (how.subject_keys && !names_one_person(relid))
	{
		how.subject_keys = false;
		protect(relid, &how);
	}
}

Datum
gdpr_protect_subject(PG_FUNCTION_ARGS)
{
	Protection asked;
	GdprMap *map;
	int n = 0;
	ListCell *lc;

	gdpr_registry_require(fcinfo, 0, "kind");
	asked = take_options(fcinfo, InvalidOid);
	map = gdpr_graph_load(NameStr(*PG_GETARG_NAME(0)));
	foreach (lc, map->relations)
	{
		GdprRelation *relation = lfirst(lc);

		if (!is_personal(map, relation) ||
			relation->relkind == RELKIND_FOREIGN_TABLE)
			continue;
		protect_one(relation->relid, &asked);
		n++;
	}
	PG_RETURN_INT32(n);
}

/* ---- gdpr.unprotect ---- */

Datum
gdpr_unprotect(PG_FUNCTION_ARGS)
{
	Oid types[] = {REGCLASSOID};
	Datum values[1];
	GdprSqlScope scope;
	bool before;
	Oid relid;

	gdpr_registry_require(fcinfo, 0, "relation");
	relid = PG_GETARG_OID(0);
	check_relation(relid);
	if (!is_protected(relid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("relation %s is not protected", gdpr_ident_relation(relid))));
	note(relid, "unprotect");
	values[0] = ObjectIdGetDatum(relid);
	before = gdpr_audit_set_changing(true);
	PG_TRY();
	{
		gdpr_sql_begin_own(&scope);
		drop_all_triggers(relid);
		(void) gdpr_sql_run("DELETE FROM gdpr.protected WHERE relation = $1", 1,
							types, values, NULL, false, SPI_OK_DELETE);
		gdpr_sql_end_own(&scope);
	}
	PG_FINALLY();
	{
		(void) gdpr_audit_set_changing(before);
	}
	PG_END_TRY();
	PG_RETURN_VOID();
}

/* ---- partitions and children that come later ---- */

/* The triggers that the relation, or what is above it, was to have. */
static void
follow_triggers(Oid relid)
{
	Oid top = gdpr_audit_protected(relid);
	bool before;

	before = gdpr_audit_set_changing(true);
	PG_TRY();
	{
		make_all_triggers(relid, gdpr_audit_has_subject_keys(top));
	}
	PG_FINALLY();
	{
		(void) gdpr_audit_set_changing(before);
	}
	PG_END_TRY();
}

static void
follow_relation(Oid relid)
{
	Oid top = gdpr_audit_protected(relid);

	if (OidIsValid(top) && top != relid)
		follow_triggers(relid);
}

/* ATTACH is reported for the parent, so its parts are looked at. */
static List *
touched_relations(void)
{
	List *result = NIL;
	uint64 n = gdpr_sql_run(
		"SELECT DISTINCT coalesce(i.inhrelid, d.objid) "
		"FROM pg_event_trigger_ddl_commands() d "
		"LEFT JOIN pg_inherits i ON i.inhparent = d.objid "
		"WHERE d.classid = 'pg_class'::regclass AND NOT d.in_extension "
		"UNION SELECT objid FROM pg_event_trigger_ddl_commands() "
		"WHERE classid = 'pg_class'::regclass AND NOT in_extension",
		0, NULL, NULL, NULL, false, SPI_OK_SELECT);

	for (uint64 i = 0; i < n; i++)
	{
		bool isnull;

		result = lappend_oid(result, DatumGetObjectId(
										 SPI_getbinval(SPI_tuptable->vals[i],
													   SPI_tuptable->tupdesc, 1,
													   &isnull)));
	}
	return result;
}

/* ALTER TABLE of a protected relation, or of a part of one. */
static void
note_altered(void)
{
	List *altered = NIL;
	uint64 n = gdpr_sql_run(
		"SELECT DISTINCT objid FROM pg_event_trigger_ddl_commands() "
		"WHERE classid = 'pg_class'::regclass AND command_tag = 'ALTER TABLE'",
		0, NULL, NULL, NULL, false, SPI_OK_SELECT);
	ListCell *lc;

	for (uint64 i = 0; i < n; i++)
	{
		bool isnull;

		altered = lappend_oid(altered, DatumGetObjectId(
										   SPI_getbinval(SPI_tuptable->vals[i],
														 SPI_tuptable->tupdesc,
														 1, &isnull)));
	}
	foreach (lc, altered)
	{
		Oid relid = lfirst_oid(lc);

		if (!OidIsValid(gdpr_audit_protected(relid)))
			continue;
		note(relid, "alter");
		/* It may have got its first encrypted column. */
		follow_triggers(relid);
		/* It may have got its primary key. */
		if (gdpr_audit_protected(relid) == relid &&
			!gdpr_audit_has_own_source(relid))
			gdpr_audit_find_sources(relid);
	}
}

Datum
gdpr_audit_follow_ddl(PG_FUNCTION_ARGS)
{
	bool restoring = gdpr_session_is_restoring();
	GdprSqlScope scope;
	ListCell *lc;

	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_EVENT_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function was not called by the event trigger manager")));
	/* What we make ourselves needs no following. */
	if (IsBinaryUpgrade || gdpr_audit_is_changing() ||
		!gdpr_audit_tables_are_there())
		PG_RETURN_NULL();
	gdpr_sql_begin_own(&scope);
	if (gdpr_sql_any_row("protected"))
	{
		foreach (lc, touched_relations())
			follow_relation(lfirst_oid(lc));
		if (!restoring)
			note_altered();
	}
	gdpr_sql_end_own(&scope);
	PG_RETURN_NULL();
}
