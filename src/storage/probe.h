/*
 * probe.h - what a store really does, found out by trying: `backstop storage check`.
 *
 * Stores say 200 to what they ignore. So each claim is tried under probe/<ULID>/, and what was
 * found is kept as a record under probe/records/, newest first, which the S3 backend goes by.
 *
 * Layer  storage. Blocks.
 * Spec   RECOVERY.md section 6.
 * Owns   nothing.
 */
#ifndef BS_STORAGE_PROBE_H
#define BS_STORAGE_PROBE_H

#include <jansson.h>

#include "storage/storage.h"

#define BS_PROBE_RECORDS "probe/records/"

enum { BS_PROBE_FINDINGS = 24, BS_PROBE_FACTS = 16 };

/* Zero is the worst. */
enum bs_probe_level {
    BS_PROBE_FAIL = 0, /* recovery points cannot be kept here */
    BS_PROBE_WARN,     /* they can, but not as safely as they could */
    BS_PROBE_INFO,     /* to be known */
    BS_PROBE_OK,
    BS_PROBE_LEVELS
};

struct bs_probe_finding {
    enum bs_probe_level level;
    const char *check; /* never renamed: "create" */
    char text[400];
    char way[256]; /* what to do about it; "": nothing */
};

/* "create": "honoured" */
struct bs_probe_fact {
    const char *name, *value;
};

/* Zero it first. */
struct bs_probe_report {
    struct bs_probe_finding findings[BS_PROBE_FINDINGS];
    size_t n_findings;
    struct bs_probe_fact facts[BS_PROBE_FACTS]; /* for the record */
    size_t n_facts;
    int counts[BS_PROBE_LEVELS];
    struct bs_err stopped; /* why no more was tried; code BS_OK: all was */
    char place[320];       /* for the record: the host and bucket, or the folder */
};

void bs_probe_note(struct bs_probe_report *r,
                   enum bs_probe_level level,
                   const char *check,
                   const char *way,
                   const char *fmt,
                   ...) __attribute__((format(printf, 5, 6)));
/* Both literals. */
void bs_probe_fact(struct bs_probe_report *r, const char *name, const char *value);
const char *bs_probe_level_name(enum bs_probe_level level); /* "ok", ... */

/* Tries everything; what could not even be begun is in `stopped`. */
void bs_probe_run(struct bs_store *s, struct bs_probe_report *out);
/* Puts the record into the store, under a name that sorts before all earlier ones. */
BS_MUST_CHECK enum bs_done
bs_probe_put_record(struct bs_store *s, const struct bs_probe_report *r, struct bs_err *err);
/* The newest record, for whoever wants to show it; *out is the caller's. NOT_FOUND, DATA, IO. */
BS_MUST_CHECK enum bs_done
bs_probe_last_record(struct bs_store *s, json_t **out, struct bs_err *err);

#endif
