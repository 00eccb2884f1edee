/*
 * s3_probe.c - what only an S3 store can be asked: does it check what it says it checks, does it
 * keep one from overwriting, does it lock, and could this key delete?
 */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/files.h"
#include "storage/probe.h"
#include "storage/s3.h"
#include "storage/s3_xml.h"

enum { PART = 5 << 20, LARGE = PART + 4096, SKEW_WARN_S = 60 };

static const char text[] = "backstop storage check was here\n";

struct probing {
    const struct bs_s3_work *work;
    const char *folder; /* "probe/<ULID>/" */
    struct bs_probe_report *r;
};

static const char *
key_of(const struct probing *p, char out[BS_KEY_MAX], const char *name)
{
    (void)snprintf(out, BS_KEY_MAX, "%s%s", p->folder, name);
    return out;
}

/* --- conditions and digests --- */

/* One PUT of `text` as the row says, whatever the record says about the store. */
struct attempt {
    const char *name;   /* of the object */
    bool create;        /* with If-None-Match */
    const char *sha256; /* NULL: the right one */
    const char *md5;    /* NULL: the right one */
    struct bs_err *err; /* why there was no answer */
    char code[BS_S3_CODE];
};

/* The status; 0 where there was no answer. */
static int
put_raw(const struct probing *p, struct attempt *t)
{
    const struct bs_http_source source = {.bytes = BS_LIT_INIT(text), .fd = -1};
    struct bs_s3_call call = {.method = "PUT", .source = &source, .watch = p->work->watch};
    char key[BS_KEY_MAX], sha256[BS_S3_SHA256], md5[BS_S3_MD5], until[BS_TIME_TEXT];
    struct bs_s3_answer a = {.code = ""};
    int status = 0;

    call.key = key_of(p, key, t->name);
    if (bs_s3_digest(&source, sha256, md5, t->err) != BS_DONE)
        return 0;
    call.sha256 = t->sha256 == NULL ? sha256 : t->sha256;
    call.md5 = t->md5 == NULL ? md5 : t->md5;
    bs_s3_add_header(&call, "Content-Type", "application/octet-stream");
    if (t->create)
        bs_s3_add_header(&call, "If-None-Match", "*");
    bs_s3_add_lock(p->work->s3, &call, until);
    if (bs_s3_send(p->work->s3, &call, &a, t->err) == BS_DONE)
        status = a.http.status;
    (void)snprintf(t->code, sizeof(t->code), "%s", a.code);
    bs_s3_answer_fini(&a);
    return status;
}

static const char *
can_word(int status)
{
    if (status == 412 || status == 409)
        return "honoured";
    if (status >= 200 && status <= 299)
        return "ignored";
    return status == 501 || status == 400 ? "refused" : NULL;
}

static void
note_create(const struct probing *p,
            const char *fact,
            const char *what,
            int status,
            const struct bs_err *err)
{
    const char *word = can_word(status);

    bs_probe_fact(p->r, fact, word == NULL ? "unknown" : word);
    if (word == NULL)
        bs_probe_note(p->r, BS_PROBE_WARN, fact, NULL,
                      "%s: no clear answer to If-None-Match (%d%s%s)", what, status,
                      err->message[0] == '\0' ? "" : " ", err->message);
    else if (strcmp(word, "honoured") == 0)
        bs_probe_note(p->r, BS_PROBE_OK, fact, NULL,
                      "%s: the store itself refuses to overwrite (%d)", what, status);
    else
        bs_probe_note(p->r, BS_PROBE_INFO, fact, NULL,
                      "%s: If-None-Match is %s (%d), so we look first; names are unique anyway",
                      what, word, status);
}

static void
try_create(const struct probing *p)
{
    struct bs_err err = {0};
    struct attempt t = {.name = "one", .create = true, .err = &err};
    int status = put_raw(p, &t);

    note_create(p, "create", "stored in one request", status, &err);
}

static void
try_digests(const struct probing *p)
{
    static const char zeros[] = "0000000000000000000000000000000000000000000000000000000000000000";
    static const char md5[] = "AAAAAAAAAAAAAAAAAAAAAA==";
    static const struct {
        const char *name, *fact, *what, *sha256, *md5;
    } rows[] = {{"hash", "payload_hash", "x-amz-content-sha256", zeros, NULL},
                {"md5", "content_md5", "Content-MD5", NULL, md5}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct bs_err err = {0};
        struct attempt t = {
            .name = rows[i].name, .sha256 = rows[i].sha256, .md5 = rows[i].md5, .err = &err};
        int status = put_raw(p, &t);
        bool checked = status >= 400 && status <= 499;
        bs_probe_fact(p->r, rows[i].fact,
                      checked       ? "checked"
                      : status == 0 ? "unknown"
                                    : "ignored");
        if (checked)
            bs_probe_note(p->r, BS_PROBE_OK, rows[i].fact, NULL,
                          "a body that does not match its %s is refused (%d %s)", rows[i].what,
                          status, t.code);
        else
            bs_probe_note(p->r, BS_PROBE_INFO, rows[i].fact,
                          "keep recovery.grade at read-back: only reading shows what was stored",
                          "a body that does not match its %s is accepted (%d)", rows[i].what,
                          status);
    }
}

/* --- listing in pages --- */

static enum bs_done
count_key(void *ctx, const char *key, int64_t size, struct bs_err *err)
{
    (void)key;
    (void)size;
    (void)err;
    ++*(int *)ctx;
    return BS_DONE;
}

/* Four objects were put before. In pages of one no disorder can hide within a page. */
static void
try_pages(const struct probing *p)
{
    struct bs_err err = {0};
    int n = 0;

    if (bs_s3_list(p->work, p->folder, 1, count_key, &n, &err) != BS_DONE)
        bs_probe_note(p->r, BS_PROBE_FAIL, "pages", err.hint,
                      "a listing of more than one page fails: %s", err.message);
    else if (n != 4)
        bs_probe_note(p->r, BS_PROBE_FAIL, "pages", NULL,
                      "a listing in pages has %d objects, not 4", n);
    else
        bs_probe_note(p->r, BS_PROBE_OK, "pages", NULL, "a listing of more than one page is whole");
}

/* --- multipart --- */

/* A file that is larger than one part; -1 where there is no memory for it. */
static int
large_file(void)
{
    int fd = memfd_create("backstop-probe", MFD_CLOEXEC);
    uint8_t *content = bs_malloc(LARGE);
    struct bs_err err = {0};

    for (size_t i = 0; i < LARGE; i++)
        content[i] = (uint8_t)(i * 31 >> 5);
    if (fd >= 0 && bs_fd_write(fd, (struct bs_bytes){content, LARGE}, "a probe", &err) != BS_DONE) {
        (void)close(fd);
        fd = -1;
    }
    free(content);
    return fd;
}

/* True where an upload in parts works at all. */
static bool
try_parts(const struct probing *p, const struct bs_http_source *source)
{
    struct bs_err err = {0};
    char key[BS_KEY_MAX];

    if (bs_s3_put_parts(p->work, key_of(p, key, "parts"), source, PART, &err) != BS_DONE ||
        bs_s3_is_ours(p->work, key, source, &err) != BS_DONE) {
        bs_probe_note(p->r, BS_PROBE_FAIL, "multipart", err.hint,
                      "an object in parts, as every one over 16 MiB is stored, fails: %s",
                      err.message);
        return false;
    }
    bs_probe_note(p->r, BS_PROBE_OK, "multipart", NULL,
                  "an object in parts was stored and came back as it was");
    return true;
}

static void
try_multipart(const struct probing *p)
{
    struct bs_http_source source = {.fd = large_file(), .n = LARGE};
    struct bs_err err = {0};
    char key[BS_KEY_MAX];
    int status;

    if (source.fd < 0) {
        bs_probe_note(p->r, BS_PROBE_WARN, "multipart", NULL, "not tried: no memory for a file");
        return;
    }
    if (try_parts(p, &source)) {
        status = bs_s3_create_in_parts(p->work, key_of(p, key, "parts"), &source, PART, &err);
        note_create(p, "create_multipart", "stored in parts", status, &err);
    }
    (void)close(source.fd);
}

/* --- locks --- */

static void
try_lock(const struct probing *p)
{
    const struct bs_s3_place *place = &p->work->s3->place;
    struct bs_store_info info = {0};
    struct bs_err err = {0};
    char key[BS_KEY_MAX], until[BS_TIME_TEXT];

    if (bs_s3_head(p->work, key_of(p, key, "one"), &info, &err) != BS_DONE)
        return; /* it was there a moment ago; `get` would have said so */
    bs_time_format(info.locked_until_us, until);
    bs_probe_fact(p->r, "lock", info.lock[0] == '\0' ? "none" : "confirmed");
    if (info.lock[0] != '\0')
        bs_probe_note(p->r, BS_PROBE_OK, "lock", NULL, "objects are locked (%s until %.10s)",
                      info.lock, until);
    else if (place->lock != BS_S3_LOCK_NONE)
        bs_probe_note(p->r, BS_PROBE_FAIL, "lock",
                      "make the bucket with Object Lock, and let this key s3:GetObjectRetention",
                      "a lock was asked for, and the store does not say that there is one");
    else
        bs_probe_note(
            p->r, BS_PROBE_INFO, "lock",
            "lock=governance&lock_days=N in the storage url, on a bucket with Object Lock",
            "objects are not locked: whoever may delete in the bucket may delete them");
}

/* --- delete, last of all --- */

/* The status of a DELETE of the object, or of that version of it; `hidden` where the object goes on
 * behind a marker. */
static int
delete_one(const struct probing *p, const char *name, const char *version, bool *hidden)
{
    struct bs_s3_call call = {.method = "DELETE", .watch = p->work->watch};
    struct bs_s3_answer a;
    struct bs_err err = {0};
    char key[BS_KEY_MAX], marker[16];
    int status = 0;

    call.key = key_of(p, key, name);
    if (version[0] != '\0')
        bs_s3_add_query(&call, "versionId", version);
    if (bs_s3_send(p->work->s3, &call, &a, &err) == BS_DONE)
        status = a.http.status;
    *hidden = version[0] == '\0' &&
              bs_http_header(&a.http, "x-amz-delete-marker", marker, sizeof(marker)) &&
              strcmp(marker, "true") == 0;
    bs_s3_answer_fini(&a);
    return status;
}

/* What can be deleted is: nobody needs the probes any more. */
static void
sweep(const struct probing *p)
{
    static const char *const names[] = {"t/wo~", "t-hree%2F", "a-b=c", "hash", "md5", "parts"};
    bool hidden;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        (void)delete_one(p, names[i], "", &hidden);
}

/* The version of the object; "" in a bucket that keeps none. */
static void
version_of(const struct probing *p, const char *name, char out[256])
{
    struct bs_s3_call call = {.method = "HEAD", .watch = p->work->watch};
    struct bs_s3_answer a;
    struct bs_err err = {0};
    char key[BS_KEY_MAX];

    out[0] = '\0';
    call.key = key_of(p, key, name);
    if (bs_s3_send(p->work->s3, &call, &a, &err) == BS_DONE)
        (void)bs_http_header(&a.http, "x-amz-version-id", out, 256);
    if (strcmp(out, "null") == 0)
        out[0] = '\0';
    bs_s3_answer_fini(&a);
}

static bool
is_gone(const struct probing *p, const char *name)
{
    struct bs_store_info info = {0};
    struct bs_err err = {0};
    char key[BS_KEY_MAX];

    return bs_s3_head(p->work, key_of(p, key, name), &info, &err) != BS_DONE &&
           err.code == BS_E_NOT_FOUND;
}

/* For good first, where there are versions: what is only hidden can be brought back. */
static void
try_delete(const struct probing *p)
{
    static const char way[] = "take s3:DeleteObject and s3:DeleteObjectVersion from this key; see "
                              "the storage chapter of docs/your-database.md";
    char version[256];
    bool hidden = false;
    int status = 0;

    version_of(p, "one", version);
    if (version[0] != '\0')
        status = delete_one(p, "one", version, &hidden);
    if (version[0] == '\0' || !is_gone(p, "one"))
        status = delete_one(p, "one", "", &hidden);
    if (!is_gone(p, "one")) {
        bs_probe_fact(p->r, "delete", "refused");
        bs_probe_note(p->r, BS_PROBE_OK, "delete", NULL,
                      "this key cannot delete what it stored (%d)", status);
        return;
    }
    bs_probe_fact(p->r, "delete", hidden ? "hides" : "allowed");
    bs_probe_note(p->r, BS_PROBE_WARN, "delete", way,
                  hidden ? "this key can hide what it stored behind a delete marker (%d); the "
                           "version stays, and cannot be deleted"
                         : "this key can delete what it stored (%d): whoever takes over the "
                           "gateway can destroy the recovery points",
                  status);
    sweep(p);
}

/* --- the way there --- */

static void
try_way(const struct probing *p)
{
    const struct bs_s3 *s = p->work->s3;
    struct bs_s3_call call = {.method = "HEAD", .watch = p->work->watch};
    struct bs_s3_answer a;
    struct bs_err err = {0};
    char date[64];
    time_t at = -1;
    int64_t skew = 0;

    if (strncmp(s->place.endpoint, "http://", 7) == 0)
        bs_probe_note(p->r, s->place.loopback ? BS_PROBE_INFO : BS_PROBE_WARN, "tls",
                      s->place.loopback ? NULL : "use https:// and ca_file=/path",
                      "%s is spoken to without TLS", s->place.host);
    if (bs_s3_send(p->work->s3, &call, &a, &err) == BS_DONE &&
        bs_http_header(&a.http, "date", date, sizeof(date)))
        at = curl_getdate(date, NULL);
    bs_s3_answer_fini(&a);
    if (at >= 0)
        skew = (int64_t)at - bs_now_us() / 1000000;
    if (skew > SKEW_WARN_S || skew < -SKEW_WARN_S)
        bs_probe_note(p->r, BS_PROBE_WARN, "clock",
                      "set both clocks by NTP; at 15 minutes nothing works",
                      "the store's clock is %lld seconds %s ours",
                      (long long)(skew < 0 ? -skew : skew), skew < 0 ? "behind" : "ahead of");
}

void
bs_s3_probe(struct bs_store *store, const char *folder, struct bs_probe_report *r)
{
    struct bs_s3_work work = {store->backend, store->watch};
    const struct probing p = {&work, folder, r};

    (void)snprintf(r->place, sizeof(r->place), "%.250s/%s", work.s3->place.host,
                   work.s3->place.bucket);
    try_way(&p);
    try_pages(&p);
    try_create(&p);
    try_digests(&p);
    try_multipart(&p);
    try_lock(&p);
    try_delete(&p);
}
