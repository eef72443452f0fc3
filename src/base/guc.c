/*
 * guc.c
 *	  Every setting of the extension, as one table.
 *
 * None is PGC_SIGHUP: such a variable cannot be created once the server
 * runs, and the library must load without shared_preload_libraries too (a
 * restore host, pg_upgrade, a configuration line that got lost).
 */
#include "base/compat.h"

#include "base/guc.h"
#include "base/session.h"
#include "utils/guc.h"

char *gdpr_guc_actor = NULL;
bool gdpr_guc_allow_drop = false;
bool gdpr_guc_enabled = false;
char *gdpr_guc_fiscal_year_end = NULL;
int gdpr_guc_max_workers = 3;
int gdpr_guc_output = GDPR_OUTPUT_PLAINTEXT;
char *gdpr_guc_purpose = NULL;
int gdpr_guc_redact_log = GDPR_REDACT_LOG_ENCRYPTED;
int gdpr_guc_retention_delay = 0;
char *gdpr_guc_root_key_command = NULL;
char *gdpr_guc_keystore_command = NULL;
char *gdpr_guc_keystore_path = NULL;
int gdpr_guc_epoch_interval = 86400;
char *gdpr_guc_root_key_file = NULL;
char *gdpr_guc_subject = NULL;
int gdpr_guc_worker_naptime = 60;

static bool check_fiscal_year_end(char **newval, void **extra,
								  GucSource source);

typedef enum SettingType
{
	SETTING_BOOL,
	SETTING_ENUM,
	SETTING_INT,
	SETTING_STRING,
} SettingType;

typedef struct Setting
{
	const char *name;
	SettingType type;
	GucContext context;
	int flags;
	void *variable;
	const char *boot_string; /* SETTING_STRING */
	int boot_number;		 /* all others */
	int min;				 /* SETTING_INT */
	int max;
	const struct config_enum_entry *options; /* SETTING_ENUM */
	GucStringCheckHook check_string;
	const char *short_desc;
	const char *long_desc;
} Setting;

static const struct config_enum_entry output_options[] = {
	{"plaintext", GDPR_OUTPUT_PLAINTEXT, false},
	{"ciphertext", GDPR_OUTPUT_CIPHERTEXT, false},
	{NULL, 0, false}};

static const struct config_enum_entry redact_log_options[] = {
	{"off", GDPR_REDACT_LOG_OFF, false},
	{"encrypted", GDPR_REDACT_LOG_ENCRYPTED, false},
	{"all", GDPR_REDACT_LOG_ALL, false},
	{"false", GDPR_REDACT_LOG_OFF, true},
	{"no", GDPR_REDACT_LOG_OFF, true},
	{NULL, 0, false}};

/* Alphabetical; test/lint/settings.sh compares with docs/settings.md. */
static const Setting settings[] = {
	{
		.name = "gdpr.actor",
		.type = SETTING_STRING,
		.context = PGC_USERSET,
		.variable = &gdpr_guc_actor,
		.boot_string = "",
		.check_string = gdpr_session_check_actor,
		.short_desc =
			"The person at the application, as the application names her.",
		.long_desc = "Set by SET LOCAL or gdpr.begin_work.",
	},
	{
		.name = "gdpr.allow_drop",
		.type = SETTING_BOOL,
		.context = PGC_SUSET,
		.variable = &gdpr_guc_allow_drop,
		.boot_number = false,
		.short_desc =
			"Lets DROP EXTENSION gdpr_ext destroy the ledger and the declarations.",
		.long_desc =
			"ALTER EXTENSION gdpr_ext DROP needs it, too.  Encrypted columns are never dropped by it: decrypt them first.",
	},
	{
		.name = "gdpr.enabled",
		.type = SETTING_BOOL,
		.context = PGC_SUSET,
		.variable = &gdpr_guc_enabled,
		.boot_number = false,
		.short_desc = "Does the background worker work in this database?",
		.long_desc =
			"Set for a database by CREATE EXTENSION; copies of the database do not have it.",
	},
	{
		.name = "gdpr.epoch_interval",
		.type = SETTING_INT,
		.context = PGC_SIGHUP,
		.variable = &gdpr_guc_epoch_interval,
		.boot_number = 86400,
		.min = 0,
		.max = 366 * 86400,
		.flags = GUC_UNIT_S,
		.short_desc =
			"How old an epoch of persons' keys becomes before an erasure ends it.",
		.long_desc =
			"Older copies of an erased person's key are readable until then.  Counts where a keystore is configured.",
	},
	{
		.name = "gdpr.fiscal_year_end",
		.type = SETTING_STRING,
		.context = PGC_SUSET,
		.variable = &gdpr_guc_fiscal_year_end,
		.boot_string = "12-31",
		.check_string = check_fiscal_year_end,
		.short_desc =
			"The last day of the controller's financial year, as MM-DD.",
		.long_desc =
			"Counts for links that are kept from the end of the financial year.",
	},
	{
		.name = "gdpr.keystore_command",
		.type = SETTING_STRING,
		.context = PGC_SIGHUP,
		.flags = GUC_SUPERUSER_ONLY,
		.variable = &gdpr_guc_keystore_command,
		.boot_string = "",
		.short_desc =
			"Program that keeps, gives and destroys the epoch keys of persons' keys.",
		.long_desc = "Give this or gdpr.keystore_path, not both.",
	},
	{
		.name = "gdpr.keystore_path",
		.type = SETTING_STRING,
		.context = PGC_SIGHUP,
		.flags = GUC_SUPERUSER_ONLY,
		.variable = &gdpr_guc_keystore_path,
		.boot_string = "",
		.short_desc =
			"Folder for the epoch keys of persons' keys, outside of the data directory.",
		.long_desc = "Give this or gdpr.keystore_command, not both.",
	},
	{
		.name = "gdpr.max_workers",
		.type = SETTING_INT,
		.context = PGC_SIGHUP,
		.variable = &gdpr_guc_max_workers,
		.boot_number = 3,
		.min = 1,
		.max = 64,
		.short_desc = "Databases that background workers work in at a time.",
		.long_desc = "Each takes one of max_worker_processes.",
	},
	{
		.name = "gdpr.output",
		.type = SETTING_ENUM,
		.context = PGC_USERSET,
		.variable = &gdpr_guc_output,
		.boot_number = GDPR_OUTPUT_PLAINTEXT,
		.options = output_options,
		.short_desc =
			"What a role that may read an encrypted column sees in results.",
		.long_desc =
			"Roles without the read privilege see ciphertext in any case.",
	},
	{
		.name = "gdpr.purpose",
		.type = SETTING_STRING,
		.context = PGC_USERSET,
		.variable = &gdpr_guc_purpose,
		.boot_string = "",
		.check_string = gdpr_session_check_purpose,
		.short_desc = "Why personal data is read: a declared purpose.",
		.long_desc = "Set by SET LOCAL or gdpr.begin_work.",
	},
	{
		.name = "gdpr.redact_log",
		.type = SETTING_ENUM,
		.context = PGC_SUSET,
		.variable = &gdpr_guc_redact_log,
		.boot_number = GDPR_REDACT_LOG_ENCRYPTED,
		.options = redact_log_options,
		.short_desc =
			"Whose constants and parameters are left out of the server's log.",
		.long_desc =
			"Those of statements that touch encrypted columns, or may do so; of all statements; of none.",
	},
	{
		.name = "gdpr.retention_delay",
		.type = SETTING_INT,
		.context = PGC_SUSET,
		.flags = GUC_UNIT_MS,
		.variable = &gdpr_guc_retention_delay,
		.boot_number = 0,
		.min = 0,
		.max = 60000,
		.short_desc = "How long retention sleeps after each batch.",
		.long_desc = "Gives others the disk, at the price of a longer run.",
	},
	{
		.name = "gdpr.root_key_command",
		.type = SETTING_STRING,
		.context = PGC_SIGHUP,
		.flags = GUC_SUPERUSER_ONLY,
		.variable = &gdpr_guc_root_key_command,
		.boot_string = "",
		.short_desc =
			"Shell command whose output is the root keys; read when the server starts and by gdpr.reload_keys().",
		.long_desc = "Give this or gdpr.root_key_file, not both.",
	},
	{
		.name = "gdpr.root_key_file",
		.type = SETTING_STRING,
		.context = PGC_SIGHUP,
		.flags = GUC_SUPERUSER_ONLY,
		.variable = &gdpr_guc_root_key_file,
		.boot_string = "",
		.short_desc =
			"File that holds the root keys; read when the server starts and by gdpr.reload_keys().",
		.long_desc =
			"Lines of \"<id> <64 hex digits>\", the first is primary; outside the data directory, readable by the server's user alone.",
	},
	{
		.name = "gdpr.subject",
		.type = SETTING_STRING,
		.context = PGC_USERSET,
		.variable = &gdpr_guc_subject,
		.boot_string = "",
		.check_string = gdpr_session_check_subject,
		.short_desc = "The person on whose behalf the session works: kind:key.",
		.long_desc = "Set by SET LOCAL or gdpr.begin_work.",
	},
	{
		.name = "gdpr.worker_naptime",
		.type = SETTING_INT,
		.context = PGC_SIGHUP,
		.flags = GUC_UNIT_S,
		.variable = &gdpr_guc_worker_naptime,
		.boot_number = 60,
		.min = 1,
		.max = 86400,
		.short_desc = "How often a background worker looks into each database.",
		.long_desc = "An approval or CREATE EXTENSION sends one at once.",
	},
};

/* Accepts MM-DD of a day that every year has. */
static bool
check_fiscal_year_end(char **newval, void **extra, GucSource source)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	const char *s = *newval;
	int month;
	int day;

	if (strlen(s) != 5 || s[2] != '-' || strspn(s, "0123456789") != 2 ||
		strspn(s + 3, "0123456789") != 2)
	{
		GUC_check_errdetail("The value must have the form MM-DD.");
		return false;
	}
	month = (s[0] - '0') * 10 + (s[1] - '0');
	day = (s[3] - '0') * 10 + (s[4] - '0');
	if (month < 1 || month > 12 || day < 1 || day > days[month - 1])
	{
		GUC_check_errdetail("The value must be a day that every year has.");
		return false;
	}
	return true;
}

static void
define_setting(const Setting *s)
{
	switch (s->type)
	{
		case SETTING_BOOL:
			DefineCustomBoolVariable(s->name, s->short_desc, s->long_desc,
									 (bool *) s->variable, s->boot_number != 0,
									 s->context, s->flags, NULL, NULL, NULL);
			break;
		case SETTING_ENUM:
			DefineCustomEnumVariable(s->name, s->short_desc, s->long_desc,
									 (int *) s->variable, s->boot_number,
									 s->options, s->context, s->flags, NULL,
									 NULL, NULL);
			break;
		case SETTING_INT:
			DefineCustomIntVariable(s->name, s->short_desc, s->long_desc,
									(int *) s->variable, s->boot_number, s->min,
									s->max, s->context, s->flags, NULL, NULL,
									NULL);
			break;
		case SETTING_STRING:
			DefineCustomStringVariable(s->name, s->short_desc, s->long_desc,
									   (char **) s->variable, s->boot_string,
									   s->context, s->flags, s->check_string,
									   NULL, NULL);
			break;
	}
}

/* Defines all settings and reserves the prefix; called by _PG_init. */
void
gdpr_guc_init(void)
{
	for (int i = 0; i < lengthof(settings); i++)
		define_setting(&settings[i]);
	MarkGUCPrefixReserved("gdpr");
}
