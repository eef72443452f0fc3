/*
 * server.h
 *	  What a fuzz harness needs of the server's stand-in (server.c).
 *
 * A harness wraps each run: FUZZ_TRY is entered again when the code under test
 * reports an error, which is a fine outcome; fuzz_reset() frees what it
 * allocated.
 *
 *		if (FUZZ_TRY())
 *			gdpr_envelope_parse(...);
 *		fuzz_reset();
 */
#ifndef GDPR_FUZZ_SERVER_H
#define GDPR_FUZZ_SERVER_H

#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>

extern sigjmp_buf fuzz_error;

#define FUZZ_TRY() (sigsetjmp(fuzz_error, 0) == 0)

extern void fuzz_reset(void);
extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A property that has to hold, whatever the input was. */
#define FUZZ_ASSERT(condition) \
	do                         \
	{                          \
		if (!(condition))      \
			__builtin_trap();  \
	} while (0)

#endif /* GDPR_FUZZ_SERVER_H */
