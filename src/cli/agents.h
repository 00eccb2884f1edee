/*
 * agents.h - what the verbs of `backstop agents` share: the options that describe an agent, and
 * how one is shown.
 *
 * Layer  cli.
 * Owns   nothing; texts are those of the command line, or of the arena.
 */
#ifndef BS_CLI_AGENTS_H
#define BS_CLI_AGENTS_H

#include "cli/actors.h"

/* Options as they are given; zero: not given. */
struct bs_agent_options {
    struct bs_arg_texts databases, addresses;
    const char *kind, *owner, *group, *expires, *role;
    const char *common_name, *subject;
    bool certificate_only;
    bool no_owner, no_group, no_expiry, any_address, no_role, no_certificate; /* `agents set` */
};

/* clang-format off */
#define BS_AGENT_ARGS(o)                                                                           \
    {"database", 'd', BS_ARG_TEXTS, "NAME", "configured database it may use; may be repeated",     \
     &(o).databases},                                                                              \
    {"kind", 'k', BS_ARG_TEXT, "KIND", "agent (default), app or person; for the record",           \
     &(o).kind},                                                                                   \
    {"owner", 'o', BS_ARG_TEXT, "WHO", "the human who answers for it", &(o).owner},                \
    {"group", 'g', BS_ARG_TEXT, "GROUP", "what policies may name instead of it", &(o).group},      \
    {"expires", 'e', BS_ARG_TEXT, "TIME", "from now, like 30d or 12h, or a time in UTC (default: never)",            \
     &(o).expires},                                                                                \
    {"address", 'a', BS_ARG_TEXTS, "CIDR",                                                         \
     "where it may come from, like 10.0.0.0/8 or local; may be repeated", &(o).addresses},         \
    {"role", 'r', BS_ARG_TEXT, "ROLE", "its role on the server, instead of the upstream's",        \
     &(o).role},                                                                                   \
    {"certificate-cn", 0, BS_ARG_TEXT, "NAME", "the common name in the certificate it shows",      \
     &(o).common_name},                                                                            \
    {"certificate-dn", 0, BS_ARG_TEXT, "SUBJECT",                                                  \
     "the same by the whole subject, as RFC 2253 writes it", &(o).subject},                        \
    {"certificate-only", 0, BS_ARG_FLAG, NULL,                                                     \
     "the certificate is enough; no password is asked for", &(o).certificate_only}
#define BS_AGENT_ARGS_N 10
/* clang-format on */

/*
 * Read what was given into an agent, and say which fields that is.
 *
 * fields  bits of enum bs_agent_field
 * err     USAGE: options that contradict each other, or a malformed value
 */
BS_MUST_CHECK enum bs_done bs_agent_options_read(const struct bs_agent_options *o,
                                                 struct bs_arena *arena,
                                                 struct bs_agent *out,
                                                 unsigned *fields,
                                                 struct bs_err *err);

/* Texts with a comma between them; "-" for none. */
const char *bs_agent_join(struct bs_arena *arena, const char *const *texts, size_t n);

#define BS_BEARER_TEXT 192 /* a bearer value and its NUL fit */

/* What the agents' HTTP takes as "Authorization: Bearer": both in base64url. Wipe it. */
void bs_agent_bearer(const char *name, const char *secret, char out[BS_BEARER_TEXT]);

/* The verbs that are not in cmd_agents.c. */
int bs_agents_set(int argc, char **argv);
int bs_agents_disable(int argc, char **argv);
int bs_agents_enable(int argc, char **argv);
int bs_agents_token(int argc, char **argv);
int bs_agents_tokens(int argc, char **argv);
int bs_agents_list(int argc, char **argv);

#endif
