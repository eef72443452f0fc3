/*
 * random.c
 *	  Random bytes from OpenSSL, buffered; the buffer is dropped after fork.
 *
 * One call of the generator costs 0.4 microseconds whatever it returns, so
 * nonces and ids, which are no secrets, are cut from a buffer.  A child process must not repeat what
 * its parent has in the buffer: the process id tells.
 */
#include "base/compat.h"

#include <openssl/rand.h>

#include "crypto/random.h"
#include "miscadmin.h"

#define BUFFER_LEN 4096

static uint8 buffer[BUFFER_LEN];
static size_t buffer_used = BUFFER_LEN;
static int buffer_pid = 0;

static void
fail(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_INTERNAL_ERROR),
			 errmsg("OpenSSL could not produce random bytes")));
}

static void
refill(void)
{
	buffer_used = BUFFER_LEN;
	if (RAND_bytes(buffer, BUFFER_LEN) != 1)
		fail();
	buffer_used = 0;
	buffer_pid = MyProcPid;
}

void
gdpr_random_bytes(uint8 *out, size_t length)
{
	if (length > BUFFER_LEN)
	{
		if (RAND_bytes(out, (int) length) != 1)
			fail();
		return;
	}
	if (length > BUFFER_LEN - buffer_used || buffer_pid != MyProcPid)
		refill();
	memcpy(out, buffer + buffer_used, length);
	buffer_used += length;
}

void
gdpr_random_key(uint8 *out, size_t length)
{
	if (RAND_priv_bytes(out, (int) length) != 1)
		fail();
}
