/*
 * region.c
 *	  Memory for keys that every process of the server shares.
 *
 * A region is an anonymous shared mapping of the postmaster, inherited by
 * every process that it starts, and not part of PostgreSQL's shared memory:
 * that is dumped with a core file, and is made anew after a crash.  Locking the
 * region into memory is tried and not insisted on: limits are often lower.
 */
#include "base/compat.h"

#include <sys/mman.h>

#include "crypto/region.h"

#ifdef EXEC_BACKEND
#error "gdpr_ext needs processes that inherit the postmaster's memory"
#endif

void *
gdpr_region_map(size_t size, const char *what)
{
	void *region = mmap(NULL, size, PROT_READ | PROT_WRITE,
						MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (region == MAP_FAILED)
		ereport(FATAL,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("could not map memory for %s: %m", what)));
#ifdef MADV_DONTDUMP
	(void) madvise(region, size, MADV_DONTDUMP);
#endif
	(void) mlock(region, size);
	return region;
}
