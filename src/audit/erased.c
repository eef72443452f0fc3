/*
 * erased.c
 *	  Whose values were erased in this transaction.
 */
#include "base/compat.h"

#include "access/xact.h"
#include "audit/erased.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

typedef struct Erased
{
	GdprAuditTag tag; /* hash key */
	SubTransactionId subxid;
} Erased;

/* In the transaction's context; NULL: nobody. */
static HTAB *erased = NULL;

static void
create_table(void)
{
	HASHCTL ctl = {0};

	ctl.keysize = sizeof(GdprAuditTag);
	ctl.entrysize = sizeof(Erased);
	ctl.hcxt = TopTransactionContext;
	erased = hash_create("gdpr audit erased", 256, &ctl,
						 HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

void
gdpr_audit_erased_add(const GdprAuditTag *tag)
{
	Erased *entry;
	bool found;

	if (erased == NULL)
		create_table();
	entry = hash_search(erased, tag, HASH_ENTER, &found);
	if (!found)
		entry->subxid = GetCurrentSubTransactionId();
}

bool
gdpr_audit_erased_any(const GdprAuditTag *tags, int ntags)
{
	for (int i = 0; erased != NULL && i < ntags; i++)
	{
		if (hash_search(erased, &tags[i], HASH_FIND, NULL) != NULL)
			return true;
	}
	return false;
}

static void
at_transaction_end(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_PREPARE:
		case XACT_EVENT_ABORT:
			erased = NULL;
			break;
		default:
			break;
	}
}

/* An erasure that is undone; subtransactions within have greater numbers. */
static void
at_subtransaction_end(SubXactEvent event, SubTransactionId mine,
					  SubTransactionId parent, void *arg)
{
	HASH_SEQ_STATUS scan;
	Erased *entry;

	if (event != SUBXACT_EVENT_ABORT_SUB || erased == NULL)
		return;
	hash_seq_init(&scan, erased);
	while ((entry = hash_seq_search(&scan)) != NULL)
	{
		if (entry->subxid >= mine)
			(void) hash_search(erased, &entry->tag, HASH_REMOVE, NULL);
	}
}

void
gdpr_audit_erased_init(void)
{
	RegisterXactCallback(at_transaction_end, NULL);
	RegisterSubXactCallback(at_subtransaction_end, NULL);
}
