/*
 * store.c
 *	  Writes what a DBA declared.
 *
 * A second declaration of the same thing replaces the first: declaring is
 * how a decision is changed.
 */
#include "base/compat.h"

#include "base/sql.h"
#include "catalog/pg_type.h"
#include "registry/registry.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

static ArrayType *
make_array(const List *items, Oid type)
{
	Datum *values = palloc(sizeof(Datum) * Max(list_length(items), 1));
	ListCell *lc;
	int n = 0;
	int16 typlen;
	bool typbyval;
	char typalign;

	foreach (lc, items)
		values[n++] = type == NAMEOID
						  ? DirectFunctionCall1(namein,
												CStringGetDatum(lfirst(lc)))
						  : CStringGetTextDatum((char *) lfirst(lc));
	get_typlenbyvalalign(type, &typlen, &typbyval, &typalign);
	return construct_array(values, n, type, typlen, typbyval, typalign);
}

ArrayType *
gdpr_registry_names(const List *names)
{
	return make_array(names, NAMEOID);
}

ArrayType *
gdpr_registry_texts(const List *texts)
{
	return make_array(texts, TEXTOID);
}

List *
gdpr_registry_list(ArrayType *array)
{
	Oid type = ARR_ELEMTYPE(array);
	List *result = NIL;
	Datum *values;
	bool *nulls;
	int n;
	int16 typlen;
	bool typbyval;
	char typalign;

	get_typlenbyvalalign(type, &typlen, &typbyval, &typalign);
	deconstruct_array(array, type, typlen, typbyval, typalign, &values, &nulls,
					  &n);
	for (int i = 0; i < n; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("list of columns must not contain nulls")));
		result = lappend(result,
						 type == NAMEOID
							 ? pstrdup(NameStr(*DatumGetName(values[i])))
							 : TextDatumGetCString(values[i]));
	}
	return result;
}

/* One statement on our own tables; a NULL pointer in values is a null. */
static uint64
write_rows(const char *sql, int nargs, Oid *types, Datum *values, int expected)
{
	uint64 rows;
	char nulls[16];
	GdprSqlScope scope;

	for (int i = 0; i < nargs; i++)
		nulls[i] = DatumGetPointer(values[i]) == NULL ? 'n' : ' ';
	gdpr_sql_begin_own(&scope);
	rows = gdpr_sql_run(sql, nargs, types, values, nulls, false, expected);
	gdpr_sql_end_own(&scope);
	return rows;
}

static void
write_row(const char *sql, int nargs, Oid *types, Datum *values)
{
	(void) write_rows(sql, nargs, types, values, SPI_OK_INSERT);
}

static Datum
text_or_null(const char *value)
{
	return value ? CStringGetTextDatum(value) : PointerGetDatum(NULL);
}

static Datum
name_or_null(const char *value)
{
	return value ? DirectFunctionCall1(namein, CStringGetDatum(value))
				 : PointerGetDatum(NULL);
}

void
gdpr_registry_put_subject(const GdprDeclaredSubject *subject)
{
	Oid types[] = {NAMEOID, REGCLASSOID, NAMEARRAYOID};
	Datum values[3];

	values[0] = name_or_null(subject->kind);
	values[1] = ObjectIdGetDatum(subject->relid);
	values[2] = PointerGetDatum(gdpr_registry_names(subject->key));
	write_row(
		"INSERT INTO gdpr.subject (kind, relation, key) VALUES ($1, $2, $3) "
		"ON CONFLICT (kind) DO UPDATE SET relation = excluded.relation, "
		"key = excluded.key, declared_by = excluded.declared_by, "
		"declared_at = excluded.declared_at",
		3, types, values);
}

void
gdpr_registry_put_link(const GdprDeclaredLink *link)
{
	Oid types[] = {REGCLASSOID, NAMEARRAYOID, REGCLASSOID, NAMEARRAYOID,
				   TEXTOID,		TEXTOID,	  TEXTOID,	   TEXTOID,
				   TEXTOID,		TEXTOID,	  TEXTOID,	   NAMEOID,
				   TEXTOID,		TEXTOID};
	Datum values[14];

	values[0] = ObjectIdGetDatum(link->child);
	values[1] = PointerGetDatum(gdpr_registry_names(link->child_columns));
	values[2] = ObjectIdGetDatum(link->parent);
	values[3] = PointerGetDatum(gdpr_registry_names(link->parent_columns));
	values[4] = text_or_null(link->belongs);
	values[5] = text_or_null(link->on_forget);
	values[6] = text_or_null(link->on_export);
	values[7] = text_or_null(link->ground);
	values[8] = text_or_null(link->law);
	values[9] = text_or_null(link->keep);
	values[10] = text_or_null(link->keep_from);
	values[11] = name_or_null(link->keep_since);
	values[12] = text_or_null(link->predicate);
	values[13] = text_or_null(link->then_action);
	write_row(
		"INSERT INTO gdpr.link AS l (child, child_columns, parent, parent_columns, "
		"belongs, on_forget, on_export, ground, law, keep, keep_from, keep_since, "
		"predicate, then_action) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, "
		"$10::interval, $11, $12, $13, $14) ON CONFLICT (child, child_columns, parent, parent_columns) "
		"DO UPDATE SET belongs = excluded.belongs, on_forget = excluded.on_forget, "
		"on_export = excluded.on_export, ground = excluded.ground, "
		"law = excluded.law, keep = excluded.keep, keep_from = excluded.keep_from, "
		"keep_since = excluded.keep_since, predicate = excluded.predicate, "
		"then_action = excluded.then_action, "
		"declared_by = excluded.declared_by, declared_at = excluded.declared_at",
		14, types, values);
}

void
gdpr_registry_put_sharing(const GdprSharing *sharing)
{
	Oid types[] = {REGCLASSOID, NAMEARRAYOID, REGCLASSOID, NAMEARRAYOID,
				   TEXTOID};
	Datum values[5];

	values[0] = ObjectIdGetDatum(sharing->child);
	values[1] = PointerGetDatum(gdpr_registry_names(sharing->child_columns));
	values[2] = ObjectIdGetDatum(sharing->parent);
	values[3] = PointerGetDatum(gdpr_registry_names(sharing->parent_columns));
	values[4] = sharing->known
					? CStringGetTextDatum(sharing->shared ? "t" : "f")
					: PointerGetDatum(NULL);
	write_row(
		"INSERT INTO gdpr.sharing (child, child_columns, parent, parent_columns, shared) "
		"VALUES ($1, $2, $3, $4, $5::boolean) "
		"ON CONFLICT (child, child_columns, parent, parent_columns) DO UPDATE "
		"SET shared = excluded.shared, checked_at = excluded.checked_at",
		5, types, values);
}

void
gdpr_registry_put_approval(const char *kind, const GdprApproval *approval)
{
	Oid types[] = {NAMEOID, TEXTOID, TEXTARRAYOID};
	Datum values[3];

	values[0] = name_or_null(kind);
	values[1] = text_or_null(approval->hash);
	values[2] = PointerGetDatum(gdpr_registry_texts(approval->links));
	write_row(
		"INSERT INTO gdpr.approval (kind, hash, links) VALUES ($1, $2, $3) "
		"ON CONFLICT (kind) DO UPDATE SET hash = excluded.hash, "
		"links = excluded.links, approved_by = excluded.approved_by, "
		"approved_at = excluded.approved_at",
		3, types, values);
}

void
gdpr_registry_put_column(const GdprDeclaredColumn *column)
{
	Oid types[] = {REGCLASSOID, NAMEOID, TEXTOID, TEXTOID,
				   TEXTOID,		TEXTOID, TEXTOID, TEXTOID};
	Datum values[8];

	values[0] = ObjectIdGetDatum(column->relid);
	values[1] = name_or_null(column->name);
	values[2] = text_or_null(column->category);
	values[3] = text_or_null(column->mask);
	values[4] = text_or_null(column->on_forget);
	values[5] = text_or_null(column->ground);
	values[6] = text_or_null(column->origin);
	values[7] = text_or_null(column->label);
	write_row(
		"INSERT INTO gdpr.personal_column (relation, column_name, category, mask, "
		"on_forget, ground, origin, label) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) "
		"ON CONFLICT (relation, column_name) DO UPDATE SET "
		"category = excluded.category, mask = excluded.mask, "
		"on_forget = excluded.on_forget, ground = excluded.ground, "
		"origin = excluded.origin, label = excluded.label, "
		"declared_by = excluded.declared_by, declared_at = excluded.declared_at",
		8, types, values);
}

bool
gdpr_registry_delete_subject(const char *kind)
{
	Oid types[] = {NAMEOID};
	Datum values[1];

	values[0] = name_or_null(kind);
	(void) write_rows("DELETE FROM gdpr.approval WHERE kind = $1", 1, types,
					  values, SPI_OK_DELETE);
	return write_rows("DELETE FROM gdpr.subject WHERE kind = $1", 1, types,
					  values, SPI_OK_DELETE) > 0;
}

bool
gdpr_registry_delete_link(const GdprDeclaredLink *link)
{
	Oid types[] = {REGCLASSOID, NAMEARRAYOID, REGCLASSOID, NAMEARRAYOID};
	Datum values[4];

	values[0] = ObjectIdGetDatum(link->child);
	values[1] = PointerGetDatum(gdpr_registry_names(link->child_columns));
	values[2] = ObjectIdGetDatum(link->parent);
	values[3] = PointerGetDatum(gdpr_registry_names(link->parent_columns));
	return write_rows(
			   "DELETE FROM gdpr.link WHERE child = $1 AND child_columns = $2 "
			   "AND parent = $3 AND parent_columns = $4",
			   4, types, values, SPI_OK_DELETE) > 0;
}

bool
gdpr_registry_delete_column(Oid relid, const char *name)
{
	Oid types[] = {REGCLASSOID, NAMEOID};
	Datum values[2];

	values[0] = ObjectIdGetDatum(relid);
	values[1] = name_or_null(name);
	return write_rows("DELETE FROM gdpr.personal_column WHERE relation = $1 "
					  "AND column_name = $2",
					  2, types, values, SPI_OK_DELETE) > 0;
}
