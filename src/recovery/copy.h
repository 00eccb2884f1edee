/*
 * copy.h - rows of one object, or of a part of it, from a helper's session to the spool.
 *
 * Private to the captures of this room.
 *
 * Layer  recovery. Blocks; bs_copy_rows may be called by several threads at once, each with a
 *        helper of its own.
 * Owns   nothing; what it notes lives in the capture's arena.
 */
#ifndef BS_RECOVERY_COPY_H
#define BS_RECOVERY_COPY_H

#include "recovery/seal.h"
#include "recovery/steps.h"

struct bs_copy_job {
    size_t object;     /* index as in bs_step_object */
    size_t part;       /* 0, 1, ... */
    const char *key;   /* of the part in the store, where the point is encrypted */
    const char *where; /* condition on its rows, SQL of our own; NULL: all */
};

/*
 * Copies into the part's file in the spool and counts what is copied for the progress.
 *
 * h     its watch ends the copy; of no more use after a failure
 * err   NO_POINT, CANCELLED, IO, DATA
 */
BS_MUST_CHECK enum bs_done bs_copy_rows(struct bs_capture *c,
                                        struct bs_helper *h,
                                        const struct bs_copy_job *job,
                                        struct bs_sealed *out,
                                        struct bs_err *err);

/* What the n parts of object i are, into the manifest. One thread. LIMIT. */
BS_MUST_CHECK enum bs_done bs_copy_note(
    struct bs_capture *c, size_t i, const struct bs_sealed *parts, size_t n, struct bs_err *err);

#endif
