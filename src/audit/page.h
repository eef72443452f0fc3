/*
 * page.h
 *	  The page of the log to which a statement's records go.
 */
#ifndef GDPR_AUDIT_PAGE_H
#define GDPR_AUDIT_PAGE_H

#include "access/heapam.h"
#include "utils/rel.h"

/*
 * Around the AFTER triggers of a statement.  begin returns what end takes back;
 * an error in between needs no end.
 */
extern bool gdpr_audit_page_begin(void);
extern void gdpr_audit_page_end(bool before);

/*
 * For heap_insert: keeps the page of the log pinned from record to record.
 * NULL where nobody would release it.
 */
extern BulkInsertState gdpr_audit_page(Relation leaf);

/* Callbacks of every backend; called by _PG_init. */
extern void gdpr_audit_page_init(void);

#endif /* GDPR_AUDIT_PAGE_H */
