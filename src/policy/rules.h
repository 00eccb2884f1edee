/*
 * rules.h - the policy as parsed: rules, defaults by risk, profiles and limits.
 *
 * Read by config.c out of the configuration file, used by decide.c. Others need it only to show a
 * policy; to ask it, see decide.h.
 *
 * Layer  policy. Pure.
 * Spec   DESIGN 6.
 * Owns   a policy and all it hands out live in the arena of the config it came with.
 */
#ifndef BS_POLICY_RULES_H
#define BS_POLICY_RULES_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "policy/require.h"
#include "sql/kinds.h"

/* Strictest first, so the smaller of two is the stricter. Zero refuses. */
enum bs_action {
    BS_ACTION_BLOCK = 0,
    BS_ACTION_APPROVE,
    BS_ACTION_ALLOW,
};

/* Bits of bs_rule.risks. */
#define BS_RISK_BIT(risk) (1u << (risk))
#define BS_RISK_BITS_ALL                                                                           \
    (BS_RISK_BIT(BS_RISK_SAFE) | BS_RISK_BIT(BS_RISK_HIGH) | BS_RISK_BIT(BS_RISK_CRITICAL))

/* Whether what a rule covers may run without a recovery point. Zero keeps. */
enum bs_keep {
    BS_KEEP = 0,      /* never */
    BS_KEEP_OPTIONAL, /* where none can be made: `recovery: optional` */
    BS_KEEP_NOT,      /* none is made: `recovery: none` */
};

/* A list of patterns; n == 0 means the key was not given and everything matches. */
struct bs_globs {
    const char **list;
    size_t n;
};

/*
 * "pay.*" or "pay.cards.number" cut at its dots, so that no wildcard can cross one whatever the
 * names contain.
 */
struct bs_object_glob {
    const char *schema;
    const char *name;
    const char *column; /* NULL: the object as such */
};

/* n == 0: not given. */
struct bs_object_globs {
    struct bs_object_glob *list;
    size_t n;
};

/* Of rows that a statement changes. -1: not given. */
struct bs_limits_of_rows {
    int64_t rows;
    double share; /* of each table: 0.1 is a tenth */
};

/* May the human who answers for an actor approve what it asks for? */
enum bs_owner_may {
    BS_OWNER_UNSAID = 0, /* not for themselves: a person who is the actor; for an agent or app */
    BS_OWNER_EXCLUDED,
    BS_OWNER_MAY,
};

/* Who approves what is held. Zeroed it says nothing. */
struct bs_approvers {
    int64_t quorum;         /* how many; 0: not said, so one */
    struct bs_globs groups; /* of operators: one of them; plain names */
    bool reason;            /* whoever decides must say why */
    enum bs_owner_may owner;
};

struct bs_rule {
    const char *name;
    const char *says; /* "rule \"x\" says block": made at the load, so that no statement needs to */
    int line;
    struct bs_globs actors;
    struct bs_globs groups;         /* of actors; one that has no group is in none */
    struct bs_globs databases;      /* the names actors connect to */
    struct bs_globs environments;   /* what the configuration calls a database's environment */
    struct bs_object_globs objects; /* what is written */
    struct bs_object_globs columns; /* what is written; each has a column */
    uint32_t risks;               /* BS_RISK_BIT; what the rule says, or what its action implies */
    bool *kinds;                  /* BS_KIND_COUNT long; NULL: any kind */
    struct bs_limits_of_rows max; /* allow: every table is measured and at most this */
    struct bs_limits_of_rows
        min;             /* approve, block: some table has at least this, or is not measured */
    int64_t result_rows; /* most rows that a statement may answer with; 0: not given */
    enum bs_action action;
    enum bs_keep keep;
    struct bs_require require;     /* of the points of what it is about */
    struct bs_approvers approvals; /* of what it is about; only where it approves */
};

enum bs_policy_mode {
    BS_POLICY_ENFORCE = 0,
    BS_POLICY_SHADOW, /* decides and records, but lets run: nothing is protected */
};

/* What an actor may do whatever the rules say. Strictest first. */
enum bs_profile {
    BS_PROFILE_READ_ONLY = 0, /* what is not SAFE is blocked */
    BS_PROFILE_DML,           /* rows of tables, and harmless statements; the rest is blocked */
    BS_PROFILE_FULL,
    BS_PROFILE_COUNT
};

/* Whom a profile is for: actors named by a pattern, or members of a group so named. */
struct bs_profile_of {
    struct bs_globs actors;
    struct bs_globs groups;
};

struct bs_policy {
    struct bs_rule *rules; /* in the file's order */
    size_t n_rules;
    enum bs_action defaults[BS_RISK_CRITICAL + 1]; /* by risk; [BS_RISK_UNKNOWN] is BLOCK */
    enum bs_policy_mode mode;
    struct bs_limits_of_rows impact; /* measured above one of them: reason `impact`, CRITICAL */
    struct {
        int64_t time_ms; /* how long counting may take */
        bool rehearse;   /* run it, see what it did, roll back */
    } measure;
    struct bs_object_globs protects; /* tables, or columns: reason `protected`, CRITICAL */
    struct bs_profile_of profiles[BS_PROFILE_COUNT];
    enum bs_profile profile; /* of actors that no profile names */
    struct {
        int64_t window_ms; /* how long a denied effect is remembered */
        int64_t limit;     /* how often it may be tried in other words; then quarantine */
    } evasion;
    struct bs_approvers approvals; /* of everything that is held */
    int64_t result_rows;           /* most rows that any statement may answer with; 0: no cap */
    char digest[65];               /* lower-case hex SHA-256, see bs_policy_seal */
};

const char *bs_action_name(enum bs_action action);         /* "block", "approve", "allow" */
const char *bs_policy_mode_name(enum bs_policy_mode mode); /* "enforce", "shadow" */
const char *bs_profile_name(enum bs_profile profile);      /* "read-only", "dml", "full" */
/* True where the whole text matches: `*` any run, `?` one character, all else itself. */
bool bs_glob_match(const char *pattern, const char *text);
/* True where one of the patterns matches, or none is given. */
bool bs_globs_match(const struct bs_globs *globs, const char *text);

/* Defaults of DESIGN 6, no rules, sealed. */
void bs_policy_init(struct bs_policy *policy);
/* A rule that says nothing yet: matches everything and blocks it. */
void bs_rule_init(struct bs_rule *rule);
/*
 * Computes the digest: SHA-256 over what the policy means (rules in order, defaults), so that
 * comments, spacing and the order of keys do not change it. Call after the last change.
 */
void bs_policy_seal(struct bs_policy *policy);
/* The policy as JSON, in the words of the file. The caller decrefs it. */
json_t *bs_policy_json(const struct bs_policy *policy);

#endif
