/*
 * expect.h - a table of expectations: what a policy should say about which statement of whom.
 *
 * A YAML list, read as strictly as the configuration: all that is wrong is told at once, each
 * problem with its line.
 *
 * Layer  policy. Reads the file.
 * Owns   a table owns all it hands out; bs_expectations_fini.
 */
#ifndef BS_POLICY_EXPECT_H
#define BS_POLICY_EXPECT_H

#include "base/arena.h"
#include "policy/config.h"
#include "policy/rules.h"

/* What `rule` says where a default, or a profile, should decide. */
#define BS_EXPECT_NO_RULE "(none)"

struct bs_expectation {
    const char *name;
    int line;
    const char *actor;    /* "anyone" where it is not given */
    const char *group;    /* NULL: in none */
    const char *database; /* NULL: the only one there is */
    const char *sql;
    const char **params; /* as text; NULL: null */
    size_t n_params;
    int64_t rows; /* as if so many were counted in each table; -1: not counted */
    double share; /* of each table; only with `rows` */
    enum bs_action expect;
    enum bs_risk risk; /* UNKNOWN: any */
    const char *rule;  /* NULL: any; BS_EXPECT_NO_RULE */
};

struct bs_expectations {
    struct bs_arena arena;
    struct bs_expectation *list;
    size_t n;
};

/*
 * Load a file.
 *
 * problems  zeroed by the caller, who calls bs_problems_fini; has entries only where err is DATA
 * err       DATA: see `problems`; NOT_FOUND, IO, LIMIT: the file cannot be read
 */
BS_MUST_CHECK enum bs_done bs_expectations_load(const char *file,
                                                struct bs_expectations *out,
                                                struct bs_problems *problems,
                                                struct bs_err *err);
void bs_expectations_fini(struct bs_expectations *e); /* accepts a zeroed one */

#endif
