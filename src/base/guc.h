/*
 * guc.h
 *	  The extension's settings.  docs/settings.md explains each to users.
 */
#ifndef GDPR_GUC_H
#define GDPR_GUC_H

typedef enum GdprOutput
{
	GDPR_OUTPUT_PLAINTEXT,
	GDPR_OUTPUT_CIPHERTEXT,
} GdprOutput;

typedef enum GdprRedactLog
{
	GDPR_REDACT_LOG_OFF,
	GDPR_REDACT_LOG_ENCRYPTED,
	GDPR_REDACT_LOG_ALL,
} GdprRedactLog;

extern char *gdpr_guc_actor; /* the session's three: by base/session.h */
extern bool gdpr_guc_allow_drop;
extern bool gdpr_guc_enabled;
extern char *gdpr_guc_fiscal_year_end;
extern int gdpr_guc_max_workers;
extern int gdpr_guc_output;
extern char *gdpr_guc_purpose;
extern int gdpr_guc_redact_log;
extern int gdpr_guc_retention_delay; /* milliseconds */
extern char *gdpr_guc_root_key_command;
extern int gdpr_guc_epoch_interval; /* seconds */
extern char *gdpr_guc_keystore_command;
extern char *gdpr_guc_keystore_path;
extern char *gdpr_guc_root_key_file;
extern char *gdpr_guc_subject;
extern int gdpr_guc_worker_naptime; /* seconds */

extern void gdpr_guc_init(void);

#endif /* GDPR_GUC_H */
