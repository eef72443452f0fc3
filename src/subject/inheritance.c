/*
 * inheritance.c
 *	  Partitions and inheritance children: who is below whom.
 *
 * pg_inherits is read once a map; asking it table by table costs a scan for
 * each of hundreds.
 */
#include "base/compat.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_inherits.h"
#include "subject/reference.h"
#include "utils/hsearch.h"

typedef struct Entry
{
	Oid relid;	   /* hash key */
	List *parents; /* as OIDs */
	bool has_children;
} Entry;

struct GdprInheritance
{
	HTAB *entries;
};

static Entry *
enter(GdprInheritance *inheritance, Oid relid)
{
	bool found;
	Entry *entry = hash_search(inheritance->entries, &relid, HASH_ENTER,
							   &found);

	if (!found)
	{
		entry->parents = NIL;
		entry->has_children = false;
	}
	return entry;
}

static Entry *
look_up(GdprInheritance *inheritance, Oid relid)
{
	return hash_search(inheritance->entries, &relid, HASH_FIND, NULL);
}

GdprInheritance *
gdpr_reference_inheritance(void)
{
	GdprInheritance *inheritance = palloc(sizeof(*inheritance));
	HASHCTL control = {0};
	Relation relation = table_open(InheritsRelationId, AccessShareLock);
	SysScanDesc scan;
	HeapTuple tuple;

	control.keysize = sizeof(Oid);
	control.entrysize = sizeof(Entry);
	control.hcxt = CurrentMemoryContext;
	inheritance->entries = hash_create("gdpr inheritance", 64, &control,
									   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	scan = systable_beginscan(relation, InvalidOid, false, NULL, 0, NULL);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_inherits form = (Form_pg_inherits) GETSTRUCT(tuple);
		Entry *child = enter(inheritance, form->inhrelid);

		child->parents = lappend_oid(child->parents, form->inhparent);
		enter(inheritance, form->inhparent)->has_children = true;
	}
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	return inheritance;
}

Oid
gdpr_reference_top(GdprInheritance *inheritance, Oid relid)
{
	for (;;)
	{
		Entry *entry = look_up(inheritance, relid);

		if (entry == NULL || list_length(entry->parents) != 1)
			return relid;
		relid = linitial_oid(entry->parents);
	}
}

bool
gdpr_reference_is_below(GdprInheritance *inheritance, Oid relid, Oid ancestor)
{
	Entry *entry = look_up(inheritance, relid);
	ListCell *lc;

	if (entry == NULL)
		return false;
	foreach (lc, entry->parents)
	{
		if (lfirst_oid(lc) == ancestor ||
			gdpr_reference_is_below(inheritance, lfirst_oid(lc), ancestor))
			return true;
	}
	return false;
}

bool
gdpr_reference_has_children(GdprInheritance *inheritance, Oid relid)
{
	Entry *entry = look_up(inheritance, relid);

	return entry != NULL && entry->has_children;
}
