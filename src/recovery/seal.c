/*
 * seal.c - COPY bytes -> walk -> zstd -> SHA-256 -> file, and back. Level 1: measured as small as
 * level 3 on rows and a third faster; the frame's own checksum is on.
 */
#include "recovery/seal.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "base/clock.h"
#include "base/files.h"
#include "recovery/tuples.h"

enum { LEVEL = 1 };

/* SHA-256 as a running thing and at last as text. */
static EVP_MD_CTX *
sha_new(void)
{
    EVP_MD_CTX *sha = EVP_MD_CTX_new();

    bs_assert(sha != NULL && EVP_DigestInit_ex(sha, EVP_sha256(), NULL) == 1);
    return sha;
}

static void
sha_text(EVP_MD_CTX *sha, char out[BS_SHA256_TEXT])
{
    uint8_t digest[EVP_MAX_MD_SIZE] = {0};

    bs_assert(EVP_DigestFinal_ex(sha, digest, NULL) == 1);
    bs_hex(digest, 32, out);
}

void
bs_sealed_add(struct bs_sealed *sum, const struct bs_sealed *part)
{
    uint64_t low = sum->sum_low + part->sum_low;

    sum->rows += part->rows;
    sum->raw_bytes += part->raw_bytes;
    sum->stored_bytes += part->stored_bytes;
    sum->sum_high += part->sum_high + (low < part->sum_low ? 1 : 0);
    sum->sum_low = low;
    bs_row_hash_text(sum->sum_high, sum->sum_low, sum->row_hash);
}

void
bs_parts_sha256(const struct bs_point_part *parts, size_t n, char out[BS_SHA256_TEXT])
{
    EVP_MD_CTX *sha;

    if (n == 1) {
        (void)snprintf(out, BS_SHA256_TEXT, "%s", parts[0].sha256);
        return;
    }
    sha = sha_new();
    for (size_t i = 0; i < n; i++)
        bs_assert(EVP_DigestUpdate(sha, parts[i].sha256, strlen(parts[i].sha256)) == 1 &&
                  EVP_DigestUpdate(sha, "\n", 1) == 1);
    sha_text(sha, out);
    EVP_MD_CTX_free(sha);
}

/* What a walk has come to. */
static void
sum_up(const struct bs_tuples *walk, struct bs_sealed *out)
{
    out->rows = walk->rows;
    out->sum_high = walk->sum_high;
    out->sum_low = walk->sum_low;
    bs_tuples_hash(walk, out->row_hash);
}

struct bs_seal {
    int fd;
    char *path;
    struct bs_tuples walk;
    ZSTD_CCtx *zstd;
    struct bs_crypt *crypt; /* NULL: it is not encrypted */
    EVP_MD_CTX *sha;
    int64_t raw, stored;
    uint8_t *out;
    size_t out_size;
};

enum bs_done
bs_seal_new(const char *path,
            enum bs_rows_format format,
            size_t n_fields,
            struct bs_seal **out,
            struct bs_err *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    struct bs_seal *s;

    *out = NULL;
    if (fd < 0)
        return BS_FAIL(err, IO, "cannot create \"%.300s\": %s", path, strerror(errno));
    s = bs_malloc(sizeof(*s));
    s->fd = fd;
    s->path = bs_strdup(path);
    bs_tuples_init(&s->walk, format, n_fields);
    s->sha = sha_new();
    s->zstd = ZSTD_createCCtx();
    bs_assert(s->zstd != NULL);
    bs_assert(!ZSTD_isError(ZSTD_CCtx_setParameter(s->zstd, ZSTD_c_compressionLevel, LEVEL)));
    bs_assert(!ZSTD_isError(ZSTD_CCtx_setParameter(s->zstd, ZSTD_c_checksumFlag, 1)));
    s->out_size = ZSTD_CStreamOutSize();
    s->out = bs_malloc(s->out_size);
    *out = s;
    return BS_DONE;
}

/* Bytes of the object as it is stored. */
static enum bs_done
write_stored(void *ctx, struct bs_bytes bytes, struct bs_err *err)
{
    struct bs_seal *s = ctx;

    bs_assert(EVP_DigestUpdate(s->sha, bytes.p, bytes.n) == 1);
    s->stored += (int64_t)bytes.n;
    return bs_fd_write(s->fd, bytes, s->path, err);
}

void
bs_seal_encrypt(struct bs_seal *s, const struct bs_point_key *key, const char *name)
{
    bs_assert(s->raw == 0 && s->crypt == NULL);
    s->crypt = bs_encrypt_new(key, name, write_stored, s);
}

/* Compresses `raw`; with ZSTD_e_end also closes the frame. */
static enum bs_done
squeeze(struct bs_seal *s, struct bs_bytes raw, ZSTD_EndDirective how, struct bs_err *err)
{
    ZSTD_inBuffer in = {raw.p, raw.n, 0};
    size_t left = 0;

    do {
        ZSTD_outBuffer out = {s->out, s->out_size, 0};
        left = ZSTD_compressStream2(s->zstd, &out, &in, how);
        if (ZSTD_isError(left))
            return BS_FAIL(err, INTERNAL, "zstd: %s", ZSTD_getErrorName(left));
        struct bs_bytes bytes = {s->out, out.pos};
        if ((s->crypt == NULL ? write_stored(s, bytes, err) : bs_crypt_put(s->crypt, bytes, err)) !=
            BS_DONE)
            return BS_FAILED;
    } while (in.pos < in.size || (how == ZSTD_e_end && left != 0));
    return BS_DONE;
}

enum bs_done
bs_seal_put(struct bs_seal *s, struct bs_bytes raw, struct bs_err *err)
{
    s->raw += (int64_t)raw.n;
    if (bs_tuples_put(&s->walk, raw, err) != BS_DONE)
        return BS_FAILED;
    return squeeze(s, raw, ZSTD_e_continue, err);
}

int64_t
bs_seal_rows(const struct bs_seal *s)
{
    return s->walk.rows;
}

enum bs_done
bs_seal_finish(struct bs_seal *s, struct bs_sealed *out, struct bs_err *err)
{
    if (bs_tuples_finish(&s->walk, err) != BS_DONE ||
        squeeze(s, (struct bs_bytes){NULL, 0}, ZSTD_e_end, err) != BS_DONE ||
        (s->crypt != NULL && bs_crypt_finish(s->crypt, err) != BS_DONE))
        return BS_FAILED;
    *out = (struct bs_sealed){.raw_bytes = s->raw, .stored_bytes = s->stored};
    sha_text(s->sha, out->sha256);
    sum_up(&s->walk, out);
    return BS_DONE;
}

void
bs_seal_free(struct bs_seal **s)
{
    if (*s == NULL)
        return;
    close((*s)->fd);
    free((*s)->path);
    bs_tuples_fini(&(*s)->walk);
    ZSTD_freeCCtx((*s)->zstd);
    bs_crypt_free(&(*s)->crypt);
    EVP_MD_CTX_free((*s)->sha);
    free((*s)->out);
    free(*s);
    *s = NULL;
}

struct bs_unseal {
    struct bs_tuples walk;
    ZSTD_DCtx *zstd;
    struct bs_crypt *crypt; /* NULL: it is not encrypted */
    EVP_MD_CTX *sha;
    int64_t raw, max_raw, stored;
    bool ended;                     /* the zstd frame is complete: nothing may follow */
    bool skip_header, skip_trailer; /* another part has it */
    bs_unseal_sink sink;
    void *ctx;
    uint8_t *out;
    size_t out_size;
};

struct bs_unseal *
bs_unseal_new(
    enum bs_rows_format format, size_t n_fields, int64_t max_raw, bs_unseal_sink sink, void *ctx)
{
    struct bs_unseal *u = bs_malloc(sizeof(*u));

    bs_tuples_init(&u->walk, format, n_fields);
    u->zstd = ZSTD_createDCtx();
    bs_assert(u->zstd != NULL);
    u->sha = sha_new();
    u->max_raw = max_raw;
    u->sink = sink;
    u->ctx = ctx;
    u->out_size = ZSTD_DStreamOutSize();
    u->out = bs_malloc(u->out_size);
    return u;
}

void
bs_unseal_joined(struct bs_unseal *u, bool first, bool last)
{
    u->skip_header = !first;
    u->skip_trailer = !last;
}

/* Decoded bytes: bounded, walked, passed on. */
static enum bs_done
decoded(struct bs_unseal *u, struct bs_bytes raw, struct bs_err *err)
{
    struct bs_err why = {0};
    uint64_t header = u->walk.header;
    size_t tail = bs_tuples_tail(&u->walk);

    u->raw += (int64_t)raw.n;
    if (u->raw > u->max_raw)
        return BS_FAIL(err, DAMAGED, "it unpacks to more than %lld bytes", (long long)u->max_raw);
    if (bs_tuples_put(&u->walk, raw, &why) != BS_DONE)
        return BS_FAIL(err, DAMAGED, "%s", why.message);
    if (u->skip_header) {
        size_t n = (size_t)(u->walk.header - header);
        raw.p += n;
        raw.n -= n;
    }
    if (u->skip_trailer)
        raw.n -= bs_tuples_tail(&u->walk) - tail;
    return u->sink == NULL || raw.n == 0 ? BS_DONE : u->sink(u->ctx, raw, err);
}

/* Bytes of the zstd frame. */
static enum bs_done
decode(void *ctx, struct bs_bytes bytes, struct bs_err *err)
{
    struct bs_unseal *u = ctx;
    ZSTD_inBuffer in = {bytes.p, bytes.n, 0};
    bool full = false; /* the decoder may hold back output that did not fit */

    while (in.pos < in.size || full) {
        ZSTD_outBuffer out = {u->out, u->out_size, 0};
        size_t left;
        if (u->ended)
            return BS_FAIL(err, DAMAGED, "bytes follow its end");
        left = ZSTD_decompressStream(u->zstd, &out, &in);
        if (ZSTD_isError(left))
            return BS_FAIL(err, DAMAGED, "zstd: %s", ZSTD_getErrorName(left));
        u->ended = left == 0;
        full = !u->ended && out.pos == out.size;
        if (decoded(u, (struct bs_bytes){u->out, out.pos}, err) != BS_DONE)
            return BS_FAILED;
    }
    return BS_DONE;
}

enum bs_done
bs_unseal_put(struct bs_unseal *u, struct bs_bytes stored, struct bs_err *err)
{
    bs_assert(EVP_DigestUpdate(u->sha, stored.p, stored.n) == 1);
    u->stored += (int64_t)stored.n;
    return u->crypt == NULL ? decode(u, stored, err) : bs_crypt_put(u->crypt, stored, err);
}

void
bs_unseal_decrypt(struct bs_unseal *u, const struct bs_point_key *key, const char *name)
{
    bs_assert(u->stored == 0 && u->crypt == NULL);
    u->crypt = bs_decrypt_new(key, name, decode, u);
}

enum bs_done
bs_unseal_finish(struct bs_unseal *u, struct bs_sealed *out, struct bs_err *err)
{
    struct bs_err why = {0};

    if (u->crypt != NULL && bs_crypt_finish(u->crypt, err) != BS_DONE)
        return BS_FAILED;
    if (!u->ended)
        return BS_FAIL(err, DAMAGED, "it ends early, after %lld rows", (long long)u->walk.rows);
    if (bs_tuples_finish(&u->walk, &why) != BS_DONE)
        return BS_FAIL(err, DAMAGED, "%s", why.message);
    *out = (struct bs_sealed){.raw_bytes = u->raw, .stored_bytes = u->stored};
    sha_text(u->sha, out->sha256);
    sum_up(&u->walk, out);
    return BS_DONE;
}

void
bs_unseal_free(struct bs_unseal **u)
{
    if (*u == NULL)
        return;
    bs_tuples_fini(&(*u)->walk);
    ZSTD_freeDCtx((*u)->zstd);
    bs_crypt_free(&(*u)->crypt);
    EVP_MD_CTX_free((*u)->sha);
    free((*u)->out);
    free(*u);
    *u = NULL;
}
