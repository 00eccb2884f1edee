/*
 * redact.h - texts as the audit log may have them: with digests in place of values.
 *
 * Every function takes the digest that the log gives (bs_audit_redacts); NULL: the text as it is.
 * Tickets and recovery points have the real values: operators decide by them.
 *
 * Layer  policy. Pure.
 * Owns   nothing; results live in the arena, or are the text itself.
 */
#ifndef BS_POLICY_REDACT_H
#define BS_POLICY_REDACT_H

#include "audit/digest.h"
#include "base/arena.h"

/* A statement. LIMIT: the arena's ceiling; `out` is empty then. */
BS_MUST_CHECK enum bs_done bs_redact_statement(const struct bs_audit_digest *d,
                                               struct bs_bytes text,
                                               struct bs_arena *arena,
                                               struct bs_bytes *out,
                                               struct bs_err *err);
/* A sentence that may quote what a server said. NULL stays NULL; "..." where there is no room. */
const char *
bs_redact_sentence(const struct bs_audit_digest *d, const char *text, struct bs_arena *arena);
/* Appends '~digest' for a value. */
void bs_redact_value(const struct bs_audit_digest *d, struct bs_bytes value, struct bs_buf *out);

#endif
