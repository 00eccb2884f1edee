/*
 * restoring.h - what the verbs of `backstop restore` share: options, and a point opened with the
 * store, the audit log and a database.
 *
 * Layer  cli.
 * Owns   a bs_restoring owns what it opened, until bs_restoring_close.
 */
#ifndef BS_CLI_RESTORING_H
#define BS_CLI_RESTORING_H

#include "audit/record.h"
#include "cli/args.h"
#include "policy/config.h"
#include "restore/restore.h"

/* What all sub-verbs take. */
struct bs_restoring_options {
    const char *table;
    const char *dsn;
    const char *database;
    const char *where; /* those that look at rows */
    bool yes;
};

/* clang-format off */
#define BS_RESTORING_OPTIONS(o)                                                                    \
    {"table",    't', BS_ARG_TEXT, "TABLE", "only this table (schema.name)", &(o).table},          \
    {"dsn",       0,  BS_ARG_TEXT, "CONNINFO", "connect so, instead of as the configured upstream",\
     &(o).dsn},                                                                                    \
    {"database", 'd', BS_ARG_TEXT, "NAME", "the configured database, where several fit",           \
     &(o).database},                                                                               \
    {"yes",      'y', BS_ARG_FLAG, NULL, "do not ask", &(o).yes}
#define BS_RESTORING_WHERE(o)                                                                      \
    {"where", 'w', BS_ARG_TEXT, "CONDITION", "only saved rows of the table that this is true of",  \
     &(o).where}
/* clang-format on */

struct bs_restoring {
    struct bs_config *config;
    struct bs_store *store;
    struct bs_audit *audit;
    struct bs_pg_dump *pg_dumps;
    struct bs_restore r;
};

enum bs_restoring_reach {
    BS_RESTORING_HERE = 0,  /* only the database that the point was taken from */
    BS_RESTORING_ELSEWHERE, /* another one, too, where it was named with --dsn */
};

/*
 * Opens the point that args' first operand names. False where the work cannot be done; that has
 * been said, and `status` is the exit status. Where only the database cannot be reached: true, and
 * `err` says why.
 */
bool bs_restoring_open(struct bs_restoring *w,
                       const struct bs_args *args,
                       const struct bs_restoring_options *o,
                       enum bs_restoring_reach reach,
                       int *status,
                       struct bs_err *err);
void bs_restoring_close(struct bs_restoring *w); /* accepts a zeroed one */

/* Asks on the terminal. Without one it is a question of --yes. */
bool bs_restoring_confirmed(const struct bs_restoring_options *o,
                            const char *verb,
                            const char *question,
                            int *status);

/* `backstop restore copy-back`, `backstop points export`. */
int bs_restore_copy_back(int argc, char **argv);
int bs_points_export(int argc, char **argv);

#endif
