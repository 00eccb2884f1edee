/*
 * rebuild.h - saved rows into new tables beside the live ones; and those tables away again.
 *
 * With a condition in the request a table gets those rows only that it is true of.
 *
 * A rebuilt table has the saved columns and, once loaded, the primary key. No defaults, triggers,
 * foreign keys or grants: it holds what row security may have been hiding. A comment on it and on
 * its schema names the point, and only what carries that comment is ever dropped.
 *
 * Layer  restore. Blocks.
 * Owns   results live in the restore's arena.
 */
#ifndef BS_RESTORE_REBUILD_H
#define BS_RESTORE_REBUILD_H

#include "restore/foresee.h"
#include "restore/restore.h"

struct bs_rebuilt {
    const struct bs_point_object *object;
    const char *schema; /* where it is now */
    const char *name;
    bool key;     /* its primary key was made */
    int64_t rows; /* counted, equal to the manifest's; with a condition, those it is true of */
    bool live;    /* the table is there: its constraints were held against the rows */
    struct bs_foreseen *broken; /* those that do not hold */
    size_t n_broken;
    int64_t bytes; /* of the COPY stream */
    int64_t took_us;
};

struct bs_rebuild {
    struct bs_rebuilt *tables;
    size_t n_tables;
};

/*
 * Rebuilds all tables of the point, or one, in one transaction, and compares rows and row hash
 * with the manifest before it commits.
 *
 * table   NULL: all
 * into    "schema.name" for one table, in a schema that exists; NULL: recovery_<end of the id>
 * err     CONFLICT (a table of that name exists; the schema is not ours), DAMAGED (stored bytes
 *         or loaded rows differ), DATA (a type is missing), NOT_FOUND, USAGE, DATABASE
 */
BS_MUST_CHECK enum bs_done bs_rebuild_run(struct bs_restore *r,
                                          const char *table,
                                          const char *into,
                                          struct bs_rebuild *out,
                                          struct bs_err *err);

/* The comment by which the point's own schemas and tables are known; NULL past the arena's ceiling. */
const char *bs_rebuild_marker(struct bs_restore *r);
/* The name of its schema, recovery_<end of the id>; likewise. */
const char *bs_rebuild_schema(struct bs_restore *r);
/* Makes a schema with that comment, and without privileges for anybody. Errors of bs_rdb_do. */
BS_MUST_CHECK enum bs_done
bs_rebuild_make_schema(struct bs_restore *r, const char *schema, struct bs_err *err);

struct bs_discard {
    const char **dropped; /* "recovery_x.users", then the schema's name where it went, too */
    size_t n_dropped;
    const char *kept; /* the schema, where it holds something that is not of the point; or NULL */
};

/* Drops what bs_rebuild_run made from this point. CONFLICT where something depends on it. */
BS_MUST_CHECK enum bs_done
bs_discard_run(struct bs_restore *r, struct bs_discard *out, struct bs_err *err);

#endif
