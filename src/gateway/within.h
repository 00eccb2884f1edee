/*
 * within.h - what was measured before a statement ran, against what the server says it changed:
 * others may have added rows meanwhile, or the count was of something else.
 *
 * Layer  gateway, private to the files that gating.h names.
 * Spec   DESIGN 7 (grown by more than 10 % and 10 rows), PROTECT 14.
 * Owns   limits live in the gate's arena.
 */
#ifndef BS_GATEWAY_WITHIN_H
#define BS_GATEWAY_WITHIN_H

#include "approval/limits.h"
#include "gateway/gating.h"

/* What a unit may change of a table. */
struct bs_row_limit {
    uint32_t oid;
    int64_t rows;
    bool by_key;  /* picked by key: approved as such */
    bool exactly; /* a rule's own limit: nothing on top of it */
};

/*
 * Sets g->limits from what was approved; nothing of a table whose counters say more than its rows
 * (a foreign key leads back to it, code of its own changes it). LIMIT.
 */
BS_MUST_CHECK enum bs_done
bs_within_approved(struct bs_gate *g, const struct bs_limits *approved, struct bs_err *err);
/*
 * What could not be counted just now - somebody holds a lock, there is no helper, no time - is taken
 * to be what was approved wherever more than that will not be committed.
 *
 * now  of each table of g->plan, in its order
 * err  LIMIT
 */
BS_MUST_CHECK enum bs_done bs_within_assume(struct bs_gate *g,
                                            const struct bs_limits *approved,
                                            struct bs_limits *now,
                                            struct bs_err *err);
/* Sets g->limits from the rules and limits that let it pass by its rows. On the worker's thread. LIMIT. */
BS_MUST_CHECK enum bs_done
bs_within_allowed(struct bs_gate *g, const struct bs_policy *policy, struct bs_err *err);

/*
 * At the end of a transaction: has any table lost more rows than its units may change together?
 *
 * others  something that passed without a gate may have changed rows, too: then nobody can tell
 * err     STALE, with the table; LIMIT
 */
BS_MUST_CHECK enum bs_done bs_within_check(struct bs_ledger *l, bool others, struct bs_err *err);

#endif
