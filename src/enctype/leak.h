/*
 * leak.h
 *	  Roads on which plaintext would leave beside a query's result: COPY and
 *	  pg_dump, EXPLAIN and auto_explain, the details of errors.
 *
 * hooks.c opens a scope around what the server does and closes it again, by
 * gdpr_leak_close() when all went well and by gdpr_leak_fail() in PG_CATCH.
 */
#ifndef GDPR_LEAK_H
#define GDPR_LEAK_H

#include "enctype/output.h"
#include "executor/execdesc.h"

/* What is said about an error that passes through a scope. */
typedef enum GdprLeakStrip
{
	GDPR_STRIP_NOTHING,
	GDPR_STRIP_CONSTRAINT, /* details of violated constraints */
	GDPR_STRIP_DETAIL,	   /* details of every error */
	GDPR_STRIP_COPY,	   /* also the line that COPY FROM stands at */
} GdprLeakStrip;

/* The state of this backend, saved and restored as a whole. */
typedef struct GdprLeakState
{
	GdprEmit mode;
	bool explaining;   /* EXPLAIN is printing, not running */
	bool copying_in;   /* COPY FROM fills an encrypted relation */
	QueryDesc *ending; /* it is between ExecutorFinish and ExecutorEnd */
	GdprEmit mode_before_end;
} GdprLeakState;

typedef struct GdprLeakScope
{
	GdprLeakState before;
	GdprLeakStrip strip;
	char *relation; /* GDPR_STRIP_COPY: its name */
	MemoryContext context;
} GdprLeakScope;

/* Each returns false, and opens nothing, when no scope is needed. */
extern bool gdpr_leak_open_run(GdprLeakScope *scope, PlannedStmt *statement);
extern bool gdpr_leak_open_utility(GdprLeakScope *scope, Node *statement);

extern void gdpr_leak_close(GdprLeakScope *scope);
pg_noreturn extern void gdpr_leak_fail(GdprLeakScope *scope);

/* From the end of ExecutorFinish to the end of ExecutorEnd: no plaintext. */
extern void gdpr_leak_begin_end(QueryDesc *query);
extern void gdpr_leak_finish_end(QueryDesc *query);

/* The query that is between them; NULL when there is none. */
extern QueryDesc *gdpr_leak_ending(void);

/* emit_log_hook: what is raised outside of every scope, at commit. */
extern void gdpr_leak_report(ErrorData *edata);

/* Callbacks of every backend; called by _PG_init. */
extern void gdpr_leak_init(void);

#endif /* GDPR_LEAK_H */
