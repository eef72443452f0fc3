/*
 * trigger.h
 *	  Triggers as the catalog has them.
 */
#ifndef GDPR_TRIGGER_H
#define GDPR_TRIGGER_H

#include "catalog/pg_trigger.h"

/*
 * Has the relation a trigger of this name, or with NULL of any, that runs one of
 * the extension's functions?  Their names, without the schema, end with NULL.
 * Ours by its function: a trigger's name can be anybody's.
 */
extern bool gdpr_trigger_exists(Oid relid, const char *name,
								const char *const *functions);

#endif /* GDPR_TRIGGER_H */
