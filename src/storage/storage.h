/*
 * storage.h - where recovery points are kept: named objects that are written once and never
 * changed.
 *
 * A key is segments of [A-Za-z0-9._~%=-] joined by '/', no segment empty or starting with '.',
 * 200 bytes a segment and 900 in all; bs_key_segment makes such a segment of any name. No backend
 * overwrites; only pruning deletes, so an object lock on the store never stands in the way of
 * anything else.
 *
 * Layer  storage.
 * Spec   DESIGN.md section 8, RECOVERY.md section 8.
 * Owns   a store is opened and closed by its user. One handle may be used by several threads at
 *        once; every call blocks (disk or network), so never call from a worker's loop.
 */
#ifndef BS_STORAGE_STORAGE_H
#define BS_STORAGE_STORAGE_H

#include "base/bytes.h"
#include "base/err.h"
#include "base/watch.h"

#define BS_KEY_MAX         900 /* bytes of a key, without the NUL */
#define BS_KEY_SEGMENT_MAX 200

struct bs_store {
    const struct bs_store_ops *ops;
    void *backend;                /* the backend's own */
    const struct bs_watch *watch; /* what ends calls early; NULL: nothing */
    struct bs_keys *keys;         /* of the points in it (recovery/keys.h); NULL: none */
    void (*keys_free)(struct bs_keys **keys);
};

struct bs_store_info {
    int64_t size;            /* bytes */
    char lock[16];           /* "GOVERNANCE", "COMPLIANCE": what the store says; "": not locked */
    int64_t locked_until_us; /* 0: not locked */
};

/* What became of an object that was to be removed. */
enum bs_removed {
    BS_REMOVED_NOT = 0, /* it is there */
    BS_REMOVED_GONE,
    BS_REMOVED_HIDDEN, /* behind a delete marker: the bucket keeps versions, and this one stays */
};

struct bs_keys;
struct bs_probe_report;

/* Takes a piece of an object as it arrives; BS_FAILED (err set) ends the reading. */
typedef enum bs_done (*bs_store_sink)(void *ctx, struct bs_bytes piece, struct bs_err *err);
/* Takes one name of a listing; `key` lives during the call only. */
typedef enum bs_done (*bs_store_visit)(void *ctx,
                                       const char *key,
                                       int64_t size,
                                       struct bs_err *err);

/*
 * What a backend does. Keys have been checked by the callers below. `put` and `put_file` make an
 * object durable before they return and answer CONFLICT where the key is taken; `read` and `head`
 * answer NOT_FOUND. `list` visits every key that starts with `prefix`, in ascending byte order, and
 * may miss one that is removed meanwhile.
 */
struct bs_store_ops {
    const char *scheme;            /* "file" */
    bool (*here)(const char *url); /* on this machine */
    enum bs_done (*check)(const char *url, struct bs_err *err);
    void (*describe)(const char *url, struct bs_buf *out);
    enum bs_done (*open)(const char *url, struct bs_store **out, struct bs_err *err);
    void (*close)(struct bs_store *s);
    enum bs_done (*put)(struct bs_store *s, const char *key, struct bs_bytes b, struct bs_err *err);
    enum bs_done (*put_file)(struct bs_store *s,
                             const char *key,
                             const char *path,
                             struct bs_err *err);
    enum bs_done (*read)(
        struct bs_store *s, const char *key, bs_store_sink sink, void *ctx, struct bs_err *err);
    enum bs_done (*head)(struct bs_store *s,
                         const char *key,
                         struct bs_store_info *out,
                         struct bs_err *err);
    enum bs_done (*list)(struct bs_store *s,
                         const char *prefix,
                         bs_store_visit visit,
                         void *ctx,
                         struct bs_err *err);
    enum bs_done (*remove)(struct bs_store *s,
                           const char *key,
                           enum bs_removed *how,
                           struct bs_err *err);
    void (*probe)(struct bs_store *s,
                  const char *folder,
                  struct bs_probe_report *out); /* probe.h */
};

extern const struct bs_store_ops bs_store_local; /* file:///absolute/folder */
extern const struct bs_store_ops bs_store_s3;    /* s3://bucket/prefix?..., see s3_place.h */

/*
 * Opens the store that a URL names.
 *
 * url   "file:///path": the folder is made where it is missing; "s3://bucket/...": nobody is
 *       spoken to yet
 * err   CONFIG (unknown scheme, relative path, wrong option, no credentials), IO (the folder cannot
 *       be made or written)
 */
BS_MUST_CHECK enum bs_done
bs_store_open(const char *url, struct bs_store **out, struct bs_err *err);
/* Could such a URL be opened? Looks at its text alone, and at the environment. CONFIG, in words that
 * quote nothing secret. */
BS_MUST_CHECK enum bs_done bs_store_check(const char *url, struct bs_err *err);
/* Puts what a URL that can be opened comes to, defaults and all, in one line. */
void bs_store_describe(const char *url, struct bs_buf *out);
/* Does such a URL lead to this machine: a folder, or a server on loopback? */
bool bs_store_is_here(const char *url);
void bs_store_close(struct bs_store **s); /* accepts a NULL store; sets it NULL */

/*
 * The same store, for one piece of work: what is called through the view ends early with what the
 * watch says, also an upload that hangs. The view is never closed; it lives as long as `s` and the
 * watch do.
 */
struct bs_store bs_store_watched(const struct bs_store *s, const struct bs_watch *watch);

/* A new object of these bytes. CONFLICT where the key is taken, DATA for a bad key, IO. */
BS_MUST_CHECK enum bs_done
bs_store_put(struct bs_store *s, const char *key, struct bs_bytes content, struct bs_err *err);
/* A new object of a local file's content, which stays where it is. Errors as bs_store_put. */
BS_MUST_CHECK enum bs_done
bs_store_put_file(struct bs_store *s, const char *key, const char *path, struct bs_err *err);
/* A whole object into `out`, whose ceiling is the limit. NOT_FOUND, LIMIT, DATA, IO. */
BS_MUST_CHECK enum bs_done
bs_store_get(struct bs_store *s, const char *key, struct bs_buf *out, struct bs_err *err);
/* An object piece by piece, in order. NOT_FOUND, DATA, IO, or what the sink said. */
BS_MUST_CHECK enum bs_done bs_store_read(
    struct bs_store *s, const char *key, bs_store_sink sink, void *ctx, struct bs_err *err);
/* An object into a new local file (mode 0600, removed again on failure). CONFLICT, or as read. */
BS_MUST_CHECK enum bs_done
bs_store_get_file(struct bs_store *s, const char *key, const char *path, struct bs_err *err);
/* Size of an object. NOT_FOUND, DATA, IO. */
BS_MUST_CHECK enum bs_done
bs_store_head(struct bs_store *s, const char *key, struct bs_store_info *out, struct bs_err *err);
/* Every key that starts with `prefix` ("" for all), ascending. IO, or what the visitor said. */
BS_MUST_CHECK enum bs_done bs_store_list(
    struct bs_store *s, const char *prefix, bs_store_visit visit, void *ctx, struct bs_err *err);

/*
 * Takes an object away, durable when it returns. One that is not there is gone. Only pruning calls
 * this.
 *
 * how   out
 * err   CONFLICT: an object lock is on it, the message says until when; FORBIDDEN: whoever we are
 *       there may not delete; DATA, IO, UNAVAILABLE: it may be there or not
 */
BS_MUST_CHECK enum bs_done
bs_store_remove(struct bs_store *s, const char *key, enum bs_removed *how, struct bs_err *err);

/* Does a read that failed so say nothing of the object: the store did not answer, or not to us? */
bool bs_store_silent(enum bs_code code);

/* DATA where `key` is not a key as described on top. */
BS_MUST_CHECK enum bs_done bs_key_check(const char *key, struct bs_err *err);
/*
 * Puts one key segment for any name: what is not [A-Za-z0-9_=-] or a '.' after the first byte
 * becomes %XX. A name that would pass 100 bytes is cut and gets "~" and 16 hex digits of its
 * SHA-256, so that different names stay different. An empty name becomes "%00".
 */
void bs_key_segment(struct bs_buf *out, const char *name);

#endif
