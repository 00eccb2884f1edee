/*
 * s3_request.c - one request to an S3 server: signed and sent; and how long one goes on trying.
 *
 * What is worth another try is decided here and nowhere else: no answer at all, 408, 429, 5xx but
 * those that will not change. Any other 4xx is final. Credentials that have expired are read once
 * more, since somebody may have put new ones there.
 */
#include <ctype.h>
#include <errno.h>
#include <openssl/evp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "storage/s3.h"
#include "storage/s3_xml.h"

#define EMPTY_SHA256 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

enum {
    URL_MAX = 16 * 1024,
    HEADER_MAX = 8 * 1024,
    CHUNK = 256 * 1024,
    PAUSE_MS = 100,       /* the first pause is at most as long, the next twice ... */
    PAUSE_MOST_MS = 5000, /* ... and none is longer */
};

void
bs_s3_add_query(struct bs_s3_call *c, const char *name, const char *value)
{
    bs_assert(c->n_query < sizeof(c->query) / sizeof(c->query[0]));
    c->query[c->n_query++] = (struct bs_sigv4_pair){name, value};
}

void
bs_s3_add_header(struct bs_s3_call *c, const char *name, const char *value)
{
    bs_assert(c->n_headers < sizeof(c->headers) / sizeof(c->headers[0]));
    c->headers[c->n_headers++] = (struct bs_sigv4_pair){name, value};
}

bool
bs_s3_ok(const struct bs_s3_answer *a)
{
    return a->http.status >= 200 && a->http.status <= 299;
}

void
bs_s3_answer_fini(struct bs_s3_answer *a)
{
    bs_http_answer_fini(&a->http);
}

/* --- digests --- */

/* The next piece of the source; 0 at its end, -1 where it cannot be read. */
static ssize_t
piece_of(const struct bs_http_source *s, int64_t at, uint8_t *chunk, const uint8_t **piece)
{
    int64_t left = (s->fd < 0 ? (int64_t)s->bytes.n : s->n) - at;
    ssize_t got;

    if (s->fd < 0) {
        *piece = s->bytes.p + at;
        return (ssize_t)left;
    }
    *piece = chunk;
    do
        got = pread(s->fd, chunk, (size_t)(left < CHUNK ? left : CHUNK), (off_t)(s->from + at));
    while (got < 0 && errno == EINTR);
    if (got == 0 && left != 0)
        errno = ENODATA;
    return got == 0 && left != 0 ? -1 : got;
}

enum bs_done
bs_s3_digest(const struct bs_http_source *source,
             char sha256[BS_S3_SHA256],
             char md5[BS_S3_MD5],
             struct bs_err *err)
{
    EVP_MD_CTX *sha = EVP_MD_CTX_new(), *five = EVP_MD_CTX_new();
    uint8_t digest[EVP_MAX_MD_SIZE], *chunk = bs_malloc(CHUNK);
    const uint8_t *piece = NULL;
    enum bs_done done = BS_DONE;
    int64_t at = 0;
    ssize_t n;

    bs_assert(sha != NULL && five != NULL && EVP_DigestInit(sha, EVP_sha256()) == 1);
    if (EVP_DigestInit(five, EVP_md5()) != 1) {
        done = BS_FAIL(err, UNSUPPORTED, "this OpenSSL has no MD5, which S3's Content-MD5 needs");
        goto out;
    }
    while ((n = piece_of(source, at, chunk, &piece)) > 0) {
        bs_assert(EVP_DigestUpdate(sha, piece, (size_t)n) == 1);
        bs_assert(EVP_DigestUpdate(five, piece, (size_t)n) == 1);
        at += n;
    }
    if (n < 0) {
        done = BS_FAIL(err, IO, "cannot read a file to be stored: %s", strerror(errno));
        goto out;
    }
    bs_assert(EVP_DigestFinal(sha, digest, NULL) == 1);
    bs_hex(digest, 32, sha256);
    bs_assert(EVP_DigestFinal(five, digest, NULL) == 1);
    bs_assert(EVP_EncodeBlock((unsigned char *)md5, digest, 16) == BS_S3_MD5 - 1);
out:
    free(chunk);
    EVP_MD_CTX_free(sha);
    EVP_MD_CTX_free(five);
    return done;
}

/* --- one request --- */

/* A copy, so that no lock is held while the network is waited for. */
static void
credentials_copy(struct bs_s3 *s, struct bs_s3_credentials *out)
{
    bs_assert(pthread_mutex_lock(&s->lock) == 0);
    out->id = bs_strdup(s->credentials.id);
    out->secret = bs_strdup(s->credentials.secret);
    out->token = bs_strdup(s->credentials.token);
    bs_assert(pthread_mutex_unlock(&s->lock) == 0);
}

/* True where there are others now than those the request was signed with. */
static bool
credentials_renew(struct bs_s3 *s, const struct bs_s3_credentials *old)
{
    struct bs_s3_credentials fresh = {0};
    struct bs_err why = {0};
    bool changed;

    if (bs_s3_credentials_read(&s->place, &fresh, &why) != BS_DONE)
        return false;
    changed = !bs_s3_credentials_equal(&fresh, old);
    bs_assert(pthread_mutex_lock(&s->lock) == 0);
    bs_s3_credentials_fini(&s->credentials);
    s->credentials = fresh;
    bs_assert(pthread_mutex_unlock(&s->lock) == 0);
    return changed;
}

/* Everything of one request that has to live until it is sent. */
struct wire {
    char path[2 * BS_KEY_MAX];
    char date[BS_SIGV4_DATE];
    struct bs_sigv4_pair headers[BS_SIGV4_PAIRS];
    size_t n;
    struct bs_buf url, lines;
};

static void
wire_header(struct wire *w, const char *name, const char *value)
{
    bs_assert(w->n < BS_SIGV4_PAIRS);
    w->headers[w->n++] = (struct bs_sigv4_pair){name, value};
}

static void
wire_path(struct wire *w, const struct bs_s3 *s, const char *key)
{
    (void)snprintf(w->path, sizeof(w->path), "/%s%s%s%s",
                   s->place.path_style ? s->place.bucket : "",
                   s->place.path_style && key != NULL ? "/" : "",
                   key == NULL ? "" : s->place.prefix, key == NULL ? "" : key);
}

/* The lines as libcurl takes them, in `lines`, one NUL after another. */
static void
wire_lines(struct wire *w, struct bs_http_request *r, const char *authorization)
{
    size_t at = 0, n = 0;

    for (size_t i = 0; i < w->n; i++) {
        bs_put_fmt(&w->lines, "%s: %s", w->headers[i].name, w->headers[i].value);
        bs_put_u8(&w->lines, '\0');
    }
    bs_put_fmt(&w->lines, "Authorization: %s", authorization);
    bs_put_u8(&w->lines, '\0');
    /* What libcurl would add of its own and S3 has no use for. */
    bs_put_cstr(&w->lines, "Expect:");
    bs_put_cstr(&w->lines, "Accept:");
    for (; at < w->lines.n && n < BS_HTTP_HEADERS; n++) {
        r->headers[n] = (const char *)w->lines.p + at;
        at += strlen(r->headers[n]) + 1;
    }
}

static void
sign(const struct bs_s3 *s,
     const struct bs_s3_call *call,
     const struct bs_s3_credentials *c,
     struct wire *w,
     struct bs_http_request *r)
{
    struct bs_sigv4_request signing = {.method = call->method,
                                       .path = w->path,
                                       .query = call->query,
                                       .n_query = call->n_query,
                                       .headers = w->headers,
                                       .payload_sha256 = call->sha256};
    const struct bs_sigv4_key key = {c->id, c->secret, s->place.region, "s3"};
    struct bs_buf authorization;

    if (signing.payload_sha256 == NULL)
        signing.payload_sha256 = EMPTY_SHA256;
    bs_sigv4_date(bs_now_us(), w->date);
    wire_header(w, "Host", s->place.host);
    wire_header(w, "x-amz-date", w->date);
    wire_header(w, "x-amz-content-sha256", signing.payload_sha256);
    if (call->md5 != NULL)
        wire_header(w, "Content-MD5", call->md5);
    if (c->token != NULL)
        wire_header(w, "x-amz-security-token", c->token);
    for (size_t i = 0; i < call->n_headers; i++)
        wire_header(w, call->headers[i].name, call->headers[i].value);
    signing.n_headers = w->n;
    bs_buf_init(&authorization, HEADER_MAX);
    bs_sigv4_put_authorization(&authorization, &signing, &key, w->date);
    bs_put_u8(&authorization, '\0');
    bs_put_str(&w->url, s->place.endpoint);
    bs_sigv4_put_path(&w->url, w->path);
    if (call->n_query != 0)
        bs_put_u8(&w->url, '?');
    bs_sigv4_put_query(&w->url, call->query, call->n_query);
    bs_put_u8(&w->url, '\0');
    w->url.failed = w->url.failed || authorization.failed;
    if (!w->url.failed)
        wire_lines(w, r, (const char *)authorization.p);
    w->url.failed = w->url.failed || w->lines.failed;
    bs_buf_fini(&authorization);
}

static enum bs_http_end
send_once(struct bs_s3 *s,
          const struct bs_s3_call *call,
          const struct bs_s3_credentials *c,
          struct bs_http_answer *out,
          struct bs_err *err)
{
    struct bs_http_request r = {.method = call->method,
                                .source = call->source,
                                .sink = call->sink,
                                .ctx = call->ctx,
                                .watch = call->watch,
                                .deadline_us = call->deadline_us};
    struct wire w = {.n = 0};
    enum bs_http_end end = BS_HTTP_FAILED;

    bs_buf_init(&w.url, URL_MAX);
    bs_buf_init(&w.lines, URL_MAX);
    wire_path(&w, s, call->key);
    sign(s, call, c, &w, &r);
    if (w.url.failed) {
        (void)BS_FAIL(err, LIMIT, "a request to the store is too long");
    } else {
        r.url = (const char *)w.url.p;
        end = bs_http_send(s->http, &r, out, err);
    }
    bs_buf_fini(&w.url);
    if (w.lines.p != NULL)
        bs_wipe(w.lines.p, w.lines.cap); /* a session's token is among them */
    bs_buf_fini(&w.lines);
    return end;
}

/* A code is a word; whatever else the store writes there is not shown. */
static void
take_code(struct bs_s3_answer *a)
{
    size_t n;

    if (!bs_s3_xml_find(bs_buf_view(&a->http.body), "Error/Code", a->code, sizeof(a->code)))
        return;
    n = strlen(a->code);
    for (size_t i = 0; i < n; i++) {
        if (!isalnum((unsigned char)a->code[i]) && a->code[i] != '.')
            a->code[i] = '?';
    }
}

static bool
worth_another(const struct bs_s3_answer *a)
{
    static const int statuses[] = {408, 429, 500, 502, 503, 504};

    if (strstr(a->code, "StorageFull") != NULL || strstr(a->code, "QuotaExceeded") != NULL)
        return false;
    /* The store waited for the rest of the body: what was on the way was lost, not refused. */
    if (strcmp(a->code, "RequestTimeout") == 0)
        return true;
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        if (a->http.status == statuses[i])
            return true;
    }
    return false;
}

enum bs_s3_end
bs_s3_try(struct bs_s3 *s,
          const struct bs_s3_call *call,
          struct bs_s3_answer *out,
          struct bs_err *err)
{
    struct bs_s3_credentials c = {0};
    enum bs_http_end end = BS_HTTP_FAILED;

    for (int turn = 0; turn < 2; turn++) {
        bool renewed;
        *out = (struct bs_s3_answer){.code = ""};
        credentials_copy(s, &c);
        end = send_once(s, call, &c, &out->http, err);
        if (end == BS_HTTP_ANSWERED && !bs_s3_ok(out))
            take_code(out);
        renewed =
            turn == 0 && end == BS_HTTP_ANSWERED && bs_s3_expired(out) && credentials_renew(s, &c);
        bs_s3_credentials_fini(&c);
        if (!renewed)
            break;
        bs_s3_answer_fini(out);
    }
    if (end == BS_HTTP_FAILED)
        return BS_S3_FAILED;
    return end == BS_HTTP_BROKEN || worth_another(out) ? BS_S3_AGAIN : BS_S3_ANSWERED;
}

/* --- patience --- */

struct bs_s3_patience
bs_s3_patience_new(const struct bs_s3 *s)
{
    return (struct bs_s3_patience){.until_us = bs_mono_us() + (int64_t)s->place.timeout_ms * 1000};
}

/* Full jitter: many who were refused at one moment do not come back at one moment. */
static int
pause_ms(unsigned tries)
{
    int most = tries > 6 ? PAUSE_MOST_MS : PAUSE_MS << (tries - 1);
    uint32_t random;

    bs_random(&random, sizeof(random));
    return (int)(random % (uint32_t)(most < PAUSE_MOST_MS ? most : PAUSE_MOST_MS)) + 1;
}

static enum bs_done
sleep_watched(const struct bs_watch *watch, int ms, struct bs_err *err)
{
    int64_t until = bs_mono_us() + (int64_t)ms * 1000, left;

    while ((left = until - bs_mono_us()) > 0) {
        struct pollfd fd = {watch == NULL ? -1 : watch->wake[0], POLLIN, 0};
        int wait = (int)(left / 1000) + 1;
        if (bs_watch_check(watch, err) != BS_DONE)
            return BS_FAILED;
        (void)poll(&fd, 1, watch == NULL ? wait : bs_watch_left_ms(watch, wait));
    }
    return bs_watch_check(watch, err);
}

/* "Nothing came any more" says less than what came before. */
static void
say_why(struct bs_s3_patience *p, const struct bs_s3_answer *last)
{
    if (strcmp(last->http.why, BS_HTTP_LATE) == 0 && p->why[0] != '\0')
        return;
    if (last->http.status == 0 || last->http.why[0] != '\0')
        (void)snprintf(p->why, sizeof(p->why), "the store does not answer: %.120s", last->http.why);
    else
        (void)snprintf(p->why, sizeof(p->why), "the store answers %d%s%.64s", last->http.status,
                       last->code[0] == '\0' ? "" : " ", last->code);
}

enum bs_done
bs_s3_wait(struct bs_s3_patience *p,
           const struct bs_watch *watch,
           const struct bs_s3_answer *last,
           struct bs_err *err)
{
    int ms = pause_ms(++p->tries);

    say_why(p, last);
    if (bs_watch_check(watch, err) != BS_DONE)
        return BS_FAILED;
    if (bs_mono_us() + (int64_t)ms * 1000 < p->until_us)
        return sleep_watched(watch, ms, err);
    return BS_FAIL(err, UNAVAILABLE, "%s (%u tr%s)", p->why, p->tries, p->tries == 1 ? "y" : "ies");
}

enum bs_done
bs_s3_send(struct bs_s3 *s,
           const struct bs_s3_call *call,
           struct bs_s3_answer *out,
           struct bs_err *err)
{
    struct bs_s3_patience patience = bs_s3_patience_new(s);
    struct bs_s3_call timed = *call;
    enum bs_s3_end end;

    if (timed.deadline_us == 0 && timed.source == NULL && timed.sink == NULL)
        timed.deadline_us = patience.until_us;
    while ((end = bs_s3_try(s, &timed, out, err)) == BS_S3_AGAIN) {
        /* What has begun to go to a sink cannot begin again: whoever reads goes on from there. */
        if (out->http.sunk != 0)
            return BS_DONE;
        if (bs_s3_wait(&patience, call->watch, out, err) != BS_DONE)
            return BS_FAILED;
        bs_s3_answer_fini(out);
    }
    return end == BS_S3_ANSWERED ? BS_DONE : BS_FAILED;
}
