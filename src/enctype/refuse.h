/*
 * refuse.h
 *	  What cannot be answered over encrypted values, said at plan time.
 */
#ifndef GDPR_REFUSE_H
#define GDPR_REFUSE_H

#include "nodes/parsenodes.h"

/* Each raises 0A000 with a hint. */
pg_noreturn extern void gdpr_refuse_unknown(const char *what);
pg_noreturn extern void gdpr_refuse_mixed(void);

/*
 * Each raises when the node sorts by tags, or tells values apart whose
 * contexts are mixed or not known.
 */
extern void gdpr_refuse_clauses(Query *query); /* of one query level */
extern void gdpr_refuse_aggregate(Aggref *aggregate);
extern void gdpr_refuse_set_operation(SetOperationStmt *setop);

#endif /* GDPR_REFUSE_H */
