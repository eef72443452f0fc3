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
pg_noreturn extern void gdpr_refuse_order(void);

/*
 * Each raises when the node sorts by tags, or tells values apart whose
 * contexts are mixed or not known.
 */
extern void gdpr_refuse_clauses(Query *query); /* of one query level */
extern void gdpr_refuse_aggregate(Aggref *aggregate);
extern void gdpr_refuse_extreme(MinMaxExpr *extreme);
extern void gdpr_refuse_set_operation(SetOperationStmt *setop);

/* Raises 42804 when an encrypted value becomes a string that nobody asked for. */
extern void gdpr_refuse_assignment(CoerceViaIO *conversion);

/*
 * refuse_rows.c: comparisons of whole rows and orders of arrays; nothing
 * happens for any other operator.
 */
extern void gdpr_refuse_rows(OpExpr *op);
extern void gdpr_refuse_row_list(ScalarArrayOpExpr *op);
extern void gdpr_refuse_row_set(Query *query, Node *setop);

#endif /* GDPR_REFUSE_H */
