/*
 * typetree.h
 *	  Encrypted types inside other types: domains, arrays, ranges, row types.
 */
#ifndef GDPR_TYPETREE_H
#define GDPR_TYPETREE_H

typedef struct GdprTypetree
{
	bool encrypted;		  /* one of our types is in it */
	bool without_context; /* and in one place without a context */
} GdprTypetree;

extern GdprTypetree gdpr_typetree_look(Oid typid, int32 typmod);

/* Has the relation a column with an encrypted type in it?  Cached. */
extern bool gdpr_typetree_relation(Oid relid);

/* Callbacks of every backend; called by _PG_init. */
extern void gdpr_typetree_init(void);

#endif /* GDPR_TYPETREE_H */
