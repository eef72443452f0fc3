/*
 * provider.h
 *	  Where root keys come from.
 *
 * A provider is named by the setting that selects it.  Both providers of
 * today only give keys.  A keystore that can also keep new keys and destroy
 * old ones adds members "write" and "destroy" of the same shape as "read";
 * a provider that cannot do them leaves them NULL, and the verbs that need
 * them then refuse.  They are absent until something calls them.
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

#endif /* GDPR_PROVIDER_H */
