/*
 * staging.c - everything here may fail without harm: then the transaction does it all itself.
 */
#include "restore/staging.h"

#include <string.h>

#include "restore/defaults.h"
#include "restore/lost.h"
#include "restore/prove.h"
#include "restore/rebuild.h"
#include "restore/staged_index.h"
#include "restore/text.h"

#define SQL_MAX (4u << 20)

/* Below, the round trips and sessions cost more than they save. Bytes of COPY stream. */
enum { WORTH_IT = 8 << 20 };

enum { BUILDERS = 2 };

struct staged_table {
    size_t at;                    /* of the work's tables */
    size_t entry;                 /* of the saved dump */
    const char *owner;            /* quoted */
    struct bs_point_object there; /* as saved, but for its schema */
};

struct staged_index {
    struct bs_staged_index is;
    const struct staged_table *table;
};

struct bs_staging {
    const char *schema;
    const char *xid; /* of the transaction that made them */
    struct staged_table *tables;
    size_t n_tables;
    struct staged_index *indexes;
    size_t n_indexes;
    bool *unfit;   /* of the work's tables: found when they were made */
    bool *entries; /* of the saved dump: made here */
    struct bs_rdb builders[BUILDERS];
    bool built; /* the indexes are there */
    bool failed;
};

/* Choosing. */

static bool
needs(const struct bs_toc_entry *e, const struct bs_toc_entry *of)
{
    bool found = false;

    for (size_t i = 0; i < e->n_needs && !found; i++)
        found = e->needs[i] == of->dump_id;
    return found;
}

/* An entry that has to be made again and needs this one; of that kind, or of any. */
static bool
is_needed(const struct bs_definition *d, const struct bs_toc_entry *e, const char *kind)
{
    bool found = false;

    for (size_t i = 0; i < d->n_chosen && !found; i++) {
        const struct bs_toc_entry *other = &d->saved.list[d->chosen[i]];
        found = needs(other, e) && bs_toc_is(other, kind);
    }
    return found;
}

/* True where all that it needs is there, but for `besides`. */
static bool
stands_alone(const struct bs_definition *d,
             const struct bs_toc_entry *e,
             const struct bs_toc_entry *besides)
{
    bool alone = true;

    for (size_t i = 0; i < d->n_chosen && alone; i++) {
        const struct bs_toc_entry *other = &d->saved.list[d->chosen[i]];
        alone = other == besides || !needs(e, other);
    }
    return alone;
}

static bool
has_plain_rows(const struct bs_point_object *o)
{
    bool plain = o->relkind == 'r' && o->format == BS_ROWS_BINARY && o->n_columns != 0 &&
                 o->raw_bytes >= WORTH_IT;

    for (size_t i = 0; i < o->n_columns && plain; i++)
        plain = o->columns[i].generated == 0;
    return plain;
}

/* d->saved.n: it is not made again. */
static size_t
entry_of(const struct bs_work *w, const struct bs_point_object *o)
{
    const struct bs_definition *d = &w->definition;
    struct bs_bytes key = bs_toc_key(o->relkind, o->schema, o->name, &w->r->arena);

    for (size_t i = 0; i < d->n_chosen; i++) {
        if (bs_bytes_equal(d->saved.list[d->chosen[i]].key, key))
            return d->chosen[i];
    }
    return d->saved.n;
}

static void
choose_indexes(struct bs_work *w, struct bs_staging *s, const struct staged_table *t)
{
    const struct bs_definition *d = &w->definition;
    const struct bs_toc_entry *table = &d->saved.list[t->entry];

    for (size_t i = 0; i < d->n_chosen; i++) {
        const struct bs_toc_entry *e = &d->saved.list[d->chosen[i]];
        struct staged_index *x = &s->indexes[s->n_indexes];
        /* pg_restore tells a comment's section by the entry before: without that it comes too early. */
        if (!needs(e, table) || !stands_alone(d, e, table) || is_needed(d, e, "COMMENT") ||
            is_needed(d, e, "INDEX ATTACH") ||
            !bs_staged_index_parse(d->saved_says.texts[d->chosen[i]], &x->is))
            continue;
        x->table = t;
        s->entries[d->chosen[i]] = true;
        s->n_indexes++;
    }
}

static bool
choose_table(struct bs_work *w, struct bs_staging *s, size_t at)
{
    const struct bs_definition *d = &w->definition;
    const struct bs_point_object *o = w->out->tables[at].diff.live.object;
    struct staged_table *t = &s->tables[s->n_tables];
    const struct bs_toc_entry *e;

    if (!bs_lost_is(&w->out->tables[at]) || !has_plain_rows(o) || s->unfit[at])
        return false;
    *t = (struct staged_table){.at = at, .entry = entry_of(w, o), .there = *o};
    t->there.schema = s->schema;
    if (t->entry == d->saved.n)
        return false;
    e = &d->saved.list[t->entry];
    return stands_alone(d, e, NULL) && !is_needed(d, e, "TABLE ATTACH");
}

static bool
make_room(struct bs_work *w, struct bs_staging *s)
{
    const struct bs_definition *d = &w->definition;
    struct bs_arena *a = &w->r->arena;

    s->schema = bs_arena_fmt(a, "%s_loading", bs_rebuild_schema(w->r));
    s->tables = bs_arena_array(a, w->out->n_tables + 1, sizeof(*s->tables));
    s->unfit = bs_arena_array(a, w->out->n_tables + 1, sizeof(*s->unfit));
    s->indexes = bs_arena_array(a, d->n_chosen + 1, sizeof(*s->indexes));
    s->entries = bs_arena_array(a, d->saved.n + 1, sizeof(*s->entries));
    return s->schema != NULL && s->tables != NULL && s->unfit != NULL && s->indexes != NULL &&
           s->entries != NULL;
}

/* False where nothing is fit for it. */
static bool
choose(struct bs_work *w, struct bs_staging *s)
{
    s->n_tables = s->n_indexes = 0;
    memset(s->entries, 0, (w->definition.saved.n + 1) * sizeof(*s->entries));
    for (size_t i = 0; i < w->out->n_tables; i++) {
        size_t n = s->n_indexes;
        if (!choose_table(w, s, i))
            continue;
        choose_indexes(w, s, &s->tables[s->n_tables]);
        if (s->n_indexes == n)
            continue; /* nothing that could be done beside the proof */
        s->entries[s->tables[s->n_tables].entry] = true;
        s->n_tables++;
    }
    return s->n_tables != 0;
}

/* Loading. */

/*
 * One row where it may be done, and nobody else is at it: the session keeps the lock. $1: what it is
 * a lock of.
 */
static const char may_stage[] =
    "SELECT 1 WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_event_trigger WHERE evtenabled <> 'D')"
    " AND NOT EXISTS (SELECT FROM pg_catalog.pg_replication_slots"
    " WHERE slot_type = 'logical' AND database = pg_catalog.current_database())"
    " AND pg_catalog.pg_try_advisory_lock(pg_catalog.hashtextextended($1, 0))";

/* What an earlier one has left, and nothing that somebody has put there. */
static const char find_left[] =
    "SELECT COALESCE(pg_catalog.string_agg('DROP TABLE ' || pg_catalog.quote_ident(n.nspname)"
    " || '.' || pg_catalog.quote_ident(c.relname) || '; ', ''), '') || 'DROP SCHEMA '"
    " || pg_catalog.quote_ident(n.nspname) FROM pg_catalog.pg_namespace n"
    " LEFT JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relkind = 'r'"
    " AND pg_catalog.obj_description(c.oid, 'pg_class') = $2"
    " WHERE n.nspname = $1 AND pg_catalog.obj_description(n.oid, 'pg_namespace') = $2"
    " GROUP BY n.nspname";

/* The owner, where rows go in and out by the server's own code, and nobody else has to do with it. */
static const char find_fit[] =
    "SELECT pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(c.relowner))"
    " FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind = 'r' AND c.relpersistence = 'p'"
    " AND c.relacl IS NULL AND NOT c.relrowsecurity AND c.reloftype = 0"
    " AND NOT EXISTS (SELECT FROM pg_catalog.pg_inherits i WHERE c.oid IN (i.inhrelid, "
    "i.inhparent))"
    " AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k"
    " WHERE k.conrelid = c.oid AND k.contype <> 'n')"
    " AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid"
    " AND a.attnum > 0 AND NOT a.attisdropped AND (a.atttypid >= 16384 OR a.attgenerated <> ''))";

/* One row where nobody has changed what was made: $1 schema, $2 name, $3 by which transaction. */
static const char find_same[] =
    "SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " WHERE n.nspname = $1 AND c.relname = $2 AND c.xmin = $3::pg_catalog.xid AND c.relacl IS NULL"
    " AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a"
    " WHERE a.attrelid = c.oid AND a.xmin <> $3::pg_catalog.xid)"
    " AND NOT EXISTS (SELECT FROM pg_catalog.pg_policy p WHERE p.polrelid = c.oid)";

static enum bs_done
drop_left(struct bs_work *w, const struct bs_staging *s, struct bs_err *err)
{
    const char *values[] = {s->schema, bs_rebuild_marker(w->r)};
    PGresult *result = bs_rdb_ask(&w->r->db, find_left, 2, values, err);
    enum bs_done done = result == NULL ? BS_FAILED : BS_DONE;

    if (result != NULL && PQntuples(result) != 0)
        done = bs_rdb_do(&w->r->db, PQgetvalue(result, 0, 0), err);
    PQclear(result);
    return done;
}

/* By the saved definition, where they were; from there they are moved before anybody sees them. */
static enum bs_done
make_tables(struct bs_work *w, const struct bs_staging *s, struct bs_err *err)
{
    size_t *entries = bs_arena_array(&w->r->arena, s->n_tables + 1, sizeof(*entries));
    struct bs_buf script;
    enum bs_done done;

    if (entries == NULL)
        return BS_FAIL(err, LIMIT, "the restore's memory is used up");
    for (size_t i = 0, n = 0; i < w->definition.n_chosen; i++) {
        for (size_t k = 0; k < s->n_tables; k++) {
            if (s->tables[k].entry == w->definition.chosen[i])
                entries[n++] = w->definition.chosen[i];
        }
    }
    bs_buf_init(&script, SQL_MAX);
    done =
        bs_definition_sql(&w->definition, BS_DEFINITION_SAVED, entries, s->n_tables, &script, err);
    if (done == BS_DONE)
        done = bs_definition_run(w->r, &script, err);
    bs_buf_fini(&script);
    return done;
}

/* Row security without a policy hides it from roles that may read or write everything. */
static void
put_away(struct bs_work *w, const struct staged_table *t, struct bs_buf *sql)
{
    const struct bs_point_object *o = w->out->tables[t->at].diff.live.object;

    bs_put_str(sql, "ALTER TABLE ");
    bs_put_name(sql, o->schema, o->name);
    bs_put_str(sql, " SET SCHEMA ");
    bs_put_ident(sql, t->there.schema);
    bs_put_str(sql, "; ALTER TABLE ");
    bs_put_name(sql, t->there.schema, o->name);
    bs_put_str(sql, " OWNER TO CURRENT_USER; ALTER TABLE ");
    bs_put_name(sql, t->there.schema, o->name);
    bs_put_str(sql, " ENABLE ROW LEVEL SECURITY; COMMENT ON TABLE ");
    bs_put_name(sql, t->there.schema, o->name);
    bs_put_str(sql, " IS ");
    bs_put_literal(sql, bs_rebuild_marker(w->r));
    bs_put_str(sql, "; ");
}

static enum bs_done
look_at(struct bs_work *w, struct bs_staging *s, struct staged_table *t, struct bs_err *err)
{
    const struct bs_point_object *o = w->out->tables[t->at].diff.live.object;
    const char *values[] = {o->schema, o->name};
    PGresult *result = bs_rdb_ask(&w->r->db, find_fit, 2, values, err);

    if (result == NULL)
        return BS_FAILED;
    if (PQntuples(result) != 0)
        t->owner = bs_rdb_text(result, 0, 0, &w->r->arena);
    PQclear(result);
    s->unfit[t->at] = t->owner == NULL;
    return BS_DONE;
}

static enum bs_done
move_tables(struct bs_work *w, struct bs_staging *s, struct bs_buf *sql, struct bs_err *err)
{
    bool fit = true;

    for (size_t i = 0; i < s->n_tables; i++) {
        if (look_at(w, s, &s->tables[i], err) != BS_DONE)
            return BS_FAILED;
        fit = fit && !s->unfit[s->tables[i].at];
    }
    if (!fit)
        return BS_FAIL(err, UNSUPPORTED, "a table has to be loaded within the transaction");
    for (size_t i = 0; i < s->n_tables; i++)
        put_away(w, &s->tables[i], sql);
    return bs_rdb_flush(&w->r->db, sql, err);
}

static enum bs_done
note_xid(struct bs_work *w, struct bs_staging *s, struct bs_err *err)
{
    static const char xid[] = "SELECT pg_catalog.pg_current_xact_id()::pg_catalog.xid";
    PGresult *result = bs_rdb_ask(&w->r->db, xid, 0, NULL, err);

    if (result == NULL)
        return BS_FAILED;
    s->xid = bs_rdb_text(result, 0, 0, &w->r->arena);
    PQclear(result);
    return s->xid == NULL ? BS_FAIL(err, LIMIT, "the restore's memory is used up") : BS_DONE;
}

static enum bs_done
load(struct bs_work *w, struct bs_staging *s, struct bs_buf *sql, struct bs_err *err)
{
    const char *defaults = NULL;

    if (bs_rdb_do(&w->r->db, "BEGIN", err) != BS_DONE || note_xid(w, s, err) != BS_DONE ||
        drop_left(w, s, err) != BS_DONE ||
        bs_rebuild_make_schema(w->r, s->schema, err) != BS_DONE ||
        bs_defaults_plain(&w->r->db, &w->r->arena, &defaults, err) != BS_DONE ||
        make_tables(w, s, err) != BS_DONE || move_tables(w, s, sql, err) != BS_DONE ||
        bs_rdb_do(&w->r->db, defaults, err) != BS_DONE)
        return BS_FAILED;
    for (size_t i = 0; i < s->n_tables; i++) {
        if (bs_lost_copy_in(w->r, &s->tables[i].there, sql, err) != BS_DONE)
            return BS_FAILED;
    }
    return bs_rdb_commit(&w->r->db, err);
}

static bool
may(struct bs_work *w, const struct bs_staging *s)
{
    const char *values[] = {s->schema};
    struct bs_err ignored = {0};
    PGresult *result = bs_rdb_ask(&w->r->db, may_stage, 1, values, &ignored);
    bool yes = result != NULL && PQntuples(result) != 0;

    PQclear(result);
    return yes;
}

/* Once more without those that turn out to be unfit: each round has fewer. */
static enum bs_done
load_fit(struct bs_work *w, struct bs_staging *s)
{
    enum bs_done done = BS_FAILED;
    struct bs_buf sql;

    bs_buf_init(&sql, SQL_MAX);
    for (size_t before = SIZE_MAX; done != BS_DONE && choose(w, s) && s->n_tables < before;) {
        struct bs_err why = {0};
        before = s->n_tables;
        bs_buf_clear(&sql);
        done = load(w, s, &sql, &why);
        if (done != BS_DONE)
            bs_rdb_rollback(&w->r->db);
    }
    bs_buf_fini(&sql);
    return done;
}

void
bs_staging_open(struct bs_work *w)
{
    const struct bs_definition *d = &w->definition;
    struct bs_staging *s = bs_arena_take(&w->r->arena, sizeof(*s));

    if (s == NULL || !w->defined || !w->r->same_database || d->n_early != 0 ||
        !d->saved_says.certain || !make_room(w, s) || !choose(w, s) || !may(w, s))
        return;
    w->staging = s;
    if (load_fit(w, s) == BS_DONE)
        w->definition.staged = s->entries;
    else
        bs_staging_close(w);
}

bool
bs_staging_has(const struct bs_work *w, size_t at)
{
    bool found = false;

    for (size_t i = 0; w->staging != NULL && i < w->staging->n_tables && !found; i++)
        found = w->staging->tables[i].at == at;
    return found;
}

/* Indexes. */

/* What takes longest has a session of its own: almost always that is what is no B-tree. */
static size_t
builder_of(const struct bs_staging *s, size_t at)
{
    size_t slow = 0;

    for (size_t i = 0; i < s->n_indexes; i++)
        slow += !bs_bytes_equal(s->indexes[i].is.method, BS_LIT("btree"));
    if (slow == 0 || slow == s->n_indexes)
        return at % BUILDERS;
    return bs_bytes_equal(s->indexes[at].is.method, BS_LIT("btree")) ? 1 : 0;
}

static void
put_index(const struct bs_work *w, const struct staged_index *x, struct bs_buf *sql)
{
    bool gin = w->definition.gin_apart && bs_bytes_equal(x->is.method, BS_LIT("gin"));

    bs_put_fmt(sql, "SET default_tablespace = ''; SET maintenance_work_mem = '%s'; ",
               gin ? BS_RDB_GIN_MEMORY : BS_RDB_MAINTENANCE_MEMORY);
    bs_put_staged_index(sql, &x->is, x->table->there.schema, x->table->there.name);
    bs_put_str(sql, "; ");
}

static enum bs_done
start_building(struct bs_work *w, struct bs_staging *s, struct bs_buf *sql, struct bs_err *err)
{
    enum bs_done done = BS_DONE;

    for (size_t k = 0; done == BS_DONE && k < BUILDERS; k++) {
        for (size_t i = 0; i < s->n_indexes; i++) {
            if (builder_of(s, i) == k)
                put_index(w, &s->indexes[i], sql);
        }
        if (sql->n == 0)
            continue;
        done = bs_rdb_open(w->r->request.dsn, &s->builders[k], err);
        if (done == BS_DONE)
            done = bs_rdb_start(&s->builders[k], sql, err);
        bs_buf_clear(sql);
    }
    return done;
}

static enum bs_done
end_building(struct bs_work *w, struct bs_staging *s, struct bs_err *err)
{
    enum bs_done done = BS_DONE;

    bs_restore_tell(w->r, "building indexes", 0, 0);
    for (size_t k = 0; done == BS_DONE && k < BUILDERS; k++) {
        if (s->builders[k].conn != NULL)
            done = bs_rdb_wait(&s->builders[k], err);
    }
    return done;
}

static void
stop_building(struct bs_staging *s)
{
    for (size_t k = 0; k < BUILDERS; k++) {
        if (s->builders[k].conn != NULL)
            bs_rdb_stop(&s->builders[k]);
        bs_rdb_close(&s->builders[k]);
    }
}

/* Publishing. */

/* Against every change, but not against building indexes: until the transaction ends. */
static enum bs_done
lock_tables(struct bs_work *w, const struct bs_staging *s, struct bs_buf *sql, struct bs_err *err)
{
    for (size_t i = 0; i < s->n_tables; i++) {
        bs_put_str(sql, "LOCK TABLE ");
        bs_put_name(sql, s->schema, s->tables[i].there.name);
        bs_put_str(sql, " IN SHARE MODE; ");
    }
    return bs_rdb_flush(&w->r->db, sql, err);
}

static enum bs_done
check_same(struct bs_work *w,
           const struct bs_staging *s,
           const struct staged_table *t,
           struct bs_err *err)
{
    const char *values[] = {s->schema, t->there.name, s->xid};
    PGresult *result = bs_rdb_ask(&w->r->db, find_same, 3, values, err);
    bool same = result != NULL && PQntuples(result) != 0;

    PQclear(result);
    if (result == NULL || same)
        return result == NULL ? BS_FAILED : BS_DONE;
    return BS_FAIL(err, CONFLICT, "\"%.63s\" was altered while it was loaded", t->there.name);
}

static enum bs_done
prove_tables(struct bs_work *w, const struct bs_staging *s, struct bs_err *err)
{
    enum bs_done done = BS_DONE;

    for (size_t i = 0; done == BS_DONE && i < s->n_tables; i++) {
        done = check_same(w, s, &s->tables[i], err);
        if (done == BS_DONE)
            done = bs_prove_rows(w->r, &s->tables[i].there, s->tables[i].at, err);
    }
    return done;
}

static enum bs_done
build_indexes(struct bs_work *w, struct bs_staging *s, struct bs_buf *sql, struct bs_err *err)
{
    bool done = (s->built || start_building(w, s, sql, err) == BS_DONE) &&
                prove_tables(w, s, err) == BS_DONE &&
                (s->built || end_building(w, s, err) == BS_DONE);

    s->built = s->built || done;
    stop_building(s);
    return done ? BS_DONE : BS_FAILED;
}

static enum bs_done
give_places(struct bs_work *w, const struct bs_staging *s, struct bs_buf *sql, struct bs_err *err)
{
    for (size_t i = 0; i < s->n_tables; i++) {
        const struct staged_table *t = &s->tables[i];
        const struct bs_point_object *o = w->out->tables[t->at].diff.live.object;
        bs_put_str(sql, "COMMENT ON TABLE ");
        bs_put_name(sql, s->schema, o->name);
        bs_put_str(sql, " IS NULL; ALTER TABLE ");
        bs_put_name(sql, s->schema, o->name);
        bs_put_str(sql, " DISABLE ROW LEVEL SECURITY; ALTER TABLE ");
        bs_put_name(sql, s->schema, o->name);
        bs_put_str(sql, " SET SCHEMA ");
        bs_put_ident(sql, o->schema);
        bs_put_str(sql, "; ALTER TABLE ");
        bs_put_name(sql, o->schema, o->name);
        bs_put_fmt(sql, " OWNER TO %s; ", t->owner);
    }
    bs_put_str(sql, "DROP SCHEMA ");
    bs_put_ident(sql, s->schema);
    return bs_rdb_flush(&w->r->db, sql, err);
}

enum bs_done
bs_staging_publish(struct bs_work *w, struct bs_err *err)
{
    struct bs_staging *s = w->staging;
    struct bs_buf sql;

    if (s == NULL)
        return BS_DONE;
    bs_buf_init(&sql, SQL_MAX);
    s->failed = lock_tables(w, s, &sql, err) != BS_DONE ||
                build_indexes(w, s, &sql, err) != BS_DONE ||
                give_places(w, s, &sql, err) != BS_DONE;
    bs_buf_fini(&sql);
    return s->failed ? BS_FAILED : BS_DONE;
}

enum bs_done
bs_staging_keys(struct bs_work *w, struct bs_err *err)
{
    struct bs_staging *s = w->staging;
    struct bs_buf sql;

    if (s == NULL)
        return BS_DONE;
    bs_buf_init(&sql, SQL_MAX);
    for (size_t i = 0; i < s->n_indexes; i++) {
        const struct staged_index *x = &s->indexes[i];
        const struct bs_point_object *o = w->out->tables[x->table->at].diff.live.object;
        if (x->is.key == NULL)
            continue;
        bs_put_staged_key(&sql, &x->is, o->schema, o->name);
        bs_put_str(&sql, "; ");
    }
    s->failed = bs_rdb_flush(&w->r->db, &sql, err) != BS_DONE;
    bs_buf_fini(&sql);
    return s->failed ? BS_FAILED : BS_DONE;
}

bool
bs_staging_failed(const struct bs_work *w)
{
    return w->staging != NULL && w->staging->failed;
}

/* What is left where the connection is lost, too, goes later. */
void
bs_staging_close(struct bs_work *w)
{
    const char *values[] = {w->staging == NULL ? NULL : w->staging->schema};
    struct bs_err ignored = {0};

    if (w->staging == NULL)
        return;
    stop_building(w->staging);
    if (drop_left(w, w->staging, &ignored) != BS_DONE)
        bs_rdb_rollback(&w->r->db);
    PQclear(bs_rdb_ask(&w->r->db,
                       "SELECT pg_catalog.pg_advisory_unlock(pg_catalog.hashtextextended($1, 0))",
                       1, values, &ignored));
    w->staging = NULL;
    w->definition.staged = NULL;
}
