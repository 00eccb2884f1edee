/*
 * record.h - the audit log: what was asked, judged, decided and done, as JSON lines that only grow.
 *
 * Each line carries `seq`, `at` and `prev`, the SHA-256 of the line before without its newline, also
 * across files; so an edit, a removal or a swap breaks the chain (verify.h). A file is named for its
 * first seq, "audit-000000000001.jsonl"; a new one is begun by size or age. "head.json" remembers
 * the last durable seq and its hash, so that a cut tail shows; it is signed (signing.h).
 *
 * One thread writes; whatever is waiting goes to disk in one write and one fsync. After an I/O error
 * everything fails until the log is opened again: no audit, no effect.
 *
 * Layer  audit. Thread-safe. bs_audit_write blocks on the disk: never on a worker.
 * Owns   the directory (one process at a time, by a lock), the writer thread and its queue.
 */
#ifndef BS_AUDIT_RECORD_H
#define BS_AUDIT_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

struct bs_audit; /* opaque */
struct bs_audit_digest;

/* What the log does not show: digests stand for it (digest.h). Bits. */
enum bs_audit_redact {
    BS_AUDIT_REDACT_NONE = 0,
    BS_AUDIT_REDACT_LITERALS =
        1, /* constants in statements, values in what a server said of them */
    BS_AUDIT_REDACT_PARAMETERS = 2,
    BS_AUDIT_REDACT_ALL = 3,
};

enum bs_audit_kind {
    BS_AUDIT_NONE = 0,     /* refused */
    BS_AUDIT_JUDGED,       /* phase one: what a statement is, and what was decided by policy */
    BS_AUDIT_OUTCOME,      /* phase two: what became of it */
    BS_AUDIT_DECISION,     /* an operator decided a ticket, or it expired */
    BS_AUDIT_SESSION_OPEN, /* an actor was let in, or not (outcome) */
    BS_AUDIT_SESSION_CLOSE,
    BS_AUDIT_RESTORE,  /* a step of a restore */
    BS_AUDIT_POINT,    /* something happened to a recovery point */
    BS_AUDIT_CONFIG,   /* start, stop, reload, policy digest */
    BS_AUDIT_OPERATOR, /* agents and operators added or revoked, pause, resume */
    BS_AUDIT_NOTE,     /* the log about itself */
    BS_AUDIT_EVASION, /* what was refused was asked for in other words; `ticket`: what was denied */
    BS_AUDIT_BREAK_GLASS, /* an admin approved alone, or that was reviewed (action) */
    BS_AUDIT_EXPLAINED,   /* an actor asked what a statement would do: it was not run */
    BS_AUDIT_KINDS
};

struct bs_audit_effect {
    const char *kind;   /* "DELETE" */
    const char *object; /* "public.orders" */
    int64_t rows;       /* -1: not measured */
};

/* A record. NULL, empty and 0 mean "nothing to say": the field is left out. */
struct bs_audit_record {
    enum bs_audit_kind kind;
    int64_t at_us;           /* 0: now */
    const char *actor;       /* agent */
    const char *group;       /* the actor's */
    const char *owner;       /* its human */
    const char *operator_;   /* who decided or acted, as opposed to asked ("operator") */
    const char *database;    /* configured name */
    const char *role;        /* on the server */
    const char *session;     /* session id */
    const char *client;      /* address */
    const char *application; /* what the client called itself: a claim */
    const char *claims; /* JSON object: run, purpose, parent, traceparent; must be valid JSON */
    const char *ticket;
    const char *point;
    struct bs_bytes who; /* what bs_audit_who makes of all from `actor` to here; none: not made */
    struct bs_bytes statement;  /* text; kept exactly: as base 64 where it is not UTF-8 */
    const char *params;         /* "$1 = 'x', $2 = 7" */
    bool redacted;              /* statement and params show nothing that the log must not */
    const char *statement_kind; /* "DELETE" */
    const char *risk;           /* "CRITICAL" */
    const char *decision;       /* "allow", "approve", "block", "approved", "denied", "expired" */
    const char *would;          /* shadow mode: what the decision would have been */
    const char *rule;           /* of the policy */
    const char *policy;         /* digest */
    const char *reasons;        /* JSON array, copied in as it is; must be valid JSON */
    const struct bs_audit_effect *effects;
    size_t n_effects;
    const char *outcome; /* "done", "failed", "uncertain", "refused", "committed", ... */
    const char *sqlstate;
    const char *tag; /* command tag of the server */
    int64_t duration_us;
    const char *action;  /* restore step, operator action, point event, config event */
    const char *subject; /* whom or what it was done to */
    const char *detail;  /* JSON object, copied in as it is; must be valid JSON */
    const char *text;    /* a sentence for people */
};

struct bs_audit_options {
    const char *directory;  /* made with mode 0700 where it is missing */
    const char *key;        /* file of the key that heads are signed with; NULL: they are not */
    uint64_t segment_bytes; /* 0: 64 MB */
    int64_t segment_age_us; /* 0: a day */
    size_t queue_bytes;     /* memory for what waits; 0: 64 MB */
    bool own_files; /* the file that grows is finished when the log is closed, not gone on with */
    enum bs_audit_redact redact;
    const char *redact_key; /* file of the digests' key, made where it is missing; with `redact` */
};

/*
 * Open the log: takes the lock, checks the head and the chain of the last file, sets a torn
 * last line aside (a file "torn-..." and a NOTE record that names it), starts the writer.
 *
 * err   UNAVAILABLE: another process has it open; DAMAGED: the chain is broken or its tail is
 *       missing (see verify.h), or the head is not signed by the key; NOT_FOUND: a log that has
 *       begun is there, but not its key; IO. The same of the key of digests
 */
BS_MUST_CHECK enum bs_done
bs_audit_open(const struct bs_audit_options *options, struct bs_audit **out, struct bs_err *err);
/* Writes and syncs what is queued, then ends the writer. Accepts NULL; sets it NULL. */
void bs_audit_close(struct bs_audit **a);

/*
 * Hand a record over without waiting: for SAFE traffic, on workers. It is on disk within moments,
 * in the order of the calls, and lost if the process is killed before.
 *
 * record   copied
 * err      LIMIT: the queue is full (the caller must then refuse or wait); IO: the log has failed;
 *          DATA: no kind, or not redacted
 */
BS_MUST_CHECK enum bs_done
bs_audit_enqueue(struct bs_audit *a, const struct bs_audit_record *record, struct bs_err *err);

/*
 * Write a record and return when it is durable. Blocks: not on a worker.
 *
 * seq   its number; may be NULL
 * err   IO: it could not be made durable - what depends on it must not happen; DATA: no kind, or not redacted;
 *       LIMIT: larger than the whole queue
 */
BS_MUST_CHECK enum bs_done bs_audit_write(struct bs_audit *a,
                                          const struct bs_audit_record *record,
                                          uint64_t *seq,
                                          struct bs_err *err);

/* The log has failed and refuses everything until it is opened again. For health checks. */
bool bs_audit_failed(struct bs_audit *a);
/* The file that grows is finished if it is old, also where nothing is recorded any more. Does not wait. */
void bs_audit_turn(struct bs_audit *a);
/* What makes the digests that stand for such values in it; NULL: they are shown. Lives as long as the log. */
const struct bs_audit_digest *bs_audit_redacts(const struct bs_audit *a, enum bs_audit_redact what);
/* Seq of the last durable record; 0: none. */
uint64_t bs_audit_seq(struct bs_audit *a);

const char *bs_audit_kind_name(enum bs_audit_kind kind); /* "judged", ... */

#endif
