/*
 * sigv4.h - sign an HTTP request as AWS asks: Signature Version 4, in the Authorization header.
 *
 * Debian 12's libcurl signs, too, but leaves out the payload's hash, does not sort the query and
 * does not fold spaces in headers; servers that check refuse that.
 *
 * Layer  storage. Pure: no I/O, no clock, no globals; allocates in the caller's buffers only.
 * Spec   "Create a signed AWS API request" and "Authenticating Requests: Using the Authorization
 *        Header (AWS Signature Version 4)" of the AWS manuals. As for S3, paths are encoded once
 *        and not normalised.
 * Owns   nothing.
 */
#ifndef BS_STORAGE_SIGV4_H
#define BS_STORAGE_SIGV4_H

#include "base/bytes.h"

#define BS_SIGV4_PAIRS 24 /* most parameters of a query, and most headers */
#define BS_SIGV4_DATE  17 /* "20130524T000000Z" and its NUL */

/* A parameter of a query or a header, as it is: not encoded. */
struct bs_sigv4_pair {
    const char *name;
    const char *value; /* "" where a parameter has none */
};

struct bs_sigv4_request {
    const char *method; /* "PUT" */
    const char *path;   /* "/bucket/key", not encoded */
    const struct bs_sigv4_pair *query;
    size_t n_query;
    const struct bs_sigv4_pair *headers; /* all of them are signed; "host" must be among them */
    size_t n_headers;
    const char *payload_sha256; /* lower-case hex */
};

/* Who signs, and for what. */
struct bs_sigv4_key {
    const char *id;
    const char *secret; /* never printed */
    const char *region;
    const char *service; /* "s3" */
};

/* The time of a request as its x-amz-date header says it. */
void bs_sigv4_date(int64_t at_us, char out[BS_SIGV4_DATE]);
/* Puts the path or the query as they stand in the URL and in what is signed: the query is sorted. */
void bs_sigv4_put_path(struct bs_buf *out, const char *path);
void bs_sigv4_put_query(struct bs_buf *out, const struct bs_sigv4_pair *query, size_t n);
/* Puts the canonical request. */
void bs_sigv4_put_canonical(struct bs_buf *out, const struct bs_sigv4_request *r);
/*
 * Puts the value of the Authorization header.
 *
 * date  as the signed x-amz-date header has it
 * out   its `failed` is set where the request does not fit
 */
void bs_sigv4_put_authorization(struct bs_buf *out,
                                const struct bs_sigv4_request *r,
                                const struct bs_sigv4_key *key,
                                const char date[BS_SIGV4_DATE]);

#endif
