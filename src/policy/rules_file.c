/*
 * rules_file.c - the policy's part of the file, and what is wrong with rules that read well: those
 * that could never match would be taken for a protection that is not there.
 */
#include <stdio.h>
#include <string.h>

#include "policy/load.h"
#include "policy/nearest.h"
#include "policy/values.h"

void
bs_read_policy(struct bs_load *l, const struct bs_key *key, yaml_node_t *node, void *into)
{
    (void)key;
    (void)into;
    bs_load_map(l, node, "policy.", " in policy", l->policy);
}

void
bs_read_rules(struct bs_load *l, const struct bs_key *key, yaml_node_t *node, void *into)
{
    struct bs_policy *p = l->policy;
    size_t n;

    (void)into;
    /* `rules: []` says plainly that there are none. */
    if (node == NULL || (node->type == YAML_SEQUENCE_NODE &&
                         node->data.sequence.items.start == node->data.sequence.items.top))
        return;
    n = bs_load_list(l, key, node);
    p->rules = bs_load_array(l, n, sizeof(p->rules[0]));
    for (size_t i = 0; p->rules != NULL && i < n; i++) {
        yaml_node_t *item = bs_load_item(l, node, i);
        struct bs_rule *rule = &p->rules[p->n_rules++];

        rule->line = bs_load_line(item);
        bs_load_map(l, item, "policy.rules[].", " in policy rule", rule);
    }
}

/* A list of single values; `each` is called for those that read well. */
static void
read_words(struct bs_load *l,
           const struct bs_key *key,
           yaml_node_t *node,
           void (*each)(struct bs_load *l, struct bs_scalar value, void *into),
           void *into)
{
    size_t n = bs_load_list(l, key, node);

    for (size_t i = 0; i < n; i++) {
        struct bs_scalar value;
        if (bs_load_scalar(l, key, bs_load_item(l, node, i), &value))
            each(l, value, into);
    }
}

static void
add_glob(struct bs_load *l, struct bs_scalar value, void *into)
{
    struct bs_globs *globs = into;

    (void)l;
    globs->list[globs->n++] = value.text;
}

void
bs_read_globs(struct bs_load *l, const struct bs_key *key, yaml_node_t *node, void *into)
{
    struct bs_globs *globs = into;

    if (node == NULL)
        return;
    if (node->type == YAML_SEQUENCE_NODE) {
        size_t n = (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
        globs->list = bs_load_array(l, n, sizeof(globs->list[0]));
        if (globs->list == NULL)
            return;
    }
    read_words(l, key, node, add_glob, globs);
}

static void
add_object(struct bs_load *l, struct bs_scalar value, void *into)
{
    struct bs_rule *rule = into;
    const char *dot = strchr(value.text, '.');
    struct bs_bytes schema = {(const uint8_t *)value.text,
                              dot == NULL ? 0 : (size_t)(dot - value.text)};

    if (dot == NULL || schema.n == 0 || dot[1] == '\0' || strchr(dot + 1, '.') != NULL) {
        bs_load_problem(l, value.line,
                        "objects: \"%.60s\" is not schema.name (as in public.orders or pay.*)",
                        value.text);
        return;
    }
    rule->objects[rule->n_objects++] =
        (struct bs_object_glob){bs_load_str(l, schema), bs_load_str(l, bs_bytes_of(dot + 1))};
}

void
bs_read_objects(struct bs_load *l, const struct bs_key *key, yaml_node_t *node, void *into)
{
    struct bs_rule *rule = into;

    if (node == NULL)
        return;
    if (node->type == YAML_SEQUENCE_NODE) {
        size_t n = (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
        rule->objects = bs_load_array(l, n, sizeof(rule->objects[0]));
        if (rule->objects == NULL)
            return;
    }
    read_words(l, key, node, add_object, rule);
}

static void
add_risk(struct bs_load *l, struct bs_scalar value, void *into)
{
    enum bs_risk risk = bs_risk_find(value.text);

    if (risk == BS_RISK_UNKNOWN)
        bs_load_problem(l, value.line, "risk: \"%.60s\" is not one of SAFE, HIGH or CRITICAL",
                        value.text);
    else
        *(uint32_t *)into |= BS_RISK_BIT(risk);
}

void
bs_read_risks(struct bs_load *l, const struct bs_key *key, yaml_node_t *node, void *into)
{
    if (node != NULL)
        read_words(l, key, node, add_risk, into);
}

static const char *
kind_at(const void *ctx, size_t i)
{
    (void)ctx;
    return i + 1 < BS_KIND_COUNT ? bs_kind_name((enum bs_kind)(i + 1)) : NULL;
}

static void
add_kind(struct bs_load *l, struct bs_scalar value, void *into)
{
    enum bs_kind kind = bs_kind_find(value.text);
    const char *near;

    if (kind != BS_KIND_UNKNOWN) {
        ((bool *)into)[kind] = true;
        return;
    }
    near = bs_word_nearest(value.text, kind_at, NULL);
    if (near != NULL)
        bs_load_problem(l, value.line,
                        "kinds: \"%.60s\" is not a kind of statement; did you mean \"%s\"?",
                        value.text, near);
    else
        bs_load_problem(l, value.line, "kinds: \"%.60s\" is not a kind of statement", value.text);
}

void
bs_read_kinds(struct bs_load *l, const struct bs_key *key, yaml_node_t *node, void *into)
{
    bool *kinds;

    if (node == NULL)
        return;
    kinds = bs_load_array(l, BS_KIND_COUNT, sizeof(kinds[0]));
    *(bool **)into = kinds;
    if (kinds != NULL)
        read_words(l, key, node, add_kind, kinds);
}

void
bs_read_waiver(struct bs_load *l, const struct bs_key *key, struct bs_scalar value, void *into)
{
    (void)key;
    if (strcmp(value.text, "none") == 0)
        *(bool *)into = true;
    else
        bs_load_problem(l, value.line,
                        "recovery: \"%.60s\" is not \"none\"; without the key a recovery point is "
                        "made wherever one is needed",
                        value.text);
}

void
bs_read_quorum(struct bs_load *l, const struct bs_key *key, struct bs_scalar value, void *into)
{
    int64_t n = 0;

    (void)key;
    (void)into;
    if (!bs_value_integer(value.text, &n) || n < 1)
        bs_load_problem(l, value.line, "quorum: \"%.60s\" is not a whole number from 1",
                        value.text);
    else if (n > 1)
        bs_load_problem(l, value.line,
                        "key \"quorum\" above 1 is not enforced by this version: one approval "
                        "would be enough");
}

/* The risks that statements of a kind can come to have: RISK.md raises freely, lowers rarely. */
static uint32_t
risks_of(enum bs_kind kind)
{
    enum bs_point point = bs_kind_point(kind);

    if (bs_kind_risk(kind) == BS_RISK_HIGH)
        return BS_RISK_BIT(BS_RISK_HIGH) | BS_RISK_BIT(BS_RISK_CRITICAL);
    if (bs_kind_risk(kind) != BS_RISK_CRITICAL)
        return BS_RISK_BITS_ALL;
    if (point == BS_POINT_ROWS) /* by key, or measured: HIGH */
        return BS_RISK_BIT(BS_RISK_HIGH) | BS_RISK_BIT(BS_RISK_CRITICAL);
    if (point == BS_POINT_UNKNOWN) /* EXECUTE and FETCH take the risk of what they name */
        return BS_RISK_BITS_ALL;
    return BS_RISK_BIT(BS_RISK_CRITICAL);
}

static void
check_risks(struct bs_load *l, const struct bs_rule *rule, bool named)
{
    uint32_t possible = 0;

    for (int k = 1; rule->kinds != NULL && k < BS_KIND_COUNT; k++) {
        if (rule->kinds[k])
            possible |= risks_of((enum bs_kind)k);
    }
    if (possible == 0 || (possible & rule->risks) != 0)
        return;
    if (!named)
        bs_load_problem(l, rule->line,
                        "rule \"%.60s\" can never match: its kinds are always CRITICAL, which an "
                        "allow rule must name (risk: [CRITICAL])",
                        rule->name);
    else
        bs_load_problem(l, rule->line,
                        "rule \"%.60s\" can never match: none of its kinds can have the risk it "
                        "names",
                        rule->name);
}

static void
check_databases(struct bs_load *l, const struct bs_rule *rule)
{
    /* Without databases there is a worse problem already. */
    for (size_t g = 0; l->config->n_databases != 0 && g < rule->databases.n; g++) {
        size_t i = 0;
        while (i < l->config->n_databases &&
               !bs_glob_match(rule->databases.list[g], l->config->databases[i].name))
            i++;
        if (i == l->config->n_databases)
            bs_load_problem(l, rule->line,
                            "rule \"%.60s\" can never match: no database is called \"%.60s\"",
                            rule->name, rule->databases.list[g]);
    }
}

static void
check_name(struct bs_load *l, const struct bs_rule *rule)
{
    for (const struct bs_rule *other = l->policy->rules; other < rule; other++) {
        if (other->name == NULL || strcmp(other->name, rule->name) != 0)
            continue;
        bs_load_problem(l, rule->line, "two rules are called \"%.60s\", the first on line %d",
                        rule->name, other->line);
        return;
    }
}

void
bs_check_rules(struct bs_load *l)
{
    for (size_t i = 0; i < l->policy->n_rules; i++) {
        struct bs_rule *rule = &l->policy->rules[i];
        bool named = rule->risks != 0;

        if (!named)
            rule->risks = rule->action == BS_ACTION_ALLOW
                              ? BS_RISK_BIT(BS_RISK_SAFE) | BS_RISK_BIT(BS_RISK_HIGH)
                              : BS_RISK_BITS_ALL;
        if (rule->name == NULL)
            continue; /* already a problem */
        check_name(l, rule);
        check_risks(l, rule, named);
        check_databases(l, rule);
        if (rule->no_recovery && rule->action == BS_ACTION_BLOCK)
            bs_load_problem(l, rule->line,
                            "rule \"%.60s\": recovery: none says nothing where the action is block",
                            rule->name);
    }
}
