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
#include "restore/copyback.h"
#include "state/state.h"

/* What all sub-verbs take. */
struct bs_restoring_options {
    const char *table;
    const char *dsn;
    const char *database;
    const char *where;      /* those that look at rows */
    const char *token_file; /* those that have to know which operator it is */
    bool yes;
    bool verify; /* preview */
};

/* clang-format off */
#define BS_RESTORING_OPTIONS(o)                                                                    \
    {"table",    't', BS_ARG_TEXT, "TABLE", "only this table (schema.name)", &(o).table},          \
    {"dsn",       0,  BS_ARG_TEXT, "CONNINFO", "connect so, instead of as the configured role",\
     &(o).dsn},                                                                                    \
    {"database", 'd', BS_ARG_TEXT, "NAME", "the configured database, where several fit",           \
     &(o).database},                                                                               \
    {"yes",      'y', BS_ARG_FLAG, NULL, "do not ask", &(o).yes}
#define BS_RESTORING_WHERE(o)                                                                      \
    {"where", 'w', BS_ARG_TEXT, "CONDITION", "only saved rows of the table that this is true of",  \
     &(o).where}
#define BS_RESTORING_TOKEN(o)                                                                      \
    {"token-file", 0, BS_ARG_TEXT, "FILE", "operator's token (default $BACKSTOP_TOKEN)",           \
     &(o).token_file}
/* clang-format on */

struct bs_restoring {
    struct bs_config *config;
    struct bs_store *store;
    struct bs_audit *audit;
    struct bs_state *state; /* NULL until it is asked who the operator is */
    struct bs_arena arena;  /* of what the state said */
    struct bs_operator operator_;
    struct bs_restore r;
};

enum bs_restoring_reach {
    BS_RESTORING_HERE = 0,  /* only the database that the point was taken from */
    BS_RESTORING_ELSEWHERE, /* another one, too, where it was named with --dsn */
};

/*
 * Opens a point. False where the work cannot be done; that has
 * been said, and `status` is the exit status. Where only the database cannot be reached: true, and
 * `err` says why.
 */
bool bs_restoring_open(struct bs_restoring *w,
                       const struct bs_args *args,
                       const char *point,
                       const struct bs_restoring_options *o,
                       enum bs_restoring_reach reach,
                       int *status,
                       struct bs_err *err);
void bs_restoring_close(struct bs_restoring *w); /* accepts a zeroed one */

/*
 * Who restores, by their token: w->operator_, and in all records from here on. After opening.
 *
 * err   USAGE: no token; AUTH: nobody's; FORBIDDEN: a viewer's; UNAVAILABLE
 */
BS_MUST_CHECK enum bs_done
bs_restoring_operator(struct bs_restoring *w, const char *token_file, struct bs_err *err);

/* Asks on the terminal. Without one it is a question of --yes. */
bool bs_restoring_confirmed(const struct bs_restoring_options *o,
                            const char *verb,
                            const char *question,
                            int *status);

/* What a copy-back is told to do: `restore copy-back` and `restore plan`. */
struct bs_restoring_how {
    const char *conflict;
    bool no_triggers, remove_inserted, set_sequences, all_missing;
};

/* clang-format off */
#define BS_RESTORING_HOW(h)                                                                        \
    {"conflict", 0, BS_ARG_TEXT, "skip|overwrite|abort",                                           \
     "rows that others changed since (skip)", &(h).conflict},                                      \
    {"no-triggers", 0, BS_ARG_FLAG, NULL, "user triggers do not fire", &(h).no_triggers},          \
    {"remove-inserted", 0, BS_ARG_FLAG, NULL, "rows that the transaction made go, too",            \
     &(h).remove_inserted},                                                                        \
    {"set-sequences", 0, BS_ARG_FLAG, NULL, "sequences go back to what they were",                 \
     &(h).set_sequences},                                                                          \
    {"all-missing", 0, BS_ARG_FLAG, NULL, "bring back all that the database had and lacks",        \
     &(h).all_missing}
/* clang-format on */

/* False where --conflict is none of the three. */
bool bs_restoring_take_how(const struct bs_restoring_how *how,
                           const struct bs_restoring_options *o,
                           struct bs_copyback_options *out);

/* Verbs that live in files of their own. */
int bs_restore_copy_back(int argc, char **argv);
int bs_restore_database(int argc, char **argv);
int bs_restore_plan(int argc, char **argv);
int bs_restore_approve(int argc, char **argv);
int bs_points_export(int argc, char **argv);
/* Does what an approved plan says; the exit status. */
int bs_restore_carry_out(const struct bs_args *args,
                         const struct bs_restoring_options *o,
                         const char *file);
int bs_points_export(int argc, char **argv);

#endif
