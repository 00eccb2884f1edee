/*
 * planfile.c - see planfile.h.
 */
#include "restore/planfile.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "restore/globals.h"

#define SQL_MAX   (64u << 20)
#define CANONICAL (JSON_SORT_KEYS | JSON_COMPACT)

/* Options. */

static const char *const conflicts[] = {
    [BS_COPYBACK_SKIP] = "skip",
    [BS_COPYBACK_ABORT] = "abort",
    [BS_COPYBACK_OVERWRITE] = "overwrite",
};

bool
bs_planfile_conflict(const char *word, enum bs_copyback_conflict *out)
{
    *out = BS_COPYBACK_SKIP;
    for (size_t i = 0; word != NULL && i < sizeof(conflicts) / sizeof(conflicts[0]); i++) {
        *out = (enum bs_copyback_conflict)i;
        if (strcmp(conflicts[i], word) == 0)
            return true;
    }
    return word == NULL;
}

static json_t *
options_json(const struct bs_restore *r, const struct bs_copyback_options *o)
{
    return json_pack("{s:s?,s:s?,s:s,s:b,s:b,s:b,s:b}", "table", o->table, "where",
                     r->request.where, "conflict", conflicts[o->conflict], "no_triggers",
                     o->triggers == BS_COPYBACK_SUPPRESS, "remove_inserted",
                     o->made == BS_COPYBACK_REMOVE, "set_sequences",
                     o->sequences == BS_COPYBACK_SET_BACK, "all_missing", o->all_missing);
}

static bool
is_set(const json_t *json, const char *name)
{
    return json_is_true(json_object_get(json, name));
}

static bool
take_options(const json_t *json, struct bs_planfile *out)
{
    const char *conflict = json_string_value(json_object_get(json, "conflict"));
    enum bs_copyback_conflict which;
    bool known = conflict != NULL && bs_planfile_conflict(conflict, &which);

    if (!known)
        return false;
    out->where = json_string_value(json_object_get(json, "where"));
    out->options = (struct bs_copyback_options){
        .table = json_string_value(json_object_get(json, "table")),
        .conflict = which,
        .triggers = is_set(json, "no_triggers") ? BS_COPYBACK_SUPPRESS : BS_COPYBACK_FIRE,
        .made = is_set(json, "remove_inserted") ? BS_COPYBACK_REMOVE : BS_COPYBACK_KEEP,
        .sequences = is_set(json, "set_sequences") ? BS_COPYBACK_SET_BACK : BS_COPYBACK_LEAVE,
        .all_missing = is_set(json, "all_missing"),
    };
    return true;
}

/* What would be done. */

static json_t *
foreseen_json(const struct bs_copyback_table *t)
{
    json_t *list = json_array();

    for (size_t i = 0; i < t->n_foreseen; i++)
        (void)json_array_append_new(
            list, json_pack("{s:s,s:s,s:I}", "kind", bs_foreseen_name(t->foreseen[i].kind), "name",
                            t->foreseen[i].name, "rows", (json_int_t)t->foreseen[i].rows));
    return list;
}

static json_t *
tables_json(const struct bs_copyback *c)
{
    json_t *list = json_array();

    for (size_t i = 0; i < c->n_tables; i++) {
        const struct bs_copyback_table *t = &c->tables[i];
        (void)json_array_append_new(
            list,
            json_pack("{s:s,s:s,s:b,s:I,s:I,s:I,s:I,s:I,s:o}", "schema",
                      t->diff.live.object->schema, "name", t->diff.live.object->name, "rebuilt",
                      !t->diff.live.exists, "oid", (json_int_t)t->diff.live.oid, "inserted",
                      (json_int_t)t->inserted, "updated", (json_int_t)t->updated, "removed",
                      (json_int_t)t->removed, "skipped", (json_int_t)(t->diff.changed - t->updated),
                      "foreseen", foreseen_json(t)));
    }
    return list;
}

static json_t *
objects_json(const struct bs_copyback *c)
{
    json_t *list = json_array();

    for (size_t i = 0; i < c->n_objects; i++)
        (void)json_array_append_new(list, json_string(c->objects[i]));
    return list;
}

static json_t *
globals_json(const struct bs_copyback *c)
{
    json_t *list = json_array();

    for (size_t i = 0; i < c->n_globals; i++)
        (void)json_array_append_new(list,
                                    json_pack("{s:s,s:s,s:s?}", "name", c->globals[i].name, "what",
                                              c->globals[i].what, "sql", c->globals[i].shown));
    return list;
}

/* Which database it would be done in. */
static json_t *
target_json(struct bs_restore *r, struct bs_err *err)
{
    static const char ask[] =
        "SELECT pg_catalog.current_database(), d.oid,"
        " CASE WHEN pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE')"
        " THEN (SELECT system_identifier::text FROM pg_catalog.pg_control_system()) END,"
        " CURRENT_USER"
        " FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()";
    PGresult *result = bs_rdb_ask(&r->db, ask, 0, NULL, err);
    json_t *json;

    if (result == NULL)
        return NULL;
    json = json_pack("{s:s,s:I,s:s?,s:s}", "database", PQgetvalue(result, 0, 0), "oid",
                     (json_int_t)bs_rdb_number(result, 0, 1), "system_identifier",
                     PQgetisnull(result, 0, 2) ? NULL : PQgetvalue(result, 0, 2), "role",
                     PQgetvalue(result, 0, 3));
    PQclear(result);
    if (json == NULL)
        (void)BS_FAIL(err, DATA, "the database's name is not UTF-8");
    return json;
}

static enum bs_done
manifest_digest(const struct bs_restore *r, char sha256[BS_SHA256_TEXT], struct bs_err *err)
{
    struct bs_buf text;
    enum bs_done done;

    bs_buf_init(&text, BS_MANIFEST_MAX);
    done = bs_manifest_print(&r->manifest, &text, sha256, err);
    bs_buf_fini(&text);
    return done;
}

json_t *
bs_planfile_subject(struct bs_restore *r, struct bs_err *err)
{
    char sha256[BS_SHA256_TEXT];
    json_t *target = json_null();

    if (manifest_digest(r, sha256, err) != BS_DONE)
        return NULL;
    if (r->db.conn != NULL)
        target = target_json(r, err);
    return target == NULL ? NULL
                          : json_pack("{s:s,s:o}", "manifest_sha256", sha256, "target", target);
}

/* The part of the file that has to be the same when it is used. */
static enum bs_done
what(struct bs_restore *r,
     const struct bs_copyback_options *options,
     struct bs_copyback *plan,
     json_t **out,
     struct bs_err *err)
{
    char sha256[BS_SHA256_TEXT];
    struct bs_buf sql;
    json_t *target = NULL;
    enum bs_done done;

    bs_buf_init(&sql, SQL_MAX);
    done = bs_copyback_plan(r, options, plan, err);
    if (done == BS_DONE)
        done = manifest_digest(r, sha256, err);
    if (done == BS_DONE)
        done = bs_copyback_print(r, options, &sql, err);
    if (done == BS_DONE && sql.failed)
        done = BS_FAIL(err, LIMIT, "the plan's SQL is longer than %u bytes", SQL_MAX);
    if (done == BS_DONE) {
        target = target_json(r, err);
        done = target == NULL ? BS_FAILED : BS_DONE;
    }
    if (done == BS_DONE) {
        *out = json_pack("{s:s,s:s,s:o,s:o,s:o,s:o,s:o,s:s%}", "point", r->manifest.id,
                         "manifest_sha256", sha256, "target", target, "options",
                         options_json(r, options), "tables", tables_json(plan), "objects",
                         objects_json(plan), "globals", globals_json(plan), "sql", sql.p, sql.n);
        if (*out == NULL)
            done = BS_FAIL(err, DATA, "a name or the condition is not UTF-8");
    }
    bs_buf_fini(&sql);
    return done;
}

static enum bs_done
member_what(struct bs_group_member *m,
            const struct bs_copyback_options *options,
            json_t **out,
            struct bs_err *err)
{
    char sha256[BS_SHA256_TEXT];

    m->err = (struct bs_err){0};
    m->planned = what(&m->r, options, &m->back, out, &m->err) == BS_DONE;
    if (m->planned)
        return BS_DONE;
    if (!bs_group_may_wait(&m->err)) {
        *err = m->err;
        return BS_FAILED;
    }
    if (manifest_digest(&m->r, sha256, err) != BS_DONE)
        return BS_FAILED;
    *out = json_pack("{s:s,s:s,s:s}", "point", m->r.manifest.id, "manifest_sha256", sha256, "waits",
                     m->err.message);
    return *out == NULL ? BS_FAIL(err, DATA, "a name is not UTF-8") : BS_DONE;
}

/* A group: each of its points by itself, and the SQL of all for people. */
static enum bs_done
group_what(struct bs_restore *r,
           struct bs_group *g,
           const struct bs_copyback_options *options,
           json_t **out,
           struct bs_err *err)
{
    json_t *members = json_array(), *target = NULL;
    char sha256[BS_SHA256_TEXT];
    struct bs_buf sql;
    enum bs_done done = manifest_digest(r, sha256, err);

    bs_buf_init(&sql, SQL_MAX);
    for (size_t i = 0; done == BS_DONE && i < g->n; i++) {
        json_t *one = NULL;
        done = member_what(&g->members[i], options, &one, err);
        bs_put_fmt(&sql, "-- %s\n", g->members[i].r.manifest.id);
        if (json_object_get(one, "sql") != NULL)
            bs_put_str(&sql, json_string_value(json_object_get(one, "sql")));
        (void)json_array_append_new(members, one);
    }
    if (done == BS_DONE && sql.failed)
        done = BS_FAIL(err, LIMIT, "the plan's SQL is longer than %u bytes", SQL_MAX);
    if (done == BS_DONE) {
        target = target_json(r, err);
        done = target == NULL ? BS_FAILED : BS_DONE;
    }
    if (done == BS_DONE)
        *out = json_pack("{s:s,s:s,s:o,s:o,s:O,s:s%}", "point", r->manifest.id, "manifest_sha256",
                         sha256, "target", target, "options", options_json(r, options), "members",
                         members, "sql", sql.p, sql.n);
    json_decref(members);
    bs_buf_fini(&sql);
    if (done == BS_DONE && *out == NULL)
        return BS_FAIL(err, DATA, "a name is not UTF-8");
    return done;
}

/* Files. */

static enum bs_done
digest(json_t *json, char out[BS_SHA256_TEXT], struct bs_err *err)
{
    uint8_t bytes[EVP_MAX_MD_SIZE];
    json_t *copy = json_copy(json);
    char *text;

    (void)json_object_del(copy, "sha256");
    text = json_dumps(copy, CANONICAL);
    json_decref(copy);
    if (text == NULL)
        return BS_FAIL(err, INTERNAL, "a plan cannot be written as JSON");
    bs_assert(EVP_Digest(text, strlen(text), bytes, NULL, EVP_sha256(), NULL) == 1);
    bs_hex(bytes, 32, out);
    free(text);
    return BS_DONE;
}

/* Fills the borrowed parts; false where something is not as it should be. */
static bool
take(struct bs_planfile *p)
{
    struct bs_err ignored = {0};
    const char *kind = json_string_value(json_object_get(p->json, "kind"));
    const char *expires = json_string_value(json_object_get(p->json, "expires_at"));

    p->point = json_string_value(json_object_get(p->json, "point"));
    p->manifest_sha256 = json_string_value(json_object_get(p->json, "manifest_sha256"));
    p->made_by = json_string_value(json_object_get(p->json, "made_by"));
    p->sql = json_string_value(json_object_get(p->json, "sql"));
    p->group = kind != NULL && strcmp(kind, "copy-back group") == 0;
    return kind != NULL && (p->group || strcmp(kind, "copy-back") == 0) && expires != NULL &&
           bs_time_parse(expires, &p->expires_us, &ignored) == BS_DONE && p->point != NULL &&
           p->manifest_sha256 != NULL && p->made_by != NULL && p->sql != NULL &&
           take_options(json_object_get(p->json, "options"), p);
}

/* Who, until when, and the digest; recorded. */
static enum bs_done
sign(struct bs_restore *r,
     const char *kind,
     const struct bs_planfile_maker *maker,
     struct bs_planfile *out,
     struct bs_err *err)
{
    struct bs_restore_step step = {.action = "plan", .rows = -1};
    char made[BS_TIME_TEXT], expires[BS_TIME_TEXT];

    bs_time_format(maker->now_us, made);
    bs_time_format(maker->expires_us, expires);
    (void)json_object_update_new(
        out->json, json_pack("{s:i,s:s,s:s,s:s,s:s}", "format", BS_PLANFILE_FORMAT, "kind", kind,
                             "made_by", maker->by, "made_at", made, "expires_at", expires));
    if (digest(out->json, out->sha256, err) != BS_DONE)
        return BS_FAILED;
    (void)json_object_set_new(out->json, "sha256", json_string(out->sha256));
    if (!take(out))
        return BS_FAIL(err, INTERNAL, "a plan cannot be read again");
    step.plan = out->sha256;
    step.table = out->options.table;
    if (bs_restore_begin(r, &step, err) != BS_DONE)
        return BS_FAILED;
    return bs_restore_end(r, &step, BS_DONE, err);
}

enum bs_done
bs_planfile_make(struct bs_restore *r,
                 const struct bs_copyback_options *options,
                 const struct bs_planfile_maker *maker,
                 struct bs_planfile *out,
                 struct bs_copyback *plan,
                 struct bs_err *err)
{
    if (what(r, options, plan, &out->json, err) != BS_DONE)
        return BS_FAILED;
    return sign(r, "copy-back", maker, out, err);
}

enum bs_done
bs_planfile_make_group(struct bs_restore *r,
                       struct bs_group *g,
                       const struct bs_copyback_options *options,
                       const struct bs_planfile_maker *maker,
                       struct bs_planfile *out,
                       struct bs_err *err)
{
    if (bs_group_look(g, options, err) != BS_DONE)
        return BS_FAILED;
    if (g->apart != NULL) {
        (void)BS_FAIL(err, CONFLICT, "it cannot be one transaction: %.300s", g->apart);
        bs_err_hint(err, "make a plan of each point");
        return BS_FAILED;
    }
    if (group_what(r, g, options, &out->json, err) != BS_DONE)
        return BS_FAILED;
    return sign(r, "copy-back group", maker, out, err);
}

enum bs_done
bs_planfile_print(const struct bs_planfile *p, struct bs_buf *out, struct bs_err *err)
{
    char *text = json_dumps(p->json, JSON_SORT_KEYS | JSON_INDENT(2));

    if (text == NULL)
        return BS_FAIL(err, INTERNAL, "a plan cannot be written as JSON");
    bs_put_str(out, text);
    bs_put_str(out, "\n");
    free(text);
    return out->failed ? BS_FAIL(err, LIMIT, "the plan is too long") : BS_DONE;
}

enum bs_done
bs_planfile_read(struct bs_bytes text, struct bs_planfile *out, struct bs_err *err)
{
    json_error_t bad;
    const char *said;
    json_int_t format;

    out->json = json_loadb((const char *)text.p, text.n, JSON_REJECT_DUPLICATES, &bad);
    if (!json_is_object(out->json))
        return BS_FAIL(err, DATA, "this is no plan of a restore");
    format = json_integer_value(json_object_get(out->json, "format"));
    if (format > BS_PLANFILE_FORMAT)
        return BS_FAIL(err, UNSUPPORTED, "the plan is of format %lld, which is newer than this",
                       (long long)format);
    said = json_string_value(json_object_get(out->json, "sha256"));
    if (said == NULL || format < 1)
        return BS_FAIL(err, DATA, "this is no plan of a restore");
    if (digest(out->json, out->sha256, err) != BS_DONE)
        return BS_FAILED;
    if (strcmp(said, out->sha256) != 0)
        return BS_FAIL(err, DAMAGED, "the plan was changed after it was made");
    if (!take(out))
        return BS_FAIL(err, DATA, "this is no plan of a restore");
    return BS_DONE;
}

void
bs_planfile_fini(struct bs_planfile *p)
{
    json_decref(p->json);
    *p = (struct bs_planfile){0};
}

enum bs_done
bs_planfile_check_point(struct bs_restore *r, const struct bs_planfile *p, struct bs_err *err)
{
    char sha256[BS_SHA256_TEXT];

    if (manifest_digest(r, sha256, err) != BS_DONE)
        return BS_FAILED;
    if (strcmp(p->point, r->manifest.id) == 0 && strcmp(p->manifest_sha256, sha256) == 0)
        return BS_DONE;
    return BS_FAIL(err, CONFLICT, "the plan is about another recovery point");
}

/* The first part that is not the same; NULL: none. */
static const char *
difference(const json_t *now, const json_t *then)
{
    static const char *const parts[] = {"point",   "manifest_sha256", "target",
                                        "options", "tables",          "objects",
                                        "globals", "members",         "sql"};

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        const json_t *a = json_object_get(now, parts[i]), *b = json_object_get(then, parts[i]);
        if ((a != NULL || b != NULL) && !json_equal(a, b))
            return parts[i];
    }
    return NULL;
}

/* Gives `now` up. */
static enum bs_done
must_be_same(json_t *now, const struct bs_planfile *p, struct bs_err *err)
{
    const char *part = difference(now, p->json);

    json_decref(now);
    if (part == NULL)
        return BS_DONE;
    (void)BS_FAIL(err, CONFLICT, "the plan is not what would be done now: \"%s\" differs", part);
    bs_err_hint(err, "nothing was done; make a new plan, and have it approved");
    return BS_FAILED;
}

enum bs_done
bs_planfile_compare(struct bs_restore *r,
                    const struct bs_planfile *p,
                    struct bs_copyback *now,
                    struct bs_err *err)
{
    json_t *json = NULL;

    if (what(r, &p->options, now, &json, err) != BS_DONE)
        return BS_FAILED;
    return must_be_same(json, p, err);
}

enum bs_done
bs_planfile_compare_group(struct bs_restore *r,
                          struct bs_group *g,
                          const struct bs_planfile *p,
                          struct bs_err *err)
{
    json_t *json = NULL;

    if (group_what(r, g, &p->options, &json, err) != BS_DONE)
        return BS_FAILED;
    g->bound = true;
    return must_be_same(json, p, err);
}
