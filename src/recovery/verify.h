/*
 * verify.h - read a point again and compare it with its manifest: sizes, SHA-256 (V1), frames,
 * every tuple to the trailer, row counts and row hashes (V2).
 *
 * Layer  recovery. Blocks on the store.
 * Spec   RECOVERY.md section 5.
 * Owns   nothing.
 */
#ifndef BS_RECOVERY_VERIFY_H
#define BS_RECOVERY_VERIFY_H

#include "base/watch.h"
#include "recovery/manifest.h"
#include "recovery/seal.h"
#include "storage/storage.h"

struct bs_verify_report {
    size_t objects; /* read whole and found as the manifest says */
    int64_t rows;
    int64_t stored_bytes;
    char damaged[BS_KEY_MAX + 1]; /* key of the first object that differs; "" where none does */
};

/*
 * Streams one object's COPY bytes into `sink` and, once all were given, compares size, digests
 * and row count with the manifest.
 *
 * sink    gets bytes before they are proven: undo what was done with them unless BS_DONE is
 *         answered. NULL: only verify.
 * watch   may end it early and counts stored bytes; may be NULL
 * err     DAMAGED (what differs, and the key), NOT_FOUND is told as DAMAGED; IO; the sink's own
 */
BS_MUST_CHECK enum bs_done bs_object_read(struct bs_store *store,
                                          const struct bs_point_object *object,
                                          bs_unseal_sink sink,
                                          void *ctx,
                                          const struct bs_watch *watch,
                                          struct bs_err *err);

/* How a part is read. */
struct bs_part_reading {
    bs_unseal_sink sink; /* as in bs_object_read */
    void *ctx;
    const struct bs_watch *watch;
    int64_t max_raw; /* bytes of COPY stream after which it is refused */
};

/*
 * Part i of an object: its size and its digest are compared; what all parts come to is for
 * bs_object_compare. What the sink gets of all parts in order is one stream. Errors as
 * bs_object_read.
 */
BS_MUST_CHECK enum bs_done bs_part_read(struct bs_store *store,
                                        const struct bs_point_object *o,
                                        size_t i,
                                        const struct bs_part_reading *how,
                                        struct bs_sealed *out,
                                        struct bs_err *err);
/* Is what was read of all parts, added up, what the manifest says? DAMAGED. */
BS_MUST_CHECK enum bs_done
bs_object_compare(const struct bs_point_object *o, const struct bs_sealed *is, struct bs_err *err);

/*
 * The schema dump into a new local file, checked. Removed again on failure. CONFLICT (the path
 * exists), DAMAGED, IO; NOT_FOUND where the point has no definition.
 */
BS_MUST_CHECK enum bs_done bs_schema_read(struct bs_store *store,
                                          const struct bs_point_schema *schema,
                                          const char *path,
                                          struct bs_err *err);

/*
 * Is every object and the definition of a point there, in its size? Reads none of them. Errors and
 * `out` as bs_point_verify; `rows` are the manifest's.
 */
BS_MUST_CHECK enum bs_done bs_point_present(struct bs_store *store,
                                            const struct bs_manifest *m,
                                            struct bs_verify_report *out,
                                            struct bs_err *err);

/*
 * Every object and the definition of a point. Reads all of it.
 *
 * out   filled in either case
 * err   DAMAGED with the first object that differs and how; IO
 */
BS_MUST_CHECK enum bs_done bs_point_verify(struct bs_store *store,
                                           const struct bs_manifest *m,
                                           const struct bs_watch *watch,
                                           struct bs_verify_report *out,
                                           struct bs_err *err);

#endif
