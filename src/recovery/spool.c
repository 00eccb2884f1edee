/*
 * spool.c - the folder carries the pid, so that the next start can tell what a crash left.
 */
#include "recovery/spool.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/files.h"
#include "recovery/capture.h"
#include "recovery/crypt.h"
#include "recovery/dump.h"
#include "recovery/retain.h"

enum bs_done
bs_spool_open(struct bs_spool *s, const char *folder, const char *point, struct bs_err *err)
{
    int n;

    *s = (struct bs_spool){0};
    if (bs_dir_make(folder, err) != BS_DONE)
        return BS_FAILED;
    n = snprintf(s->dir, sizeof(s->dir), "%s/%d-%s", folder, (int)getpid(), point);
    if (n < 0 || (size_t)n >= sizeof(s->dir) || mkdir(s->dir, 0700) != 0) {
        s->dir[0] = '\0';
        return BS_FAIL(err, IO, "cannot make a folder in the spool \"%.300s\": %s", folder,
                       strerror(errno));
    }
    return BS_DONE;
}

/* A folder and the files in it; there are no folders below. */
static void
remove_folder(const char *dir)
{
    DIR *d = opendir(dir);
    const struct dirent *e;
    char path[PATH_MAX * 2];

    while (d != NULL && (e = readdir(d)) != NULL) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        (void)snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
        (void)unlink(path);
    }
    if (d != NULL)
        closedir(d);
    (void)rmdir(dir);
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of those that have reserved something */
static struct bs_spool *reserving;

/* What its files take so far. */
static uint64_t
written(const struct bs_spool *s)
{
    DIR *d = opendir(s->dir);
    const struct dirent *e;
    char path[PATH_MAX * 2];
    uint64_t sum = 0;

    while (d != NULL && (e = readdir(d)) != NULL) {
        struct stat st;
        (void)snprintf(path, sizeof(path), "%s/%s", s->dir, e->d_name);
        if (stat(path, &st) == 0 && S_ISREG(st.st_mode))
            sum += (uint64_t)st.st_size;
    }
    if (d != NULL)
        closedir(d);
    return sum;
}

/* Under the lock. */
static uint64_t
promised(void)
{
    uint64_t sum = 0;

    for (const struct bs_spool *s = reserving; s != NULL; s = s->next) {
        uint64_t has = written(s);
        sum += s->reserved > has ? s->reserved - has : 0;
    }
    return sum;
}

static enum bs_done
reserve(struct bs_spool *s, uint64_t bytes, struct bs_err *err)
{
    uint64_t left, others = promised();
    struct statvfs fs;

    if (statvfs(s->dir, &fs) != 0)
        return BS_FAIL(err, NO_POINT, "cannot see how much room the spool has: %s",
                       strerror(errno));
    left = (uint64_t)fs.f_bavail * fs.f_frsize;
    if (left < others || left - others < bytes)
        return BS_FAIL(err, NO_POINT,
                       "the spool has %" PRIu64 " bytes left, of which other captures need %" PRIu64
                       "; about %" PRIu64 " are needed",
                       left, others, bytes);
    s->reserved = bytes;
    s->next = reserving;
    reserving = s;
    return BS_DONE;
}

enum bs_done
bs_spool_reserve(struct bs_spool *s, uint64_t bytes, struct bs_err *err)
{
    enum bs_done done;

    bs_assert(pthread_mutex_lock(&lock) == 0);
    done = s->reserved != 0 ? BS_FAIL(err, NO_POINT, "a spool is reserved once")
                            : reserve(s, bytes, err);
    bs_assert(pthread_mutex_unlock(&lock) == 0);
    return done;
}

static void
give_back(struct bs_spool *s)
{
    bs_assert(pthread_mutex_lock(&lock) == 0);
    for (struct bs_spool **at = &reserving; *at != NULL; at = &(*at)->next) {
        if (*at == s) {
            *at = s->next;
            break;
        }
    }
    s->reserved = 0;
    bs_assert(pthread_mutex_unlock(&lock) == 0);
}

void
bs_spool_close(struct bs_spool *s)
{
    if (s->reserved != 0)
        give_back(s);
    if (s->dir[0] != '\0')
        remove_folder(s->dir);
    s->dir[0] = '\0';
}

/* Left by a process that is gone, or by an earlier one with our pid (in a container always 1). */
static bool
abandoned(const char *name)
{
    char *end = NULL;
    long pid;

    if (!isdigit((unsigned char)name[0]))
        return false;
    pid = strtol(name, &end, 10);
    if (strncmp(end, "-RP-", 4) != 0 || strlen(end) != BS_POINT_ID_TEXT || pid < 1)
        return false;
    return pid == getpid() || (kill((pid_t)pid, 0) != 0 && errno == ESRCH);
}

void
bs_capture_sweep(const char *spool)
{
    DIR *d = opendir(spool);
    const struct dirent *e;
    char path[PATH_MAX * 2];

    while (d != NULL && (e = readdir(d)) != NULL) {
        if (!abandoned(e->d_name))
            continue;
        (void)snprintf(path, sizeof(path), "%s/%s", spool, e->d_name);
        remove_folder(path);
    }
    if (d != NULL)
        closedir(d);
}

enum bs_done
bs_spool_name(const struct bs_spool *s, const char *name, char out[PATH_MAX], struct bs_err *err)
{
    int n = snprintf(out, PATH_MAX, "%s/%s", s->dir, name);

    if (n < 0 || n >= PATH_MAX)
        return BS_FAIL(err, LIMIT, "the path of the spool is too long");
    return BS_DONE;
}

enum bs_done
bs_spool_path(
    const struct bs_spool *s, size_t i, size_t part, char out[PATH_MAX], struct bs_err *err)
{
    char name[64];

    (void)snprintf(name, sizeof(name), "%zu.%zu.rows", i + 1, part + 1);
    return bs_spool_name(s, name, out, err);
}

const char *
bs_spool_key(
    struct bs_arena *arena, const char *dir, size_t i, size_t part, const struct bs_point_object *o)
{
    struct bs_buf name, key;
    const char *out = NULL;

    bs_buf_init(&name, 1024);
    bs_buf_init(&key, BS_KEY_MAX);
    bs_put_fmt(&name, "%04zu-%s.%s", i + 1, o->schema, o->name);
    bs_put_u8(&name, '\0');
    bs_put_fmt(&key, "%st/", dir);
    if (!name.failed)
        bs_key_segment(&key, (const char *)name.p);
    if (part != 0)
        bs_put_fmt(&key, ".%04zu", part);
    bs_put_str(&key, o->format == BS_ROWS_TEXT ? ".copytxt.zst" : ".copybin.zst");
    if (o->encryption != NULL)
        bs_put_str(&key, ".enc");
    if (!name.failed && !key.failed)
        out = bs_arena_copy(arena, bs_buf_view(&key));
    bs_buf_fini(&name);
    bs_buf_fini(&key);
    return out;
}

enum bs_done
bs_spool_sha256(const char *path, int64_t *size, char out[BS_SHA256_TEXT], struct bs_err *err)
{
    EVP_MD_CTX *sha = EVP_MD_CTX_new();
    uint8_t piece[65536], digest[EVP_MAX_MD_SIZE] = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got;

    *size = 0;
    bs_assert(sha != NULL && EVP_DigestInit_ex(sha, EVP_sha256(), NULL) == 1);
    while ((got = fd < 0 ? -1 : read(fd, piece, sizeof(piece))) > 0 ||
           (got < 0 && errno == EINTR)) {
        if (got < 0)
            continue;
        bs_assert(EVP_DigestUpdate(sha, piece, (size_t)got) == 1);
        *size += got;
    }
    bs_assert(EVP_DigestFinal_ex(sha, digest, NULL) == 1);
    EVP_MD_CTX_free(sha);
    bs_hex(digest, 32, out);
    if (fd >= 0)
        close(fd);
    if (got < 0)
        return BS_FAIL(err, IO, "cannot read \"%.300s\": %s", path, strerror(errno));
    return BS_DONE;
}

/* What is being told about a definition, as it is found out. */
struct definition {
    char file[PATH_MAX]; /* as pg_dump wrote it */
    char back[PATH_MAX]; /* as the store gives it */
    char text[BS_SHA256_TEXT];
    char sha[BS_SHA256_TEXT];
    int64_t size;
    const struct bs_spool_crypt *crypt; /* NULL: it is stored as it is */
};

/* Stores under `key` where that is free; what the store has then must give the same text. */
static enum bs_done
put_and_prove(const struct bs_spool *s,
              struct bs_store *store,
              const char *key,
              struct definition *d,
              const struct bs_watch *watch,
              struct bs_err *err)
{
    struct bs_err why = {0};
    char text[BS_SHA256_TEXT];
    char stored[PATH_MAX], given[PATH_MAX];
    enum bs_done done;

    if (bs_spool_name(s, d->crypt == NULL ? "schema" : "schema.enc", stored, err) != BS_DONE ||
        bs_spool_name(s, d->crypt == NULL ? "schema.back" : "schema.back.enc", given, err) !=
            BS_DONE)
        return BS_FAILED;
    if (d->crypt != NULL && bs_encrypt_file(d->crypt->key, key, d->file, stored, err) != BS_DONE)
        return BS_FAILED;
    done = bs_store_put_file(store, key, stored, &why);
    if (done != BS_DONE && why.code != BS_E_CONFLICT)
        return bs_err_set(err, why.code, "%s", why.message);
    (void)unlink(d->back);
    if (bs_store_get_file(store, key, given, err) != BS_DONE ||
        bs_spool_sha256(given, &d->size, d->sha, err) != BS_DONE ||
        (d->crypt != NULL && bs_decrypt_file(d->crypt->key, key, given, d->back, err) != BS_DONE) ||
        bs_dump_text_sha256(s->pg_dump, d->back, watch, text, err) != BS_DONE)
        return BS_FAILED;
    if (strcmp(text, d->text) != 0)
        return BS_FAIL(err, DAMAGED, "the store has another definition under \"%.200s\"", key);
    return BS_DONE;
}

/* Is it being taken away (retain.h)? The point's intent is stored by now. */
static enum bs_done
is_going(struct bs_store *store, const char *key, bool *going, struct bs_err *err)
{
    char mark[BS_KEY_MAX + 1];
    struct bs_store_info info;
    struct bs_err why = {0};

    *going = bs_retain_mark(key, mark) && bs_store_head(store, mark, &info, &why) == BS_DONE;
    if (why.code != BS_OK && why.code != BS_E_NOT_FOUND)
        return bs_err_set(err, why.code, "%s", why.message);
    return BS_DONE;
}

static const char *
encrypted_key(struct bs_arena *arena, const char *dir)
{
    return bs_arena_fmt(arena, "%sschema.dump.enc", dir);
}

static const char *
schema_key(struct bs_arena *arena, const struct bs_manifest *m, const char *text, const char *own)
{
    struct bs_buf key;
    const char *out = NULL;

    bs_buf_init(&key, BS_KEY_MAX);
    bs_point_put_base(&key, &m->source);
    bs_put_fmt(&key, "schema/%s%s%s.dump", text, own == NULL ? "" : ".", own == NULL ? "" : own);
    if (!key.failed)
        out = bs_arena_copy(arena, bs_buf_view(&key));
    bs_buf_fini(&key);
    return out;
}

enum bs_done
bs_spool_schema(const struct bs_spool *s,
                struct bs_store *store,
                struct bs_manifest *m,
                struct bs_arena *arena,
                const struct bs_spool_crypt *crypt,
                const struct bs_watch *watch,
                struct bs_err *err)
{
    struct definition d = {.crypt = crypt};
    struct bs_err why = {0};
    const char *key, *own;
    bool going = false;

    if (bs_spool_name(s, "schema", d.file, err) != BS_DONE ||
        bs_spool_name(s, "schema.back", d.back, err) != BS_DONE ||
        bs_dump_text_sha256(s->pg_dump, d.file, watch, d.text, err) != BS_DONE)
        return BS_FAILED;
    key = crypt == NULL ? schema_key(arena, m, d.text, NULL) : encrypted_key(arena, crypt->dir);
    own = schema_key(arena, m, d.text, m->id);
    if (key == NULL || own == NULL)
        return BS_FAIL(err, LIMIT, "no memory set aside for the name of a definition");
    if (is_going(store, key, &going, err) != BS_DONE)
        return BS_FAILED;
    if (going)
        key = own; /* it may be gone any moment */
    if (put_and_prove(s, store, key, &d, watch, &why) != BS_DONE) {
        if (bs_watch_check(watch, err) != BS_DONE)
            return BS_FAILED;
        if (crypt != NULL)
            return bs_err_set(err, why.code, "%s", why.message);
        key = own; /* the one that is there is damaged: never build on it */
        if (put_and_prove(s, store, key, &d, watch, err) != BS_DONE)
            return BS_FAILED;
    }
    m->schema.key = key;
    m->schema.sha256 = bs_arena_str(arena, d.sha);
    m->schema.text_sha256 = bs_arena_str(arena, d.text);
    m->schema.stored_bytes = d.size;
    m->schema.encryption = crypt == NULL ? NULL : crypt->how;
    if (m->schema.sha256 == NULL || m->schema.text_sha256 == NULL)
        return BS_FAIL(err, LIMIT, "no memory set aside for the digest of a definition");
    return BS_DONE;
}
