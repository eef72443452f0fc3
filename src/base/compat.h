/*
 * compat.h
 *	  What differs between PostgreSQL 15 and 18, in one place.
 *
 * Included first by every .c file of the extension.  No other file looks at
 * PG_VERSION_NUM.
 */
#ifndef GDPR_COMPAT_H
#define GDPR_COMPAT_H

#include "postgres.h"

#include "fmgr.h"

#if PG_VERSION_NUM >= 160000
#include "varatt.h" /* was part of postgres.h */
#endif

#if PG_VERSION_NUM < 150000
#error "gdpr_ext needs PostgreSQL 15 or newer"
#endif

/*
 * We build with -fvisibility=hidden.  PostgreSQL 15 defines PGDLLEXPORT as
 * empty outside Windows, which would then export nothing at all; 16 marks it
 * visible itself.
 */
#if PG_VERSION_NUM < 160000
#undef PGDLLEXPORT
#define PGDLLEXPORT __attribute__((visibility("default")))
#endif

/* Declares a C function that SQL calls; its definition follows. */
#define GDPR_FUNCTION(name)                          \
	extern PGDLLEXPORT Datum name(PG_FUNCTION_ARGS); \
	PG_FUNCTION_INFO_V1(name)

/* 18 has pg_noreturn, before the declaration, in place of a macro after it. */
#if PG_VERSION_NUM < 180000
#define pg_noreturn __attribute__((noreturn))
#endif

#if PG_VERSION_NUM >= 180000
#define GDPR_MODULE_MAGIC \
	PG_MODULE_MAGIC_EXT(.name = "gdpr_ext", .version = GDPR_EXT_VERSION)
#else
#define GDPR_MODULE_MAGIC PG_MODULE_MAGIC
#endif

/* This process's local transaction id; needs storage/proc.h. */
#if PG_VERSION_NUM >= 170000
#define GDPR_MY_LXID (MyProc->vxid.lxid)
#else
#define GDPR_MY_LXID (MyProc->lxid)
#endif

/* Foreign keys over periods: the last column is compared by containment. */
#if PG_VERSION_NUM >= 180000
#define gdpr_compat_fk_has_period(form) ((form)->conperiod)
#else
#define gdpr_compat_fk_has_period(form) false
#endif

#if PG_VERSION_NUM >= 160000
#define gdpr_compat_owns_relation(relid, role) \
	object_ownercheck(RelationRelationId, (relid), (role))
#else
#define gdpr_compat_owns_relation(relid, role) \
	pg_class_ownercheck((relid), (role))
#endif

#if PG_VERSION_NUM >= 160000
#define gdpr_compat_owns_database(database, role) \
	object_ownercheck(DatabaseRelationId, (database), (role))
#else
#define gdpr_compat_owns_database(database, role) \
	pg_database_ownercheck((database), (role))
#endif

/*
 * As whom a relation of a query is checked; InvalidOid: the current user.
 * Needs parser/parse_relation.h.
 */
#if PG_VERSION_NUM >= 160000
#define gdpr_compat_check_as_user(query, rte) \
	((rte)->perminfoindex == 0                \
		 ? InvalidOid                         \
		 : getRTEPermissionInfo((query)->rteperminfos, (rte))->checkAsUser)
#else
#define gdpr_compat_check_as_user(query, rte) ((rte)->checkAsUser)
#endif

/* 16 lets input functions report bad input without raising an error. */
#if PG_VERSION_NUM < 160000
#define ereturn(context, dummy_value, ...) \
	do                                     \
	{                                      \
		(void) (context);                  \
		ereport(ERROR, __VA_ARGS__);       \
		return dummy_value;                \
	} while (0)
#endif

/* What ANALYZE was asked for; -1 means the default.  Takes a VacAttrStats. */
#if PG_VERSION_NUM >= 170000
#define GDPR_STATTARGET(stats) ((stats)->attstattarget)
#else
#define GDPR_STATTARGET(stats) ((stats)->attr->attstattarget)
#endif

/* An unknown type is an error; needs parser/parse_type.h. */
#if PG_VERSION_NUM >= 160000
#define gdpr_parse_type_string(text, typid, typmod) \
	((void) parseTypeString(text, typid, typmod, NULL))
#else
#define gdpr_parse_type_string(text, typid, typmod) \
	parseTypeString(text, typid, typmod, false)
#endif

/* Does utils/guc_tables.h offer find_option()? */
#if PG_VERSION_NUM >= 160000
#define GDPR_HAS_FIND_OPTION
#endif

/* ExecutorRun_hook's parameters; needs executor/executor.h. */
#if PG_VERSION_NUM >= 180000
#define GDPR_RUN_PARAMETERS \
	QueryDesc *query, ScanDirection direction, uint64 count
#define GDPR_RUN_ARGUMENTS query, direction, count
#else
#define GDPR_RUN_PARAMETERS \
	QueryDesc *query, ScanDirection direction, uint64 count, bool once
#define GDPR_RUN_ARGUMENTS query, direction, count, once
#endif

/* Index entries of a row whose insertion is speculative; as below. */
#if PG_VERSION_NUM >= 160000
#define gdpr_compat_insert_index_tuples_unless(result, slot, estate, conflict, \
											   arbiters)                       \
	ExecInsertIndexTuples(result, slot, estate, false, true, conflict,         \
						  arbiters, false)
#else
#define gdpr_compat_insert_index_tuples_unless(result, slot, estate, conflict, \
											   arbiters)                       \
	ExecInsertIndexTuples(result, slot, estate, false, true, conflict, arbiters)
#endif

/*
 * Index entries of a row or of its new version, and which of them the latter
 * needs: none are 0.  Needs access/tableam.h and executor/executor.h.
 */
#if PG_VERSION_NUM >= 160000
#define GdprUpdateIndexes					TU_UpdateIndexes
#define gdpr_compat_summarizing_only(which) ((which) == TU_Summarizing)
#define gdpr_compat_insert_index_tuples(result, slot, estate, update,     \
										summarizing_only)                 \
	ExecInsertIndexTuples(result, slot, estate, update, false, NULL, NIL, \
						  summarizing_only)
#else
#define GdprUpdateIndexes					bool
#define gdpr_compat_summarizing_only(which) false
#define gdpr_compat_insert_index_tuples(result, slot, estate, update, \
										summarizing_only)             \
	ExecInsertIndexTuples(result, slot, estate, update, false, NULL, NIL)
#endif

/* A range of these bounds, not empty; needs utils/rangetypes.h. */
#if PG_VERSION_NUM >= 160000
#define gdpr_compat_make_range(type, lower, upper) \
	make_range(type, lower, upper, false, NULL)
#else
#define gdpr_compat_make_range(type, lower, upper) \
	make_range(type, lower, upper, false)
#endif

#endif /* GDPR_COMPAT_H */
