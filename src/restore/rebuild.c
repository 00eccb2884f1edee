/*
 * rebuild.c - one transaction for all tables of a point: either all of them are there, loaded and
 * compared, or none is.
 */
#include "restore/rebuild.h"

#include <string.h>

#include "base/clock.h"
#include "restore/diff.h"
#include "restore/prove.h"
#include "restore/text.h"
#include "restore/where.h"

#define SQL_MAX (4u << 20) /* bytes of one statement: 1600 columns with long names fit */

/* The comment by which our own schemas and tables are known. */
const char *
bs_rebuild_marker(struct bs_restore *r)
{
    return bs_arena_fmt(&r->arena, BS_RESTORE_MARKER "%s", r->manifest.id);
}

const char *
bs_rebuild_schema(struct bs_restore *r)
{
    const char *id = r->manifest.id;
    size_t n = strlen(id);
    char *name = bs_arena_fmt(&r->arena, "recovery_%s", n > 8 ? id + n - 8 : id);

    for (char *p = name; p != NULL && *p != '\0'; p++) {
        if (*p >= 'A' && *p <= 'Z')
            *p = (char)(*p - 'A' + 'a');
    }
    return name;
}

/* Default privileges may have granted something on what was just made: take all of it back. */
static enum bs_done
revoke_all(
    struct bs_restore *r, const char *find, const char *name, const char *on, struct bs_err *err)
{
    const char *values[] = {name};
    PGresult *result = bs_rdb_ask(&r->db, find, 1, values, err);
    enum bs_done done = result == NULL ? BS_FAILED : BS_DONE;
    struct bs_buf sql;

    for (int i = 0; done == BS_DONE && i < PQntuples(result); i++) {
        bs_buf_init(&sql, SQL_MAX);
        bs_put_fmt(&sql, "REVOKE ALL ON %s FROM %s", on, PQgetvalue(result, i, 0));
        done = bs_rdb_run(&r->db, &sql, err);
        bs_buf_fini(&sql);
    }
    PQclear(result);
    return done;
}

/* The name of a relation or schema, quoted, in the arena. */
static const char *
quoted(struct bs_restore *r, const char *schema, const char *name)
{
    struct bs_buf b;
    char *text;

    bs_buf_init(&b, SQL_MAX);
    if (name == NULL)
        bs_put_ident(&b, schema);
    else
        bs_put_name(&b, schema, name);
    text = bs_arena_copy(&r->arena, bs_buf_view(&b));
    bs_buf_fini(&b);
    return text;
}

#define GRANTEES                                                                                   \
    "SELECT DISTINCT CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE"                                   \
    " pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.grantee)) END"

static const char schema_grantees[] =
    GRANTEES " FROM pg_catalog.pg_namespace n, pg_catalog.aclexplode(n.nspacl) a"
             " WHERE n.oid = pg_catalog.to_regnamespace($1) AND a.grantee <> n.nspowner";
static const char table_grantees[] =
    GRANTEES " FROM pg_catalog.pg_class c, pg_catalog.aclexplode(c.relacl) a"
             " WHERE c.oid = pg_catalog.to_regclass($1) AND a.grantee <> c.relowner";

enum bs_done
bs_rebuild_make_schema(struct bs_restore *r, const char *schema, struct bs_err *err)
{
    const char *name = quoted(r, schema, NULL);
    struct bs_buf sql;
    enum bs_done done;

    if (name == NULL)
        return BS_FAIL(err, LIMIT, "the restore's memory is used up");
    bs_buf_init(&sql, SQL_MAX);
    bs_put_fmt(&sql, "CREATE SCHEMA %s; COMMENT ON SCHEMA %s IS ", name, name);
    bs_put_literal(&sql, bs_rebuild_marker(r));
    done = bs_rdb_run(&r->db, &sql, err);
    bs_buf_fini(&sql);
    if (done != BS_DONE)
        return BS_FAILED;
    return revoke_all(r, schema_grantees, name, bs_arena_fmt(&r->arena, "SCHEMA %s", name), err);
}

/* Our own schema may be there from an earlier run; anybody else's is left alone. */
static enum bs_done
ensure_schema(struct bs_restore *r, const char *schema, struct bs_err *err)
{
    const char *values[] = {schema};
    PGresult *result = bs_rdb_ask(
        &r->db,
        "SELECT pg_catalog.obj_description(oid, 'pg_namespace') FROM pg_catalog.pg_namespace"
        " WHERE nspname = $1",
        1, values, err);
    bool there, ours;

    if (result == NULL)
        return BS_FAILED;
    there = PQntuples(result) == 1;
    ours = there && strcmp(PQgetvalue(result, 0, 0), bs_rebuild_marker(r)) == 0;
    PQclear(result);
    if (!there)
        return bs_rebuild_make_schema(r, schema, err);
    if (!ours)
        return BS_FAIL(err, CONFLICT, "schema \"%.63s\" exists and was not made from this point",
                       schema);
    return BS_DONE;
}

static enum bs_done
make_table(struct bs_restore *r,
           const struct bs_rebuilt *t,
           const struct bs_shape *shape,
           struct bs_err *err)
{
    const char *name = quoted(r, t->schema, t->name);
    struct bs_buf sql;
    enum bs_done done;

    if (name == NULL)
        return BS_FAIL(err, LIMIT, "the restore's memory is used up");
    bs_buf_init(&sql, SQL_MAX);
    bs_put_fmt(&sql, "CREATE TABLE %s (", name);
    bs_put_columns(&sql, shape, BS_COLUMN_AS_SAVED);
    bs_put_fmt(&sql, "); COMMENT ON TABLE %s IS ", name);
    bs_put_literal(&sql, bs_rebuild_marker(r));
    done = bs_rdb_run(&r->db, &sql, err);
    bs_buf_fini(&sql);
    if (done != BS_DONE)
        return BS_FAILED;
    return revoke_all(r, table_grantees, name, bs_arena_fmt(&r->arena, "TABLE %s", name), err);
}

static enum bs_done
load_table(struct bs_restore *r,
           const struct bs_rebuild *all,
           const struct bs_rebuilt *t,
           struct bs_err *err)
{
    const struct bs_point_object *o = t->object;
    struct bs_restore_telling tell = {
        r, bs_arena_fmt(&r->arena, "loading %s.%s", t->schema, t->name), o->raw_bytes};
    struct bs_buf sql;
    enum bs_done done;

    bs_buf_init(&sql, SQL_MAX);
    bs_put_str(&sql, "COPY ");
    bs_put_name(&sql, t->schema, t->name);
    bs_put_str(&sql, " FROM STDIN (");
    bs_put_format(&sql, o);
    bs_put_str(&sql, ", FREEZE)");
    done = bs_rdb_load(&r->db, &sql, r->request.store, o, r->manifest.source.data_encoding,
                       bs_restore_tell_bytes, &tell, err);
    if (done == BS_DONE) {
        struct bs_point_object there = *o;
        there.schema = t->schema;
        there.name = t->name;
        there.partial = false; /* this table has the saved rows and no others */
        done = bs_prove_rows(r, &there, (size_t)(t - all->tables), err);
    }
    bs_buf_fini(&sql);
    return done;
}

/* Rows that the condition is true of, by way of a temporary table of all. */
static enum bs_done
load_chosen(struct bs_restore *r, struct bs_rebuilt *t, size_t at, struct bs_err *err)
{
    struct bs_diff_table all = {0};
    struct bs_buf sql;
    int64_t rows = 0;
    enum bs_done done;

    if (bs_live_look(&r->db, t->object, &r->arena, &all.live, err) != BS_DONE ||
        bs_diff_take(r, at, &all, err) != BS_DONE)
        return BS_FAILED;
    bs_buf_init(&sql, SQL_MAX);
    bs_put_str(&sql, "INSERT INTO ");
    bs_put_name(&sql, t->schema, t->name);
    bs_put_str(&sql, " SELECT ");
    bs_put_column_names(&sql, t->object);
    bs_put_str(&sql, " FROM ");
    bs_compare_put_saved(&sql, at);
    bs_put_str(&sql, " s WHERE s.\"" BS_COMPARE_ROW "\" IN (SELECT c.\"row\" FROM ");
    bs_where_put_chosen(&sql, at);
    bs_put_str(&sql, " c) ORDER BY s.\"" BS_COMPARE_ROW "\"");
    done = bs_rdb_change(&r->db, &sql, &rows, err);
    bs_buf_fini(&sql);
    t->rows = all.saved_rows;
    if (done == BS_DONE && rows != t->rows)
        return BS_FAIL(err, CONFLICT, "%lld rows of \"%.63s\" were loaded instead of %lld",
                       (long long)rows, t->name, (long long)t->rows);
    return done;
}

/* The saved primary key, in its order, then statistics. */
static enum bs_done
finish_table(struct bs_restore *r, struct bs_rebuilt *t, struct bs_err *err)
{
    const struct bs_point_object *o = t->object;
    struct bs_buf sql;
    enum bs_done done;
    int place = 0;

    bs_buf_init(&sql, SQL_MAX);
    bs_put_str(&sql, "ALTER TABLE ");
    bs_put_name(&sql, t->schema, t->name);
    bs_put_str(&sql, " ADD PRIMARY KEY (");
    for (bool found = true; found;) {
        found = false;
        for (size_t i = 0; i < o->n_columns && !found; i++) {
            if (o->columns[i].key == place + 1) {
                bs_put_str(&sql, place == 0 ? "" : ", ");
                bs_put_ident(&sql, o->columns[i].name);
                found = true;
                place++;
            }
        }
    }
    bs_put_str(&sql, "); ");
    if (place == 0)
        bs_buf_clear(&sql);
    bs_put_str(&sql, "ANALYZE ");
    bs_put_name(&sql, t->schema, t->name);
    bs_restore_tell(r, bs_arena_fmt(&r->arena, "indexing %s.%s", t->schema, t->name), 0, 0);
    done = bs_rdb_run(&r->db, &sql, err);
    bs_buf_fini(&sql);
    t->key = place != 0;
    return done;
}

static enum bs_done
load_rows(struct bs_restore *r,
          const struct bs_rebuild *all,
          struct bs_rebuilt *t,
          struct bs_err *err)
{
    if (r->request.where != NULL)
        return load_chosen(r, t, (size_t)(t - all->tables), err);
    t->rows = t->object->row_count;
    return load_table(r, all, t, err);
}

/* The live table's constraints against the rebuilt rows; a copy-back would meet them. */
static enum bs_done
validate(struct bs_restore *r, struct bs_rebuilt *t, struct bs_err *err)
{
    const char *name = quoted(r, t->schema, t->name);
    struct bs_live live;

    if (name == NULL)
        return BS_FAIL(err, LIMIT, "the restore's memory is used up");
    bs_restore_tell(r, bs_arena_fmt(&r->arena, "checking %s.%s", t->schema, t->name), 0, 0);
    if (bs_live_look(&r->db, t->object, &r->arena, &live, err) != BS_DONE)
        return BS_FAILED;
    t->live = live.exists;
    return bs_foresee_rows(r, &live, name, &t->broken, &t->n_broken, err);
}

static enum bs_done
rebuild_one(struct bs_restore *r,
            const struct bs_rebuild *all,
            struct bs_rebuilt *t,
            struct bs_err *err)
{
    int64_t from = bs_mono_us();
    struct bs_shape shape;

    if (bs_restore_portable(r, t->object, err) != BS_DONE ||
        bs_shape_find(&r->db, t->object, &r->arena, &shape, err) != BS_DONE ||
        bs_shape_check(&shape, err) != BS_DONE || make_table(r, t, &shape, err) != BS_DONE ||
        load_rows(r, all, t, err) != BS_DONE || finish_table(r, t, err) != BS_DONE ||
        validate(r, t, err) != BS_DONE)
        return BS_FAILED;
    t->bytes = t->object->raw_bytes;
    t->took_us = bs_mono_us() - from;
    return BS_DONE;
}

/* "schema.name", cut at the first dot. */
static enum bs_done
take_into(struct bs_restore *r, const char *into, struct bs_rebuilt *t, struct bs_err *err)
{
    const char *dot = strchr(into, '.');

    if (dot == NULL || dot == into || dot[1] == '\0')
        return BS_FAIL(err, USAGE, "\"%.130s\" is not of the form schema.name", into);
    t->schema =
        bs_arena_copy(&r->arena, (struct bs_bytes){(const uint8_t *)into, (size_t)(dot - into)});
    t->name = bs_arena_str(&r->arena, dot + 1);
    if (t->schema == NULL || t->name == NULL)
        return BS_FAIL(err, LIMIT, "the restore's memory is used up");
    return BS_DONE;
}

/* Tables of two schemas meet in one: the second of a name is called schema.name. */
static const char *
name_for(struct bs_restore *r, const struct bs_rebuild *all, const struct bs_point_object *o)
{
    for (size_t i = 0; i < all->n_tables; i++) {
        if (strcmp(all->tables[i].name, o->name) == 0)
            return bs_arena_fmt(&r->arena, "%s.%s", o->schema, o->name);
    }
    return o->name;
}

static enum bs_done
choose_tables(struct bs_restore *r,
              const char *table,
              const char *into,
              struct bs_rebuild *out,
              struct bs_err *err)
{
    const struct bs_point_object **picked;
    const char *schema = bs_rebuild_schema(r);
    size_t n;

    if (bs_restore_pick(r, table, &picked, &n, err) != BS_DONE ||
        bs_where_check(r, table, n, err) != BS_DONE)
        return BS_FAILED;
    if (n == 0)
        return BS_FAIL(err, NOT_FOUND, "the point holds no rows");
    if (into != NULL && n != 1) {
        (void)BS_FAIL(err, USAGE, "the point holds %zu tables, and --into names one", n);
        bs_err_hint(err, "choose one with --table");
        return BS_FAILED;
    }
    out->tables = bs_arena_array(&r->arena, n, sizeof(*out->tables));
    if (out->tables == NULL)
        return BS_FAIL(err, LIMIT, "the point has too many objects");
    for (size_t i = 0; i < n; i++) {
        struct bs_rebuilt t = {.object = picked[i], .schema = schema};
        t.name = name_for(r, out, picked[i]);
        if (into != NULL && take_into(r, into, &t, err) != BS_DONE)
            return BS_FAILED;
        out->tables[out->n_tables++] = t;
    }
    return BS_DONE;
}

static enum bs_done
rebuild_all(struct bs_restore *r, const char *into, struct bs_rebuild *out, struct bs_err *err)
{
    enum bs_done done = BS_DONE;

    if (bs_rdb_do(&r->db, "BEGIN", err) != BS_DONE)
        return BS_FAILED;
    if (into == NULL)
        done = ensure_schema(r, out->tables[0].schema, err);
    for (size_t i = 0; done == BS_DONE && i < out->n_tables; i++)
        done = rebuild_one(r, out, &out->tables[i], err);
    if (done == BS_DONE)
        return bs_rdb_commit(&r->db, err);
    bs_rdb_rollback(&r->db);
    return BS_FAILED;
}

enum bs_done
bs_rebuild_run(struct bs_restore *r,
               const char *table,
               const char *into,
               struct bs_rebuild *out,
               struct bs_err *err)
{
    struct bs_restore_step step = {.action = "run", .table = table, .rows = 0};
    enum bs_done done;

    *out = (struct bs_rebuild){0};
    if (choose_tables(r, table, into, out, err) != BS_DONE ||
        bs_restore_begin(r, &step, err) != BS_DONE)
        return BS_FAILED;
    done = rebuild_all(r, into, out, err);
    for (size_t i = 0; done == BS_DONE && i < out->n_tables; i++)
        step.rows += out->tables[i].rows;
    return bs_restore_end(r, &step, done, err);
}

/* Discarding. */

enum { SCHEMAS = 2 }; /* that a point may have */

static const char find_ours[] =
    "SELECT n.nspname, c.relname FROM pg_catalog.pg_class c"
    " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.relkind = 'r' AND pg_catalog.obj_description(c.oid, 'pg_class') = $1"
    " ORDER BY 1, 2";
static const char find_our_schemas[] =
    "SELECT n.nspname, EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.refobjid = n.oid"
    " AND d.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass)"
    " FROM pg_catalog.pg_namespace n"
    " WHERE pg_catalog.obj_description(n.oid, 'pg_namespace') = $1";

static enum bs_done
drop_one(struct bs_restore *r,
         const char *kind,
         const char *schema,
         const char *name,
         struct bs_discard *out,
         struct bs_err *err)
{
    struct bs_buf sql;
    enum bs_done done;

    bs_buf_init(&sql, SQL_MAX);
    bs_put_fmt(&sql, "DROP %s ", kind);
    bs_put_str(&sql, quoted(r, schema, name));
    done = bs_rdb_run(&r->db, &sql, err);
    bs_buf_fini(&sql);
    if (done == BS_DONE)
        out->dropped[out->n_dropped++] =
            bs_arena_fmt(&r->arena, name == NULL ? "%s" : "%s.%s", schema, name);
    return done;
}

static enum bs_done
drop_tables(struct bs_restore *r, struct bs_discard *out, struct bs_err *err)
{
    const char *values[] = {bs_rebuild_marker(r)};
    PGresult *result = bs_rdb_ask(&r->db, find_ours, 1, values, err);
    enum bs_done done = BS_DONE;

    if (result == NULL)
        return BS_FAILED;
    out->dropped =
        bs_arena_array(&r->arena, (size_t)PQntuples(result) + SCHEMAS + 1, sizeof(*out->dropped));
    if (out->dropped == NULL)
        done = BS_FAIL(err, LIMIT, "the restore's memory is used up");
    for (int i = 0; done == BS_DONE && i < PQntuples(result); i++)
        done = drop_one(r, "TABLE", PQgetvalue(result, i, 0), PQgetvalue(result, i, 1), out, err);
    PQclear(result);
    return done;
}

/* Names are made from the id: one of a run, and one that an interrupted copy-back has left. */
static enum bs_done
drop_schemas(struct bs_restore *r, struct bs_discard *out, struct bs_err *err)
{
    const char *values[] = {bs_rebuild_marker(r)};
    PGresult *result = bs_rdb_ask(&r->db, find_our_schemas, 1, values, err);
    enum bs_done done = result == NULL ? BS_FAILED : BS_DONE;

    for (int i = 0; done == BS_DONE && i < PQntuples(result) && i < SCHEMAS; i++) {
        if (PQgetvalue(result, i, 1)[0] == 't')
            out->kept = bs_rdb_text(result, i, 0, &r->arena);
        else
            done = drop_one(r, "SCHEMA", PQgetvalue(result, i, 0), NULL, out, err);
    }
    PQclear(result);
    return done;
}

static enum bs_done
discard_all(struct bs_restore *r, struct bs_discard *out, struct bs_err *err)
{

    if (bs_rdb_do(&r->db, "BEGIN", err) != BS_DONE)
        return BS_FAILED;
    if (drop_tables(r, out, err) == BS_DONE && drop_schemas(r, out, err) == BS_DONE)
        return bs_rdb_commit(&r->db, err);
    bs_rdb_rollback(&r->db);
    return BS_FAILED;
}

enum bs_done
bs_discard_run(struct bs_restore *r, struct bs_discard *out, struct bs_err *err)
{
    struct bs_restore_step step = {.action = "discard", .rows = -1};

    *out = (struct bs_discard){0};
    if (bs_restore_begin(r, &step, err) != BS_DONE)
        return BS_FAILED;
    return bs_restore_end(r, &step, discard_all(r, out, err), err);
}
