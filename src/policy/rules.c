/*
 * rules.c - patterns, names and the digest of a policy.
 */
#include "policy/rules.h"

#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/clock.h"

const char *
bs_action_name(enum bs_action action)
{
    switch (action) {
    case BS_ACTION_APPROVE:
        return "approve";
    case BS_ACTION_ALLOW:
        return "allow";
    case BS_ACTION_BLOCK:
        break;
    }
    return "block";
}

/* The next character's first byte; text[0] is not NUL. */
static const char *
step(const char *text)
{
    for (text++; ((unsigned char)*text & 0xc0) == 0x80; text++)
        continue;
    return text;
}

/* Only the last `*` is ever tried again, so the time is bounded by the product of the lengths. */
bool
bs_glob_match(const char *pattern, const char *text)
{
    const char *star = NULL, *resume = NULL;

    while (*text != '\0') {
        if (*pattern == '*') {
            star = pattern++;
            resume = text;
        } else if (*pattern == '?') {
            pattern++;
            text = step(text);
        } else if (*pattern == *text) {
            pattern++;
            text++;
        } else if (star != NULL) {
            pattern = star + 1;
            resume = step(resume);
            text = resume;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

bool
bs_globs_match(const struct bs_globs *globs, const char *text)
{
    for (size_t i = 0; i < globs->n; i++) {
        if (bs_glob_match(globs->list[i], text))
            return true;
    }
    return globs->n == 0;
}

bool
bs_rule_concerns(const struct bs_rule *rule, const char *actor, const char *database)
{
    return bs_globs_match(&rule->actors, actor) && bs_globs_match(&rule->databases, database);
}

void
bs_policy_init(struct bs_policy *policy)
{
    *policy = (struct bs_policy){0};
    policy->defaults[BS_RISK_UNKNOWN] = BS_ACTION_BLOCK;
    policy->defaults[BS_RISK_SAFE] = BS_ACTION_ALLOW;
    policy->defaults[BS_RISK_HIGH] = BS_ACTION_APPROVE;
    policy->defaults[BS_RISK_CRITICAL] = BS_ACTION_APPROVE;
    bs_policy_seal(policy);
}

static json_t *
globs_json(const struct bs_globs *globs)
{
    json_t *list = json_array();

    for (size_t i = 0; i < globs->n; i++)
        (void)json_array_append_new(list, json_string(globs->list[i]));
    return list;
}

static json_t *
objects_json(const struct bs_rule *rule)
{
    json_t *list = json_array();

    for (size_t i = 0; i < rule->n_objects; i++)
        (void)json_array_append_new(
            list, json_sprintf("%s.%s", rule->objects[i].schema, rule->objects[i].name));
    return list;
}

static json_t *
risks_json(const struct bs_rule *rule)
{
    json_t *list = json_array();

    for (enum bs_risk r = BS_RISK_SAFE; r <= BS_RISK_CRITICAL; r++) {
        if ((rule->risks & BS_RISK_BIT(r)) != 0)
            (void)json_array_append_new(list, json_string(bs_risk_name(r)));
    }
    return list;
}

/* By number, so that the order in which a rule names kinds does not count. */
static json_t *
kinds_json(const struct bs_rule *rule)
{
    json_t *list = json_array();

    for (int k = 1; k < BS_KIND_COUNT; k++) {
        if (rule->kinds[k])
            (void)json_array_append_new(list, json_string(bs_kind_name((enum bs_kind)k)));
    }
    return list;
}

static json_t *
rule_json(const struct bs_rule *rule)
{
    json_t *out = json_pack("{s:s,s:s,s:o}", "name", rule->name, "action",
                            bs_action_name(rule->action), "risk", risks_json(rule));

    bs_assert(out != NULL);
    if (rule->actors.n != 0)
        (void)json_object_set_new(out, "actors", globs_json(&rule->actors));
    if (rule->databases.n != 0)
        (void)json_object_set_new(out, "databases", globs_json(&rule->databases));
    if (rule->n_objects != 0)
        (void)json_object_set_new(out, "objects", objects_json(rule));
    if (rule->kinds != NULL)
        (void)json_object_set_new(out, "kinds", kinds_json(rule));
    if (rule->no_recovery)
        (void)json_object_set_new(out, "recovery", json_string("none"));
    return out;
}

json_t *
bs_policy_json(const struct bs_policy *policy)
{
    json_t *defaults = json_object(), *rules = json_array();

    for (enum bs_risk r = BS_RISK_SAFE; r <= BS_RISK_CRITICAL; r++)
        (void)json_object_set_new(defaults, bs_risk_name(r),
                                  json_string(bs_action_name(policy->defaults[r])));
    for (size_t i = 0; i < policy->n_rules; i++)
        (void)json_array_append_new(rules, rule_json(&policy->rules[i]));
    return json_pack("{s:o,s:o}", "defaults", defaults, "rules", rules);
}

void
bs_policy_seal(struct bs_policy *policy)
{
    unsigned char hash[SHA256_DIGEST_LENGTH];
    json_t *meaning = bs_policy_json(policy);
    char *text = json_dumps(meaning, JSON_COMPACT | JSON_SORT_KEYS);

    bs_assert(text != NULL);
    SHA256((const unsigned char *)text, strlen(text), hash);
    bs_hex(hash, sizeof(hash), policy->digest);
    free(text);
    json_decref(meaning);
}
