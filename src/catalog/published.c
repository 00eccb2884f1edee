/*
 * published.c - tables whose changes others receive: undoing here undoes nothing there.
 */
#include "catalog/build.h"

static uint8_t
changes_of(const struct bs_row_publication *p)
{
    return (uint8_t)((p->insert ? 1u << BS_USE_INSERT : 0) | (p->update ? 1u << BS_USE_UPDATE : 0) |
                     (p->remove ? 1u << BS_USE_DELETE : 0) |
                     (p->truncate ? 1u << BS_USE_TRUNCATE : 0));
}

/* What is published of a table is published of its partitions; children have been added, or not. */
static void
publish(struct bs_relation *r, uint8_t changes)
{
    if ((r->published & changes) == changes)
        return;
    r->published |= changes;
    for (size_t i = 0; r->relkind == 'p' && i < r->n_children; i++)
        publish((struct bs_relation *)(uintptr_t)r->children[i], changes);
}

/* A permanent table that is nobody's catalog. */
static bool
can_be_published(const struct bs_relation *r)
{
    return (r->relkind == 'r' || r->relkind == 'p') && r->persistence == 'p' && !r->system;
}

static void
publish_schema(struct bs_build *b, const char *schema, uint8_t changes)
{
    for (size_t i = 0; i < b->s->n_relations; i++) {
        struct bs_relation *r = &b->s->relations[i];
        if (can_be_published(r) && (schema == NULL || r->id.schema == schema))
            publish(r, changes);
    }
}

static const struct bs_row_publication *
publication(struct bs_build *b, uint32_t oid)
{
    size_t n;
    const struct bs_row_publication *rows = BS_ROWS(b, PUBLICATION, n);

    return bs_oid_find(rows, n, sizeof(*rows), oid);
}

void
bs_build_published(struct bs_build *b)
{
    size_t n;
    const struct bs_row_publication *all = BS_ROWS(b, PUBLICATION, n);
    const struct bs_row_published *rows;

    for (size_t i = 0; i < n; i++) {
        if (all[i].all)
            publish_schema(b, NULL, changes_of(&all[i]));
    }
    rows = BS_ROWS(b, PUBLISHED, n);
    for (size_t i = 0; i < n; i++) {
        const struct bs_row_publication *p = publication(b, rows[i].publication);
        struct bs_relation *r = bs_build_relation(b, rows[i].what);
        if (p != NULL && r != NULL)
            publish(r, changes_of(p));
    }
    rows = BS_ROWS(b, PUBLISHED_SCHEMA, n);
    for (size_t i = 0; i < n; i++) {
        const struct bs_row_publication *p = publication(b, rows[i].publication);
        const struct bs_row_named *schema =
            bs_oid_find(b->s->schemas, b->s->n_schemas, sizeof(*b->s->schemas), rows[i].what);
        if (p != NULL && schema != NULL)
            publish_schema(b, schema->name, changes_of(p));
    }
}
