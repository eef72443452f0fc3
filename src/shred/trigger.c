/*
 * trigger.c
 *	  BEFORE INSERT OR UPDATE trigger: a row's values under its person's key.
 *
 * What a statement writes arrives under the context's key and leaves under the
 * person's.  A row that is given to another person, or to none, takes all its
 * values along.  A value that is another person's already was copied as it is
 * stored: by somebody who may read it, that is as good as having typed it; by
 * anybody else it is refused.
 *
 * The trigger's name sorts last, so that it sees what other triggers made of
 * the row.  It does not fire for the apply worker, whose rows come with their
 * keys' ids.
 */
#include "base/compat.h"

#include "access/htup_details.h"
#include "audit/relation.h"
#include "base/session.h"
#include "commands/trigger.h"
#include "crypto/subject_key.h"
#include "enctype/value.h"
#include "executor/tuptable.h"
#include "shred/shred.h"
#include "utils/datum.h"
#include "utils/rel.h"

GDPR_FUNCTION(gdpr_shred_row);

/* The row's person, looked for when the first value asks. */
typedef struct Person
{
	GdprAuditRelation *entry;
	TupleTableSlot *slot;
	bool known;
	bool named;
	GdprAuditTag tag;
	bool has_key;
	uint8 id[GDPR_SUBJECT_ID_LEN];
} Person;

static void
find_person(Person *person)
{
	if (person->known)
		return;
	person->known = true;
	person->named = gdpr_audit_person(person->entry, person->slot,
									  &person->tag);
	person->has_key = person->named &&
					  gdpr_subject_key_find(person->tag.bytes, person->id);
}

/* The key that the row's values are to have; NULL: their context's. */
static const uint8 *
wanted_id(Person *person)
{
	find_person(person);
	if (!person->named)
		return NULL;
	if (!person->has_key)
		gdpr_subject_key_make(person->tag.bytes, person->id);
	person->has_key = true;
	return person->id;
}

const uint8 *
gdpr_shred_value_id(Datum value, uint8 *id)
{
	struct varlena *raw = (struct varlena *) DatumGetPointer(value);
	GdprEnvelope env;
	GdprBytes head;
	size_t at;

	if (VARATT_IS_EXTERNAL(raw) || VARATT_IS_COMPRESSED(raw))
		raw = PG_DETOAST_DATUM_SLICE(value, 0,
									 GDPR_ENVELOPE_HEAD_LEN +
										 GDPR_ENVELOPE_SUBJECT_LEN);
	head = gdpr_value_bytes(raw);
	if (!gdpr_envelope_peek(head.data, head.length, &env) ||
		(env.flags & (GDPR_FLAG_SUBJECT | GDPR_FLAG_ERASED)) !=
			GDPR_FLAG_SUBJECT)
		return NULL;
	at = GDPR_ENVELOPE_FIXED_LEN +
		 (env.tag != NULL ? GDPR_ENVELOPE_TAG_LEN : 0);
	if (head.length < at + GDPR_ENVELOPE_SUBJECT_LEN)
		return NULL;
	memcpy(id, head.data + at, GDPR_ENVELOPE_SUBJECT_LEN);
	return id;
}

/* Did the row have this very value before? */
static bool
was_there(const TupleTableSlot *old, int i, Datum value)
{
	return old != NULL && !old->tts_isnull[i] &&
		   (old->tts_values[i] == value ||
			datum_image_eq(old->tts_values[i], value, false, -1));
}

/* Another person's value may be taken over by who may read it. */
static void
check_taken_over(Datum value)
{
	GdprBytes head = gdpr_value_head(value);
	GdprEnvelope env;

	if (gdpr_envelope_peek(head.data, head.length, &env))
		gdpr_value_check_read(&env);
}

static bool
is_gone(const uint8 *id)
{
	GdprSubjectKeyState state;

	(void) gdpr_subject_key_opener(id, &state);
	return state == GDPR_SUBJECT_KEY_GONE;
}

/* The value as it is to be stored. */
static Datum
seal_value(Person *person, const TupleTableSlot *old, int i, Datum value)
{
	uint8 room[GDPR_SUBJECT_ID_LEN];
	const uint8 *has = gdpr_shred_value_id(value, room);

	if (has != NULL)
	{
		find_person(person);
		/* What nobody can open any more is nobody's to move either. */
		if ((person->has_key && memcmp(has, person->id, sizeof(room)) == 0) ||
			is_gone(has))
			return value;
		if (!was_there(old, i, value))
			check_taken_over(value);
	}
	return gdpr_value_rekey(value, wanted_id(person));
}

static HeapTuple
seal_row(GdprAuditRelation *entry, HeapTuple tuple, TupleTableSlot *new,
		 TupleTableSlot *old)
{
	TupleDesc columns = new->tts_tupleDescriptor;
	Person person = {.entry = entry, .slot = new};
	Datum *values = palloc(sizeof(Datum) * columns->natts);
	bool *replace = palloc0(sizeof(bool) * columns->natts);
	bool any = false;

	for (int i = 0; i < entry->natts; i++)
	{
		if (!entry->columns[i].encrypted || new->tts_isnull[i])
			continue;
		values[i] = seal_value(&person, old, i, new->tts_values[i]);
		replace[i] = values[i] != new->tts_values[i];
		any |= replace[i];
	}
	if (!any)
		return tuple;
	return heap_modify_tuple(tuple, columns, values, new->tts_isnull, replace);
}

Datum
gdpr_shred_row(PG_FUNCTION_ARGS)
{
	TriggerData *data = (TriggerData *) fcinfo->context;
	bool update;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_BEFORE(data->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(data->tg_event) ||
		TRIGGER_FIRED_BY_DELETE(data->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function must be fired before each row that is inserted or updated")));
	update = TRIGGER_FIRED_BY_UPDATE(data->tg_event);

	/* A dump's rows come with their keys' ids, and may come before the keys. */
	if (gdpr_session_is_restoring())
		return PointerGetDatum(update ? data->tg_newtuple : data->tg_trigtuple);
	slot_getallattrs(data->tg_trigslot);
	if (!update)
		return PointerGetDatum(seal_row(gdpr_audit_relation(data->tg_relation),
										data->tg_trigtuple, data->tg_trigslot,
										NULL));
	slot_getallattrs(data->tg_newslot);
	return PointerGetDatum(seal_row(gdpr_audit_relation(data->tg_relation),
									data->tg_newtuple, data->tg_newslot,
									data->tg_trigslot));
}
