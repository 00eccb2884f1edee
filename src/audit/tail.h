/*
 * tail.h - read an audit log from near its end, and follow it as it grows.
 *
 * Layer  audit. Reads files only; works while the log is being written. Checks nothing: verify.h does.
 * Owns   a bs_audit_tail owns its file and the line it hands out.
 */
#ifndef BS_AUDIT_TAIL_H
#define BS_AUDIT_TAIL_H

#include "base/bytes.h"
#include "base/err.h"

struct bs_audit_tail; /* opaque */

enum bs_tail {
    BS_TAIL_BAD = 0, /* err is set */
    BS_TAIL_END,     /* nothing more now; ask again later */
    BS_TAIL_LINE,
};

/*
 * Stand before the last `lines` lines.
 *
 * err   NOT_FOUND: no such directory, or no log in it; IO
 */
BS_MUST_CHECK enum bs_done bs_audit_tail_open(const char *directory,
                                              uint64_t lines,
                                              struct bs_audit_tail **out,
                                              struct bs_err *err);
/*
 * The next whole line.
 *
 * out   without its newline, valid until the next call
 * err   IO
 */
BS_MUST_CHECK enum bs_tail
bs_audit_tail_next(struct bs_audit_tail *t, struct bs_bytes *out, struct bs_err *err);
void bs_audit_tail_close(struct bs_audit_tail **t); /* accepts NULL; sets it NULL */

#endif
