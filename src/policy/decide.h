/*
 * decide.h - a judged unit meets the policy: allow, hold for approval, or block.
 *
 * Of the rules that match a statement the strictest wins; where none matches, the default by risk
 * applies. A unit's decision is the strictest over its statements. For an allow rule every written
 * object, column and kind of effect must match, all rows must have been counted, and CRITICAL must be
 * named; for approve and block one is enough, and what is not known counts as inside. Without a rule,
 * DROP DATABASE and what no recovery point can cover is blocked; and so it is where a rule is met only
 * by what is not known. Above the rules stand profiles; in shadow mode nothing of it is done.
 *
 * Layer  policy. Pure: no I/O, no clock, no global.
 * Spec   DESIGN 6, PROTECT 9.
 * Owns   nothing; what a decision points to lives in the caller's arena or in the policy.
 */
#ifndef BS_POLICY_DECIDE_H
#define BS_POLICY_DECIDE_H

#include "approval/quorum.h"
#include "base/arena.h"
#include "base/err.h"
#include "catalog/judge.h"
#include "policy/rules.h"
#include "sql/classify.h"

/* Who asks, and where. */
struct bs_subject {
    const char *actor;
    const char *database;    /* the name the actor connected to */
    const char *group;       /* the actor's; NULL: in none */
    const char *environment; /* of the database, from the configuration; "" or NULL: it has none */
};

/* A zeroed decision blocks. */
struct bs_decision {
    enum bs_action action; /* what is done; in shadow mode always ALLOW */
    enum bs_action would;  /* what the policy says: the same but in shadow mode */
    bool shadow;           /* it runs as it came: not held, not refused, not protected */
    const char *rule;      /* name of the rule that decided; NULL: a default. Lives in the policy */
    bool recovery_waived;  /* every statement that needs a point is under `recovery: none` */
    bool recovery_optional;    /* the same, or under `recovery: optional`: where none can be made */
    struct bs_require require; /* of its recovery point, by the rules */
    struct bs_approvals approvals; /* who must approve, where that is the action */
    bool needs_rows;               /* measuring how many rows change could change the answer */
    int64_t result_rows;           /* most rows that the unit may answer with; 0: no cap */
    size_t stmt;                   /* index of the statement that decided */
    const char *why;    /* one sentence for operators and the audit; never for an agent */
    const char *digest; /* of the policy; lives in the policy */
    const char **lines; /* the whole reasoning, only by bs_decide_explain; else NULL */
    size_t n_lines;
};

/*
 * Decide.
 *
 * unit   after bs_catalog_judge where there is a catalog
 * facts  what the catalog found; NULL: no catalog, names as written, and an unqualified name
 *        matches no object pattern of an allow rule and every one of an approve or block rule
 * out    filled also on failure: then it blocks
 * err    LIMIT: the arena's ceiling
 */
BS_MUST_CHECK enum bs_done bs_decide(const struct bs_policy *policy,
                                     const struct bs_subject *subject,
                                     const struct bs_unit *unit,
                                     const struct bs_facts *facts,
                                     struct bs_arena *arena,
                                     struct bs_decision *out,
                                     struct bs_err *err);

/* The same, and why: every rule with what matched and what did not, as lines of text. */
BS_MUST_CHECK enum bs_done bs_decide_explain(const struct bs_policy *policy,
                                             const struct bs_subject *subject,
                                             const struct bs_unit *unit,
                                             const struct bs_facts *facts,
                                             struct bs_arena *arena,
                                             struct bs_decision *out,
                                             struct bs_err *err);

/* The reason of what bs_policy_protect raises. */
#define BS_REASON_PROTECTED "protected"

/*
 * Raises to CRITICAL, with the reason `protected`, what writes to a protected table or column, or
 * may do so. Call after each bs_catalog_judge, before bs_decide.
 *
 * facts  NULL: no catalog, names as written
 * err    LIMIT: the arena's ceiling
 */
BS_MUST_CHECK enum bs_done bs_policy_protect(const struct bs_policy *policy,
                                             struct bs_unit *unit,
                                             const struct bs_facts *facts,
                                             struct bs_arena *arena,
                                             struct bs_err *err);

/* The strictest profile that names the subject; where none does, the policy's default. */
enum bs_profile bs_policy_profile(const struct bs_policy *policy, const struct bs_subject *subject);

/*
 * True where this actor runs with default_transaction_read_only = on (PROTECT 9): neither a rule
 * that may match it in this database nor a default allows a write without approval, or its profile
 * is read-only. Never in shadow mode, where everything runs as it came.
 */
bool bs_policy_shielded(const struct bs_policy *policy, const struct bs_subject *subject);

#endif
