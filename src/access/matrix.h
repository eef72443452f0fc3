/*
 * matrix.h
 *	  Who sees what of a relation, to be compared before and after.
 */
#ifndef GDPR_ACCESS_MATRIX_H
#define GDPR_ACCESS_MATRIX_H

#include "nodes/pg_list.h"

/* A cell of gdpr.access_matrix: what, in words. */
typedef struct GdprMatrixCell
{
	char *role;
	char *category;
	char *via;
	char *what;
} GdprMatrixCell;

/* In the given context, whatever becomes of the transaction. */
extern List *gdpr_matrix_read(Oid relation, MemoryContext target);

#endif /* GDPR_ACCESS_MATRIX_H */
