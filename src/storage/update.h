/*
 * update.h
 *	  Other bytes for the values of a row that mean what they meant before.
 */
#ifndef GDPR_STORAGE_UPDATE_H
#define GDPR_STORAGE_UPDATE_H

#include "executor/tuptable.h"
#include "storage/itemptr.h"
#include "utils/rel.h"

typedef struct GdprStorageUpdate GdprStorageUpdate;

/*
 * Between begin and end rows of one physical relation are updated as any
 * UPDATE does (new version, WAL, indexes, replication), but no trigger and no
 * rule sees it and no right is asked for: nothing that they could see changes.
 * The relation is open with RowExclusiveLock; an active snapshot is set.
 */
extern GdprStorageUpdate *gdpr_storage_update_begin(Relation relation);
extern void gdpr_storage_update_end(GdprStorageUpdate *update);

/*
 * The row at tid, whose lock the transaction holds, becomes what the slot has.
 * Its versions of earlier commands are visible.
 */
extern void gdpr_storage_update_row(GdprStorageUpdate *update, ItemPointer tid,
									TupleTableSlot *slot);

#endif /* GDPR_STORAGE_UPDATE_H */
