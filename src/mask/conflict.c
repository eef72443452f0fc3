/*
 * conflict.c
 *	  Columns that the server would not let a mask be written to.
 *
 * Better known when a column is declared, or at the latest in the plan, than
 * in the middle of an erasure.
 */
#include "base/compat.h"

#include "access/genam.h"
#include "access/sysattr.h"
#include "access/table.h"
#include "catalog/partition.h"
#include "catalog/pg_index.h"
#include "mask/conflict.h"
#include "optimizer/optimizer.h"
#include "utils/lsyscache.h"
#include "utils/partcache.h"
#include "utils/rel.h"
#include "utils/relcache.h"

/* Are these expressions of no column but this? */
static bool
only_of(Node *expressions, AttrNumber attnum)
{
	Bitmapset *columns = NULL;
	int member;

	pull_varattnos(expressions, 1, &columns);
	return bms_get_singleton_member(columns, &member) &&
		   member + FirstLowInvalidHeapAttributeNumber == attnum;
}

/* A UNIQUE index, or one of an exclusion constraint, over the column alone? */
static bool
is_unique_over(Oid indexid, AttrNumber attnum, bool null)
{
	Relation rel = index_open(indexid, AccessShareLock);
	Form_pg_index index = rel->rd_index;
	bool result = index->indnkeyatts == 1 &&
				  (index->indisunique || index->indisexclusion) &&
				  (!null || index->indnullsnotdistinct);

	/* What an expression makes of null is not known: mostly null. */
	if (result && index->indkey.values[0] == InvalidAttrNumber)
		result = !null &&
				 only_of((Node *) RelationGetIndexExpressions(rel), attnum);
	else if (result)
		result = index->indkey.values[0] == attnum;
	index_close(rel, NoLock);
	return result;
}

bool
gdpr_conflict_unique(Relation rel, AttrNumber attnum, bool null)
{
	List *indexes = RelationGetIndexList(rel);
	bool found = false;
	ListCell *lc;

	foreach (lc, indexes)
		found = found || is_unique_over(lfirst_oid(lc), attnum, null);
	list_free(indexes);
	return found;
}

static bool
is_key_column(Oid relid, const char *name)
{
	Relation rel = table_open(relid, AccessShareLock);
	PartitionKey key = RelationGetPartitionKey(rel);
	AttrNumber attnum = get_attnum(relid, name);
	bool found = false;

	if (key != NULL)
	{
		Bitmapset *columns = NULL;

		for (int i = 0; i < key->partnatts; i++)
			found |= key->partattrs[i] == attnum;
		pull_varattnos((Node *) key->partexprs, 1, &columns);
		found |= bms_is_member(attnum - FirstLowInvalidHeapAttributeNumber,
							   columns);
	}
	table_close(rel, NoLock);
	return found;
}

bool
gdpr_conflict_partition_key(Relation rel, AttrNumber attnum)
{
	char *name = get_attname(RelationGetRelid(rel), attnum, false);
	ListCell *lc;

	if (is_key_column(RelationGetRelid(rel), name))
		return true;
	if (!rel->rd_rel->relispartition)
		return false;
	foreach (lc, get_partition_ancestors(RelationGetRelid(rel)))
	{
		if (is_key_column(lfirst_oid(lc), name))
			return true;
	}
	return false;
}
