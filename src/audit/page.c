/*
 * page.c
 *	  The page of the log to which a statement's records go.
 *
 * Looking the page up for each record took a twelfth of the time of a bulk
 * UPDATE.  A statement that fires its triggers in ExecutorFinish keeps it
 * pinned meanwhile.  COPY and the apply worker fire theirs elsewhere, where no
 * hook of ours could release the pin: they look it up each time.
 *
 * A pin belongs to the resource owner under which it was taken, and goes with
 * it after an error; here it is only to be forgotten then.
 */
#include "base/compat.h"

#include "access/hio.h"
#include "access/xact.h"
#include "audit/page.h"
#include "storage/bufmgr.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

static BulkInsertState state = NULL;
static Oid pinned_relid = InvalidOid;
static ResourceOwner pinned_owner = NULL;
static int pinned_level = 0;

/* Whether somebody up the stack calls gdpr_audit_page_end. */
static bool released_later = false;

static bool
is_pinned(void)
{
	return state != NULL && BufferIsValid(state->current_buf);
}

/*
 * An error's clean-up releases the pin itself.  From PostgreSQL 16 on the state
 * also has pages that were added ahead, of a relation that may be gone: that
 * is taken back too, and without a buffer nothing else is.
 */
static void
forget(void)
{
	if (state == NULL)
		return;
	state->current_buf = InvalidBuffer;
	ReleaseBulkInsertStatePin(state);
}

bool
gdpr_audit_page_begin(void)
{
	bool before = released_later;

	released_later = true;
	return before;
}

/* A statement within a trigger may release the outer one's, which pins anew. */
void
gdpr_audit_page_end(bool before)
{
	if (is_pinned() && pinned_owner == CurrentResourceOwner)
		ReleaseBulkInsertStatePin(state);
	released_later = before;
}

/* Not with a ring of buffers: a log is larger than that soon, and is read. */
static void
create_state(void)
{
	MemoryContext old = MemoryContextSwitchTo(TopMemoryContext);

	state = GetBulkInsertState();
	FreeAccessStrategy(state->strategy);
	state->strategy = NULL;
	MemoryContextSwitchTo(old);
}

BulkInsertState
gdpr_audit_page(Relation leaf)
{
	if (!released_later)
		return NULL;
	if (state == NULL)
		create_state();
	if (is_pinned())
	{
		if (pinned_owner != CurrentResourceOwner)
			return NULL;
		if (pinned_relid == RelationGetRelid(leaf))
			return state;
		ReleaseBulkInsertStatePin(state);
	}
	pinned_relid = RelationGetRelid(leaf);
	pinned_owner = CurrentResourceOwner;
	pinned_level = GetCurrentTransactionNestLevel();
	return state;
}

static void
at_transaction_end(XactEvent event, void *arg)
{
	if (event != XACT_EVENT_ABORT && event != XACT_EVENT_PARALLEL_ABORT)
		return;
	forget();
	released_later = false;
}

/* What the outer statement has pinned stays; it says so again at its end. */
static void
at_subtransaction_end(SubXactEvent event, SubTransactionId mine,
					  SubTransactionId parent, void *arg)
{
	if (event != SUBXACT_EVENT_ABORT_SUB)
		return;
	if (pinned_level >= GetCurrentTransactionNestLevel())
		forget();
	released_later = false;
}

void
gdpr_audit_page_init(void)
{
	RegisterXactCallback(at_transaction_end, NULL);
	RegisterSubXactCallback(at_subtransaction_end, NULL);
}
