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

/*
 * The schema dump into a new local file, checked. Removed again on failure. CONFLICT (the path
 * exists), DAMAGED, IO; NOT_FOUND where the point has no definition.
 */
BS_MUST_CHECK enum bs_done bs_schema_read(struct bs_store *store,
                                          const struct bs_point_schema *schema,
                                          const char *path,
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
