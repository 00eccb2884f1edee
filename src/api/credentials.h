/*
 * credentials.h - agents and operators are given secrets: the rules that the command line and the
 * API share.
 *
 * Secrets are made here rather than chosen by people, so that their strength does not rest on SCRAM's
 * iterations. They are handed out once: what is stored is a verifier or a digest.
 *
 * Layer  api. Blocks on the state.
 * Owns   nothing. The caller wipes `secret`, also after a failure.
 */
#ifndef BS_API_CREDENTIALS_H
#define BS_API_CREDENTIALS_H

#include "policy/config.h"
#include "state/state.h"

#define BS_SECRET_TEXT 48 /* a secret and its NUL fit */
#define BS_OVERLAP_MAX_MS                                                                          \
    (INT64_C(90) * 86400 * 1000) /* that an old secret counts beside a new one */
#define BS_TTL_MIN_MS 1000       /* of a short-lived password */
#define BS_TTL_MAX_MS (INT64_C(24) * 3600 * 1000)

/* `text` from now, "30d", "12h"; or a time, "2026-01-01T00:00:00Z". USAGE, naming `what`. */
BS_MUST_CHECK enum bs_done
bs_expiry_read(const char *what, const char *text, int64_t *out_us, struct bs_err *err);

/* USAGE: a database that is not configured. Errors of the state are those of state.h. */
BS_MUST_CHECK enum bs_done bs_agent_enroll(struct bs_state *s,
                                           const struct bs_config *config,
                                           const struct bs_agent *agent, /* without a verifier */
                                           const char *by,
                                           char secret[BS_SECRET_TEXT],
                                           struct bs_err *err);
BS_MUST_CHECK enum bs_done bs_agent_change(struct bs_state *s,
                                           const struct bs_config *config,
                                           const struct bs_agent *row,
                                           unsigned fields,
                                           const char *by,
                                           struct bs_err *err);
/*
 * A new password.
 *
 * overlap_ms  that the one before counts, too; 0: it ends now
 * agent       as it is then, in the arena
 * err         CONFLICT: it logs in by certificate alone; USAGE: overlap_ms
 */
BS_MUST_CHECK enum bs_done bs_agent_rotate(struct bs_state *s,
                                           const char *name,
                                           int64_t overlap_ms,
                                           const char *by,
                                           struct bs_arena *arena,
                                           struct bs_agent *agent,
                                           char secret[BS_SECRET_TEXT],
                                           struct bs_err *err);
/* A short-lived password; it ends with the agent at the latest. CONFLICT, USAGE as above. */
BS_MUST_CHECK enum bs_done bs_agent_token(struct bs_state *s,
                                          const char *name,
                                          int64_t ttl_ms,
                                          const char *note,
                                          const char *by,
                                          struct bs_arena *arena,
                                          struct bs_token *token,
                                          char secret[BS_SECRET_TEXT],
                                          struct bs_err *err);

BS_MUST_CHECK enum bs_done bs_operator_enroll(struct bs_state *s,
                                              const struct bs_operator *op, /* without a digest */
                                              const char *by,
                                              char secret[BS_SECRET_TEXT],
                                              struct bs_err *err);
/* A new token. overlap_ms: as above. USAGE */
BS_MUST_CHECK enum bs_done bs_operator_rotate(struct bs_state *s,
                                              const char *name,
                                              int64_t overlap_ms,
                                              const char *by,
                                              char secret[BS_SECRET_TEXT],
                                              struct bs_err *err);

#endif
