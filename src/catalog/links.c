/*
 * links.c - what relations have to do with each other.
 */
#include <stdlib.h>
#include <string.h>

#include "catalog/build.h"

static const char inherits_sql[] =
    "SELECT i.inhparent, i.inhrelid FROM pg_catalog.pg_inherits i ORDER BY 1, 2";

static const char index_tables_sql[] =
    "SELECT i.indexrelid, i.indrelid FROM pg_catalog.pg_index i ORDER BY 1";

/* Unique at every moment, for all rows, by plain columns. */
static const char keys_sql[] =
    "SELECT i.indexrelid, i.indrelid, i.indisprimary, a.attname FROM pg_catalog.pg_index i"
    " CROSS JOIN LATERAL pg_catalog.generate_series(0, i.indnkeyatts - 1) k"
    " JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[k]"
    " WHERE i.indisunique AND i.indimmediate AND i.indisvalid AND i.indisready AND i.indislive"
    " AND i.indpred IS NULL AND i.indexprs IS NULL AND i.indrelid >= 16384 ORDER BY 2, 1, k";

static const char fks_sql[] =
    "SELECT c.oid, c.conrelid, c.confrelid, c.confdeltype, c.confupdtype, f.attname, t.attname"
    " FROM pg_catalog.pg_constraint c"
    " CROSS JOIN LATERAL pg_catalog.generate_subscripts(c.conkey, 1) k"
    " JOIN pg_catalog.pg_attribute f ON f.attrelid = c.conrelid AND f.attnum = c.conkey[k]"
    " JOIN pg_catalog.pg_attribute t ON t.attrelid = c.confrelid AND t.attnum = c.confkey[k]"
    " WHERE c.contype = 'f' ORDER BY c.oid, k";

/*
 * What goes when something is dropped, as far as it can hold data or lead to what does: relations
 * and their columns, types, functions, views. Constraints, triggers, policies and ordinary defaults
 * go too, but nothing that stores a row hangs on them. An expression takes its generated column.
 */
static const char deps_sql[] =
    "SELECT d.refclassid, d.refobjid, d.refobjsubid, d.classid, d.objid, d.objsubid, d.deptype"
    " FROM pg_catalog.pg_depend d WHERE d.objid >= 16384 AND (d.refobjid >= 16384"
    " OR d.refclassid IN ('pg_catalog.pg_namespace'::pg_catalog.regclass,"
    " 'pg_catalog.pg_extension'::pg_catalog.regclass)) AND d.classid NOT IN"
    " ('pg_catalog.pg_constraint'::pg_catalog.regclass,"
    " 'pg_catalog.pg_trigger'::pg_catalog.regclass, 'pg_catalog.pg_policy'::pg_catalog.regclass,"
    " 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass)"
    " AND (d.classid <> 'pg_catalog.pg_attrdef'::pg_catalog.regclass OR d.objid IN"
    " (SELECT e.oid FROM pg_catalog.pg_attrdef e JOIN pg_catalog.pg_attribute a"
    " ON a.attrelid = e.adrelid AND a.attnum = e.adnum WHERE a.attgenerated <> ''))"
    " AND d.refclassid <> 'pg_catalog.pg_constraint'::pg_catalog.regclass ORDER BY 1, 2, 3";

/* How many pairs begin with each relation, or end with it. */
static void
count_pairs(const struct bs_pairs *p, bool reverse, size_t *counts)
{
    for (size_t i = 0; i < p->n; i++)
        counts[reverse ? p->list[i].to : p->list[i].from]++;
}

/* One list a relation out of all pairs; lists[i] has counts[i] elements. */
static const struct bs_relation ***
spread(struct bs_build *b, const struct bs_pairs *p, bool reverse, size_t *counts)
{
    const struct bs_relation ***lists = bs_malloc((b->s->n_relations + 1) * sizeof(*lists));

    count_pairs(p, reverse, counts);
    for (size_t i = 0; i < b->s->n_relations; i++) {
        if (counts[i] != 0)
            lists[i] = bs_build_array(b, counts[i], sizeof(**lists));
        counts[i] = 0;
    }
    for (size_t i = 0; i < p->n && b->err->code == BS_OK; i++) {
        uint32_t from = reverse ? p->list[i].to : p->list[i].from;
        uint32_t to = reverse ? p->list[i].from : p->list[i].to;
        lists[from][counts[from]++] = &b->s->relations[to];
    }
    return lists;
}

static enum bs_done
set_children(struct bs_build *b)
{
    size_t *counts = bs_malloc((b->s->n_relations + 1) * sizeof(*counts));
    const struct bs_relation ***lists = spread(b, &b->children, false, counts);

    for (size_t i = 0; i < b->s->n_relations; i++) {
        b->s->relations[i].children = lists[i];
        b->s->relations[i].n_children = counts[i];
        counts[i] = 0;
    }
    free(lists);
    lists = spread(b, &b->children, true, counts);
    for (size_t i = 0; i < b->s->n_relations; i++) {
        b->s->relations[i].parents = lists[i];
        b->s->relations[i].n_parents = counts[i];
    }
    free(lists);
    free(counts);
    return b->err->code == BS_OK ? BS_DONE : BS_FAILED;
}

enum bs_done
bs_build_reads(struct bs_build *b)
{
    size_t *counts = bs_malloc((b->s->n_relations + 1) * sizeof(*counts));
    const struct bs_relation ***lists = spread(b, &b->reads, false, counts);

    for (size_t i = 0; i < b->s->n_relations; i++) {
        b->s->relations[i].reads = lists[i];
        b->s->relations[i].n_reads = counts[i];
    }
    free(lists);
    free(counts);
    return b->err->code == BS_OK ? BS_DONE : BS_FAILED;
}

static enum bs_done
load_children(struct bs_build *b)
{
    PGresult *res;

    if (bs_reader_query(&b->reader, inherits_sql, 2, &res, b->err) != BS_DONE)
        return BS_FAILED;
    for (int i = 0; i < PQntuples(res); i++) {
        const struct bs_relation *parent = bs_build_relation(b, bs_oid_at(res, i, 0));
        const struct bs_relation *child = bs_build_relation(b, bs_oid_at(res, i, 1));
        if (parent != NULL && child != NULL)
            bs_pairs_add(&b->children, bs_build_place(b, parent), bs_build_place(b, child));
    }
    PQclear(res);
    return set_children(b);
}

static enum bs_done
load_index_tables(struct bs_build *b)
{
    PGresult *res;

    if (bs_reader_query(&b->reader, index_tables_sql, 2, &res, b->err) != BS_DONE)
        return BS_FAILED;
    for (int i = 0; i < PQntuples(res); i++) {
        struct bs_relation *index = bs_build_relation(b, bs_oid_at(res, i, 0));
        if (index != NULL)
            index->table = bs_build_relation(b, bs_oid_at(res, i, 1));
    }
    PQclear(res);
    return BS_DONE;
}

/* Rows `row` to the last one with the same value in that column. */
static int
run_of(const PGresult *res, int row, int column)
{
    int end = row + 1;

    while (end < PQntuples(res) && bs_oid_at(res, end, column) == bs_oid_at(res, row, column))
        end++;
    return end - row;
}

static const char **
names_of(struct bs_build *b, const PGresult *res, int row, int n, int column)
{
    const char **names = bs_build_array(b, (size_t)n, sizeof(*names));

    for (int i = 0; names != NULL && i < n; i++) {
        names[i] = bs_build_text(b, bs_text_at(res, row + i, column));
        if (names[i] == NULL)
            return NULL;
    }
    return names;
}

static enum bs_done
load_keys(struct bs_build *b)
{
    struct bs_key *all;
    PGresult *res;
    size_t n = 0;

    if (bs_reader_query(&b->reader, keys_sql, 4, &res, b->err) != BS_DONE)
        return BS_FAILED;
    all = bs_build_array(b, (size_t)PQntuples(res), sizeof(*all));
    for (int i = 0, step; all != NULL && i < PQntuples(res); i += step) {
        struct bs_relation *r = bs_build_relation(b, bs_oid_at(res, i, 1));
        step = run_of(res, i, 0);
        if (r == NULL)
            continue;
        all[n] = (struct bs_key){names_of(b, res, i, step, 3), (size_t)step, bs_bool_at(res, i, 2)};
        if (all[n].columns == NULL)
            break;
        if (r->n_keys++ == 0)
            r->keys = &all[n];
        n++;
    }
    PQclear(res);
    return b->err->code == BS_OK ? BS_DONE : BS_FAILED;
}

static enum bs_done
attach_fks(struct bs_build *b)
{
    for (size_t i = 0; i < b->s->n_fks; i++) {
        bs_build_relation(b, b->s->fks[i].from->id.oid)->n_outgoing++;
        bs_build_relation(b, b->s->fks[i].to->id.oid)->n_incoming++;
    }
    for (size_t i = 0; i < b->s->n_fks; i++) {
        struct bs_relation *from = bs_build_relation(b, b->s->fks[i].from->id.oid);
        struct bs_relation *to = bs_build_relation(b, b->s->fks[i].to->id.oid);
        if (from->outgoing == NULL)
            from->outgoing = bs_build_array(b, from->n_outgoing, sizeof(*from->outgoing));
        if (to->incoming == NULL)
            to->incoming = bs_build_array(b, to->n_incoming, sizeof(*to->incoming));
        if (from->outgoing == NULL || to->incoming == NULL)
            return BS_FAILED;
    }
    for (size_t i = 0; i < b->s->n_relations; i++)
        b->s->relations[i].n_outgoing = b->s->relations[i].n_incoming = 0;
    for (size_t i = 0; i < b->s->n_fks; i++) {
        struct bs_relation *from = bs_build_relation(b, b->s->fks[i].from->id.oid);
        struct bs_relation *to = bs_build_relation(b, b->s->fks[i].to->id.oid);
        from->outgoing[from->n_outgoing++] = &b->s->fks[i];
        to->incoming[to->n_incoming++] = &b->s->fks[i];
    }
    return BS_DONE;
}

static enum bs_done
load_fks(struct bs_build *b)
{
    struct bs_snapshot *s = b->s;
    PGresult *res;

    if (bs_reader_query(&b->reader, fks_sql, 7, &res, b->err) != BS_DONE)
        return BS_FAILED;
    s->fks = bs_build_array(b, (size_t)PQntuples(res), sizeof(*s->fks));
    for (int i = 0, step; s->fks != NULL && i < PQntuples(res); i += step) {
        struct bs_fk *f = &s->fks[s->n_fks];
        step = run_of(res, i, 0);
        *f = (struct bs_fk){.oid = bs_oid_at(res, i, 0),
                            .from = bs_build_relation(b, bs_oid_at(res, i, 1)),
                            .to = bs_build_relation(b, bs_oid_at(res, i, 2)),
                            .on_delete = bs_char_at(res, i, 3),
                            .on_update = bs_char_at(res, i, 4),
                            .from_columns = names_of(b, res, i, step, 5),
                            .to_columns = names_of(b, res, i, step, 6),
                            .n = (size_t)step};
        if (f->from != NULL && f->to != NULL && f->from_columns != NULL && f->to_columns != NULL)
            s->n_fks++;
    }
    PQclear(res);
    return b->err->code == BS_OK ? attach_fks(b) : BS_FAILED;
}

/* Indexes and TOAST tables hang on their tables and hold nothing of their own. */
static bool
is_of_use(struct bs_build *b, const struct bs_dep *d)
{
    const struct bs_relation *r;

    if (d->class_oid != BS_CLASS_RELATION)
        return true;
    r = bs_build_relation(b, d->oid);
    return r != NULL && r->relkind != 'i' && r->relkind != 'I';
}

static int
by_dependent(const void *x, const void *y)
{
    const struct bs_dep *const *a = x, *const *b = y;

    if ((*a)->class_oid != (*b)->class_oid)
        return (*a)->class_oid < (*b)->class_oid ? -1 : 1;
    return ((*a)->oid > (*b)->oid) - ((*a)->oid < (*b)->oid);
}

static enum bs_done
list_owned(struct bs_build *b)
{
    struct bs_snapshot *s = b->s;

    s->owned = bs_build_array(b, s->n_deps, sizeof(*s->owned));
    if (s->owned == NULL)
        return BS_FAILED;
    for (size_t i = 0; i < s->n_deps; i++) {
        if (s->deps[i].type == 'i')
            s->owned[s->n_owned++] = &s->deps[i];
    }
    if (s->n_owned > 1)
        qsort(s->owned, s->n_owned, sizeof(*s->owned), by_dependent);
    return BS_DONE;
}

static enum bs_done
load_deps(struct bs_build *b)
{
    struct bs_snapshot *s = b->s;
    PGresult *res;

    if (bs_reader_query(&b->reader, deps_sql, 7, &res, b->err) != BS_DONE)
        return BS_FAILED;
    s->deps = bs_build_array(b, (size_t)PQntuples(res), sizeof(*s->deps));
    for (int i = 0; s->deps != NULL && i < PQntuples(res); i++) {
        struct bs_dep *d = &s->deps[s->n_deps];
        *d = (struct bs_dep){.ref_class = bs_oid_at(res, i, 0),
                             .ref_oid = bs_oid_at(res, i, 1),
                             .ref_sub = bs_int_at(res, i, 2),
                             .class_oid = bs_oid_at(res, i, 3),
                             .oid = bs_oid_at(res, i, 4),
                             .sub = bs_int_at(res, i, 5),
                             .type = bs_char_at(res, i, 6)};
        s->n_deps += is_of_use(b, d);
    }
    PQclear(res);
    return b->err->code == BS_OK ? list_owned(b) : BS_FAILED;
}

enum bs_done
bs_build_links(struct bs_build *b)
{
    if (load_children(b) != BS_DONE || load_index_tables(b) != BS_DONE || load_keys(b) != BS_DONE)
        return BS_FAILED;
    if (load_fks(b) != BS_DONE)
        return BS_FAILED;
    return load_deps(b);
}
