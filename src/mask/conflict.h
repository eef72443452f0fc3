/*
 * conflict.h
 *	  Columns that the server would not let a mask be written to.
 */
#ifndef GDPR_CONFLICT_H
#define GDPR_CONFLICT_H

#include "access/attnum.h"
#include "utils/relcache.h"

/* Would one value for all rows, or null, clash with itself? */
extern bool gdpr_conflict_unique(Relation rel, AttrNumber attnum, bool null);

/* Does the column say in which partition a row lies, here or above? */
extern bool gdpr_conflict_partition_key(Relation rel, AttrNumber attnum);

#endif /* GDPR_CONFLICT_H */
