/*
 * renamed.c - an object under another name, or in another schema, gets its own back.
 *
 * The saved name is data: it is read from the manifest's identity or the listing and quoted anew.
 */
#include <string.h>

#include "restore/remedy.h"
#include "restore/sqltext.h"
#include "restore/text.h"

/* One name at the front of an identity, as it is without quotes; NULL: past the arena's ceiling. */
static char *
unquoted(struct bs_bytes b, struct bs_arena *arena)
{
    char *name = bs_arena_copy(arena, b);
    size_t n = 0;

    if (name == NULL || b.n < 2 || b.p[0] != '"')
        return name;
    for (size_t i = 1; i + 1 < b.n; i++) {
        name[n++] = (char)b.p[i];
        i += b.p[i] == '"';
    }
    name[n] = '\0';
    return name;
}

/* The own name in shop.f(integer), c on shop.t, shop.x USING btree. */
static char *
name_in(struct bs_bytes identity, struct bs_arena *arena)
{
    static const char *const ends[] = {"(", " on ", " USING "};
    struct bs_bytes b = identity;
    size_t dot;

    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        size_t at = bs_sql_find(b, ends[i]);
        b.n = at < b.n ? at : b.n;
    }
    dot = bs_sql_find(b, ".");
    if (dot != SIZE_MAX) {
        b.p += dot + 1;
        b.n -= dot + 1;
    }
    return unquoted(b, arena);
}

static const struct bs_point_dependent *
in_closure(const struct bs_manifest *m, const struct bs_toc_entry *e)
{
    for (size_t i = 0; i < m->n_closure; i++) {
        if (m->closure[i].class_oid == e->class_oid && m->closure[i].oid == e->oid)
            return &m->closure[i];
    }
    return NULL;
}

struct naming {
    const char *type;     /* of pg_identify_object */
    const char *identity; /* live */
    const char *word;     /* behind ALTER; NULL: a constraint */
    char *name;           /* saved */
    char *schema;         /* saved */
};

/* ALTER ... `what` x */
static void
put_alter(struct bs_buf *out, const struct naming *n, const char *what, const char *x)
{
    struct bs_bytes identity = bs_bytes_of(n->identity);
    size_t on = bs_sql_find(identity, " on ");

    if (n->word != NULL)
        bs_put_fmt(out, "ALTER %s %s %s ", n->word, n->identity, what);
    else if (on != SIZE_MAX) {
        bs_put_str(out,
                   strcmp(n->type, "domain constraint") == 0 ? "ALTER DOMAIN " : "ALTER TABLE ");
        bs_put_str(out, n->identity + on + 4);
        bs_put_str(out, " RENAME CONSTRAINT ");
        bs_put_bytes(out, (struct bs_bytes){identity.p, on});
        bs_put_str(out, " TO ");
    } else
        return;
    bs_put_ident(out, x);
    bs_put_str(out, ";\n");
}

static const char *
word_of(const char *type, const char *kind)
{
    if (strcmp(type, "table") == 0)
        return "TABLE";
    if (strcmp(type, "foreign table") == 0)
        return "FOREIGN TABLE";
    if (strcmp(kind, "DOMAIN") == 0)
        return "DOMAIN";
    return bs_remedy_word(type);
}

static enum bs_done
put_all(struct bs_restore *r,
        const struct bs_definition *d,
        const struct bs_altered *c,
        const PGresult *live,
        struct bs_buf *out,
        struct bs_err *err)
{
    unsigned moved = bs_scope_moved(&d->saved, &d->live, &d->scope, c->saved);
    const struct bs_point_dependent *told = in_closure(&r->manifest, &d->saved.list[c->saved]);
    struct naming n = {.type = PQgetvalue(live, 0, 0), .identity = PQgetvalue(live, 0, 1)};

    n.word = word_of(n.type, c->type);
    n.name = told == NULL ? bs_arena_copy(&r->arena, bs_scope_own_name(&d->saved, c->saved))
                          : name_in(bs_bytes_of(told->identity), &r->arena);
    n.schema = told == NULL || told->schema == NULL
                   ? bs_arena_copy(&r->arena, bs_toc_words(&d->saved.list[c->saved]).schema)
                   : bs_arena_str(&r->arena, told->schema);
    if (n.name == NULL || n.schema == NULL)
        return BS_FAIL(err, LIMIT, "the restore's memory is used up");
    /* Both: after the first the identity is another. Where both are taken, one has to go first. */
    if ((moved & BS_SCOPE_OTHER_SCHEMA) != 0 && n.word != NULL)
        put_alter(out, &n, "SET SCHEMA", n.schema);
    if (moved == BS_SCOPE_RENAMED)
        put_alter(out, &n, "RENAME TO", n.name);
    return BS_DONE;
}

enum bs_done
bs_remedy_put_name(struct bs_restore *r,
                   const struct bs_definition *d,
                   const struct bs_altered *change,
                   struct bs_buf *out,
                   struct bs_err *err)
{
    const struct bs_toc_entry *e = &d->live.list[change->live];
    char class_oid[16], oid[16];
    const char *values[] = {class_oid, oid};
    enum bs_done done = BS_DONE;
    PGresult *result;

    (void)snprintf(class_oid, sizeof(class_oid), "%u", e->class_oid);
    (void)snprintf(oid, sizeof(oid), "%u", e->oid);
    result = bs_rdb_ask(&r->db,
                        "SELECT i.type, i.identity FROM pg_catalog.pg_identify_object"
                        "($1::pg_catalog.oid, $2::pg_catalog.oid, 0) i",
                        2, values, err);
    if (result == NULL)
        return BS_FAILED;
    if (PQntuples(result) != 0 && !PQgetisnull(result, 0, 1))
        done = put_all(r, d, change, result, out, err);
    PQclear(result);
    return done;
}
