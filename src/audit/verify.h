/*
 * verify.h - check an audit directory offline: is the chain whole, and where does it break?
 *
 * Finds an edited byte, a removed, added or swapped line, a removed file, and a tail that was cut
 * off behind the last durable record of "head.json". With the public key also a chain that was made
 * anew by somebody who cannot sign. Whoever has the private key can forge all of it, and an older copy
 * of the whole folder is intact: copies of heads elsewhere are what helps against these.
 *
 * Layer  audit. Reads files only; works while the log is being written.
 * Owns   nothing.
 */
#ifndef BS_AUDIT_VERIFY_H
#define BS_AUDIT_VERIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "audit/signing.h"
#include "base/err.h"

#define BS_AUDIT_BREAKS 32 /* that are told */

/* A place where the log is not what it was. */
struct bs_audit_break {
    char file[64]; /* its name */
    uint64_t line; /* 1-based, in it */
    uint64_t seq;  /* that was expected there */
    char why[200]; /* what is wrong, in one sentence */
};

/* What was found. Meaningful only where bs_audit_verify returned BS_DONE. */
struct bs_audit_verdict {
    bool intact;       /* zero: not shown to be whole */
    uint64_t records;  /* good ones, up to the first break */
    uint64_t last_seq; /* of the last good one; 0: none */
    unsigned files;    /* looked at */
    bool signatures;   /* all heads were checked against a key */
    bool torn;         /* the last file ends in half a line behind the head: a crash, not a break */
    /* The first of each file, ascending: behind a break it goes on with the next file. */
    struct bs_audit_break breaks[BS_AUDIT_BREAKS];
    size_t n_breaks;
};

/*
 * Verify a directory.
 *
 * key   that every head must be signed with; NULL: signatures are not looked at
 * err   NOT_FOUND: no such directory, or no log in it; IO: a file cannot be read. A broken chain is an answer, not
 *       an error.
 */
BS_MUST_CHECK enum bs_done bs_audit_verify(const char *directory,
                                           const struct bs_audit_key *key,
                                           struct bs_audit_verdict *out,
                                           struct bs_err *err);
/*
 * The same of a copy of finished files with their heads, as a store has them: there is no "head.json",
 * so the last file's own head takes its place. Whether later files are missing cannot be told.
 */
BS_MUST_CHECK enum bs_done bs_audit_verify_copy(const char *directory,
                                                const struct bs_audit_key *key,
                                                struct bs_audit_verdict *out,
                                                struct bs_err *err);

#endif
