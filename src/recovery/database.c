/*
 * database.c - two doors are closed, one after the other: the first leaves room for pg_dump, the
 * second for nobody.
 *
 * That nothing is lost between the dump and the statement is proven by the server's own counters:
 * from before the dump's snapshot until nobody can connect any more no row of the database may have
 * changed. Numbers that were drawn from sequences meanwhile are not seen.
 */
#include "recovery/database.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "recovery/dump.h"
#include "recovery/fence.h"
#include "recovery/steps.h"
#include "recovery/verify.h"

enum { LEAVE_MS = 10000, LOOK_MS = 20, COLLECTED_MS = 1200 };

#define ROWS                                                                                       \
    "'SELECT pg_catalog.count(*), COALESCE(pg_catalog.sum(pg_catalog.hashtextextended("            \
    "ROW(t.*)::pg_catalog.text, 0)), 0)::pg_catalog.text FROM ONLY %I.%I t'"
#define STATE "'SELECT 1, pg_catalog.concat(last_value, '' '', is_called) FROM %I.%I'"

const char bs_database_counts[] =
    "SELECT n.nspname, c.relname, pg_catalog.format(CASE c.relkind WHEN 'S' THEN " STATE
    " ELSE " ROWS " END, n.nspname, c.relname) FROM pg_catalog.pg_class c"
    " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
    " WHERE c.relkind IN ('r', 'S') AND c.relpersistence <> 't'"
    " AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')"
    " UNION ALL SELECT '', 'large objects', 'SELECT pg_catalog.count(*), COALESCE(pg_catalog.sum("
    "pg_catalog.hashtextextended(pg_catalog.concat(m.oid, '' '', pg_catalog.md5("
    "pg_catalog.lo_get(m.oid))), 0)), 0)::pg_catalog.text"
    " FROM pg_catalog.pg_largeobject_metadata m' ORDER BY 1, 2";

const char bs_database_pin[] = "SET lc_monetary = 'C'";

/* Every change of a row of this database since its counters began, but for statistics. */
static const char changes[] =
    "SELECT pg_catalog.md5(pg_catalog.string_agg(pg_catalog.concat_ws(' ', c.oid,"
    " pg_catalog.pg_stat_get_tuples_inserted(c.oid), pg_catalog.pg_stat_get_tuples_updated(c.oid),"
    " pg_catalog.pg_stat_get_tuples_deleted(c.oid)), ',' ORDER BY c.oid))"
    " FROM pg_catalog.pg_class c WHERE c.relkind IN ('r', 'm') AND NOT c.relisshared"
    " AND c.relname NOT IN ('pg_statistic', 'pg_statistic_ext_data')";

/* --- connections -------------------------------------------------------------------------- */

static void
put_quoted(struct bs_buf *out, const char *value)
{
    bs_put_u8(out, '\'');
    for (; *value != '\0'; value++) {
        if (*value == '\'' || *value == '\\')
            bs_put_u8(out, '\\');
        bs_put_u8(out, (uint8_t)*value);
    }
    bs_put_str(out, "' ");
}

const char *
bs_database_conninfo(struct bs_arena *arena, const char *conninfo, const char *database)
{
    PQconninfoOption *all = PQconninfoParse(conninfo, NULL);
    const char *text = NULL;
    struct bs_buf out;

    if (all == NULL)
        return NULL;
    bs_buf_init(&out, 1 << 16);
    for (const PQconninfoOption *o = all; o->keyword != NULL; o++) {
        if (o->val == NULL || strcmp(o->keyword, "dbname") == 0)
            continue;
        bs_put_fmt(&out, "%s=", o->keyword);
        put_quoted(&out, o->val);
    }
    bs_put_str(&out, "dbname=");
    put_quoted(&out, database);
    PQconninfoFree(all);
    if (!out.failed)
        text = bs_arena_copy(arena, bs_buf_view(&out));
    if (out.p != NULL)
        bs_wipe(out.p, out.n);
    bs_buf_fini(&out);
    return text;
}

/* Ends the sessions of others there, and waits until they are gone. */
static enum bs_done
clear(struct bs_capture *c, const struct bs_helper *own, uint32_t oid, struct bs_err *err)
{
    static const char sql[] =
        "SELECT pg_catalog.count(pg_catalog.pg_terminate_backend(a.pid))"
        " FROM pg_catalog.pg_stat_get_activity(NULL) a WHERE a.datid = $1::pg_catalog.oid"
        " AND a.pid <> $2::pg_catalog.int4 AND a.backend_type <> 'autovacuum worker'";
    char id[16], pid[16];
    const char *params[] = {id, pid};
    int64_t until_us = bs_mono_us() + (int64_t)LEAVE_MS * 1000;

    (void)snprintf(id, sizeof(id), "%u", oid);
    (void)snprintf(pid, sizeof(pid), "%d", PQbackendPID(own->conn));
    for (;;) {
        PGresult *res = NULL;
        bool none;
        if (bs_helper_query(&c->helper, sql, 2, params, &res, err) != BS_DONE)
            return BS_FAILED;
        none = strcmp(PQgetvalue(res, 0, 0), "0") == 0;
        PQclear(res);
        if (none)
            return BS_DONE;
        if (bs_mono_us() > until_us)
            return BS_FAIL(err, NO_POINT, "somebody stays connected to the database");
        (void)poll(NULL, 0, LOOK_MS);
    }
}

/* --- what it is --------------------------------------------------------------------------- */

/* Fields of pg_database that not every version has are asked by name. */
static const char describe_sql[] =
    "SELECT d.oid, pg_catalog.pg_encoding_to_char(d.encoding), d.datcollate, d.datctype,"
    " COALESCE(pg_catalog.to_jsonb(d)->>'datlocprovider', 'c'),"
    " COALESCE(pg_catalog.to_jsonb(d)->>'datlocale', pg_catalog.to_jsonb(d)->>'daticulocale'),"
    " pg_catalog.to_jsonb(d)->>'daticurules', pg_catalog.pg_database_size(d.oid), d.datconnlimit,"
    " d.datallowconn, (SELECT r.rolsuper FROM pg_catalog.pg_roles r"
    " WHERE r.rolname = CURRENT_USER) FROM pg_catalog.pg_database d WHERE d.datname = $1";

struct target {
    struct bs_fence was;
    bool superuser; /* the helper is */
};

static const char *
field(const struct bs_capture *c, const PGresult *res, int column)
{
    if (PQgetisnull(res, 0, column))
        return NULL;
    return bs_arena_str((struct bs_arena *)(uintptr_t)&c->arena, PQgetvalue(res, 0, column));
}

static enum bs_done
describe(struct bs_capture *c, struct target *t, struct bs_err *err)
{
    struct bs_point_database *db = bs_arena_array(&c->arena, 1, sizeof(*db));
    const char *params[] = {c->req.plan->database};
    PGresult *res = NULL;

    if (db == NULL)
        return BS_FAIL(err, LIMIT, "no memory set aside for a database");
    if (bs_helper_query(&c->helper, describe_sql, 1, params, &res, err) != BS_DONE)
        return BS_FAILED;
    if (PQntuples(res) != 1) {
        PQclear(res);
        return BS_FAIL(err, NO_POINT, "there is no database \"%.64s\"", params[0]);
    }
    *db = (struct bs_point_database){
        .name = params[0],
        .oid = (uint32_t)strtoul(PQgetvalue(res, 0, 0), NULL, 10),
        .encoding = field(c, res, 1),
        .collate = field(c, res, 2),
        .ctype = field(c, res, 3),
        .provider = field(c, res, 4),
        .locale = field(c, res, 5),
        .rules = field(c, res, 6),
        .bytes = strtoll(PQgetvalue(res, 0, 7), NULL, 10),
    };
    t->was = (struct bs_fence){
        .system_identifier = c->m.source.system_identifier,
        .name = db->name,
        .oid = db->oid,
        .limit = (int)strtol(PQgetvalue(res, 0, 8), NULL, 10),
        .allow = PQgetvalue(res, 0, 9)[0] == 't',
    };
    t->superuser = PQgetvalue(res, 0, 10)[0] == 't';
    PQclear(res);
    if (db->encoding == NULL || db->collate == NULL || db->ctype == NULL || db->provider == NULL)
        return BS_FAIL(err, LIMIT, "no memory set aside for a database");
    c->m.databases = db;
    c->m.n_databases = 1;
    return BS_DONE;
}

static enum bs_done
check(struct bs_capture *c, const struct target *t, struct bs_err *err)
{
    const struct bs_point_database *db = c->m.databases;

    if (db->oid == c->m.source.database_oid)
        return BS_FAIL(err, NO_POINT, "\"%.64s\" is the database that the agent is connected to",
                       db->name);
    if (!t->was.allow || t->was.limit == 0)
        return BS_FAIL(err, NO_POINT,
                       "\"%.64s\" lets nobody connect: somebody else may be dropping it", db->name);
    if (c->req.max_bytes != 0 && db->bytes > c->req.max_bytes)
        return BS_FAIL(err, NO_POINT,
                       "\"%.64s\" has %lld bytes, the limit (recovery.max_bytes) is %lld", db->name,
                       (long long)db->bytes, (long long)c->req.max_bytes);
    return BS_DONE;
}

enum bs_done
bs_step_database_look(struct bs_capture *c, struct bs_err *err)
{
    struct target t = {0};

    if (c->req.plan->database == NULL)
        return BS_DONE;
    return describe(c, &t, err) == BS_DONE ? check(c, &t, err) : BS_FAILED;
}

/* Of these pg_dump leaves out what only a superuser may see, and says nothing. */
static enum bs_done
see_all(struct bs_helper *there, const struct target *t, struct bs_err *err)
{
    PGresult *res = NULL;
    bool hidden;

    if (t->superuser)
        return BS_DONE;
    if (bs_helper_query(there,
                        "SELECT (SELECT pg_catalog.count(*) FROM pg_catalog.pg_user_mappings),"
                        " (SELECT pg_catalog.count(s.oid) FROM pg_catalog.pg_subscription s"
                        " JOIN pg_catalog.pg_database d ON d.oid = s.subdbid"
                        " WHERE d.datname = pg_catalog.current_database())",
                        0, NULL, &res, err) != BS_DONE)
        return BS_FAILED;
    hidden = strcmp(PQgetvalue(res, 0, 0), "0") != 0 || strcmp(PQgetvalue(res, 0, 1), "0") != 0;
    PQclear(res);
    if (!hidden)
        return BS_DONE;
    (void)BS_FAIL(err, NO_POINT, "\"%.64s\" has user mappings or subscriptions", t->was.name);
    bs_err_hint(err, "only a superuser can dump these: make the helper one, or drop them first");
    return BS_FAILED;
}

/* --- the dump ----------------------------------------------------------------------------- */

/* The number and hash of what each query says, in the snapshot. */
static enum bs_done
count(struct bs_capture *c, struct bs_helper *there, struct bs_err *err)
{
    struct bs_point_database *db = c->m.databases;
    PGresult *list = NULL, *res = NULL;
    enum bs_done done;

    if (bs_helper_query(there, bs_database_pin, 0, NULL, NULL, err) != BS_DONE ||
        bs_helper_query(there, bs_database_counts, 0, NULL, &list, err) != BS_DONE)
        return BS_FAILED;
    db->counted = bs_arena_array(&c->arena, (size_t)PQntuples(list) + 1, sizeof(*db->counted));
    done = db->counted != NULL ? BS_DONE : BS_FAIL(err, LIMIT, "too many tables");
    for (int i = 0; done == BS_DONE && i < PQntuples(list); i++) {
        struct bs_point_counted *one = &db->counted[db->n_counted++];
        done = bs_helper_query(there, PQgetvalue(list, i, 2), 0, NULL, &res, err);
        if (done != BS_DONE)
            break;
        *one = (struct bs_point_counted){
            .schema = bs_arena_str(&c->arena, PQgetvalue(list, i, 0)),
            .name = bs_arena_str(&c->arena, PQgetvalue(list, i, 1)),
            .rows = strtoll(PQgetvalue(res, 0, 0), NULL, 10),
            .hash = bs_arena_str(&c->arena, PQgetvalue(res, 0, 1)),
        };
        PQclear(res);
        if (one->schema == NULL || one->name == NULL || one->hash == NULL)
            done = BS_FAIL(err, LIMIT, "too many tables");
    }
    PQclear(list);
    return done;
}

static enum bs_done
start_dump(struct bs_capture *c, struct bs_helper *there, struct bs_err *err)
{
    char program[PATH_MAX], version[128], file[PATH_MAX];
    PGresult *res = NULL;
    enum bs_done done;

    if (bs_dump_find(c->req.pg_dumps, c->req.n_pg_dumps, c->m.source.server_version_num, program,
                     version, err) != BS_DONE ||
        bs_spool_name(&c->spool, "database", file, err) != BS_DONE ||
        bs_helper_query(there, "SELECT pg_catalog.pg_export_snapshot()", 0, NULL, &res, err) !=
            BS_DONE)
        return BS_FAILED;
    c->m.databases->dump.pg_dump = bs_arena_str(&c->arena, version);
    done = bs_dump_start_all(&c->dump, program, there->conn, PQgetvalue(res, 0, 0), file,
                             bs_watch_left_ms(&c->watch, 10000), err);
    PQclear(res);
    return done;
}

/* Until 14 a process of its own collects the counters, and what it tells may be half a second old. */
static enum bs_done
read_changes(struct bs_capture *c, struct bs_helper *there, const char **out, struct bs_err *err)
{
    PGresult *res = NULL;

    if (c->m.source.server_version_num < 150000)
        (void)poll(NULL, 0, COLLECTED_MS);
    if (bs_helper_query(there, changes, 0, NULL, &res, err) != BS_DONE)
        return BS_FAILED;
    *out = bs_arena_str(&c->arena, PQgetvalue(res, 0, 0));
    PQclear(res);
    return *out != NULL ? BS_DONE : BS_FAIL(err, LIMIT, "no memory set aside for counters");
}

/* With the first door closed; at the end the second is, too. */
static enum bs_done
dump(struct bs_capture *c, struct bs_helper *there, const struct target *t, struct bs_err *err)
{
    const char *before = NULL, *after = NULL;

    if (clear(c, there, t->was.oid, err) != BS_DONE ||
        read_changes(c, there, &before, err) != BS_DONE ||
        bs_helper_query(there, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", 0, NULL, NULL,
                        err) != BS_DONE ||
        start_dump(c, there, err) != BS_DONE || count(c, there, err) != BS_DONE ||
        bs_child_wait(&c->dump, &c->watch, NULL, NULL, err) != BS_DONE ||
        bs_helper_query(there, "COMMIT", 0, NULL, NULL, err) != BS_DONE ||
        bs_fence_shut(&c->helper, &t->was, err) != BS_DONE ||
        clear(c, there, t->was.oid, err) != BS_DONE ||
        read_changes(c, there, &after, err) != BS_DONE)
        return BS_FAILED;
    if (strcmp(before, after) != 0)
        return BS_FAIL(err, NO_POINT, "\"%.64s\" has changed while it was dumped", t->was.name);
    return BS_DONE;
}

enum bs_done
bs_step_database(struct bs_capture *c, struct bs_err *err)
{
    struct bs_helper there = {0};
    struct target t = {0};
    const char *conninfo;
    enum bs_done done;

    if (describe(c, &t, err) != BS_DONE || check(c, &t, err) != BS_DONE)
        return BS_FAILED;
    conninfo = bs_database_conninfo(&c->arena, c->req.helper, t.was.name);
    if (conninfo == NULL)
        return BS_FAIL(err, NO_POINT, "the helper's conninfo cannot be read");
    if (bs_helper_open(&there, conninfo, &c->watch, BS_E_NO_POINT, err) != BS_DONE)
        return BS_FAILED;
    if (see_all(&there, &t, err) != BS_DONE) {
        bs_helper_close(&there);
        return BS_FAILED;
    }
    c->fenced = true;
    done = bs_fence_up(c->req.spool, c->m.id, &c->helper, &t.was, t.superuser ? 0 : 2, err);
    if (done == BS_DONE)
        done = dump(c, &there, &t, err);
    else if (strcmp(c->helper.sqlstate, "42501") == 0)
        bs_err_hint(err, "make the helper a member of the role that owns the database");
    bs_helper_close(&there);
    return done;
}

/* --- the store ---------------------------------------------------------------------------- */

enum bs_done
bs_step_database_store(struct bs_capture *c, struct bs_err *err)
{
    struct bs_point_schema *d = &c->m.databases->dump;
    char plain[PATH_MAX], stored[PATH_MAX], back[PATH_MAX];
    char sha[BS_SHA256_TEXT], was[BS_SHA256_TEXT], is[BS_SHA256_TEXT];
    bool secret = c->encryption != NULL;
    int64_t size;

    d->key = bs_arena_fmt(&c->arena, "%sdatabase.dump%s", c->dir, secret ? ".enc" : "");
    d->encryption = c->encryption;
    if (bs_spool_name(&c->spool, "database", plain, err) != BS_DONE ||
        bs_spool_name(&c->spool, secret ? "database.enc" : "database", stored, err) != BS_DONE ||
        bs_spool_name(&c->spool, "database.back", back, err) != BS_DONE)
        return BS_FAILED;
    if (d->key == NULL)
        return BS_FAIL(err, LIMIT, "no memory set aside for the name of a dump");
    if (secret && bs_encrypt_file(&c->key, d->key, plain, stored, err) != BS_DONE)
        return BS_FAILED;
    if (bs_spool_sha256(stored, &d->stored_bytes, sha, err) != BS_DONE ||
        bs_spool_sha256(plain, &size, was, err) != BS_DONE ||
        bs_store_put_file(&c->store, d->key, stored, err) != BS_DONE)
        return BS_FAILED;
    d->sha256 = bs_arena_str(&c->arena, sha);
    if (d->sha256 == NULL)
        return BS_FAIL(err, LIMIT, "no memory set aside for the digest of a dump");
    if (bs_schema_read(&c->store, d, back, err) != BS_DONE ||
        bs_spool_sha256(back, &size, is, err) != BS_DONE)
        return BS_FAILED;
    return strcmp(was, is) == 0 ? BS_DONE
                                : BS_FAIL(err, DAMAGED, "the store gives back another dump");
}
