/*
 * provider_command.c
 *	  Root keys from a shell command's output.
 */
#include "base/compat.h"

#include <openssl/crypto.h>

#include "base/guc.h"
#include "crypto/command.h"
#include "crypto/provider.h"

static const char *
read_command(const char *command, char *buffer, size_t *length)
{
	StringInfoData output;
	const char *defect;

	/* All the room at once: nothing is left behind in what growing frees. */
	initStringInfo(&output);
	enlargeStringInfo(&output, GDPR_PROVIDER_MAX);
	defect = gdpr_command_run(command, NULL, 0, GDPR_PROVIDER_MAX, &output);
	if (defect == NULL && output.len == 0)
		defect = "the command printed nothing";
	*length = output.len;
	memcpy(buffer, output.data, output.len);
	OPENSSL_cleanse(output.data, output.maxlen);
	pfree(output.data);
	return defect;
}

const GdprProvider gdpr_provider_command = {
	.setting = "gdpr.root_key_command",
	.value = &gdpr_guc_root_key_command,
	.read = read_command,
};
