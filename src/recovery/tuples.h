/*
 * tuples.h - walk a COPY stream tuple by tuple as it trickles in: count rows, hash each, and refuse
 * what is no such stream.
 *
 * A row's hash is SHA-256 over its bytes in the stream - BINARY: field count, lengths and values;
 * TEXT: the line without its newline. Its first 16 bytes are a big-endian number; the numbers of
 * all rows are added mod 2^128. A sum, not XOR: with XOR two equal rows would vanish.
 *
 * Layer  recovery. Pure; buffers at most one fixed header, never a field.
 * Spec   sql-copy.html, "Binary Format".
 * Owns   a digest context from init to fini.
 */
#ifndef BS_RECOVERY_TUPLES_H
#define BS_RECOVERY_TUPLES_H

#include "recovery/manifest.h"

struct bs_tuples {
    int phase;
    enum bs_rows_format format;
    size_t n_fields; /* every row must have */
    size_t fields;   /* left in this row */
    uint32_t skip;   /* bytes left of this field or header extension */
    uint8_t part[19];
    size_t have;         /* bytes in `part` */
    const uint8_t *from; /* within bs_tuples_put: first byte of the row not hashed yet */
    int64_t rows;
    uint64_t header; /* BINARY: bytes in front of the first row, so far */
    uint64_t sum_high, sum_low;
    void *digest;
};

void bs_tuples_init(struct bs_tuples *w, enum bs_rows_format format, size_t n_fields);
void bs_tuples_fini(struct bs_tuples *w); /* accepts a zeroed one */
/* Takes the next bytes of the stream. DATA where they cannot belong to one. */
BS_MUST_CHECK enum bs_done
bs_tuples_put(struct bs_tuples *w, struct bs_bytes raw, struct bs_err *err);
/* DATA where the stream is not complete: no trailer (BINARY), no final newline (TEXT). */
BS_MUST_CHECK enum bs_done bs_tuples_finish(struct bs_tuples *w, struct bs_err *err);
/* BINARY: bytes at the end of what was put that are the trailer, or may be its beginning: 0 to 2. */
size_t bs_tuples_tail(const struct bs_tuples *w);
/* A row hash as text; and the one that a walk has come to. */
void bs_row_hash_text(uint64_t high, uint64_t low, char out[BS_ROW_HASH_TEXT]);
void bs_tuples_hash(const struct bs_tuples *w, char out[BS_ROW_HASH_TEXT]);

#endif
