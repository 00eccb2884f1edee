/*
 * plan.h - which recovery point a judged unit needs, or why none can be made.
 *
 * Layer  recovery. Pure.
 * Spec   PROTECT.md, RISK.md (column "point"), RECOVERY.md section 7.
 * Owns   a plan lives in the caller's arena.
 */
#ifndef BS_RECOVERY_PLAN_H
#define BS_RECOVERY_PLAN_H

#include "catalog/judge.h"

enum bs_plan_kind {
    BS_PLAN_REFUSE = 0, /* destroys something that nothing we make covers: ZB004 */
    BS_PLAN_NONE,       /* nothing is lost: run, with an audit record */
    BS_PLAN_RECORD,     /* additive: run, manifest without objects */
    BS_PLAN_WHOLE,      /* lock and copy whole tables, with the schema dump */
};

struct bs_plan_table {
    uint32_t oid;
    const char *schema;
    const char *name;
    char relkind; /* r, p, m */
    enum bs_reach reach;
    enum bs_kind kind; /* DELETE, UPDATE, TRUNCATE, DROP TABLE: what will happen to it */
    double est_rows;
    int64_t est_bytes;
    bool exclusive; /* the statement itself will hold ACCESS EXCLUSIVE on it */
};

struct bs_plan {
    enum bs_plan_kind kind;
    const char *why;              /* one sentence for operators */
    struct bs_plan_table *tables; /* sorted by oid: the order in which they are locked */
    size_t n_tables;
    int64_t est_bytes;
    bool definition; /* store the schema dump */
    bool ddl;        /* catalog writes by the statement are expected */
    bool in_block;   /* the unit can run inside BEGIN ... COMMIT */
    /* RECORD whose triggers, defaults or the like run code that nobody has vetted: only the
     * pre-commit audit sees what that changes, so it runs protected even where it is allowed */
    bool audited;
};

/* Ceiling for what is copied whole, in bytes. */
struct bs_plan_limits {
    int64_t max_bytes;
};

/* err LIMIT: the arena's ceiling */
BS_MUST_CHECK enum bs_done bs_plan_make(const struct bs_unit *unit,
                                        const struct bs_facts *facts,
                                        struct bs_plan_limits limits,
                                        struct bs_arena *arena,
                                        struct bs_plan *out,
                                        struct bs_err *err);

const char *bs_plan_kind_name(enum bs_plan_kind kind); /* "refuse", "none", "record", "whole" */

#endif
