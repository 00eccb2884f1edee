/*
 * policies.h - configuration texts that the tests of this room share.
 */
#ifndef BS_TEST_POLICIES_H
#define BS_TEST_POLICIES_H

#include "policy/config.h"
#include "tap.h"

/* Everything but the policy, two databases. */
#define HEAD                                                                                       \
    "listen: ['127.0.0.1:6543']\n"                                                                 \
    "databases:\n"                                                                                 \
    "  shop: {upstream: 'dbname=shop user=app', helper: 'dbname=shop user=backstop'}\n"            \
    "  stage: {upstream: 'dbname=stage user=app', helper: 'dbname=stage user=backstop'}\n"         \
    "state: sqlite:state.db\n"                                                                     \
    "audit: {directory: audit}\n"                                                                  \
    "storage: file:storage\n"                                                                      \
    "spool: spool\n"
#define HEAD_LINES 8

/* The config of a text, or NULL with what is wrong said in the test's output. */
static inline struct bs_config *
config_of(const char *text)
{
    struct bs_config *c = NULL;
    struct bs_problems problems = {0};
    struct bs_err err = {0};

    if (bs_config_parse(bs_bytes_of(text), "/etc/backstop/b.yaml", &c, &problems, &err) != BS_DONE)
        printf("# %s\n", err.message);
    bs_problems_fini(&problems);
    return c;
}

#endif
