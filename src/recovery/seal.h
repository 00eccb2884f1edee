/*
 * seal.h - rows in, a proven object out: zstd, SHA-256 over what is stored, a walk over every
 * tuple and an order-independent hash of the rows, in one pass; and the same way back.
 *
 * Layer  recovery. A writer writes one local file; a reader is pure.
 * Spec   sql-copy.html#id-1.9.3.55.9.4 (binary format); DESIGN.md section 8 (row hash).
 * Owns   writers and readers are freed by their user.
 */
#ifndef BS_RECOVERY_SEAL_H
#define BS_RECOVERY_SEAL_H

#include "recovery/crypt.h"
#include "recovery/manifest.h"

/* What a finished stream was. */
struct bs_sealed {
    int64_t rows;
    int64_t raw_bytes;
    int64_t stored_bytes;
    char sha256[BS_SHA256_TEXT];     /* over the stored bytes */
    char row_hash[BS_ROW_HASH_TEXT]; /* of the rows, whatever their order */
    uint64_t sum_high, sum_low;      /* the same as a number */
};

/* Adds a part to the sum of those before it: all but sha256, for which see bs_parts_sha256. */
void bs_sealed_add(struct bs_sealed *sum, const struct bs_sealed *part);

/*
 * The digest of an object by those of its parts: of one part its own; of several SHA-256 over their
 * hex digests in order, a newline after each.
 */
void bs_parts_sha256(const struct bs_point_part *parts, size_t n, char out[BS_SHA256_TEXT]);

struct bs_seal;   /* writer */
struct bs_unseal; /* reader */

/*
 * Starts an object in a new local file.
 *
 * path       must not exist; mode 0600; stays when freed, the caller removes it
 * format     BINARY or TEXT
 * n_fields   columns of every row; checked in BINARY
 * err        IO
 */
BS_MUST_CHECK enum bs_done bs_seal_new(const char *path,
                                       enum bs_rows_format format,
                                       size_t n_fields,
                                       struct bs_seal **out,
                                       struct bs_err *err);
/* What goes into the file is encrypted first: the object's key in the store is `name`. Before the
 * first byte. The digest is over what is in the file. */
void bs_seal_encrypt(struct bs_seal *s, const struct bs_point_key *key, const char *name);
/* Adds bytes of the COPY stream, cut anywhere. DATA (not a COPY stream), IO. */
BS_MUST_CHECK enum bs_done bs_seal_put(struct bs_seal *s, struct bs_bytes raw, struct bs_err *err);
/* Rows so far. */
int64_t bs_seal_rows(const struct bs_seal *s);
/* Ends the object: trailer seen. Its file need not outlive a crash: what is stored is made durable
 * by the store. DATA (stream ended early), IO. */
BS_MUST_CHECK enum bs_done
bs_seal_finish(struct bs_seal *s, struct bs_sealed *out, struct bs_err *err);
void bs_seal_free(struct bs_seal **s);

/* Takes COPY bytes that a reader decoded; BS_FAILED (err set) ends the reading. */
typedef enum bs_done (*bs_unseal_sink)(void *ctx, struct bs_bytes raw, struct bs_err *err);

/*
 * Starts reading an object.
 *
 * max_raw   bytes of COPY stream after which it is refused (a bomb), usually the manifest's
 * sink      gets the COPY stream before its hashes are known: whoever acts on it must be able to
 *           undo until bs_unseal_finish has agreed. NULL: only check.
 */
struct bs_unseal *bs_unseal_new(
    enum bs_rows_format format, size_t n_fields, int64_t max_raw, bs_unseal_sink sink, void *ctx);
/* What is read was encrypted so. Before the first byte. */
void bs_unseal_decrypt(struct bs_unseal *u, const struct bs_point_key *key, const char *name);
/* What is read is one of several parts: of all that the sinks are given, only the first part has a
 * header and only the last one a trailer, so that together they are one stream. */
void bs_unseal_joined(struct bs_unseal *u, bool first, bool last);
/* Adds stored bytes, cut anywhere. DAMAGED, or what the sink said. */
BS_MUST_CHECK enum bs_done
bs_unseal_put(struct bs_unseal *u, struct bs_bytes stored, struct bs_err *err);
/* Ends the object; DAMAGED where frame or rows are not complete. The caller compares `out`. */
BS_MUST_CHECK enum bs_done
bs_unseal_finish(struct bs_unseal *u, struct bs_sealed *out, struct bs_err *err);
void bs_unseal_free(struct bs_unseal **u);

#endif
