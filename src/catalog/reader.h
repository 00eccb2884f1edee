/*
 * reader.h - the helper's session that reads the catalog: read only, one snapshot, nothing that a
 * search_path could turn, binary results.
 *
 * Layer  catalog. Blocks (libpq).
 * Spec   libpq-exec.html; binary formats as the types' send functions write them.
 * Owns   a reader owns its connection; results belong to the caller (PQclear).
 */
#ifndef BS_CATALOG_READER_H
#define BS_CATALOG_READER_H

#include <libpq-fe.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/err.h"

struct bs_reader {
    PGconn *conn;
    int version; /* server_version_num */
};

/*
 * Connects and sets what no query shall depend on.
 *
 * conninfo  secret; never quoted in messages
 * err       UNAVAILABLE, DATABASE
 */
BS_MUST_CHECK enum bs_done
bs_reader_open(struct bs_reader *r, const char *conninfo, struct bs_err *err);
/* A READ ONLY, REPEATABLE READ transaction around what belongs together. */
BS_MUST_CHECK enum bs_done bs_reader_begin(struct bs_reader *r, struct bs_err *err);
BS_MUST_CHECK enum bs_done bs_reader_end(struct bs_reader *r, struct bs_err *err);
void bs_reader_close(struct bs_reader *r); /* accepts a zeroed one */

/*
 * One constant query.
 *
 * columns  how many the caller will read
 * err      DATABASE: refused, or an answer of another shape
 */
BS_MUST_CHECK enum bs_done bs_reader_query(
    struct bs_reader *r, const char *sql, int columns, PGresult **out, struct bs_err *err);

/* One constant command without an answer. */
BS_MUST_CHECK enum bs_done bs_reader_run(struct bs_reader *r, const char *sql, struct bs_err *err);

/*
 * Several queries that are sent before the first is answered: send each, sync, take the rows of
 * each in the same order, synced. After a failure the reader is of no more use, unless it recovers.
 *
 * param  $1 as text; NULL: there is none
 */
BS_MUST_CHECK enum bs_done
bs_reader_send(struct bs_reader *r, const char *sql, const char *param, struct bs_err *err);
BS_MUST_CHECK enum bs_done bs_reader_sync(struct bs_reader *r, struct bs_err *err);
/* take  gets one row after the other, as row 0; false ends it, with its error set */
BS_MUST_CHECK enum bs_done bs_reader_rows(struct bs_reader *r,
                                          int columns,
                                          bool (*take)(void *arg, const PGresult *row),
                                          void *arg,
                                          struct bs_err *err);
BS_MUST_CHECK enum bs_done bs_reader_synced(struct bs_reader *r, struct bs_err *err);
/* Skips what is left of the answers up to the sync; err: the connection is lost. */
BS_MUST_CHECK enum bs_done bs_reader_recover(struct bs_reader *r, struct bs_err *err);

/* Values of binary results. NULL, and a length that is not the type's, read as zero. */
uint32_t bs_oid_at(const PGresult *res, int row, int column);
int bs_int_at(const PGresult *res, int row, int column); /* int2 or int4 */
int64_t bs_int8_at(const PGresult *res, int row, int column);
double bs_double_at(const PGresult *res, int row, int column);
bool bs_bool_at(const PGresult *res, int row, int column);
char bs_char_at(const PGresult *res, int row, int column);
/* The text inside the result; NULL for NULL. */
const char *bs_text_at(const PGresult *res, int row, int column);

/* An array of one dimension, or a vector. */
struct bs_elements {
    struct bs_bytes left;
    size_t n; /* elements; 0 for NULL and for what is no such array */
};

struct bs_elements bs_array_at(const PGresult *res, int row, int column);
/* The next element; false behind the last one. `value.p` is NULL for NULL. */
bool bs_element_next(struct bs_elements *e, struct bs_bytes *value);
/* oid, int2, int4 or "char"; anything else reads as zero. */
uint32_t bs_element_number(struct bs_bytes value);

#endif
