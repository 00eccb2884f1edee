/*
 * local.c - a store in a local folder: a key is a path below it.
 *
 * link(2) gives the finished file its name: unlike rename it never replaces one, and a crash
 * leaves either no name or the whole file. New folders are synced into their parents, too, or
 * a power cut could take away a file whose own fsync had succeeded.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/files.h"
#include "storage/probe.h"
#include "storage/storage.h"

enum { CHUNK = 256 * 1024, MODE = 0600, TRIES = 8 };

/* The backend's own is the path of its root. */
static const char *
root_of(const struct bs_store *s)
{
    return s->backend;
}

static enum bs_done
path_of(const struct bs_store *s, const char *key, char out[PATH_MAX], struct bs_err *err)
{
    int n = snprintf(out, PATH_MAX, "%s/%s", root_of(s), key);

    if (n < 0 || n >= PATH_MAX)
        return BS_FAIL(err, LIMIT, "the path of a stored object is too long");
    return BS_DONE;
}

static void
local_close(struct bs_store *s)
{
    free(s->backend);
    free(s);
}

static enum bs_done
local_check(const char *url, struct bs_err *err)
{
    if (url[strlen("file://")] != '/')
        return BS_FAIL(err, CONFIG, "a storage url is file:///absolute/folder, this is relative");
    return BS_DONE;
}

static bool
local_here(const char *url)
{
    (void)url;
    return true;
}

static void
local_describe(const char *url, struct bs_buf *out)
{
    bs_put_fmt(out, "folder %s", url + strlen("file://"));
}

static enum bs_done
local_open(const char *url, struct bs_store **out, struct bs_err *err)
{
    const char *path = url + strlen("file://");
    size_t n = strlen(path);
    char *root;

    if (bs_dir_make(path, err) != BS_DONE)
        return BS_FAILED;
    if (access(path, R_OK | W_OK | X_OK) != 0)
        return BS_FAIL(err, IO, "cannot use folder \"%.300s\": %s", path, strerror(errno));
    while (n > 1 && path[n - 1] == '/')
        n--;
    root = bs_strdup(path);
    root[n] = '\0';
    *out = bs_malloc(sizeof(**out));
    **out = (struct bs_store){.ops = &bs_store_local, .backend = root};
    return BS_DONE;
}

/* Makes the folders of `path` below the root, each durable in its parent. Cuts path at its last
 * slash while it works. */
static enum bs_done
make_folders(const char *root, char *path, struct bs_err *err)
{
    char *last = strrchr(path, '/');

    for (char *p = path + strlen(root) + 1; p <= last; p++) {
        bool made;
        if (*p != '/')
            continue;
        *p = '\0';
        made = mkdir(path, 0700) == 0;
        if (!made && errno != EEXIST) {
            (void)BS_FAIL(err, IO, "cannot make folder \"%.300s\": %s", path, strerror(errno));
            *p = '/';
            return BS_FAILED;
        }
        if (made) {
            char *parent = strrchr(path, '/');
            *parent = '\0';
            enum bs_done synced = bs_dir_sync(path, err);
            *parent = '/';
            if (synced != BS_DONE) {
                *p = '/';
                return BS_FAILED;
            }
        }
        *p = '/';
    }
    return BS_DONE;
}

/* Writes all of `from` (a descriptor, or -1 for `content`) to fd. */
static enum bs_done
fill(const struct bs_store *s, int fd, int from, struct bs_bytes content, struct bs_err *err)
{
    uint8_t *chunk;
    enum bs_done done = BS_DONE;

    if (from < 0)
        return bs_fd_write(fd, content, "a stored object", err);
    chunk = bs_malloc(CHUNK);
    while (done == BS_DONE) {
        ssize_t got = read(from, chunk, CHUNK);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            done = BS_FAIL(err, IO, "cannot read a file to be stored: %s", strerror(errno));
        if (got <= 0)
            break;
        done = bs_watch_check(s->watch, err);
        if (done == BS_DONE)
            done = bs_fd_write(fd, (struct bs_bytes){chunk, (size_t)got}, "a stored object", err);
    }
    free(chunk);
    return done;
}

/* A new file in the folder of `path`, which is made. Its descriptor; -1 with err set. A folder that
 * was empty may be removed meanwhile (tidy); once our file is in it, it stays. */
static int
open_beside(const char *root, char *path, const char *tmp, struct bs_err *err)
{
    int fd = -1;

    for (int i = 0; fd < 0 && i < TRIES; i++) {
        *err = (struct bs_err){0};
        if (make_folders(root, path, err) == BS_DONE)
            fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, MODE);
        if (fd < 0)
            (void)BS_FAIL(err, IO, "cannot create \"%.300s\": %s", tmp, strerror(errno));
        if (fd < 0 && access(root, F_OK) != 0)
            break;
    }
    return fd;
}

/* Temporary file, content, fsync, link, fsync of the folder. */
static enum bs_done
store(struct bs_store *s, const char *key, int from, struct bs_bytes content, struct bs_err *err)
{
    char path[PATH_MAX], tmp[PATH_MAX], id[BS_ULID_TEXT];
    enum bs_done done = BS_FAILED;
    int fd, n, dir;

    if (path_of(s, key, path, err) != BS_DONE)
        return BS_FAILED;
    dir = (int)(strrchr(path, '/') - path);
    bs_ulid_new(id);
    n = snprintf(tmp, sizeof(tmp), "%.*s/.tmp-%s", dir, path, id);
    if (n < 0 || (size_t)n >= sizeof(tmp))
        return BS_FAIL(err, LIMIT, "the path of a stored object is too long");
    fd = open_beside(root_of(s), path, tmp, err);
    if (fd < 0)
        return BS_FAILED;
    if (fill(s, fd, from, content, err) != BS_DONE)
        goto out;
    if (fsync(fd) != 0) {
        (void)BS_FAIL(err, IO, "cannot sync a stored object: %s", strerror(errno));
        goto out;
    }
    if (link(tmp, path) != 0) {
        if (errno == EEXIST)
            (void)BS_FAIL(err, CONFLICT, "the store has \"%.300s\" already", key);
        else
            (void)BS_FAIL(err, IO, "cannot name \"%.300s\": %s", path, strerror(errno));
        goto out;
    }
    (void)unlink(tmp);
    path[dir] = '\0';
    done = bs_dir_sync(path, err);
out:
    close(fd);
    if (done != BS_DONE)
        (void)unlink(tmp);
    return done;
}

static enum bs_done
local_put(struct bs_store *s, const char *key, struct bs_bytes content, struct bs_err *err)
{
    return store(s, key, -1, content, err);
}

static enum bs_done
local_put_file(struct bs_store *s, const char *key, const char *path, struct bs_err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    enum bs_done done;

    if (fd < 0)
        return BS_FAIL(err, IO, "cannot open \"%.300s\": %s", path, strerror(errno));
    done = store(s, key, fd, (struct bs_bytes){NULL, 0}, err);
    close(fd);
    return done;
}

static enum bs_done
local_read(struct bs_store *s, const char *key, bs_store_sink sink, void *ctx, struct bs_err *err)
{
    char path[PATH_MAX];
    uint8_t *chunk;
    enum bs_done done = BS_DONE;
    int fd;

    if (path_of(s, key, path, err) != BS_DONE)
        return BS_FAILED;
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return BS_FAIL(err, NOT_FOUND, "the store has no \"%.300s\"", key);
    if (fd < 0)
        return BS_FAIL(err, IO, "cannot open \"%.300s\": %s", path, strerror(errno));
    chunk = bs_malloc(CHUNK);
    while (done == BS_DONE) {
        ssize_t got = read(fd, chunk, CHUNK);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            done = BS_FAIL(err, IO, "cannot read \"%.300s\": %s", path, strerror(errno));
        if (got <= 0)
            break;
        done = bs_watch_check(s->watch, err);
        if (done == BS_DONE)
            done = sink(ctx, (struct bs_bytes){chunk, (size_t)got}, err);
    }
    free(chunk);
    close(fd);
    return done;
}

static enum bs_done
local_head(struct bs_store *s, const char *key, struct bs_store_info *out, struct bs_err *err)
{
    char path[PATH_MAX];
    struct stat st;

    if (path_of(s, key, path, err) != BS_DONE)
        return BS_FAILED;
    if (lstat(path, &st) != 0) {
        if (errno == ENOENT || errno == ENOTDIR)
            return BS_FAIL(err, NOT_FOUND, "the store has no \"%.300s\"", key);
        return BS_FAIL(err, IO, "cannot look at \"%.300s\": %s", path, strerror(errno));
    }
    if (!S_ISREG(st.st_mode))
        return BS_FAIL(err, NOT_FOUND, "the store has no object \"%.300s\"", key);
    *out = (struct bs_store_info){.size = (int64_t)st.st_size};
    return BS_DONE;
}

struct listing {
    const struct bs_store *store;
    const char *prefix;
    bs_store_visit visit;
    void *ctx;
};

/* Could a key below `folder` (a key with '/' at its end, or "") start with the prefix? */
static bool
may_lead(const char *folder, const char *prefix)
{
    size_t f = strlen(folder), p = strlen(prefix);

    return strncmp(folder, prefix, f < p ? f : p) == 0;
}

static enum bs_done walk(const struct listing *l, const char *folder, struct bs_err *err);

/* One name in a folder: an object, or a folder to go down into. */
static enum bs_done
visit_name(const struct listing *l, const char *folder, const char *name, struct bs_err *err)
{
    char key[BS_KEY_MAX + 2], path[PATH_MAX];
    struct stat st;
    int n = snprintf(key, BS_KEY_MAX + 1, "%s%s", folder, name);

    if (n < 0 || n > BS_KEY_MAX)
        return BS_DONE; /* not ours: no key is that long */
    if (path_of(l->store, key, path, err) != BS_DONE)
        return BS_FAILED;
    if (lstat(path, &st) != 0 && errno == ENOENT)
        return BS_DONE; /* removed meanwhile */
    if (lstat(path, &st) != 0)
        return BS_FAIL(err, IO, "cannot look at \"%.300s\": %s", path, strerror(errno));
    if (S_ISDIR(st.st_mode)) {
        memcpy(key + n, "/", 2);
        return may_lead(key, l->prefix) ? walk(l, key, err) : BS_DONE;
    }
    if (!S_ISREG(st.st_mode) || strncmp(key, l->prefix, strlen(l->prefix)) != 0)
        return BS_DONE;
    return l->visit(l->ctx, key, (int64_t)st.st_size, err);
}

/* Byte order of keys: a folder sorts as its name with the slash, so "a.b" comes before "a/c". */
static int
by_key(const struct dirent **a, const struct dirent **b)
{
    char x[sizeof((*a)->d_name) + 1], y[sizeof((*b)->d_name) + 1];

    (void)snprintf(x, sizeof(x), "%s%s", (*a)->d_name, (*a)->d_type == DT_DIR ? "/" : "");
    (void)snprintf(y, sizeof(y), "%s%s", (*b)->d_name, (*b)->d_type == DT_DIR ? "/" : "");
    return strcmp(x, y);
}

static int
not_hidden(const struct dirent *d)
{
    return d->d_name[0] != '.';
}

static enum bs_done
walk(const struct listing *l, const char *folder, struct bs_err *err)
{
    struct dirent **names = NULL;
    char path[PATH_MAX];
    enum bs_done done = BS_DONE;
    int n;

    if (path_of(l->store, folder, path, err) != BS_DONE)
        return BS_FAILED;
    n = scandir(path, &names, not_hidden, by_key);
    if (n < 0 && errno == ENOENT && folder[0] != '\0')
        return BS_DONE; /* removed meanwhile */
    if (n < 0)
        return BS_FAIL(err, IO, "cannot list \"%.300s\": %s", path, strerror(errno));
    for (int i = 0; i < n; i++) {
        if (done == BS_DONE)
            done = visit_name(l, folder, names[i]->d_name, err);
        free(names[i]);
    }
    free(names);
    return done;
}

static enum bs_done
local_list(
    struct bs_store *s, const char *prefix, bs_store_visit visit, void *ctx, struct bs_err *err)
{
    struct listing l = {s, prefix, visit, ctx};

    return walk(&l, "", err);
}

/* Removes folders that have become empty, from the object's upwards. */
static void
tidy(const char *root, char *path)
{
    for (;;) {
        char *slash = strrchr(path, '/');
        *slash = '\0';
        if (strcmp(path, root) == 0 || rmdir(path) != 0)
            return;
    }
}

static enum bs_done
local_remove(struct bs_store *s, const char *key, enum bs_removed *how, struct bs_err *err)
{
    char path[PATH_MAX];
    char *slash;

    if (path_of(s, key, path, err) != BS_DONE)
        return BS_FAILED;
    if (unlink(path) != 0 && errno != ENOENT && errno != ENOTDIR) {
        if (errno == EACCES || errno == EPERM || errno == EROFS)
            return BS_FAIL(err, FORBIDDEN, "may not delete \"%.300s\": %s", path, strerror(errno));
        return BS_FAIL(err, IO, "cannot delete \"%.300s\": %s", path, strerror(errno));
    }
    slash = strrchr(path, '/');
    *slash = '\0';
    if (access(path, F_OK) == 0 && bs_dir_sync(path, err) != BS_DONE)
        return BS_FAILED;
    *slash = '/';
    tidy(root_of(s), path);
    *how = BS_REMOVED_GONE;
    return BS_DONE;
}

static void
local_probe(struct bs_store *s, const char *folder, struct bs_probe_report *r)
{
    (void)folder;
    (void)snprintf(r->place, sizeof(r->place), "%.300s", root_of(s));
    bs_probe_fact(r, "delete", "allowed");
    bs_probe_note(r, BS_PROBE_INFO, "delete",
                  "s3:// with a key that may not delete, or with an Object Lock, outlives that",
                  "whoever is the gateway's user on this machine can delete what lies in %.200s",
                  root_of(s));
}

const struct bs_store_ops bs_store_local = {
    .scheme = "file",
    .here = local_here,
    .check = local_check,
    .describe = local_describe,
    .open = local_open,
    .close = local_close,
    .put = local_put,
    .put_file = local_put_file,
    .read = local_read,
    .head = local_head,
    .list = local_list,
    .remove = local_remove,
    .probe = local_probe,
};
