/*
 * rules.h - the policy as parsed: rules and defaults by risk.
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

/* A list of patterns; n == 0 means the key was not given and everything matches. */
struct bs_globs {
    const char **list;
    size_t n;
};

/* "pay.*" cut at its dot, so that no wildcard can cross it whatever the names contain. */
struct bs_object_glob {
    const char *schema;
    const char *name;
};

struct bs_rule {
    const char *name;
    int line;
    struct bs_globs actors;
    struct bs_globs databases;      /* the names actors connect to */
    struct bs_object_glob *objects; /* n_objects == 0: not given */
    size_t n_objects;
    uint32_t risks; /* BS_RISK_BIT; what the rule says, or what its action implies */
    bool *kinds;    /* BS_KIND_COUNT long; NULL: any kind */
    enum bs_action action;
    bool no_recovery; /* recovery: none */
};

struct bs_policy {
    struct bs_rule *rules; /* in the file's order */
    size_t n_rules;
    enum bs_action defaults[BS_RISK_CRITICAL + 1]; /* by risk; [BS_RISK_UNKNOWN] is BLOCK */
    char digest[65];                               /* lower-case hex SHA-256, see bs_policy_seal */
};

const char *bs_action_name(enum bs_action action); /* "block", "approve", "allow" */
/* True where the whole text matches: `*` any run, `?` one character, all else itself. */
bool bs_glob_match(const char *pattern, const char *text);
/* True where one of the patterns matches, or none is given. */
bool bs_globs_match(const struct bs_globs *globs, const char *text);
/* True where a rule may apply to this actor in this database, whatever the statement. */
bool bs_rule_concerns(const struct bs_rule *rule, const char *actor, const char *database);

/* Defaults of DESIGN 6, no rules, sealed. */
void bs_policy_init(struct bs_policy *policy);
/*
 * Computes the digest: SHA-256 over what the policy means (rules in order, defaults), so that
 * comments, spacing and the order of keys do not change it. Call after the last change.
 */
void bs_policy_seal(struct bs_policy *policy);
/* The policy as JSON, in the words of the file. The caller decrefs it. */
json_t *bs_policy_json(const struct bs_policy *policy);

#endif
