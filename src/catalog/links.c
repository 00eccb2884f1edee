/*
 * links.c - what relations have to do with each other.
 */
#include <stdlib.h>
#include <string.h>

#include "catalog/build.h"

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
link_children(struct bs_build *b)
{
    size_t n;
    const struct bs_row_inherits *rows = BS_ROWS(b, INHERITS, n);

    for (size_t i = 0; i < n; i++) {
        const struct bs_relation *parent = bs_build_relation(b, rows[i].parent);
        const struct bs_relation *child = bs_build_relation(b, rows[i].child);
        if (parent != NULL && child != NULL)
            bs_pairs_add(&b->children, bs_build_place(b, parent), bs_build_place(b, child));
    }
    return set_children(b);
}

static const char *
column_name(struct bs_build *b, uint32_t relation, uint32_t number)
{
    const struct bs_row_attribute *a =
        bs_find_attribute(b->s->tables[BS_TABLE_ATTRIBUTE], relation, (int32_t)number);

    return a == NULL || a->dropped ? NULL : a->name;
}

/* NULL where one of them is not known. */
static const char **
column_names(struct bs_build *b, uint32_t relation, const struct bs_list *numbers)
{
    const char **names = bs_build_array(b, numbers->n, sizeof(*names));

    for (uint32_t i = 0; names != NULL && i < numbers->n; i++) {
        names[i] = column_name(b, relation, numbers->data[i]);
        if (names[i] == NULL)
            return NULL;
    }
    return names;
}

/* Keys, and which table an index is of. Those of one table follow each other in memory. */
static enum bs_done
link_indexes(struct bs_build *b)
{
    size_t n;
    const struct bs_row_index *rows = BS_ROWS(b, INDEX, n);
    struct bs_key *all, *next;

    for (size_t i = 0; i < n; i++) {
        struct bs_relation *index = bs_build_relation(b, rows[i].oid);
        struct bs_relation *table = bs_build_relation(b, rows[i].table);
        if (index != NULL)
            index->table = table;
        if (table != NULL && rows[i].keys != NULL)
            table->n_keys++;
    }
    all = next = bs_build_array(b, n, sizeof(*all));
    if (all == NULL)
        return BS_FAILED;
    for (size_t i = 0; i < n; i++) {
        struct bs_relation *table = bs_build_relation(b, rows[i].table);
        struct bs_key *key;
        if (table == NULL || rows[i].keys == NULL)
            continue;
        if (table->keys == NULL) {
            table->keys = next;
            next += table->n_keys;
            table->n_keys = 0;
        }
        key = &all[(table->keys - all) + (ptrdiff_t)table->n_keys];
        *key = (struct bs_key){column_names(b, rows[i].table, rows[i].keys), rows[i].keys->n,
                               rows[i].primary};
        table->n_keys += key->columns != NULL;
    }
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
link_fks(struct bs_build *b)
{
    struct bs_snapshot *s = b->s;
    size_t n, n_fks = 0;
    const struct bs_row_constraint *rows = BS_ROWS(b, CONSTRAINT, n);

    for (size_t i = 0; i < n; i++)
        n_fks += rows[i].kind == 'f';
    s->fks = bs_build_array(b, n_fks, sizeof(*s->fks));
    for (size_t i = 0; s->fks != NULL && i < n; i++) {
        struct bs_fk *f = &s->fks[s->n_fks];
        const struct bs_row_constraint *c = &rows[i];
        if (c->kind != 'f' || c->columns == NULL || c->to_columns == NULL)
            continue;
        *f = (struct bs_fk){.oid = c->oid,
                            .from = bs_build_relation(b, c->relation),
                            .to = bs_build_relation(b, c->to),
                            .on_delete = c->on_delete,
                            .on_update = c->on_update,
                            .n = c->columns->n};
        if (f->from == NULL || f->to == NULL || c->to_columns->n != f->n)
            continue;
        f->from_columns = column_names(b, c->relation, c->columns);
        f->to_columns = column_names(b, c->to, c->to_columns);
        if (f->from_columns != NULL && f->to_columns != NULL)
            s->n_fks++;
    }
    return b->err->code == BS_OK ? attach_fks(b) : BS_FAILED;
}

/* Whether a default is a generated column's. */
static bool
is_generated(struct bs_build *b, uint32_t oid)
{
    size_t n;
    const struct bs_row_code *rows = BS_ROWS(b, DEFAULT, n);
    const struct bs_row_code *d = bs_oid_find(rows, n, sizeof(*rows), oid);
    const struct bs_row_attribute *a =
        d == NULL ? NULL
                  : bs_find_attribute(b->s->tables[BS_TABLE_ATTRIBUTE], d->relation, d->number);

    return a != NULL && a->generated != '\0';
}

/*
 * Indexes hang on their tables and hold nothing of their own, and TOAST tables are not known. An
 * ordinary default holds nothing either; a generated column's takes its column along.
 */
static bool
is_of_use(struct bs_build *b, uint32_t class_oid, uint32_t oid)
{
    const struct bs_relation *r;

    if (class_oid == BS_CLASS_DEFAULT)
        return is_generated(b, oid);
    if (class_oid != BS_CLASS_RELATION)
        return true;
    r = bs_build_relation(b, oid);
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

    size_t n = 0;

    for (size_t i = 0; i < s->n_deps; i++)
        n += s->deps[i].type == 'i' || s->deps[i].type == 'e';
    s->owned = bs_build_array(b, n, sizeof(*s->owned));
    if (s->owned == NULL)
        return BS_FAILED;
    for (size_t i = 0; i < s->n_deps; i++) {
        if (s->deps[i].type == 'i' || s->deps[i].type == 'e')
            s->owned[s->n_owned++] = &s->deps[i];
    }
    if (s->n_owned > 1)
        qsort(s->owned, s->n_owned, sizeof(*s->owned), by_dependent);
    return BS_DONE;
}

static enum bs_done
link_deps(struct bs_build *b)
{
    struct bs_snapshot *s = b->s;
    size_t n, n_kept = 0;
    const struct bs_row_depend *rows = BS_ROWS(b, DEPEND, n);
    uint32_t *kept = bs_malloc((n + 1) * sizeof(*kept));

    for (size_t i = 0; i < n; i++) {
        if (is_of_use(b, rows[i].class_oid, rows[i].oid))
            kept[n_kept++] = (uint32_t)i;
    }
    s->deps = bs_build_array(b, n_kept, sizeof(*s->deps));
    for (size_t i = 0; s->deps != NULL && i < n_kept; i++) {
        const struct bs_row_depend *d = &rows[kept[i]];
        s->deps[s->n_deps++] = (struct bs_dep){.ref_class = d->ref_class,
                                               .ref_oid = d->ref_oid,
                                               .ref_sub = d->ref_sub,
                                               .class_oid = d->class_oid,
                                               .oid = d->oid,
                                               .sub = d->sub,
                                               .type = d->type};
    }
    free(kept);
    return b->err->code == BS_OK ? list_owned(b) : BS_FAILED;
}

enum bs_done
bs_build_links(struct bs_build *b)
{
    if (link_children(b) != BS_DONE || link_indexes(b) != BS_DONE || link_fks(b) != BS_DONE)
        return BS_FAILED;
    return link_deps(b);
}
