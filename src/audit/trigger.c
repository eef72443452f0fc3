/*
 * trigger.c
 *	  Triggers of protected relations: a record of each row that changes.
 *
 * They run AFTER, ENABLE ALWAYS: whatever statement, constraint or replication
 * changed the row, in whichever partition.  A row that is written back as it
 * was leaves no record.
 */
#include "base/compat.h"

#include "audit/batch.h"
#include "audit/erased.h"
#include "audit/payload.h"
#include "base/ident.h"
#include "base/origin.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/tuptable.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/rel.h"

GDPR_FUNCTION(gdpr_audit_row);
GDPR_FUNCTION(gdpr_audit_truncate);

/* The two versions of a row; NULL for the one that is not there. */
typedef struct Versions
{
	Datum *old_values;
	bool *old_nulls;
	Datum *new_values;
	bool *new_nulls;
} Versions;

static TriggerData *
trigger_data(FunctionCallInfo fcinfo)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function must be called as a trigger")));
	return (TriggerData *) fcinfo->context;
}

static void
take_slot(TupleTableSlot *slot, Datum **values, bool **nulls)
{
	slot_getallattrs(slot);
	*values = slot->tts_values;
	*nulls = slot->tts_isnull;
}

static const char *
take_versions(TriggerData *data, Versions *versions)
{
	memset(versions, 0, sizeof(*versions));
	if (TRIGGER_FIRED_BY_INSERT(data->tg_event))
	{
		take_slot(data->tg_trigslot, &versions->new_values,
				  &versions->new_nulls);
		return "insert";
	}
	take_slot(data->tg_trigslot, &versions->old_values, &versions->old_nulls);
	if (TRIGGER_FIRED_BY_DELETE(data->tg_event))
		return "delete";
	take_slot(data->tg_newslot, &versions->new_values, &versions->new_nulls);
	return "update";
}

/* Bulk changes touch the same columns row after row. */
static Datum
column_names(GdprAuditRelation *entry, const Bitmapset *changed)
{
	MemoryContext old;
	Datum *names;
	int n = 0;
	int i = -1;

	if (entry->last_names != 0 && bms_equal(entry->last_changed, changed))
		return entry->last_names;
	old = MemoryContextSwitchTo(entry->context);
	names = palloc(sizeof(Datum) * bms_num_members(changed));
	while ((i = bms_next_member(changed, i)) >= 0)
		names[n++] = CStringGetTextDatum(entry->columns[i].name);
	if (entry->last_names != 0)
		pfree(DatumGetPointer(entry->last_names));
	entry->last_names = PointerGetDatum(
		construct_array(names, n, TEXTOID, -1, false, TYPALIGN_INT));
	for (i = 0; i < n; i++)
		pfree(DatumGetPointer(names[i]));
	pfree(names);
	bms_free(entry->last_changed);
	entry->last_changed = bms_copy(changed);
	MemoryContextSwitchTo(old);
	return entry->last_names;
}

/* Of both versions, part by part. */
static void
find_tags(GdprAuditRelation *entry, const TriggerData *data,
		  GdprAuditTags *tags)
{
	memset(tags->count, 0, sizeof(tags->count));
	tags->n = 0;
	tags->subject = -1;
	for (int part = 0; part < GDPR_AUDIT_PARTS; part++)
	{
		if (TRIGGER_FIRED_BY_UPDATE(data->tg_event))
			gdpr_audit_add_tags(entry, part, data->tg_newslot, tags);
		gdpr_audit_add_tags(entry, part, data->tg_trigslot, tags);
	}
}

/* What forget takes away must not be kept here, nor come back. */
static bool
keeps_values(const GdprAuditTags *tags)
{
	return gdpr_origin_get() == GDPR_ORIGIN_APPLICATION &&
		   !gdpr_audit_erased_any(tags->tags, tags->count[GDPR_AUDIT_OWN] +
												  tags->count[GDPR_AUDIT_KEYS] +
												  tags->count[GDPR_AUDIT_UP]);
}

static void
record_row(GdprAuditRelation *entry, const TriggerData *data,
		   const char *operation, const Versions *versions,
		   const Bitmapset *changed)
{
	GdprAuditRecord record = {0};
	GdprAuditTags tags;
	StringInfoData payload;

	find_tags(entry, data, &tags);
	record.own = tags.count[GDPR_AUDIT_OWN];
	record.keys = tags.count[GDPR_AUDIT_KEYS];
	record.up = tags.count[GDPR_AUDIT_UP];
	record.relation = entry->label;
	record.operation = operation;
	record.columns = column_names(entry, changed);
	record.ntags = tags.n;
	record.tags = tags.tags;
	record.subject = tags.subject + 1;
	record.by_person = entry->subject_keys;
	if (keeps_values(&tags))
	{
		initStringInfo(&payload);
		gdpr_audit_print(entry, changed, versions->old_values,
						 versions->old_nulls, versions->new_values,
						 versions->new_nulls, &payload);
		record.payload = payload.data;
		record.payload_length = payload.len;
	}
	gdpr_audit_write(&record);
}

Datum
gdpr_audit_row(PG_FUNCTION_ARGS)
{
	TriggerData *data = trigger_data(fcinfo);
	GdprAuditRelation *entry;
	Versions versions;
	const char *operation;
	Bitmapset *changed;

	if (!TRIGGER_FIRED_AFTER(data->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(data->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function must be fired after each row")));
	entry = gdpr_audit_relation(data->tg_relation);
	operation = take_versions(data, &versions);
	changed = gdpr_audit_changed_columns(entry, versions.old_values,
										 versions.old_nulls,
										 versions.new_values,
										 versions.new_nulls);
	/* A row that comes or goes is one, though all its columns be null. */
	if (changed != NULL || strcmp(operation, "update") != 0)
		record_row(entry, data, operation, &versions, changed);
	return PointerGetDatum(NULL);
}

Datum
gdpr_audit_truncate(PG_FUNCTION_ARGS)
{
	TriggerData *data = trigger_data(fcinfo);
	GdprAuditRecord record = {0};

	record.relation = gdpr_ident_relation(RelationGetRelid(data->tg_relation));
	record.operation = "truncate";
	gdpr_audit_write(&record);
	return PointerGetDatum(NULL);
}
