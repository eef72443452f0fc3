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
#include "audit/guard.h"
#include "audit/relation.h"
#include "base/session.h"
#include "commands/trigger.h"
#include "crypto/subject_key.h"
#include "enctype/reencrypt.h"
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
	if (person->named)
		gdpr_subject_key_hold(person->tag.bytes);
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

/* The value as it is to be stored. */
static Datum
seal_value(Person *person, const TupleTableSlot *old, int i, Datum value)
{
	uint8 room[GDPR_SUBJECT_ID_LEN];
	const uint8 *has = gdpr_value_subject_id(value, room);

	if (has != NULL)
	{
		find_person(person);
		/* What nobody can open any more is nobody's to move either. */
		if ((person->has_key && memcmp(has, person->id, sizeof(room)) == 0) ||
			gdpr_subject_key_is_gone(has))
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

/* ---- what was there before the trigger ---- */

static bool
has_seal_trigger(const TriggerDesc *triggers)
{
	for (int i = 0; triggers != NULL && i < triggers->numtriggers; i++)
	{
		if (strcmp(triggers->triggers[i].tgname, GDPR_AUDIT_SEAL_TRIGGER) == 0)
			return true;
	}
	return false;
}

static GdprRowOwner
owner_of_row(Relation relation, TupleTableSlot *slot, bool make, uint8 *id)
{
	GdprAuditRelation *entry;
	Person person;

	if (!has_seal_trigger(relation->trigdesc))
		return GDPR_OWNER_NOT_ASKED;
	entry = gdpr_audit_relation(relation);
	person = (Person){.entry = entry, .slot = slot};
	find_person(&person);
	if (!person.named)
		return GDPR_OWNER_CONTEXT;
	if (make)
		(void) wanted_id(&person);
	if (!person.has_key)
		return GDPR_OWNER_NEW;
	memcpy(id, person.id, sizeof(person.id));
	return GDPR_OWNER_PERSON;
}

void
gdpr_shred_init(void)
{
	gdpr_reencrypt_owner = owner_of_row;
}
