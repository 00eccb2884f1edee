/*
 * storage.c - the front of every backend: finds it by its scheme and lets only checked keys in.
 */
#include "storage/storage.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/files.h"

static const struct bs_store_ops *const backends[] = {&bs_store_local, &bs_store_s3};

/* NULL, and err is set, where the scheme is of none. */
static const struct bs_store_ops *
backend_of(const char *url, struct bs_err *err)
{
    for (size_t i = 0; i < sizeof(backends) / sizeof(backends[0]); i++) {
        size_t n = strlen(backends[i]->scheme);
        if (strncmp(url, backends[i]->scheme, n) == 0 && strncmp(url + n, "://", 3) == 0)
            return backends[i];
    }
    /* The URL may hold credentials, so it is not quoted. */
    (void)BS_FAIL(err, CONFIG, "the storage url has no scheme that this version knows");
    bs_err_hint(err, "use file:///absolute/folder or s3://bucket/prefix?endpoint=...");
    return NULL;
}

enum bs_done
bs_store_check(const char *url, struct bs_err *err)
{
    const struct bs_store_ops *ops = backend_of(url, err);

    return ops == NULL ? BS_FAILED : ops->check(url, err);
}

void
bs_store_describe(const char *url, struct bs_buf *out)
{
    struct bs_err unknown = {0};
    const struct bs_store_ops *ops = backend_of(url, &unknown);

    if (ops != NULL)
        ops->describe(url, out);
}

enum bs_done
bs_store_open(const char *url, struct bs_store **out, struct bs_err *err)
{
    const struct bs_store_ops *ops = backend_of(url, err);

    *out = NULL;
    if (ops == NULL || ops->check(url, err) != BS_DONE)
        return BS_FAILED;
    return ops->open(url, out, err);
}

bool
bs_store_is_here(const char *url)
{
    struct bs_err unknown = {0};
    const struct bs_store_ops *ops = backend_of(url, &unknown);

    return ops == NULL || ops->here(url);
}

void
bs_store_close(struct bs_store **s)
{
    if (*s == NULL)
        return;
    if ((*s)->keys != NULL)
        (*s)->keys_free(&(*s)->keys);
    (*s)->ops->close(*s);
    *s = NULL;
}

bool
bs_store_silent(enum bs_code code)
{
    return code != BS_OK && code != BS_E_NOT_FOUND && code != BS_E_DATA && code != BS_E_DAMAGED &&
           code != BS_E_LIMIT;
}

struct bs_store
bs_store_watched(const struct bs_store *s, const struct bs_watch *watch)
{
    struct bs_store view = *s;

    view.watch = watch;
    return view;
}

enum bs_done
bs_store_put(struct bs_store *s, const char *key, struct bs_bytes content, struct bs_err *err)
{
    if (bs_key_check(key, err) != BS_DONE)
        return BS_FAILED;
    return s->ops->put(s, key, content, err);
}

enum bs_done
bs_store_put_file(struct bs_store *s, const char *key, const char *path, struct bs_err *err)
{
    if (bs_key_check(key, err) != BS_DONE)
        return BS_FAILED;
    return s->ops->put_file(s, key, path, err);
}

enum bs_done
bs_store_read(
    struct bs_store *s, const char *key, bs_store_sink sink, void *ctx, struct bs_err *err)
{
    if (bs_key_check(key, err) != BS_DONE)
        return BS_FAILED;
    return s->ops->read(s, key, sink, ctx, err);
}

enum bs_done
bs_store_head(struct bs_store *s, const char *key, struct bs_store_info *out, struct bs_err *err)
{
    if (bs_key_check(key, err) != BS_DONE)
        return BS_FAILED;
    return s->ops->head(s, key, out, err);
}

enum bs_done
bs_store_remove(struct bs_store *s, const char *key, enum bs_removed *how, struct bs_err *err)
{
    *how = BS_REMOVED_NOT;
    if (bs_key_check(key, err) != BS_DONE || bs_watch_check(s->watch, err) != BS_DONE)
        return BS_FAILED;
    return s->ops->remove(s, key, how, err);
}

enum bs_done
bs_store_list(
    struct bs_store *s, const char *prefix, bs_store_visit visit, void *ctx, struct bs_err *err)
{
    char key[BS_KEY_MAX + 1];
    size_t n = strlen(prefix);

    if (n >= BS_KEY_MAX)
        return BS_FAIL(err, DATA, "the prefix of a listing is too long");
    /* What a prefix starts must be able to become a key. */
    memcpy(key, prefix, n);
    memcpy(key + n, "x", 2);
    if (bs_key_check(key, err) != BS_DONE)
        return BS_FAILED;
    return s->ops->list(s, prefix, visit, ctx, err);
}

static enum bs_done
sink_buf(void *ctx, struct bs_bytes piece, struct bs_err *err)
{
    struct bs_buf *out = ctx;

    bs_put_bytes(out, piece);
    if (out->failed)
        return BS_FAIL(err, LIMIT, "the object is larger than %zu bytes", out->max);
    return BS_DONE;
}

enum bs_done
bs_store_get(struct bs_store *s, const char *key, struct bs_buf *out, struct bs_err *err)
{
    return bs_store_read(s, key, sink_buf, out, err);
}

static enum bs_done
sink_fd(void *ctx, struct bs_bytes piece, struct bs_err *err)
{
    const int *fd = ctx;

    return bs_fd_write(*fd, piece, "copy of an object", err);
}

enum bs_done
bs_store_get_file(struct bs_store *s, const char *key, const char *path, struct bs_err *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    enum bs_done done;

    if (fd < 0 && errno == EEXIST)
        return BS_FAIL(err, CONFLICT, "\"%.300s\" exists already", path);
    if (fd < 0)
        return BS_FAIL(err, IO, "cannot create \"%.300s\": %s", path, strerror(errno));
    done = bs_store_read(s, key, sink_fd, &fd, err);
    if (close(fd) != 0 && done == BS_DONE)
        done = BS_FAIL(err, IO, "cannot close \"%.300s\": %s", path, strerror(errno));
    if (done != BS_DONE)
        (void)unlink(path);
    return done;
}
