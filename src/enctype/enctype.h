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

#include "enctype/kind.h"

/* Is it one of our types?  False for arrays and domains of them. */
extern bool gdpr_enctype_is(Oid typid);

/* What it is; NULL for a type that is not ours. */
extern const GdprKind *gdpr_enctype_kind(Oid typid);

/* Does the type have an equality tag, and so operators? */
extern bool gdpr_enctype_has_equality(Oid typid);

/* The server's type of its plain values; InvalidOid for another's type. */
extern Oid gdpr_enctype_base(Oid typid);

/* OIDs in this database; InvalidOid when the extension is not created. */
extern Oid gdpr_enctype_oid(const GdprKind *kind);
extern Oid gdpr_enctype_text_oid(void);

/*
 * gdpr.<type>_probe(argtype, int4): makes the other side of a comparison with
 * values of a type and context.  The argument is of the type, or text, or an
 * array of either.
 */
extern Oid gdpr_enctype_probe_oid(Oid typid, Oid argtype);

/* Callbacks of every backend; called by _PG_init. */
extern void gdpr_enctype_init(void);

#endif /* GDPR_ENCTYPE_H */
