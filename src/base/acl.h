/*
 * acl.h
 *	  Access lists of relations and columns as the catalogs have them.
 */
#ifndef GDPR_ACL_H
#define GDPR_ACL_H

#include "access/attnum.h"
#include "utils/acl.h"

/* Who owns the relation. */
extern Oid gdpr_acl_owner(Oid relid);

/*
 * attnum 0: of the relation.  NULL: the default, or none of a column.  A copy.
 */
extern Acl *gdpr_acl_read(Oid relid, AttrNumber attnum);

/* No statement is checked and no right asked: the caller has done both. */
extern void gdpr_acl_write(Oid relid, AttrNumber attnum, Acl *list);

#endif /* GDPR_ACL_H */
