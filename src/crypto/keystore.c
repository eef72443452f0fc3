/*
 * keystore.c
 *	  The keystore that is configured.
 */
#include "base/compat.h"

#include "crypto/keystore.h"

static const GdprKeystore *const kinds[] = {
	&gdpr_keystore_file,
	&gdpr_keystore_program,
};

/* NULL when none is, or more than one. */
static const GdprKeystore *
find(bool *ambiguous)
{
	const GdprKeystore *found = NULL;

	*ambiguous = false;
	for (int i = 0; i < lengthof(kinds); i++)
	{
		if ((*kinds[i]->value)[0] == '\0')
			continue;
		*ambiguous |= found != NULL;
		found = kinds[i];
	}
	return *ambiguous ? NULL : found;
}

bool
gdpr_keystore_exists(void)
{
	bool ambiguous;

	return find(&ambiguous) != NULL || ambiguous;
}

static const GdprKeystore *
require(void)
{
	bool ambiguous;
	const GdprKeystore *keystore = find(&ambiguous);

	if (ambiguous)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("settings \"%s\" and \"%s\" are both set, and only one may be",
						gdpr_keystore_file.setting, gdpr_keystore_program.setting)));
	if (keystore == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("no keystore is configured"),
				 errhint("Set gdpr.keystore_path or gdpr.keystore_command in the configuration file and reload it.")));
	return keystore;
}

static void
report(const GdprKeystore *keystore, const char *defect)
{
	if (defect != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_SYSTEM_ERROR),
				 errmsg("keystore of setting \"%s\": %s", keystore->setting, defect)));
}

bool
gdpr_keystore_read(const char *name, StringInfo out)
{
	const GdprKeystore *keystore = require();
	int before = out->len;

	report(keystore, keystore->read(*keystore->value, name, out));
	return out->len > before;
}

void
gdpr_keystore_write(const char *name, const char *data, size_t length)
{
	const GdprKeystore *keystore = require();

	report(keystore, keystore->write(*keystore->value, name, data, length));
}

void
gdpr_keystore_destroy(const char *name)
{
	const GdprKeystore *keystore = require();

	report(keystore, keystore->destroy(*keystore->value, name));
}

const char *
gdpr_keystore_try_read(const char *name, StringInfo out)
{
	bool ambiguous;
	const GdprKeystore *keystore = find(&ambiguous);

	if (keystore == NULL)
		return "none, or more than one, is configured";
	return keystore->read(*keystore->value, name, out);
}
