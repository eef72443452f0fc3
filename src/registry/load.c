/*
 * load.c
 *	  Reads what a DBA declared.
 *
 * One short statement a table.  Fields come as text: the tables are small and
 * the callers want names, not numbers.
 */
#include "base/compat.h"

#include "access/htup_details.h"
#include "base/sql.h"
#include "catalog/pg_type.h"
#include "registry/registry.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"

/* Where results go: the context that the public function was called in. */
static char *
text_field(MemoryContext target, uint64 row, int column)
{
	char *value = SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc,
							   column);

	return value ? MemoryContextStrdup(target, value) : NULL;
}

static Oid
oid_field(uint64 row, int column)
{
	bool isnull;
	Datum value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc,
								column, &isnull);

	return isnull ? InvalidOid : DatumGetObjectId(value);
}

static List *
list_field(MemoryContext target, uint64 row, int column)
{
	bool isnull;
	Datum value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc,
								column, &isnull);
	MemoryContext old = MemoryContextSwitchTo(target);
	List *result = isnull ? NIL : gdpr_registry_list(DatumGetArrayTypeP(value));

	MemoryContextSwitchTo(old);
	return result;
}

static bool
relation_is_there(Oid relid)
{
	return get_rel_relkind(relid) != '\0';
}

static void *
read_subject(MemoryContext target, uint64 row)
{
	GdprDeclaredSubject *subject = MemoryContextAllocZero(target,
														  sizeof(*subject));

	subject->kind = text_field(target, row, 1);
	subject->relid = oid_field(row, 2);
	subject->key = list_field(target, row, 3);
	return relation_is_there(subject->relid) ? subject : NULL;
}

static void *
read_link(MemoryContext target, uint64 row)
{
	GdprDeclaredLink *link = MemoryContextAllocZero(target, sizeof(*link));

	link->child = oid_field(row, 1);
	link->child_columns = list_field(target, row, 2);
	link->parent = oid_field(row, 3);
	link->parent_columns = list_field(target, row, 4);
	link->belongs = text_field(target, row, 5);
	link->on_forget = text_field(target, row, 6);
	link->on_export = text_field(target, row, 7);
	link->ground = text_field(target, row, 8);
	link->law = text_field(target, row, 9);
	link->keep = text_field(target, row, 10);
	link->keep_from = text_field(target, row, 11);
	link->keep_since = text_field(target, row, 12);
	link->predicate = text_field(target, row, 13);
	link->then_action = text_field(target, row, 14);
	return relation_is_there(link->child) && relation_is_there(link->parent)
			   ? link
			   : NULL;
}

static void *
read_column(MemoryContext target, uint64 row)
{
	GdprDeclaredColumn *column = MemoryContextAllocZero(target,
														sizeof(*column));

	column->relid = oid_field(row, 1);
	column->name = text_field(target, row, 2);
	column->category = text_field(target, row, 3);
	column->mask = text_field(target, row, 4);
	column->on_forget = text_field(target, row, 5);
	column->ground = text_field(target, row, 6);
	column->origin = text_field(target, row, 7);
	column->label = text_field(target, row, 8);
	return relation_is_there(column->relid) ? column : NULL;
}

static void *
read_sharing(MemoryContext target, uint64 row)
{
	GdprSharing *sharing = MemoryContextAllocZero(target, sizeof(*sharing));
	char *shared;

	sharing->child = oid_field(row, 1);
	sharing->child_columns = list_field(target, row, 2);
	sharing->parent = oid_field(row, 3);
	sharing->parent_columns = list_field(target, row, 4);
	shared = text_field(target, row, 5);
	sharing->known = shared != NULL;
	sharing->shared = shared != NULL && *shared == 't';
	return sharing;
}

static List *
read_all(const char *sql, void *(*reader)(MemoryContext, uint64))
{
	MemoryContext target = CurrentMemoryContext;
	List *result = NIL;
	GdprSqlScope scope;
	uint64 nrows;

	gdpr_sql_begin_own(&scope);
	/* Intervals as text go into the map's hash: one style for everybody. */
	(void) set_config_option("IntervalStyle", "postgres", PGC_USERSET,
							 PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	/* Not read-only: a verb reads what it wrote in the same command. */
	nrows = gdpr_sql_run(sql, 0, NULL, NULL, NULL, false, SPI_OK_SELECT);
	for (uint64 row = 0; row < nrows; row++)
	{
		void *item = reader(target, row);
		MemoryContext old = MemoryContextSwitchTo(target);

		if (item != NULL)
			result = lappend(result, item);
		MemoryContextSwitchTo(old);
	}
	gdpr_sql_end_own(&scope);
	return result;
}

List *
gdpr_registry_subjects(void)
{
	return read_all(
		"SELECT kind, relation, key FROM gdpr.subject ORDER BY kind",
		read_subject);
}

List *
gdpr_registry_links(void)
{
	return read_all(
		"SELECT child, child_columns, parent, parent_columns, belongs, "
		"on_forget, on_export, ground, law, keep, keep_from, keep_since, "
		"predicate, then_action FROM gdpr.link",
		read_link);
}

List *
gdpr_registry_columns(void)
{
	return read_all(
		"SELECT relation, column_name, category, mask, on_forget, ground, "
		"origin, label FROM gdpr.personal_column",
		read_column);
}

List *
gdpr_registry_sharings(void)
{
	return read_all(
		"SELECT child, child_columns, parent, parent_columns, shared "
		"FROM gdpr.sharing",
		read_sharing);
}

GdprApproval *
gdpr_registry_approval(const char *kind)
{
	MemoryContext target = CurrentMemoryContext;
	GdprApproval *approval = NULL;
	GdprSqlScope scope;
	Oid types[1] = {NAMEOID};
	Datum values[1];

	values[0] = DirectFunctionCall1(namein, CStringGetDatum(kind));
	gdpr_sql_begin_own(&scope);
	if (gdpr_sql_run("SELECT hash, links FROM gdpr.approval WHERE kind = $1", 1,
					 types, values, NULL, false, SPI_OK_SELECT) > 0)
	{
		approval = MemoryContextAllocZero(target, sizeof(*approval));
		approval->hash = text_field(target, 0, 1);
		approval->links = list_field(target, 0, 2);
	}
	gdpr_sql_end_own(&scope);
	return approval;
}
