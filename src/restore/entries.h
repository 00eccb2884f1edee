/*
 * entries.h - the script that pg_restore writes of a dump, cut by the entries of its table of
 * contents: what each says, to be compared and shown.
 *
 * To be compared and shown: a function's body may hold lines that look like the comments by which
 * it is cut. What runs is what pg_restore writes of chosen entries alone; or, where nothing looked so
 * (`certain`), what one of these texts was understood to say (staged_index.h).
 *
 * Layer  restore. Pure.
 * Owns   texts borrow the script, or live in the arena.
 */
#ifndef BS_RESTORE_ENTRIES_H
#define BS_RESTORE_ENTRIES_H

#include "restore/toc.h"

struct bs_entries {
    struct bs_bytes *texts; /* for each of toc->list: its SQL without comments; empty: none */
    bool certain;           /* each comment was there once: nothing pretends to be one */
};

/*
 * Cuts a script that was written with --verbose.
 *
 * err   LIMIT
 */
BS_MUST_CHECK enum bs_done bs_entries_cut(struct bs_bytes script,
                                          const struct bs_toc *toc,
                                          struct bs_arena *arena,
                                          struct bs_entries *out,
                                          struct bs_err *err);

#endif
