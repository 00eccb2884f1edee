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

        bs_rule_init(rule);
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

/* The parts between the dots; 0 where one is empty or there are too many. */
static size_t
cut_dots(struct bs_load *l, const char *text, const char *parts[3])
{
    size_t n = 0;

    for (;;) {
        size_t len = strcspn(text, ".");
        if (len == 0 || n == 3)
            return 0;
        parts[n++] = bs_load_str(l, (struct bs_bytes){(const uint8_t *)text, len});
        if (text[len] == '\0')
            return n;
        text += len + 1;
    }
}

/* How many dots a pattern may have, and what it looks like. */
struct dotted {
    struct bs_object_globs *globs;
    const char *key;
    size_t least, most;
    const char *form;
};

static void
add_object(struct bs_load *l, struct bs_scalar value, void *into)
{
    const struct dotted *d = into;
    const char *parts[3] = {NULL, NULL, NULL};
    size_t n = cut_dots(l, value.text, parts);

    if (n < d->least || n > d->most)
        bs_load_problem(l, value.line, "%s: \"%.60s\" is not %s", d->key, value.text, d->form);
    else
        d->globs->list[d->globs->n++] = (struct bs_object_glob){parts[0], parts[1], parts[2]};
}

static void
read_dotted(struct bs_load *l, const struct bs_key *key, yaml_node_t *node, struct dotted d)
{
    if (node == NULL)
        return;
    d.key = bs_key_shown(key);
    if (node->type == YAML_SEQUENCE_NODE) {
        size_t n = (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
        d.globs->list = bs_load_array(l, n, sizeof(d.globs->list[0]));
        if (d.globs->list == NULL)
            return;
    }
    read_words(l, key, node, add_object, &d);
}

void
bs_read_objects(struct bs_load *l, const struct bs_key *key, yaml_node_t *node, void *into)
{
    read_dotted(l, key, node,
                (struct dotted){.globs = into,
                                .least = 2,
                                .most = 2,
                                .form = "schema.name (as in public.orders or pay.*)"});
}

void
bs_read_columns(struct bs_load *l, const struct bs_key *key, yaml_node_t *node, void *into)
{
    read_dotted(l, key, node,
                (struct dotted){.globs = into,
                                .least = 3,
                                .most = 3,
                                .form = "schema.table.column (as in public.users.email)"});
}

void
bs_read_protected(struct bs_load *l, const struct bs_key *key, yaml_node_t *node, void *into)
{
    read_dotted(
        l, key, node,
        (struct dotted){
            .globs = into, .least = 2, .most = 3, .form = "schema.name or schema.table.column"});
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
        *(enum bs_keep *)into = BS_KEEP_NOT;
    else if (strcmp(value.text, "optional") == 0)
        *(enum bs_keep *)into = BS_KEEP_OPTIONAL;
    else
        bs_load_problem(l, value.line,
                        "recovery: \"%.60s\" is not none or optional; without the key a recovery "
                        "point is made wherever one is needed",
                        value.text);
}

/* DROP ... IF EXISTS of what is not there is HIGH. */
static bool
may_drop_nothing(enum bs_kind kind)
{
    static const enum bs_kind kinds[] = {
        BS_KIND_DROP_TABLE,    BS_KIND_DROP_VIEW,          BS_KIND_DROP_MATERIALIZED_VIEW,
        BS_KIND_DROP_SEQUENCE, BS_KIND_DROP_FOREIGN_TABLE, BS_KIND_DROP_INDEX,
        BS_KIND_DROP_SCHEMA,
    };

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (kinds[i] == kind)
            return true;
    }
    return false;
}

/* The risks that statements of a kind can come to have: RISK.md raises freely, lowers rarely.
 * `named`: by a rule that names risks, so that it knows what it is about. */
static uint32_t
risks_of(enum bs_kind kind, bool named)
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
    if (named && may_drop_nothing(kind))
        return BS_RISK_BIT(BS_RISK_HIGH) | BS_RISK_BIT(BS_RISK_CRITICAL);
    return BS_RISK_BIT(BS_RISK_CRITICAL);
}

static void
check_risks(struct bs_load *l, const struct bs_rule *rule, bool named)
{
    uint32_t possible = 0;

    for (int k = 1; rule->kinds != NULL && k < BS_KIND_COUNT; k++) {
        if (rule->kinds[k])
            possible |= risks_of((enum bs_kind)k, named);
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

static bool
some_database(const struct bs_load *l,
              const char *glob,
              const char *(*of)(const struct bs_config_database *db))
{
    for (size_t i = 0; i < l->config->n_databases; i++) {
        if (bs_glob_match(glob, of(&l->config->databases[i])))
            return true;
    }
    return false;
}

static const char *
name_of(const struct bs_config_database *db)
{
    return db->name;
}

static const char *
environment_of(const struct bs_config_database *db)
{
    return db->environment == NULL ? "" : db->environment;
}

/* False where some pattern is for nothing; a problem was noted. */
static bool
check_globs(struct bs_load *l,
            const struct bs_rule *rule,
            const struct bs_globs *globs,
            const char *what,
            const char *(*of)(const struct bs_config_database *db))
{
    bool all = true;

    for (size_t g = 0; g < globs->n; g++) {
        if (some_database(l, globs->list[g], of))
            continue;
        bs_load_problem(l, rule->line, "rule \"%.60s\" can never match: no database %s \"%.60s\"",
                        rule->name, what, globs->list[g]);
        all = false;
    }
    return all;
}

static void
check_databases(struct bs_load *l, const struct bs_rule *rule)
{
    bool all;

    /* Without databases there is a worse problem already. */
    if (l->config->n_databases == 0)
        return;
    all = check_globs(l, rule, &rule->databases, "is called", name_of);
    all = check_globs(l, rule, &rule->environments, "has the environment", environment_of) && all;
    for (size_t i = 0; all && i < l->config->n_databases; i++) {
        const struct bs_config_database *db = &l->config->databases[i];
        if (bs_globs_match(&rule->databases, db->name) &&
            bs_globs_match(&rule->environments, environment_of(db)))
            return;
    }
    if (all)
        bs_load_problem(l, rule->line,
                        "rule \"%.60s\" can never match: none of its databases has one of its "
                        "environments",
                        rule->name);
}

static bool
given(const struct bs_limits_of_rows *limits)
{
    return limits->rows >= 0 || limits->share >= 0;
}

/* A limit on the wrong side would be taken for one that holds. */
static void
check_limits(struct bs_load *l, const struct bs_rule *rule)
{
    bool allows = rule->action == BS_ACTION_ALLOW;

    if (given(&rule->max) && !allows)
        bs_load_problem(l, rule->line,
                        "rule \"%.60s\": max_rows and max_share are for rules that allow; to %s "
                        "what is larger, write min_rows or min_share",
                        rule->name, bs_action_name(rule->action));
    if (given(&rule->min) && allows)
        bs_load_problem(l, rule->line,
                        "rule \"%.60s\": min_rows and min_share are for rules that approve or "
                        "block; to allow what is smaller, write max_rows or max_share",
                        rule->name);
    if (rule->result_rows != 0 && rule->action == BS_ACTION_BLOCK)
        bs_load_problem(l, rule->line,
                        "rule \"%.60s\": result_rows says nothing where the action is block",
                        rule->name);
    if (rule->risks == BS_RISK_BIT(BS_RISK_SAFE) &&
        (rule->objects.n != 0 || rule->columns.n != 0 || given(&rule->max) || given(&rule->min)))
        bs_load_problem(l, rule->line,
                        "rule \"%.60s\" can never match: what is SAFE writes nothing, and its "
                        "objects, columns and rows are those that are written",
                        rule->name);
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
        rule->says =
            bs_arena_fmt(l->arena, "rule \"%s\" says %s", rule->name, bs_action_name(rule->action));
        l->full = l->full || rule->says == NULL;
        check_name(l, rule);
        check_risks(l, rule, named);
        check_databases(l, rule);
        check_limits(l, rule);
        if (rule->keep != BS_KEEP && rule->action == BS_ACTION_BLOCK)
            bs_load_problem(l, rule->line,
                            "rule \"%.60s\": recovery says nothing where the action is block",
                            rule->name);
    }
}
