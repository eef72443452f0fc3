/*
 * convert_row.c
 *	  Keeps the spare column of a conversion in step with its column.
 *
 * The trigger is BEFORE ROW and ENABLE ALWAYS: COPY, MERGE, replication and
 * session_replication_role go through it, each partition has its own, and its
 * name sorts behind others', so that it sees what they leave.  Whatever a
 * statement says of the spare column itself is overruled.
 */
#include "base/compat.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "base/errors.h"
#include "base/session.h"
#include "base/sql.h"
#include "commands/trigger.h"
#include "convert/convert.h"
#include "enctype/nested.h"
#include "enctype/typetree.h"
#include "enctype/value.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_coerce.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

GDPR_FUNCTION(gdpr_convert_row);

struct GdprConverter
{
	Oid role;
	Oid source;
	bool encrypts;
	bool moves;		   /* from one context into another */
	bool has_subjects; /* whose keys they keep */
	ExprState *state;
	ExprContext *econtext;
};

/* What the trigger remembers for a statement. */
typedef struct RowState
{
	bool clears;
	bool confined;
	AttrNumber column;
	AttrNumber spare;
	int16 typlen;
	bool typbyval;
	NameData column_name;
	NameData spare_name;
	GdprConverter *converter;
} RowState;

static Node *
cast_to(Node *value, Oid typid, int32 typmod, CoercionContext how)
{
	Oid from = exprType(value);
	Node *result = coerce_to_target_type(NULL, value, from, typid, typmod, how,
										 how == COERCION_EXPLICIT
											 ? COERCE_EXPLICIT_CAST
											 : COERCE_IMPLICIT_CAST,
										 -1);

	if (result == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_CANNOT_COERCE),
				 errmsg("type %s cannot be cast to type %s", format_type_be(from),
						format_type_be(typid))));
	return result;
}

static bool
is_encrypted(Form_pg_attribute column)
{
	return gdpr_typetree_look(column->atttypid, column->atttypmod).encrypted;
}

bool
gdpr_converter_has_subjects(Oid relid)
{
	Relation relation = table_open(relid, AccessShareLock);
	TriggerDesc *triggers = relation->trigdesc;
	bool result = false;

	for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
	{
		Oid funcid = triggers->triggers[i].tgfoid;
		char *name = get_func_name(funcid);

		result |= get_func_namespace(funcid) == gdpr_sql_schema() &&
				  name != NULL && strcmp(name, "seal_row") == 0;
	}
	table_close(relation, NoLock);
	return result;
}

GdprConverter *
gdpr_converter_make(Form_pg_attribute from, Oid via, Form_pg_attribute to,
					bool encrypts, Oid role)
{
	GdprConverter *converter = palloc(sizeof(GdprConverter));
	CaseTestExpr *value = makeNode(CaseTestExpr);
	Node *expr;

	value->typeId = from->atttypid;
	value->typeMod = from->atttypmod;
	value->collation = from->attcollation;
	converter->moves = is_encrypted(from) && is_encrypted(to);
	converter->has_subjects = converter->moves &&
							  gdpr_converter_has_subjects(from->attrelid);
	converter->source = from->atttypid;
	/* On the way of plaintext what was erased would become null. */
	expr = (Node *) value;
	if (!converter->moves)
		expr = cast_to(expr, via, -1, COERCION_EXPLICIT);
	expr = cast_to(expr, to->atttypid, to->atttypmod,
				   encrypts ? COERCION_EXPLICIT : COERCION_ASSIGNMENT);
	converter->role = role;
	converter->encrypts = encrypts;
	converter->state = ExecInitExpr(expression_planner((Expr *) expr), NULL);
	converter->econtext = CreateStandaloneExprContext();
	return converter;
}

static Datum
evaluate(GdprConverter *converter, bool keeps_subjects, bool *isnull)
{
	bool before = gdpr_value_keep_subjects(keeps_subjects);
	Datum result = (Datum) 0;

	PG_TRY();
	{
		result = ExecEvalExprSwitchContext(converter->state,
										   converter->econtext, isnull);
	}
	PG_FINALLY();
	{
		(void) gdpr_value_keep_subjects(before);
	}
	PG_END_TRY();
	return result;
}

/* Rights are asked of the current user when the cast runs. */
static Datum
run_as(GdprConverter *converter, Oid role, bool keeps_subjects, Datum value,
	   bool *isnull)
{
	Oid userid;
	int sec_context;
	Datum result;

	if (*isnull)
		return (Datum) 0;
	GetUserIdAndSecContext(&userid, &sec_context);
	SetUserIdAndSecContext(role, sec_context | SECURITY_LOCAL_USERID_CHANGE);
	ResetExprContext(converter->econtext);
	converter->econtext->caseValue_datum = value;
	converter->econtext->caseValue_isNull = false;
	result = evaluate(converter, keeps_subjects, isnull);
	SetUserIdAndSecContext(userid, sec_context);
	if (*isnull)
		ereport(ERROR,
				(errcode(ERRCODE_GDPR_KEY_UNAVAILABLE),
				 errmsg("a value of the column cannot be decrypted: its key was destroyed"),
				 errhint("gdpr.check_column counts them.")));
	return result;
}

Datum
gdpr_converter_run(GdprConverter *converter, Datum value, bool *isnull)
{
	return run_as(converter, converter->role, converter->has_subjects, value,
				  isnull);
}

/*
 * In the trigger, the one that gives a row's values to their person fires
 * after ours, and would ask the writer for a right on what we made.  It does
 * not where rows come as they were elsewhere.
 */
static bool
keeps_in_trigger(const GdprConverter *converter)
{
	return converter->has_subjects &&
		   (SessionReplicationRole == SESSION_REPLICATION_ROLE_REPLICA ||
			gdpr_session_is_restoring());
}

static Datum
check_brought(Datum value, void *arg, bool *changed)
{
	GdprBytes head = gdpr_value_head(value);
	GdprEnvelope env;

	if (gdpr_envelope_peek(head.data, head.length, &env) &&
		(env.flags & GDPR_FLAG_ERASED) == 0)
		gdpr_value_check_read(&env);
	return value;
}

/*
 * What a writer brings along may be ciphertext from elsewhere, which he would
 * have decrypted for him: the way back asks for his own right to read.  So
 * does the way into another context, unless the same roles alone read there.
 */
static Datum
run_for_writer(const RowState *state, Datum value, bool *isnull)
{
	GdprConverter *converter = state->converter;
	bool changed = false;

	if (converter->moves && !state->confined && !*isnull)
		(void) gdpr_nested_map(converter->source, value, check_brought, NULL,
							   &changed);
	return run_as(converter,
				  converter->encrypts ? converter->role : GetUserId(),
				  keeps_in_trigger(converter), value, isnull);
}

/* ---- the trigger ---- */

static TriggerData *
trigger_data(FunctionCallInfo fcinfo)
{
	TriggerData *data = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_BEFORE(data->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(data->tg_event) ||
		TRIGGER_FIRED_BY_DELETE(data->tg_event) ||
		data->tg_trigger->tgnargs != 1)
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function must be called as the trigger of a conversion")));
	return data;
}

static void
describe(RowState *state, Relation relation, const GdprConversion *conversion)
{
	TupleDesc columns = RelationGetDescr(relation);
	Form_pg_attribute column;

	state->clears = conversion->clears;
	state->confined = conversion->confined;
	state->column_name = conversion->column;
	state->spare_name = conversion->spare;
	state->column = get_attnum(RelationGetRelid(relation),
							   NameStr(conversion->column));
	state->spare = get_attnum(RelationGetRelid(relation),
							  NameStr(conversion->spare));
	if (state->column <= 0 || state->spare <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("a column of the conversion of relation \"%s\" is missing",
						RelationGetRelationName(relation))));
	column = TupleDescAttr(columns, state->column - 1);
	state->typlen = column->attlen;
	state->typbyval = column->attbyval;
	if (!state->clears)
		state->converter = gdpr_converter_make(
			column, conversion->via, TupleDescAttr(columns, state->spare - 1),
			conversion->encrypts, conversion->role);
}

static RowState *
row_state(FunctionCallInfo fcinfo, const TriggerData *data)
{
	MemoryContext old;
	GdprConversion conversion;
	RowState *state = fcinfo->flinfo->fn_extra;

	if (state != NULL)
		return state;
	if (!gdpr_conversion_find(RelationGetRelid(data->tg_relation),
							  data->tg_trigger->tgargs[0], &conversion))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("no conversion of relation \"%s\" is under way",
						RelationGetRelationName(data->tg_relation))));
	old = MemoryContextSwitchTo(fcinfo->flinfo->fn_mcxt);
	state = palloc0(sizeof(RowState));
	describe(state, data->tg_relation, &conversion);
	MemoryContextSwitchTo(old);
	fcinfo->flinfo->fn_extra = state;
	return state;
}

/* An UPDATE that leaves the column alone leaves the converted value alone. */
static bool
is_unchanged(const RowState *state, const TriggerData *data, Datum value,
			 bool isnull)
{
	bool was_null;
	Datum was;

	if (isnull || !TRIGGER_FIRED_BY_UPDATE(data->tg_event))
		return false;
	was = heap_getattr(data->tg_trigtuple, state->column,
					   RelationGetDescr(data->tg_relation), &was_null);
	return !was_null &&
		   datumIsEqual(was, value, state->typbyval, state->typlen);
}

static Datum
converted(const RowState *state, const TriggerData *data, HeapTuple tuple,
		  bool *isnull)
{
	TupleDesc columns = RelationGetDescr(data->tg_relation);
	Datum value = heap_getattr(tuple, state->column, columns, isnull);

	if (is_unchanged(state, data, value, *isnull))
	{
		bool was_null;
		Datum was = heap_getattr(data->tg_trigtuple, state->spare, columns,
								 &was_null);

		if (!was_null)
			return was;
		return run_as(state->converter, state->converter->role,
					  keeps_in_trigger(state->converter), value, isnull);
	}
	return run_for_writer(state, value, isnull);
}

/*
 * A statement that names no columns would put its value where the column was:
 * plain text in a column that nobody reads.
 */
static void
refuse_old_place(const RowState *state)
{
	ereport(ERROR,
			(errcode(ERRCODE_CHECK_VIOLATION),
			 errmsg("column \"%s\" is what is left of column \"%s\" before its conversion, and takes no values",
					NameStr(state->spare_name), NameStr(state->column_name)),
			 errhint("Name the columns in INSERT and COPY: the converted one is the table's last.")));
}

Datum
gdpr_convert_row(PG_FUNCTION_ARGS)
{
	TriggerData *data = trigger_data(fcinfo);
	RowState *state = row_state(fcinfo, data);
	bool updates = TRIGGER_FIRED_BY_UPDATE(data->tg_event);
	HeapTuple tuple = updates ? data->tg_newtuple : data->tg_trigtuple;
	int spare = state->spare;
	bool isnull = true;
	Datum value = (Datum) 0;

	if (!state->clears)
		value = converted(state, data, tuple, &isnull);
	else if (!updates)
		refuse_old_place(state);
	return PointerGetDatum(
		heap_modify_tuple_by_cols(tuple, RelationGetDescr(data->tg_relation), 1,
								  &spare, &value, &isnull));
}
