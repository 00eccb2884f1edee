/*
 * restore.c - which point, which database, which tables.
 */
#include "restore/restore.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "audit/record.h"
#include "policy/redact.h"

#define ARENA_MAX (256u << 20) /* a manifest of BS_MANIFEST_MAX and what is said about it */

enum bs_done
bs_restore_open(const struct bs_restore_request *request,
                struct bs_restore *out,
                struct bs_err *err)
{
    out->request = *request;
    bs_arena_init(&out->arena, "restore", ARENA_MAX);
    if (bs_points_find(request->store, request->point, &out->arena, &out->ref, err) != BS_DONE)
        return BS_FAILED;
    return bs_points_load(request->store, &out->ref, &out->arena, &out->manifest, err);
}

void
bs_restore_close(struct bs_restore *r)
{
    bs_rdb_close(&r->db);
    bs_arena_fini(&r->arena);
    *r = (struct bs_restore){0};
}

/* The cluster's identifier, "" where this role may not ask. */
static enum bs_done
ask_identity(struct bs_restore *r, struct bs_err *err)
{
    static const char sql[] =
        "SELECT d.oid, CASE WHEN pg_catalog.has_function_privilege("
        "'pg_catalog.pg_control_system()', 'EXECUTE') THEN (SELECT system_identifier::text FROM "
        "pg_catalog.pg_control_system()) ELSE '' END "
        "FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()";
    const struct bs_point_source *source = &r->manifest.source;
    PGresult *result = bs_rdb_ask(&r->db, sql, 0, NULL, err);
    const char *cluster;

    if (result == NULL)
        return BS_FAILED;
    cluster = PQgetvalue(result, 0, 1);
    r->same_database = bs_rdb_number(result, 0, 0) == (int64_t)source->database_oid &&
                       (*cluster == '\0' || strcmp(cluster, source->system_identifier) == 0);
    r->db.origin = r->same_database;
    PQclear(result);
    return BS_DONE;
}

enum bs_done
bs_restore_connect(struct bs_restore *r, struct bs_err *err)
{
    if (bs_rdb_open(r->request.dsn, &r->db, err) != BS_DONE)
        return BS_FAILED;
    r->db.stop = r->request.stop;
    if (ask_identity(r, err) == BS_DONE && !r->same_database && !r->request.elsewhere) {
        (void)BS_FAIL(err, CONFLICT, "the point was taken from another database than this one");
        bs_err_hint(err, "name the database with --dsn to restore into another one");
    }
    if (err->code == BS_OK) {
        bs_stop_add(r->db.stop, r->db.conn);
        if (bs_origin_find(&r->db, r->request.store, &r->ref, &r->manifest, &r->arena, &r->origin,
                           err) == BS_DONE)
            return BS_DONE;
    }
    bs_rdb_close(&r->db);
    return BS_FAILED;
}

/* "schema.name", or the name alone. */
static bool
is_named(const struct bs_point_object *o, const char *table)
{
    size_t n = strlen(o->schema);

    if (strcmp(o->name, table) == 0)
        return true;
    return strncmp(o->schema, table, n) == 0 && table[n] == '.' &&
           strcmp(o->name, table + n + 1) == 0;
}

static const struct bs_point_object *
object_of(const struct bs_manifest *m, uint32_t oid)
{
    for (size_t i = 0; oid != 0 && i < m->n_objects; i++) {
        if (m->objects[i].oid == oid)
            return &m->objects[i];
    }
    return NULL;
}

/* The object that the name means: itself, or the partitioned table that it is a part of. */
static const struct bs_point_object *
named_by(const struct bs_manifest *m, const struct bs_point_object *o, const char *table)
{
    enum { DEEPEST = 64 }; /* a manifest could hold a circle */

    for (int i = 0; o != NULL && i < DEEPEST; i++) {
        if (is_named(o, table))
            return o;
        o = object_of(m, o->parent_oid);
        if (o != NULL && o->relkind != 'p')
            return NULL;
    }
    return NULL;
}

static const char find_tree[] = "SELECT ln.nspname, l.relname, r.oid FROM pg_catalog.pg_class r"
                                " JOIN pg_catalog.pg_namespace rn ON rn.oid = r.relnamespace"
                                " CROSS JOIN LATERAL pg_catalog.pg_partition_tree(r.oid) t"
                                " JOIN pg_catalog.pg_class l ON l.oid = t.relid"
                                " JOIN pg_catalog.pg_namespace ln ON ln.oid = l.relnamespace"
                                " WHERE r.relkind = 'p' AND t.isleaf AND (r.relname = $1 OR "
                                "rn.nspname || '.' || r.relname = $1)"
                                " ORDER BY 1, 2";

/* A point of rows holds partitions only: which table they are of, the database says. */
static enum bs_done
pick_tree(struct bs_restore *r,
          const char *table,
          const struct bs_point_object **out,
          size_t *n,
          struct bs_err *err)
{
    const struct bs_manifest *m = &r->manifest;
    PGresult *leaves = bs_rdb_ask(&r->db, find_tree, 1, &table, err);
    enum bs_done done = leaves == NULL ? BS_FAILED : BS_DONE;
    int64_t root = 0;

    for (int i = 0; done == BS_DONE && i < PQntuples(leaves); i++) {
        for (size_t k = 0; k < m->n_objects; k++) {
            const struct bs_point_object *o = &m->objects[k];
            if (!o->partial || strcmp(o->schema, PQgetvalue(leaves, i, 0)) != 0 ||
                strcmp(o->name, PQgetvalue(leaves, i, 1)) != 0)
                continue;
            if (root != 0 && root != bs_rdb_number(leaves, i, 2)) {
                done = BS_FAIL(err, CONFLICT, "the point holds several tables called \"%.130s\"",
                               table);
                break;
            }
            root = bs_rdb_number(leaves, i, 2);
            out[(*n)++] = o;
        }
    }
    PQclear(leaves);
    return done;
}

enum bs_done
bs_restore_pick(struct bs_restore *r,
                const char *table,
                const struct bs_point_object ***out,
                size_t *n,
                struct bs_err *err)
{
    const struct bs_manifest *m = &r->manifest;
    const struct bs_point_object *meant = NULL;

    *n = 0;
    *out = bs_arena_array(&r->arena, m->n_objects + 1, sizeof(**out));
    if (*out == NULL)
        return BS_FAIL(err, LIMIT, "the point has too many objects");
    for (size_t i = 0; i < m->n_objects; i++) {
        const struct bs_point_object *o = &m->objects[i];
        const struct bs_point_object *by = table == NULL ? o : named_by(m, o, table);
        if (o->format == BS_ROWS_NONE || by == NULL)
            continue;
        if (table != NULL && meant != NULL && meant != by)
            return BS_FAIL(err, CONFLICT, "the point holds several tables called \"%.130s\"",
                           table);
        meant = by;
        (*out)[(*n)++] = o;
    }
    if (table != NULL && *n == 0 && r->db.conn != NULL &&
        pick_tree(r, table, *out, n, err) != BS_DONE)
        return BS_FAILED;
    if (table != NULL && *n == 0)
        return BS_FAIL(err, NOT_FOUND, "the point holds no rows of \"%.130s\"", table);
    return BS_DONE;
}

/* regproc and its like, and arrays of them; as text they are names. */
static bool
is_number_of_something(uint32_t type)
{
    static const uint32_t types[] = {24,   2202, 2203, 2204, 2205, 2206, 3734, 3769,
                                     4089, 4096, 4191, 1008, 2207, 2208, 2209, 2210,
                                     2211, 3735, 3770, 4090, 4097, 4192};

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (types[i] == type)
            return true;
    }
    return false;
}

enum bs_done
bs_restore_portable(const struct bs_restore *r,
                    const struct bs_point_object *object,
                    struct bs_err *err)
{
    for (size_t i = 0; !r->same_database && i < object->n_columns; i++) {
        const struct bs_point_column *c = &object->columns[i];
        if (object->format == BS_ROWS_BINARY && is_number_of_something(c->type_oid))
            return BS_FAIL(err, UNSUPPORTED,
                           "column \"%.63s\" of \"%.63s\" is of type %.60s: its values are numbers"
                           " of the database that they were taken from",
                           c->name, object->name, c->type);
    }
    return BS_DONE;
}

void
bs_restore_tell(struct bs_restore *r, const char *step, int64_t bytes, int64_t of)
{
    struct bs_restore_progress p = {step, bytes, of};

    if (r->request.watch != NULL)
        r->request.watch(r->request.watch_ctx, &p);
}

void
bs_restore_tell_bytes(void *ctx, int64_t bytes)
{
    const struct bs_restore_telling *t = ctx;

    bs_restore_tell(t->r, t->step, bytes, t->of);
}

/* Records. */

static const struct bs_audit_digest *
redacts(const struct bs_restore *r)
{
    return bs_audit_redacts(r->request.audit, BS_AUDIT_REDACT_LITERALS);
}

/* {"step":"run","table":"users","rows":12,"before":"RP-..."}; freed by the caller. */
static char *
details_of(struct bs_restore *r, const struct bs_restore_step *step)
{
    struct bs_bytes where = {0};
    struct bs_err err = {0};
    json_t *json;
    char *text;

    if (r->request.where != NULL && bs_redact_statement(redacts(r), bs_bytes_of(r->request.where),
                                                        &r->arena, &where, &err) != BS_DONE)
        return NULL;
    json = json_pack("{s:s}", "step", step->action);
    if (step->table != NULL)
        (void)json_object_set_new(json, "table", json_string(step->table));
    if (r->db.conn != NULL && !r->same_database)
        (void)json_object_set_new(
            json, "elsewhere",
            json_sprintf("%s:%s/%s", PQhost(r->db.conn), PQport(r->db.conn), PQdb(r->db.conn)));
    if (step->plan != NULL)
        (void)json_object_set_new(json, "plan", json_string(step->plan));
    if (where.n != 0)
        (void)json_object_set_new(json, "where", json_stringn((const char *)where.p, where.n));
    if (step->rows >= 0)
        (void)json_object_set_new(json, "rows", json_integer(step->rows));
    if (step->before != NULL && step->before[0] != '\0')
        (void)json_object_set_new(json, "before", json_string(step->before));
    text = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    return text;
}

static enum bs_done
note(struct bs_restore *r,
     const struct bs_restore_step *step,
     const char *outcome,
     const struct bs_err *why,
     struct bs_err *err)
{
    char *details = details_of(r, step);
    struct bs_audit_record record = {
        .kind = BS_AUDIT_RESTORE,
        .operator_ = r->request.by,
        .database = r->request.database,
        .ticket = r->manifest.actor.ticket,
        .point = r->manifest.id,
        .action = step->action,
        .subject = step->table,
        .outcome = outcome,
        .sqlstate = why != NULL && why->sqlstate[0] != '\0' ? why->sqlstate : NULL,
        .text = why == NULL ? NULL : bs_redact_sentence(redacts(r), why->message, &r->arena),
        .detail = details,
    };
    enum bs_done done = BS_FAILED;

    if (details == NULL)
        (void)BS_FAIL(err, DATA, "the table's name or the condition is not UTF-8, or too long");
    else
        done = bs_audit_write(r->request.audit, &record, NULL, err);
    free(details);
    return done;
}

enum bs_done
bs_restore_begin(struct bs_restore *r, const struct bs_restore_step *step, struct bs_err *err)
{
    if (r->request.audit == NULL)
        return BS_FAIL(err, USAGE, "a restore needs an audit log to record its steps");
    return note(r, step, "started", NULL, err);
}

static enum bs_done
record(struct bs_restore *r, const struct bs_restore_step *step, struct bs_err *err)
{
    char *details = details_of(r, step);
    struct bs_point_event e = {.state = BS_EVENT_RESTORED, .by = r->request.by, .details = details};
    enum bs_done done = bs_points_event(r->request.store, r->ref.dir, &e, err);

    free(details);
    return done;
}

enum bs_done
bs_restore_end(struct bs_restore *r,
               const struct bs_restore_step *step,
               enum bs_done done,
               struct bs_err *err)
{
    struct bs_err other = {0};
    enum bs_done kept = BS_DONE;

    if (done != BS_DONE) {
        (void)note(r, step, err->code == BS_E_UNCERTAIN ? "uncertain" : "failed", err, &other);
        return BS_FAILED;
    }
    if (step->rows >= 0)
        kept = record(r, step, &other);
    if (note(r, step, "done", NULL, &other) == BS_DONE && kept == BS_DONE)
        return BS_DONE;
    *err = other;
    bs_err_prefix(err, "the step is done, but could not be recorded");
    return BS_FAILED;
}
