/*
 * chain.h - the files of a log, and the walk along the chain that open and verify share.
 *
 * A line is `{"seq":N,"prev":"<64 hex>","at":...}` and a newline; `prev` is the SHA-256 of the line
 * before, without its newline; 64 zeros before the first.
 *
 * Layer  audit. Reads files.
 * Owns   bs_segments: see there.
 */
#ifndef BS_AUDIT_CHAIN_H
#define BS_AUDIT_CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "audit/head.h"
#include "base/bytes.h"
#include "base/err.h"

#define BS_SEGMENT_NAME 40 /* "audit-000000000001.jsonl" and room for longer numbers */

void bs_audit_hash(struct bs_bytes line, char out[BS_HASH_TEXT]);
/* `{"seq":N,"prev":"<64 hex>",`, with which each line begins. */
void bs_line_begin(struct bs_buf *out, uint64_t seq, const char prev[BS_HASH_TEXT]);

/* --- files --- */

void bs_segment_name(uint64_t first_seq, char out[BS_SEGMENT_NAME]);
/* Of the head that a finished one has to itself: "audit-000000000001.head". */
void bs_segment_head_name(uint64_t first_seq, char out[BS_SEGMENT_NAME]);

/* First seqs of the segments in a directory, ascending. Zero it first; free with bs_segments_fini. */
struct bs_segments {
    uint64_t *first;
    size_t n;
};

/* NOT_FOUND: no such directory; IO. */
BS_MUST_CHECK enum bs_done
bs_segments_list(const char *directory, struct bs_segments *out, struct bs_err *err);
void bs_segments_fini(struct bs_segments *s);

/* --- the walk --- */

struct bs_chain {
    uint64_t seq;            /* of the last good line */
    char hash[BS_HASH_TEXT]; /* of it; "": not known, the next line's `prev` is taken as it is */
    struct bs_head head;     /* compared when its seq comes by */
    bool head_seen;
};

enum bs_chain_end {
    BS_CHAIN_BROKEN = 0, /* stop says where and why */
    BS_CHAIN_TORN,       /* good up to a last line without its newline */
    BS_CHAIN_WHOLE,
};

struct bs_chain_stop {
    uint64_t line;   /* 1-based number of the first bad line; of the last one + 1 where whole */
    uint64_t offset; /* bytes of good lines */
    char why[160];
};

/* A chain that starts before seq first_seq; its hash is known where that is 1. */
void bs_chain_start(struct bs_chain *c, uint64_t first_seq, const struct bs_head *head);

/* Follow the chain through one file. IO, NOT_FOUND. */
BS_MUST_CHECK enum bs_done bs_chain_walk(struct bs_chain *c,
                                         const char *path,
                                         enum bs_chain_end *end,
                                         struct bs_chain_stop *stop,
                                         struct bs_err *err);

#endif
