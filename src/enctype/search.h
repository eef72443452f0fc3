/*
 * search.h
 *	  How often this session has searched: guesses, from another point of view.
 */
#ifndef GDPR_SEARCH_H
#define GDPR_SEARCH_H

#include "crypto/keyring.h"

/* Another tag is about to be made for a search by this role. */
extern void gdpr_search_count(Oid role, const GdprContext *context);

#endif /* GDPR_SEARCH_H */
