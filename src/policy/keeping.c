/*
 * keeping.c - the readers of `snapshots` and `retention`, and what is wrong with them only once all
 * is read.
 */
#include "policy/keeping.h"

#include <stdio.h>
#include <string.h>

#include "policy/load.h"
#include "policy/values.h"

bool
bs_tables_match(const struct bs_object_globs *globs, const char *schema, const char *name)
{
    for (size_t i = 0; i < globs->n; i++) {
        if (bs_glob_match(globs->list[i].schema, schema) &&
            bs_glob_match(globs->list[i].name, name))
            return true;
    }
    return false;
}

bool
bs_keep_is_empty(const struct bs_keep_limits *keep)
{
    return keep->count == 0 && keep->age_ms == 0 && keep->bytes == 0;
}

void
bs_read_snapshots(struct bs_load *l, const struct bs_key *key, yaml_node_t *node, void *into)
{
    struct bs_config *c = l->config;
    size_t n;

    (void)into;
    if (node == NULL)
        return;
    n = bs_load_list(l, key, node);
    c->snapshots = bs_load_array(l, n, sizeof(c->snapshots[0]));
    for (size_t i = 0; c->snapshots != NULL && i < n; i++) {
        yaml_node_t *item = bs_load_item(l, node, i);
        struct bs_config_snapshot *s = &c->snapshots[c->n_snapshots++];

        s->line = bs_load_line(item);
        bs_load_map(l, item, "snapshots[].", " in snapshots", s);
    }
}

void
bs_read_keep(struct bs_load *l, const struct bs_key *key, yaml_node_t *node, void *into)
{
    char prefix[64];

    (void)snprintf(prefix, sizeof(prefix), "%s.", key->path);
    bs_load_map(l, node, prefix, " in keep", into);
    if (node != NULL && bs_keep_is_empty(into))
        bs_load_problem(l, bs_load_line(node),
                        "keep says nothing; give it a count, an age or bytes");
}

void
bs_read_keep_tables(struct bs_load *l, const struct bs_key *key, yaml_node_t *node, void *into)
{
    struct bs_config_retention *r = l->config->retention;
    size_t n;

    (void)into;
    if (node == NULL)
        return;
    n = bs_load_list(l, key, node);
    r->tables = bs_load_array(l, n, sizeof(r->tables[0]));
    for (size_t i = 0; r->tables != NULL && i < n; i++) {
        yaml_node_t *item = bs_load_item(l, node, i);
        struct bs_config_keep_tables *t = &r->tables[r->n_tables++];

        t->line = bs_load_line(item);
        bs_load_map(l, item, "retention.tables[].", " in retention.tables", t);
    }
}

void
bs_read_retention(struct bs_load *l, const struct bs_key *key, yaml_node_t *node, void *into)
{
    (void)key;
    (void)into;
    bs_load_map(l, node, "retention.", " in retention", l->config->retention);
}

void
bs_read_verify(struct bs_load *l, const struct bs_key *key, yaml_node_t *node, void *into)
{
    (void)key;
    (void)into;
    bs_load_map(l, node, "verify.", " in verify", l->config->verify);
}

void
bs_read_verify_sample(struct bs_load *l,
                      const struct bs_key *key,
                      struct bs_scalar value,
                      void *into)
{
    struct bs_config_verify *v = l->config->verify;

    (void)into;
    if (!bs_value_share(value.text, &v->share) &&
        (!bs_value_integer(value.text, &v->number) || v->number < 1))
        bs_load_problem(l, value.line,
                        "%s: \"%.60s\" is not a number of points or a share such as 5%%",
                        bs_key_shown(key), value.text);
}

static void
check_database(struct bs_load *l, struct bs_config_snapshot *s)
{
    const struct bs_config *c = l->config;

    if (s->database == NULL && c->n_databases == 1)
        s->database = c->databases[0].name;
    if (s->database == NULL)
        bs_load_problem(l, s->line,
                        "snapshots: \"%.60s\" does not say of which database; there are %zu",
                        s->name, c->n_databases);
    else if (bs_config_database_find(c, s->database) == NULL)
        bs_load_problem(l, s->line, "snapshots: \"%.60s\" is of database \"%.60s\", which is none",
                        s->name, s->database);
}

static void
check_snapshot(struct bs_load *l, struct bs_config_snapshot *s)
{
    const struct bs_config *c = l->config;

    if (s->name == NULL)
        return; /* already a problem */
    for (const struct bs_config_snapshot *other = c->snapshots; other < s; other++) {
        if (other->name != NULL && strcmp(other->name, s->name) == 0)
            bs_load_problem(l, s->line, "two snapshots are called \"%.60s\", the first on line %d",
                            s->name, other->line);
    }
    check_database(l, s);
    if (s->keep.age_ms != 0 && s->keep.age_ms < s->every_ms)
        bs_load_problem(l, s->line,
                        "snapshots: \"%.60s\" keeps them for less time than there is between two",
                        s->name);
}

void
bs_check_keeping(struct bs_load *l)
{
    for (size_t i = 0; i < l->config->n_snapshots; i++)
        check_snapshot(l, &l->config->snapshots[i]);
}
