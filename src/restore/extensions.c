/*
 * extensions.c - see extensions.h. pg_dump writes "CREATE EXTENSION IF NOT EXISTS x WITH SCHEMA y".
 */
#include "restore/extensions.h"

#include <string.h>

#include "restore/sqltext.h"
#include "restore/text.h"

#define SCRIPT_MAX (256u << 20)
#define CREATE     "CREATE EXTENSION IF NOT EXISTS "
#define SCHEMA     " WITH SCHEMA "
#define VERSION    " VERSION "

enum { EXTENSIONS = 3079 }; /* pg_extension, catalog/pg_extension.h */

static const struct bs_point_dependent *
find_saved(const struct bs_manifest *m, uint32_t oid)
{
    for (size_t i = 0; i < m->n_closure; i++) {
        const struct bs_point_dependent *d = &m->closure[i];
        if (d->class_oid == EXTENSIONS && d->oid == oid && d->version != NULL)
            return d;
    }
    return NULL;
}

/* "text;" becomes "text VERSION E'1.0';" */
static enum bs_done
say(struct bs_restore *r, struct bs_bytes *text, const char *version, struct bs_err *err)
{
    struct bs_bytes rest = *text, one;
    struct bs_buf b;
    const char *copy;

    if (!bs_sql_next(&rest, &one))
        return BS_DONE;
    bs_buf_init(&b, SCRIPT_MAX);
    bs_put_bytes(&b, one);
    bs_put_str(&b, VERSION);
    bs_put_literal(&b, version);
    bs_put_str(&b, ";\n");
    bs_put_bytes(&b, rest);
    copy = b.failed ? NULL : bs_arena_copy(&r->arena, bs_buf_view(&b));
    if (copy != NULL)
        *text = bs_bytes_of(copy);
    bs_buf_fini(&b);
    return copy == NULL ? BS_FAIL(err, LIMIT, "the definition is too large") : BS_DONE;
}

static enum bs_done
say_live(struct bs_restore *r,
         const struct bs_toc_entry *e,
         struct bs_bytes *text,
         struct bs_err *err)
{
    char oid[16];
    const char *values[] = {oid};
    PGresult *result;
    enum bs_done done = BS_DONE;

    (void)snprintf(oid, sizeof(oid), "%u", e->oid);
    result = bs_rdb_ask(&r->db,
                        "SELECT extversion FROM pg_catalog.pg_extension"
                        " WHERE oid = $1::pg_catalog.oid",
                        1, values, err);
    if (result == NULL)
        return BS_FAILED;
    if (PQntuples(result) == 1)
        done = say(r, text, PQgetvalue(result, 0, 0), err);
    PQclear(result);
    return done;
}

enum bs_done
bs_extensions_say(struct bs_restore *r, struct bs_definition *d, struct bs_err *err)
{
    for (size_t i = 0; i < d->saved.n; i++) {
        const struct bs_toc_entry *e = &d->saved.list[i];
        size_t live = d->scope.live_of[i];
        const struct bs_point_dependent *was =
            bs_toc_is(e, "EXTENSION") ? find_saved(&r->manifest, e->oid) : NULL;
        if (was == NULL)
            continue;
        if (say(r, &d->saved_says.texts[i], was->version, err) != BS_DONE)
            return BS_FAILED;
        if (live != BS_SCOPE_NONE &&
            say_live(r, &d->live.list[live], &d->live_says.texts[live], err) != BS_DONE)
            return BS_FAILED;
    }
    return BS_DONE;
}

/* The version of the extension that a statement makes; NULL: not known, or it is another one. */
static const char *
version_of(const struct bs_manifest *m, struct bs_bytes statement)
{
    const size_t n = sizeof(CREATE) - 1;

    for (size_t i = 0; bs_bytes_begin(statement, CREATE) && i < m->n_closure; i++) {
        const struct bs_point_dependent *d = &m->closure[i];
        size_t length = d->class_oid == EXTENSIONS && d->version != NULL ? strlen(d->identity) : 0;
        struct bs_bytes name = {statement.p + n, statement.n - n};
        if (length != 0 && bs_bytes_begin(name, d->identity) &&
            (name.n == length || name.p[length] == ' '))
            return d->version;
    }
    return NULL;
}

enum bs_done
bs_extensions_put_versions(const struct bs_manifest *m, struct bs_buf *script, struct bs_err *err)
{
    struct bs_bytes rest = bs_buf_view(script), one;
    const uint8_t *from = rest.p;
    struct bs_buf b;
    bool any = false;

    for (size_t i = 0; i < m->n_closure && !any; i++)
        any = m->closure[i].version != NULL;
    if (!any)
        return BS_DONE;
    bs_buf_init(&b, SCRIPT_MAX);
    while (bs_sql_next(&rest, &one)) {
        const char *version = version_of(m, one);
        if (version == NULL)
            continue;
        bs_put_bytes(&b, (struct bs_bytes){from, (size_t)(one.p + one.n - from)});
        bs_put_str(&b, VERSION);
        bs_put_literal(&b, version);
        from = one.p + one.n;
    }
    bs_put_bytes(&b, (struct bs_bytes){from, (size_t)(script->p + script->n - from)});
    bs_buf_clear(script);
    bs_put_bytes(script, bs_buf_view(&b));
    bs_buf_fini(&b);
    return script->failed ? BS_FAIL(err, LIMIT, "the definition is too large") : BS_DONE;
}

/* Name, schema and version in such a text. */
static bool
take_apart(struct bs_bytes text, struct bs_bytes out[3])
{
    struct bs_bytes one;
    size_t schema, version;

    if (!bs_sql_next(&text, &one) || !bs_bytes_begin(one, CREATE))
        return false;
    one.p += sizeof(CREATE) - 1;
    one.n -= sizeof(CREATE) - 1;
    schema = bs_sql_find(one, SCHEMA);
    version = bs_sql_find(one, VERSION);
    if (schema == SIZE_MAX)
        return false;
    version = version == SIZE_MAX ? one.n : version;
    out[0] = (struct bs_bytes){one.p, schema};
    schema += sizeof(SCHEMA) - 1;
    out[1] = (struct bs_bytes){one.p + schema, version - schema};
    out[2] = (struct bs_bytes){one.p + version, one.n - version};
    return true;
}

void
bs_extensions_put_alter(struct bs_bytes saved, struct bs_bytes live, struct bs_buf *out)
{
    static const char *const words[] = {"", " SET SCHEMA ", " UPDATE TO "};
    struct bs_bytes was[3], is[3];

    if (!take_apart(saved, was) || !take_apart(live, is))
        return;
    for (size_t i = 1; i < 3; i++) {
        size_t skip = i == 2 ? sizeof(VERSION) - 1 : 0;
        if (was[i].n <= skip || bs_bytes_equal(was[i], is[i]))
            continue;
        bs_put_str(out, "ALTER EXTENSION ");
        bs_put_bytes(out, was[0]);
        bs_put_str(out, words[i]);
        bs_put_bytes(out, (struct bs_bytes){was[i].p + skip, was[i].n - skip});
        bs_put_str(out, ";\n");
    }
}
