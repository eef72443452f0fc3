/*
 * person.c
 *	  Values of one record under the key of the person that it is about.
 *
 * A row of the log holds the records of many persons, and erasure takes one's
 * values out of it.  Older copies of the row keep them; where persons have keys
 * of their own, these are worthless when the key is.
 *
 *	  0 | values
 *	  1 | subject key id 8 | nonce 12 | sealed values | GCM tag 16
 */
#include "base/compat.h"

#include "audit/person.h"
#include "crypto/random.h"
#include "crypto/subject_key.h"

#define AS_THEY_ARE 0
#define OF_PERSON	1

static const char label[] = "gdpr audit record v1";

static bool
find_key(const GdprAuditRecord *record, uint8 *id)
{
	return record->by_person && record->subject > 0 &&
		   gdpr_subject_key_find(record->tags[record->subject - 1].bytes, id);
}

void
gdpr_audit_person_seal(const GdprAuditRecord *record, StringInfo out)
{
	uint8 id[GDPR_SUBJECT_ID_LEN];
	GdprSubjectKeyState state;
	GdprAead *aead = find_key(record, id) ? gdpr_subject_key_sealer(id, &state)
										  : NULL;
	uint8 *at;

	if (aead == NULL)
	{
		appendStringInfoChar(out, AS_THEY_ARE);
		appendBinaryStringInfo(out, record->payload,
							   (int) record->payload_length);
		return;
	}
	enlargeStringInfo(out, (int) record->payload_length +
							   GDPR_AUDIT_PERSON_OVERHEAD);
	at = (uint8 *) out->data + out->len;
	*at++ = OF_PERSON;
	memcpy(at, id, sizeof(id));
	at += sizeof(id);
	gdpr_random_bytes(at, GDPR_NONCE_LEN);
	gdpr_aead_seal(aead, at, (const uint8 *) label, sizeof(label),
				   (const uint8 *) record->payload, record->payload_length,
				   at + GDPR_NONCE_LEN);
	out->len += (int) record->payload_length + GDPR_AUDIT_PERSON_OVERHEAD;
}

static bool
open_of_person(const uint8 *bytes, size_t length, GdprAuditReader *values)
{
	const uint8 *nonce = bytes + GDPR_SUBJECT_ID_LEN;
	const uint8 *sealed = nonce + GDPR_NONCE_LEN;
	GdprSubjectKeyState state;
	GdprAead *aead;
	size_t plain;
	char *out;

	if (length < GDPR_AUDIT_PERSON_OVERHEAD - 1)
		return false;
	aead = gdpr_subject_key_opener(bytes, &state);
	if (aead == NULL)
		return false;
	plain = length - (GDPR_AUDIT_PERSON_OVERHEAD - 1);
	out = palloc(plain + 1);
	if (!gdpr_aead_open(aead, nonce, (const uint8 *) label, sizeof(label),
						sealed, plain, (uint8 *) out))
		return false;
	values->at = out;
	values->end = out + plain;
	return true;
}

bool
gdpr_audit_person_open(const char *bytes, size_t length,
					   GdprAuditReader *values)
{
	if (length == 0)
		return false;
	if (bytes[0] == OF_PERSON)
		return open_of_person((const uint8 *) bytes + 1, length - 1, values);
	values->at = bytes + 1;
	values->end = bytes + length;
	return bytes[0] == AS_THEY_ARE;
}
