/*
 * keep.c
 *	  An UPDATE that writes a value back keeps its stored form.
 *
 * Applications write every column of a row back.  A new envelope for the same
 * plaintext would be new entries in every index, a record in the audit log,
 * and a use of the key's budget.  A trigger could put the old one back, but
 * costs every row a lock of its own before the update; an expression in the
 * plan costs what it computes.
 *
 * Whether the plaintext is the same is told by the equality tag, for a role that
 * may search.  For types without one both are opened, for a role that may read:
 * anybody else would learn by what is stored whether a guess was right.
 */
#include "base/compat.h"

#include "access/htup_details.h"
#include "access/transam.h"
#include "base/sql.h"
#include "catalog/pg_class.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "enctype/enctype.h"
#include "enctype/keep.h"
#include "enctype/value.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "parser/parsetree.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

GDPR_FUNCTION(gdpr_keep_value);

/* ---- the plan ---- */

static Oid
keep_function(void)
{
	Oid argtypes[] = {ANYELEMENTOID, ANYELEMENTOID};
	Oid schema = gdpr_sql_schema();

	if (!OidIsValid(schema))
		return InvalidOid;
	return GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid,
						   CStringGetDatum("enctype_keep"),
						   PointerGetDatum(buildoidvector(argtypes, 2)),
						   ObjectIdGetDatum(schema));
}

/* The column as the row has it, for an assignment to it. */
static Var *
stored_column(const Query *query, const TargetEntry *target)
{
	Oid relid = rt_fetch(query->resultRelation, query->rtable)->relid;
	Oid collation;
	int32 typmod;
	Oid type;

	get_atttypetypmodcoll(relid, target->resno, &type, &typmod, &collation);
	return makeVar(query->resultRelation, target->resno, type, typmod,
				   collation, 0);
}

static void
keep_targets(const Query *query, List *targets)
{
	ListCell *lc;

	foreach (lc, targets)
	{
		TargetEntry *target = lfirst_node(TargetEntry, lc);
		Oid type = exprType((Node *) target->expr);
		Oid function;
		FuncExpr *call;

		/* Domains of ours are no types of the server's either. */
		if (target->resjunk || type < FirstNormalObjectId ||
			!gdpr_enctype_is(getBaseType(type)) ||
			equal(target->expr, stored_column(query, target)))
			continue;
		function = keep_function();
		if (!OidIsValid(function))
			return;
		call = makeFuncExpr(function, type,
							list_make2(stored_column(query, target),
									   target->expr),
							InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL);
		target->expr = (Expr *) call;
	}
}

static void
keep_actions(const Query *query)
{
	ListCell *lc;

	foreach (lc, query->mergeActionList)
	{
		MergeAction *action = lfirst_node(MergeAction, lc);

		if (action->commandType == CMD_UPDATE)
			keep_targets(query, action->targetList);
	}
}

static bool
writes_table(const Query *query)
{
	RangeTblEntry *rte;

	if (query->resultRelation == 0)
		return false;
	rte = rt_fetch(query->resultRelation, query->rtable);
	return rte->rtekind == RTE_RELATION &&
		   (rte->relkind == RELKIND_RELATION ||
			rte->relkind == RELKIND_PARTITIONED_TABLE);
}

void
gdpr_keep_query(Query *query)
{
	ListCell *lc;

	foreach (lc, query->hasModifyingCTE ? query->cteList : NIL)
	{
		CommonTableExpr *cte = lfirst_node(CommonTableExpr, lc);

		gdpr_keep_query(castNode(Query, cte->ctequery));
	}
	if (!writes_table(query))
		return;
	if (query->commandType == CMD_UPDATE)
		keep_targets(query, query->targetList);
	else if (query->onConflict != NULL)
		keep_targets(query, query->onConflict->onConflictSet);
	keep_actions(query);
}

/* ---- the value ---- */

/* Would a value that is sealed now look like this one, but for its bytes? */
static bool
is_current(const GdprEnvelope *env, const GdprContext *context)
{
	if (env->flags & (GDPR_FLAG_INFLIGHT | GDPR_FLAG_ERASED))
		return false;
	if (env->tag != NULL && env->tag_generation != context->tag_generation)
		return false;
	return (env->flags & GDPR_FLAG_SUBJECT) != 0 ||
		   env->key_version == context->primary_version;
}

static bool
parse(Datum value, GdprEnvelope *env)
{
	GdprBytes bytes = gdpr_value_bytes(PG_DETOAST_DATUM_PACKED(value));

	return gdpr_envelope_parse(bytes.data, bytes.length, env) ==
		   GDPR_ENVELOPE_OK;
}

GdprKeepTags
gdpr_keep_compare_tags(const GdprEnvelope *a, const GdprEnvelope *b)
{
	if (a->tag == NULL || b->tag == NULL ||
		a->tag_generation != b->tag_generation)
		return GDPR_KEEP_UNKNOWN;
	if (memcmp(a->tag, b->tag, GDPR_ENVELOPE_TAG_LEN) != 0)
		return GDPR_KEEP_DIFFERENT;
	return GDPR_ENVELOPE_KIND(a) == GDPR_KIND_TEXT ? GDPR_KEEP_SAME
												   : GDPR_KEEP_UNKNOWN;
}

bool
gdpr_keep_same_payload(const GdprEnvelope *a, const GdprEnvelope *b)
{
	uint8 *x;
	uint8 *y;
	bool same;

	if (a->nonce == NULL || b->nonce == NULL || a->length != b->length)
		return false;
	x = palloc(a->length + 1);
	y = palloc(b->length + 1);
	same = gdpr_value_open(a, x) == GDPR_OPENED &&
		   gdpr_value_open(b, y) == GDPR_OPENED && memcmp(x, y, a->length) == 0;
	explicit_bzero(x, a->length);
	explicit_bzero(y, b->length);
	pfree(x);
	pfree(y);
	return same;
}

static bool
same_plaintext(Datum old, Datum new)
{
	GdprBytes head = gdpr_value_head(old);
	const GdprContext *context;
	GdprKeepTags tags;
	GdprEnvelope a;
	GdprEnvelope b;

	/* Most writes change what they write, and few values are toasted. */
	if (!gdpr_envelope_peek(head.data, head.length, &a))
		return false;
	head = gdpr_value_head(new);
	if (!gdpr_envelope_peek(head.data, head.length, &b) ||
		a.context != b.context ||
		GDPR_ENVELOPE_KIND(&a) != GDPR_ENVELOPE_KIND(&b))
		return false;
	context = gdpr_keyring_context(a.context);
	if (context == NULL || !is_current(&a, context) || !is_current(&b, context))
		return false;
	tags = gdpr_keep_compare_tags(&a, &b);
	if (tags == GDPR_KEEP_SAME)
		return gdpr_keyring_may(context, GetUserId(), GDPR_PRIV_SEARCH);
	if (tags == GDPR_KEEP_DIFFERENT)
		return false;
	return gdpr_keyring_may(context, GetUserId(), GDPR_PRIV_READ) &&
		   parse(old, &a) && parse(new, &b) && gdpr_keep_same_payload(&a, &b);
}

/* gdpr.enctype_keep(old anyelement, new anyelement) */
Datum
gdpr_keep_value(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(1))
		PG_RETURN_NULL();
	if (!PG_ARGISNULL(0) &&
		gdpr_enctype_is(getBaseType(get_fn_expr_argtype(fcinfo->flinfo, 1))) &&
		same_plaintext(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)))
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	PG_RETURN_DATUM(PG_GETARG_DATUM(1));
}
