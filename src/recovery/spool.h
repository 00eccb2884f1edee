/*
 * spool.h - the local folder of one capture: files on their way to the store, gone afterwards.
 *
 * Layer  recovery. Blocks.
 * Owns   a folder <pid>-<point id> in the configured spool, from open to close.
 */
#ifndef BS_RECOVERY_SPOOL_H
#define BS_RECOVERY_SPOOL_H

#include <limits.h>

#include "base/watch.h"
#include "recovery/keys.h"
#include "recovery/manifest.h"
#include "storage/storage.h"

struct bs_spool {
    char dir[PATH_MAX];    /* "": not open */
    const char *pg_dump;   /* that wrote the file "schema"; borrowed */
    uint64_t reserved;     /* bytes that it may come to; 0: none */
    struct bs_spool *next; /* of all of this process that have reserved something */
};

BS_MUST_CHECK enum bs_done
bs_spool_open(struct bs_spool *s, const char *folder, const char *point, struct bs_err *err);
void bs_spool_close(struct bs_spool *s); /* removes all; accepts a zeroed one */

/*
 * Is there room for so many bytes, beside what other captures of this process have reserved and not
 * written yet? Then they are reserved, until it is closed; so of two that begin at once only those
 * that both fit go on. Thread-safe. The spool does not move until it is closed.
 *
 * err   NO_POINT, with the numbers
 */
BS_MUST_CHECK enum bs_done bs_spool_reserve(struct bs_spool *s, uint64_t bytes, struct bs_err *err);

/* Path of a file in it. LIMIT where it is too long. */
BS_MUST_CHECK enum bs_done
bs_spool_name(const struct bs_spool *s, const char *name, char out[PATH_MAX], struct bs_err *err);
/* The same for a part of the rows of object i. */
BS_MUST_CHECK enum bs_done bs_spool_path(
    const struct bs_spool *s, size_t i, size_t part, char out[PATH_MAX], struct bs_err *err);

/* Size in bytes and SHA-256 of a file. IO. */
BS_MUST_CHECK enum bs_done
bs_spool_sha256(const char *path, int64_t *size, char out[BS_SHA256_TEXT], struct bs_err *err);

/*
 * Key of the rows of object i: "<dir>t/0001-public.users.copybin.zst", and of part 12 of them
 * "<dir>t/0001-public.users.0012.copybin.zst". NULL: the arena is full.
 *
 * part   1, 2, ...; 0: it is the only one
 */
const char *bs_spool_key(struct bs_arena *arena,
                         const char *dir,
                         size_t i,
                         size_t part,
                         const struct bs_point_object *o);

/* How a point's definition is encrypted, and where it goes then. */
struct bs_spool_crypt {
    const struct bs_point_key *key;
    const struct bs_point_encryption *how;
    const char *dir; /* of the point */
};

/*
 * Stores the file "schema", once per distinct text, reads back what the store has and fills
 * m->schema. Whatever is in the store must give the same plain text; where an older object does
 * not, this one is stored beside it. NO_POINT, CANCELLED, LIMIT, IO.
 *
 * crypt   not NULL: it is stored encrypted, in the point's own folder, for that point alone
 */
BS_MUST_CHECK enum bs_done bs_spool_schema(const struct bs_spool *s,
                                           struct bs_store *store,
                                           struct bs_manifest *m,
                                           struct bs_arena *arena,
                                           const struct bs_spool_crypt *crypt,
                                           const struct bs_watch *watch,
                                           struct bs_err *err);

#endif
