/*
 * decide.c
 *	  gdpr.row_access: the part of a row policy that is the same for all rows.
 *
 * A purpose is a name that the session gives.  Whether the current user may
 * work for it is decided when it is used, because roles change after the name
 * is set, and remembered until rules, grants or roles change.
 *
 * The tables are read by plain scans under a catalog snapshot: an old
 * snapshot of the caller's would find a purpose that was taken back since, and
 * the answer would stay.  Such scans are allowed in parallel mode too.
 */
#include "base/compat.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/rule.h"
#include "access/table.h"
#include "base/ident.h"
#include "base/session.h"
#include "base/sql.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "registry/registry.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

GDPR_FUNCTION(gdpr_row_access);
GDPR_FUNCTION(gdpr_access_changed);

typedef enum Answer
{
	YES,
	NO,		 /* but another rule lets the user in */
	REFUSED, /* nothing does, for want of a purpose */
} Answer;

/* A row of gdpr.access_rule or gdpr.purpose_grant, as much as is asked for. */
typedef struct Rule
{
	int64 id;
	Oid relation;
	NameData role;
	bool deny;
	List *purposes; /* char * */
} Rule;

typedef struct Grant
{
	NameData role;
	NameData purpose;
} Grant;

typedef struct Tables
{
	List *rules;
	List *grants;
} Tables;

typedef struct Remembered
{
	int64 rule; /* 0: nothing */
	Oid user;
	NameData purpose;
	Answer answer;
} Remembered;

/* A statement asks for a few rules, each once. */
#define NREMEMBERED 16

static Remembered remembered[NREMEMBERED];
static Oid rule_table = InvalidOid;

/* Counts invalidations, so that one that comes while we read is noticed. */
static uint64 generation = 0;

/* ---- invalidation ---- */

static void
forget_answers(void)
{
	generation++;
	memset(remembered, 0, sizeof(remembered));
}

static void
relation_changed(Datum arg, Oid relid)
{
	if (!OidIsValid(relid) || relid == rule_table)
		forget_answers();
}

static void
role_changed(Datum arg, int cacheid, uint32 hashvalue)
{
	forget_answers();
}

static void
watch(void)
{
	static bool watching = false;

	if (watching)
		return;
	CacheRegisterRelcacheCallback(relation_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHOID, role_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHMEMROLEMEM, role_changed, (Datum) 0);
	watching = true;
}

/* After every statement that changes rules or grants of purposes. */
Datum
gdpr_access_changed(PG_FUNCTION_ARGS)
{
	Oid relid = get_relname_relid("access_rule", gdpr_sql_schema());

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function must be called as a trigger")));
	if (OidIsValid(relid))
		CacheInvalidateRelcacheByRelid(relid);
	return PointerGetDatum(NULL);
}

/* ---- reading ---- */

static Datum
value(HeapTuple tuple, TupleDesc desc, const char *column)
{
	bool isnull;
	AttrNumber attnum = SPI_fnumber(desc, column);

	Assert(attnum > 0);
	return heap_getattr(tuple, attnum, desc, &isnull);
}

static void
read_rule(Tables *tables, HeapTuple tuple, TupleDesc desc)
{
	Rule *rule = palloc0(sizeof(Rule));
	char *decision = TextDatumGetCString(value(tuple, desc, "decision"));

	rule->id = DatumGetInt64(value(tuple, desc, "rule"));
	rule->relation = DatumGetObjectId(value(tuple, desc, "relation"));
	rule->role = *DatumGetName(value(tuple, desc, "role"));
	rule->deny = strcmp(decision, "deny") == 0;
	rule->purposes = gdpr_registry_list(
		DatumGetArrayTypePCopy(value(tuple, desc, "purposes")));
	tables->rules = lappend(tables->rules, rule);
}

static void
read_grant(Tables *tables, HeapTuple tuple, TupleDesc desc)
{
	Grant *grant = palloc0(sizeof(Grant));

	grant->role = *DatumGetName(value(tuple, desc, "role"));
	grant->purpose = *DatumGetName(value(tuple, desc, "purpose"));
	tables->grants = lappend(tables->grants, grant);
}

static void
read_table(Tables *tables, Oid relid, Snapshot snapshot,
		   void (*reader)(Tables *, HeapTuple, TupleDesc))
{
	Relation relation = table_open(relid, AccessShareLock);
	SysScanDesc scan = systable_beginscan(relation, InvalidOid, false, snapshot,
										  0, NULL);
	HeapTuple tuple;

	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		reader(tables, tuple, RelationGetDescr(relation));
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
}

static void
read_tables(Tables *tables)
{
	Oid schema = gdpr_sql_schema();
	Oid grant_table = get_relname_relid("purpose_grant", schema);
	Snapshot snapshot;

	rule_table = get_relname_relid("access_rule", schema);
	if (!OidIsValid(rule_table) || !OidIsValid(grant_table))
		return;
	snapshot = RegisterSnapshot(GetCatalogSnapshot(rule_table));
	read_table(tables, rule_table, snapshot, read_rule);
	read_table(tables, grant_table, snapshot, read_grant);
	UnregisterSnapshot(snapshot);
}

/* ---- deciding ---- */

static bool
is_member(Oid user, const char *role)
{
	Oid oid = gdpr_access_role(role, true);

	return oid == ACL_ID_PUBLIC ||
		   (oid != GDPR_ACCESS_NO_ROLE && has_privs_of_role(user, oid));
}

static bool
is_granted(const Tables *tables, Oid user, const char *purpose)
{
	ListCell *lc;

	foreach (lc, tables->grants)
	{
		Grant *grant = lfirst(lc);

		if (strcmp(NameStr(grant->purpose), purpose) == 0 &&
			is_member(user, NameStr(grant->role)))
			return true;
	}
	return false;
}

/* A rule that names no purpose is for every one, and for none. */
static bool
applies(const Rule *rule, const char *purpose, bool granted)
{
	return rule->purposes == NIL ||
		   (granted && gdpr_ident_is_among(rule->purposes, purpose));
}

/* The policy's role was matched by the server: a view's owner, maybe. */
static Answer
decide(const Tables *tables, int64 id, Oid user, const char *purpose)
{
	bool granted = *purpose != '\0' && is_granted(tables, user, purpose);
	const Rule *asked = NULL;
	ListCell *lc;

	foreach (lc, tables->rules)
	{
		if (((Rule *) lfirst(lc))->id == id)
			asked = lfirst(lc);
	}
	if (asked == NULL || asked->deny)
		return REFUSED;
	if (applies(asked, purpose, granted))
		return YES;
	foreach (lc, tables->rules)
	{
		const Rule *rule = lfirst(lc);

		if (rule->relation == asked->relation && rule != asked && !rule->deny &&
			is_member(user, NameStr(rule->role)) &&
			applies(rule, purpose, granted))
			return NO;
	}
	return REFUSED;
}

static Answer
read_answer(int64 rule, Oid user, const char *purpose)
{
	MemoryContext scratch = AllocSetContextCreate(CurrentMemoryContext,
												  "gdpr access",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(scratch);
	Tables tables = {NIL, NIL};
	Answer answer;

	read_tables(&tables);
	answer = decide(&tables, rule, user, purpose);
	MemoryContextSwitchTo(old);
	MemoryContextDelete(scratch);
	return answer;
}

static Answer
find_answer(int64 rule, Oid user, const char *purpose)
{
	static int next = 0;
	Remembered *entry;
	uint64 before;
	Answer answer;

	for (int i = 0; i < NREMEMBERED; i++)
	{
		entry = &remembered[i];
		if (entry->rule == rule && entry->user == user &&
			strcmp(NameStr(entry->purpose), purpose) == 0)
			return entry->answer;
	}
	watch();
	before = generation;
	answer = read_answer(rule, user, purpose);
	if (before == generation)
	{
		entry = &remembered[next++ % NREMEMBERED];
		entry->rule = rule;
		entry->user = user;
		strlcpy(NameStr(entry->purpose), purpose, NAMEDATALEN);
		entry->answer = answer;
	}
	return answer;
}

/*
 * row_access(rule bigint) returns boolean.  Zero rows would be taken for an
 * empty table, so where only a purpose is missing it is said.
 */
Datum
gdpr_row_access(PG_FUNCTION_ARGS)
{
	const char *purpose = gdpr_session_value(GDPR_SESSION_PURPOSE);
	Answer answer;

	/* What was taken back is not to be used to the end of the transaction. */
	AcceptInvalidationMessages();
	answer = find_answer(PG_GETARG_INT64(0), GetUserId(),
						 purpose == NULL ? "" : purpose);
	if (answer == REFUSED)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 purpose == NULL ?
				 errmsg("personal data is read for a purpose, and the session names none") :
				 errmsg("the session's purpose is not one that role \"%s\" may read this for",
						GetUserNameFromId(GetUserId(), false)),
				 errhint("Begin the transaction with gdpr.begin_work(purpose => ...).")));
	PG_RETURN_BOOL(answer == YES);
}
