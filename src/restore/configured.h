/*
 * configured.h - a restore as the configuration has it: which of its databases the point is of, as
 * whom to connect, with which tools. The command line and the API both begin here.
 *
 * It connects as the database's `restorer`, or where there is none as its `upstream`; who will own
 * what is rebuilt. Its `helper` reads for pg_dump and for captures.
 *
 * Layer  restore. Blocks on store and database: never on a worker.
 * Owns   nothing; what is added lives in the restore's arena.
 */
#ifndef BS_RESTORE_CONFIGURED_H
#define BS_RESTORE_CONFIGURED_H

#include "policy/config.h"
#include "restore/restore.h"

/* All pointers are borrowed until bs_restore_close. */
struct bs_configured {
    const struct bs_config *config;
    const char *database; /* its name in the configuration; NULL: the only one, or the point's */
    const char *dsn;      /* instead of the configured role; NULL: as that */
    struct bs_restore_request
        request; /* store, audit, point, who and what; the rest is filled in */
};

/*
 * Opens the point, and its database.
 *
 * out        zeroed by the caller; closed by bs_restore_close in either case
 * unreached  why only the database cannot be used, with BS_DONE: a preview does without
 * err        as bs_restore_open; NOT_FOUND: no configured database is the point's
 */
BS_MUST_CHECK enum bs_done bs_configured_open(const struct bs_configured *ask,
                                              struct bs_restore *out,
                                              struct bs_err *unreached,
                                              struct bs_err *err);

#endif
