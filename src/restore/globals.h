/*
 * globals.h - the cluster's roles, memberships, settings and the like, as a point has kept them,
 * against those of today; and the statements that bring them back.
 *
 * Only what the statement of the point was about is looked at: a role that somebody else has given
 * another limit since stays as it is.
 *
 * Layer  restore. Blocks on store and database.
 * Spec   app-pg-dumpall.html (option --globals-only), RECOVERY.md section 7.
 * Owns   results live in the restore's arena.
 */
#ifndef BS_RESTORE_GLOBALS_H
#define BS_RESTORE_GLOBALS_H

#include "restore/copyback.h"
#include "restore/restore.h"

/* One thing that is not as it was. */
struct bs_global_change {
    const char *what;  /* "role", "password", "membership", "setting", "database", ... */
    const char *name;  /* "bob", "bob of admins" */
    const char *shown; /* the statement for people: without secrets; NULL: there is none */
    const char *why;   /* there is none: why; else NULL */
    const char *sql;   /* secret. One or several, without the last semicolon; NULL: there is none */
    bool done;         /* by bs_globals_find, in the open transaction */
    bool outside;      /* refuses a transaction block, so it runs after COMMIT */
};

/*
 * Loads what was saved, reads what is now with the restoring role's own rights, and compares.
 * Inside an open transaction, which may be rolled back afterwards: renamed roles are renamed back
 * in it, so that the rest can be compared.
 *
 * out   none where the point has no globals
 * err   DAMAGED, IO, and those of bs_rdb_do; FORBIDDEN with what is missing
 */
BS_MUST_CHECK enum bs_done bs_globals_find(struct bs_restore *r,
                                           enum bs_copyback_made made,
                                           struct bs_global_change **out,
                                           size_t *n,
                                           struct bs_err *err);

/* Runs those that can be in a transaction, in the open one; or, after it, those that cannot.
 * Errors of bs_rdb_do. */
BS_MUST_CHECK enum bs_done bs_globals_run(struct bs_restore *r,
                                          const struct bs_global_change *list,
                                          size_t n,
                                          bool outside,
                                          struct bs_err *err);

#endif
