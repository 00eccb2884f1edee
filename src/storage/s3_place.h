/*
 * s3_place.h - where an s3:// URL points, and as whom one goes there.
 *
 *   s3://bucket/prefix?endpoint=https://host:port&region=us-east-1&style=path
 *
 *   endpoint=URL      default https://s3.<region>.amazonaws.com; http:// on loopback only
 *   region=NAME       default AWS_REGION, AWS_DEFAULT_REGION; us-east-1 where there is an endpoint
 *   style=path|virtual  where the bucket goes; default path with an endpoint, else virtual
 *   lock=governance|compliance, lock_days=N   ask for an Object Lock on every object
 *   ca_file=/path     what to trust instead of the system's certificates
 *   credentials=/path a file like ~/.aws/credentials;  profile=NAME  of it
 *   timeout=60s       how long one call may go on failing
 *   allow_http=yes    http:// beyond loopback, which lets others read what is stored
 *
 * Credentials: the file or profile of the URL, else AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and
 * AWS_SESSION_TOKEN, else AWS_SHARED_CREDENTIALS_FILE or ~/.aws/credentials. Never in the URL.
 *
 * Layer  storage. Reads the environment and the credentials' file; no network.
 * Owns   credentials own their texts until bs_s3_credentials_fini, which wipes them.
 */
#ifndef BS_STORAGE_S3_PLACE_H
#define BS_STORAGE_S3_PLACE_H

#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

#define BS_S3_PREFIX_MAX 120 /* with a key of ours it stays below S3's 1024 bytes */

enum bs_s3_lock {
    BS_S3_LOCK_NONE = 0,
    BS_S3_LOCK_GOVERNANCE, /* whoever has a special right may still delete */
    BS_S3_LOCK_COMPLIANCE, /* nobody may, not even the account's owner */
};

struct bs_s3_place {
    char bucket[64];
    char prefix[BS_S3_PREFIX_MAX + 2]; /* "" or with a '/' at its end */
    char endpoint[280];                /* "https://host:port", the bucket in it where virtual */
    char host[280];                    /* as the Host header has it */
    char region[64];
    bool path_style;
    bool loopback;
    char ca_file[512];     /* "": the system's */
    char credentials[512]; /* "": see above */
    char profile[64];      /* "": AWS_PROFILE or default */
    enum bs_s3_lock lock;
    int lock_days;
    int timeout_ms;
};

/* Everything that can be said of the URL alone. CONFIG; no message quotes more than an option's
 * name or a value that is no secret. */
BS_MUST_CHECK enum bs_done
bs_s3_place_read(const char *url, struct bs_s3_place *out, struct bs_err *err);
/* "GOVERNANCE", "COMPLIANCE"; NULL for none. */
const char *bs_s3_lock_name(enum bs_s3_lock lock);

struct bs_s3_credentials {
    char *id, *secret;
    char *token; /* NULL: none */
};

/* CONFIG: there are none, half of them, or others may read the file; IO. Zero `out` first. */
BS_MUST_CHECK enum bs_done bs_s3_credentials_read(const struct bs_s3_place *place,
                                                  struct bs_s3_credentials *out,
                                                  struct bs_err *err);
void bs_s3_credentials_fini(struct bs_s3_credentials *c); /* accepts a zeroed one */
bool bs_s3_credentials_equal(const struct bs_s3_credentials *a, const struct bs_s3_credentials *b);

#endif
