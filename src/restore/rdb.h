/*
 * rdb.h - the database session of a restore: libpq with our errors, pinned settings, names quoted.
 *
 * search_path is empty throughout, so every name that is sent carries its schema.
 *
 * Layer  restore. Blocks.
 * Spec   libpq.html.
 * Owns   the connection, from bs_rdb_open to bs_rdb_close.
 */
#ifndef BS_RESTORE_RDB_H
#define BS_RESTORE_RDB_H

#include <libpq-fe.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/err.h"
#include "recovery/manifest.h"
#include "restore/stop.h"
#include "storage/storage.h"

/* maintenance_work_mem of the session, unless what is built is quicker with another. */
#define BS_RDB_MAINTENANCE_MEMORY "256MB"
/*
 * Of a GIN index: it is gathered in a tree in memory, and one that the processor's caches do not hold
 * is slower the larger it grows; of other indexes the opposite is true. From 18 on GIN is built by
 * several processes, whose number depends on the memory.
 */
#define BS_RDB_GIN_MEMORY "16MB"

struct bs_rdb {
    PGconn *conn;         /* NULL: not connected */
    bool origin;          /* the database that the point was made in: its OIDs mean the same here */
    struct bs_stop *stop; /* nothing more is begun once it was called; NULL: it never is */
};

/* Connects and pins the settings. UNAVAILABLE: cannot connect; DATABASE. */
BS_MUST_CHECK enum bs_done bs_rdb_open(const char *dsn, struct bs_rdb *out, struct bs_err *err);
/* Whatever these tables run - triggers, checks, domains - has all rights in such a session. */
bool bs_rdb_is_superuser(const struct bs_rdb *db);
void bs_rdb_close(struct bs_rdb *db); /* an open transaction ends as if rolled back */
/* Pins them again, after a script of pg_restore has set its own. Errors of bs_rdb_do. */
BS_MUST_CHECK enum bs_done bs_rdb_pin(struct bs_rdb *db, struct bs_err *err);

/*
 * Runs a command, or several, whose rows nobody wants.
 *
 * err   CONFLICT (a lock is held, a constraint or an existing name stands against it), FORBIDDEN
 *       (privileges), UNAVAILABLE (connection lost), DATABASE; sqlstate is the server's
 */
BS_MUST_CHECK enum bs_done bs_rdb_do(struct bs_rdb *db, const char *sql, struct bs_err *err);
/* The same for text in a buffer; LIMIT where the buffer has overflowed. Adds the final NUL. */
BS_MUST_CHECK enum bs_done bs_rdb_run(struct bs_rdb *db, struct bs_buf *sql, struct bs_err *err);
/* The same where there is anything in it, and empties it. */
BS_MUST_CHECK enum bs_done bs_rdb_flush(struct bs_rdb *db, struct bs_buf *sql, struct bs_err *err);
/* Starts commands; the caller waits for them with bs_rdb_wait before it does anything else here. */
BS_MUST_CHECK enum bs_done bs_rdb_start(struct bs_rdb *db, struct bs_buf *sql, struct bs_err *err);
/* Errors as bs_rdb_do: the first one. */
BS_MUST_CHECK enum bs_done bs_rdb_wait(struct bs_rdb *db, struct bs_err *err);
/* Asks the server to stop what was started, and waits until it has. */
void bs_rdb_stop(struct bs_rdb *db);
/*
 * COMMIT. CONFLICT where the server rolled back instead, UNCERTAIN where its answer was lost, and
 * the errors of bs_rdb_do.
 */
BS_MUST_CHECK enum bs_done bs_rdb_commit(struct bs_rdb *db, struct bs_err *err);
/* ROLLBACK, whatever state the session is in. */
void bs_rdb_rollback(struct bs_rdb *db);
/* Runs a command and tells how many rows it changed; 0 where it changes none. Errors as above. */
BS_MUST_CHECK enum bs_done
bs_rdb_change(struct bs_rdb *db, struct bs_buf *sql, int64_t *rows, struct bs_err *err);
/*
 * Runs one query with text parameters. NULL on failure; otherwise the caller PQclears it.
 *
 * values   n parameters, may be NULL where n is 0
 */
BS_MUST_CHECK PGresult *bs_rdb_ask(
    struct bs_rdb *db, const char *sql, int n, const char *const *values, struct bs_err *err);
/* The same for text in a buffer, which is emptied; LIMIT where it has overflowed. */
BS_MUST_CHECK PGresult *bs_rdb_query(
    struct bs_rdb *db, struct bs_buf *sql, int n, const char *const *values, struct bs_err *err);
/* A field as number; 0 for NULL. */
int64_t bs_rdb_number(const PGresult *r, int row, int column);
/* A field as text in the arena; NULL for NULL (or past the arena's ceiling). */
const char *bs_rdb_text(const PGresult *r, int row, int column, struct bs_arena *arena);

/* Sees how many bytes of the COPY stream have gone by. */
typedef void (*bs_rdb_seen)(void *ctx, int64_t raw_bytes);

/*
 * Streams a captured object into `COPY ... FROM STDIN`, proving it on the way. Inside a
 * transaction only: unless BS_DONE is answered, it must be rolled back.
 *
 * copy   the COPY command
 * seen   may be NULL
 * err    DAMAGED, IO, and those of bs_rdb_do; CONFLICT also where the server took another number
 *        of rows
 */
BS_MUST_CHECK enum bs_done bs_rdb_load(struct bs_rdb *db,
                                       struct bs_buf *copy,
                                       struct bs_store *store,
                                       const struct bs_point_object *object,
                                       const char *encoding,
                                       bs_rdb_seen seen,
                                       void *ctx,
                                       struct bs_err *err);
/* Takes some bytes; BS_FAILED ends the stream. */
typedef enum bs_done (*bs_rdb_take)(void *ctx, struct bs_bytes bytes, struct bs_err *err);

/* Streams `COPY ... TO STDOUT` out. Errors of bs_rdb_do, and what `take` says. */
BS_MUST_CHECK enum bs_done bs_rdb_copy_out(
    struct bs_rdb *db, struct bs_buf *copy, bs_rdb_take take, void *ctx, struct bs_err *err);
/* Takes a row, as the only one of a result; BS_FAILED ends the stream. */
typedef enum bs_done (*bs_rdb_take_row)(void *ctx, const PGresult *row, struct bs_err *err);

/* Streams the rows of a query out. Errors of bs_rdb_do, and what `take` says. */
BS_MUST_CHECK enum bs_done bs_rdb_rows_out(struct bs_rdb *db,
                                           struct bs_buf *query,
                                           int n,
                                           const char *const *values,
                                           bs_rdb_take_row take,
                                           void *ctx,
                                           struct bs_err *err);
/* Streams a query out whose rows are one text each. The same. */
BS_MUST_CHECK enum bs_done bs_rdb_texts_out(
    struct bs_rdb *db, struct bs_buf *query, bs_rdb_take take, void *ctx, struct bs_err *err);
/*
 * Copies rows out again and compares their number and hash with the object's. Inside the same
 * transaction as the load.
 *
 * copy   the COPY ... TO STDOUT command, columns in the object's order
 * err    DAMAGED where they differ, and those of bs_rdb_do
 */
BS_MUST_CHECK enum bs_done bs_rdb_compare(struct bs_rdb *db,
                                          struct bs_buf *copy,
                                          const struct bs_point_object *object,
                                          const char *encoding,
                                          struct bs_err *err);

#endif
