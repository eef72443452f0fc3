/*
 * keystore.h
 *	  Where epoch keys lie so that they can be destroyed: outside the data
 *	  directory, and so outside WAL and backups.
 *
 * A keystore holds named objects of bytes.  Epoch keys in it are wrapped by a
 * root key: it is worth nothing without that, nor that without it.
 */
#ifndef GDPR_KEYSTORE_H
#define GDPR_KEYSTORE_H

#include "lib/stringinfo.h"

/* Names are of lower-case letters, digits, "." and "-". */
#define GDPR_KEYSTORE_NAME_LEN 64

/* More than the keys of eight million persons. */
#define GDPR_KEYSTORE_MAX (700 * 1024 * 1024)

/*
 * A kind of keystore.  The functions return NULL, or what is wrong, as a clause
 * that fits after "setting ...:"; they raise nothing but a lack of memory.
 */
typedef struct GdprKeystore
{
	const char *setting; /* name of the setting that selects it */
	char **value;		 /* that setting; empty when not selected */
	/* Appends the object; nothing when there is none of that name. */
	const char *(*read)(const char *value, const char *name, StringInfo out);
	/* Puts it in the place of what was there; durable on return. */
	const char *(*write)(const char *value, const char *name, const char *data,
						 size_t length);
	/* It is gone for good on return, or was not there. */
	const char *(*destroy)(const char *value, const char *name);
} GdprKeystore;

extern const GdprKeystore gdpr_keystore_file;
extern const GdprKeystore gdpr_keystore_program;

/* Is one configured? */
extern bool gdpr_keystore_exists(void);

/*
 * The functions of the one that is; raise 58000 naming setting and defect, and
 * 55000 when none is.  Reading returns false when there is no such object.
 */
extern bool gdpr_keystore_read(const char *name, StringInfo out);
extern void gdpr_keystore_write(const char *name, const char *data,
								size_t length);
extern void gdpr_keystore_destroy(const char *name);

/* Reading for those who may not raise: what is wrong, or NULL. */
extern const char *gdpr_keystore_try_read(const char *name, StringInfo out);

#endif /* GDPR_KEYSTORE_H */
