/*
 * command.h
 *	  A shell command, run to its end.
 */
#ifndef GDPR_COMMAND_H
#define GDPR_COMMAND_H

#include "lib/stringinfo.h"

/*
 * Runs it by /bin/sh in a process group of its own, writes input to it and
 * appends what it prints, at most most bytes.  Returns NULL when it ended well,
 * else what is wrong, as a clause that fits after "setting ...:" and says
 * nothing of what went in and out.  Raises nothing but a lack of memory.
 * A pending cancel ends the wait, and the command, after at most 10 seconds.
 */
extern const char *gdpr_command_run(const char *command, const char *input,
									size_t input_length, size_t most,
									StringInfo output);

#endif /* GDPR_COMMAND_H */
