/*
 * nonce.c
 *	  The budget of nonces of each key version.
 *
 * Nonces are random; AES-GCM is safe with them below 2^32 values a key, so a
 * sequence per key version counts and stops at 2^31.  The sequence is drawn
 * from in steps, and what a process has drawn and not used goes back to a
 * pool in shared memory when it ends: short sessions would otherwise use up
 * the budget without sealing anything.  The pool also lets parallel workers,
 * which may not call nextval, run up a debt that the next ordinary draw pays.
 * What the pool holds is lost with the server's run: credit costs budget, a
 * debt is at most what ran in parallel mode since the last ordinary draw.
 *
 * Before the budget ends, the next ordinary write makes the context's next
 * key, as part of its own transaction: when that is rolled back, key and values
 * are gone together and the next write makes another.  Until it is committed
 * others do not see the new key and go on with the old one, for which there is
 * a margin; only at the budget's very end they wait.
 */
#include "base/compat.h"

#include "access/genam.h"
#include "access/parallel.h"
#include "access/table.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "base/sql.h"
#include "commands/sequence.h"
#include "crypto/keyring_internal.h"
#include "crypto/random.h"
#include "miscadmin.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#define STEP   256 /* INCREMENT of the sequences */
#define BUDGET (INT64CONST(1) << 31)

/* From here on, 67 million values before the end, a new key takes over. */
#define ROLL_OVER (BUDGET - (INT64CONST(1) << 26))

/* The pool's entry of a sequence; a free one or a credit gives way to it. */
static GdprNonceBalance *
find_balance(Oid sequence, bool create)
{
	GdprNonceBalance *spare = NULL;

	for (int i = 0; i < GDPR_NONCE_BALANCES; i++)
	{
		GdprNonceBalance *entry = &gdpr_keyring_shared->balances[i];

		if (entry->sequence == sequence && entry->database == MyDatabaseId)
			return entry;
		if (entry->balance >= 0 &&
			(spare == NULL || entry->balance < spare->balance))
			spare = entry;
	}
	if (!create || spare == NULL)
		return NULL;
	spare->database = MyDatabaseId;
	spare->sequence = sequence;
	spare->balance = 0;
	return spare;
}

/* Takes up to a step of the pool's credit, or all of its debt. */
static int64
take_balance(Oid sequence)
{
	GdprNonceBalance *entry;
	int64 taken = 0;

	LWLockAcquire(&gdpr_keyring_shared->lock, LW_EXCLUSIVE);
	entry = find_balance(sequence, false);
	if (entry != NULL)
	{
		taken = Min(entry->balance, STEP);
		entry->balance -= taken;
	}
	LWLockRelease(&gdpr_keyring_shared->lock);
	return taken;
}

static bool
add_balance(Oid sequence, int64 amount)
{
	GdprNonceBalance *entry;

	LWLockAcquire(&gdpr_keyring_shared->lock, LW_EXCLUSIVE);
	entry = find_balance(sequence, true);
	if (entry != NULL)
		entry->balance += amount;
	LWLockRelease(&gdpr_keyring_shared->lock);
	return entry != NULL;
}

void
gdpr_nonce_return(GdprKeySlot *slot)
{
	if (slot->nonces > 0 && gdpr_keyring_shared != NULL)
		(void) add_balance(slot->sequence, slot->nonces);
	slot->nonces = 0;
}

/* What nextval would return, read without drawing it. */
static int64
peek_sequence(Oid sequence)
{
	Relation rel = table_open(sequence, AccessShareLock);
	SysScanDesc scan = systable_beginscan(rel, InvalidOid, false, NULL, 0,
										  NULL);
	HeapTuple tuple = systable_getnext(scan);
	Form_pg_sequence_data data;
	int64 next;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "sequence with OID %u is empty", sequence);
	data = (Form_pg_sequence_data) GETSTRUCT(tuple);
	next = data->last_value + (data->is_called ? STEP : 0);
	systable_endscan(scan);
	table_close(rel, AccessShareLock);
	return next;
}

static void
over_budget(const GdprContext *context)
{
	ereport(ERROR,
			(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
			 errmsg("the key of context \"%s\" has sealed as many values as one key may",
					NameStr(context->name)),
			 errdetail("A new key cannot be made in parallel mode."),
			 errhint("Write a value in an ordinary statement, or call gdpr.rotate_context.")));
}

/* Is a step from this count on within the budget? */
static bool
has_budget(GdprKeySlot *slot, int64 counted)
{
	slot->counted = counted;
	return counted + STEP <= BUDGET;
}

static bool
draw_in_parallel_mode(GdprKeySlot *slot, int64 debt)
{
	if (!has_budget(slot, peek_sequence(slot->sequence) + debt))
		return false;
	if (!add_balance(slot->sequence, -debt - STEP))
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("too many keys are used in parallel mode to count their values")));
	slot->nonces = STEP;
	return true;
}

/* False when the budget has come to its end. */
static bool
draw(GdprKeySlot *slot)
{
	int64 balance = take_balance(slot->sequence);

	if (balance <= 0 && IsInParallelMode())
		return draw_in_parallel_mode(slot, -balance);
	/* Pays the debt and takes one step; what an error leaves is lost. */
	for (; balance <= 0; balance += STEP)
	{
		if (!has_budget(slot, nextval_internal(slot->sequence, false)))
			return false;
	}
	slot->nonces = balance;
	return true;
}

/* InvalidOid when it is missing. */
static Oid
find_sequence(const GdprContext *context, uint16 version)
{
	char name[NAMEDATALEN];

	snprintf(name, sizeof(name), GDPR_NONCE_SEQUENCE, context->hash, version);
	return get_relname_relid(name, gdpr_sql_schema());
}

static Oid
require_sequence(const GdprContext *context, uint16 version)
{
	Oid sequence = find_sequence(context, version);

	if (!OidIsValid(sequence))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the sequence that counts the values of context \"%s\" is missing",
						NameStr(context->name)),
				 errhint("Restore the sequences of schema gdpr from the backup.")));
	return sequence;
}

int64
gdpr_nonce_counted(const GdprContext *context, uint16 version)
{
	Oid sequence = find_sequence(context, version);

	return OidIsValid(sequence) ? peek_sequence(sequence) : -1;
}

/*
 * The context's next key.  Who may wait does, when another makes one; false
 * when there is none after this.
 */
static bool
roll_over(const GdprContext *context, bool wait)
{
	const GdprContext *now;
	GdprSqlScope scope;
	bool locked = true;

	if (IsInParallelMode())
		return false;
	gdpr_sql_begin_own(&scope);
	if (wait)
		gdpr_keyring_lock();
	else
		locked = gdpr_key_try_lock();
	now = gdpr_keyring_context(context->hash);
	if (locked && now != NULL &&
		now->primary_version == context->primary_version)
	{
		(void) gdpr_key_rotate(GDPR_KIND_CONTEXT, NameStr(context->name));
		CommandCounterIncrement();
	}
	gdpr_sql_end_own(&scope);
	return locked;
}

static bool
next_nonce(const GdprContext **context)
{
	GdprKeySlot *slot = gdpr_keyring_slot((*context)->keys->slots,
										  (*context)->primary_version);
	bool drawn = true;

	if (slot == NULL)
		return false;
	if (slot->nonces == 0)
	{
		if (!OidIsValid(slot->sequence))
			slot->sequence = require_sequence(*context, slot->version);
		drawn = draw(slot);
		if (slot->counted >= ROLL_OVER && roll_over(*context, !drawn))
		{
			*context = gdpr_keyring_context((*context)->hash);
			return *context != NULL && next_nonce(context);
		}
		if (!drawn)
			over_budget(*context);
	}
	slot->nonces--;
	return true;
}

bool
gdpr_keyring_next_nonce(const GdprContext **context, uint8 *nonce)
{
	if (gdpr_keyring_shared == NULL || XactReadOnly || RecoveryInProgress() ||
		!next_nonce(context))
		return false;
	gdpr_random_bytes(nonce, GDPR_NONCE_LEN);
	return true;
}
