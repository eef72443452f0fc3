/*
 * rowupdate.h
 *	  Other bytes for the values of a row that mean what they meant before.
 */
#ifndef GDPR_ROWUPDATE_H
#define GDPR_ROWUPDATE_H

#include "access/tableam.h"
#include "executor/tuptable.h"
#include "utils/rel.h"
#include "utils/snapshot.h"

typedef struct GdprRowUpdate GdprRowUpdate;

/*
 * Between begin and end rows of one physical relation are updated as any
 * UPDATE does (new version, WAL, indexes, replication), but no trigger and no
 * rule sees it, no constraint is checked and no right is asked for: nothing
 * that they could see changes.  What indexes need to evaluate runs as the
 * current user.  The relation is open with RowExclusiveLock.
 */
extern GdprRowUpdate *gdpr_rowupdate_begin(Relation relation,
										   Snapshot snapshot);
extern void gdpr_rowupdate_end(GdprRowUpdate *update);

/* Stored generated columns anew, for who changed what they are made of. */
extern void gdpr_rowupdate_generate(GdprRowUpdate *update,
									TupleTableSlot *slot);

/*
 * The row at tid, whose lock the transaction holds, becomes what the slot has.
 * Its versions of earlier commands are visible to the snapshot.
 */
extern void gdpr_rowupdate_locked(GdprRowUpdate *update, ItemPointer tid,
								  TupleTableSlot *slot);

/* The same for a row that nobody has locked; waits for no one. */
extern TM_Result gdpr_rowupdate_try(GdprRowUpdate *update, ItemPointer tid,
									TupleTableSlot *slot);

#endif /* GDPR_ROWUPDATE_H */
