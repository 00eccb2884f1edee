/*
 * explain.h - the five calls of the gateway's judgement, with nobody waiting, and everything said.
 * Nothing runs: the catalog is read and rows are counted through the database's helper.
 *
 * Layer  api. Blocks on the database.
 * Owns   a bs_explained owns its snapshot until bs_explained_fini; all else is in the caller's arena.
 */
#ifndef BS_API_EXPLAIN_H
#define BS_API_EXPLAIN_H

#include <jansson.h>

#include "catalog/judge.h"
#include "catalog/snapshot.h"
#include "policy/config.h"
#include "policy/decide.h"
#include "recovery/plan.h"

struct bs_explain {
    const char *agent;
    const char *group;    /* NULL: in none */
    const char *database; /* NULL: the only one */
    bool offline;         /* without the catalog */
    int64_t rows;         /* as if so many were counted; -1: count */
    double share;         /* of their tables; -1: next to nothing */
    struct bs_bytes sql;
};

struct bs_explained {
    bool offline;
    struct bs_unit unit;
    struct bs_facts facts;
    struct bs_decision decision;
    struct bs_plan plan;
    struct bs_snapshot *snapshot; /* the facts' names may live in it */
    struct bs_subject subject;
    const struct bs_policy *policy;
    struct bs_require require; /* of its point */
    bool shielded;
};

/*
 * policy   by which it is decided; outlives `out`
 * out      zeroed; bs_explained_fini in either case
 * err      USAGE, NOT_FOUND: the database; UNAVAILABLE, DATABASE: its catalog; LIMIT
 */
BS_MUST_CHECK enum bs_done bs_explain(const struct bs_config *config,
                                      const struct bs_policy *policy,
                                      const struct bs_explain *ask,
                                      struct bs_arena *arena,
                                      struct bs_explained *out,
                                      struct bs_err *err);
void bs_explained_fini(struct bs_explained *x); /* accepts a zeroed one */

json_t *bs_explained_json(const struct bs_explained *x);

#endif
