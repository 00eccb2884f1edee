/*
 * columns.c - the table as it is, the columns as they were, and in between every row by its place.
 */
#include "restore/columns.h"

#include <stdlib.h>
#include <string.h>

#include "restore/columns_anew.h"
#include "restore/columns_inside.h"
#include "restore/compare.h"
#include "restore/live.h"
#include "restore/text.h"

#define SQL_MAX (4u << 20)

enum {
    FIRST_AT = 1000000, /* numbers of temporary tables: others count from 0 */
    COLUMNS_MAX = 1600, /* that a table can have */
};

enum bs_done
bs_columns_full(struct bs_err *err)
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
    " SELECT c.oid, n.nspname, c.relname, c.relkind, c.relnatts FROM (SELECT oid, "
    "pg_catalog.max(depth) AS "
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

/*
 * A generated column takes another type only by a cast that assignments take, and another expression
 * only from 17 on: else it is dropped, and computed anew.
 */
static enum bs_done
look_at_generated(struct bs_restore *r,
                  const struct bs_columns_table *t,
                  struct bs_columns_column *c,
                  struct bs_err *err)
{
    static const char find[] =
        "SELECT 1 FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t"
        " ON t.oid = pg_catalog.to_regtype($3) WHERE a.attrelid = $1::oid AND a.attname = $2"
        " AND (t.oid = a.atttypid OR t.typcategory = 'S' OR EXISTS (SELECT FROM pg_catalog.pg_cast"
        " WHERE castsource = a.atttypid AND casttarget = t.oid AND castcontext IN ('a', 'i')))";
    char oid[16];
    const char *values[] = {oid, c->name, c->saved->type};
    PGresult *result;

    c->expresses = PQserverVersion(r->db.conn) >= 170000;
    if (c->way != BS_COLUMN_EXPRESS)
        return BS_DONE;
    if (c->same_type) {
        c->way = c->expresses ? BS_COLUMN_EXPRESS : BS_COLUMN_COMPUTE;
        return BS_DONE;
    }
    (void)snprintf(oid, sizeof(oid), "%u", t->oid);
    result = bs_rdb_ask(&r->db, find, 3, values, err);
    if (result == NULL)
        return BS_FAILED;
    if (PQntuples(result) == 0)
        c->way = BS_COLUMN_COMPUTE;
    PQclear(result);
    return BS_DONE;
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
    return look_at_generated(r, t, c, err);
}

/* A dropped column keeps its number, and there are so many and no more. */
static const char *
lacks_room(struct bs_restore *r, const struct bs_columns_table *t)
{
    size_t n = t->most_columns;

    for (size_t i = 0; i < t->n_columns; i++)
        n += t->columns[i].way == BS_COLUMN_ADD || t->columns[i].way == BS_COLUMN_COMPUTE;
    if (n == t->most_columns || n <= COLUMNS_MAX)
        return NULL;
    return bs_arena_fmt(&r->arena,
                        "%s.%s has had %zu columns, counting those that were dropped, and a table"
                        " has %d at most: none can be added",
                        t->object->schema, t->object->name, t->most_columns, COLUMNS_MAX);
}

/* What the statement altered in the table that it named, then what it added. */
static enum bs_done
list_columns(struct bs_restore *r, struct bs_columns_table *t, struct bs_err *err)
{
    const struct bs_point_object *o = t->object;

    t->n_columns = 0;
    t->columns = bs_arena_array(&r->arena, o->n_columns + o->n_added + 1, sizeof(*t->columns));
    if (t->columns == NULL)
        return bs_columns_full(err);
    for (size_t i = 0; i < o->n_columns; i++) {
        if (o->columns[i].altered)
            t->columns[t->n_columns++] =
                (struct bs_columns_column){.name = o->columns[i].name, .saved = &o->columns[i]};
    }
    for (size_t i = 0; i < o->n_added; i++)
        t->columns[t->n_columns++] = (struct bs_columns_column){.name = o->added[i].name};
    for (size_t i = 0; i < t->n_columns; i++) {
        const struct bs_columns_column *c = &t->columns[i];
        if (look_at_column(r, t, &t->columns[i], err) != BS_DONE)
            return BS_FAILED;
        if (bs_columns_is_anew(c) && r->manifest.schema.key == NULL)
            t->cannot = bs_arena_fmt(&r->arena,
                                     "\"%s\" of %s.%s can only be dropped and made anew, and the"
                                     " point has no definition of what hangs on it",
                                     c->name, o->schema, o->name);
    }
    t->cannot = t->cannot != NULL ? t->cannot : lacks_room(r, t);
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
    t->cannot = t->cannot != NULL ? t->cannot : bs_compare_cannot(o, &r->arena);
    leaf->equals = bs_arena_array(&r->arena, o->n_columns + 1, sizeof(*leaf->equals));
    if (leaf->equals == NULL)
        return bs_columns_full(err);
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
        return bs_columns_full(err);
    t->n_oids = 0;
    t->oid = n == 0 ? 0 : (uint32_t)bs_rdb_number(tree, 0, 0);
    t->n_leaves = t->n_members = t->most_columns = 0;
    for (int i = 0; i < PQntuples(tree); i++) {
        struct bs_columns_leaf leaf = {.oid = (uint32_t)bs_rdb_number(tree, i, 0),
                                       .schema = bs_rdb_text(tree, i, 1, &r->arena),
                                       .name = bs_rdb_text(tree, i, 2, &r->arena)};
        if (leaf.schema == NULL || leaf.name == NULL)
            return bs_columns_full(err);
        leaf.object = object_named(&r->manifest, leaf.schema, leaf.name);
        t->oids_all[t->n_oids++] = leaf.oid;
        if ((size_t)bs_rdb_number(tree, i, 4) > t->most_columns)
            t->most_columns = (size_t)bs_rdb_number(tree, i, 4);
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

enum bs_done
bs_columns_look_again(struct bs_restore *r, struct bs_columns_table *t, struct bs_err *err)
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
        return bs_columns_full(err);
    for (size_t i = 0; i < m->n_objects; i++) {
        struct bs_columns_table *t = &out->tables[out->n_tables];
        if (!is_root(m, &m->objects[i]) || !is_picked(m, &m->objects[i], picked, n))
            continue;
        *t = (struct bs_columns_table){.object = &m->objects[i], .at = at};
        if (bs_columns_look_again(r, t, err) != BS_DONE)
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

void
bs_columns_put_lock(struct bs_buf *b, const struct bs_columns_table *t, const char *mode)
{
    bs_put_str(b, "LOCK TABLE ");
    bs_put_name(b, t->object->schema, t->object->name);
    bs_put_fmt(b, " IN %s MODE", mode);
}

enum bs_done
bs_columns_lock(struct bs_restore *r, struct bs_columns *c, struct bs_err *err)
{
    const struct bs_columns_table **order =
        bs_arena_array(&r->arena, c->n_tables + 1, sizeof(*order));
    enum bs_done done = order == NULL ? bs_columns_full(err) : BS_DONE;
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
        bs_columns_put_lock(&sql, order[i], "SHARE ROW EXCLUSIVE");
        done = bs_rdb_flush(&r->db, &sql, err);
    }
    bs_buf_fini(&sql);
    for (size_t i = 0; done == BS_DONE && i < c->n_tables; i++)
        done = bs_columns_look_again(r, &c->tables[i], err);
    return done;
}
