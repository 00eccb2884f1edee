/*
 * authors.c - a row of the catalog tells the transaction that wrote it, as every row does.
 *
 * What an object is has one row of its own, or a few; privileges are in the row of their object, so
 * whoever else changes that object counts as their author, too: it is left alone then, and told.
 */
#include <string.h>

#include "recovery/earlier.h"
#include "restore/changed.h"
#include "restore/sqltext.h"

#define SQL_MAX (16u << 20)

/* Rows that are found by something else than their own OID. */
static const char found_by[] =
    " UNION ALL SELECT w.i, t.xmin FROM w JOIN pg_catalog.pg_rewrite t ON w.how = 'view'"
    " AND t.ev_class = w.o AND t.ev_type = '1'"
    " UNION ALL SELECT w.i, t.xmin FROM w JOIN pg_catalog.pg_sequence t ON w.how = 'sequence'"
    " AND t.seqrelid = w.o"
    " UNION ALL SELECT w.i, t.xmin FROM w JOIN pg_catalog.pg_constraint t ON w.how = 'domain'"
    " AND t.contypid = w.o"
    " UNION ALL SELECT w.i, t.xmin FROM w JOIN pg_catalog.pg_description t ON w.how IN ('comment',"
    " 'column comment') AND t.classoid = w.c AND t.objoid = w.o"
    " AND (t.objsubid <> 0) = (w.how = 'column comment')";

/* The entry that privileges or a comment are of; toc->n: the dump does not make it. */
static size_t
object_of(const struct bs_toc *toc, size_t entry)
{
    const struct bs_toc_entry *e = &toc->list[entry];

    for (size_t k = 0; k < e->n_needs; k++) {
        size_t at = bs_toc_find(toc, e->needs[k]);
        if (at != toc->n && bs_scope_is_part(toc, e, at))
            return at;
    }
    return toc->n;
}

static bool
is(const struct bs_altered *c, const char *type)
{
    return strcmp(c->type, type) == 0;
}

/* How the rows of a change are found; NULL: they do not tell. */
static const char *
how_found(const struct bs_toc *toc, const struct bs_altered *c, size_t *object)
{
    bool column = bs_bytes_begin(bs_toc_words(&toc->list[c->live]).name, "COLUMN ");

    *object = c->live;
    if (is(c, "TABLE") || is(c, "FOREIGN TABLE") || is(c, "TYPE") || is(c, "MATERIALIZED VIEW") ||
        is(c, "USER MAPPING"))
        return NULL;
    if (is(c, "VIEW"))
        return "view";
    if (is(c, "SEQUENCE"))
        return "sequence";
    if (!is(c, "ACL") && !is(c, "COMMENT"))
        return is(c, "DOMAIN") ? "domain" : "row";
    *object = object_of(toc, c->live);
    if (*object == toc->n || (is(c, "ACL") && column))
        return NULL;
    return is(c, "ACL") ? "row" : column ? "column comment" : "comment";
}

static bool
put_wanted(struct bs_buf *b, const struct bs_toc *toc, const struct bs_changes *all)
{
    bool any = false;

    bs_put_str(b, "WITH w(i, c, o, how) AS (VALUES ");
    for (size_t i = 0; i < all->n; i++) {
        const struct bs_altered *c = &all->list[i];
        size_t at = 0;
        const char *how =
            c->live == BS_SCOPE_NONE || c->kind == BS_CHANGE_MOVED ? NULL : how_found(toc, c, &at);
        if (how == NULL || bs_catalog_name(toc->list[at].class_oid) == NULL)
            continue;
        bs_put_fmt(b, "%s(%zu, %u::pg_catalog.oid, %u::pg_catalog.oid, '%s')", any ? ", " : "", i,
                   toc->list[at].class_oid, toc->list[at].oid, how);
        any = true;
    }
    bs_put_str(b, ") SELECT w.i, t.xmin FROM w JOIN pg_catalog.pg_type t ON w.how = 'domain'"
                  " AND t.oid = w.o");
    return any;
}

/* Each catalog that some row is of, once. */
static void
put_catalogs(struct bs_buf *b, const struct bs_toc *toc, const struct bs_changes *all)
{
    for (size_t i = 0; i < all->n; i++) {
        const struct bs_altered *c = &all->list[i];
        size_t at = 0, seen = 0, other = 0;
        uint32_t class_oid;
        if (c->live == BS_SCOPE_NONE || how_found(toc, c, &at) == NULL)
            continue;
        class_oid = toc->list[at].class_oid;
        for (; seen < i; seen++) {
            const struct bs_altered *e = &all->list[seen];
            if (e->live != BS_SCOPE_NONE && how_found(toc, e, &other) != NULL &&
                toc->list[other].class_oid == class_oid)
                break;
        }
        if (seen == i && bs_catalog_name(class_oid) != NULL)
            bs_put_fmt(b,
                       " UNION ALL SELECT w.i, t.xmin FROM w JOIN pg_catalog.%s t ON w.how = 'row'"
                       " AND w.c = %u AND t.oid = w.o",
                       bs_catalog_name(class_oid), class_oid);
    }
    bs_put_str(b, found_by);
}

static void
take_author(const struct bs_origin *o, const PGresult *rows, int row, struct bs_changes *changes)
{
    size_t i = (size_t)bs_rdb_number(rows, row, 0);
    uint32_t xmin = (uint32_t)bs_rdb_number(rows, row, 1);

    if (i >= changes->n)
        return;
    if (bs_origin_is_later(o, xmin))
        changes->list[i].by = BS_CHANGE_OTHERS;
    else if (bs_origin_is_own(o, xmin) && changes->list[i].by == BS_CHANGE_UNTOLD)
        changes->list[i].by = BS_CHANGE_OWN;
}

enum bs_done
bs_changed_authors(struct bs_restore *r,
                   const struct bs_definition *d,
                   struct bs_changes *changes,
                   struct bs_err *err)
{
    struct bs_buf sql;
    PGresult *rows = NULL;
    enum bs_done done = BS_DONE;

    if (!r->origin.known)
        return BS_DONE;
    bs_buf_init(&sql, SQL_MAX);
    if (put_wanted(&sql, &d->live, changes)) {
        put_catalogs(&sql, &d->live, changes);
        rows = bs_rdb_query(&r->db, &sql, 0, NULL, err);
        done = rows == NULL ? BS_FAILED : BS_DONE;
    }
    for (int i = 0; done == BS_DONE && i < PQntuples(rows); i++)
        take_author(&r->origin, rows, i, changes);
    PQclear(rows);
    bs_buf_fini(&sql);
    return done;
}
