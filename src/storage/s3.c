/*
 * s3.c - opening a store, and the operations that look at one object: head and read.
 *
 * Opening speaks to nobody: a gateway must come up, and let pass what destroys nothing, while its
 * store is away. What is wrong with the URL or the credentials is told at once.
 */
#include "storage/s3.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "storage/s3_page.h"

enum {
    PART = 16 << 20,      /* files up to this size go in one request, larger ones in such parts */
    PARTS_MAX = 10000,    /* of S3 */
    STALL_MOST_MS = 30000 /* without a byte, before a request is given up and tried again */
};

static struct bs_s3_work
work_of(const struct bs_store *s)
{
    return (struct bs_s3_work){s->backend, s->watch};
}

static enum bs_done
s3_check(const char *url, struct bs_err *err)
{
    struct bs_s3_place place = {.path_style = false};

    return bs_s3_place_read(url, &place, err);
}

static bool
s3_here(const char *url)
{
    struct bs_s3_place place = {.path_style = false};
    struct bs_err wrong = {0};

    return bs_s3_place_read(url, &place, &wrong) != BS_DONE || place.loopback;
}

static void
s3_describe(const char *url, struct bs_buf *out)
{
    struct bs_s3_place p = {.path_style = false};
    struct bs_err wrong = {0};

    if (bs_s3_place_read(url, &p, &wrong) != BS_DONE)
        return;
    bs_put_fmt(out, "bucket %s, prefix \"%s\", at %s, region %s, %s style", p.bucket, p.prefix,
               p.endpoint, p.region, p.path_style ? "path" : "virtual-host");
    if (p.lock != BS_S3_LOCK_NONE)
        bs_put_fmt(out, ", locked %s for %d day%s", bs_s3_lock_name(p.lock), p.lock_days,
                   p.lock_days == 1 ? "" : "s");
}

static void
s3_close(struct bs_store *store)
{
    struct bs_s3 *s = store->backend;

    bs_http_free(&s->http);
    bs_s3_credentials_fini(&s->credentials);
    (void)pthread_mutex_destroy(&s->lock);
    free(s);
    free(store);
}

static enum bs_done
s3_open(const char *url, struct bs_store **out, struct bs_err *err)
{
    struct bs_s3 *s = bs_malloc(sizeof(*s));
    struct bs_http_options options = {0};

    if (bs_s3_place_read(url, &s->place, err) != BS_DONE ||
        bs_s3_credentials_read(&s->place, &s->credentials, err) != BS_DONE) {
        free(s);
        return BS_FAILED;
    }
    options.ca_file = s->place.ca_file[0] == '\0' ? NULL : s->place.ca_file;
    options.direct = s->place.loopback;
    options.stall_ms =
        s->place.timeout_ms / 2 < STALL_MOST_MS ? s->place.timeout_ms / 2 : STALL_MOST_MS;
    s->http = bs_http_new(&options);
    bs_assert(pthread_mutex_init(&s->lock, NULL) == 0);
    *out = bs_malloc(sizeof(**out));
    **out = (struct bs_store){.ops = &bs_store_s3, .backend = s};
    return BS_DONE;
}

/* --- head --- */

static void
take_lock(const struct bs_s3_answer *a, struct bs_store_info *out)
{
    char until[BS_TIME_TEXT];
    struct bs_err bad = {0};

    if (!bs_http_header(&a->http, "x-amz-object-lock-mode", out->lock, sizeof(out->lock)) ||
        !bs_http_header(&a->http, "x-amz-object-lock-retain-until-date", until, sizeof(until)) ||
        bs_time_parse(until, &out->locked_until_us, &bad) != BS_DONE) {
        out->lock[0] = '\0';
        out->locked_until_us = 0;
    }
}

/* The answer to a HEAD has no body, so none that says why. A GET of one byte is refused alike. */
static enum bs_done
head_refused(const struct bs_s3_work *w,
             const char *key,
             const struct bs_s3_answer *a,
             struct bs_err *err)
{
    struct bs_s3_call call = {.method = "GET", .key = key, .watch = w->watch};
    struct bs_s3_answer why = {.code = ""};
    enum bs_done done;

    if (a->http.status == 404 || a->http.status == 405)
        return bs_s3_refused(w->s3, a, "look at", key, err);
    bs_s3_add_header(&call, "Range", "bytes=0-0");
    if (bs_s3_send(w->s3, &call, &why, err) != BS_DONE)
        done = BS_FAILED;
    else
        done = bs_s3_refused(w->s3, bs_s3_ok(&why) ? a : &why, "look at", key, err);
    bs_s3_answer_fini(&why);
    return done;
}

enum bs_done
bs_s3_head(const struct bs_s3_work *w,
           const char *key,
           struct bs_store_info *out,
           struct bs_err *err)
{
    struct bs_s3_call call = {.method = "HEAD", .key = key, .watch = w->watch};
    struct bs_s3_answer a;
    char length[32];
    enum bs_done done = bs_s3_send(w->s3, &call, &a, err);

    if (done == BS_DONE && a.http.status != 200)
        done = head_refused(w, key, &a, err);
    if (done == BS_DONE) {
        (void)bs_http_header(&a.http, "content-length", length, sizeof(length));
        *out = (struct bs_store_info){.size = bs_s3_number(length)};
        take_lock(&a, out);
        if (out->size < 0)
            done = BS_FAIL(err, IO, "the store does not say how large \"%.300s\" is", key);
    }
    bs_s3_answer_fini(&a);
    return done;
}

/* --- read --- */

/* One object on its way, over as many answers as it takes. */
struct reading {
    bs_store_sink sink;
    void *ctx;
    const struct bs_watch *watch;
    struct bs_s3_answer answer; /* the one that is coming in now */
    int64_t at;                 /* bytes that the sink has */
    int64_t size;               /* of the object; -1 until the first answer */
    char etag[BS_S3_ETAG];
};

/* Where this answer's body begins, from "bytes 5-9/10"; -1 where it is not what was asked for. */
static int64_t
begins_at(struct reading *r)
{
    char range[96], length[32], *dash, *slash;

    if (r->answer.http.status == 200) {
        (void)bs_http_header(&r->answer.http, "content-length", length, sizeof(length));
        if (r->size < 0)
            r->size = bs_s3_number(length); /* -1: chunked, its end is in the chunks */
        return 0;
    }
    if (!bs_http_header(&r->answer.http, "content-range", range, sizeof(range)) ||
        strncmp(range, "bytes ", 6) != 0 || (dash = strchr(range, '-')) == NULL ||
        (slash = strchr(dash, '/')) == NULL)
        return -1;
    *dash = *slash = '\0';
    if (bs_s3_number(slash + 1) != r->size)
        return -1;
    return bs_s3_number(range + 6);
}

static enum bs_done
take_piece(void *ctx, struct bs_bytes piece, struct bs_err *err)
{
    struct reading *r = ctx;
    int64_t at;

    if (r->answer.http.sunk == 0) {
        at = begins_at(r);
        if (at < 0 || at != r->at)
            return BS_FAIL(err, IO,
                           "the store gives another range of an object than was asked for");
        if (r->etag[0] == '\0')
            (void)bs_http_header(&r->answer.http, "etag", r->etag, sizeof(r->etag));
    }
    if (r->size >= 0 && (int64_t)piece.n > r->size - r->at)
        return BS_FAIL(err, IO, "the store gives more of an object than there is");
    r->at += (int64_t)piece.n;
    return r->sink(r->ctx, piece, err);
}

/* Asks for the whole, or for what is still missing of the same object. */
static enum bs_s3_end
read_on(const struct bs_s3_work *w, const char *key, struct reading *r, struct bs_err *err)
{
    struct bs_s3_call call = {
        .method = "GET", .key = key, .sink = take_piece, .ctx = r, .watch = w->watch};
    char range[48];

    if (r->at != 0) {
        (void)snprintf(range, sizeof(range), "bytes=%lld-", (long long)r->at);
        bs_s3_add_header(&call, "Range", range);
        bs_s3_add_header(&call, "If-Match", r->etag);
    }
    return bs_s3_try(w->s3, &call, &r->answer, err);
}

/* An answer has come whole: is it the object, and all of it? */
static enum bs_done
read_ended(const struct bs_s3_work *w, const char *key, const struct reading *r, struct bs_err *err)
{
    if (r->answer.http.status != 200 && r->answer.http.status != 206) {
        if (r->at != 0 && r->answer.http.status == 412)
            return BS_FAIL(err, DAMAGED, "\"%.300s\" has changed while it was read", key);
        return bs_s3_refused(w->s3, &r->answer, "read", key, err);
    }
    if (r->size >= 0 && r->at != r->size)
        return BS_FAIL(err, IO, "the store gives %lld of %lld bytes of \"%.300s\"",
                       (long long)r->at, (long long)r->size, key);
    return BS_DONE;
}

enum bs_done
bs_s3_read(
    const struct bs_s3_work *w, const char *key, bs_store_sink sink, void *ctx, struct bs_err *err)
{
    struct reading r = {.sink = sink, .ctx = ctx, .watch = w->watch, .size = -1};
    struct bs_s3_patience patience = bs_s3_patience_new(w->s3);
    enum bs_done done = BS_FAILED;
    enum bs_s3_end end;

    while ((end = read_on(w, key, &r, err)) == BS_S3_AGAIN) {
        /* Each byte is worth the whole patience; without a length or a name one cannot go on. */
        if (r.answer.http.sunk != 0)
            patience = bs_s3_patience_new(w->s3);
        if (r.at != 0 && (r.size < 0 || r.etag[0] == '\0')) {
            (void)bs_s3_refused(w->s3, &r.answer, "read", key, err);
            break;
        }
        if (bs_s3_wait(&patience, w->watch, &r.answer, err) != BS_DONE)
            break;
        bs_s3_answer_fini(&r.answer);
    }
    if (end == BS_S3_ANSWERED)
        done = read_ended(w, key, &r, err);
    bs_s3_answer_fini(&r.answer);
    return done;
}

/* --- the backend --- */

static enum bs_done
s3_head(struct bs_store *s, const char *key, struct bs_store_info *out, struct bs_err *err)
{
    struct bs_s3_work w = work_of(s);

    return bs_s3_head(&w, key, out, err);
}

static enum bs_done
s3_read(struct bs_store *s, const char *key, bs_store_sink sink, void *ctx, struct bs_err *err)
{
    struct bs_s3_work w = work_of(s);

    return bs_s3_read(&w, key, sink, ctx, err);
}

static enum bs_done
s3_list(struct bs_store *s, const char *prefix, bs_store_visit visit, void *ctx, struct bs_err *err)
{
    struct bs_s3_work w = work_of(s);

    return bs_s3_list(&w, prefix, BS_S3_PAGE, visit, ctx, err);
}

static enum bs_done
s3_put(struct bs_store *s, const char *key, struct bs_bytes b, struct bs_err *err)
{
    const struct bs_http_source source = {.bytes = b, .fd = -1};
    struct bs_s3_work w = work_of(s);

    return bs_s3_put(&w, key, &source, err);
}

static enum bs_done
s3_put_file(struct bs_store *s, const char *key, const char *path, struct bs_err *err)
{
    struct bs_s3_work w = work_of(s);
    struct bs_http_source source = {.fd = open(path, O_RDONLY | O_CLOEXEC)};
    struct stat st = {0};
    int64_t part = PART;
    enum bs_done done;

    if (source.fd < 0)
        return BS_FAIL(err, IO, "cannot open \"%.300s\": %s", path, strerror(errno));
    if (fstat(source.fd, &st) != 0) {
        done = BS_FAIL(err, IO, "cannot look at \"%.300s\": %s", path, strerror(errno));
    } else {
        source.n = (int64_t)st.st_size;
        while (source.n / part >= PARTS_MAX)
            part *= 2;
        done = source.n > part ? bs_s3_put_parts(&w, key, &source, part, err)
                               : bs_s3_put(&w, key, &source, err);
    }
    (void)close(source.fd);
    return done;
}

static enum bs_done
s3_remove(struct bs_store *s, const char *key, enum bs_removed *how, struct bs_err *err)
{
    struct bs_s3_work w = work_of(s);

    return bs_s3_remove(&w, key, how, err);
}

const struct bs_store_ops bs_store_s3 = {
    .scheme = "s3",
    .here = s3_here,
    .check = s3_check,
    .describe = s3_describe,
    .open = s3_open,
    .close = s3_close,
    .put = s3_put,
    .put_file = s3_put_file,
    .read = s3_read,
    .head = s3_head,
    .list = s3_list,
    .remove = s3_remove,
    .probe = bs_s3_probe,
};
