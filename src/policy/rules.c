/*
 * rules.c - patterns, names and the digest of a policy.
 */
#include "policy/rules.h"

#include <inttypes.h>
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

const char *
bs_policy_mode_name(enum bs_policy_mode mode)
{
    return mode == BS_POLICY_SHADOW ? "shadow" : "enforce";
}

const char *
bs_profile_name(enum bs_profile profile)
{
    switch (profile) {
    case BS_PROFILE_FULL:
        return "full";
    case BS_PROFILE_DML:
        return "dml";
    case BS_PROFILE_READ_ONLY:
    case BS_PROFILE_COUNT:
        break;
    }
    return "read-only";
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

void
bs_rule_init(struct bs_rule *rule)
{
    *rule = (struct bs_rule){.max = {-1, -1}, .min = {-1, -1}};
}

void
bs_policy_init(struct bs_policy *policy)
{
    *policy = (struct bs_policy){
        .impact = {.rows = 1000, .share = 0.1},
        .measure = {.time_ms = 1000},
        .profile = BS_PROFILE_FULL,
        .evasion = {.window_ms = 3600000, .limit = 5},
    };
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
objects_json(const struct bs_object_globs *globs)
{
    json_t *list = json_array();

    for (size_t i = 0; i < globs->n; i++) {
        const struct bs_object_glob *g = &globs->list[i];
        (void)json_array_append_new(list, json_sprintf("%s.%s%s%s", g->schema, g->name,
                                                       g->column == NULL ? "" : ".",
                                                       g->column == NULL ? "" : g->column));
    }
    return list;
}

/* As the file says it, so that the digest does not hang on how a number is printed elsewhere. */
static json_t *
share_json(double share)
{
    return json_sprintf("%.10g%%", share * 100);
}

static json_t *
duration_json(int64_t ms)
{
    return json_sprintf("%" PRId64 "ms", ms);
}

static void
put_limits(json_t *out, const struct bs_limits_of_rows *limits, const char *rows, const char *share)
{
    if (limits->rows >= 0)
        (void)json_object_set_new(out, rows, json_integer(limits->rows));
    if (limits->share >= 0)
        (void)json_object_set_new(out, share, share_json(limits->share));
}

static void
put_globs(json_t *out, const char *key, const struct bs_globs *globs)
{
    if (globs->n != 0)
        (void)json_object_set_new(out, key, globs_json(globs));
}

static void
put_objects(json_t *out, const char *key, const struct bs_object_globs *globs)
{
    if (globs->n != 0)
        (void)json_object_set_new(out, key, objects_json(globs));
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
require_json(const struct bs_require *require)
{
    json_t *out = json_object();

    if (require->grade != BS_GRADE_NONE)
        (void)json_object_set_new(out, "grade", json_string(bs_grade_name(require->grade)));
    if (require->snapshot_age_ms != 0)
        (void)json_object_set_new(out, "snapshot_age", duration_json(require->snapshot_age_ms));
    if (require->off_host)
        (void)json_object_set_new(out, "off_host", json_true());
    return out;
}

static void
put_approvers(json_t *out, const struct bs_approvers *a)
{
    json_t *o = json_object();

    if (a->quorum != 0)
        (void)json_object_set_new(o, "quorum", json_integer(a->quorum));
    put_globs(o, "groups", &a->groups);
    if (a->reason)
        (void)json_object_set_new(o, "require_reason", json_true());
    if (a->owner != BS_OWNER_UNSAID)
        (void)json_object_set_new(o, "exclude_owner", json_boolean(a->owner == BS_OWNER_EXCLUDED));
    if (json_object_size(o) != 0)
        (void)json_object_set(out, "approvals", o);
    json_decref(o);
}

static json_t *
rule_json(const struct bs_rule *rule)
{
    json_t *out = json_pack("{s:s,s:s,s:o}", "name", rule->name, "action",
                            bs_action_name(rule->action), "risk", risks_json(rule));

    bs_assert(out != NULL);
    put_globs(out, "actors", &rule->actors);
    put_globs(out, "groups", &rule->groups);
    put_globs(out, "databases", &rule->databases);
    put_globs(out, "environments", &rule->environments);
    put_objects(out, "objects", &rule->objects);
    put_objects(out, "columns", &rule->columns);
    put_limits(out, &rule->max, "max_rows", "max_share");
    put_limits(out, &rule->min, "min_rows", "min_share");
    if (rule->result_rows != 0)
        (void)json_object_set_new(out, "result_rows", json_integer(rule->result_rows));
    if (rule->kinds != NULL)
        (void)json_object_set_new(out, "kinds", kinds_json(rule));
    if (rule->keep != BS_KEEP)
        (void)json_object_set_new(out, "recovery",
                                  json_string(rule->keep == BS_KEEP_NOT ? "none" : "optional"));
    if (!bs_require_is_empty(&rule->require))
        (void)json_object_set_new(out, "require", require_json(&rule->require));
    put_approvers(out, &rule->approvals);
    return out;
}

static json_t *
profiles_json(const struct bs_policy *policy)
{
    json_t *out = json_pack("{s:s}", "default", bs_profile_name(policy->profile));

    for (int i = 0; i < BS_PROFILE_COUNT; i++) {
        const struct bs_profile_of *of = &policy->profiles[i];
        json_t *who;
        if (of->actors.n == 0 && of->groups.n == 0)
            continue;
        who = json_object();
        put_globs(who, "actors", &of->actors);
        put_globs(who, "groups", &of->groups);
        (void)json_object_set_new(out, bs_profile_name((enum bs_profile)i), who);
    }
    return out;
}

json_t *
bs_policy_json(const struct bs_policy *policy)
{
    json_t *defaults = json_object(), *rules = json_array(), *out;

    for (enum bs_risk r = BS_RISK_SAFE; r <= BS_RISK_CRITICAL; r++)
        (void)json_object_set_new(defaults, bs_risk_name(r),
                                  json_string(bs_action_name(policy->defaults[r])));
    for (size_t i = 0; i < policy->n_rules; i++)
        (void)json_array_append_new(rules, rule_json(&policy->rules[i]));
    out = json_pack("{s:s,s:o,s:{s:I,s:o},s:{s:o,s:b},s:o,s:{s:o,s:I},s:o}", "mode",
                    bs_policy_mode_name(policy->mode), "defaults", defaults, "impact", "rows",
                    (json_int_t)policy->impact.rows, "share", share_json(policy->impact.share),
                    "measure", "time", duration_json(policy->measure.time_ms), "rehearse",
                    policy->measure.rehearse, "profiles", profiles_json(policy), "evasion",
                    "window", duration_json(policy->evasion.window_ms), "limit",
                    (json_int_t)policy->evasion.limit, "rules", rules);
    bs_assert(out != NULL);
    put_objects(out, "protected", &policy->protects);
    put_approvers(out, &policy->approvals);
    if (policy->result_rows != 0)
        (void)json_object_set_new(out, "result_rows", json_integer(policy->result_rows));
    return out;
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
