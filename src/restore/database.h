/*
 * database.h - a whole database anew, from the dump that was made before it was dropped.
 *
 * It is made under a name of its own, loaded, and held against what was counted in the dump's
 * snapshot; only then it gets the name that was asked for, and after that its owner, privileges,
 * limits, settings and comment.
 *
 * Layer  restore. Blocks on store and database.
 * Spec   app-pgrestore.html, sql-createdatabase.html; RECOVERY.md section 7.
 * Owns   results live in the restore's arena.
 */
#ifndef BS_RESTORE_DATABASE_H
#define BS_RESTORE_DATABASE_H

#include "restore/globals.h"
#include "restore/restore.h"

/* What no dump gives back; ends with NULL. */
extern const char *const bs_database_not_covered[];

struct bs_database_made {
    size_t tables; /* with sequences; compared */
    int64_t rows;
    struct bs_global_change *globals; /* what of the cluster was set, as statements */
    size_t n_globals;
    const char *globals_failed; /* the database is whole, and this was not set; NULL: all was */
};

/*
 * name   of the database to be made; none may have it. r->request.as says the same
 * err    UNSUPPORTED: the point holds no database; CONFLICT: one has that name; DAMAGED: what was
 *        loaded is not what was dumped, and is left under the name in the message; UNAVAILABLE:
 *        pg_restore failed, with its last words; errors of bs_rdb_do
 */
BS_MUST_CHECK enum bs_done bs_database_make(struct bs_restore *r,
                                            const char *name,
                                            struct bs_database_made *out,
                                            struct bs_err *err);

#endif
