/*
 * s3.h - what the files of the S3 backend share: the store, one signed request, patience.
 *
 *   s3.c            open, head, read
 *   s3_list.c       all pages of a listing; one of them is s3_page.c's
 *   s3_request.c    sign and send; wait and try again
 *   s3_refused.c    what an answer means that is no success
 *   s3_put.c        an object in one request, and what to do when the answer is lost
 *   s3_remove.c     an object taken away
 *   s3_multipart.c  an object in parts, several at once
 *   s3_record.c     what `storage check` has found out about the store
 *   s3_probe.c      how it finds that out
 *
 * Layer  storage. Blocks. Private to the backend.
 * Spec   RECOVERY.md section 6; "Amazon S3 API Reference".
 * Owns   see each.
 */
#ifndef BS_STORAGE_S3_H
#define BS_STORAGE_S3_H

#include <pthread.h>

#include "base/clock.h"
#include "storage/http.h"
#include "storage/s3_place.h"
#include "storage/sigv4.h"
#include "storage/storage.h"

#define BS_S3_SHA256 65 /* hex and a NUL */
#define BS_S3_MD5    25 /* base64 and a NUL */
#define BS_S3_CODE   64
#define BS_S3_ETAG   128

/* Whether the store honours something. */
enum bs_s3_can {
    BS_S3_UNKNOWN = 0,
    BS_S3_IGNORES, /* says nothing and does as if it had not been asked */
    BS_S3_REFUSES, /* says that it does not know it */
    BS_S3_HONOURS,
};

/* What is known of the store: from its record, and what was learnt meanwhile. */
struct bs_s3_record {
    bool loaded;
    enum bs_s3_can create;       /* If-None-Match: * of a PUT */
    enum bs_s3_can create_parts; /* the same of a CompleteMultipartUpload */
};

struct bs_s3 {
    struct bs_s3_place place;
    struct bs_http *http;
    pthread_mutex_t lock; /* of what follows */
    struct bs_s3_credentials credentials;
    struct bs_s3_record record;
};

/* One request, before it is signed. */
struct bs_s3_call {
    const char *method;
    const char *key; /* below the prefix; NULL: the bucket itself */
    struct bs_sigv4_pair query[6];
    size_t n_query;
    struct bs_sigv4_pair headers[6];
    size_t n_headers;
    const struct bs_http_source *source; /* NULL: no body */
    const char *sha256;                  /* of the source; NULL where there is none */
    const char *md5;
    bs_http_sink sink;
    void *ctx;
    const struct bs_watch *watch;
    int64_t deadline_us; /* 0: as long as bytes move */
};

struct bs_s3_answer {
    struct bs_http_answer http;
    char code[BS_S3_CODE]; /* of the error; "" where there is none */
};

/* How one attempt went. */
enum bs_s3_end {
    BS_S3_FAILED = 0, /* `err` is set */
    BS_S3_AGAIN,      /* no answer, or one that may be better next time: `answer` says which */
    BS_S3_ANSWERED,   /* 2xx, or a 4xx that stays */
};

void bs_s3_add_query(struct bs_s3_call *c, const char *name, const char *value);
void bs_s3_add_header(struct bs_s3_call *c, const char *name, const char *value);
bool bs_s3_ok(const struct bs_s3_answer *a); /* 2xx */
void bs_s3_answer_fini(struct bs_s3_answer *a);

/* One attempt. The caller calls bs_s3_answer_fini whatever it returns. */
BS_MUST_CHECK enum bs_s3_end bs_s3_try(struct bs_s3 *s,
                                       const struct bs_s3_call *call,
                                       struct bs_s3_answer *out,
                                       struct bs_err *err);
/* Attempts until there is an answer or no more patience; for what may be done twice. */
BS_MUST_CHECK enum bs_done bs_s3_send(struct bs_s3 *s,
                                      const struct bs_s3_call *call,
                                      struct bs_s3_answer *out,
                                      struct bs_err *err);
/* Says what an answer that is no success means. `what` is what was to be done ("store"). */
enum bs_done bs_s3_refused(const struct bs_s3 *s,
                           const struct bs_s3_answer *a,
                           const char *what,
                           const char *key,
                           struct bs_err *err);

/* Are our keys no longer, or not at all, known to the store? */
bool bs_s3_expired(const struct bs_s3_answer *a);

/* Tries again with growing, random pauses until `until_us`. */
struct bs_s3_patience {
    int64_t until_us;
    unsigned tries;
    char why[160]; /* what an attempt before said: the last one may only have run out of time */
};

struct bs_s3_patience bs_s3_patience_new(const struct bs_s3 *s);
/* Waits before the next attempt; fails with UNAVAILABLE and what the last one said, or with what
 * the watch says. */
BS_MUST_CHECK enum bs_done bs_s3_wait(struct bs_s3_patience *p,
                                      const struct bs_watch *watch,
                                      const struct bs_s3_answer *last,
                                      struct bs_err *err);

/* The digests of what is sent. IO. */
BS_MUST_CHECK enum bs_done bs_s3_digest(const struct bs_http_source *source,
                                        char sha256[BS_S3_SHA256],
                                        char md5[BS_S3_MD5],
                                        struct bs_err *err);

/* What the operations of the backend are called with. */
struct bs_s3_work {
    struct bs_s3 *s3;
    const struct bs_watch *watch;
};

BS_MUST_CHECK enum bs_done bs_s3_head(const struct bs_s3_work *w,
                                      const char *key,
                                      struct bs_store_info *out,
                                      struct bs_err *err);
BS_MUST_CHECK enum bs_done bs_s3_read(
    const struct bs_s3_work *w, const char *key, bs_store_sink sink, void *ctx, struct bs_err *err);
BS_MUST_CHECK enum bs_done bs_s3_list(const struct bs_s3_work *w,
                                      const char *prefix,
                                      int page,
                                      bs_store_visit visit,
                                      void *ctx,
                                      struct bs_err *err);

/* See bs_store_remove. */
BS_MUST_CHECK enum bs_done
bs_s3_remove(const struct bs_s3_work *w, const char *key, enum bs_removed *how, struct bs_err *err);

/* A new object of a source. */
BS_MUST_CHECK enum bs_done bs_s3_put(const struct bs_s3_work *w,
                                     const char *key,
                                     const struct bs_http_source *source,
                                     struct bs_err *err);
/* The same in parts of `part` bytes, at least 5 MiB each but for the last. */
BS_MUST_CHECK enum bs_done bs_s3_put_parts(const struct bs_s3_work *w,
                                           const char *key,
                                           const struct bs_http_source *source,
                                           int64_t part,
                                           struct bs_err *err);

/* For the probe: the status that the store gives to completing an upload over a name that is taken,
 * with If-None-Match; 0 where it does not come to that (err set). */
int bs_s3_create_in_parts(const struct bs_s3_work *w,
                          const char *key,
                          const struct bs_http_source *source,
                          int64_t part,
                          struct bs_err *err);
/* What the probe tries beyond what every store is asked: the backend's `probe`. */
void bs_s3_probe(struct bs_store *store, const char *folder, struct bs_probe_report *r);

/* Is the object that is there of the source's content? NOT_FOUND where there is none; err CONFLICT
 * where it is another. */
BS_MUST_CHECK enum bs_done bs_s3_is_ours(const struct bs_s3_work *w,
                                         const char *key,
                                         const struct bs_http_source *source,
                                         struct bs_err *err);
/* Where the place asks for a lock: is there one on the object? */
BS_MUST_CHECK enum bs_done
bs_s3_check_lock(const struct bs_s3_work *w, const char *key, struct bs_err *err);
/* Adds the headers that ask for it; `until` holds the time and lives as long as the call. */
void bs_s3_add_lock(const struct bs_s3 *s, struct bs_s3_call *call, char until[BS_TIME_TEXT]);

/* What is known of the store, from its record where that has not been read yet. Never fails: what
 * cannot be known is unknown. */
struct bs_s3_record bs_s3_record_get(const struct bs_s3_work *w);
/* Learnt on the way: the store answers that it does not know If-None-Match. */
void bs_s3_record_refuses(struct bs_s3 *s);

#endif
