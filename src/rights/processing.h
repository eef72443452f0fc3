/*
 * processing.h
 *	  What the registry knows for Article 15(1) about the rows of an export.
 */
#ifndef GDPR_PROCESSING_H
#define GDPR_PROCESSING_H

#include "lib/stringinfo.h"
#include "subject/plan.h"

/* Appends a json object: categories, sources and storage. */
extern void gdpr_processing_append(StringInfo buf, const GdprPlan *plan);

#endif /* GDPR_PROCESSING_H */
