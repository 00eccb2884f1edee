/*
 * logs.h - all logs of an audit directory: its own, which the gateway writes, and those in folders
 * within it, each with a chain of its own. Restores write to "restore", as they also run while the
 * gateway holds its log.
 *
 * Layer  audit. Reads files only; works while the logs are being written.
 * Owns   what is opened or listed here is freed by its user.
 */
#ifndef BS_AUDIT_LOGS_H
#define BS_AUDIT_LOGS_H

#include <stddef.h>

#include "audit/tail.h"

struct bs_audit_logs {
    char **names; /* "" first: the directory's own; then folders by name */
    size_t n;
};

/*
 * Lists them. A folder without a log in it is none.
 *
 * out   zeroed by the caller; freed by bs_audit_logs_fini in either case
 * err   NOT_FOUND: no such directory, or no log in itself; IO
 */
BS_MUST_CHECK enum bs_done
bs_audit_logs_list(const char *directory, struct bs_audit_logs *out, struct bs_err *err);
void bs_audit_logs_fini(struct bs_audit_logs *l);

struct bs_audit_reader; /* opaque: the tails of all of them as one */

/*
 * Stands before the last `lines` lines of all logs together, in the order of their times; within
 * one log its own order is kept. Errors of bs_audit_logs_list and bs_audit_tail_open.
 */
BS_MUST_CHECK enum bs_done bs_audit_reader_open(const char *directory,
                                                uint64_t lines,
                                                struct bs_audit_reader **out,
                                                struct bs_err *err);
/*
 * The next whole line. Those that come after the opening are given log by log, as they are found;
 * logs that begin later are found, too.
 *
 * line   without its newline, valid until the next call
 * log    name of its log, valid until the reader is closed
 * err    IO
 */
BS_MUST_CHECK enum bs_tail bs_audit_reader_next(struct bs_audit_reader *r,
                                                struct bs_bytes *line,
                                                const char **log,
                                                struct bs_err *err);
void bs_audit_reader_close(struct bs_audit_reader **r); /* accepts NULL; sets it NULL */

#endif
