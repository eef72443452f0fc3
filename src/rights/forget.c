/*
 * forget.c
 *	  gdpr_forget: erases one person, in one transaction.
 *
 * The order is: lock the person, lock and find the rows, decide, refuse if
 * anything stands in the way, change the rows, check what is left, write the
 * ledger.  A dry run shows the decision and locks and changes nothing.
 */
#include "base/compat.h"

#include "access/xact.h"
#include "audit/erase.h"
#include "base/errors.h"
#include "base/ident.h"
#include "base/lockspace.h"
#include "base/options.h"
#include "base/origin.h"
#include "base/sql.h"
#include "commands/trigger.h"
#include "crypto/subject_key.h"
#include "miscadmin.h"
#include "registry/registry.h"
#include "rights/certificate.h"
#include "rights/execute.h"
#include "rights/kept.h"
#include "rights/ledger.h"
#include "shred/shred.h"
#include "storage/lock.h"
#include "subject/hold.h"
#include "subject/plan.h"
#include "utils/acl.h"
#include "utils/builtins.h"

GDPR_FUNCTION(gdpr_forget);


/* Blockers that fit an error's detail; forget_plan shows all. */
#define SHOWN_BLOCKERS 10

typedef struct Forget
{
	GdprSubject *subject;
	GdprPlan *plan;
	uint8 pseudonym[GDPR_TAG_LEN];
	char *relations;
	char *plan_hash;
	GdprSubjectKeyEnd key;
} Forget;

static void
check_session(void)
{
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("gdpr_forget runs at isolation level READ COMMITTED only"),
				 errhint("Under an older snapshot rows that were committed meanwhile would be left behind.")));
	if (SessionReplicationRole == SESSION_REPLICATION_ROLE_REPLICA)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("gdpr_forget does not run while session_replication_role is \"replica\""),
				 errhint("Foreign keys are not checked then.")));
}

static void
check_map(const GdprMap *map)
{
	if (!map->approved)
		ereport(ERROR,
				(errcode(ERRCODE_GDPR_MAP_NOT_APPROVED),
				 errmsg("the map of kind \"%s\" is not approved", NameStr(map->kind)),
				 errhint("Look at gdpr.data_map(%s), decide what is open, and run gdpr.approve_map(%s).",
						 quote_literal_cstr(NameStr(map->kind)),
						 quote_literal_cstr(NameStr(map->kind)))));
}

static void
lock_person(const uint8 *pseudonym)
{
	LOCKTAG tag;
	uint32 key[2];

	memcpy(key, pseudonym, sizeof(key));
	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, key[0], key[1], GDPR_LOCK_PERSON);
	(void) LockAcquire(&tag, ExclusiveLock, false, false);
}

static bool
may_lock_root(const GdprMap *map)
{
	Oid relid = map->root->relid;

	return pg_class_aclcheck(relid, GetUserId(), ACL_UPDATE) == ACLCHECK_OK ||
		   pg_attribute_aclcheck_all(relid, GetUserId(), ACL_UPDATE,
									 ACLMASK_ANY) == ACLCHECK_OK;
}

static void
make_plan(Forget *forget, bool dry_run)
{
	GdprSubject *subject = forget->subject;

	if (!dry_run)
	{
		gdpr_hold_lock();
		lock_person(forget->pseudonym);
		gdpr_subject_key_exclude(forget->pseudonym);
		gdpr_key_refind(subject, may_lock_root(subject->map));
		if (!subject->found)
			gdpr_ledger_unknown(subject);
	}
	forget->plan = gdpr_plan_walk(subject,
								  dry_run ? GDPR_PLAN_SHOW : GDPR_PLAN_FORGET);
	gdpr_plan_decide(forget->plan);
	forget->relations = gdpr_certificate_relations(forget->plan);
	forget->plan_hash = gdpr_certificate_hash(forget->plan, forget->pseudonym,
											  forget->relations);
}

static char *
blocker_list(const GdprPlan *plan)
{
	StringInfoData buf;
	int n = 0;
	ListCell *lc;

	initStringInfo(&buf);
	foreach (lc, plan->notes)
	{
		GdprPlanNote *note = lfirst(lc);

		if (note->blocker == NULL || n++ >= SHOWN_BLOCKERS)
			continue;
		appendStringInfo(&buf, "%s%s: %s", buf.len == 0 ? "" : "; ",
						 gdpr_ident_relation(note->relid), note->blocker);
	}
	if (n > SHOWN_BLOCKERS)
		appendStringInfo(&buf, "; and %d more", n - SHOWN_BLOCKERS);
	return buf.data;
}

static void
check_hash(const Forget *forget, const char *expected_hash)
{
	if (expected_hash != NULL && strcmp(expected_hash, forget->plan_hash) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_GDPR_ERASURE_BLOCKED),
				 errmsg("the plan is not the one that \"plan_hash\" names"),
				 errhint("Rows or the map changed since; look at the plan again.")));
}

static void
check_blockers(const Forget *forget)
{
	if (gdpr_plan_is_blocked(forget->plan))
		ereport(ERROR,
				(errcode(ERRCODE_GDPR_ERASURE_BLOCKED),
				 errmsg("erasure is blocked, and nothing was changed"),
				 errdetail("%s.", blocker_list(forget->plan)),
				 errhint("gdpr.forget_plan shows every line of the plan.")));
}

/* Triggers of other tables, fired by it, count as the erasure too. */
static void
execute(GdprPlan *plan, GdprOrigin origin)
{
	GdprOrigin before = gdpr_origin_set(origin);

	PG_TRY();
	{
		gdpr_execute_plan(plan);
	}
	PG_FINALLY();
	{
		gdpr_origin_set(before);
	}
	PG_END_TRY();
}

/* What is masked already and stays is no second erasure. */
static void
carry_out(Forget *forget, const char *reason, GdprOrigin origin,
		  GdprErasure *erasure)
{
	const char *kind = NameStr(forget->subject->map->kind);
	GdprAuditPerson *person;
	List *remembered;

	if (!gdpr_certificate_changes(forget->plan) &&
		gdpr_ledger_find(kind, forget->pseudonym, erasure))
		return;
	remembered = gdpr_verify_remember(forget->plan);
	person = gdpr_audit_remember(forget->plan, forget->pseudonym);
	execute(forget->plan, origin);
	forget->key = gdpr_shred_person(forget->plan, forget->pseudonym);
	gdpr_verify_plan(forget->plan, remembered);
	(void) gdpr_audit_erase(person);
	gdpr_ledger_write(kind, forget->pseudonym, forget->plan_hash,
					  forget->relations, reason, erasure);
}

Datum
gdpr_forget(PG_FUNCTION_ARGS)
{
	char *expected_hash = NULL;
	const GdprOption known[] = {{.name = "plan_hash", .text = &expected_hash}};
	bool dry_run;
	Forget forget = {0};
	GdprErasure erasure;

	gdpr_registry_require(fcinfo, 0, "subject");
	gdpr_registry_require(fcinfo, 3, "dry_run");
	dry_run = PG_GETARG_BOOL(3);
	if (!PG_ARGISNULL(4))
		gdpr_options_parse(PG_GETARG_JSONB_P(4), known, lengthof(known));
	if (!dry_run)
		check_session();
	forget.subject = gdpr_key_resolve(text_to_cstring(PG_GETARG_TEXT_PP(0)),
									  PG_ARGISNULL(1)
										  ? NULL
										  : NameStr(*PG_GETARG_NAME(1)),
									  false);
	if (!forget.subject->found)
		gdpr_ledger_unknown(forget.subject);
	if (!dry_run)
		check_map(forget.subject->map);
	gdpr_key_pseudonym(NameStr(forget.subject->map->kind), forget.subject->key,
					   forget.pseudonym);
	make_plan(&forget, dry_run);
	check_hash(&forget, expected_hash);
	if (!dry_run)
	{
		check_blockers(&forget);
		carry_out(&forget,
				  PG_ARGISNULL(2) ? NULL
								  : text_to_cstring(PG_GETARG_TEXT_PP(2)),
				  GDPR_ORIGIN_FORGET, &erasure);
		gdpr_kept_remember(forget.plan, forget.pseudonym);
	}
	PG_RETURN_DATUM(CStringGetTextDatum(
		gdpr_certificate_make(forget.plan, forget.pseudonym, forget.relations,
							  forget.plan_hash, dry_run ? NULL : &erasure,
							  &forget.key)));
}

void
gdpr_forget_again(const GdprKept *kept)
{
	Forget forget = {0};
	GdprErasure erasure;

	check_session();
	if (kept->subject == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_GDPR_KEY_UNAVAILABLE),
				 errmsg("the key that names the person is not available"),
				 errhint("Its root key is not among those that the server has.")));
	forget.subject = gdpr_key_resolve(kept->subject, kept->kind, false);
	memcpy(forget.pseudonym, kept->pseudonym, GDPR_TAG_LEN);
	if (forget.subject->found)
	{
		check_map(forget.subject->map);
		make_plan(&forget, false);
		check_blockers(&forget);
		carry_out(&forget, "a period of keeping is over", GDPR_ORIGIN_RETENTION,
				  &erasure);
		gdpr_kept_remember(forget.plan, forget.pseudonym);
	}
	else
		gdpr_kept_drop(kept->kind, kept->pseudonym);
}
