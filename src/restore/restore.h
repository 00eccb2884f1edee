/*
 * restore.h - one restore: a point with its manifest, the store that holds it and a session on the
 * database it goes to. What preview, rebuild, diff and copyback work with.
 *
 * Layer  restore. Blocks on store and database: never on a worker.
 * Spec   DESIGN.md section 9, RECOVERY.md sections 4 and 9.
 * Owns   bs_restore_close frees all that bs_restore_open made; results live in the restore's arena
 *        unless it is said otherwise.
 */
#ifndef BS_RESTORE_RESTORE_H
#define BS_RESTORE_RESTORE_H

#include "audit/record.h"
#include "recovery/capture.h"
#include "recovery/manifest.h"
#include "recovery/moved.h"
#include "recovery/points.h"
#include "restore/origin.h"
#include "restore/rdb.h"
#include "storage/storage.h"

/* How the comment on what a restore makes beside the live tables begins; the point's id follows. */
#define BS_RESTORE_MARKER "backstop recovery point "

/* What a restore is busy with, for people who watch. */
struct bs_restore_progress {
    const char *step; /* "loading public.users" */
    int64_t bytes;    /* of `of`, bytes of rows so far */
    int64_t of;       /* 0: not known */
};

typedef void (*bs_restore_watch)(void *ctx, const struct bs_restore_progress *progress);

/* All pointers are borrowed until bs_restore_close. */
struct bs_restore_request {
    struct bs_store *store;
    const char *point;  /* id, or the start of one */
    const char *dsn;    /* conninfo of the role that restores and will own what is rebuilt */
    const char *helper; /* conninfo of a role that may read all, for pg_dump and captures */
    const char *spool;  /* folder for copies on their way; made where missing */
    const struct bs_pg_dump *pg_dumps;
    size_t n_pg_dumps;
    const char *by;         /* who restores, for events, audit and the new point: "operator" */
    struct bs_audit *audit; /* every step is recorded; without it nothing is changed */
    const char *database;   /* configured name, for the audit; may be NULL */
    int64_t lock_budget_us; /* for the capture of what a copy-back changes; 0: 30 s */
    bool elsewhere;         /* a database that the point was not taken from is accepted */
    bool verify;            /* a preview reads the point again however large it is */
    const char *where;      /* a condition: only saved rows that it is true of; NULL: all */
    const char *as;         /* the point's database is called so now; NULL: as it was */
    bs_restore_watch watch; /* may be NULL */
    void *watch_ctx;
    struct bs_stop *stop; /* by which it can be called off; NULL: it cannot */
};

struct bs_restore {
    struct bs_restore_request request;
    struct bs_arena arena;
    struct bs_point_ref ref;
    struct bs_manifest manifest;
    struct bs_rdb db;        /* not connected until bs_restore_connect */
    bool same_database;      /* known once connected */
    struct bs_origin origin; /* likewise: which live rows the transaction has written */
    struct bs_moved *moved;  /* how many it wrote of which table; NULL: not read yet (keyless.h) */
    size_t n_moved;
};

/*
 * Finds the point and reads its manifest. The database is not spoken to.
 *
 * out   zeroed by the caller; closed by bs_restore_close in either case
 * err   NOT_FOUND, USAGE, CONFLICT (as bs_points_find), DAMAGED, IO, LIMIT
 */
BS_MUST_CHECK enum bs_done bs_restore_open(const struct bs_restore_request *request,
                                           struct bs_restore *out,
                                           struct bs_err *err);
/*
 * Connects to the database and makes sure that it is the one the point was taken from.
 *
 * err   UNAVAILABLE, CONFLICT (another database and not `elsewhere`), DATABASE
 */
BS_MUST_CHECK enum bs_done bs_restore_connect(struct bs_restore *r, struct bs_err *err);
void bs_restore_close(struct bs_restore *r); /* accepts a zeroed one */

/*
 * The objects that hold rows, all or those that `table` names ("schema.name", or a name alone
 * where it is not ambiguous; identifiers as stored, without quotes; a partitioned table stands for
 * its partitions).
 *
 * out   array of pointers into the manifest, n of them; none is not an error without `table`
 * err   NOT_FOUND, CONFLICT (ambiguous), LIMIT
 */
BS_MUST_CHECK enum bs_done bs_restore_pick(struct bs_restore *r,
                                           const char *table,
                                           const struct bs_point_object ***out,
                                           size_t *n,
                                           struct bs_err *err);

/*
 * UNSUPPORTED where values of the object's rows mean something in the database only that they were
 * taken from: numbers of tables, functions, roles. Nothing in that database.
 */
BS_MUST_CHECK enum bs_done bs_restore_portable(const struct bs_restore *r,
                                               const struct bs_point_object *object,
                                               struct bs_err *err);

/* Tells the watcher, if there is one. */
void bs_restore_tell(struct bs_restore *r, const char *step, int64_t bytes, int64_t of);
/* What a callback that only counts bytes has to say, and to whom. */
struct bs_restore_telling {
    struct bs_restore *r;
    const char *step;
    int64_t of;
};
/* bs_restore_tell as such a callback; ctx is a struct bs_restore_telling. */
void bs_restore_tell_bytes(void *ctx, int64_t bytes);

/* What is recorded about a step. */
struct bs_restore_step {
    const char *action; /* "run", "diff", ... */
    const char *table;  /* NULL: all */
    int64_t rows;       /* given back; -1: says nothing */
    const char *before; /* point of the state before; NULL or "": none */
    const char *plan;   /* digest of the plan file that says so; NULL: none */
};

/* Before a step, durable: what cannot be recorded is not done. IO, DATA; USAGE without audit. */
BS_MUST_CHECK enum bs_done
bs_restore_begin(struct bs_restore *r, const struct bs_restore_step *step, struct bs_err *err);
/*
 * After a step: its outcome into the audit; where it gave rows back, event `restored` on the point,
 * too. Where the step has failed (`err` is set), that stays the error.
 */
enum bs_done bs_restore_end(struct bs_restore *r,
                            const struct bs_restore_step *step,
                            enum bs_done done,
                            struct bs_err *err);

#endif
