/*
 * columns_anew.c - see columns_anew.h.
 */
#include "restore/columns_anew.h"

#include <stdio.h>

#include "restore/columns_inside.h"

/* Checks are in the manifest; a default is the column's own. */
static const char find_hanging[] =
    "SELECT DISTINCT d.classid, d.objid FROM pg_catalog.pg_depend d"
    " JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid"
    " WHERE d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid = $1::oid"
    " AND a.attname = $2 AND d.classid <> 'pg_catalog.pg_attrdef'::pg_catalog.regclass"
    " AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint c WHERE c.oid = d.objid"
    " AND d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass"
    " AND c.contype IN ('c', 'n'))";

bool
bs_columns_is_anew(const struct bs_columns_column *c)
{
    return c->way == BS_COLUMN_COMPUTE && c->live_type != NULL;
}

struct marking {
    struct bs_restore *r;
    struct bs_definition *d;
    bool *goes; /* for each saved entry */
};

static void
mark_object(struct marking *m, uint32_t class_oid, uint32_t oid)
{
    const struct bs_definition *d = m->d;

    for (size_t i = 0; i < d->saved.n; i++) {
        size_t live = d->scope.live_of[i];
        if (live != BS_SCOPE_NONE && d->live.list[live].class_oid == class_oid &&
            d->live.list[live].oid == oid)
            m->goes[i] = true;
    }
}

static enum bs_done
mark_hanging(struct marking *m, uint32_t table, const char *column, struct bs_err *err)
{
    char oid[16];
    const char *values[] = {oid, column};
    PGresult *found;

    (void)snprintf(oid, sizeof(oid), "%u", table);
    found = bs_rdb_ask(&m->r->db, find_hanging, 2, values, err);
    if (found == NULL)
        return BS_FAILED;
    for (int i = 0; i < PQntuples(found); i++)
        mark_object(m, (uint32_t)bs_rdb_number(found, i, 0), (uint32_t)bs_rdb_number(found, i, 1));
    PQclear(found);
    return BS_DONE;
}

/* Privileges and comments have no row of the catalog of their own; they are named after the column. */
static enum bs_done
mark_texts(struct marking *m,
           const struct bs_point_object *o,
           const char *column,
           struct bs_err *err)
{
    static const char *const kinds[] = {"ACL", "COMMENT", "SECURITY LABEL"};

    for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
        const char *key =
            bs_arena_fmt(&m->r->arena, "%s %s COLUMN %s.%s", kinds[k], o->schema, o->name, column);
        if (key == NULL)
            return bs_columns_full(err);
        for (size_t i = 0; i < m->d->saved.n; i++) {
            if (bs_bytes_equal(m->d->saved.list[i].key, bs_bytes_of(key)))
                m->goes[i] = true;
        }
    }
    return BS_DONE;
}

/* A comment on an index goes with it. */
static void
mark_dependents(struct marking *m)
{
    const struct bs_toc *saved = &m->d->saved;

    for (bool more = true; more;) {
        more = false;
        for (size_t i = 0; i < saved->n; i++) {
            const struct bs_toc_entry *e = &saved->list[i];
            for (size_t k = 0; k < e->n_needs && !m->goes[i]; k++) {
                size_t at = bs_toc_find(saved, e->needs[k]);
                if (at != saved->n && m->goes[at])
                    more = m->goes[i] = true;
            }
        }
    }
}

static enum bs_done
mark_column(struct marking *m,
            const struct bs_columns_table *t,
            const char *column,
            struct bs_err *err)
{
    for (size_t i = 0; i < t->n_oids; i++) {
        if (mark_hanging(m, t->oids_all[i], column, err) != BS_DONE)
            return BS_FAILED;
    }
    for (size_t i = 0; i < t->n_members; i++) {
        if (mark_texts(m, t->members[i], column, err) != BS_DONE)
            return BS_FAILED;
    }
    return BS_DONE;
}

enum bs_done
bs_columns_mark_anew(struct bs_restore *r,
                     const struct bs_columns *c,
                     struct bs_definition *d,
                     struct bs_err *err)
{
    struct marking m = {.r = r, .d = d};

    if (d->there == NULL)
        return BS_DONE;
    m.goes = bs_arena_array(&r->arena, d->saved.n + 1, sizeof(*m.goes));
    if (m.goes == NULL)
        return bs_columns_full(err);
    for (size_t i = 0; i < c->n_tables; i++) {
        const struct bs_columns_table *t = &c->tables[i];
        for (size_t k = 0; k < t->n_columns; k++) {
            if (bs_columns_is_anew(&t->columns[k]) &&
                mark_column(&m, t, t->columns[k].name, err) != BS_DONE)
                return BS_FAILED;
        }
    }
    mark_dependents(&m);
    for (size_t i = 0; i < d->saved.n; i++) {
        d->there[i] = d->there[i] && !m.goes[i];
        d->also[i] = d->also[i] || m.goes[i];
    }
    return BS_DONE;
}
