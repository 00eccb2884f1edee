/*
 * lost.c - see lost.h.
 */
#include "restore/lost.h"

#include <string.h>

#include "restore/compare.h"
#include "restore/counters.h"
#include "restore/defaults.h"
#include "restore/merge.h"
#include "restore/prove.h"
#include "restore/staging.h"

#define SCRIPT_MAX (256u << 20)

bool
bs_lost_is(const struct bs_copyback_table *t)
{
    return !t->diff.live.exists;
}

/* Someone may have dropped it as a whole, initdb's own schema included. */
static enum bs_done
ensure_public(struct bs_work *w, struct bs_err *err)
{
    static const char find[] = "SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = 'public'";
    const struct bs_manifest *m = &w->r->manifest;
    bool needed = false, there;
    PGresult *result;

    for (size_t i = 0; i < m->n_objects && !needed; i++)
        needed = strcmp(m->objects[i].schema, "public") == 0;
    if (!needed)
        return BS_DONE;
    result = bs_rdb_ask(&w->r->db, find, 0, NULL, err);
    there = result != NULL && PQntuples(result) != 0;
    PQclear(result);
    if (result == NULL || there)
        return result == NULL ? BS_FAILED : BS_DONE;
    return bs_rdb_do(&w->r->db,
                     PQserverVersion(w->r->db.conn) >= 150000
                         ? "CREATE SCHEMA public AUTHORIZATION pg_database_owner;"
                           " GRANT USAGE ON SCHEMA public TO PUBLIC;"
                           " COMMENT ON SCHEMA public IS 'standard public schema'"
                         : "CREATE SCHEMA public; GRANT ALL ON SCHEMA public TO PUBLIC;"
                           " COMMENT ON SCHEMA public IS 'standard public schema'",
                     err);
}

static enum bs_done
run_section(struct bs_work *w, enum bs_definition_section section, struct bs_err *err)
{
    struct bs_buf script;
    enum bs_done done;

    if (w->out->n_objects == 0)
        return BS_DONE;
    bs_restore_tell(w->r,
                    section == BS_DEFINITION_AFTER_ROWS
                        ? "making indexes, constraints and triggers again"
                        : "making lost objects again",
                    0, 0);
    bs_buf_init(&script, SCRIPT_MAX);
    done = bs_definition_script(&w->definition, section, &script, err);
    if (done == BS_DONE)
        done = bs_definition_run(w->r, &script, err);
    bs_buf_fini(&script);
    return done;
}

static bool
has_generated(const struct bs_live *live)
{
    for (size_t i = 0; i < live->object->n_columns; i++) {
        if (live->columns[i].generated)
            return true;
    }
    return false;
}

/* A table may have no columns at all, and still rows. */
static void
put_copy_in(struct bs_buf *sql, const struct bs_point_object *o)
{
    bs_put_str(sql, "COPY ");
    bs_put_name(sql, o->schema, o->name);
    if (o->n_columns != 0) {
        bs_put_str(sql, " (");
        bs_put_column_names(sql, o);
        bs_put_str(sql, ")");
    }
    bs_put_str(sql, " FROM STDIN (");
    bs_put_format(sql, o);
    bs_put_str(sql, ", FREEZE)");
}

enum bs_done
bs_lost_copy_in(struct bs_restore *r,
                const struct bs_point_object *o,
                struct bs_buf *sql,
                struct bs_err *err)
{
    struct bs_restore_telling tell = {
        r, bs_arena_fmt(&r->arena, "loading %s.%s", o->schema, o->name), o->raw_bytes};

    put_copy_in(sql, o);
    if (bs_rdb_load(&r->db, sql, r->request.store, o, r->manifest.source.data_encoding,
                    bs_restore_tell_bytes, &tell, err) != BS_DONE)
        return BS_FAILED;
    bs_buf_clear(sql);
    return BS_DONE;
}

/* Saved rows hold generated columns, too, which COPY does not take: those go by way of a table. */
static enum bs_done
load_rebuilt(struct bs_work *w, size_t at, struct bs_buf *sql, struct bs_err *err)
{
    struct bs_live *live = &w->out->tables[at].diff.live;
    const struct bs_point_object *o = live->object;

    if (bs_restore_portable(w->r, o, err) != BS_DONE)
        return BS_FAILED;
    if (has_generated(live)) {
        if (bs_diff_load(w->r, live, at, err) != BS_DONE)
            return BS_FAILED;
        bs_merge_put_insert_all(sql, live, at);
        return bs_rdb_flush(&w->r->db, sql, err);
    }
    return bs_lost_copy_in(w->r, o, sql, err);
}

static enum bs_done
rebuild_tables(struct bs_work *w, struct bs_buf *sql, struct bs_err *err)
{
    for (size_t i = 0; i < w->out->n_tables; i++) {
        if (bs_lost_is(&w->out->tables[i]) && !bs_staging_has(w, i) &&
            (load_rebuilt(w, i, sql, err) != BS_DONE ||
             bs_prove_rows(w->r, w->out->tables[i].diff.live.object, i, err) != BS_DONE))
            return BS_FAILED;
    }
    return BS_DONE;
}

enum bs_done
bs_lost_begin(struct bs_work *w, struct bs_buf *sql, struct bs_err *err)
{
    if (w->out->n_objects != 0 &&
        (ensure_public(w, err) != BS_DONE ||
         bs_defaults_plain(&w->r->db, &w->r->arena, &w->defaults, err) != BS_DONE))
        return BS_FAILED;
    if (w->definition.n_early != 0 && run_section(w, BS_DEFINITION_BEFORE_COLUMNS, err) != BS_DONE)
        return BS_FAILED;
    if (bs_staging_publish(w, err) != BS_DONE ||
        bs_columns_apply(w->r, &w->out->columns, bs_work_columns(w), err) != BS_DONE ||
        run_section(w, BS_DEFINITION_BEFORE_ROWS, err) != BS_DONE)
        return BS_FAILED;
    return rebuild_tables(w, sql, err);
}

static bool
was_made(void *ctx, const struct bs_point_sequence *s)
{
    const struct bs_work *w = ctx;

    return bs_definition_has(&w->definition, bs_toc_key('S', s->schema, s->name, &w->r->arena));
}

/* Was it saved as one that nobody has populated? */
static bool
was_empty(const struct bs_manifest *m, const char *schema, const char *name)
{
    for (size_t i = 0; i < m->n_objects; i++) {
        const struct bs_point_object *o = &m->objects[i];
        if (o->relkind == 'm' && o->format == BS_ROWS_NONE && strcmp(o->schema, schema) == 0 &&
            strcmp(o->name, name) == 0)
            return true;
    }
    return false;
}

/* Those that this transaction has made, in the order in which it made them. */
static enum bs_done
refresh_views(struct bs_work *w, struct bs_buf *sql, struct bs_err *err)
{
    PGresult *views = bs_rdb_ask(
        &w->r->db,
        "SELECT c.oid::pg_catalog.regclass, n.nspname, c.relname FROM pg_catalog.pg_class c"
        " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'm'"
        " AND NOT c.relispopulated AND c.xmin = pg_catalog.pg_current_xact_id()::pg_catalog.xid"
        " ORDER BY c.oid",
        0, NULL, err);
    enum bs_done done = views == NULL ? BS_FAILED : BS_DONE;

    for (int i = 0; done == BS_DONE && i < PQntuples(views); i++) {
        if (was_empty(&w->r->manifest, PQgetvalue(views, i, 1), PQgetvalue(views, i, 2)))
            continue;
        bs_restore_tell(w->r, "refreshing materialized views", 0, 0);
        bs_put_fmt(sql, "REFRESH MATERIALIZED VIEW %s", PQgetvalue(views, i, 0));
        done = bs_rdb_flush(&w->r->db, sql, err);
        w->out->n_refreshed++;
    }
    PQclear(views);
    return done;
}

enum bs_done
bs_lost_end(struct bs_work *w, struct bs_buf *sql, struct bs_err *err)
{
    w->out->n_refreshed = 0;
    if (bs_staging_keys(w, err) != BS_DONE ||
        run_section(w, BS_DEFINITION_AFTER_ROWS, err) != BS_DONE ||
        (w->defaults != NULL && bs_rdb_do(&w->r->db, w->defaults, err) != BS_DONE))
        return BS_FAILED;
    /* Where rows were saved in part, nothing was lost that sequences would have to go beyond. */
    if (!w->parts &&
        bs_counters_set(w->r, w->only, was_made, w, &w->out->n_sequences, err) != BS_DONE)
        return BS_FAILED;
    return refresh_views(w, sql, err);
}
