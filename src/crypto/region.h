/*
 * region.h
 *	  Memory for keys that every process of the server shares.
 */
#ifndef GDPR_REGION_H
#define GDPR_REGION_H

/*
 * Zeroed memory that no core dump shows; FATAL, which names what it is for,
 * when there is none.  Called in the postmaster, whose processes inherit it.
 */
extern void *gdpr_region_map(size_t size, const char *what);

#endif /* GDPR_REGION_H */
