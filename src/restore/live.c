/*
 * live.c - rows are matched by a key only where it is unique on both sides: the primary key that the
 * table had when it was saved, or any unique key of columns that were NOT NULL then, where no two
 * saved rows have the same; that is looked at when they are loaded.
 */
#include "restore/live.h"

#include <string.h>

#include "restore/text.h"

static const char find_relation[] =
    "SELECT c.oid, c.relkind, c.reltuples::bigint FROM pg_catalog.pg_class c"
    " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " WHERE n.nspname = $1 AND c.relname = $2";

static const char find_columns[] =
    "SELECT attname, pg_catalog.format_type(atttypid, atttypmod), attgenerated, attidentity,"
    " atttypid"
    " FROM pg_catalog.pg_attribute WHERE attrelid = $1::oid AND attnum > 0 AND NOT attisdropped"
    " ORDER BY attnum";

/*
 * Columns of the key and the equality operator of each column's operator class. With several
 * arrays, unnest is known to the parser by its bare name only; the search path is empty.
 */
static const char find_key[] =
    "SELECT a.attname, k.place, 'OPERATOR(' || pg_catalog.quote_ident(n.nspname) || '.' ||"
    " o.oprname || ')'"
    " FROM pg_catalog.pg_index i"
    " CROSS JOIN LATERAL unnest(i.indkey::int2[], i.indclass::oid[])"
    " WITH ORDINALITY AS k(attnum, opclass, place)"
    " JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum"
    " JOIN pg_catalog.pg_opclass c ON c.oid = k.opclass"
    " JOIN pg_catalog.pg_amop p ON p.amopfamily = c.opcfamily AND p.amopstrategy = 3"
    " AND p.amoplefttype = c.opcintype AND p.amoprighttype = c.opcintype"
    " JOIN pg_catalog.pg_operator o ON o.oid = p.amopopr"
    " JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace"
    " WHERE i.indexrelid = $1::oid AND k.place <= i.indnkeyatts"
    " ORDER BY k.place";

/* The primary key, or else the unique key of fewest columns. */
static const char find_index[] =
    "SELECT i.indexrelid FROM pg_catalog.pg_index i WHERE i.indrelid = $1::oid AND i.indisvalid"
    " AND (i.indisprimary OR (i.indisunique AND i.indpred IS NULL"
    " AND i.indexprs IS NULL AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a"
    " WHERE a.attrelid = i.indrelid AND NOT a.attnotnull AND a.attnum = ANY"
    " ((i.indkey::int2[])[0:i.indnkeyatts - 1]))))"
    " ORDER BY i.indisprimary DESC, i.indnkeyatts, i.indexrelid LIMIT 1";

/* tgtype: 4 INSERT, 8 DELETE, 16 UPDATE. Those of all partitions, as rows fire them there. */
static const char find_triggers[] =
    "SELECT t.tgname, t.tgenabled, pg_catalog.quote_ident(n.nspname) || '.' ||"
    " pg_catalog.quote_ident(c.relname) FROM pg_catalog.pg_trigger t"
    " JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid"
    " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " WHERE (t.tgrelid = $1::oid OR t.tgrelid IN (SELECT relid FROM"
    " pg_catalog.pg_partition_tree($1::oid::pg_catalog.regclass)))"
    " AND NOT t.tgisinternal AND t.tgenabled IN ('O', 'A') AND t.tgtype & $2::integer <> 0"
    " ORDER BY 3, 1";

/* The root of its tree, where the saved relation is a partition now. $3: what it was a part of. */
static const char find_root[] =
    "SELECT COALESCE(l.oid, 0), r.oid, n.nspname, r.relname FROM (SELECT) one"
    " LEFT JOIN (pg_catalog.pg_class l JOIN pg_catalog.pg_namespace ln"
    " ON ln.oid = l.relnamespace AND ln.nspname = $1) ON l.relname = $2"
    " LEFT JOIN pg_catalog.pg_class p ON l.oid IS NULL AND p.oid = $3::oid AND p.relkind = 'p'"
    " JOIN pg_catalog.pg_class r ON r.relkind = 'p' AND r.oid = pg_catalog.pg_partition_root("
    " CASE WHEN l.relispartition THEN l.oid ELSE p.oid END)"
    " JOIN pg_catalog.pg_namespace n ON n.oid = r.relnamespace";

/* What saved relations, by number, are called now, and the columns of the first of them. */
static const char find_names[] =
    "SELECT c.oid, n.nspname, c.relname, pg_catalog.quote_ident(n.nspname) || '.' ||"
    " pg_catalog.quote_ident(c.relname) FROM pg_catalog.pg_class c"
    " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.oid = ANY ($1::oid[]) ORDER BY c.oid";
static const char find_numbers[] =
    "SELECT attnum, attname FROM pg_catalog.pg_attribute WHERE attrelid = $1::oid AND attnum > 0"
    " AND NOT attisdropped";

/* A question about a relation; `more` is $2, where it has one. */
static PGresult *
ask_about(struct bs_rdb *db, const char *sql, uint32_t oid, const char *more, struct bs_err *err)
{
    char text[16];
    const char *values[] = {text, more};

    (void)snprintf(text, sizeof(text), "%u", oid);
    return bs_rdb_ask(db, sql, more == NULL ? 1 : 2, values, err);
}

static enum bs_done
look_for_relation(struct bs_rdb *db, struct bs_live *live, struct bs_err *err)
{
    const char *values[] = {live->object->schema, live->object->name};
    PGresult *result = bs_rdb_ask(db, find_relation, 2, values, err);

    if (result == NULL)
        return BS_FAILED;
    if (PQntuples(result) == 1) {
        live->exists = true;
        live->oid = (uint32_t)bs_rdb_number(result, 0, 0);
        live->relkind = PQgetvalue(result, 0, 1)[0];
        live->est_rows = (double)bs_rdb_number(result, 0, 2);
    }
    PQclear(result);
    return BS_DONE;
}

static struct bs_live_column *
column_of(struct bs_live *live, const char *name)
{
    for (size_t i = 0; i < live->object->n_columns; i++) {
        if (strcmp(live->columns[i].name, name) == 0)
            return &live->columns[i];
    }
    return NULL;
}

static size_t
place_of(const struct bs_live *live, const struct bs_live_column *c)
{
    return (size_t)(c - live->columns);
}

static enum bs_done
look_at_columns(struct bs_rdb *db,
                struct bs_live *live,
                const struct bs_shape *shape,
                struct bs_arena *arena,
                struct bs_err *err)
{
    PGresult *result = ask_about(db, find_columns, live->oid, NULL, err);

    if (result == NULL)
        return BS_FAILED;
    live->added = bs_arena_array(arena, (size_t)PQntuples(result) + 1, sizeof(*live->added));
    for (size_t i = 0; i < live->object->n_columns; i++)
        live->columns[i].saved_type = shape->types[i];
    for (int i = 0; live->added != NULL && i < PQntuples(result); i++) {
        struct bs_live_column *c = column_of(live, PQgetvalue(result, i, 0));
        if (c == NULL) {
            live->added[live->n_added++] = bs_rdb_text(result, i, 0, arena);
            continue;
        }
        const char *saved = shape->types[place_of(live, c)];
        c->live_type = bs_rdb_text(result, i, 1, arena);
        c->live_oid = (uint32_t)bs_rdb_number(result, i, 4);
        c->match = saved != NULL && c->live_type != NULL && strcmp(saved, c->live_type) == 0
                       ? BS_LIVE_SAME
                       : BS_LIVE_OTHER_TYPE;
        c->generated = PQgetvalue(result, i, 2)[0] != '\0';
        if (c->match == BS_LIVE_SAME && c->generated &&
            live->object->columns[place_of(live, c)].generated == 0)
            c->match = BS_LIVE_GENERATED;
        c->identity_always = PQgetvalue(result, i, 3)[0] == 'a';
    }
    PQclear(result);
    return live->added == NULL ? BS_FAIL(err, LIMIT, "a table has too many columns") : BS_DONE;
}

/* "{1,2}": the saved relations where another one has the name of one. NULL: there is none such. */
static const char *
put_others(const struct bs_live *live, struct bs_buf *b)
{
    size_t n = 0;

    bs_put_u8(b, '{');
    for (size_t i = 0; i < live->n_parts; i++) {
        if (live->leaves[i] != 0 && live->leaves[i] != live->parts[i]->oid)
            bs_put_fmt(b, "%s%u", n++ == 0 ? "" : ",", live->parts[i]->oid);
    }
    bs_put_str(b, "}");
    bs_put_u8(b, '\0');
    return n == 0 || b->failed ? NULL : (const char *)b->p;
}

/*
 * A table that was renamed, and one made in its place: rows of the one are not for the other. One
 * that was dropped and made again is not meant; that has no other name.
 */
static enum bs_done
look_for_moved(struct bs_rdb *db, struct bs_live *live, struct bs_arena *arena, struct bs_err *err)
{
    struct bs_buf oids;
    const char *values[1];
    PGresult *result = NULL;

    bs_buf_init(&oids, 1u << 20);
    values[0] = db->origin ? put_others(live, &oids) : NULL;
    if (values[0] != NULL)
        result = bs_rdb_ask(db, find_names, 1, values, err);
    if (result != NULL && PQntuples(result) != 0)
        live->moved = bs_rdb_text(result, 0, 3, arena);
    PQclear(result);
    bs_buf_fini(&oids);
    return values[0] == NULL || result != NULL ? BS_DONE : BS_FAILED;
}

/* By its number a column is the same whatever it is called; partitions are renamed together. */
static enum bs_done
look_for_renamed(struct bs_rdb *db,
                 struct bs_live *live,
                 struct bs_arena *arena,
                 struct bs_err *err)
{
    const struct bs_point_object *part = live->parts[0];
    PGresult *result;

    if (!db->origin || live->leaves[0] != part->oid)
        return BS_DONE;
    result = ask_about(db, find_numbers, part->oid, NULL, err);
    if (result == NULL)
        return BS_FAILED;
    for (int i = 0; i < PQntuples(result); i++) {
        for (size_t k = 0; k < part->n_columns; k++) {
            struct bs_live_column *c = &live->columns[k];
            if (part->columns[k].attnum != (int)bs_rdb_number(result, i, 0) ||
                strcmp(part->columns[k].name, PQgetvalue(result, i, 1)) == 0)
                continue;
            c->renamed = bs_rdb_text(result, i, 1, arena);
            c->match = c->match == BS_LIVE_GONE ? BS_LIVE_GONE : BS_LIVE_RENAMED;
        }
    }
    PQclear(result);
    return BS_DONE;
}

static size_t
saved_key(const struct bs_point_object *o)
{
    size_t n = 0;

    for (size_t i = 0; i < o->n_columns; i++)
        n += o->columns[i].key != 0;
    return n;
}

/* Whether key column i of the answer is a saved one that the saved rows can be matched by. */
static bool
is_usable(struct bs_live *live, const PGresult *result, int i)
{
    const struct bs_live_column *c = column_of(live, PQgetvalue(result, i, 0));

    return c != NULL && c->match == BS_LIVE_SAME &&
           live->object->columns[place_of(live, c)].not_null;
}

static bool
was_key(struct bs_live *live, const PGresult *result)
{
    bool same = (size_t)PQntuples(result) == saved_key(live->object);

    for (int i = 0; same && i < PQntuples(result); i++) {
        const struct bs_live_column *c = column_of(live, PQgetvalue(result, i, 0));
        same = c != NULL && live->object->columns[place_of(live, c)].key != 0;
    }
    return same;
}

static enum bs_done
take_key(struct bs_rdb *db,
         struct bs_live *live,
         uint32_t index,
         struct bs_arena *arena,
         struct bs_err *err)
{
    PGresult *result = ask_about(db, find_key, index, NULL, err);
    bool agree;

    if (result == NULL)
        return BS_FAILED;
    agree = PQntuples(result) != 0;
    for (int i = 0; agree && i < PQntuples(result); i++)
        agree = is_usable(live, result, i);
    for (int i = 0; agree && i < PQntuples(result); i++) {
        struct bs_live_column *c = column_of(live, PQgetvalue(result, i, 0));
        c->key = (int)bs_rdb_number(result, i, 1);
        c->equals = bs_rdb_text(result, i, 2, arena);
        live->n_key++;
    }
    live->key_saved = agree && was_key(live, result);
    PQclear(result);
    return BS_DONE;
}

static enum bs_done
look_for_key(struct bs_rdb *db,
             struct bs_live *live,
             uint32_t relation,
             struct bs_arena *arena,
             struct bs_err *err)
{
    PGresult *result = ask_about(db, find_index, relation, NULL, err);
    uint32_t index;

    if (result == NULL)
        return BS_FAILED;
    index = PQntuples(result) == 0 ? 0 : (uint32_t)bs_rdb_number(result, 0, 0);
    PQclear(result);
    return index == 0 ? BS_DONE : take_key(db, live, index, arena, err);
}

/* A root without a key may have partitions with one. */
static enum bs_done
look_for_keys(struct bs_rdb *db, struct bs_live *live, struct bs_arena *arena, struct bs_err *err)
{
    if (look_for_key(db, live, live->oid, arena, err) != BS_DONE)
        return BS_FAILED;
    live->key = live->n_key != 0 ? BS_LIVE_KEY : BS_LIVE_NO_KEY;
    if (live->n_key != 0 || live->relkind != 'p' || live->leaves[0] == 0)
        return BS_DONE;
    if (look_for_key(db, live, live->leaves[0], arena, err) != BS_DONE)
        return BS_FAILED;
    live->key = live->n_key != 0 ? BS_LIVE_KEY_OF_LEAF : BS_LIVE_NO_KEY;
    return BS_DONE;
}

static enum bs_done
look_for_triggers(struct bs_rdb *db,
                  struct bs_live *live,
                  struct bs_arena *arena,
                  struct bs_err *err)
{
    PGresult *result =
        ask_about(db, find_triggers, live->oid, live->object->partial ? "28" : "20", err);
    size_t n;

    if (result == NULL)
        return BS_FAILED;
    n = (size_t)PQntuples(result);
    live->triggers = bs_arena_array(arena, n + 1, sizeof(*live->triggers));
    live->trigger_on = bs_arena_array(arena, n + 1, sizeof(*live->trigger_on));
    live->trigger_states = bs_arena_take(arena, n + 1);
    if (live->triggers != NULL && live->trigger_on != NULL && live->trigger_states != NULL) {
        for (; live->n_triggers < n; live->n_triggers++) {
            int i = (int)live->n_triggers;
            live->triggers[i] = bs_rdb_text(result, i, 0, arena);
            live->trigger_states[i] = PQgetvalue(result, i, 1)[0];
            live->trigger_on[i] = bs_rdb_text(result, i, 2, arena);
        }
    }
    PQclear(result);
    return live->n_triggers == n ? BS_DONE : BS_FAIL(err, LIMIT, "a table has too many triggers");
}

enum bs_done
bs_live_again(struct bs_rdb *db, struct bs_arena *arena, struct bs_live *live, struct bs_err *err)
{
    const struct bs_point_object *object = live->object;
    struct bs_shape shape;

    *live = (struct bs_live){
        .object = object, .parts = live->parts, .leaves = live->leaves, .n_parts = live->n_parts};
    live->columns = bs_arena_array(arena, object->n_columns + 1, sizeof(*live->columns));
    if (live->columns == NULL)
        return BS_FAIL(err, LIMIT, "a table has too many columns");
    for (size_t i = 0; i < object->n_columns; i++) {
        live->columns[i].name = object->columns[i].name;
        live->columns[i].generated = object->columns[i].generated != 0;
    }
    if (look_for_relation(db, live, err) != BS_DONE)
        return BS_FAILED;
    if (live->parts[0] == object)
        live->leaves[0] = live->oid;
    if (!live->exists)
        return BS_DONE;
    if (bs_shape_find(db, object, arena, &shape, err) != BS_DONE ||
        look_at_columns(db, live, &shape, arena, err) != BS_DONE ||
        look_for_renamed(db, live, arena, err) != BS_DONE ||
        look_for_moved(db, live, arena, err) != BS_DONE ||
        look_for_keys(db, live, arena, err) != BS_DONE)
        return BS_FAILED;
    return look_for_triggers(db, live, arena, err);
}

/* Room for `most` parts. */
static enum bs_done
begin(const struct bs_point_object *object,
      size_t most,
      struct bs_arena *arena,
      struct bs_live *out,
      struct bs_err *err)
{
    *out = (struct bs_live){.object = object};
    out->parts = bs_arena_array(arena, most, sizeof(*out->parts));
    out->leaves = bs_arena_array(arena, most, sizeof(*out->leaves));
    if (out->parts == NULL || out->leaves == NULL)
        return BS_FAIL(err, LIMIT, "the point has too many objects");
    out->parts[0] = object;
    out->n_parts = 1;
    return BS_DONE;
}

enum bs_done
bs_live_look(struct bs_rdb *db,
             const struct bs_point_object *object,
             struct bs_arena *arena,
             struct bs_live *out,
             struct bs_err *err)
{
    if (begin(object, 1, arena, out, err) != BS_DONE)
        return BS_FAILED;
    return bs_live_again(db, arena, out, err);
}

/* Partitions together. */

/* The root's oid and name in `made` (oid 0: it is not in a tree), and where the partition is. */
static enum bs_done
look_for_root(struct bs_rdb *db,
              const struct bs_point_object *o,
              struct bs_arena *arena,
              struct bs_point_object *made,
              uint32_t *leaf,
              struct bs_err *err)
{
    char parent[16];
    const char *values[] = {o->schema, o->name, parent};
    PGresult *result;

    *made = *o;
    made->oid = 0;
    if (!o->partial)
        return BS_DONE;
    (void)snprintf(parent, sizeof(parent), "%u", o->parent_oid);
    result = bs_rdb_ask(db, find_root, 3, values, err);
    if (result == NULL)
        return BS_FAILED;
    if (PQntuples(result) == 1) {
        *leaf = (uint32_t)bs_rdb_number(result, 0, 0);
        made->oid = (uint32_t)bs_rdb_number(result, 0, 1);
        made->schema = bs_rdb_text(result, 0, 2, arena);
        made->name = bs_rdb_text(result, 0, 3, arena);
        made->relkind = 'p';
    }
    PQclear(result);
    if (made->schema == NULL || made->name == NULL)
        return BS_FAIL(err, LIMIT, "the restore's memory is used up");
    return BS_DONE;
}

/* Relations on their way together. */
struct gathering {
    struct bs_rdb *db;
    struct bs_arena *arena;
    struct bs_live *lives;
    struct bs_point_object **roots; /* of each; made up, oid 0: it is not in a tree */
    size_t n;
    size_t most;
};

/* Adds a partition to those of the same root that came before it; false: it is the first. */
static bool
join(struct gathering *g,
     const struct bs_point_object *o,
     const struct bs_point_object *root,
     uint32_t leaf)
{
    for (size_t i = 0; i < g->n; i++) {
        struct bs_live *live = &g->lives[i];
        struct bs_point_object *sum = g->roots[i];
        if (sum->oid != root->oid)
            continue;
        sum->row_count += o->row_count;
        sum->raw_bytes += o->raw_bytes;
        sum->stored_bytes += o->stored_bytes;
        sum->replaced += o->replaced;
        sum->inserted += o->inserted;
        live->leaves[live->n_parts] = leaf;
        live->parts[live->n_parts++] = o;
        return true;
    }
    return false;
}

static enum bs_done
gather(struct gathering *g, const struct bs_point_object *o, struct bs_err *err)
{
    struct bs_point_object *root = bs_arena_take(g->arena, sizeof(*root));
    struct bs_live *live = &g->lives[g->n];
    uint32_t leaf = 0;

    if (root == NULL)
        return BS_FAIL(err, LIMIT, "the point has too many objects");
    if (look_for_root(g->db, o, g->arena, root, &leaf, err) != BS_DONE)
        return BS_FAILED;
    if (root->oid != 0 && join(g, o, root, leaf))
        return BS_DONE;
    if (begin(o, root->oid == 0 ? 1 : g->most, g->arena, live, err) != BS_DONE)
        return BS_FAILED;
    if (root->oid != 0) {
        live->object = root;
        live->leaves[0] = leaf;
    }
    g->roots[g->n++] = root;
    return BS_DONE;
}

static bool
is_taken(const struct gathering *g, const struct bs_point_object *o)
{
    for (size_t i = 0; i < g->n; i++) {
        for (size_t k = 0; k < g->lives[i].n_parts; k++) {
            if (g->lives[i].parts[k] == o)
                return true;
        }
    }
    return false;
}

/* What was not asked for, but is of a tree that was. */
static enum bs_done
gather_rest(struct gathering *g, const struct bs_manifest *m, struct bs_err *err)
{
    for (size_t i = 0; i < m->n_objects; i++) {
        const struct bs_point_object *o = &m->objects[i];
        struct bs_point_object root;
        uint32_t leaf = 0;
        if (!o->partial || is_taken(g, o))
            continue;
        if (look_for_root(g->db, o, g->arena, &root, &leaf, err) != BS_DONE)
            return BS_FAILED;
        if (root.oid != 0)
            (void)join(g, o, &root, leaf);
    }
    return BS_DONE;
}

enum bs_done
bs_live_look_all(struct bs_rdb *db,
                 const struct bs_manifest *m,
                 const struct bs_point_object *const *objects,
                 size_t n,
                 struct bs_arena *arena,
                 struct bs_live **out,
                 size_t *n_out,
                 struct bs_err *err)
{
    struct gathering g = {.db = db, .arena = arena, .most = m->n_objects};

    g.lives = bs_arena_array(arena, n + 1, sizeof(*g.lives));
    g.roots = bs_arena_array(arena, n + 1, sizeof(*g.roots));
    if (g.lives == NULL || g.roots == NULL)
        return BS_FAIL(err, LIMIT, "the point has too many objects");
    for (size_t i = 0; i < n; i++) {
        if (gather(&g, objects[i], err) != BS_DONE)
            return BS_FAILED;
    }
    if (n < m->n_objects && gather_rest(&g, m, err) != BS_DONE)
        return BS_FAILED;
    for (size_t i = 0; i < g.n; i++) {
        if (bs_live_again(db, arena, &g.lives[i], err) != BS_DONE)
            return BS_FAILED;
    }
    *out = g.lives;
    *n_out = g.n;
    return BS_DONE;
}

void
bs_put_live(struct bs_buf *b, const struct bs_live *live)
{
    bs_put_str(b, live->object->relkind == 'p' ? "" : "ONLY ");
    bs_put_name(b, live->object->schema, live->object->name);
}

bool
bs_live_fits(const struct bs_live *live)
{
    bool rows = live->relkind == live->object->relkind && live->moved == NULL;

    for (size_t i = 0; rows && i < live->object->n_columns; i++)
        rows = live->columns[i].match == BS_LIVE_SAME;
    return live->exists && rows;
}
