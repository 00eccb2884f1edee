/*
 * columns_lost.c - a stored dump may have been written when objects had other OIDs (it is kept once
 * per content), so an entry is also known by its kind and name.
 */
#include "restore/columns_lost.h"

#include <string.h>

static enum bs_done
full(struct bs_err *err)
{
    return BS_FAIL(err, LIMIT, "the definition has too many entries");
}

static bool
ends_with(struct bs_bytes b, struct bs_bytes end)
{
    return b.n > end.n && b.p[b.n - end.n - 1] == ' ' &&
           memcmp(b.p + b.n - end.n, end.p, end.n) == 0;
}

/* The name in an identity: public."a b", "a b" on public.t. Without quotes, as a listing has it. */
static struct bs_bytes
name_in(const struct bs_point_dependent *d)
{
    const char *on = strstr(d->identity, " on "), *dot = NULL;
    size_t n = on != NULL ? (size_t)(on - d->identity) : strlen(d->identity);
    bool quoted = false;
    struct bs_bytes name;

    for (size_t i = 0; i < n && on == NULL; i++) {
        quoted = d->identity[i] == '"' ? !quoted : quoted;
        dot = d->identity[i] == '.' && !quoted ? d->identity + i : dot;
    }
    name.p = (const uint8_t *)(dot != NULL ? dot + 1 : d->identity);
    name.n = n - (size_t)((const char *)name.p - d->identity);
    if (name.n > 2 && name.p[0] == '"' && name.p[name.n - 1] == '"') {
        name.p++;
        name.n -= 2;
    }
    return name;
}

static bool
is_about(const struct bs_toc_entry *e, const struct bs_point_dependent *d)
{
    if (e->class_oid == 0 || e->class_oid != d->class_oid)
        return false;
    return e->oid == d->oid || ends_with(e->key, name_in(d));
}

static bool
hangs_on_columns(const struct bs_manifest *m, const struct bs_toc_entry *e)
{
    for (size_t i = 0; i < m->n_closure; i++) {
        if (is_about(e, &m->closure[i]))
            return true;
    }
    return false;
}

/* Tables of the point that the columns are of. */
static bool
is_table(const struct bs_bytes *tables, size_t n, struct bs_bytes key)
{
    for (size_t i = 0; i < n; i++) {
        if (bs_bytes_equal(tables[i], key))
            return true;
    }
    return false;
}

enum bs_done
bs_columns_table_keys(struct bs_restore *r,
                      const struct bs_columns *c,
                      struct bs_bytes **out,
                      size_t *n,
                      struct bs_err *err)
{
    const struct bs_manifest *m = &r->manifest;

    *n = 0;
    *out = bs_arena_array(&r->arena, m->n_objects + 1, sizeof(**out));
    if (*out == NULL)
        return full(err);
    for (size_t i = 0; i < c->n_tables; i++) {
        const struct bs_columns_table *t = &c->tables[i];
        for (size_t k = 0; k < t->n_members && *n < m->n_objects; k++)
            (*out)[(*n)++] = bs_toc_key(t->members[k]->relkind, t->members[k]->schema,
                                        t->members[k]->name, &r->arena);
    }
    return BS_DONE;
}

struct listing {
    struct bs_bytes *keys;
    size_t n, cap;
};

static enum bs_done
add(struct listing *l, struct bs_bytes key, struct bs_err *err)
{
    if (l->n == l->cap || key.p == NULL)
        return full(err);
    l->keys[l->n++] = key;
    return BS_DONE;
}

/* Privileges and comments have no row of the catalog of their own; they are named after the column. */
static enum bs_done
add_texts(struct bs_restore *r, const struct bs_columns *c, struct listing *l, struct bs_err *err)
{
    static const char *const kinds[] = {"ACL", "COMMENT", "SECURITY LABEL"};

    for (size_t i = 0; i < c->n_tables; i++) {
        const struct bs_columns_table *t = &c->tables[i];
        for (size_t k = 0; k < t->n_columns * t->n_members * 3; k++) {
            const struct bs_point_object *o = t->members[k / 3 / t->n_columns];
            const char *text =
                bs_arena_fmt(&r->arena, "%s %s COLUMN %s.%s", kinds[k % 3], o->schema, o->name,
                             t->columns[k / 3 % t->n_columns].name);
            if (text == NULL || add(l, bs_bytes_of(text), err) != BS_DONE)
                return full(err);
        }
    }
    return BS_DONE;
}

static enum bs_done
add_needs(const struct bs_toc *saved,
          const struct bs_toc_entry *table,
          struct listing *l,
          struct bs_err *err)
{
    for (size_t i = 0; i < saved->n; i++) {
        for (size_t k = 0; k < table->n_needs; k++) {
            if (saved->list[i].dump_id == table->needs[k] &&
                add(l, saved->list[i].key, err) != BS_DONE)
                return BS_FAILED;
        }
    }
    return BS_DONE;
}

static size_t
most_texts(const struct bs_columns *c)
{
    size_t n = 0;

    for (size_t i = 0; i < c->n_tables; i++)
        n += 3 * c->tables[i].n_columns * c->tables[i].n_members;
    return n;
}

enum bs_done
bs_columns_entries(struct bs_restore *r,
                   const struct bs_columns *c,
                   const struct bs_toc *saved,
                   struct bs_bytes **out,
                   size_t *n,
                   struct bs_err *err)
{
    struct listing l = {.cap = 2 * saved->n + most_texts(c) + 1};
    struct bs_bytes *tables;
    size_t n_tables;

    for (size_t i = 0; i < saved->n; i++)
        l.cap += saved->list[i].n_needs;
    l.keys = bs_arena_array(&r->arena, l.cap, sizeof(*l.keys));
    if (l.keys == NULL)
        return full(err);
    if (bs_columns_table_keys(r, c, &tables, &n_tables, err) != BS_DONE ||
        add_texts(r, c, &l, err) != BS_DONE)
        return BS_FAILED;
    for (size_t i = 0; i < saved->n; i++) {
        const struct bs_toc_entry *e = &saved->list[i];
        if (hangs_on_columns(&r->manifest, e) && add(&l, e->key, err) != BS_DONE)
            return BS_FAILED;
        if (is_table(tables, n_tables, e->key) && add_needs(saved, e, &l, err) != BS_DONE)
            return BS_FAILED;
    }
    *out = l.keys;
    *n = l.n;
    return BS_DONE;
}
