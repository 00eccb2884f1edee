/*
 * columns.c - the table as it is, the columns as they were, and in between every row by its place.
 */
#include "restore/columns.h"

#include <stdlib.h>
#include <string.h>

#include "restore/columns_sql.h"
#include "restore/diff.h"
#include "restore/text.h"

#define SQL_MAX (4u << 20)

enum {
    FIRST_AT = 1000000, /* numbers of temporary tables: others count from 0 */
    TRIES = 3,          /* for the lock that the change takes */
};

static enum bs_done
full(struct bs_err *err)
{
    return BS_FAIL(err, LIMIT, "the restore's memory is used up");
}

bool
bs_columns_any(const struct bs_manifest *m)
{
    for (size_t i = 0; i < m->n_objects; i++) {
        if (bs_point_alters(&m->objects[i]))
            return true;
    }
    return false;
}

/* Looking. */

static const struct bs_point_object *
object_named(const struct bs_manifest *m, const char *schema, const char *name)
{
    for (size_t i = 0; i < m->n_objects; i++) {
        const struct bs_point_object *o = &m->objects[i];
        if (bs_point_alters(o) && strcmp(o->schema, schema) == 0 && strcmp(o->name, name) == 0)
            return o;
    }
    return NULL;
}

/* One that the statement reached through no other. */
static bool
is_root(const struct bs_manifest *m, const struct bs_point_object *o)
{
    for (size_t i = 0; i < m->n_objects; i++) {
        if (bs_point_alters(&m->objects[i]) && o->parent_oid == m->objects[i].oid)
            return false;
    }
    return bs_point_alters(o);
}

static const char find_tree[] =
    "WITH RECURSIVE t(oid, depth) AS (SELECT c.oid, 0 FROM pg_catalog.pg_class c"
    " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p')"
    " UNION ALL SELECT i.inhrelid, t.depth + 1 FROM t JOIN pg_catalog.pg_inherits i"
    " ON i.inhparent = t.oid)"
    " SELECT c.oid, n.nspname, c.relname, c.relkind FROM (SELECT oid, pg_catalog.max(depth) AS "
    "depth"
    " FROM t GROUP BY oid) t JOIN pg_catalog.pg_class c ON c.oid = t.oid"
    " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.relkind IN ('r', 'p') ORDER BY t.depth, c.oid";

/* The columns that the point has of a table, and how the server spells their types today. */
static const char find_type[] =
    "SELECT pg_catalog.format_type(t.oid, $2::integer), pg_catalog.format_type(t.oid, -1),"
    " t.typtype = 'd', pg_catalog.to_regcollation($3)::text"
    " FROM pg_catalog.pg_type t WHERE t.oid = pg_catalog.to_regtype($1)";

static const char find_column[] =
    "SELECT pg_catalog.format_type(a.atttypid, a.atttypmod), a.attgenerated, a.attidentity,"
    " a.atthasdef, pg_catalog.pg_get_expr(d.adbin, d.adrelid),"
    " CASE WHEN a.attcollation <> t.typcollation THEN"
    " a.attcollation::pg_catalog.regcollation::text END"
    " FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid"
    " LEFT JOIN pg_catalog.pg_attrdef d"
    " ON d.adrelid = a.attrelid AND d.adnum = a.attnum"
    " WHERE a.attrelid = $1::oid AND a.attname = $2 AND a.attnum > 0 AND NOT a.attisdropped";

/* Unique keys of a leaf, a row a column, with the operators that make them so. */
static const char find_keys[] =
    "SELECT i.indexrelid, a.attname, i.indnkeyatts, 'OPERATOR(' ||"
    " pg_catalog.quote_ident(n.nspname) || '.' || o.oprname || ')',"
    " pg_catalog.format_type(a.atttypid, a.atttypmod)"
    " FROM pg_catalog.pg_index i"
    " CROSS JOIN LATERAL unnest(i.indkey::int2[], i.indclass::oid[])"
    " WITH ORDINALITY AS k(attnum, opclass, place)"
    " JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum"
    " JOIN pg_catalog.pg_opclass c ON c.oid = k.opclass"
    " JOIN pg_catalog.pg_amop p ON p.amopfamily = c.opcfamily AND p.amopstrategy = 3"
    " AND p.amoplefttype = c.opcintype AND p.amoprighttype = c.opcintype"
    " JOIN pg_catalog.pg_operator o ON o.oid = p.amopopr"
    " JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace"
    " WHERE i.indrelid = $1::oid AND i.indisunique AND i.indisvalid AND i.indpred IS NULL"
    " AND i.indexprs IS NULL AND k.place <= i.indnkeyatts ORDER BY i.indexrelid, k.place";

static PGresult *
ask_oid(struct bs_restore *r, const char *sql, uint32_t oid, const char *more, struct bs_err *err)
{
    char text[16];
    const char *values[] = {text, more};

    (void)snprintf(text, sizeof(text), "%u", oid);
    return bs_rdb_ask(&r->db, sql, more == NULL ? 1 : 2, values, err);
}

static enum bs_done
look_at_type(struct bs_restore *r, struct bs_columns_column *c, struct bs_err *err)
{
    char typmod[16];
    const char *values[] = {c->saved->type, typmod, c->saved->collation};
    PGresult *result;

    (void)snprintf(typmod, sizeof(typmod), "%d", c->saved->typmod);
    result = bs_rdb_ask(&r->db, find_type, 3, values, err);
    if (result == NULL)
        return BS_FAILED;
    c->type = c->bare = c->collation = NULL;
    if (PQntuples(result) == 1) {
        c->type = bs_rdb_text(result, 0, 0, &r->arena);
        c->bare = bs_rdb_text(result, 0, 1, &r->arena);
        c->domain = PQgetvalue(result, 0, 2)[0] == 't';
        c->collation = bs_rdb_text(result, 0, 3, &r->arena);
    }
    PQclear(result);
    return BS_DONE;
}

static bool
same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static enum bs_column_way
way_of(const struct bs_columns_column *c, const char *live_expression)
{
    bool generated = c->saved->generated != 0;

    if (c->live_type == NULL)
        return generated ? BS_COLUMN_COMPUTE : BS_COLUMN_ADD;
    if (generated && !c->live_generated)
        return BS_COLUMN_COMPUTE;
    if (generated)
        return c->same_type && same_text(live_expression, c->saved->expression) ? BS_COLUMN_FITS
                                                                                : BS_COLUMN_EXPRESS;
    return c->same_type ? BS_COLUMN_FITS : BS_COLUMN_RETYPE;
}

/* The state of a sequence that the column draws from: rows without a saved value go on from there. */
static void
look_at_counter(const struct bs_restore *r,
                const struct bs_columns_table *t,
                struct bs_columns_column *c)
{
    for (size_t i = 0; i < r->manifest.n_sequences; i++) {
        const struct bs_point_sequence *s = &r->manifest.sequences[i];
        if (s->owned && s->table_oid == t->object->oid && s->column != NULL &&
            strcmp(s->column, c->name) == 0) {
            c->counts = true;
            c->next = s->is_called ? s->last_value : s->last_value - 1;
        }
    }
}

static enum bs_done
look_at_column(struct bs_restore *r,
               const struct bs_columns_table *t,
               struct bs_columns_column *c,
               struct bs_err *err)
{
    PGresult *result = ask_oid(r, find_column, t->oid, c->name, err);
    const char *expression = NULL, *collation = NULL;

    if (result == NULL)
        return BS_FAILED;
    c->live_type = NULL;
    if (PQntuples(result) == 1) {
        c->live_type = bs_rdb_text(result, 0, 0, &r->arena);
        c->live_generated = PQgetvalue(result, 0, 1)[0] != '\0';
        c->live_identity = PQgetvalue(result, 0, 2)[0] != '\0';
        c->live_default = PQgetvalue(result, 0, 3)[0] == 't';
        expression = bs_rdb_text(result, 0, 4, &r->arena);
        collation = bs_rdb_text(result, 0, 5, &r->arena);
    }
    PQclear(result);
    if (c->saved == NULL) {
        c->way = c->live_type == NULL ? BS_COLUMN_FITS : BS_COLUMN_REMOVE;
        return BS_DONE;
    }
    if (look_at_type(r, c, err) != BS_DONE)
        return BS_FAILED;
    c->same_type = c->live_type != NULL && same_text(c->type, c->live_type) &&
                   same_text(c->collation, collation);
    c->way = way_of(c, expression);
    c->unmatched =
        c->saved->identity == 0 && c->saved->generated == 0 ? c->saved->expression : NULL;
    look_at_counter(r, t, c);
    return BS_DONE;
}

/* What the statement altered in the table that it named, then what it added. */
static enum bs_done
list_columns(struct bs_restore *r, struct bs_columns_table *t, struct bs_err *err)
{
    const struct bs_point_object *o = t->object;

    t->n_columns = 0;
    t->columns = bs_arena_array(&r->arena, o->n_columns + o->n_added + 1, sizeof(*t->columns));
    if (t->columns == NULL)
        return full(err);
    for (size_t i = 0; i < o->n_columns; i++) {
        if (o->columns[i].altered)
            t->columns[t->n_columns++] =
                (struct bs_columns_column){.name = o->columns[i].name, .saved = &o->columns[i]};
    }
    for (size_t i = 0; i < o->n_added; i++)
        t->columns[t->n_columns++] = (struct bs_columns_column){.name = o->added[i].name};
    for (size_t i = 0; i < t->n_columns; i++) {
        if (look_at_column(r, t, &t->columns[i], err) != BS_DONE)
            return BS_FAILED;
    }
    return BS_DONE;
}

/* The column of the leaf's object that an answer of find_keys is about; n_columns: none. */
static size_t
key_column(const struct bs_point_object *o, const PGresult *keys, int row)
{
    size_t i = 0;

    while (i < o->n_columns &&
           (o->columns[i].key == 0 || strcmp(o->columns[i].name, PQgetvalue(keys, row, 1)) != 0 ||
            strcmp(o->columns[i].type, PQgetvalue(keys, row, 4)) != 0))
        i++;
    return i;
}

/* The saved key is one only where the live table has a unique index on just these columns. */
static enum bs_done
look_for_key(struct bs_restore *r,
             struct bs_columns_table *t,
             struct bs_columns_leaf *leaf,
             struct bs_err *err)
{
    const struct bs_point_object *o = leaf->object;
    PGresult *keys = ask_oid(r, find_keys, leaf->oid, NULL, err);
    size_t want = 0, have = 0;

    if (keys == NULL)
        return BS_FAILED;
    for (size_t i = 0; i < o->n_columns; i++)
        want += o->columns[i].key != 0;
    for (int i = 0; i < PQntuples(keys) && have < want; i++) {
        size_t at = key_column(o, keys, i);
        if (i > 0 && strcmp(PQgetvalue(keys, i, 0), PQgetvalue(keys, i - 1, 0)) != 0)
            have = 0;
        if (at == o->n_columns || (size_t)bs_rdb_number(keys, i, 2) != want)
            continue;
        leaf->equals[at] = bs_rdb_text(keys, i, 3, &r->arena);
        have++;
    }
    PQclear(keys);
    if (have < want)
        t->cannot = bs_arena_fmt(&r->arena,
                                 "%s.%s no longer has the unique key that its rows were saved with",
                                 leaf->schema, leaf->name);
    return BS_DONE;
}

/* Without a key rows are matched by the other columns, as far as they are there as they were. */
static enum bs_done
look_for_rest(struct bs_restore *r, struct bs_columns_leaf *leaf, struct bs_err *err)
{
    struct bs_live live;

    if (bs_live_look(&r->db, leaf->object, &r->arena, &live, err) != BS_DONE)
        return BS_FAILED;
    for (size_t i = 0; i < leaf->object->n_columns; i++) {
        if (leaf->object->columns[i].altered || live.columns[i].match == BS_LIVE_SAME)
            leaf->equals[i] = "";
    }
    return BS_DONE;
}

static enum bs_done
look_at_leaf(struct bs_restore *r,
             struct bs_columns_table *t,
             struct bs_columns_leaf *leaf,
             struct bs_err *err)
{
    const struct bs_point_object *o = leaf->object;

    if (o == NULL || o->format == BS_ROWS_NONE) {
        leaf->object = NULL;
        return BS_DONE;
    }
    leaf->equals = bs_arena_array(&r->arena, o->n_columns + 1, sizeof(*leaf->equals));
    if (leaf->equals == NULL)
        return full(err);
    return o->columns_only ? look_for_key(r, t, leaf, err) : look_for_rest(r, leaf, err);
}

/* The tree as it is now. */
static enum bs_done
take_tree(struct bs_restore *r,
          struct bs_columns_table *t,
          const PGresult *tree,
          struct bs_err *err)
{
    size_t n = (size_t)PQntuples(tree);

    t->leaves = bs_arena_array(&r->arena, n + 1, sizeof(*t->leaves));
    t->members = bs_arena_array(&r->arena, n + 1, sizeof(*t->members));
    t->oids = bs_arena_array(&r->arena, n + 1, sizeof(*t->oids));
    t->oids_all = bs_arena_array(&r->arena, n + 1, sizeof(*t->oids_all));
    if (t->leaves == NULL || t->members == NULL || t->oids == NULL || t->oids_all == NULL)
        return full(err);
    t->n_oids = 0;
    t->oid = n == 0 ? 0 : (uint32_t)bs_rdb_number(tree, 0, 0);
    t->n_leaves = t->n_members = 0;
    for (int i = 0; i < PQntuples(tree); i++) {
        struct bs_columns_leaf leaf = {.oid = (uint32_t)bs_rdb_number(tree, i, 0),
                                       .schema = bs_rdb_text(tree, i, 1, &r->arena),
                                       .name = bs_rdb_text(tree, i, 2, &r->arena)};
        if (leaf.schema == NULL || leaf.name == NULL)
            return full(err);
        leaf.object = object_named(&r->manifest, leaf.schema, leaf.name);
        t->oids_all[t->n_oids++] = leaf.oid;
        if (leaf.object != NULL) {
            t->oids[t->n_members] = leaf.oid;
            t->members[t->n_members++] = leaf.object;
        }
        if (PQgetvalue(tree, i, 3)[0] != 'r')
            continue;
        leaf.at = t->at + t->n_leaves;
        if (look_at_leaf(r, t, &leaf, err) != BS_DONE)
            return BS_FAILED;
        t->leaves[t->n_leaves++] = leaf;
    }
    return BS_DONE;
}

static enum bs_done
look_at_table(struct bs_restore *r, struct bs_columns_table *t, struct bs_err *err)
{
    const char *values[] = {t->object->schema, t->object->name};
    PGresult *tree = bs_rdb_ask(&r->db, find_tree, 2, values, err);
    enum bs_done done;

    if (tree == NULL)
        return BS_FAILED;
    t->cannot = NULL;
    done = take_tree(r, t, tree, err);
    PQclear(tree);
    if (done == BS_DONE && t->oid == 0)
        t->cannot = bs_arena_fmt(&r->arena, "%s.%s is gone, and the point has columns of it only",
                                 t->object->schema, t->object->name);
    return done == BS_DONE ? list_columns(r, t, err) : BS_FAILED;
}

static bool
is_picked(const struct bs_manifest *m,
          const struct bs_point_object *root,
          const struct bs_point_object *const *picked,
          size_t n)
{
    if (picked == NULL)
        return true;
    for (size_t i = 0; i < n; i++) {
        const struct bs_point_object *o = picked[i];
        for (size_t depth = 0; o != NULL && depth <= m->n_objects; depth++) {
            const struct bs_point_object *up = NULL;
            if (o == root)
                return true;
            for (size_t k = 0; k < m->n_objects; k++)
                up = m->objects[k].oid == o->parent_oid ? &m->objects[k] : up;
            o = up;
        }
    }
    return false;
}

enum bs_done
bs_columns_look(struct bs_restore *r,
                const struct bs_point_object *const *picked,
                size_t n,
                struct bs_columns *out,
                struct bs_err *err)
{
    const struct bs_manifest *m = &r->manifest;
    size_t at = FIRST_AT;

    *out = (struct bs_columns){0};
    out->tables = bs_arena_array(&r->arena, m->n_objects + 1, sizeof(*out->tables));
    if (out->tables == NULL)
        return full(err);
    for (size_t i = 0; i < m->n_objects; i++) {
        struct bs_columns_table *t = &out->tables[out->n_tables];
        if (!is_root(m, &m->objects[i]) || !is_picked(m, &m->objects[i], picked, n))
            continue;
        *t = (struct bs_columns_table){.object = &m->objects[i], .at = at};
        if (look_at_table(r, t, err) != BS_DONE)
            return BS_FAILED;
        at += t->n_leaves + 1;
        out->n_tables++;
    }
    return BS_DONE;
}

bool
bs_columns_differ(const struct bs_columns_table *t, bool remove)
{
    for (size_t i = 0; i < t->n_columns; i++) {
        enum bs_column_way way = t->columns[i].way;
        if (way != BS_COLUMN_FITS && (way != BS_COLUMN_REMOVE || remove))
            return true;
    }
    return false;
}

int64_t
bs_columns_rows(const struct bs_columns *c)
{
    int64_t n = 0;

    for (size_t i = 0; i < c->n_tables; i++) {
        int64_t most = 0;
        for (size_t k = 0; k < c->tables[i].n_columns; k++) {
            if (c->tables[i].columns[k].restored > most)
                most = c->tables[i].columns[k].restored;
        }
        n += most;
    }
    return n;
}

bool
bs_columns_same(const struct bs_columns *a, const struct bs_columns *b)
{
    bool same = a->n_tables == b->n_tables;

    for (size_t i = 0; same && i < a->n_tables; i++) {
        const struct bs_columns_table *x = &a->tables[i], *y = &b->tables[i];
        same = x->object == y->object && x->n_columns == y->n_columns;
        for (size_t k = 0; same && k < x->n_columns; k++)
            same = x->columns[k].way == y->columns[k].way &&
                   x->columns[k].restored == y->columns[k].restored &&
                   x->columns[k].conflicts == y->columns[k].conflicts;
    }
    return same;
}

size_t
bs_columns_leave_out(const struct bs_point_object **list, size_t n)
{
    size_t left = 0;

    for (size_t i = 0; i < n; i++) {
        if (!bs_point_alters(list[i]))
            list[left++] = list[i];
    }
    return left;
}

/* Locks. */

static int
by_oid(const void *a, const void *b)
{
    const struct bs_columns_table *const *x = a, *const *y = b;

    return ((*x)->oid > (*y)->oid) - ((*x)->oid < (*y)->oid);
}

static void
put_lock(struct bs_buf *b, const struct bs_columns_table *t, const char *mode)
{
    bs_put_str(b, "LOCK TABLE ");
    bs_put_name(b, t->object->schema, t->object->name);
    bs_put_fmt(b, " IN %s MODE", mode);
}

static enum bs_done
run(struct bs_restore *r, struct bs_buf *sql, struct bs_err *err)
{
    enum bs_done done = sql->n == 0 ? BS_DONE : bs_rdb_run(&r->db, sql, err);

    bs_buf_clear(sql);
    return done;
}

enum bs_done
bs_columns_lock(struct bs_restore *r, struct bs_columns *c, struct bs_err *err)
{
    const struct bs_columns_table **order =
        bs_arena_array(&r->arena, c->n_tables + 1, sizeof(*order));
    enum bs_done done = order == NULL ? full(err) : BS_DONE;
    struct bs_buf sql;
    size_t n = 0;

    for (size_t i = 0; done == BS_DONE && i < c->n_tables; i++) {
        if (c->tables[i].oid != 0)
            order[n++] = &c->tables[i];
    }
    if (n > 1)
        qsort(order, n, sizeof(*order), by_oid);
    bs_buf_init(&sql, SQL_MAX);
    for (size_t i = 0; done == BS_DONE && i < n; i++) {
        put_lock(&sql, order[i], "SHARE ROW EXCLUSIVE");
        done = run(r, &sql, err);
    }
    bs_buf_fini(&sql);
    for (size_t i = 0; done == BS_DONE && i < c->n_tables; i++)
        done = look_at_table(r, &c->tables[i], err);
    return done;
}

/* Comparing. */

/* Asks what is in the buffer, and empties it. */
static PGresult *
ask(struct bs_restore *r, struct bs_buf *sql, struct bs_err *err)
{
    PGresult *result = NULL;

    bs_put_u8(sql, 0);
    if (sql->failed)
        (void)BS_FAIL(err, LIMIT, "a statement would be longer than %zu bytes", sql->max);
    else
        result = bs_rdb_ask(&r->db, (const char *)sql->p, 0, NULL, err);
    bs_buf_clear(sql);
    return result;
}

/* A question that may fail without harm: does it succeed? */
static enum bs_done
tries(struct bs_restore *r, struct bs_buf *sql, bool *succeeds, struct bs_err *err)
{
    struct bs_err why = {0};
    PGresult *result;

    if (bs_rdb_do(&r->db, "SAVEPOINT backstop_try", err) != BS_DONE)
        return BS_FAILED;
    result = ask(r, sql, &why);
    *succeeds = result != NULL;
    PQclear(result);
    if (!*succeeds && why.code == BS_E_UNAVAILABLE) {
        *err = why;
        return BS_FAILED;
    }
    return bs_rdb_do(
        &r->db,
        *succeeds ? "RELEASE backstop_try" : "ROLLBACK TO backstop_try; RELEASE backstop_try", err);
}

/* Whether types turn into each other: saved values forth, live ones back. */
static enum bs_done
look_at_casts(struct bs_restore *r,
              const struct bs_columns_table *t,
              struct bs_columns_column *c,
              struct bs_err *err)
{
    struct bs_buf sql;
    enum bs_done done = BS_DONE;
    bool back = true;

    if (c->saved == NULL || c->live_type == NULL || c->live_generated)
        return BS_DONE;
    c->forth = true;
    c->back_by_text = c->matches = false;
    if (c->same_type)
        return BS_DONE;
    bs_buf_init(&sql, SQL_MAX);
    for (size_t i = 0; done == BS_DONE && c->forth && i < t->n_leaves; i++) {
        if (t->leaves[i].object == NULL)
            continue;
        bs_columns_put_forth(&sql, c, &t->leaves[i]);
        done = tries(r, &sql, &c->forth, err);
    }
    bs_put_fmt(&sql, "SELECT CAST(CAST(NULL AS %s) AS %s)", c->live_type, c->bare);
    if (done == BS_DONE)
        done = tries(r, &sql, &back, err);
    c->back_by_text = !back;
    c->matches = c->forth;
    bs_buf_fini(&sql);
    return done;
}

static bool
is_compared(const struct bs_columns_column *c)
{
    return (c->way == BS_COLUMN_FITS || c->way == BS_COLUMN_RETYPE) && !c->live_generated;
}

static enum bs_done
count_leaf(struct bs_restore *r,
           struct bs_columns_table *t,
           struct bs_columns_leaf *leaf,
           struct bs_err *err)
{
    struct bs_buf sql;
    PGresult *result;
    int field = 5;

    bs_buf_init(&sql, SQL_MAX);
    bs_columns_put_count(&sql, t, leaf);
    result = ask(r, &sql, err);
    bs_buf_fini(&sql);
    if (result == NULL)
        return BS_FAILED;
    leaf->saved = bs_rdb_number(result, 0, 0);
    leaf->live = bs_rdb_number(result, 0, 1);
    leaf->gone = bs_rdb_number(result, 0, 2);
    leaf->made = bs_rdb_number(result, 0, 3);
    t->origin_known = t->origin_known || bs_rdb_number(result, 0, 4) != 0;
    for (size_t i = 0; i < t->n_columns; i++) {
        struct bs_columns_column *c = &t->columns[i];
        if (c->way == BS_COLUMN_ADD)
            c->restored += leaf->saved - leaf->gone;
        if (!is_compared(c))
            continue;
        c->equal += bs_rdb_number(result, 0, field++);
        c->restored += bs_rdb_number(result, 0, field++);
        c->conflicts += bs_rdb_number(result, 0, field++);
    }
    PQclear(result);
    return BS_DONE;
}

static enum bs_done
count_table(struct bs_restore *r, struct bs_columns_table *t, struct bs_err *err)
{
    t->origin_known = false;
    for (size_t i = 0; i < t->n_columns; i++) {
        struct bs_columns_column *c = &t->columns[i];
        c->restored = c->equal = c->conflicts = 0;
    }
    for (size_t i = 0; i < t->n_leaves; i++) {
        if (t->leaves[i].object != NULL && count_leaf(r, t, &t->leaves[i], err) != BS_DONE)
            return BS_FAILED;
    }
    return BS_DONE;
}

/* The type itself may have to come back first. */
static bool
has_types(const struct bs_columns_table *t)
{
    for (size_t i = 0; i < t->n_columns; i++) {
        if (t->columns[i].saved != NULL && t->columns[i].type == NULL)
            return false;
    }
    return true;
}

static enum bs_done
load_leaves(struct bs_restore *r, struct bs_columns_table *t, struct bs_err *err)
{
    for (size_t i = 0; i < t->n_leaves; i++) {
        struct bs_columns_leaf *leaf = &t->leaves[i];
        const struct bs_point_object *part = leaf->object;
        struct bs_live live = {
            .object = part, .parts = &part, .leaves = &leaf->oid, .n_parts = 1, .exists = true};
        if (part != NULL && bs_diff_load(r, &live, leaf->at, err) != BS_DONE)
            return BS_FAILED;
    }
    return BS_DONE;
}

/* By what the statement should have made of their values, no row was found again. */
static bool
matched_none(const struct bs_columns_table *t)
{
    int64_t saved = 0, gone = 0;

    for (size_t i = 0; i < t->n_leaves; i++) {
        saved += t->leaves[i].saved;
        gone += t->leaves[i].gone;
    }
    return saved != 0 && saved == gone;
}

/* USING may have made something else of them: then the other columns have to do. */
static enum bs_done
count_again(struct bs_restore *r, struct bs_columns_table *t, struct bs_err *err)
{
    bool any = false;

    for (size_t i = 0; i < t->n_columns; i++) {
        any = any || t->columns[i].matches;
        t->columns[i].matches = false;
    }
    return any ? count_table(r, t, err) : BS_DONE;
}

static enum bs_done
compare_table(struct bs_restore *r, struct bs_columns_table *t, struct bs_err *err)
{
    if (t->cannot != NULL || !has_types(t))
        return BS_DONE;
    if (load_leaves(r, t, err) != BS_DONE)
        return BS_FAILED;
    for (size_t i = 0; i < t->n_columns; i++) {
        if (look_at_casts(r, t, &t->columns[i], err) != BS_DONE)
            return BS_FAILED;
    }
    if (count_table(r, t, err) != BS_DONE)
        return BS_FAILED;
    if (matched_none(t) && count_again(r, t, err) != BS_DONE)
        return BS_FAILED;
    /* A column of its old type whose values are others is given its values, too. */
    for (size_t i = 0; i < t->n_columns; i++) {
        struct bs_columns_column *c = &t->columns[i];
        if (c->saved != NULL && is_compared(c) && c->restored + c->conflicts != 0)
            c->way = BS_COLUMN_RETYPE;
    }
    return BS_DONE;
}

enum bs_done
bs_columns_compare(struct bs_restore *r, struct bs_columns *c, struct bs_err *err)
{
    for (size_t i = 0; i < c->n_tables; i++) {
        if (compare_table(r, &c->tables[i], err) != BS_DONE)
            return BS_FAILED;
    }
    return BS_DONE;
}

/* Checking. */

static int64_t
rows_made(const struct bs_columns_table *t)
{
    int64_t n = 0;

    for (size_t i = 0; i < t->n_leaves; i++)
        n += t->leaves[i].made;
    return n;
}

static enum bs_done
check_column(const struct bs_columns_table *t,
             const struct bs_columns_column *c,
             enum bs_columns_conflict conflict,
             struct bs_err *err)
{
    int64_t made = rows_made(t);

    if (c->way == BS_COLUMN_ADD && c->saved->not_null && !c->counts && c->unmatched == NULL &&
        made != 0) {
        (void)BS_FAIL(err, CONFLICT,
                      "%lld rows of \"%.63s\" have no saved value for its column \"%.63s\", which"
                      " is NOT NULL and has no default",
                      (long long)made, t->object->name, c->name);
        bs_err_hint(err, "restore run loads the saved values into a table of their own");
        return BS_FAILED;
    }
    if (c->way == BS_COLUMN_RETYPE && conflict == BS_COLUMNS_KEEP && !t->origin_known &&
        c->restored == 0 && c->conflicts != 0) {
        (void)BS_FAIL(err, CONFLICT,
                      "%lld rows of \"%.63s\" have another value in \"%.63s\", and it cannot be"
                      " told which of them somebody has changed since",
                      (long long)c->conflicts, t->object->name, c->name);
        bs_err_hint(err, "--conflict overwrite gives all of them their saved value");
        return BS_FAILED;
    }
    return BS_DONE;
}

enum bs_done
bs_columns_check(struct bs_restore *r,
                 const struct bs_columns *c,
                 enum bs_columns_conflict conflict,
                 struct bs_err *err)
{
    (void)r;
    for (size_t i = 0; i < c->n_tables; i++) {
        const struct bs_columns_table *t = &c->tables[i];
        if (t->cannot != NULL) {
            (void)BS_FAIL(err, CONFLICT, "%s", t->cannot);
            bs_err_hint(err, "restore run loads the saved values into a table of their own");
            return BS_FAILED;
        }
        for (size_t k = 0; k < t->n_columns; k++) {
            if (check_column(t, &t->columns[k], conflict, err) != BS_DONE)
                return BS_FAILED;
        }
    }
    return BS_DONE;
}

/* Applying. */

/*
 * Readers have to go, and one who waits for us must not be drawn into a deadlock: so we give up
 * before the server looks for one, and try again.
 */
static enum bs_done
lock_out(struct bs_restore *r,
         const struct bs_columns_table *t,
         struct bs_buf *sql,
         struct bs_err *err)
{
    struct bs_err why = {0};

    for (int i = 0; i < TRIES; i++) {
        why = (struct bs_err){0};
        bs_put_str(sql, "SAVEPOINT backstop_lock; SET LOCAL lock_timeout = '500ms'; ");
        put_lock(sql, t, "ACCESS EXCLUSIVE");
        bs_put_str(sql, "; RELEASE backstop_lock; SET LOCAL lock_timeout = '10s'");
        if (run(r, sql, &why) == BS_DONE)
            return BS_DONE;
        if (bs_rdb_do(&r->db, "ROLLBACK TO backstop_lock; RELEASE backstop_lock", err) != BS_DONE)
            return BS_FAILED;
    }
    *err = why;
    return BS_FAILED;
}

static bool
writes_values(const struct bs_columns_table *t)
{
    for (size_t i = 0; i < t->n_columns; i++) {
        if (bs_columns_writes(&t->columns[i]))
            return true;
    }
    return false;
}

/* Values that were written since may not be any of the saved type. */
static enum bs_done
say_unfit(const struct bs_columns_table *t, struct bs_err *err)
{
    struct bs_err why = *err;

    if (strncmp(why.sqlstate, "22", 2) != 0 && strncmp(why.sqlstate, "23", 2) != 0)
        return BS_FAILED;
    *err = (struct bs_err){0};
    (void)BS_FAIL(err, CONFLICT,
                  "a value in \"%.63s\" that was written since cannot be turned back, of %lld rows"
                  " without a saved one: %.200s",
                  t->object->name, (long long)rows_made(t), why.message);
    (void)snprintf(err->sqlstate, sizeof(err->sqlstate), "%s", why.sqlstate);
    return BS_FAILED;
}

static enum bs_done
fill_values(struct bs_restore *r,
            const struct bs_columns_table *t,
            enum bs_columns_conflict conflict,
            struct bs_buf *sql,
            struct bs_err *err)
{
    int64_t before = 0;

    bs_columns_put_values(sql, t);
    if (run(r, sql, err) != BS_DONE)
        return BS_FAILED;
    for (size_t i = 0; i < t->n_leaves; i++) {
        bs_columns_put_fill(sql, t, &t->leaves[i], conflict, before);
        if (run(r, sql, err) != BS_DONE)
            return say_unfit(t, err);
        before += t->leaves[i].made;
    }
    return BS_DONE;
}

static enum bs_done
write_values(struct bs_restore *r,
             const struct bs_columns_table *t,
             enum bs_columns_conflict conflict,
             struct bs_buf *sql,
             struct bs_err *err)
{
    if (!writes_values(t))
        return BS_DONE;
    if (fill_values(r, t, conflict, sql, err) != BS_DONE)
        return BS_FAILED;
    bs_columns_put_functions(sql, t);
    if (run(r, sql, err) != BS_DONE)
        return BS_FAILED;
    bs_columns_put_alter(sql, t);
    if (run(r, sql, err) != BS_DONE)
        return BS_FAILED;
    bs_columns_put_functions_off(sql, t);
    return run(r, sql, err);
}

static enum bs_done
apply_table(struct bs_restore *r,
            struct bs_columns_table *t,
            struct bs_columns_how how,
            struct bs_buf *sql,
            struct bs_err *err)
{
    const struct bs_point_object *o = t->object;

    bs_restore_tell(r, bs_arena_fmt(&r->arena, "writing columns of %s.%s", o->schema, o->name), 0,
                    0);
    if (lock_out(r, t, sql, err) != BS_DONE)
        return BS_FAILED;
    bs_columns_put_clear(sql, t);
    bs_columns_put_add(sql, t);
    if (run(r, sql, err) != BS_DONE || write_values(r, t, how.conflict, sql, err) != BS_DONE)
        return BS_FAILED;
    bs_columns_put_generated(sql, t);
    for (size_t i = 0; i < t->n_members; i++)
        bs_columns_put_settings(sql, t, t->members[i]);
    if (how.remove)
        bs_columns_put_remove(sql, t);
    return run(r, sql, err);
}

/* Its type came back a moment ago, so only now can its values be looked at. */
static enum bs_done
catch_up(struct bs_restore *r,
         struct bs_columns_table *t,
         struct bs_columns_how how,
         struct bs_err *err)
{
    struct bs_columns one = {.tables = t, .n_tables = 1};

    if (has_types(t))
        return BS_DONE;
    if (look_at_table(r, t, err) != BS_DONE)
        return BS_FAILED;
    for (size_t i = 0; i < t->n_columns; i++) {
        const struct bs_columns_column *c = &t->columns[i];
        if (c->saved != NULL && c->type == NULL)
            return BS_FAIL(err, DATA,
                           "the database has no type \"%.100s\", which column \"%.63s\""
                           " had",
                           c->saved->type, c->name);
    }
    if (compare_table(r, t, err) != BS_DONE)
        return BS_FAILED;
    return bs_columns_check(r, &one, how.conflict, err);
}

enum bs_done
bs_columns_apply(struct bs_restore *r,
                 struct bs_columns *c,
                 struct bs_columns_how how,
                 struct bs_err *err)
{
    struct bs_buf sql;
    enum bs_done done = BS_DONE;

    bs_buf_init(&sql, SQL_MAX);
    for (size_t i = 0; done == BS_DONE && i < c->n_tables; i++) {
        done = catch_up(r, &c->tables[i], how, err);
        if (done == BS_DONE && bs_columns_differ(&c->tables[i], how.remove))
            done = apply_table(r, &c->tables[i], how, &sql, err);
    }
    bs_buf_fini(&sql);
    return done;
}

/* Afterwards. */

/* Numbers that were given to rows without a saved one are used. */
static enum bs_done
advance(struct bs_restore *r,
        const struct bs_columns_table *t,
        const struct bs_columns_column *c,
        struct bs_buf *sql,
        struct bs_err *err)
{
    for (size_t i = 0; i < r->manifest.n_sequences; i++) {
        const struct bs_point_sequence *s = &r->manifest.sequences[i];
        if (!c->counts || rows_made(t) == 0 || !s->owned || s->table_oid != t->object->oid ||
            s->column == NULL || strcmp(s->column, c->name) != 0)
            continue;
        bs_put_fmt(sql,
                   "SELECT pg_catalog.setval(c.oid::pg_catalog.regclass, %lld) FROM"
                   " pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid ="
                   " c.relnamespace WHERE c.relkind = 'S' AND n.nspname = ",
                   (long long)(c->next + rows_made(t)));
        bs_put_literal(sql, s->schema);
        bs_put_str(sql, " AND c.relname = ");
        bs_put_literal(sql, s->name);
        if (run(r, sql, err) != BS_DONE)
            return BS_FAILED;
    }
    return BS_DONE;
}

static enum bs_done
prove_table(struct bs_restore *r,
            const struct bs_columns_table *before,
            struct bs_columns_how how,
            struct bs_buf *sql,
            struct bs_err *err)
{
    struct bs_columns_table now = *before;

    if (look_at_table(r, &now, err) != BS_DONE)
        return BS_FAILED;
    for (size_t i = 0; i < now.n_columns; i++)
        now.columns[i].forth = true;
    if (now.cannot == NULL && count_table(r, &now, err) != BS_DONE)
        return BS_FAILED;
    for (size_t i = 0; i < now.n_columns; i++) {
        const struct bs_columns_column *was = &before->columns[i], *is = &now.columns[i];
        int64_t want = was->restored + was->equal;
        if (was->way == BS_COLUMN_ADD && advance(r, before, was, sql, err) != BS_DONE)
            return BS_FAILED;
        want += how.conflict == BS_COLUMNS_OVERWRITE ? was->conflicts : 0;
        if (bs_columns_writes(was) && is->equal < want)
            return BS_FAIL(err, CONFLICT,
                           "\"%.63s\" would not be as planned: %lld rows have their saved value in"
                           " \"%.63s\" instead of %lld",
                           now.object->name, (long long)is->equal, is->name, (long long)want);
    }
    return BS_DONE;
}

enum bs_done
bs_columns_proven(struct bs_restore *r,
                  struct bs_columns *c,
                  struct bs_columns_how how,
                  struct bs_err *err)
{
    struct bs_buf sql;
    enum bs_done done = BS_DONE;

    bs_buf_init(&sql, SQL_MAX);
    for (size_t i = 0; done == BS_DONE && i < c->n_tables; i++) {
        if (bs_columns_differ(&c->tables[i], false))
            done = prove_table(r, &c->tables[i], how, &sql, err);
    }
    bs_buf_fini(&sql);
    return done;
}
