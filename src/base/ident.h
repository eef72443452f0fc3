/*
 * ident.h
 *	  Names of catalog objects: as quoted SQL text, and in lists.
 */
#ifndef GDPR_IDENT_H
#define GDPR_IDENT_H

#include "access/attnum.h"
#include "nodes/pg_list.h"

/* schema.relation, always qualified, quoted where needed; 42P01 when gone. */
extern char *gdpr_ident_relation(Oid relid);

/* One quoted column name; 42703 when it is gone. */
extern char *gdpr_ident_column(Oid relid, AttrNumber attnum);

/* OPERATOR(schema.=), independent of search_path. */
extern char *gdpr_ident_operator(Oid operator);

/* Qualified type name with typmod, as format_type prints it to pg_dump. */
extern char *gdpr_ident_type(Oid typid, int32 typmod);

/* Is the name one of these C strings? */
extern bool gdpr_ident_is_among(const List *names, const char *name);

#endif /* GDPR_IDENT_H */
