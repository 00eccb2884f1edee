/*
 * require_file.c - the file's words for what is required of recovery points, and those that nothing
 * could ever meet: each would refuse all that it is about.
 */
#include <stdio.h>
#include <string.h>

#include "policy/keeping.h"
#include "policy/load.h"
#include "storage/storage.h"

void
bs_read_grade(struct bs_load *l, const struct bs_key *key, struct bs_scalar value, void *into)
{
    unsigned at = UINT32_MAX;

    bs_read_choice(l, key, value, &at);
    if (at == UINT32_MAX)
        return; /* a problem by now */
    *(enum bs_grade *)into = (enum bs_grade)(at + BS_GRADE_STORED);
    if (into == &l->config->require.grade)
        l->required.grade = value.line;
}

void
bs_read_off_host(struct bs_load *l, const struct bs_key *key, struct bs_scalar value, void *into)
{
    l->required.off_host = value.line;
    bs_read_bool(l, key, value, into);
}

void
bs_read_snapshot_age(struct bs_load *l,
                     const struct bs_key *key,
                     struct bs_scalar value,
                     void *into)
{
    l->required.snapshot_age = value.line;
    bs_read_duration(l, key, value, into);
}

void
bs_read_scratch(struct bs_load *l, const struct bs_key *key, struct bs_scalar value, void *into)
{
    l->required.scratch = value.line;
    bs_read_conninfo(l, key, value, into);
}

void
bs_read_require(struct bs_load *l, const struct bs_key *key, yaml_node_t *node, void *into)
{
    (void)key;
    bs_load_map(l, node, "policy.rules[].require.", " in require", into);
    if (node != NULL && bs_require_is_empty(into))
        bs_load_problem(l, bs_load_line(node),
                        "require asks for nothing; give it a grade, a snapshot_age or off_host");
}

/* --- once all is read --------------------------------------------------------------------- */

static void
check_off_host(struct bs_load *l, int line, const char *whose)
{
    const struct bs_config *c = l->config;

    if (c->storage_url != NULL && bs_store_is_here(c->storage_url))
        bs_load_problem(l, line,
                        "%s: the storage is on this machine; what takes the machine takes the "
                        "points, too",
                        whose);
}

/* Somebody must be there who takes snapshots that often. */
static void
check_age(struct bs_load *l, int line, const char *whose, int64_t age_ms)
{
    const struct bs_config *c = l->config;
    bool often = false;

    for (size_t i = 0; i < c->n_snapshots; i++)
        often = often || c->snapshots[i].every_ms <= age_ms;
    if (c->n_snapshots == 0)
        bs_load_problem(l, line,
                        "%s: there are no `snapshots`, so every statement that changes a table "
                        "would be refused",
                        whose);
    else if (!often)
        bs_load_problem(l, line, "%s: all `snapshots` come less often than that", whose);
}

/* Of everything: then of what each of them is about. */
static void
check_ages(struct bs_load *l)
{
    const struct bs_config *c = l->config;

    for (size_t i = 0; i < c->n_snapshots; i++) {
        if (c->snapshots[i].every_ms > c->require.snapshot_age_ms)
            bs_load_problem(l, c->snapshots[i].line,
                            "snapshots: \"%.60s\" comes less often than "
                            "recovery.require.snapshot_age wants",
                            c->snapshots[i].name == NULL ? "" : c->snapshots[i].name);
    }
    if (c->n_snapshots == 0)
        check_age(l, l->required.snapshot_age, "recovery.require.snapshot_age",
                  c->require.snapshot_age_ms);
}

static void
check_grade(struct bs_load *l, int line, const char *whose, enum bs_grade grade)
{
    if (grade == BS_GRADE_RESTORED && l->config->scratch == NULL)
        bs_load_problem(l, line,
                        "%s: \"restored\" needs a database that tables are loaded into; give "
                        "recovery.scratch its connection string",
                        whose);
}

/* Neither the texts nor what they mean may be the same; a capture asks the servers, too. */
static void
check_scratch(struct bs_load *l)
{
    const struct bs_config *c = l->config;

    for (size_t i = 0; c->scratch != NULL && i < c->n_databases; i++) {
        const struct bs_config_database *db = &c->databases[i];
        if ((db->helper != NULL && strcmp(db->helper, c->scratch) == 0) ||
            (db->upstream != NULL && strcmp(db->upstream, c->scratch) == 0))
            bs_load_problem(l, l->required.scratch,
                            "recovery.scratch is database \"%.60s\" itself; nothing may be loaded "
                            "into a database that is protected",
                            db->name);
    }
}

static void
check_rule(struct bs_load *l, const struct bs_rule *rule)
{
    const struct bs_require *r = &rule->require;
    char whose[100];

    if (bs_require_is_empty(r) || rule->name == NULL)
        return;
    if (rule->action == BS_ACTION_BLOCK)
        bs_load_problem(l, rule->line,
                        "rule \"%.60s\": require says nothing where the action is block",
                        rule->name);
    else if (rule->keep == BS_KEEP_NOT)
        bs_load_problem(l, rule->line,
                        "rule \"%.60s\": it requires something of a recovery point that it says is "
                        "not made (recovery: none)",
                        rule->name);
    (void)snprintf(whose, sizeof(whose), "rule \"%.60s\", require", rule->name);
    check_grade(l, rule->line, whose, r->grade);
    if (r->off_host)
        check_off_host(l, rule->line, whose);
    if (r->snapshot_age_ms != 0)
        check_age(l, rule->line, whose, r->snapshot_age_ms);
}

void
bs_check_required(struct bs_load *l)
{
    const struct bs_require *r = &l->config->require;

    check_scratch(l);
    if (r->off_host)
        check_off_host(l, l->required.off_host, "recovery.require.off_host");
    if (r->snapshot_age_ms != 0)
        check_ages(l);
    check_grade(l, l->required.grade, "recovery.grade", r->grade);
    for (size_t i = 0; i < l->policy->n_rules; i++)
        check_rule(l, &l->policy->rules[i]);
}
