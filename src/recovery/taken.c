/*
 * taken.c - one level of keys a query, until nothing new is reached. An allow-list: a table or a
 * key that is anything but ordinary makes the whole closure not told, and hold-commit has to do.
 */
#include "recovery/taken.h"

#include <stdlib.h>
#include <string.h>

enum { TABLES_MAX = 64, KEYS_MAX = 256 };

/*
 * $1: OIDs. A table whose change runs code (triggers of users, rules), or that is more than itself
 * (partitions, children), is not ordinary.
 */
static const char tables_sql[] =
    "SELECT c.oid, n.nspname, c.relname, c.reltuples::pg_catalog.float8,"
    " GREATEST(c.relpages, 1) * pg_catalog.current_setting('seq_page_cost')::pg_catalog.float8"
    " + GREATEST(c.reltuples, 1)::pg_catalog.float8"
    " * (pg_catalog.current_setting('cpu_tuple_cost')::pg_catalog.float8"
    " + 3 * pg_catalog.current_setting('cpu_operator_cost')::pg_catalog.float8),"
    " c.relkind = 'r' AND c.relpersistence <> 't' AND NOT c.relhassubclass"
    " AND NOT c.relispartition AND NOT c.relhasrules AND c.oid >= 16384"
    " AND NOT EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid)"
    " AND NOT EXISTS (SELECT FROM pg_catalog.pg_trigger t WHERE t.tgrelid = c.oid"
    " AND NOT t.tgisinternal AND t.tgenabled <> 'D')"
    " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.oid = ANY ($1::pg_catalog.oid[])";

/*
 * $1: OIDs of parents, $2: columns that are assigned. Operators that are not the cluster's own would run somebody's code in our
 * session; keys of two collations cannot be compared without choosing one.
 */
static const char keys_sql[] =
    "SELECT k.confrelid, k.conrelid, k.confdeltype, k.confupdtype,"
    " (SELECT pg_catalog.string_agg('p.' || pg_catalog.quote_ident(pa.attname) || ' OPERATOR('"
    " || pg_catalog.quote_ident(opn.nspname) || '.' || o.oprname || ') c.'"
    " || pg_catalog.quote_ident(ca.attname), ' AND ' ORDER BY u.i)"
    " FROM ROWS FROM (pg_catalog.unnest(k.confkey), pg_catalog.unnest(k.conkey),"
    " pg_catalog.unnest(k.conpfeqop)) WITH ORDINALITY u(pk, fk, op, i)"
    " JOIN pg_catalog.pg_attribute pa ON pa.attrelid = k.confrelid AND pa.attnum = u.pk"
    " JOIN pg_catalog.pg_attribute ca ON ca.attrelid = k.conrelid AND ca.attnum = u.fk"
    " AND ca.attcollation = pa.attcollation"
    " JOIN pg_catalog.pg_operator o ON o.oid = u.op"
    " JOIN pg_catalog.pg_namespace opn ON opn.oid = o.oprnamespace AND opn.nspname = 'pg_catalog'"
    " HAVING pg_catalog.count(*) = pg_catalog.cardinality(k.conkey)),"
    " EXISTS (SELECT FROM pg_catalog.pg_index x WHERE x.indrelid = k.conrelid AND x.indisvalid"
    " AND x.indpred IS NULL AND x.indkey[0] = k.conkey[1]),"
    " child.relkind, child.relispartition AND k.conparentid <> 0,"
    " EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = k.confrelid"
    " AND a.attnum = ANY (k.confkey) AND a.attname = ANY ($2::pg_catalog.name[])),"
    " EXISTS (SELECT FROM pg_catalog.pg_constraint u WHERE u.contype = 'f'"
    " AND u.conrelid = k.confrelid AND u.conkey OPERATOR(pg_catalog.&&) k.confkey)"
    " FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class child ON child.oid = k.conrelid"
    " WHERE k.contype = 'f' AND k.confrelid = ANY ($1::pg_catalog.oid[]) ORDER BY k.oid";

/* $1: OIDs. All partitions and children below them, to any depth. */
static const char below_sql[] =
    "WITH RECURSIVE b(oid, top) AS (SELECT i.inhrelid, i.inhparent FROM pg_catalog.pg_inherits i"
    " WHERE i.inhparent = ANY ($1::pg_catalog.oid[]) UNION SELECT i.inhrelid, b.top"
    " FROM b JOIN pg_catalog.pg_inherits i ON i.inhparent = b.oid) SELECT oid, top FROM b";

/* An UPDATE of $1 makes the server lock the rows of $2 that its foreign keys point to. */
static const char passing_sql[] =
    "SELECT k.conname FROM pg_catalog.pg_constraint k WHERE k.contype = 'f'"
    " AND k.conrelid = ANY ($1::pg_catalog.oid[]) AND k.confrelid = ANY ($2::pg_catalog.oid[])"
    " LIMIT 1";

static enum bs_done
full(struct bs_err *err)
{
    return BS_FAIL(err, LIMIT, "the closure does not fit into memory set aside for it");
}

static uint32_t
oid_at(const PGresult *res, int row, int column)
{
    return (uint32_t)strtoul(PQgetvalue(res, row, column), NULL, 10);
}

struct bs_reached *
bs_taken_find(const struct bs_taken *c, uint32_t oid)
{
    for (size_t i = 0; i < c->n_tables; i++) {
        if (c->tables[i].oid == oid)
            return &c->tables[i];
    }
    return NULL;
}

/* A table is reached, or reached more strictly; true where that is news. */
static bool
reach(struct bs_taken *c, uint32_t oid, enum bs_reach how, enum bs_kind kind)
{
    struct bs_reached *t = bs_taken_find(c, oid);

    if (t == NULL && c->n_tables == TABLES_MAX) {
        c->not_told = "foreign keys reach too many tables";
        return false;
    }
    if (t == NULL) {
        c->tables[c->n_tables++] = (struct bs_reached){.oid = oid, .reach = how, .kind = kind};
        return true;
    }
    if (t->kind == kind || t->kind == BS_KIND_DELETE)
        return false;
    t->kind = kind;
    return true;
}

static const char *
oids_text(const struct bs_taken *c, enum bs_kind only, struct bs_arena *arena)
{
    struct bs_buf b;
    const char *out = NULL;
    size_t n = 0;

    bs_buf_init(&b, 3 + 11 * c->n_tables);
    bs_put_u8(&b, '{');
    for (size_t i = 0; i < c->n_tables; i++) {
        if (only == BS_KIND_UNKNOWN || c->tables[i].kind == only)
            bs_put_fmt(&b, "%s%u", n++ == 0 ? "" : ",", c->tables[i].oid);
    }
    bs_put_u8(&b, '}');
    if (!b.failed)
        out = bs_arena_copy(arena, bs_buf_view(&b));
    bs_buf_fini(&b);
    return out;
}

static bool
acts(char action)
{
    return action == 'c' || action == 'n' || action == 'd';
}

/* The join of a key, and where it leads; not NULL `news` becomes true where that is news. */
static enum bs_done
add_key(struct bs_taken *c,
        const PGresult *res,
        int i,
        enum bs_kind on,
        bool deletes,
        struct bs_arena *arena,
        bool *news,
        struct bs_err *err)
{
    struct bs_acting *key = &c->keys[c->n_keys];

    if (PQgetisnull(res, i, 4) || c->n_keys == KEYS_MAX) {
        c->not_told = "what a foreign key does cannot be told beforehand";
        return BS_DONE;
    }
    *key =
        (struct bs_acting){.parent = oid_at(res, i, 0),
                           .child = oid_at(res, i, 1),
                           .on = on,
                           .tree = c->use == BS_TAKEN_TO_COUNT && PQgetvalue(res, i, 6)[0] == 'p',
                           .deletes = deletes,
                           .indexed = PQgetvalue(res, i, 5)[0] == 't',
                           .join = bs_arena_str(arena, PQgetvalue(res, i, 4))};
    if (key->join == NULL)
        return full(err);
    c->n_keys++;
    *news =
        reach(c, key->child, BS_REACH_CASCADE, deletes ? BS_KIND_DELETE : BS_KIND_UPDATE) || *news;
    return BS_DONE;
}

/* One foreign key of a reached table. SET DEFAULT looks its parent up and locks it. */
static enum bs_done
take_key(struct bs_taken *c,
         const PGresult *res,
         int i,
         struct bs_arena *arena,
         bool *news,
         struct bs_err *err)
{
    char on_delete = PQgetvalue(res, i, 2)[0], on_update = PQgetvalue(res, i, 3)[0];
    enum bs_kind kind = bs_taken_find(c, oid_at(res, i, 0))->kind;

    if (kind == BS_KIND_UPDATE && acts(on_update))
        c->not_told = "a foreign key acts on UPDATE";
    if (kind == BS_KIND_UPDATE || !acts(on_delete) || c->not_told != NULL)
        return BS_DONE;
    if (on_delete == 'd') {
        c->not_told = "what a foreign key does cannot be told beforehand";
        return BS_DONE;
    }
    return add_key(c, res, i, BS_KIND_DELETE, on_delete == 'c', arena, news, err);
}

/*
 * The same where only numbers come of it. The key of a partition says what that of its table says.
 * An UPDATE changes the columns that it assigns, and in passing those that a foreign key sets.
 */
static enum bs_done
count_key(struct bs_taken *c,
          const PGresult *res,
          int i,
          struct bs_arena *arena,
          bool *news,
          struct bs_err *err)
{
    char on_delete = PQgetvalue(res, i, 2)[0], on_update = PQgetvalue(res, i, 3)[0];
    const struct bs_reached *parent = bs_taken_find(c, oid_at(res, i, 0));
    bool named = parent->reach == BS_REACH_TARGET && parent->kind == BS_KIND_UPDATE;
    bool assigned =
        named ? !c->assigns || PQgetvalue(res, i, 8)[0] == 't' : PQgetvalue(res, i, 9)[0] == 't';

    if (PQgetvalue(res, i, 7)[0] == 't')
        return BS_DONE;
    if (parent->kind == BS_KIND_DELETE && acts(on_delete))
        return add_key(c, res, i, BS_KIND_DELETE, on_delete == 'c', arena, news, err);
    if (parent->kind == BS_KIND_UPDATE && acts(on_update) && assigned)
        return add_key(c, res, i, BS_KIND_UPDATE, false, arena, news, err);
    return BS_DONE;
}

/* Every key of every table reached so far: there are few, and a table may be reached anew. */
static enum bs_done
follow(
    struct bs_helper *h, struct bs_taken *c, struct bs_arena *arena, bool *news, struct bs_err *err)
{
    const char *params[] = {oids_text(c, BS_KIND_UNKNOWN, arena), c->assigned};
    PGresult *res = NULL;
    enum bs_done done = BS_DONE;

    *news = false;
    c->n_keys = 0;
    if (params[0] == NULL)
        return full(err);
    if (bs_helper_query(h, keys_sql, 2, params, &res, err) != BS_DONE)
        return BS_FAILED;
    for (int i = 0; done == BS_DONE && c->not_told == NULL && i < PQntuples(res); i++)
        done = c->use == BS_TAKEN_TO_COUNT ? count_key(c, res, i, arena, news, err)
                                           : take_key(c, res, i, arena, news, err);
    PQclear(res);
    return done;
}

/* To count: rows of a table may be in those below it, which have keys of their own. */
static enum bs_done
go_below(
    struct bs_helper *h, struct bs_taken *c, struct bs_arena *arena, bool *news, struct bs_err *err)
{
    const char *params[] = {oids_text(c, BS_KIND_UNKNOWN, arena)};
    PGresult *res = NULL;

    if (params[0] == NULL)
        return full(err);
    if (bs_helper_query(h, below_sql, 1, params, &res, err) != BS_DONE)
        return BS_FAILED;
    for (int i = 0; c->not_told == NULL && i < PQntuples(res); i++) {
        struct bs_reached top = *bs_taken_find(c, oid_at(res, i, 1));
        *news = reach(c, oid_at(res, i, 0), top.reach, top.kind) || *news;
    }
    PQclear(res);
    return BS_DONE;
}

/* A text[] of the columns, for SQL. */
static const char *
names_text(const char *const *names, size_t n, struct bs_arena *arena)
{
    struct bs_buf b;
    const char *out = NULL;

    bs_buf_init(&b, 1 << 20);
    bs_put_u8(&b, '{');
    for (size_t i = 0; i < n; i++) {
        bs_put_str(&b, i == 0 ? "\"" : ",\"");
        for (const char *at = names[i]; *at != '\0'; at++) {
            if (*at == '"' || *at == '\\')
                bs_put_u8(&b, '\\');
            bs_put_u8(&b, (uint8_t)*at);
        }
        bs_put_u8(&b, '"');
    }
    bs_put_u8(&b, '}');
    if (!b.failed)
        out = bs_arena_copy(arena, bs_buf_view(&b));
    bs_buf_fini(&b);
    return out;
}

static enum bs_done
describe(struct bs_helper *h, struct bs_taken *c, struct bs_arena *arena, struct bs_err *err)
{
    const char *params[] = {oids_text(c, BS_KIND_UNKNOWN, arena)};
    PGresult *res = NULL;
    size_t n = 0;

    if (params[0] == NULL)
        return full(err);
    if (bs_helper_query(h, tables_sql, 1, params, &res, err) != BS_DONE)
        return BS_FAILED;
    for (int i = 0; i < PQntuples(res); i++) {
        struct bs_reached *t = bs_taken_find(c, oid_at(res, i, 0));
        bs_assert(t != NULL);
        t->schema = bs_arena_str(arena, PQgetvalue(res, i, 1));
        t->name = bs_arena_str(arena, PQgetvalue(res, i, 2));
        t->rows = strtod(PQgetvalue(res, i, 3), NULL);
        t->scan_cost = strtod(PQgetvalue(res, i, 4), NULL);
        n += PQgetvalue(res, i, 5)[0] == 't';
        if (t->schema == NULL || t->name == NULL) {
            PQclear(res);
            return full(err);
        }
    }
    PQclear(res);
    if (n != c->n_tables && c->use == BS_TAKEN_TO_KEEP)
        c->not_told = "a table has partitions, children, triggers or rules, or is not ordinary";
    return BS_DONE;
}

/* SET NULL leaves nothing to look up, so only what the statement itself updates can lock. */
static enum bs_done
look_for_passing(struct bs_helper *h,
                 const struct bs_plan_select *selects,
                 size_t n_selects,
                 struct bs_taken *c,
                 struct bs_arena *arena,
                 struct bs_err *err)
{
    struct bs_buf b;
    const char *params[] = {NULL, oids_text(c, BS_KIND_UNKNOWN, arena)};
    PGresult *res = NULL;
    size_t n = 0;

    bs_buf_init(&b, 3 + 11 * n_selects);
    bs_put_u8(&b, '{');
    for (size_t i = 0; i < n_selects; i++) {
        if (selects[i].kind == BS_KIND_UPDATE)
            bs_put_fmt(&b, "%s%u", n++ == 0 ? "" : ",", selects[i].oid);
    }
    bs_put_u8(&b, '}');
    params[0] = bs_arena_copy(arena, bs_buf_view(&b));
    bs_buf_fini(&b);
    if (params[0] == NULL || params[1] == NULL)
        return full(err);
    if (bs_helper_query(h, passing_sql, 2, params, &res, err) != BS_DONE)
        return BS_FAILED;
    if (PQntuples(res) != 0)
        c->not_told = "a foreign key of what is updated locks rows of the same tables";
    PQclear(res);
    return BS_DONE;
}

enum bs_done
bs_taken_tables(struct bs_helper *h,
                enum bs_taken_use use,
                const struct bs_plan_select *selects,
                size_t n_selects,
                const char *const *set,
                size_t n_set,
                struct bs_arena *arena,
                struct bs_taken *out,
                struct bs_err *err)
{
    bool count = use == BS_TAKEN_TO_COUNT, news = true;

    *out = (struct bs_taken){
        .use = use,
        .tables = bs_arena_array(arena, TABLES_MAX, sizeof(*out->tables)),
        .keys = bs_arena_array(arena, KEYS_MAX, sizeof(*out->keys)),
        .assigns = n_set != 0,
        .assigned = names_text(set, n_set, arena),
    };
    if (out->tables == NULL || out->keys == NULL || out->assigned == NULL)
        return full(err);
    for (size_t i = 0; i < n_selects; i++) {
        const struct bs_plan_select *s = &selects[i];
        if (s->kind != BS_KIND_DELETE && s->kind != BS_KIND_UPDATE)
            out->not_told = "it is neither DELETE nor UPDATE";
        (void)reach(out, s->oid, BS_REACH_TARGET, s->kind);
    }
    if (count && out->not_told == NULL && go_below(h, out, arena, &news, err) != BS_DONE)
        return BS_FAILED;
    while (news && out->not_told == NULL) {
        if (follow(h, out, arena, &news, err) != BS_DONE ||
            (count && news && go_below(h, out, arena, &news, err) != BS_DONE))
            return BS_FAILED;
    }
    if (!count && out->not_told == NULL &&
        look_for_passing(h, selects, n_selects, out, arena, err) != BS_DONE)
        return BS_FAILED;
    return out->not_told == NULL ? describe(h, out, arena, err) : BS_DONE;
}
