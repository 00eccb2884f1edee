/*
 * keys.c - a configured key is read when it is needed and wiped after it; only what a command said is
 * kept, for a minute, as a point has many objects.
 */
#include "recovery/keys.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/child.h"
#include "base/clock.h"
#include "base/files.h"

enum {
    HEX = BS_KEY_BYTES * 2,
    NONCE = 12,
    TAG = 16,
    WRAPPED = NONCE + BS_KEY_BYTES + TAG,
    ANSWER_MAX = 256,           /* of a command or a file */
    COMMAND_US = 10 * 1000000,  /* for a command to answer */
    REMEMBER_US = 60 * 1000000, /* what it said */
};

static const char cipher[] = "AES-256-GCM";
static const char purpose[] = "backstop point key v1";

enum source { FROM_NOWHERE = 0, FROM_FILE, FROM_ENV, FROM_COMMAND };

static const struct {
    const char *prefix;
    enum source source;
} sources[] = {{"file:", FROM_FILE}, {"env:", FROM_ENV}, {"command:", FROM_COMMAND}};

struct bs_keys {
    enum source source;
    char *where; /* folder, variable or program */
    char *current;
    pthread_mutex_t lock; /* of what follows */
    char said_name[BS_KEY_NAME_MAX + 1];
    uint8_t said[BS_KEY_BYTES];
    int64_t said_us; /* 0: nothing */
};

bool
bs_keys_is_name(const char *name)
{
    size_t n = strlen(name);

    if (n == 0 || n > BS_KEY_NAME_MAX || name[0] == '.')
        return false;
    for (size_t i = 0; i < n; i++) {
        if (!isalnum((unsigned char)name[i]) && strchr("._-", name[i]) == NULL)
            return false;
    }
    return true;
}

static enum source
parse(const char *text, const char **where)
{
    for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
        size_t n = strlen(sources[i].prefix);
        if (strncmp(text, sources[i].prefix, n) != 0 || text[n] == '\0')
            continue;
        *where = text + n;
        if (sources[i].source != FROM_ENV && text[n] != '/')
            return FROM_NOWHERE;
        return sources[i].source;
    }
    return FROM_NOWHERE;
}

enum bs_done
bs_keys_check(const char *source, struct bs_err *err)
{
    const char *where;

    if (parse(source, &where) != FROM_NOWHERE)
        return BS_DONE;
    return BS_FAIL(err, CONFIG,
                   "must be file:/absolute/folder, env:NAME or command:/absolute/program");
}

static void
keys_free(struct bs_keys **keys)
{
    if (*keys == NULL)
        return;
    free((*keys)->where);
    free((*keys)->current);
    (void)pthread_mutex_destroy(&(*keys)->lock);
    bs_wipe(*keys, sizeof(**keys));
    free(*keys);
    *keys = NULL;
}

enum bs_done
bs_keys_open_store(const char *url,
                   const char *source,
                   const char *current,
                   struct bs_store **out,
                   struct bs_err *err)
{
    const char *where = NULL;
    struct bs_keys *keys;

    *out = NULL;
    if (source != NULL && bs_keys_check(source, err) != BS_DONE)
        return BS_FAILED;
    if (current != NULL && !bs_keys_is_name(current))
        return BS_FAIL(err, CONFIG, "recovery.encryption.key is not a name of a key");
    if (bs_store_open(url, out, err) != BS_DONE)
        return BS_FAILED;
    if (source == NULL)
        return BS_DONE;
    keys = bs_malloc(sizeof(*keys));
    keys->source = parse(source, &where);
    keys->where = bs_strdup(where);
    keys->current = bs_strdup(current);
    bs_assert(pthread_mutex_init(&keys->lock, NULL) == 0);
    (*out)->keys = keys;
    (*out)->keys_free = keys_free;
    return BS_DONE;
}

const char *
bs_keys_current(const struct bs_keys *keys)
{
    return keys == NULL ? NULL : keys->current;
}

/* Reading one. */

/* 32 bytes as they are, or as hex with white space behind. */
static bool
read_key(const uint8_t *p, size_t n, uint8_t out[BS_KEY_BYTES])
{
    if (n == BS_KEY_BYTES) {
        memcpy(out, p, n);
        return true;
    }
    while (n > HEX && isspace(p[n - 1]))
        n--;
    return n == HEX && bs_unhex((const char *)p, BS_KEY_BYTES, out);
}

static enum bs_done
unusable(const char *name, const char *why, struct bs_err *err)
{
    return BS_FAIL(err, CONFIG, "the encryption key \"%.64s\" cannot be used: %s", name, why);
}

static enum bs_done
from_file(const struct bs_keys *k, const char *name, uint8_t out[BS_KEY_BYTES], struct bs_err *err)
{
    char path[PATH_MAX];
    struct bs_buf b;
    struct bs_err why = {0};
    bool good;
    int n = snprintf(path, sizeof(path), "%s/%s", k->where, name);

    if (n < 0 || (size_t)n >= sizeof(path))
        return unusable(name, "its path is too long", err);
    bs_buf_init(&b, ANSWER_MAX);
    good = bs_file_read(path, &b, &why) == BS_DONE && read_key(b.p, b.n, out);
    if (b.p != NULL)
        bs_wipe(b.p, b.n);
    bs_buf_fini(&b);
    if (good)
        return BS_DONE;
    return unusable(
        name, why.code == BS_OK ? "its file holds neither 32 bytes nor 64 hex digits" : why.message,
        err);
}

static enum bs_done
from_env(const struct bs_keys *k, const char *name, uint8_t out[BS_KEY_BYTES], struct bs_err *err)
{
    const char *at = getenv(k->where);
    size_t n = strlen(name);

    while (at != NULL && *at != '\0') {
        size_t length;
        at += strspn(at, ", \n");
        length = strcspn(at, ", \n");
        if (length == n + 1 + HEX && strncmp(at, name, n) == 0 && at[n] == '=' &&
            bs_unhex(at + n + 1, BS_KEY_BYTES, out))
            return BS_DONE;
        at += length;
    }
    return unusable(name, "the environment variable has no NAME=HEX of it", err);
}

struct answer {
    uint8_t text[ANSWER_MAX];
    size_t n;
};

static enum bs_done
take_answer(void *ctx, struct bs_bytes out, struct bs_err *err)
{
    struct answer *a = ctx;

    if (out.n > sizeof(a->text) - a->n)
        return BS_FAIL(err, LIMIT, "it says more than a key");
    memcpy(a->text + a->n, out.p, out.n);
    a->n += out.n;
    return BS_DONE;
}

static enum bs_done
ask_command(const struct bs_keys *k,
            const char *name,
            uint8_t out[BS_KEY_BYTES],
            struct bs_err *err)
{
    char *program = bs_strdup(k->where), *argument = bs_strdup(name);
    char *argv[] = {program, argument, NULL};
    struct bs_child child = {0};
    struct bs_watch watch;
    struct answer a = {.n = 0};
    struct bs_err why = {0};
    enum bs_done done = BS_FAILED;

    if (bs_watch_init(&watch, bs_mono_us() + COMMAND_US, &why) == BS_DONE) {
        if (bs_child_start(&child, argv, NULL, BS_E_UNAVAILABLE, &why) == BS_DONE)
            done = bs_child_wait(&child, &watch, take_answer, &a, &why);
        bs_child_kill(&child);
        bs_watch_fini(&watch);
    }
    if (done == BS_DONE && !read_key(a.text, a.n, out))
        done = BS_FAIL(&why, DATA, "its program printed neither 32 bytes nor 64 hex digits");
    bs_wipe(&a, sizeof(a));
    free(program);
    free(argument);
    /* Its last words are its own and might be anything; they are not repeated. */
    if (done != BS_DONE)
        return unusable(name, why.code == BS_E_DATA ? why.message : "its program failed", err);
    return BS_DONE;
}

static enum bs_done
from_command(struct bs_keys *k, const char *name, uint8_t out[BS_KEY_BYTES], struct bs_err *err)
{
    enum bs_done done = BS_DONE;

    bs_assert(pthread_mutex_lock(&k->lock) == 0);
    if (k->said_us != 0 && bs_mono_us() - k->said_us < REMEMBER_US &&
        strcmp(k->said_name, name) == 0) {
        memcpy(out, k->said, BS_KEY_BYTES);
    } else {
        done = ask_command(k, name, out, err);
        if (done == BS_DONE) {
            (void)snprintf(k->said_name, sizeof(k->said_name), "%s", name);
            memcpy(k->said, out, BS_KEY_BYTES);
            k->said_us = bs_mono_us();
        }
    }
    bs_assert(pthread_mutex_unlock(&k->lock) == 0);
    return done;
}

static enum bs_done
get(struct bs_keys *k, const char *name, uint8_t out[BS_KEY_BYTES], struct bs_err *err)
{
    if (!bs_keys_is_name(name))
        return BS_FAIL(err, CONFIG, "the name of an encryption key is none");
    if (k == NULL) {
        (void)BS_FAIL(err, CONFIG, "it is encrypted under the key \"%.64s\"", name);
        bs_err_hint(err, "say in recovery.encryption.keys where keys are");
        return BS_FAILED;
    }
    switch (k->source) {
    case FROM_FILE:
        return from_file(k, name, out, err);
    case FROM_ENV:
        return from_env(k, name, out, err);
    case FROM_COMMAND:
        return from_command(k, name, out, err);
    case FROM_NOWHERE:
    default:
        return unusable(name, "keys have no place", err);
    }
}

enum bs_done
bs_keys_try(struct bs_keys *keys, const char *name, struct bs_err *err)
{
    uint8_t key[BS_KEY_BYTES];
    enum bs_done done = get(keys, name, key, err);

    bs_wipe(key, sizeof(key));
    return done;
}

/* Wrapping. */

/* What a wrapped key is good for: this point, under a key of this name. */
static bool
begin(EVP_CIPHER_CTX *c,
      int encrypts,
      const uint8_t *key,
      const uint8_t *nonce,
      const struct bs_point_encryption *e)
{
    char about[sizeof(purpose) + BS_POINT_ID_TEXT + BS_KEY_NAME_MAX + 8];
    int n =
        snprintf(about, sizeof(about), "%s\n%s\n%.*s", purpose, e->point, BS_KEY_NAME_MAX, e->key);
    int got;

    return n > 0 && (size_t)n < sizeof(about) &&
           EVP_CipherInit_ex(c, EVP_aes_256_gcm(), NULL, key, nonce, encrypts) == 1 &&
           EVP_CipherUpdate(c, NULL, &got, (const uint8_t *)about, n) == 1;
}

static bool
wrap(const uint8_t *key,
     const struct bs_point_encryption *e,
     const struct bs_point_key *plain,
     uint8_t out[WRAPPED])
{
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    int got = 0, rest = 0;
    bool ok = c != NULL && RAND_bytes(out, NONCE) == 1 && begin(c, 1, key, out, e) &&
              EVP_CipherUpdate(c, out + NONCE, &got, plain->bytes, BS_KEY_BYTES) == 1 &&
              got == BS_KEY_BYTES &&
              EVP_CipherFinal_ex(c, out + NONCE + BS_KEY_BYTES, &rest) == 1 &&
              EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, TAG, out + NONCE + BS_KEY_BYTES) == 1;

    EVP_CIPHER_CTX_free(c);
    return ok;
}

static bool
unwrap(const uint8_t *key,
       const struct bs_point_encryption *e,
       uint8_t in[WRAPPED],
       struct bs_point_key *out)
{
    EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
    int got = 0, rest = 0;
    bool ok = c != NULL && begin(c, 0, key, in, e) &&
              EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, TAG, in + NONCE + BS_KEY_BYTES) == 1 &&
              EVP_CipherUpdate(c, out->bytes, &got, in + NONCE, BS_KEY_BYTES) == 1 &&
              got == BS_KEY_BYTES && EVP_CipherFinal_ex(c, out->bytes + got, &rest) == 1;

    EVP_CIPHER_CTX_free(c);
    if (!ok)
        bs_point_key_wipe(out);
    return ok;
}

enum bs_done
bs_point_key_new(struct bs_keys *keys,
                 const char *point,
                 struct bs_arena *arena,
                 struct bs_point_encryption *out,
                 struct bs_point_key *key,
                 struct bs_err *err)
{
    uint8_t under[BS_KEY_BYTES], wrapped[WRAPPED];
    char hex[WRAPPED * 2 + 1];
    bool ok;

    *out = (struct bs_point_encryption){.cipher = cipher};
    (void)snprintf(out->point, sizeof(out->point), "%s", point);
    out->key = bs_arena_str(arena, keys->current);
    if (out->key == NULL)
        return BS_FAIL(err, LIMIT, "no memory set aside for the name of a key");
    if (get(keys, out->key, under, err) != BS_DONE)
        return BS_FAILED;
    ok = RAND_priv_bytes(key->bytes, BS_KEY_BYTES) == 1 && wrap(under, out, key, wrapped);
    bs_wipe(under, sizeof(under));
    if (!ok) {
        bs_point_key_wipe(key);
        return BS_FAIL(err, INTERNAL, "a point's key cannot be made");
    }
    bs_hex(wrapped, sizeof(wrapped), hex);
    out->wrapped = bs_arena_str(arena, hex);
    if (out->wrapped != NULL)
        return BS_DONE;
    bs_point_key_wipe(key);
    return BS_FAIL(err, LIMIT, "no memory set aside for a point's key");
}

enum bs_done
bs_point_key_open(struct bs_keys *keys,
                  const struct bs_point_encryption *e,
                  struct bs_point_key *key,
                  struct bs_err *err)
{
    uint8_t under[BS_KEY_BYTES], wrapped[WRAPPED];
    bool ok;

    if (strcmp(e->cipher, cipher) != 0)
        return BS_FAIL(err, UNSUPPORTED, "it is encrypted by \"%.40s\"", e->cipher);
    if (strlen(e->wrapped) != sizeof(wrapped) * 2 ||
        !bs_unhex(e->wrapped, sizeof(wrapped), wrapped))
        return BS_FAIL(err, DAMAGED, "the key of the point is not one");
    if (get(keys, e->key, under, err) != BS_DONE)
        return BS_FAILED;
    ok = unwrap(under, e, wrapped, key);
    bs_wipe(under, sizeof(under));
    if (!ok)
        return BS_FAIL(
            err, CONFIG,
            "the encryption key \"%.64s\" is not the one of that name that the point was "
            "encrypted under",
            e->key);
    return BS_DONE;
}

void
bs_point_key_wipe(struct bs_point_key *key)
{
    bs_wipe(key, sizeof(*key));
}
