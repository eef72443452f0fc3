/*
 * enctype.h
 *	  The encrypted types as the rest of the extension sees them.
 *
 * A type modifier above 0 is the hash of the context (crypto/keyring.h); -1
 * means that the context is not known at plan time.  Domains are the caller's
 * to look through (getBaseTypeAndTypmod).
 */
#ifndef GDPR_ENCTYPE_H
#define GDPR_ENCTYPE_H

/* Is it one of our types?  False for arrays and domains of them. */
extern bool gdpr_enctype_is(Oid typid);

/* Does the type have an equality tag, and so operators? */
extern bool gdpr_enctype_has_equality(Oid typid);

/* OIDs in this database; InvalidOid when the extension is not created. */
extern Oid gdpr_enctype_text_oid(void);
extern Oid gdpr_enctype_secret_oid(void);

/*
 * gdpr.enctext_probe(argtype, int4): makes the other side of a comparison with
 * a context's values.  The argument is enctext or text.
 */
extern Oid gdpr_enctype_probe_oid(Oid argtype);

/* Callbacks of every backend; called by _PG_init. */
extern void gdpr_enctype_init(void);

#endif /* GDPR_ENCTYPE_H */
