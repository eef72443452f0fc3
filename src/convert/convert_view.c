/*
 * convert_view.c
 *	  Views on a column whose type changes: PostgreSQL alters no type below a
 *	  view, so they are dropped and made again, each as its owner, with what
 *	  pg_dump would say of it: definition, options, defaults, comments, and the
 *	  access lists as the catalogs have them.
 *
 * A definition is deparsed and parsed under one search_path, in which our
 * operators are found.  A view that cannot be made, or not be planned, over the
 * other type stops the conversion, which is one transaction.  gdpr.column_view
 * says which views can be carried over at all.
 */
#include "base/compat.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "base/acl.h"
#include "base/attempt.h"
#include "base/ident.h"
#include "base/sql.h"
#include "catalog/pg_type.h"
#include "convert/convert.h"
#include "enctype/enctype.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

typedef struct Grant
{
	AttrNumber attnum;
	Acl *acl;
} Grant;

typedef struct View
{
	Oid oid;
	Oid owner;
	Oid schema;
	char *name;
	char *label;
	List *statements; /* char *: what makes it again */
	List *grants;	  /* Grant *: other than the default */
} View;

/* Each in an order in which it can be made; what there is to say of each. */
static const char *const views_sql =
	"SELECT v.view, v.number, s.statement FROM gdpr.column_view($1, $2) v "
	"CROSS JOIN LATERAL (SELECT format('%I.%I', n.nspname, c.relname) AS name FROM pg_class c "
	"JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = v.view) q "
	"CROSS JOIN LATERAL (SELECT 1 AS step, 0 AS n, "
	"format('CREATE VIEW %s (%s)%s AS %s', q.name, "
	"(SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute "
	"WHERE attrelid = v.view AND attnum > 0 AND NOT attisdropped), "
	"(SELECT format(' WITH (%s)', string_agg(format('%I = %L', o.option_name, o.option_value), ', ')) "
	"FROM pg_options_to_table(c.reloptions) o HAVING count(*) > 0), "
	"pg_get_viewdef(v.view)) AS statement FROM pg_class c WHERE c.oid = v.view "
	"UNION ALL SELECT 2, d.adnum, format('ALTER VIEW %s ALTER COLUMN %I SET DEFAULT %s', "
	"q.name, a.attname, pg_get_expr(d.adbin, d.adrelid)) "
	"FROM pg_attrdef d JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum "
	"WHERE d.adrelid = v.view "
	"UNION ALL SELECT 3, 0, format('COMMENT ON VIEW %s IS %L', q.name, d.description) "
	"FROM pg_description d WHERE d.classoid = 'pg_class'::regclass AND d.objoid = v.view AND d.objsubid = 0 "
	"UNION ALL SELECT 3, d.objsubid, format('COMMENT ON COLUMN %s.%I IS %L', q.name, a.attname, d.description) "
	"FROM pg_description d JOIN pg_attribute a ON a.attrelid = d.objoid AND a.attnum = d.objsubid "
	"WHERE d.classoid = 'pg_class'::regclass AND d.objoid = v.view) s "
	"WHERE v.obstacle IS NULL ORDER BY v.number, s.step, s.n";

/* Ours are the only operators that pg_catalog lacks. */
static void
set_path(void)
{
	HeapTuple tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(
												   gdpr_enctype_text_oid()));
	char *schema;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for the encrypted type");
	schema = get_namespace_name(
		((Form_pg_type) GETSTRUCT(tuple))->typnamespace);
	ReleaseSysCache(tuple);

	(void) set_config_option("search_path",
							 psprintf("pg_catalog, %s, pg_temp",
									  quote_identifier(schema)),
							 PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true,
							 0, false);
}

/* ---- remembering ---- */

static void
remember_grants(View *view)
{
	for (AttrNumber i = 0; i == 0 || get_attname(view->oid, i, true) != NULL;
		 i++)
	{
		Acl *acl = gdpr_acl_read(view->oid, i);
		Grant *grant;

		if (acl == NULL)
			continue;
		grant = palloc(sizeof(Grant));
		grant->attnum = i;
		grant->acl = acl;
		view->grants = lappend(view->grants, grant);
	}
}

static View *
remember_view(Oid oid)
{
	View *view = palloc0(sizeof(View));

	view->oid = oid;
	view->owner = gdpr_acl_owner(oid);
	view->schema = get_rel_namespace(oid);
	view->name = get_rel_name(oid);
	view->label = gdpr_ident_relation(oid);
	remember_grants(view);
	return view;
}

static List *
remember(Oid relid, const char *column)
{
	Oid types[] = {REGCLASSOID, NAMEOID};
	NameData name;
	Datum values[] = {ObjectIdGetDatum(relid), NameGetDatum(&name)};
	MemoryContext caller = CurrentMemoryContext;
	List *views = NIL;
	GdprSqlScope scope;

	namestrcpy(&name, column);
	gdpr_sql_begin_own(&scope);
	set_path();
	(void) gdpr_sql_run(views_sql, 2, types, values, NULL, false,
						SPI_OK_SELECT);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool isnull;
		Oid oid = DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[i],
												 SPI_tuptable->tupdesc, 1,
												 &isnull));
		char *statement = SPI_getvalue(SPI_tuptable->vals[i],
									   SPI_tuptable->tupdesc, 3);
		MemoryContext spi = MemoryContextSwitchTo(caller);
		View *view = views == NIL ? NULL : llast(views);

		if (view == NULL || view->oid != oid)
		{
			view = remember_view(oid);
			views = lappend(views, view);
		}
		view->statements = lappend(view->statements, pstrdup(statement));
		MemoryContextSwitchTo(spi);
	}
	gdpr_sql_end_own(&scope);
	return views;
}

List *
gdpr_convert_views_take(Oid relid, const char *column)
{
	List *views = remember(relid, column);

	/* Those that are made last are dropped first. */
	for (int i = list_length(views) - 1; i >= 0; i--)
		gdpr_conversion_ddl(
			psprintf("DROP VIEW %s", ((View *) list_nth(views, i))->label));
	return views;
}

/* ---- making them again ---- */

/*
 * In the owner's name, as a restricted operation: planning may evaluate what he
 * calls immutable.
 */
static void
run_as_owner(const View *view, const List *statements)
{
	GdprSqlScope scope;
	const ListCell *lc;

	gdpr_sql_begin_look(&scope, view->owner);
	set_path();
	foreach (lc, statements)
		gdpr_sql_run(lfirst(lc), 0, NULL, NULL, NULL, false, SPI_OK_UTILITY);
	gdpr_sql_end_caller(&scope);
}

static void
make_view(void *argument)
{
	View *view = argument;

	run_as_owner(view, view->statements);
}

/* What only planning refuses, sorting for one. */
static void
plan_view(void *argument)
{
	View *view = argument;

	run_as_owner(view,
				 list_make1(psprintf("EXPLAIN SELECT * FROM %s", view->label)));
}

/* Default privileges of the owner's may have given more than there was. */
static void
give_back(const View *view)
{
	Oid relid = get_relname_relid(view->name, view->schema);
	ListCell *lc;

	gdpr_acl_write(relid, 0, NULL);
	foreach (lc, view->grants)
	{
		Grant *grant = lfirst(lc);

		gdpr_acl_write(relid, grant->attnum, grant->acl);
	}
}

/* Its definition, which an error of the server's would print, holds literals. */
static void
refuse_view(const View *view, const ErrorData *error)
{
	ereport(ERROR,
			(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
			 errmsg("view %s cannot be made again over the converted column", view->label),
			 errdetail("Its definition is refused with SQLSTATE %s.",
					   unpack_sql_state(error->sqlerrcode)),
			 errhint("Drop it before, and create it after: with column::text where it shows or compares plaintext.")));
}

void
gdpr_convert_views_make(List *views)
{
	ListCell *lc;

	foreach (lc, views)
	{
		View *view = lfirst(lc);
		ErrorData *error = gdpr_attempt(make_view, view);

		if (error == NULL)
			error = gdpr_attempt(plan_view, view);
		/* A view whose owner may not read through it was no other before. */
		if (error != NULL &&
			error->sqlerrcode != ERRCODE_INSUFFICIENT_PRIVILEGE)
			refuse_view(view, error);
		CommandCounterIncrement();
		give_back(view);
	}
}

/* ---- whether it can be done ---- */

List *
gdpr_convert_views_foreign(Oid relid, const char *column)
{
	List *foreign = NIL;
	ListCell *lc;

	foreach (lc, remember(relid, column))
	{
		View *view = lfirst(lc);

		if (!gdpr_compat_owns_relation(view->oid, GetUserId()))
			foreign = lappend(foreign, view->label);
	}
	return foreign;
}
