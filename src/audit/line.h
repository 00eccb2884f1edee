/*
 * line.h - a record as the JSON text of its line.
 *
 * Layer  audit. Pure but for the clock of a record without a time.
 * Owns   nothing; appends to the caller's buffer.
 */
#ifndef BS_AUDIT_LINE_H
#define BS_AUDIT_LINE_H

#include "audit/record.h"

/*
 * Append what comes behind `{"seq":...,"prev":...,`: from "at" to the closing brace, without a
 * newline. A text that is not UTF-8 loses the offending bytes (U+FFFD), but for the statement,
 * which is kept whole. Check out->failed.
 */
void bs_audit_line(const struct bs_audit_record *record, struct bs_buf *out);
/*
 * Append what a line has of who asks, from "actor" to "claims": a session makes it once, for all of
 * its records that say nothing else of it (`who` of a record).
 */
void bs_audit_who(const struct bs_audit_record *record, struct bs_buf *out);
/* A text as it stands in a line, with its quotes. */
void bs_audit_put_string(struct bs_buf *out, struct bs_bytes text);

#endif
