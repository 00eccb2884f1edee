/*
 * verify.c - what is read is compared only at its end: the digest is over stored bytes, so a
 * change anywhere, also one that zstd and the walk would let pass, is found there at the latest.
 */
#include "recovery/verify.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/files.h"

struct reading {
    const struct bs_watch *watch;
    struct bs_unseal *unseal; /* NULL: a definition, which goes to fd */
    int fd;                   /* -1: only digest */
    struct bs_crypt *crypt;   /* of an encrypted definition; NULL: it is not */
    EVP_MD_CTX *sha;          /* of a definition; NULL: unseal has its own */
    int64_t stored;
};

static enum bs_done
to_fd(void *ctx, struct bs_bytes piece, struct bs_err *err)
{
    const struct reading *r = ctx;

    return r->fd < 0 ? BS_DONE : bs_fd_write(r->fd, piece, "copy of a definition", err);
}

static enum bs_done
take(void *ctx, struct bs_bytes piece, struct bs_err *err)
{
    struct reading *r = ctx;

    if (bs_watch_check(r->watch, err) != BS_DONE)
        return BS_FAILED;
    bs_watch_count(r->watch, (int64_t)piece.n);
    r->stored += (int64_t)piece.n;
    if (r->sha != NULL)
        bs_assert(EVP_DigestUpdate(r->sha, piece.p, piece.n) == 1);
    if (r->unseal != NULL)
        return bs_unseal_put(r->unseal, piece, err);
    return r->crypt != NULL ? bs_crypt_put(r->crypt, piece, err) : to_fd(r, piece, err);
}

/* Reads one stored object; a missing one is damage, and damage gets its key. */
static enum bs_done
read_key(struct bs_store *store, const char *key, struct reading *r, struct bs_err *err)
{
    struct bs_err why = {0};

    if (bs_store_read(store, key, take, r, &why) == BS_DONE)
        return BS_DONE;
    if (why.code == BS_E_NOT_FOUND)
        return BS_FAIL(err, DAMAGED, "\"%.200s\" is missing", key);
    if (why.code == BS_E_DAMAGED)
        return BS_FAIL(err, DAMAGED, "\"%.200s\": %.250s", key, why.message);
    (void)bs_err_set(err, why.code, "%s", why.message);
    return BS_FAILED;
}

static enum bs_done
differs(const char *key, const char *what, struct bs_err *err)
{
    return BS_FAIL(err, DAMAGED, "\"%.200s\": its %s is not what the manifest says", key, what);
}

static void
digest_text(EVP_MD_CTX *sha, char out[BS_SHA256_TEXT])
{
    uint8_t digest[EVP_MAX_MD_SIZE] = {0};

    bs_assert(EVP_DigestFinal_ex(sha, digest, NULL) == 1);
    bs_assert(EVP_DigestInit_ex(sha, EVP_sha256(), NULL) == 1);
    bs_hex(digest, 32, out);
}

static EVP_MD_CTX *
digest_new(void)
{
    EVP_MD_CTX *sha = EVP_MD_CTX_new();

    bs_assert(sha != NULL && EVP_DigestInit_ex(sha, EVP_sha256(), NULL) == 1);
    return sha;
}

/* The key of what is stored under `name`. */
static enum bs_done
open_key(const struct bs_store *store,
         const struct bs_point_encryption *how,
         const char *name,
         struct bs_point_key *out,
         struct bs_err *err)
{
    struct bs_err why = {0};

    if (bs_point_key_open(store->keys, how, out, &why) == BS_DONE)
        return BS_DONE;
    (void)bs_err_set(err, why.code, "\"%.200s\": %.280s", name, why.message);
    if (why.hint[0] != '\0')
        bs_err_hint(err, "%s", why.hint);
    return BS_FAILED;
}

enum bs_done
bs_part_read(struct bs_store *store,
             const struct bs_point_object *o,
             size_t i,
             const struct bs_part_reading *how,
             struct bs_sealed *out,
             struct bs_err *err)
{
    const struct bs_point_part *p = &o->parts[i];
    struct reading r = {.watch = how->watch, .fd = -1};
    struct bs_err why = {0};
    struct bs_point_key key;
    enum bs_done done;

    if (o->encryption != NULL && open_key(store, o->encryption, p->key, &key, err) != BS_DONE)
        return BS_FAILED;
    r.unseal = bs_unseal_new(o->format, o->n_columns, how->max_raw, how->sink, how->ctx);
    if (o->encryption != NULL) {
        bs_unseal_decrypt(r.unseal, &key, p->key);
        bs_point_key_wipe(&key);
    }
    if (o->format == BS_ROWS_BINARY)
        bs_unseal_joined(r.unseal, i == 0, i == o->n_parts - 1);
    done = read_key(store, p->key, &r, err);
    if (done == BS_DONE && r.stored != p->stored_bytes)
        done = differs(p->key, "size", err);
    if (done == BS_DONE && bs_unseal_finish(r.unseal, out, &why) != BS_DONE)
        done = BS_FAIL(err, DAMAGED, "\"%.200s\": %.250s", p->key, why.message);
    if (done == BS_DONE && strcmp(out->sha256, p->sha256) != 0)
        done = differs(p->key, "SHA-256", err);
    bs_unseal_free(&r.unseal);
    return done;
}

enum bs_done
bs_object_compare(const struct bs_point_object *o, const struct bs_sealed *is, struct bs_err *err)
{
    char sha256[BS_SHA256_TEXT];

    bs_parts_sha256(o->parts, o->n_parts, sha256);
    if (is->stored_bytes != o->stored_bytes || is->raw_bytes != o->raw_bytes)
        return differs(o->key, "size", err);
    if (strcmp(sha256, o->sha256) != 0)
        return differs(o->key, "SHA-256", err);
    if (is->rows != o->row_count)
        return differs(o->key, "number of rows", err);
    if (strcmp(is->row_hash, o->row_hash) != 0)
        return differs(o->key, "row hash", err);
    return BS_DONE;
}

enum bs_done
bs_object_read(struct bs_store *store,
               const struct bs_point_object *object,
               bs_unseal_sink sink,
               void *ctx,
               const struct bs_watch *watch,
               struct bs_err *err)
{
    struct bs_part_reading how = {sink, ctx, watch, object->raw_bytes};
    struct bs_sealed is = {0};

    for (size_t i = 0; i < object->n_parts; i++) {
        struct bs_sealed part;
        if (bs_part_read(store, object, i, &how, &part, err) != BS_DONE)
            return BS_FAILED;
        bs_sealed_add(&is, &part);
        how.max_raw -= part.raw_bytes;
    }
    return object->format == BS_ROWS_NONE ? BS_DONE : bs_object_compare(object, &is, err);
}

/* The definition to `fd`, or nowhere. */
static enum bs_done
read_schema(struct bs_store *store,
            const struct bs_point_schema *schema,
            int fd,
            const struct bs_watch *watch,
            struct bs_err *err)
{
    struct reading r = {.watch = watch, .fd = fd};
    struct bs_point_key key;
    struct bs_err why = {0};
    enum bs_done done;
    char sha[BS_SHA256_TEXT];

    if (schema->encryption != NULL) {
        if (open_key(store, schema->encryption, schema->key, &key, err) != BS_DONE)
            return BS_FAILED;
        r.crypt = bs_decrypt_new(&key, schema->key, to_fd, &r);
        bs_point_key_wipe(&key);
    }
    r.sha = digest_new();
    done = read_key(store, schema->key, &r, err);
    if (done == BS_DONE && r.crypt != NULL && bs_crypt_finish(r.crypt, &why) != BS_DONE)
        done = BS_FAIL(err, DAMAGED, "\"%.200s\": %.250s", schema->key, why.message);
    bs_crypt_free(&r.crypt);
    digest_text(r.sha, sha);
    EVP_MD_CTX_free(r.sha);
    if (done != BS_DONE)
        return BS_FAILED;
    if (r.stored != schema->stored_bytes)
        return differs(schema->key, "size", err);
    if (strcmp(sha, schema->sha256) != 0)
        return differs(schema->key, "SHA-256", err);
    return BS_DONE;
}

enum bs_done
bs_schema_read(struct bs_store *store,
               const struct bs_point_schema *schema,
               const char *path,
               struct bs_err *err)
{
    enum bs_done done;
    int fd;

    if (schema->key == NULL)
        return BS_FAIL(err, NOT_FOUND, "the point has no definition");
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EEXIST)
        return BS_FAIL(err, CONFLICT, "\"%.300s\" exists already", path);
    if (fd < 0)
        return BS_FAIL(err, IO, "cannot create \"%.300s\": %s", path, strerror(errno));
    done = read_schema(store, schema, fd, NULL, err);
    if (close(fd) != 0 && done == BS_DONE)
        done = BS_FAIL(err, IO, "cannot close \"%.300s\": %s", path, strerror(errno));
    if (done != BS_DONE)
        (void)unlink(path);
    return done;
}

/* One object that a point has. */
static enum bs_done
verify_object(struct bs_store *store,
              const struct bs_point_object *o,
              const struct bs_watch *watch,
              struct bs_verify_report *out,
              struct bs_err *err)
{
    if (bs_object_read(store, o, NULL, NULL, watch, err) != BS_DONE) {
        if (err->code == BS_E_DAMAGED)
            (void)snprintf(out->damaged, sizeof(out->damaged), "%s", o->key);
        return BS_FAILED;
    }
    out->objects += o->format != BS_ROWS_NONE;
    out->rows += o->row_count;
    out->stored_bytes += o->stored_bytes;
    return BS_DONE;
}

/* A definition or a dump. */
static enum bs_done
verify_dump(struct bs_store *store,
            const struct bs_point_schema *schema,
            const struct bs_watch *watch,
            struct bs_verify_report *out,
            struct bs_err *err)
{
    if (read_schema(store, schema, -1, watch, err) != BS_DONE) {
        if (err->code == BS_E_DAMAGED)
            (void)snprintf(out->damaged, sizeof(out->damaged), "%s", schema->key);
        return BS_FAILED;
    }
    out->objects++;
    out->stored_bytes += schema->stored_bytes;
    return BS_DONE;
}

enum bs_done
bs_point_verify(struct bs_store *store,
                const struct bs_manifest *m,
                const struct bs_watch *watch,
                struct bs_verify_report *out,
                struct bs_err *err)
{
    *out = (struct bs_verify_report){0};
    for (size_t i = 0; i < m->n_objects; i++) {
        if (verify_object(store, &m->objects[i], watch, out, err) != BS_DONE)
            return BS_FAILED;
    }
    for (size_t i = 0; i < m->n_globals; i++) {
        if (verify_object(store, &m->globals[i].rows, watch, out, err) != BS_DONE)
            return BS_FAILED;
    }
    for (size_t i = 0; i < m->n_databases; i++) {
        if (verify_dump(store, &m->databases[i].dump, watch, out, err) != BS_DONE)
            return BS_FAILED;
    }
    return m->schema.key == NULL ? BS_DONE : verify_dump(store, &m->schema, watch, out, err);
}

static enum bs_done
present(struct bs_store *store,
        const char *key,
        int64_t size,
        struct bs_verify_report *out,
        struct bs_err *err)
{
    struct bs_store_info info;
    struct bs_err why = {0};

    if (bs_store_head(store, key, &info, &why) != BS_DONE && why.code != BS_E_NOT_FOUND)
        return bs_err_set(err, why.code, "%s", why.message);
    if (why.code == BS_OK && info.size == size)
        return BS_DONE;
    (void)snprintf(out->damaged, sizeof(out->damaged), "%s", key);
    return why.code == BS_OK ? differs(key, "size", err)
                             : BS_FAIL(err, DAMAGED, "\"%.200s\" is missing", key);
}

static enum bs_done
parts_present(struct bs_store *store,
              const struct bs_point_object *o,
              struct bs_verify_report *out,
              struct bs_err *err)
{
    for (size_t i = 0; i < o->n_parts; i++) {
        if (present(store, o->parts[i].key, o->parts[i].stored_bytes, out, err) != BS_DONE)
            return BS_FAILED;
    }
    out->objects += o->n_parts != 0;
    out->rows += o->row_count;
    out->stored_bytes += o->stored_bytes;
    return BS_DONE;
}

enum bs_done
bs_point_present(struct bs_store *store,
                 const struct bs_manifest *m,
                 struct bs_verify_report *out,
                 struct bs_err *err)
{
    *out = (struct bs_verify_report){0};
    for (size_t i = 0; i < m->n_objects; i++) {
        if (parts_present(store, &m->objects[i], out, err) != BS_DONE)
            return BS_FAILED;
    }
    for (size_t i = 0; i < m->n_globals; i++) {
        if (parts_present(store, &m->globals[i].rows, out, err) != BS_DONE)
            return BS_FAILED;
    }
    for (size_t i = 0; i < m->n_databases; i++) {
        const struct bs_point_schema *d = &m->databases[i].dump;
        if (present(store, d->key, d->stored_bytes, out, err) != BS_DONE)
            return BS_FAILED;
        out->objects++;
        out->stored_bytes += d->stored_bytes;
    }
    if (m->schema.key == NULL)
        return BS_DONE;
    return present(store, m->schema.key, m->schema.stored_bytes, out, err);
}
