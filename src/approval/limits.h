/*
 * limits.h - what was approved, and whether what is about to run still is that.
 *
 * Limits are stored with a ticket and compared, not hashed: rows may grow a little between asking
 * and running, the plan and the policy's answer may not get weaker.
 *
 * Layer  approval. Pure.
 * Spec   DESIGN 7 (10 % and 10 rows), PROTECT 14.
 * Owns   what is read lives in the caller's arena; bs_limits_write returns a malloc-ed text.
 */
#ifndef BS_APPROVAL_LIMITS_H
#define BS_APPROVAL_LIMITS_H

#include "base/arena.h"
#include "base/err.h"

struct bs_limit_table {
    const char *name; /* "public.orders" */
    int64_t rows;     /* that would change; -1: not measured */
    bool by_key;      /* picked by key: may not grow at all */
};

struct bs_limits {
    const struct bs_limit_table *tables;
    size_t n_tables;
    const char *plan;     /* bs_plan_kind_name */
    const char *grade;    /* proof grade: "stored", "read-back", "restored"; "none" */
    const char *decision; /* "allow", "approve", "block" */
};

/* As JSON, to be freed by the caller. */
char *bs_limits_write(const struct bs_limits *limits);
/* DATA: not what bs_limits_write writes. */
BS_MUST_CHECK enum bs_done
bs_limits_read(const char *json, struct bs_arena *arena, struct bs_limits *out, struct bs_err *err);

/*
 * Does the approval of `approved` cover `now`?
 *
 * err   STALE: a table that was not approved, more rows than the tolerance, another plan, a weaker
 *       grade, a stricter decision of the policy. The message names it, for operators only.
 */
BS_MUST_CHECK enum bs_done
bs_limits_cover(const struct bs_limits *approved, const struct bs_limits *now, struct bs_err *err);

/*
 * More than 10 % and more than 10 rows above what was approved; or any growth, for a key. Who
 * approved a number that was not measured (-1) approved any; one not measured now is too large.
 */
bool bs_rows_grown(int64_t approved, int64_t now, bool by_key);

#endif
