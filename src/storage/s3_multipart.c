/*
 * s3_multipart.c - a large file in parts: begin, send parts on a few threads, complete; abort
 * whatever fails, or the parts stay and cost money where nobody sees them.
 *
 * CompleteMultipartUpload is where stores lie: it may answer 200 and say in the body that it
 * failed, since it had to begin its answer before it knew. Only an ETag in it is success.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/log.h"
#include "storage/s3.h"
#include "storage/s3_xml.h"

enum {
    THREADS = 4,
    UPLOAD_ID = 1024,
    ABORT_MS = 5000,
    ABORT_LATE_MS = 1000,           /* where somebody has stopped the upload, and waits */
    COMPLETE_MAX = 2 * 1024 * 1024, /* bytes of the list of 10,000 parts */
};

/* One upload; the threads share it. */
struct upload {
    const struct bs_s3_work *work;
    const char *key;
    const struct bs_http_source *source;
    char id[UPLOAD_ID];
    int64_t part; /* bytes of each part but the last */
    int n_parts;
    char (*etags)[BS_S3_ETAG];
    pthread_mutex_t lock; /* of what follows */
    int next;             /* index of the next part to be taken */
    struct bs_err err;    /* the first failure; ends the others */
};

static enum bs_done
begin(struct upload *u, struct bs_err *err)
{
    static const struct bs_http_source empty = {.fd = -1};
    struct bs_s3_call call = {
        .method = "POST", .key = u->key, .source = &empty, .watch = u->work->watch};
    struct bs_s3_answer a;
    char until[BS_TIME_TEXT];
    enum bs_done done;

    bs_s3_add_query(&call, "uploads", "");
    bs_s3_add_header(&call, "Content-Type", "application/octet-stream");
    bs_s3_add_lock(u->work->s3, &call, until);
    done = bs_s3_send(u->work->s3, &call, &a, err);
    if (done == BS_DONE && !bs_s3_ok(&a))
        done = bs_s3_refused(u->work->s3, &a, "begin to store", u->key, err);
    if (done == BS_DONE &&
        (!bs_s3_xml_find(bs_buf_view(&a.http.body), "InitiateMultipartUploadResult/UploadId", u->id,
                         sizeof(u->id)) ||
         u->id[0] == '\0'))
        done = BS_FAIL(err, IO, "the store begins an upload without a name for it");
    bs_s3_answer_fini(&a);
    return done;
}

static enum bs_done
send_part(struct upload *u, int i, struct bs_err *err)
{
    struct bs_http_source range = {.fd = u->source->fd, .from = u->source->from + i * u->part};
    struct bs_s3_call call = {
        .method = "PUT", .key = u->key, .source = &range, .watch = u->work->watch};
    char sha256[BS_S3_SHA256], md5[BS_S3_MD5], number[16];
    struct bs_s3_answer a = {.code = ""};
    enum bs_done done;

    range.n = i == u->n_parts - 1 ? u->source->n - i * u->part : u->part;
    if (bs_s3_digest(&range, sha256, md5, err) != BS_DONE)
        return BS_FAILED;
    call.sha256 = sha256;
    call.md5 = md5;
    (void)snprintf(number, sizeof(number), "%d", i + 1);
    bs_s3_add_query(&call, "partNumber", number);
    bs_s3_add_query(&call, "uploadId", u->id);
    done = bs_s3_send(u->work->s3, &call, &a, err);
    if (done == BS_DONE && !bs_s3_ok(&a))
        done = bs_s3_refused(u->work->s3, &a, "store a part of", u->key, err);
    if (done == BS_DONE && !bs_http_header(&a.http, "etag", u->etags[i], BS_S3_ETAG))
        done = BS_FAIL(err, IO, "the store takes a part of \"%.250s\" and gives no ETag", u->key);
    bs_s3_answer_fini(&a);
    return done;
}

/* The index of a part nobody has taken; -1 where there is none, or where one has failed. */
static int
take_part(struct upload *u)
{
    int i = -1;

    bs_assert(pthread_mutex_lock(&u->lock) == 0);
    if (u->err.code == BS_OK && u->next < u->n_parts)
        i = u->next++;
    bs_assert(pthread_mutex_unlock(&u->lock) == 0);
    return i;
}

static void *
send_parts(void *ctx)
{
    struct upload *u = ctx;
    struct bs_err err = {0};

    for (int i = take_part(u); i >= 0 && err.code == BS_OK; i = take_part(u)) {
        if (send_part(u, i, &err) == BS_DONE)
            continue;
        bs_assert(pthread_mutex_lock(&u->lock) == 0);
        if (u->err.code == BS_OK)
            u->err = err;
        bs_assert(pthread_mutex_unlock(&u->lock) == 0);
    }
    return NULL;
}

/* This thread is one of them: where no other can be made, it goes alone. */
static enum bs_done
send_all(struct upload *u, struct bs_err *err)
{
    pthread_t threads[THREADS - 1];
    size_t n = 0;

    while (n < THREADS - 1 && (int)n + 1 < u->n_parts &&
           pthread_create(&threads[n], NULL, send_parts, u) == 0)
        n++;
    (void)send_parts(u);
    while (n-- > 0)
        (void)pthread_join(threads[n], NULL);
    if (u->err.code == BS_OK)
        return BS_DONE;
    *err = u->err;
    return BS_FAILED;
}

/* An ETag is the store's text: only what needs no escaping in XML goes back to it. */
static bool
put_etag(struct bs_buf *out, const char *etag)
{
    for (const char *p = etag; *p != '\0'; p++) {
        if (*p < 0x20 || *p == 0x7f || strchr("<>&'", *p) != NULL)
            return false;
        if (*p == '"')
            bs_put_str(out, "&quot;");
        else
            bs_put_u8(out, (uint8_t)*p);
    }
    return etag[0] != '\0';
}

static enum bs_done
put_list(const struct upload *u, struct bs_buf *out, struct bs_err *err)
{
    bs_put_str(out, "<CompleteMultipartUpload>");
    for (int i = 0; i < u->n_parts; i++) {
        bs_put_fmt(out, "<Part><PartNumber>%d</PartNumber><ETag>", i + 1);
        if (!put_etag(out, u->etags[i]))
            return BS_FAIL(err, IO, "the store gave an ETag that is none");
        bs_put_str(out, "</ETag></Part>");
    }
    bs_put_str(out, "</CompleteMultipartUpload>");
    if (out->failed)
        return BS_FAIL(err, LIMIT, "there are too many parts of \"%.250s\"", u->key);
    return BS_DONE;
}

static bool
passes(const char *code)
{
    static const char *const codes[] = {"", "InternalError", "SlowDown", "ServiceUnavailable",
                                        "RequestTimeout"};

    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        if (strcmp(code, codes[i]) == 0)
            return true;
    }
    return false;
}

/* What a 200 to CompleteMultipartUpload really says: an ETag, or an error that came too late for
 * the status. Anything else is no answer at all. */
static enum bs_s3_end
read_completed(struct bs_s3_answer *a)
{
    char etag[BS_S3_ETAG];

    if (bs_s3_xml_find(bs_buf_view(&a->http.body), "CompleteMultipartUploadResult/ETag", etag,
                       sizeof(etag)) &&
        etag[0] != '\0')
        return BS_S3_ANSWERED;
    if (!bs_s3_xml_find(bs_buf_view(&a->http.body), "Error/Code", a->code, sizeof(a->code)))
        (void)snprintf(a->http.why, sizeof(a->http.why), "200 without an ETag");
    a->http.status = 500;
    return passes(a->code) ? BS_S3_AGAIN : BS_S3_ANSWERED;
}

static enum bs_s3_end
complete_once(struct upload *u,
              const struct bs_http_source *list,
              enum bs_s3_can can,
              struct bs_s3_answer *a,
              struct bs_err *err)
{
    struct bs_s3_call call = {
        .method = "POST", .key = u->key, .source = list, .watch = u->work->watch};
    char sha256[BS_S3_SHA256], md5[BS_S3_MD5];
    enum bs_s3_end end;

    *a = (struct bs_s3_answer){.code = ""};
    if (bs_s3_digest(list, sha256, md5, err) != BS_DONE)
        return BS_S3_FAILED;
    call.sha256 = sha256;
    call.md5 = md5;
    bs_s3_add_query(&call, "uploadId", u->id);
    bs_s3_add_header(&call, "Content-Type", "application/xml");
    if (can == BS_S3_HONOURS)
        bs_s3_add_header(&call, "If-None-Match", "*");
    end = bs_s3_try(u->work->s3, &call, a, err);
    return end == BS_S3_ANSWERED && bs_s3_ok(a) ? read_completed(a) : end;
}

/* After an answer that was lost, "no such upload" and "taken" may both mean that it was done. */
static enum bs_done
settle(struct upload *u, const struct bs_s3_answer *a, bool doubtful, struct bs_err *err)
{
    struct bs_err why = {0};

    if (bs_s3_ok(a))
        return BS_DONE;
    if (doubtful && (a->http.status == 404 || a->http.status == 409 || a->http.status == 412)) {
        if (bs_s3_is_ours(u->work, u->key, u->source, &why) == BS_DONE)
            return BS_DONE;
        if (why.code != BS_E_NOT_FOUND) {
            *err = why;
            return BS_FAILED;
        }
    }
    if (a->http.status == 404)
        return BS_FAIL(err, IO, "the store has lost the upload of \"%.250s\" (404 %s)", u->key,
                       a->code);
    return bs_s3_refused(u->work->s3, a, "complete", u->key, err);
}

static enum bs_done
complete(struct upload *u, const struct bs_http_source *list, struct bs_err *err)
{
    struct bs_s3_patience patience = bs_s3_patience_new(u->work->s3);
    enum bs_s3_can can = bs_s3_record_get(u->work).create_parts;
    enum bs_done done = BS_FAILED;
    bool doubtful = false, more = true;

    while (more) {
        struct bs_s3_answer a;
        enum bs_s3_end end = complete_once(u, list, can, &a, err);
        more = end == BS_S3_AGAIN;
        doubtful = doubtful || (more && a.http.sent) || a.http.twice;
        if (more && bs_s3_wait(&patience, u->work->watch, &a, err) != BS_DONE)
            more = false;
        else if (end == BS_S3_ANSWERED)
            done = settle(u, &a, doubtful, err);
        bs_s3_answer_fini(&a);
    }
    return done;
}

static enum bs_done
send_list(struct upload *u, struct bs_err *err)
{
    struct bs_http_source list = {.fd = -1};
    struct bs_buf text;
    enum bs_done done;

    bs_buf_init(&text, COMPLETE_MAX);
    done = put_list(u, &text, err);
    list.bytes = bs_buf_view(&text);
    if (done == BS_DONE)
        done = complete(u, &list, err);
    bs_buf_fini(&text);
    return done;
}

/* Works for itself alone: what ended the upload must not end its cleaning up. One attempt; what it
 * leaves is for the bucket's rule about incomplete uploads. */
static void
abandon(struct upload *u)
{
    struct bs_s3_call call = {.method = "DELETE", .key = u->key};
    struct bs_s3_answer a;
    struct bs_err err = {0}, ended = {0};
    int64_t ms = bs_watch_check(u->work->watch, &ended) == BS_DONE ? ABORT_MS : ABORT_LATE_MS;

    call.deadline_us = bs_mono_us() + ms * 1000;
    bs_s3_add_query(&call, "uploadId", u->id);
    if (bs_s3_try(u->work->s3, &call, &a, &err) != BS_S3_ANSWERED ||
        (!bs_s3_ok(&a) && a.http.status != 404))
        BS_LOG(WARNING, "parts of an upload that failed stay in the store", BS_F_STR("key", u->key),
               BS_F_INT("status", a.http.status), BS_F_STR("error", a.http.why));
    bs_s3_answer_fini(&a);
}

static enum bs_done
upload_begin(struct upload *u, struct bs_err *err)
{
    if (begin(u, err) != BS_DONE)
        return BS_FAILED;
    u->n_parts = (int)((u->source->n + u->part - 1) / u->part);
    u->etags = bs_malloc((size_t)u->n_parts * sizeof(u->etags[0]));
    bs_assert(pthread_mutex_init(&u->lock, NULL) == 0);
    return BS_DONE;
}

static void
upload_fini(struct upload *u)
{
    (void)pthread_mutex_destroy(&u->lock);
    free(u->etags);
}

enum bs_done
bs_s3_put_parts(const struct bs_s3_work *w,
                const char *key,
                const struct bs_http_source *source,
                int64_t part,
                struct bs_err *err)
{
    struct upload u = {.work = w, .key = key, .source = source, .part = part};
    struct bs_store_info info = {0};
    struct bs_err none = {0};
    enum bs_done done = BS_FAILED;

    /* Cheap beside what comes, and a store that overwrites will not be given the chance. */
    if (bs_s3_head(w, key, &info, &none) == BS_DONE)
        return BS_FAIL(err, CONFLICT, "the store has \"%.300s\" already", key);
    if (none.code != BS_E_NOT_FOUND) {
        *err = none;
        return BS_FAILED;
    }
    if (upload_begin(&u, err) != BS_DONE)
        return BS_FAILED;
    if (send_all(&u, err) == BS_DONE && send_list(&u, err) == BS_DONE)
        done = BS_DONE;
    else
        abandon(&u);
    upload_fini(&u);
    return done == BS_DONE ? bs_s3_check_lock(w, key, err) : done;
}

int
bs_s3_create_in_parts(const struct bs_s3_work *w,
                      const char *key,
                      const struct bs_http_source *source,
                      int64_t part,
                      struct bs_err *err)
{
    struct upload u = {.work = w, .key = key, .source = source, .part = part};
    struct bs_http_source list = {.fd = -1};
    struct bs_s3_answer a = {.code = ""};
    struct bs_buf text;
    int status = 0;

    if (upload_begin(&u, err) != BS_DONE)
        return 0;
    bs_buf_init(&text, COMPLETE_MAX);
    if (send_all(&u, err) == BS_DONE && put_list(&u, &text, err) == BS_DONE) {
        list.bytes = bs_buf_view(&text);
        if (complete_once(&u, &list, BS_S3_HONOURS, &a, err) != BS_S3_FAILED)
            status = a.http.status;
    }
    if (status < 200 || status > 299)
        abandon(&u);
    bs_s3_answer_fini(&a);
    bs_buf_fini(&text);
    upload_fini(&u);
    return status;
}
