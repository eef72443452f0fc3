/*
 * worker.h
 *	  Background workers: a launcher for the server, and short-lived workers
 *	  that do in one database what its time has come for.
 *
 * Neither runs on a standby, under pg_upgrade or without preload.  The
 * launcher is connected to no database.  A worker visits a database, works
 * where the setting gdpr.enabled says so (CREATE EXTENSION sets it for its
 * database; a copy made by CREATE DATABASE ... TEMPLATE does not have it) and
 * leaves, so that it is in nobody's way.
 */
#ifndef GDPR_WORKER_H
#define GDPR_WORKER_H

#include "nodes/nodes.h"

/* Registers the launcher; called by _PG_init. */
extern void gdpr_worker_init(void);

/* Called by hooks.c. */
extern Size gdpr_worker_shmem_size(void);
extern void gdpr_worker_shmem_startup(void);

/*
 * Before DROP, ALTER and CREATE DATABASE: our workers leave the database that
 * the statement needs for itself.
 */
extern void gdpr_worker_guard_utility(Node *statement);

/* When the extension goes, its database is no longer visited. */
extern void gdpr_worker_guard_drop(Oid class, Oid object, int column);

/* Has this database visited as soon as the transaction is committed. */
extern void gdpr_worker_wake(void);

#endif /* GDPR_WORKER_H */
