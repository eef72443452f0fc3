/*
 * errors.h
 *	  SQLSTATEs of our own; docs/errors.md is the table for users.
 *
 * Standard codes come first wherever one fits.  Class PD (personal data) is
 * in the range that the SQL standard leaves to implementers and is not used
 * by PostgreSQL.
 */
#ifndef GDPR_ERRORS_H
#define GDPR_ERRORS_H

#include "utils/elog.h"

#define ERRCODE_GDPR_UNKNOWN_SUBJECT MAKE_SQLSTATE('P', 'D', '0', '0', '1')
#define ERRCODE_GDPR_RELATION_NOT_DECLARED \
	MAKE_SQLSTATE('P', 'D', '0', '0', '2')
#define ERRCODE_GDPR_ERASURE_BLOCKED	MAKE_SQLSTATE('P', 'D', '0', '0', '3')
#define ERRCODE_GDPR_ERASURE_INCOMPLETE MAKE_SQLSTATE('P', 'D', '0', '0', '4')
#define ERRCODE_GDPR_AUDIT_CHAIN_BROKEN MAKE_SQLSTATE('P', 'D', '0', '0', '5')
#define ERRCODE_GDPR_KEY_UNAVAILABLE	MAKE_SQLSTATE('P', 'D', '0', '0', '6')
#define ERRCODE_GDPR_MAP_NOT_APPROVED	MAKE_SQLSTATE('P', 'D', '0', '0', '7')
#define ERRCODE_GDPR_VALUE_DAMAGED		MAKE_SQLSTATE('P', 'D', '0', '0', '8')

#endif /* GDPR_ERRORS_H */
