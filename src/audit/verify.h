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
#include <stdint.h>

#include "audit/signing.h"
#include "base/err.h"

/* What was found. Meaningful only where bs_audit_verify returned BS_DONE. */
struct bs_audit_verdict {
    bool intact;       /* zero: not shown to be whole */
    uint64_t records;  /* good ones, up to the break */
    uint64_t last_seq; /* of the last good one; 0: none */
    unsigned files;    /* looked at */
    bool signatures;   /* all heads were checked against a key */
    bool torn;         /* the last file ends in half a line behind the head: a crash, not a break */
    char file[64];     /* the break: name of the file, */
    uint64_t line;     /* 1-based line in it, */
    uint64_t seq;      /* the seq that was expected there, */
    char why[160];     /* and what is wrong, in one sentence */
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

#endif
