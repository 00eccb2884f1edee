/*
 * http.h - one HTTP request and its answer: libcurl as transport, connections kept for the next
 * one, everything bounded, and a watch that ends it at once.
 *
 * It follows no redirect, decodes nothing and knows nothing of S3.
 *
 * Layer  storage. Blocks. One bs_http may be used by several threads at once.
 * Owns   a bs_http owns its connections; an answer owns its text until bs_http_answer_fini.
 */
#ifndef BS_STORAGE_HTTP_H
#define BS_STORAGE_HTTP_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"
#include "base/watch.h"

#define BS_HTTP_HEADERS   24
#define BS_HTTP_HEADS_MAX (16u * 1024)            /* bytes of an answer's headers */
#define BS_HTTP_LATE      "nothing came any more" /* `why` of an answer that was waited for */
#define BS_HTTP_BODY_MAX  (4u * 1024 * 1024)      /* bytes of an answer that goes to no sink */

struct bs_http;

/* What a client trusts and how long it waits. */
struct bs_http_options {
    const char *ca_file; /* NULL: what the system trusts */
    bool direct;         /* no proxy, whatever the environment says */
    int stall_ms;        /* the longest time without one byte in either direction */
};

struct bs_http *bs_http_new(const struct bs_http_options *options);
void bs_http_free(struct bs_http **h); /* accepts a NULL one; sets it NULL */

/* What is sent: bytes, or a range of a file where fd is not -1. */
struct bs_http_source {
    struct bs_bytes bytes;
    int fd;
    int64_t from, n; /* of the file */
};

typedef enum bs_done (*bs_http_sink)(void *ctx, struct bs_bytes piece, struct bs_err *err);

struct bs_http_request {
    const char *method;
    const char *url;
    const char *headers[BS_HTTP_HEADERS]; /* "Name: value", NULL ends them */
    const struct bs_http_source *source;  /* NULL: no body */
    bs_http_sink sink; /* takes the body of a 200 or 206; NULL: the answer does */
    void *ctx;
    const struct bs_watch *watch; /* NULL: none */
    int64_t deadline_us;          /* bs_mono_us(); 0: as long as bytes move */
};

struct bs_http_answer {
    int status;          /* 0: none came */
    struct bs_buf heads; /* lines "name: value\n", names in lower case */
    struct bs_buf body;  /* where it went to no sink */
    int64_t sunk;        /* bytes that the sink took */
    bool sent;     /* the server may have seen the request whole, even if the answer never came */
    bool twice;    /* the request may have been sent twice: a kept connection was found closed */
    char why[160]; /* what broke; "" where nothing did */
};

/* How it went. */
enum bs_http_end {
    BS_HTTP_FAILED = 0, /* `err` is set: the watch, the sink, our own file */
    BS_HTTP_BROKEN,     /* no whole answer: see `why`; may be tried again */
    BS_HTTP_ANSWERED,   /* whatever the status */
};

/*
 * Sends a request and takes the answer.
 *
 * out  filled in any case; the caller calls bs_http_answer_fini
 * err  CANCELLED or what the watch says, what the sink said, IO (the source cannot be read)
 */
BS_MUST_CHECK enum bs_http_end bs_http_send(struct bs_http *h,
                                            const struct bs_http_request *r,
                                            struct bs_http_answer *out,
                                            struct bs_err *err);
void bs_http_answer_fini(struct bs_http_answer *a); /* accepts a zeroed one */

/* Copies a header's value, cut to what fits; false and "" where there is none. */
bool bs_http_header(const struct bs_http_answer *a, const char *name, char *out, size_t size);

#endif
