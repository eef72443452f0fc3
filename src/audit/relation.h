/*
 * relation.h
 *	  What is recorded of a protected relation: its columns, and the keys that
 *	  give its records tags.
 */
#ifndef GDPR_AUDIT_RELATION_H
#define GDPR_AUDIT_RELATION_H

#include "access/tupdesc.h"
#include "audit/log.h"
#include "fmgr.h"
#include "executor/tuptable.h"
#include "nodes/bitmapset.h"
#include "nodes/execnodes.h"
#include "nodes/pg_list.h"
#include "utils/rel.h"

/* How a column's values are compared and printed. */
typedef enum GdprAuditSort
{
	GDPR_AUDIT_SKIP,	  /* dropped, or excepted */
	GDPR_AUDIT_PLAIN,	  /* output function */
	GDPR_AUDIT_TIME,	  /* as json prints it, whatever DateStyle says */
	GDPR_AUDIT_ENCRYPTED, /* one of our types */
	GDPR_AUDIT_NESTED,	  /* one of our types inside another */
} GdprAuditSort;

typedef struct GdprAuditColumn
{
	GdprAuditSort sort;
	bool encrypted; /* one of our types, also where it is excepted */
	Oid base;		/* below domains */
	FmgrInfo output;
	char *name;
	int16 typlen;
	bool typbyval;
} GdprAuditColumn;

/* How a key's value becomes the text that is hashed. */
typedef enum GdprAuditText
{
	GDPR_AUDIT_TEXT,	  /* output function */
	GDPR_AUDIT_BLANKS,	  /* without the blanks that char(n) adds */
	GDPR_AUDIT_NUMERIC,	  /* without zeroes that say nothing */
	GDPR_AUDIT_CANONICAL, /* output function under fixed settings */
	GDPR_AUDIT_TAG,		  /* an encrypted value's equality tag */
	GDPR_AUDIT_PLAINTEXT, /* and of a person's pseudonym what it holds */
} GdprAuditText;

/*
 * The parts of a record's tags, in their order.  A record is found by its own
 * row, or by the rows that it belonged to when it was made; by what else a row
 * is known only its children are.
 */
typedef enum GdprAuditPart
{
	GDPR_AUDIT_OWN,	 /* the row: its primary key */
	GDPR_AUDIT_KEYS, /* what else refers to it, and the person that it is */
	GDPR_AUDIT_UP,	 /* the rows that it belongs to */
	GDPR_AUDIT_OWNS, /* the rows that belong to it, though they refer to none */
	GDPR_AUDIT_PARTS
} GdprAuditPart;

/* Columns whose values make one tag. */
typedef struct GdprAuditSource
{
	GdprAuditPart part;
	char *kind; /* NULL: by key */
	uint8 key[16];
	int ncolumns;
	AttrNumber *columns;
	GdprAuditText *how;
	FmgrInfo *output;
	ExprState *condition; /* for which rows; NULL: all */
	/* the last one made */
	StringInfoData last;
	GdprAuditTag last_tag;
} GdprAuditSource;

typedef struct GdprAuditRelation
{
	Oid relid; /* hash key */
	bool valid;
	MemoryContext context;
	char *label;
	bool subject_keys; /* values are sealed by the keys of persons */
	int natts;
	GdprAuditColumn *columns;
	int nsources;
	GdprAuditSource *sources; /* by part */
	ExprContext *econtext;	  /* NULL where no source has a condition */
	/* the last array of names that was made, and for which columns */
	Bitmapset *last_changed;
	Datum last_names;
} GdprAuditRelation;

/* The entry of a relation or of a part of a protected one; built when needed. */
extern GdprAuditRelation *gdpr_audit_relation(Relation relation);

/* The protected relation that this is, or is a part of; InvalidOid if none. */
extern Oid gdpr_audit_protected(Oid relid);

/*
 * The tags of one part of a row's, appended; those that are there already are
 * not added.  subject is set to the first of a person, unless set.
 */
#define GDPR_AUDIT_MOST_TAGS 32
typedef struct GdprAuditTags
{
	int n;
	GdprAuditTag tags[GDPR_AUDIT_MOST_TAGS];
	int count[GDPR_AUDIT_PARTS];
	int subject; /* -1: none */
} GdprAuditTags;

extern void gdpr_audit_add_tags(GdprAuditRelation *entry, GdprAuditPart part,
								TupleTableSlot *slot, GdprAuditTags *tags);

/*
 * The pseudonym of the person that the row names as its own; false when it
 * names none.  The slot's values are all there.
 */
extern bool gdpr_audit_person(GdprAuditRelation *entry, TupleTableSlot *slot,
							  GdprAuditTag *tag);

/* Was gdpr.protect told so?  In a scope of our own (base/sql.h). */
extern bool gdpr_audit_has_subject_keys(Oid top);

/* By how many references, or as the person himself, a row may name one. */
extern int gdpr_audit_count_persons(const GdprAuditRelation *entry);

/* Callbacks of every backend; called by _PG_init. */
extern void gdpr_audit_relation_init(void);

#endif /* GDPR_AUDIT_RELATION_H */
