/*
 * nested.h
 *	  Encrypted values inside other values: arrays, rows, ranges.
 */
#ifndef GDPR_NESTED_H
#define GDPR_NESTED_H

/*
 * Called for each encrypted value; returns the argument, or what belongs in
 * its place, and sets *changed then.
 */
typedef Datum (*GdprNestedVisit)(Datum value, void *arg, bool *changed);

/*
 * Visits every encrypted value in a value of the type.  Returns the argument,
 * or a copy with what the visitor gave back; allocates as it likes.
 */
extern Datum gdpr_nested_map(Oid typid, Datum value, GdprNestedVisit visit,
							 void *arg, bool *changed);

#endif /* GDPR_NESTED_H */
