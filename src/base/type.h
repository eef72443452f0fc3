/*
 * type.h
 *	  What a type is made of, and whose code handles it.
 */
#ifndef GDPR_TYPE_H
#define GDPR_TYPE_H

/*
 * Is there, in the type or in what it is made of, an enum or a range that no
 * superuser owns?  Its owner may give it a cast to json, a function of his.
 */
extern bool gdpr_type_has_foreign_scalar(Oid type);

/*
 * Is there a domain that no superuser owns?  Making a value of the type then
 * runs its constraints, functions of the owner's.
 */
extern bool gdpr_type_has_foreign_domain(Oid type);

#endif /* GDPR_TYPE_H */
