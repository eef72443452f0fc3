/*
 * keystore_program.c
 *	  A keystore behind a program of the administrator's.
 *
 * It is called as "<command> read NAME", "<command> write NAME" with the object
 * on its standard input, and "<command> destroy NAME".  It ends with status 0
 * once what was asked is done and durable; reading what is not there, it
 * prints nothing.
 */
#include "base/compat.h"

#include "base/guc.h"
#include "crypto/command.h"
#include "crypto/keystore.h"

static const char *
call(const char *command, const char *verb, const char *name, const char *data,
	 size_t length, StringInfo out)
{
	return gdpr_command_run(psprintf("%s %s %s", command, verb, name), data,
							length, GDPR_KEYSTORE_MAX, out);
}

static const char *
read_object(const char *command, const char *name, StringInfo out)
{
	return call(command, "read", name, NULL, 0, out);
}

static const char *
write_object(const char *command, const char *name, const char *data,
			 size_t length)
{
	StringInfoData ignored;

	initStringInfo(&ignored);
	return call(command, "write", name, data, length, &ignored);
}

static const char *
destroy_object(const char *command, const char *name)
{
	StringInfoData ignored;

	initStringInfo(&ignored);
	return call(command, "destroy", name, NULL, 0, &ignored);
}

const GdprKeystore gdpr_keystore_program = {
	.setting = "gdpr.keystore_command",
	.value = &gdpr_guc_keystore_command,
	.read = read_object,
	.write = write_object,
	.destroy = destroy_object,
};
