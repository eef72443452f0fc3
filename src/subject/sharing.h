/*
 * sharing.h
 *	  Does any row of a parent have more than one referring row?
 */
#ifndef GDPR_SHARING_H
#define GDPR_SHARING_H

#include "subject/graph.h"

/*
 * Looks at the rows behind each undecided link "owns" of the kind, with the
 * caller's rights, and remembers what it found.  A parent once seen shared is
 * not looked at again.
 */
extern void gdpr_sharing_look(const char *kind);

#endif /* GDPR_SHARING_H */
