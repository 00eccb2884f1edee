/*
 * log_file.h - the directory of an open audit log: its lock, the file that grows, and the head.
 *
 * Knows nothing of records and threads: record.c gives it whole lines and asks for durability.
 *
 * Layer  audit. One thread at a time.
 * Owns   the lock, the descriptors, from open to close.
 */
#ifndef BS_AUDIT_LOG_FILE_H
#define BS_AUDIT_LOG_FILE_H

#include "audit/chain.h"
#include "audit/record.h"

struct bs_log_file {
    char *directory;
    struct bs_audit_key *key; /* that heads are signed with; NULL: they are not */
    uint64_t segment_bytes;
    int64_t segment_age_us;
    bool own_files; /* see struct bs_audit_options */
    int lock_fd;    /* -1 where not open, as the others */
    int head_fd;
    int fd;
    uint64_t first;          /* of the file that grows: its first seq */
    uint64_t size;           /* of it */
    int64_t begun_us;        /* bs_mono_us when it was begun or opened */
    uint64_t seq;            /* last line written */
    char hash[BS_HASH_TEXT]; /* of it */
    char torn[96];           /* file that open set half a line aside to; "" none */
    uint64_t torn_bytes;
};

/* Errors as bs_audit_open. On failure nothing stays open. */
BS_MUST_CHECK enum bs_done
bs_log_file_open(struct bs_log_file *f, const struct bs_audit_options *options, struct bs_err *err);
/* Where it has files of its own the last one is finished; else nothing is synced. Accepts one that failed to open. */
void bs_log_file_close(struct bs_log_file *f);

/* Begin a new file if the present one is full or old. What was written before is synced first. */
BS_MUST_CHECK enum bs_done bs_log_file_turn(struct bs_log_file *f, struct bs_err *err);

/*
 * Append lines; the chain has been counted on in f->seq and f->hash by the caller.
 *
 * err   IO: some of them may be in the file nevertheless
 */
BS_MUST_CHECK enum bs_done
bs_log_file_append(struct bs_log_file *f, struct bs_bytes lines, struct bs_err *err);
/* Everything appended is durable, and the head says so. IO. */
BS_MUST_CHECK enum bs_done bs_log_file_sync(struct bs_log_file *f, struct bs_err *err);

#endif
