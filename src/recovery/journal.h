/*
 * journal.h - events of points on the local disk before they are in the store, so that what is
 * known here is not lost when the store does not take it, or we die between the two.
 *
 * A file an event, in <spool>/journal, fsynced. Those of a point go when its end is in the store.
 * What is left is brought to the store later, by this process or by the next one; the same event
 * has the same key, so it cannot come twice.
 *
 * Layer  recovery. Blocks on the disk and the store.
 * Spec   RECOVERY.md sections 8 and 10.
 * Owns   its files. The folder is removed when it is empty.
 */
#ifndef BS_RECOVERY_JOURNAL_H
#define BS_RECOVERY_JOURNAL_H

#include "recovery/manifest.h"
#include "storage/storage.h"

/*
 * Appends an event to a point as bs_points_event does, with the journal before it.
 *
 * spool   NULL: without a journal
 * err     DATA; IO: the store did not take it, or, for an event before COMMIT, the disk. An end that
 *         the store did not take is in the journal.
 */
BS_MUST_CHECK enum bs_done bs_journal_event(const char *spool,
                                            struct bs_store *store,
                                            const char *dir,
                                            const struct bs_point_event *event,
                                            struct bs_err *err);

/*
 * Brings to the store what processes that are gone have left, and ends of this one that the store
 * has not taken; forgets what the store needs no more. Before open points are closed by fact, and
 * after.
 *
 * left   out: events that are still only here
 * err    IO: the first that the store did not take
 */
BS_MUST_CHECK enum bs_done
bs_journal_replay(const char *spool, struct bs_store *store, size_t *left, struct bs_err *err);

#endif
