/*
 * registry.h
 *	  What a DBA declared: the rows of our declaration tables.
 *
 * Everything returned lies in the current memory context.  A declaration
 * whose relation is gone (dropped while event triggers were off) is left out.
 */
#ifndef GDPR_REGISTRY_H
#define GDPR_REGISTRY_H

#include "access/attnum.h"
#include "nodes/pg_list.h"
#include "utils/array.h"

typedef struct GdprDeclaredSubject
{
	char *kind;
	Oid relid;
	List *key; /* char *, column names */
} GdprDeclaredSubject;

typedef struct GdprDeclaredLink
{
	Oid child;
	List *child_columns; /* char * */
	Oid parent;
	List *parent_columns; /* char * */
	char *belongs;
	char *on_forget;
	char *on_export;
	char *ground; /* NULL from here on where not declared */
	char *law;
	char *keep;
	char *keep_from;
	char *keep_since;
	char *then_action;
	char *predicate;
} GdprDeclaredLink;

typedef struct GdprDeclaredColumn
{
	Oid relid;
	char *name;
	char *category;
	char *mask;
	char *on_forget;
	char *ground;
	char *origin;
	char *label;
} GdprDeclaredColumn;

typedef struct GdprSharing
{
	Oid child;
	List *child_columns;
	Oid parent;
	List *parent_columns;
	bool shared;
	bool known; /* false: could not be read */
} GdprSharing;

typedef struct GdprApproval
{
	char *hash;
	List *links; /* char *, as gdpr_graph_link_name gives */
} GdprApproval;

extern List *gdpr_registry_subjects(void); /* by kind */
extern List *gdpr_registry_links(void);
extern List *gdpr_registry_columns(void);
extern List *gdpr_registry_sharings(void);
extern GdprApproval *gdpr_registry_approval(const char *kind); /* or NULL */

extern void gdpr_registry_put_subject(const GdprDeclaredSubject *subject);
extern void gdpr_registry_put_link(const GdprDeclaredLink *link);
extern void gdpr_registry_put_column(const GdprDeclaredColumn *column);
extern void gdpr_registry_put_sharing(const GdprSharing *sharing);
extern void gdpr_registry_put_approval(const char *kind,
									   const GdprApproval *approval);

/* False when it was not declared. */
extern bool gdpr_registry_delete_subject(const char *kind);
extern bool gdpr_registry_delete_link(const GdprDeclaredLink *link);
extern bool gdpr_registry_delete_column(Oid relid, const char *name);

/* A list of char * as the name[] or text[] that our tables hold. */
extern ArrayType *gdpr_registry_names(const List *names);
extern ArrayType *gdpr_registry_texts(const List *texts);

/* And back; 22004 for a null in it. */
extern List *gdpr_registry_list(ArrayType *array);

/* parent = child; InvalidOid when the two types have no equality. */
extern Oid gdpr_registry_equality(Oid parent_type, Oid child_type);

/*
 * May the caller declare something about the relation?  42501 unless it is
 * his; 42809 for what is no table; 0A000 for temporary and our own tables.
 */
extern void gdpr_registry_check_relation(Oid relid);

/* The same without asking whose it is. */
extern void gdpr_registry_check_table(Oid relid);

extern bool gdpr_registry_not_null(Oid relid, AttrNumber attnum);

/* A date or a timestamp, or a domain over one. */
extern bool gdpr_registry_is_date(Oid relid, AttrNumber attnum);

/* 22004 when the argument, counted from 0, is null; the name is the argument's. */
extern void gdpr_registry_require(FunctionCallInfo fcinfo, int arg,
								  const char *name);

/* Number of a user column; 42703 when there is none of the name. */
extern AttrNumber gdpr_registry_column(Oid relid, const char *name);

#endif /* GDPR_REGISTRY_H */
