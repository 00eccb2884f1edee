/*
 * s3_put.c - an object in one request.
 *
 * S3 overwrites by default. `If-None-Match: *` forbids that where the store honours it; where it is
 * not known to, we look first. Keys are unique anyway (ULIDs), so this guards against our own
 * mistakes, not against a race.
 *
 * The hard case is the lost answer: the store may have the object already, and the next attempt is
 * told that it is taken. Then what is there is read and compared: our own content is success.
 */
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/s3.h"

struct compare {
    EVP_MD_CTX *sha;
};

static enum bs_done
hash_piece(void *ctx, struct bs_bytes piece, struct bs_err *err)
{
    struct compare *c = ctx;

    (void)err;
    bs_assert(EVP_DigestUpdate(c->sha, piece.p, piece.n) == 1);
    return BS_DONE;
}

enum bs_done
bs_s3_is_ours(const struct bs_s3_work *w,
              const char *key,
              const struct bs_http_source *source,
              struct bs_err *err)
{
    int64_t size = source->fd < 0 ? (int64_t)source->bytes.n : source->n;
    char ours[BS_S3_SHA256], theirs[BS_S3_SHA256], md5[BS_S3_MD5];
    struct compare c = {NULL};
    struct bs_store_info info = {0};
    uint8_t digest[EVP_MAX_MD_SIZE];
    enum bs_done done;

    if (bs_s3_head(w, key, &info, err) != BS_DONE ||
        bs_s3_digest(source, ours, md5, err) != BS_DONE)
        return BS_FAILED;
    if (info.size != size)
        return BS_FAIL(err, CONFLICT, "the store has \"%.300s\" already", key);
    c.sha = EVP_MD_CTX_new();
    bs_assert(c.sha != NULL && EVP_DigestInit(c.sha, EVP_sha256()) == 1);
    done = bs_s3_read(w, key, hash_piece, &c, err);
    bs_assert(EVP_DigestFinal(c.sha, digest, NULL) == 1);
    EVP_MD_CTX_free(c.sha);
    bs_hex(digest, 32, theirs);
    if (done == BS_DONE && strcmp(ours, theirs) != 0)
        done = BS_FAIL(err, CONFLICT, "the store has \"%.300s\" already", key);
    return done;
}

void
bs_s3_add_lock(const struct bs_s3 *s, struct bs_s3_call *call, char until[BS_TIME_TEXT])
{
    if (s->place.lock == BS_S3_LOCK_NONE)
        return;
    bs_time_format(bs_now_us() + (int64_t)s->place.lock_days * 86400 * 1000000, until);
    memcpy(until + 19, "Z", 2); /* whole seconds, as every store reads them */
    bs_s3_add_header(call, "x-amz-object-lock-mode", bs_s3_lock_name(s->place.lock));
    bs_s3_add_header(call, "x-amz-object-lock-retain-until-date", until);
}

enum bs_done
bs_s3_check_lock(const struct bs_s3_work *w, const char *key, struct bs_err *err)
{
    const struct bs_s3_place *p = &w->s3->place;
    struct bs_store_info info = {0};
    int64_t least = bs_now_us() + ((int64_t)p->lock_days * 86400 - 3600) * 1000000;

    if (p->lock == BS_S3_LOCK_NONE)
        return BS_DONE;
    if (bs_s3_head(w, key, &info, err) != BS_DONE)
        return BS_FAILED;
    if (strcmp(info.lock, bs_s3_lock_name(p->lock)) == 0 && info.locked_until_us >= least)
        return BS_DONE;
    (void)BS_FAIL(err, UNSUPPORTED, "the store took \"%.250s\" but does not say that it is locked",
                  key);
    bs_err_hint(err,
                "the bucket needs versioning and Object Lock, and our key s3:GetObjectRetention;"
                " `backstop storage check` tells more");
    return BS_FAILED;
}

/* What the next attempt has to reckon with. */
struct putting {
    struct bs_s3_record can;
    bool doubtful; /* an attempt before may have been done: nobody told us */
};

/* Is the key free? Where an earlier attempt may have taken it, our content there is success. */
enum found { FOUND_FAILED = 0, FOUND_FREE, FOUND_OURS };

static enum found
look(const struct bs_s3_work *w,
     const struct putting *p,
     const char *key,
     const struct bs_http_source *source,
     struct bs_err *err)
{
    struct bs_store_info info = {0};
    struct bs_err why = {0};
    enum bs_done done =
        p->doubtful ? bs_s3_is_ours(w, key, source, &why) : bs_s3_head(w, key, &info, &why);

    if (done == BS_DONE && p->doubtful)
        return FOUND_OURS;
    if (done == BS_DONE)
        (void)BS_FAIL(err, CONFLICT, "the store has \"%.300s\" already", key);
    if (why.code == BS_E_NOT_FOUND)
        return FOUND_FREE;
    *err = done == BS_DONE ? *err : why;
    return FOUND_FAILED;
}

static enum bs_s3_end
put_once(const struct bs_s3_work *w,
         const struct putting *p,
         const char *key,
         const struct bs_http_source *source,
         struct bs_s3_answer *a,
         struct bs_err *err)
{
    struct bs_s3_call call = {.method = "PUT", .key = key, .source = source, .watch = w->watch};
    char sha256[BS_S3_SHA256], md5[BS_S3_MD5], until[BS_TIME_TEXT];

    *a = (struct bs_s3_answer){.code = ""};
    if (bs_s3_digest(source, sha256, md5, err) != BS_DONE)
        return BS_S3_FAILED;
    call.sha256 = sha256;
    call.md5 = md5;
    bs_s3_add_header(&call, "Content-Type", "application/octet-stream");
    if (p->can.create == BS_S3_UNKNOWN || p->can.create == BS_S3_HONOURS)
        bs_s3_add_header(&call, "If-None-Match", "*");
    bs_s3_add_lock(w->s3, &call, until);
    return bs_s3_try(w->s3, &call, a, err);
}

static bool
is_taken(const struct bs_s3_answer *a)
{
    return a->http.status == 412 || a->http.status == 409;
}

/* What to do after an attempt. */
enum next { NEXT_FAILED = 0, NEXT_DONE, NEXT_AGAIN, NEXT_PAUSE };

static enum next
after(const struct bs_s3_work *w,
      struct putting *p,
      const char *key,
      const struct bs_http_source *source,
      enum bs_s3_end end,
      const struct bs_s3_answer *a,
      struct bs_err *err)
{
    bool asked = p->can.create == BS_S3_UNKNOWN || p->can.create == BS_S3_HONOURS;
    enum found found;

    if (end == BS_S3_AGAIN) {
        p->doubtful = p->doubtful || a->http.sent;
        return NEXT_PAUSE;
    }
    if (bs_s3_ok(a))
        return NEXT_DONE;
    if (a->http.status == 501 && asked) {
        p->can.create = BS_S3_REFUSES;
        bs_s3_record_refuses(w->s3);
        return NEXT_AGAIN;
    }
    p->doubtful = p->doubtful || a->http.twice;
    if (!is_taken(a) || !p->doubtful) {
        (void)bs_s3_refused(w->s3, a, "store", key, err);
        return NEXT_FAILED;
    }
    found = look(w, p, key, source, err);
    /* Free although it was taken just now: our own attempt before is still being dealt with. */
    return found == FOUND_OURS ? NEXT_DONE : found == FOUND_FREE ? NEXT_PAUSE : NEXT_FAILED;
}

enum bs_done
bs_s3_put(const struct bs_s3_work *w,
          const char *key,
          const struct bs_http_source *source,
          struct bs_err *err)
{
    struct putting p = {.can = bs_s3_record_get(w)};
    struct bs_s3_patience patience = bs_s3_patience_new(w->s3);
    enum next next = NEXT_AGAIN;

    while (next == NEXT_AGAIN || next == NEXT_PAUSE) {
        struct bs_s3_answer a = {.code = ""};
        if (p.can.create != BS_S3_HONOURS) {
            enum found found = look(w, &p, key, source, err);
            if (found != FOUND_FREE) {
                next = found == FOUND_OURS ? NEXT_DONE : NEXT_FAILED;
                break;
            }
        }
        enum bs_s3_end end = put_once(w, &p, key, source, &a, err);
        next = end == BS_S3_FAILED ? NEXT_FAILED : after(w, &p, key, source, end, &a, err);
        if (next == NEXT_PAUSE && bs_s3_wait(&patience, w->watch, &a, err) != BS_DONE)
            next = NEXT_FAILED;
        bs_s3_answer_fini(&a);
    }
    return next == NEXT_DONE ? bs_s3_check_lock(w, key, err) : BS_FAILED;
}
