/*
 * search.c
 *	  Counts of the tags that this session made for searches.
 *
 * Whoever may search can try values one after the other: each try makes a tag.
 * This is the one place that hears of every one of them, with the role and the
 * context, before it is made; a limit on guesses would be asked for here.
 */
#include "base/compat.h"

#include "access/xact.h"
#include "enctype/search.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

GDPR_FUNCTION(gdpr_searches);

typedef struct SearchKey
{
	Oid role;
	uint32 context; /* hash */
} SearchKey;

typedef struct Searches
{
	SearchKey key;
	NameData context;
	int64 tags;
	TimestampTz first; /* begin of the statements */
	TimestampTz last;
} Searches;

static HTAB *searches = NULL;

static void
make_table(void)
{
	HASHCTL control = {0};

	control.keysize = sizeof(SearchKey);
	control.entrysize = sizeof(Searches);
	control.hcxt = TopMemoryContext;
	searches = hash_create("gdpr_ext searches", 16, &control,
						   HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

void
gdpr_search_count(Oid role, const GdprContext *context)
{
	SearchKey key = {role, context->hash};
	Searches *entry;
	bool found;

	if (searches == NULL)
		make_table();
	entry = hash_search(searches, &key, HASH_ENTER, &found);
	if (!found)
	{
		entry->context = context->name;
		entry->tags = 0;
		entry->first = GetCurrentStatementStartTimestamp();
	}
	entry->tags++;
	entry->last = GetCurrentStatementStartTimestamp();
}

/* gdpr.searches(): of this session. */
Datum
gdpr_searches(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	HASH_SEQ_STATUS status;
	Searches *entry;

	InitMaterializedSRF(fcinfo, 0);
	if (searches == NULL)
		PG_RETURN_NULL();
	hash_seq_init(&status, searches);
	while ((entry = hash_seq_search(&status)) != NULL)
	{
		NameData role = {""};
		char *name = GetUserNameFromId(entry->key.role, true);
		Datum values[5];
		bool nulls[5] = {name == NULL};

		if (name != NULL)
			namestrcpy(&role, name);
		values[0] = NameGetDatum(&role);
		values[1] = NameGetDatum(&entry->context);
		values[2] = Int64GetDatum(entry->tags);
		values[3] = TimestampTzGetDatum(entry->first);
		values[4] = TimestampTzGetDatum(entry->last);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	PG_RETURN_NULL();
}
