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

/* Raises an error unless a step from this count on is within the budget. */
static void
check_budget(const GdprContext *context, int64 counted)
{
	if (counted + STEP > BUDGET)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
				 errmsg("the key of context \"%s\" has sealed as many values as one key may",
						NameStr(context->name)),
				 errhint("Move the column to a new context.")));
}

static void
draw(const GdprContext *context, GdprKeySlot *slot)
{
	int64 balance = take_balance(slot->sequence);

	if (balance <= 0 && IsInParallelMode())
	{
		check_budget(context, peek_sequence(slot->sequence) - balance);
		if (!add_balance(slot->sequence, balance - STEP))
			ereport(ERROR,
					(errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
					 errmsg("too many keys are used in parallel mode to count their values")));
		balance = STEP;
	}
	else if (balance <= 0)
	{
		/* Pays the debt and takes one step; what an error leaves is lost. */
		for (; balance <= 0; balance += STEP)
			check_budget(context, nextval_internal(slot->sequence, false));
	}
	slot->nonces = balance;
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

bool
gdpr_keyring_next_nonce(const GdprContext *context, uint8 *nonce)
{
	GdprKeySlot *slot;

	if (gdpr_keyring_shared == NULL || XactReadOnly || RecoveryInProgress())
		return false;
	slot = gdpr_keyring_slot(context->keys->slots, context->primary_version);
	if (slot == NULL)
		return false;
	if (slot->nonces == 0)
	{
		if (!OidIsValid(slot->sequence))
			slot->sequence = require_sequence(context, slot->version);
		draw(context, slot);
	}
	slot->nonces--;
	gdpr_random_bytes(nonce, GDPR_NONCE_LEN);
	return true;
}
