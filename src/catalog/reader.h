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
 * Connects and begins a READ ONLY, REPEATABLE READ transaction.
 *
 * conninfo  secret; never quoted in messages
 * err       UNAVAILABLE, DATABASE
 */
BS_MUST_CHECK enum bs_done
bs_reader_open(struct bs_reader *r, const char *conninfo, struct bs_err *err);
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
uint32_t bs_element_oid(struct bs_bytes value); /* oid; anything else reads as zero */

#endif
