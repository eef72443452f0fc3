/*
 * epoch_owner.c
 *	  Whose a lineage of the keystore is.
 *
 * A dump that is restored beside its database brings the lineage along.  Were
 * an epoch ended there, keys would be destroyed that the other needs.
 */
#include "base/compat.h"

#include "access/xlog.h"
#include "crypto/epoch.h"
#include "miscadmin.h"

static const char *
owner_name(const char *lineage)
{
	return psprintf("%s.owner", lineage);
}

/* "<system identifier> <oid of the database>" */
static const char *
this_database(void)
{
	return psprintf(UINT64_FORMAT " %u\n", GetSystemIdentifier(), MyDatabaseId);
}

static bool
is_owner(const char *lineage, bool *known)
{
	StringInfoData owner;

	initStringInfo(&owner);
	*known = gdpr_keystore_read(owner_name(lineage), &owner);
	return *known && strcmp(owner.data, this_database()) == 0;
}

void
gdpr_epoch_claim(const char *lineage)
{
	const char *owner = this_database();
	bool known;

	if (!is_owner(lineage, &known))
		gdpr_keystore_write(owner_name(lineage), owner, strlen(owner));
}

void
gdpr_epoch_require_owner(const char *lineage)
{
	bool known;

	if (!is_owner(lineage, &known) && known)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the keystore's keys of persons belong to another database"),
				 errdetail("This one is a copy, or its cluster was upgraded."),
				 errhint("Give a copy no keystore, or one of its own; where this database takes the other's place, run gdpr.restore_subject_keys().")));
}
