/*
 * crypt.c - a chunk is held until it is known whether it is the last: only then has it a nonce.
 * Decrypted bytes are handed on only after their tag has agreed.
 */
#include "recovery/crypt.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/files.h"

enum { CHUNK = 64 * 1024, TAG = 16, SALT = 16, MAGIC = 8, HEADER = MAGIC + SALT, NONCE = 12 };

static const char magic[] = "BSENC1\n"; /* its NUL is the eighth byte */
static const char purpose[] = "backstop object v1\n";

struct bs_crypt {
    bool encrypts;
    bool bad; /* refused: takes nothing any more */
    bool begun;
    uint8_t point_key[BS_KEY_BYTES];
    char *name;
    EVP_CIPHER_CTX *cipher;
    uint64_t number; /* of the chunk in `in` */
    uint8_t in[CHUNK + TAG];
    size_t n;
    uint8_t out[CHUNK + TAG];
    bs_crypt_sink sink;
    void *ctx;
};

static struct bs_crypt *
crypt_new(
    bool encrypts, const struct bs_point_key *key, const char *name, bs_crypt_sink sink, void *ctx)
{
    struct bs_crypt *c = bs_malloc(sizeof(*c));

    c->encrypts = encrypts;
    memcpy(c->point_key, key->bytes, BS_KEY_BYTES);
    c->name = bs_strdup(name);
    c->cipher = EVP_CIPHER_CTX_new();
    bs_assert(c->cipher != NULL);
    c->sink = sink;
    c->ctx = ctx;
    return c;
}

struct bs_crypt *
bs_encrypt_new(const struct bs_point_key *key, const char *name, bs_crypt_sink sink, void *ctx)
{
    return crypt_new(true, key, name, sink, ctx);
}

struct bs_crypt *
bs_decrypt_new(const struct bs_point_key *key, const char *name, bs_crypt_sink sink, void *ctx)
{
    return crypt_new(false, key, name, sink, ctx);
}

static enum bs_done
refuse(struct bs_crypt *c, struct bs_err *err)
{
    c->bad = true;
    return BS_FAIL(err, DAMAGED,
                   "it cannot be decrypted: it was changed, cut or put where it does not belong");
}

/* The object's own key; the point's is not needed after that. */
static void
begin(struct bs_crypt *c, const uint8_t salt[SALT])
{
    size_t n = strlen(c->name), all = sizeof(purpose) - 1 + SALT + n;
    uint8_t *text = bs_malloc(all), key[EVP_MAX_MD_SIZE];
    unsigned got = 0;

    memcpy(text, purpose, sizeof(purpose) - 1);
    memcpy(text + sizeof(purpose) - 1, salt, SALT);
    memcpy(text + sizeof(purpose) - 1 + SALT, c->name, n);
    bs_assert(HMAC(EVP_sha256(), c->point_key, BS_KEY_BYTES, text, all, key, &got) != NULL &&
              got == BS_KEY_BYTES);
    bs_assert(EVP_CipherInit_ex(c->cipher, EVP_aes_256_gcm(), NULL, key, NULL, c->encrypts) == 1);
    bs_wipe(key, sizeof(key));
    bs_wipe(c->point_key, sizeof(c->point_key));
    free(text);
    c->begun = true;
}

static void
nonce_of(const struct bs_crypt *c, bool last, uint8_t nonce[NONCE])
{
    memset(nonce, 0, NONCE);
    nonce[3] = last;
    for (int i = 0; i < 8; i++)
        nonce[4 + i] = (uint8_t)(c->number >> (56 - 8 * i));
}

/* One chunk of `in`, which is empty afterwards. */
static enum bs_done
turn(struct bs_crypt *c, bool last, struct bs_err *err)
{
    uint8_t nonce[NONCE];
    size_t n = c->encrypts ? c->n : c->n - TAG;
    int got = 0, rest = 0;

    nonce_of(c, last, nonce);
    bs_assert(EVP_CipherInit_ex(c->cipher, NULL, NULL, NULL, nonce, -1) == 1);
    if (!c->encrypts)
        bs_assert(EVP_CIPHER_CTX_ctrl(c->cipher, EVP_CTRL_GCM_SET_TAG, TAG, c->in + n) == 1);
    if (n != 0)
        bs_assert(EVP_CipherUpdate(c->cipher, c->out, &got, c->in, (int)n) == 1 && got == (int)n);
    if (EVP_CipherFinal_ex(c->cipher, c->out + n, &rest) != 1)
        return refuse(c, err);
    if (c->encrypts) {
        bs_assert(EVP_CIPHER_CTX_ctrl(c->cipher, EVP_CTRL_GCM_GET_TAG, TAG, c->out + n) == 1);
        n += TAG;
    }
    c->number++;
    c->n = 0;
    return n == 0 ? BS_DONE : c->sink(c->ctx, (struct bs_bytes){c->out, n}, err);
}

/* Moves bytes to `in` until it holds `want`. */
static void
gather(struct bs_crypt *c, struct bs_bytes *from, size_t want)
{
    size_t n = want - c->n;

    if (n > from->n)
        n = from->n;
    memcpy(c->in + c->n, from->p, n);
    c->n += n;
    from->p += n;
    from->n -= n;
}

static enum bs_done
take_header(struct bs_crypt *c, struct bs_bytes *from, struct bs_err *err)
{
    gather(c, from, HEADER);
    if (c->n < HEADER)
        return BS_DONE;
    if (memcmp(c->in, magic, MAGIC) != 0)
        return refuse(c, err);
    begin(c, c->in + MAGIC);
    c->n = 0;
    return BS_DONE;
}

static enum bs_done
put_header(struct bs_crypt *c, struct bs_err *err)
{
    uint8_t header[HEADER];

    memcpy(header, magic, MAGIC);
    if (RAND_bytes(header + MAGIC, SALT) != 1)
        return BS_FAIL(err, INTERNAL, "there are no random bytes");
    begin(c, header + MAGIC);
    return c->sink(c->ctx, (struct bs_bytes){header, HEADER}, err);
}

enum bs_done
bs_crypt_put(struct bs_crypt *c, struct bs_bytes bytes, struct bs_err *err)
{
    const size_t whole = c->encrypts ? CHUNK : CHUNK + TAG;

    if (c->bad)
        return refuse(c, err);
    if (!c->begun && c->encrypts && put_header(c, err) != BS_DONE)
        return BS_FAILED;
    if (!c->begun && take_header(c, &bytes, err) != BS_DONE)
        return BS_FAILED;
    while (bytes.n != 0) {
        if (c->n == whole && turn(c, false, err) != BS_DONE)
            return BS_FAILED;
        gather(c, &bytes, whole);
    }
    return BS_DONE;
}

enum bs_done
bs_crypt_finish(struct bs_crypt *c, struct bs_err *err)
{
    enum bs_done done;

    if (c->bad)
        return refuse(c, err);
    if (!c->begun && c->encrypts && put_header(c, err) != BS_DONE)
        return BS_FAILED;
    if (!c->encrypts && (!c->begun || c->n < TAG))
        return refuse(c, err);
    done = turn(c, true, err);
    c->bad = true; /* nothing follows the last chunk */
    return done;
}

void
bs_crypt_free(struct bs_crypt **c)
{
    if (*c == NULL)
        return;
    EVP_CIPHER_CTX_free((*c)->cipher); /* wipes its key */
    free((*c)->name);
    bs_wipe(*c, sizeof(**c));
    free(*c);
    *c = NULL;
}

static enum bs_done
to_buf(void *ctx, struct bs_bytes bytes, struct bs_err *err)
{
    struct bs_buf *b = ctx;

    bs_put_bytes(b, bytes);
    return b->failed ? BS_FAIL(err, LIMIT, "a text is too long") : BS_DONE;
}

enum { TEXT_MAX = 16 * 1024 * 1024 };

const char *
bs_crypt_text(const struct bs_point_key *key,
              const char *name,
              const char *text,
              struct bs_arena *arena)
{
    struct bs_buf b;
    struct bs_err err = {0};
    struct bs_crypt *c = bs_encrypt_new(key, name, to_buf, &b);
    char *hex = NULL;

    bs_buf_init(&b, TEXT_MAX);
    if (bs_crypt_put(c, (struct bs_bytes){(const uint8_t *)text, strlen(text)}, &err) == BS_DONE &&
        bs_crypt_finish(c, &err) == BS_DONE)
        hex = bs_arena_array(arena, b.n * 2 + 1, 1);
    if (hex != NULL)
        bs_hex(b.p, b.n, hex);
    bs_crypt_free(&c);
    bs_buf_fini(&b);
    return hex;
}

const char *
bs_crypt_read_text(const struct bs_point_key *key,
                   const char *name,
                   const char *hex,
                   struct bs_arena *arena)
{
    size_t n = strlen(hex) / 2;
    uint8_t *bytes = bs_malloc(n + 1);
    struct bs_buf b;
    struct bs_err err = {0};
    struct bs_crypt *c = bs_decrypt_new(key, name, to_buf, &b);
    const char *out = NULL;

    bs_buf_init(&b, TEXT_MAX);
    if (strlen(hex) == n * 2 && bs_unhex(hex, n, bytes) &&
        bs_crypt_put(c, (struct bs_bytes){bytes, n}, &err) == BS_DONE &&
        bs_crypt_finish(c, &err) == BS_DONE && memchr(b.p, '\0', b.n) == NULL)
        out = bs_arena_copy(arena, bs_buf_view(&b));
    bs_crypt_free(&c);
    bs_buf_fini(&b);
    free(bytes);
    return out;
}

struct to_file {
    int fd;
    const char *path;
};

static enum bs_done
to_file(void *ctx, struct bs_bytes bytes, struct bs_err *err)
{
    struct to_file *t = ctx;

    return bs_fd_write(t->fd, bytes, t->path, err);
}

static enum bs_done
pour(struct bs_crypt *c, int from, const char *path, struct bs_err *err)
{
    uint8_t *piece = bs_malloc(CHUNK);
    enum bs_done done = BS_DONE;
    ssize_t got = 1;

    while (done == BS_DONE && got != 0) {
        got = read(from, piece, CHUNK);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            done = BS_FAIL(err, IO, "cannot read \"%.300s\": %s", path, strerror(errno));
        else if (got > 0)
            done = bs_crypt_put(c, (struct bs_bytes){piece, (size_t)got}, err);
    }
    free(piece);
    return done == BS_DONE ? bs_crypt_finish(c, err) : BS_FAILED;
}

static enum bs_done
turn_file(bool encrypts,
          const struct bs_point_key *key,
          const char *name,
          const char *paths[2],
          struct bs_err *err)
{
    struct to_file to = {.path = paths[1]};
    int from = open(paths[0], O_RDONLY | O_CLOEXEC);
    struct bs_crypt *c;
    enum bs_done done;

    if (from < 0)
        return BS_FAIL(err, IO, "cannot open \"%.300s\": %s", paths[0], strerror(errno));
    to.fd = open(paths[1], O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (to.fd < 0) {
        int why = errno;
        close(from);
        if (why == EEXIST)
            return BS_FAIL(err, CONFLICT, "\"%.300s\" exists already", paths[1]);
        return BS_FAIL(err, IO, "cannot create \"%.300s\": %s", paths[1], strerror(why));
    }
    c = crypt_new(encrypts, key, name, to_file, &to);
    done = pour(c, from, paths[0], err);
    bs_crypt_free(&c);
    close(from);
    if (close(to.fd) != 0 && done == BS_DONE)
        done = BS_FAIL(err, IO, "cannot write \"%.300s\": %s", paths[1], strerror(errno));
    if (done != BS_DONE)
        (void)unlink(paths[1]);
    return done;
}

enum bs_done
bs_encrypt_file(const struct bs_point_key *key,
                const char *name,
                const char *from,
                const char *to,
                struct bs_err *err)
{
    return turn_file(true, key, name, (const char *[2]){from, to}, err);
}

enum bs_done
bs_decrypt_file(const struct bs_point_key *key,
                const char *name,
                const char *from,
                const char *to,
                struct bs_err *err)
{
    return turn_file(false, key, name, (const char *[2]){from, to}, err);
}
