/*
 * erase.h - one recovery point taken away for good, because somebody says so and why.
 *
 * Refused where something would break, or be lost unseen: what is held, may still take effect, is named
 * by a ticket or a plan of a restore, or by a later snapshot; what an object lock keeps, and what the
 * store would only hide.
 *
 *   1. the note "begun" (the audit), then the event erasing: nobody begins to use it from here on
 *   2. the same questions again, on what has come since; where one holds now, the event kept
 *   3. manifest, then intent go, with the wrapped key of an encrypted point: what is left is unreadable
 *      from here on; then the objects
 *   4. the event erased, then the note "erased"
 *
 * Whoever is killed in the middle leaves one that says it is being erased; the same again ends it.
 * Events stay, so that it can be said who did it, when and why: no row and no statement is in them.
 *
 * What it cannot reach: copies that somebody made of the store, rows that other points hold too, and a
 * definition that points share (it goes by pruning, with the last that names it).
 *
 * Layer  recovery. Blocks on the store.
 * Spec   DESIGN.md section 8; RECOVERY.md section 8.
 * Owns   what is handed out lives in the caller's arena.
 */
#ifndef BS_RECOVERY_ERASE_H
#define BS_RECOVERY_ERASE_H

#include "recovery/points.h"

/* Before anything is changed ("begun"), and where it is done ("erased"). BS_FAILED (err set) ends it. */
typedef enum bs_done bs_erase_note(void *ctx,
                                   const struct bs_point_ref *point,
                                   const char *what,
                                   const char *reason,
                                   struct bs_err *err);

struct bs_erase {
    struct bs_store *store;
    bool (*named)(void *ctx, const char *point); /* by a ticket or a plan */
    void *named_ctx;
    const char *by;     /* for the events */
    const char *reason; /* UTF-8; of one that was begun by another, the new reason counts */
    bs_erase_note *note;
    void *note_ctx;
};

struct bs_erased {
    char id[BS_POINT_ID_TEXT];
    size_t objects; /* removed by this call */
    int64_t bytes;
    const char *shared; /* an earlier point whose rows it named, and which stays; NULL: none, or
                         * not known any more */
    bool encrypted;
};

/*
 * point   an id or its beginning (bs_points_find)
 * err     CONFLICT: refused, and why; FORBIDDEN: may not delete here; NOT_FOUND: there is none, or it
 *         was erased already; what the note said; IO, UNAVAILABLE: it can be done again
 */
BS_MUST_CHECK enum bs_done bs_erase_run(const struct bs_erase *e,
                                        const char *point,
                                        struct bs_erased *out,
                                        struct bs_arena *arena,
                                        struct bs_err *err);

#endif
