/*
 * options.h
 *	  The jsonb argument "options" that ends every growing verb.
 */
#ifndef GDPR_OPTIONS_H
#define GDPR_OPTIONS_H

#include "nodes/pg_list.h"
#include "utils/jsonb.h"

typedef struct GdprOption
{
	const char *name;
	char **text; /* takes a json string, or ... */
	bool *flag;	 /* ... a json boolean, or ... */
	int *number; /* ... a whole json number, or ... */
	List **list; /* ... an array of strings: char * */
	bool filled; /* which may not be empty */
} GdprOption;

/*
 * Fills the values of the options given; a json null counts as not given.
 * 22023 for a key that is not among them, listing those that are, and for a
 * value of another type.  No message repeats what the user wrote.
 */
extern void gdpr_options_parse(Jsonb *options, const GdprOption *known,
							   int nknown);

#endif /* GDPR_OPTIONS_H */
