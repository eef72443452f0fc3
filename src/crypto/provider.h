/*
 * provider.h
 *	  Where root keys come from.
 *
 * A provider is named by the setting that selects it, and gives keys, no more:
 * what keeps new ones and destroys old ones is a keystore (keystore.h).
 */
#ifndef GDPR_PROVIDER_H
#define GDPR_PROVIDER_H

/* More than any list of root keys; a longer answer is refused. */
#define GDPR_PROVIDER_MAX 65536

typedef struct GdprProvider
{
	const char *setting; /* name of the setting that selects it */
	char **value;		 /* that setting; empty when not selected */

	/*
	 * Reads the whole answer, at most GDPR_PROVIDER_MAX bytes.  Returns NULL,
	 * or what is wrong, as a clause that fits after "setting ...:" and says
	 * nothing of the content.  Raises nothing: runs in the postmaster, and in
	 * a session that calls gdpr.reload_keys().
	 */
	const char *(*read)(const char *value, char *buffer, size_t *length);
} GdprProvider;

extern const GdprProvider gdpr_provider_file;
extern const GdprProvider gdpr_provider_command;

/*
 * Is the resolved path in the data directory, or in anything else that base
 * backups take along with it?
 */
extern bool gdpr_provider_file_in_data_directory(const char *path);

#endif /* GDPR_PROVIDER_H */
