/*
 * http.c - libcurl's multi interface with one transfer in it: unlike curl_easy_perform it lets us
 * wait for the watch's pipe, too.
 *
 * An easy handle lives in its own multi handle, which keeps the connections. Idle pairs are kept
 * for whoever comes next.
 */
#include "storage/http.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"

enum {
    IDLE = 8,          /* pairs kept */
    IDLE_S = 15,       /* a connection that was not used for longer is not used again */
    CONNECT_MS = 10000 /* name, connection and TLS */
};

struct pair {
    CURLM *multi;
    CURL *easy;
    bool used;
};

struct bs_http {
    struct bs_http_options options;
    char *ca_file;
    pthread_mutex_t lock;
    struct pair idle[IDLE];
    size_t n_idle;
};

/* One transfer, as libcurl's callbacks see it. */
struct transfer {
    const struct bs_http_request *request;
    struct bs_http_answer *answer;
    struct bs_err *err;
    int64_t read;   /* bytes of the source that were handed out */
    bool ended;     /* `err` is set */
    bool late;      /* nothing moved any more, or the deadline is over */
    bool too_large; /* the answer passed a ceiling */
};

static void
start_curl(void)
{
    bs_assert(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK);
}

struct bs_http *
bs_http_new(const struct bs_http_options *options)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct bs_http *h = bs_malloc(sizeof(*h));

    bs_assert(pthread_once(&once, start_curl) == 0);
    h->options = *options;
    h->ca_file = bs_strdup(options->ca_file);
    bs_assert(pthread_mutex_init(&h->lock, NULL) == 0);
    return h;
}

static void
pair_free(struct pair *p)
{
    curl_easy_cleanup(p->easy);
    (void)curl_multi_cleanup(p->multi);
}

void
bs_http_free(struct bs_http **h)
{
    if (*h == NULL)
        return;
    for (size_t i = 0; i < (*h)->n_idle; i++)
        pair_free(&(*h)->idle[i]);
    (void)pthread_mutex_destroy(&(*h)->lock);
    free((*h)->ca_file);
    free(*h);
    *h = NULL;
}

static struct pair
pair_take(struct bs_http *h)
{
    struct pair p = {0};

    bs_assert(pthread_mutex_lock(&h->lock) == 0);
    if (h->n_idle != 0)
        p = h->idle[--h->n_idle];
    bs_assert(pthread_mutex_unlock(&h->lock) == 0);
    if (p.easy == NULL) {
        p.multi = curl_multi_init();
        p.easy = curl_easy_init();
        bs_assert(p.multi != NULL && p.easy != NULL);
    }
    return p;
}

static void
pair_put(struct bs_http *h, struct pair p)
{
    bool keep;

    curl_easy_reset(p.easy);
    p.used = true;
    bs_assert(pthread_mutex_lock(&h->lock) == 0);
    keep = h->n_idle < IDLE;
    if (keep)
        h->idle[h->n_idle++] = p;
    bs_assert(pthread_mutex_unlock(&h->lock) == 0);
    if (!keep)
        pair_free(&p);
}

/* --- what libcurl calls --- */

static int64_t
source_size(const struct bs_http_source *s)
{
    return s->fd < 0 ? (int64_t)s->bytes.n : s->n;
}

static size_t
on_read(char *to, size_t each, size_t count, void *ctx)
{
    struct transfer *t = ctx;
    const struct bs_http_source *s = t->request->source;
    int64_t left = source_size(s) - t->read;
    size_t n = each * count;
    ssize_t got;

    if ((int64_t)n > left)
        n = (size_t)left;
    if (s->fd < 0) {
        if (n != 0)
            memcpy(to, s->bytes.p + t->read, n);
        got = (ssize_t)n;
    } else {
        do
            got = pread(s->fd, to, n, (off_t)(s->from + t->read));
        while (got < 0 && errno == EINTR);
    }
    if (got < 0 || (got == 0 && n != 0)) {
        (void)BS_FAIL(t->err, IO, "cannot read a file to be stored: %s",
                      got < 0 ? strerror(errno) : "it is shorter now");
        t->ended = true;
        return CURL_READFUNC_ABORT;
    }
    t->read += got;
    t->answer->sent = t->answer->sent || t->read == source_size(s);
    return (size_t)got;
}

/* libcurl starts again where a kept connection was found closed. */
static int
on_seek(void *ctx, curl_off_t offset, int origin)
{
    struct transfer *t = ctx;

    if (origin != SEEK_SET)
        return CURL_SEEKFUNC_CANTSEEK;
    t->read = offset;
    return CURL_SEEKFUNC_OK;
}

static size_t
on_body(char *from, size_t each, size_t count, void *ctx)
{
    struct transfer *t = ctx;
    struct bs_bytes piece = {(const uint8_t *)from, each * count};
    struct bs_http_answer *a = t->answer;

    if (t->request->sink != NULL && (a->status == 200 || a->status == 206)) {
        if (t->request->sink(t->request->ctx, piece, t->err) != BS_DONE) {
            t->ended = true;
            return 0;
        }
        a->sunk += (int64_t)piece.n;
        return piece.n;
    }
    bs_put_bytes(&a->body, piece);
    t->too_large = a->body.failed;
    return a->body.failed ? 0 : piece.n;
}

/* "HTTP/1.1 200 OK" */
static void
take_status(struct transfer *t, struct bs_bytes line)
{
    const uint8_t *space = memchr(line.p, ' ', line.n);
    int status = 0;

    bs_buf_clear(&t->answer->heads); /* an interim answer's went before */
    for (size_t i = space == NULL ? line.n : (size_t)(space - line.p) + 1;
         i < line.n && line.p[i] >= '0' && line.p[i] <= '9' && status < 100; i++)
        status = status * 10 + (line.p[i] - '0');
    t->answer->status = status < 100 ? 0 : status;
}

static size_t
on_head(char *from, size_t each, size_t count, void *ctx)
{
    struct transfer *t = ctx;
    struct bs_bytes line = {(const uint8_t *)from, each * count};
    struct bs_buf *heads = &t->answer->heads;
    bool name = true;

    t->answer->sent = true;
    if (line.n > 5 && memcmp(line.p, "HTTP/", 5) == 0) {
        take_status(t, line);
        return line.n;
    }
    for (size_t i = 0; i < line.n && line.p[i] != '\r' && line.p[i] != '\n'; i++) {
        uint8_t c = line.p[i];
        name = name && c != ':';
        bs_put_u8(heads, name && c >= 'A' && c <= 'Z' ? (uint8_t)(c + 'a' - 'A') : c);
    }
    bs_put_u8(heads, '\n');
    t->too_large = heads->failed;
    return heads->failed ? 0 : line.n;
}

/* pg_dump and pg_restore are started beside us: they are not to hold our connections open. */
static int
on_socket(void *ctx, curl_socket_t fd, curlsocktype purpose)
{
    (void)ctx;
    (void)purpose;
    return fcntl(fd, F_SETFD, FD_CLOEXEC) == 0 ? CURL_SOCKOPT_OK : CURL_SOCKOPT_ERROR;
}

/* --- one transfer --- */

static struct curl_slist *
header_list(const struct bs_http_request *r)
{
    struct curl_slist *list = NULL;

    for (size_t i = 0; i < BS_HTTP_HEADERS && r->headers[i] != NULL; i++) {
        struct curl_slist *more = curl_slist_append(list, r->headers[i]);
        bs_assert(more != NULL);
        list = more;
    }
    return list;
}

#define SET(option, value) bs_assert(curl_easy_setopt(e, (option), (value)) == CURLE_OK)

static void
set_request(CURL *e, struct transfer *t)
{
    const struct bs_http_request *r = t->request;

    SET(CURLOPT_URL, r->url);
    if (r->source != NULL) {
        SET(CURLOPT_UPLOAD, 1L);
        SET(CURLOPT_INFILESIZE_LARGE, (curl_off_t)source_size(r->source));
        SET(CURLOPT_READFUNCTION, on_read);
        SET(CURLOPT_READDATA, t);
        SET(CURLOPT_SEEKFUNCTION, on_seek);
        SET(CURLOPT_SEEKDATA, t);
        SET(CURLOPT_UPLOAD_BUFFERSIZE, 256L * 1024);
    }
    if (strcmp(r->method, "HEAD") == 0)
        SET(CURLOPT_NOBODY, 1L);
    else
        SET(CURLOPT_CUSTOMREQUEST, r->method);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, t);
    SET(CURLOPT_HEADERFUNCTION, on_head);
    SET(CURLOPT_HEADERDATA, t);
    SET(CURLOPT_BUFFERSIZE, 256L * 1024);
}

static void
set_transport(CURL *e, const struct bs_http *h, char text[CURL_ERROR_SIZE])
{
    text[0] = '\0';
    SET(CURLOPT_ERRORBUFFER, text);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_PATH_AS_IS, 1L);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
    SET(CURLOPT_MAXAGE_CONN, (long)IDLE_S);
    SET(CURLOPT_TCP_NODELAY, 1L);
    SET(CURLOPT_SOCKOPTFUNCTION, on_socket);
    SET(CURLOPT_QUICK_EXIT, 1L); /* a name server that hangs does not hold up who gives up */
    if (h->ca_file != NULL)
        SET(CURLOPT_CAINFO, h->ca_file);
    if (h->options.direct)
        SET(CURLOPT_NOPROXY, "*");
}

static int64_t
moved(CURL *e)
{
    curl_off_t up = 0, down = 0;

    (void)curl_easy_getinfo(e, CURLINFO_SIZE_UPLOAD_T, &up);
    (void)curl_easy_getinfo(e, CURLINFO_SIZE_DOWNLOAD_T, &down);
    return (int64_t)up + (int64_t)down;
}

/* Until the transfer ends, the watch says stop, the time is over or nothing moves any more. */
static CURLcode
drive(struct bs_http *h, struct pair *p, struct transfer *t)
{
    const struct bs_watch *watch = t->request->watch;
    int64_t at = moved(p->easy), since = bs_mono_us();
    struct curl_waitfd wake = {0};
    int running = 1;

    if (watch != NULL)
        wake = (struct curl_waitfd){.fd = watch->wake[0], .events = CURL_WAIT_POLLIN};
    for (;;) {
        int64_t now;
        if (bs_watch_check(watch, t->err) != BS_DONE) {
            t->ended = true;
            return CURLE_ABORTED_BY_CALLBACK;
        }
        if (curl_multi_perform(p->multi, &running) != CURLM_OK)
            return CURLE_FAILED_INIT;
        if (running == 0) {
            int left;
            const CURLMsg *m = curl_multi_info_read(p->multi, &left);
            return m == NULL ? CURLE_FAILED_INIT : m->data.result;
        }
        now = bs_mono_us();
        if (moved(p->easy) != at) {
            at = moved(p->easy);
            since = now;
        }
        if (now - since > (int64_t)h->options.stall_ms * 1000 ||
            (t->request->deadline_us != 0 && now >= t->request->deadline_us)) {
            t->late = true;
            return CURLE_OPERATION_TIMEDOUT;
        }
        if (curl_multi_poll(p->multi, &wake, watch == NULL ? 0 : 1,
                            watch == NULL ? 200 : bs_watch_left_ms(watch, 200), NULL) != CURLM_OK)
            return CURLE_FAILED_INIT;
    }
}

/* Without a length or chunks an answer ends where the connection does, cut short or not. */
static bool
has_no_end(const struct bs_http_answer *a, const struct bs_http_request *r)
{
    char text[64];

    return r->sink != NULL && (a->status == 200 || a->status == 206) &&
           !bs_http_header(a, "content-length", text, sizeof(text)) &&
           !bs_http_header(a, "transfer-encoding", text, sizeof(text));
}

/* What another attempt cannot change. */
static enum bs_http_end
distrust(const char *text, struct bs_err *err)
{
    (void)BS_FAIL(err, CONFIG, "the store's certificate is not trusted: %.300s", text);
    bs_err_hint(err, "ca_file=/path in the storage url names the authority that signed it");
    return BS_HTTP_FAILED;
}

static enum bs_http_end
judge(const struct transfer *t, CURLcode code, const char *text)
{
    struct bs_http_answer *a = t->answer;

    if (t->ended)
        return BS_HTTP_FAILED;
    if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE)
        return distrust(text[0] != '\0' ? text : curl_easy_strerror(code), t->err);
    if (t->too_large)
        (void)snprintf(a->why, sizeof(a->why), "the answer is larger than any that is expected");
    else if (t->late)
        (void)snprintf(a->why, sizeof(a->why), BS_HTTP_LATE);
    else if (code != CURLE_OK)
        (void)snprintf(a->why, sizeof(a->why), "%.150s",
                       text[0] != '\0' ? text : curl_easy_strerror(code));
    else if (a->status == 0)
        (void)snprintf(a->why, sizeof(a->why), "the answer is not HTTP");
    else if (has_no_end(a, t->request))
        (void)snprintf(a->why, sizeof(a->why), "the answer does not say how long it is");
    return a->why[0] == '\0' ? BS_HTTP_ANSWERED : BS_HTTP_BROKEN;
}

enum bs_http_end
bs_http_send(struct bs_http *h,
             const struct bs_http_request *r,
             struct bs_http_answer *out,
             struct bs_err *err)
{
    struct transfer t = {.request = r, .answer = out, .err = err};
    struct pair p = pair_take(h);
    struct curl_slist *headers = header_list(r);
    char text[CURL_ERROR_SIZE];
    long connects = 0;
    CURLcode code;

    *out = (struct bs_http_answer){.sent = r->source == NULL || source_size(r->source) == 0};
    bs_buf_init(&out->heads, BS_HTTP_HEADS_MAX);
    bs_buf_init(&out->body, BS_HTTP_BODY_MAX);
    set_transport(p.easy, h, text);
    set_request(p.easy, &t);
    bs_assert(curl_easy_setopt(p.easy, CURLOPT_HTTPHEADER, headers) == CURLE_OK);
    bs_assert(curl_multi_add_handle(p.multi, p.easy) == CURLM_OK);
    code = drive(h, &p, &t);
    (void)curl_easy_getinfo(p.easy, CURLINFO_NUM_CONNECTS, &connects);
    (void)curl_multi_remove_handle(p.multi, p.easy);
    out->twice = p.used && connects != 0;
    curl_slist_free_all(headers);
    pair_put(h, p);
    return judge(&t, code, text);
}

void
bs_http_answer_fini(struct bs_http_answer *a)
{
    bs_buf_fini(&a->heads);
    bs_buf_fini(&a->body);
}

bool
bs_http_header(const struct bs_http_answer *a, const char *name, char *out, size_t size)
{
    size_t n = strlen(name);

    out[0] = '\0';
    for (size_t at = 0; at < a->heads.n;) {
        const char *line = (const char *)a->heads.p + at;
        const char *end = memchr(line, '\n', a->heads.n - at);
        size_t len = (size_t)(end - line); /* every line has its end */
        at += len + 1;
        if (len <= n || memcmp(line, name, n) != 0 || line[n] != ':')
            continue;
        line += n + 1;
        for (; line < end && *line == ' '; line++)
            continue;
        (void)snprintf(out, size, "%.*s", (int)(end - line), line);
        return true;
    }
    return false;
}
