/*
 * typetree.c
 *	  Encrypted types inside other types: domains, arrays, ranges, row types.
 */
#include "base/compat.h"

#include "access/transam.h"
#include "access/tupdesc.h"
#include "catalog/pg_type.h"
#include "enctype/enctype.h"
#include "enctype/typetree.h"
#include "miscadmin.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

typedef struct RelationEntry
{
	Oid relid;
	bool encrypted;
} RelationEntry;

static HTAB *relations = NULL;

/* The last answer: one statement asks about its relation several times. */
static RelationEntry last = {InvalidOid, false};

static void look_into(Oid typid, int32 typmod, GdprTypetree *found);

/*
 * Invalidation may come while an entry is being made, so it only empties the
 * table: entries are complete before they are entered.
 */
static void
forget_relation(Datum arg, Oid relid)
{
	HASH_SEQ_STATUS status;
	RelationEntry *entry;

	last.relid = InvalidOid;
	if (relations == NULL)
		return;
	if (OidIsValid(relid))
	{
		(void) hash_search(relations, &relid, HASH_REMOVE, NULL);
		return;
	}
	hash_seq_init(&status, relations);
	while ((entry = hash_seq_search(&status)) != NULL)
		(void) hash_search(relations, &entry->relid, HASH_REMOVE, NULL);
}

/* A type can change below a column (ALTER TYPE ... ADD ATTRIBUTE). */
static void
forget_types(Datum arg, int cacheid, uint32 hashvalue)
{
	forget_relation(arg, InvalidOid);
}

void
gdpr_typetree_init(void)
{
	CacheRegisterRelcacheCallback(forget_relation, (Datum) 0);
	CacheRegisterSyscacheCallback(TYPEOID, forget_types, (Datum) 0);
}

static void
look_into_columns(TupleDesc columns, GdprTypetree *found)
{
	for (int i = 0; i < columns->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(columns, i);

		if (!column->attisdropped)
			look_into(column->atttypid, column->atttypmod, found);
	}
}

static void
look_into_row(Oid typid, GdprTypetree *found)
{
	TupleDesc columns = lookup_rowtype_tupdesc_copy(typid, -1);

	look_into_columns(columns, found);
	FreeTupleDesc(columns);
}

static void
look_into(Oid typid, int32 typmod, GdprTypetree *found)
{
	Oid element;

	/* The server's own types hold none of ours. */
	if (typid < FirstNormalObjectId)
		return;
	check_stack_depth();
	if (gdpr_enctype_is(typid))
	{
		found->encrypted = true;
		if (typmod < 0)
			found->without_context = true;
		return;
	}
	element = get_element_type(typid);
	if (OidIsValid(element))
	{
		look_into(element, typmod, found);
		return;
	}
	switch (get_typtype(typid))
	{
		case TYPTYPE_DOMAIN:
			typid = getBaseTypeAndTypmod(typid, &typmod);
			look_into(typid, typmod, found);
			break;
		case TYPTYPE_COMPOSITE:
			look_into_row(typid, found);
			break;
		case TYPTYPE_RANGE:
			look_into(get_range_subtype(typid), -1, found);
			break;
		case TYPTYPE_MULTIRANGE:
			look_into(get_multirange_range(typid), -1, found);
			break;
		default:
			break;
	}
}

GdprTypetree
gdpr_typetree_look(Oid typid, int32 typmod)
{
	GdprTypetree found = {false, false};

	look_into(typid, typmod, &found);
	return found;
}

static void
make_relations(void)
{
	HASHCTL control = {0};

	control.keysize = sizeof(Oid);
	control.entrysize = sizeof(RelationEntry);
	control.hcxt = CacheMemoryContext;
	relations = hash_create("gdpr_ext relations", 64, &control,
							HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

bool
gdpr_typetree_relation(Oid relid)
{
	RelationEntry *entry;
	GdprTypetree found = {false, false};
	Relation relation;

	if (relid == last.relid && OidIsValid(relid))
		return last.encrypted;
	if (relid < FirstNormalObjectId || !OidIsValid(gdpr_enctype_text_oid()))
		return false;
	if (relations == NULL)
		make_relations();
	entry = hash_search(relations, &relid, HASH_FIND, NULL);
	if (entry != NULL)
	{
		last = *entry;
		return entry->encrypted;
	}

	relation = RelationIdGetRelation(relid);
	if (!RelationIsValid(relation))
		return false;
	look_into_columns(RelationGetDescr(relation), &found);
	RelationClose(relation);

	entry = hash_search(relations, &relid, HASH_ENTER, NULL);
	entry->encrypted = found.encrypted;
	return found.encrypted;
}
