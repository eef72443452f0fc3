/*
 * seal.h
 *	  Constants of plain text that plans would show.
 */
#ifndef GDPR_SEAL_H
#define GDPR_SEAL_H

#include "nodes/primnodes.h"

/*
 * A call of a probe, or of a cast to an encrypted type, whose argument is a
 * constant of plain text: the same call over a value in flight.  NULL when
 * there is nothing to seal.
 */
extern Node *gdpr_seal_call(FuncExpr *call);

#endif /* GDPR_SEAL_H */
