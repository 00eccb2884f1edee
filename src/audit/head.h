/*
 * head.h - the head of a log: the last line that is known to be durable, signed.
 *
 * "head.json" grows with the log. A file that is finished has a head of its own, which stays, so that
 * it can be checked wherever it was copied to.
 *
 * Layer  audit. Reads and writes files.
 * Owns   nothing.
 */
#ifndef BS_AUDIT_HEAD_H
#define BS_AUDIT_HEAD_H

#include <stdbool.h>
#include <stdint.h>

#include "audit/signing.h"
#include "base/bytes.h"
#include "base/err.h"

#define BS_HASH_TEXT  65 /* SHA-256 in hex and a NUL */
#define BS_HASH_ZEROS "0000000000000000000000000000000000000000000000000000000000000000"
#define BS_HEAD_FILE  "head.json"
#define BS_HEAD_BYTES 320 /* fixed, so that it can be overwritten in place */

struct bs_head {
    bool there;
    uint64_t seq; /* 0: none yet */
    char hash[BS_HASH_TEXT];
    char key[BS_KEY_ID_TEXT]; /* which signed it; "": it is not signed */
    char signature[BS_SIGNATURE_TEXT];
};

/* A head at this place of the chain, signed where there is a key (which may be NULL). */
struct bs_head
bs_head_make(uint64_t seq, const char hash[BS_HASH_TEXT], const struct bs_audit_key *key);

/* DAMAGED: it is there but cannot be read. A missing one is BS_DONE with `there` false. */
BS_MUST_CHECK enum bs_done
bs_head_read(const char *directory, const char *name, struct bs_head *out, struct bs_err *err);
/* Overwrite in place; not synced. IO. */
BS_MUST_CHECK enum bs_done bs_head_write(int fd, const struct bs_head *head, struct bs_err *err);
/* A file of its own, durable; it may replace one. IO. */
BS_MUST_CHECK enum bs_done bs_head_store(const char *directory,
                                         const char *name,
                                         const struct bs_head *head,
                                         struct bs_err *err);

/* NULL: signed with this key; else what is wrong with it, as "is not signed". */
const char *bs_head_wrong(const struct bs_head *head, const struct bs_audit_key *key);

#endif
