/*
 * definition.h - the stored schema dump against the live database's: what is missing, the SQL that
 * brings it back, and whether both say the same afterwards.
 *
 * Layer  restore. Runs pg_dump and pg_restore; blocks.
 * Spec   app-pgdump.html, app-pgrestore.html.
 * Owns   two files in the spool and the buffers of their listings, until bs_definition_close.
 */
#ifndef BS_RESTORE_DEFINITION_H
#define BS_RESTORE_DEFINITION_H

#include <limits.h>

#include "recovery/spool.h"
#include "restore/entries.h"
#include "restore/restore.h"
#include "restore/scope.h"

struct bs_definition {
    const struct bs_manifest *manifest;
    bool elsewhere; /* for another database: whoever restores owns what is made */
    bool gin_apart; /* GIN indexes are built with memory of their own */
    char pg_dump[PATH_MAX];
    struct bs_spool spool;     /* of the files: they are in plain text, whatever the point is */
    char saved_file[PATH_MAX]; /* "": not there */
    char live_file[PATH_MAX];
    struct bs_buf saved_text; /* what the tables of contents point into */
    struct bs_buf live_text;
    struct bs_toc saved;
    struct bs_toc live;
    struct bs_scope scope;
    struct bs_buf saved_script; /* with --verbose; what the texts below point into */
    struct bs_buf live_script;
    struct bs_entries saved_says;
    struct bs_entries live_says;
    /* For each of saved.list: */
    bool *also;     /* the statement may have dropped it */
    bool *there;    /* it is not lost */
    bool *rowless;  /* a table whose rows the point does not hold */
    size_t *chosen; /* of saved.list, in its order */
    size_t n_chosen;
    size_t *left;  /* likewise: lost, but these are tables whose rows the point does not hold, */
    size_t n_left; /* and what hangs on them */
    /* Of chosen, what comes before columns are added to tables that are there; see
     * bs_definition_split. */
    size_t *early;
    size_t n_early;
    const bool *staged; /* of saved.list: made by staging.h, in no script; NULL: none */
};

enum bs_definition_section {
    BS_DEFINITION_BEFORE_ROWS = 0, /* pre-data, but for: */
    BS_DEFINITION_BEFORE_COLUMNS,  /* what was split off */
    BS_DEFINITION_AFTER_ROWS,      /* post-data */
};

/*
 * Fetches the stored dump, dumps the live database through the request's helper, reads both
 * tables of contents and chooses what has to come back.
 *
 * out   zeroed by the caller; closed in either case
 * err   UNSUPPORTED: the point has no definition; DAMAGED; UNAVAILABLE: no pg_dump, or it failed;
 *       IO, LIMIT
 */
BS_MUST_CHECK enum bs_done bs_definition_open(struct bs_restore *r,
                                              struct bs_toc_want want,
                                              struct bs_definition *out,
                                              struct bs_err *err);
void bs_definition_close(struct bs_definition *d); /* accepts a zeroed one */

/*
 * Chooses anew; and splits off what does not depend on the entries of `tables`: what columns need
 * that are added to these. LIMIT.
 */
BS_MUST_CHECK enum bs_done bs_definition_split(struct bs_definition *d,
                                               struct bs_toc_want want,
                                               const struct bs_bytes *tables,
                                               size_t n_tables,
                                               struct bs_arena *arena,
                                               struct bs_err *err);

/* True where that entry (bs_toc_key) is among what was chosen. */
bool bs_definition_has(const struct bs_definition *d, struct bs_bytes key);
/* True where that saved entry is there, under whatever name. */
bool bs_definition_there(const struct bs_definition *d, struct bs_bytes key);

/* Puts the SQL of one section of what was chosen, without psql's own commands. */
BS_MUST_CHECK enum bs_done bs_definition_script(const struct bs_definition *d,
                                                enum bs_definition_section section,
                                                struct bs_buf *out,
                                                struct bs_err *err);
/* Which of the two dumps. */
enum bs_definition_side {
    BS_DEFINITION_SAVED = 0,
    BS_DEFINITION_LIVE,
};
/*
 * Puts the SQL of some entries of a dump, with the settings that it needs.
 *
 * entries   indexes into its list, n of them, in the order in which they run
 * err       UNAVAILABLE, LIMIT, IO
 */
BS_MUST_CHECK enum bs_done bs_definition_sql(const struct bs_definition *d,
                                             enum bs_definition_side side,
                                             const size_t *entries,
                                             size_t n,
                                             struct bs_buf *out,
                                             struct bs_err *err);

/* Runs such a script in the open transaction and pins the session again. Errors of bs_rdb_do. */
BS_MUST_CHECK enum bs_done
bs_definition_run(struct bs_restore *r, struct bs_buf *script, struct bs_err *err);

/*
 * Dumps the live database once more and compares its plain text with the stored one's, tables that
 * restores have made beside left out.
 *
 * difference   out: NULL where they are the same, else up to 60 lines that differ, in the arena
 */
BS_MUST_CHECK enum bs_done bs_definition_compare(struct bs_restore *r,
                                                 struct bs_definition *d,
                                                 const char **difference,
                                                 struct bs_err *err);

/*
 * Removes the pair of lines \restrict and \unrestrict, which are psql's, not SQL, and the setting
 * that a pg_restore of 17 or later writes for a server that may be older.
 */
void bs_definition_strip(struct bs_buf *script);
/* Lines that one text has more often than the other, "-" saved, "+" live; NULL: none. */
const char *
bs_definition_difference(struct bs_bytes saved, struct bs_bytes live, struct bs_arena *arena);

#endif
