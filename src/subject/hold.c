/*
 * hold.c
 *	  Legal holds: persons and rows that nobody may erase for now.
 *
 * A held person is known by pseudonym, which is enough to stop an erasure; for
 * retention, which does not know whose a row is, his key lies sealed beside
 * it, so that his rows can be found.
 */
#include "base/compat.h"

#include "base/errors.h"
#include "base/ident.h"
#include "base/sql.h"
#include "catalog/namespace.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "crypto/secret.h"
#include "miscadmin.h"
#include "registry/predicate.h"
#include "storage/lmgr.h"
#include "subject/hold.h"
#include "subject/key.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

#define SECRET_PURPOSE "hold"

void
gdpr_hold_lock(void)
{
	Oid relid = get_relname_relid("hold", gdpr_sql_schema());

	if (OidIsValid(relid))
		LockRelationOid(relid, ShareLock);
}

bytea *
gdpr_hold_seal(const char *subject)
{
	return gdpr_secret_seal(SECRET_PURPOSE, NULL, 0, subject, strlen(subject));
}

static Datum
field(uint64 row, int column, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column,
						 isnull);
}

static char *
text_field(uint64 row, int column)
{
	return SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column);
}

static void
take_subject(GdprHold *hold, uint64 row)
{
	bool isnull;
	bytea *pseudonym = DatumGetByteaPP(field(row, 3, &isnull));
	bytea *sealed = DatumGetByteaPP(field(row, 4, &isnull));
	size_t length;

	memcpy(hold->pseudonym, VARDATA_ANY(pseudonym), GDPR_TAG_LEN);
	if (gdpr_secret_open(SECRET_PURPOSE, NULL, 0, sealed, &hold->subject,
						 &length) != GDPR_SECRET_OPENED)
		hold->subject = NULL;
}

static GdprHold *
take_hold(uint64 row)
{
	GdprHold *hold = palloc0(sizeof(GdprHold));
	bool isnull;

	hold->id = DatumGetInt64(field(row, 1, &isnull));
	hold->kind = text_field(row, 2);
	if (hold->kind != NULL)
		take_subject(hold, row);
	else
		hold->relation = DatumGetObjectId(field(row, 5, &isnull));
	hold->filter = text_field(row, 6);
	return hold;
}

List *
gdpr_hold_active(void)
{
	MemoryContext target = CurrentMemoryContext;
	GdprSqlScope scope;
	List *result = NIL;
	uint64 n;

	gdpr_sql_begin_own(&scope);
	n = gdpr_sql_run(
		"SELECT id, kind::text, pseudonym, subject, relation, filter FROM gdpr.hold "
		"WHERE released_at IS NULL AND (until IS NULL OR until > pg_catalog.now()) "
		"ORDER BY id",
		0, NULL, NULL, NULL, false, SPI_OK_SELECT);
	for (uint64 row = 0; row < n; row++)
	{
		MemoryContext old = MemoryContextSwitchTo(target);

		result = lappend(result, take_hold(row));
		MemoryContextSwitchTo(old);
	}
	gdpr_sql_end_own(&scope);
	return result;
}

/* ---- relations ---- */

/* Whoever erases runs the filter: it is looked at again, as a link's is. */
static bool
covers(const GdprHold *hold, Oid leaf)
{
	if (hold->kind != NULL || get_rel_relkind(hold->relation) == '\0' ||
		!list_member_oid(find_all_inheritors(hold->relation, NoLock, NULL),
						 leaf))
		return false;
	if (hold->filter != NULL)
		gdpr_predicate_check(hold->relation, hold->filter);
	return true;
}

char *
gdpr_hold_condition(List *holds, Oid leaf)
{
	StringInfoData buf;
	ListCell *lc;

	initStringInfo(&buf);
	foreach (lc, holds)
	{
		GdprHold *hold = lfirst(lc);

		if (covers(hold, leaf))
			appendStringInfo(&buf, " AND (%s) IS NOT TRUE",
							 hold->filter ? hold->filter : "true");
	}
	return buf.data;
}

static void
block(GdprPlan *plan, Oid relid, int64 rows, const char *reason,
	  const char *blocker)
{
	gdpr_plan_block(plan, relid, "none", rows, reason, blocker);
	((GdprPlanNote *) llast(plan->notes))->hold = true;
}

static int64
count_held(const GdprHold *hold, const GdprPlanLeaf *leaf,
		   bool (*is_touched)(const GdprPlanRow *row))
{
	GdprArgs *args = gdpr_statement_args();
	bool isnull;
	int64 n;

	gdpr_statement_arg(args, TIDARRAYOID,
					   gdpr_plan_tids(leaf->rows, leaf->nrows, is_touched));
	gdpr_statement_run(psprintf("SELECT pg_catalog.count(*) FROM %s WHERE %s%s",
								gdpr_plan_from(leaf, "c"),
								gdpr_plan_where(leaf, "c", 1),
								hold->filter == NULL
									? ""
									: psprintf(" AND (%s)", hold->filter)),
					   args, false, leaf->relation->label);
	n = DatumGetInt64(gdpr_statement_value(0, 1, &isnull));
	SPI_freetuptable(SPI_tuptable);
	return n;
}

static bool
is_touched(const GdprPlanRow *row)
{
	return gdpr_plan_is_deleted(row) || row->pending;
}

static void
block_relation(GdprPlan *plan, const GdprHold *hold)
{
	ListCell *lc;

	foreach (lc, plan->leaf_list)
	{
		GdprPlanLeaf *leaf = lfirst(lc);
		int64 n;

		if (!covers(hold, leaf->relid))
			continue;
		n = count_held(hold, leaf, is_touched);
		if (n > 0)
			block(plan, leaf->relid, n,
				  "its rows must stay as they are for now",
				  psprintf("legal hold " INT64_FORMAT, hold->id));
	}
}

/* ---- persons ---- */

static void
refuse_unseen(const GdprHold *hold)
{
	ereport(ERROR,
			(errcode(ERRCODE_GDPR_ERASURE_BLOCKED),
			 errmsg("the rows of legal hold " INT64_FORMAT " cannot be found by role \"%s\"",
					hold->id, GetUserNameFromId(GetUserId(), false)),
			 errhint("It needs SELECT on the relations of kind \"%s\", the root key, and no row security in the way.",
					 hold->kind)));
}

static HTAB *
new_set(void)
{
	HASHCTL ctl = {0};

	ctl.keysize = sizeof(GdprRowId);
	ctl.entrysize = sizeof(GdprRowId);
	ctl.hcxt = CurrentMemoryContext;
	return hash_create("gdpr held rows", 128, &ctl,
					   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/* False: they cannot all be seen. */
static bool
add_rows(HTAB *set, const GdprHold *hold)
{
	GdprSubject *subject;
	HASH_SEQ_STATUS scan;
	GdprPlanRow *row;
	GdprPlan *plan;

	if (hold->subject == NULL)
		return false;
	subject = gdpr_key_resolve(hold->subject, hold->kind, false);
	if (!subject->found)
		return true;
	plan = gdpr_plan_walk(subject, GDPR_PLAN_SHOW);
	hash_seq_init(&scan, plan->rows);
	while ((row = hash_seq_search(&scan)) != NULL)
		(void) hash_search(set, &row->id, HASH_ENTER, NULL);
	return plan->denied == NIL;
}

/* A kind that was taken back holds nobody's rows any more. */
static GdprMap *
map_of(const GdprHold *hold, List *kinds)
{
	if (!gdpr_ident_is_among(kinds, hold->kind))
		return NULL;
	return gdpr_graph_load(hold->kind);
}

HTAB *
gdpr_hold_rows(List *holds, Oid relation)
{
	List *kinds = holds == NIL ? NIL : gdpr_graph_kinds();
	HTAB *set = NULL;
	ListCell *lc;

	foreach (lc, holds)
	{
		GdprHold *hold = lfirst(lc);
		GdprMap *map = hold->kind == NULL ? NULL : map_of(hold, kinds);

		if (map == NULL || gdpr_graph_relation(map, relation) == NULL)
			continue;
		if (set == NULL)
			set = new_set();
		if (!add_rows(set, hold))
			refuse_unseen(hold);
	}
	return set;
}

bool
gdpr_hold_has(HTAB *rows, Oid leaf, const ItemPointerData *tid)
{
	GdprRowId id;

	if (rows == NULL)
		return false;
	memset(&id, 0, sizeof(id));
	id.leaf = leaf;
	ItemPointerCopy(tid, &id.tid);
	return hash_search(rows, &id, HASH_FIND, NULL) != NULL;
}

/* ---- what stands in the way of a plan ---- */

static bool
is_of_plan(const GdprPlan *plan, const GdprHold *hold)
{
	const char *kind = NameStr(plan->map->kind);
	uint8 pseudonym[GDPR_TAG_LEN];

	if (plan->subject->key == NULL || strcmp(hold->kind, kind) != 0)
		return false;
	gdpr_key_pseudonym(kind, plan->subject->key, pseudonym);
	return memcmp(pseudonym, hold->pseudonym, GDPR_TAG_LEN) == 0;
}

static bool
may_share_rows(const GdprPlan *plan, const GdprMap *map)
{
	ListCell *lc;

	foreach (lc, plan->leaf_list)
	{
		if (gdpr_graph_relation(map, ((GdprPlanLeaf *) lfirst(lc))->relid) !=
			NULL)
			return true;
	}
	return false;
}

static int64
count_shared(const GdprPlanLeaf *leaf, HTAB *set)
{
	int64 n = 0;

	for (int i = 0; i < leaf->nrows; i++)
		n += is_touched(leaf->rows[i]) &&
			 gdpr_hold_has(set, leaf->relid, &leaf->rows[i]->id.tid);
	return n;
}

/* A row may be of two persons: the held one's stay, whoever else goes. */
static void
block_shared(GdprPlan *plan, const GdprHold *hold)
{
	char *name = psprintf("legal hold " INT64_FORMAT, hold->id);
	HTAB *set = new_set();
	ListCell *lc;

	if (!add_rows(set, hold))
		block(plan, plan->map->root->relid, -1,
			  "a held person's rows cannot all be seen by this role", name);
	foreach (lc, plan->leaf_list)
	{
		GdprPlanLeaf *leaf = lfirst(lc);
		int64 n = count_shared(leaf, set);

		if (n > 0)
			block(plan, leaf->relid, n,
				  "they are a held person's too, of whom nothing may go", name);
	}
}

static void
block_subject(GdprPlan *plan, const GdprHold *hold)
{
	GdprMap *map;

	if (is_of_plan(plan, hold))
	{
		block(plan, plan->map->root->relid, -1,
			  "nothing of this person may go for now",
			  psprintf("legal hold " INT64_FORMAT, hold->id));
		return;
	}
	map = map_of(hold, gdpr_graph_kinds());
	if (map != NULL && may_share_rows(plan, map))
		block_shared(plan, hold);
}

void
gdpr_plan_block_holds(GdprPlan *plan)
{
	ListCell *lc;

	foreach (lc, gdpr_hold_active())
	{
		GdprHold *hold = lfirst(lc);

		if (hold->kind == NULL)
			block_relation(plan, hold);
		else
			block_subject(plan, hold);
	}
}
