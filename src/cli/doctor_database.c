/*
 * doctor_database.c - one database: may the helper do what protection asks of it, and may the
 * role of the agents' sessions do no more than it should.
 *
 * What is claimed is tried: the audit's reading runs as the role that it will run as, and the
 * helper looks at that very session.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/clock.h"
#include "cli/doctor.h"
#include "gateway/conninfo.h"
#include "gateway/coverage.h"
#include "recovery/dump.h"
#include "recovery/helper.h"
#include "sql/classify.h"

enum {
    CONNECT_US = 15 * 1000000,
    OLDEST = 140000, /* pg_read_all_data */
};

#define LEAST_ROOM (INT64_C(16) << 20)

struct visit {
    struct bs_doctor *d;
    const struct bs_config_database *db;
    struct bs_watch watch;
    struct bs_helper helper; /* conn NULL: not connected */
    PGconn *actor;           /* a session as agents' sessions are; NULL: not connected */
    bool local;              /* the server is on this machine */
    int64_t size;            /* of the database, in bytes */
    struct bs_seen seen;
};

#define NOTE(v, LEVEL, check, way, ...)                                                            \
    bs_doctor_note((v)->d, BS_FINDING_##LEVEL, (struct bs_topic){(v)->db->name, check}, (way),     \
                   __VA_ARGS__)
#define FMT(v, ...) bs_doctor_fmt((v)->d, __VA_ARGS__)

static bool
is_true(const PGresult *res, int column)
{
    return strcmp(PQgetvalue(res, 0, column), "t") == 0;
}

/* A copy that outlives the result; NULL for null. */
static const char *
text_of(struct visit *v, const PGresult *res, int column)
{
    return PQgetisnull(res, 0, column) ? NULL : FMT(v, "%s", PQgetvalue(res, 0, column));
}

/* The first line of what libpq says; it quotes names and addresses, never a password. */
static const char *
why_of(struct visit *v, const PGconn *conn)
{
    const char *text = PQerrorMessage(conn);

    return FMT(v, "%.*s", (int)strcspn(text, "\n"), text);
}

/* --- the helper --- */

static bool
open_helper(struct visit *v)
{
    struct bs_err err = {0};

    if (bs_watch_init(&v->watch, bs_mono_us() + CONNECT_US, &err) != BS_DONE) {
        NOTE(v, FAIL, "helper.connect", NULL, "helper: %s", err.message);
        return false;
    }
    v->watch.late = BS_E_UNAVAILABLE;
    if (bs_helper_open(&v->helper, v->db->helper, &v->watch, BS_E_UNAVAILABLE, &err) == BS_DONE)
        return true;
    v->d->unreachable = true;
    NOTE(v, FAIL, "helper.connect",
         err.hint[0] != '\0'
             ? FMT(v, "%s", err.hint)
             : FMT(v, "see databases.%s.helper, pg_hba.conf and ~/.pgpass", v->db->name),
         "helper: %s", err.message);
    return false;
}

static void
look_at_version(struct visit *v)
{
    int version = PQserverVersion(v->helper.conn);
    const char *grammar = strpbrk(bs_grammar_version(), "0123456789");
    long major = grammar == NULL ? 0 : strtol(grammar, NULL, 10);

    if (version < OLDEST)
        NOTE(v, FAIL, "server.version", "14 is the oldest that is supported",
             "server: PostgreSQL %d is too old", version / 10000);
    else if (version / 10000 > major)
        NOTE(v, WARN, "server.version", "statements in newer syntax will be refused",
             "server: PostgreSQL %d is newer than the grammar, which is that of %ld",
             version / 10000, major);
    else
        NOTE(v, OK, "server.version", NULL,
             "server: PostgreSQL %d.%d, within the grammar of PostgreSQL %ld", version / 10000,
             version % 10000, major);
}

static const char helper_sql[] =
    "SELECT r.rolname, r.rolsuper, r.rolsuper OR r.rolbypassrls,"
    " pg_catalog.pg_has_role(r.oid, 'pg_read_all_data', 'USAGE'),"
    " pg_catalog.pg_has_role(r.oid, 'pg_signal_backend', 'USAGE'),"
    " pg_catalog.pg_has_role(r.oid, 'pg_read_all_stats', 'USAGE'),"
    " pg_catalog.current_database(),"
    " pg_catalog.pg_database_size(pg_catalog.current_database()),"
    " pg_catalog.inet_server_addr() IS NULL"
    " OR pg_catalog.inet_server_addr() OPERATOR(pg_catalog.=) pg_catalog.inet_client_addr(),"
    " (SELECT s.setting FROM pg_catalog.pg_settings s WHERE s.name = 'data_directory'),"
    " pg_catalog.pg_is_in_recovery()"
    " FROM pg_catalog.pg_roles r WHERE r.rolname = current_user";

/* What the helper must be able to do, and the statement that lets it. */
static void
look_at_rights(struct visit *v, const PGresult *res)
{
    static const struct {
        int column;
        const char *lacks;
        const char *before, *after; /* its name */
    } rights[] = {
        {2, "cannot see rows behind row security", "ALTER ROLE ", " BYPASSRLS"},
        {3, "cannot read all tables", "GRANT pg_read_all_data TO ", ""},
        {4, "cannot end a session whose capture takes too long", "GRANT pg_signal_backend TO ", ""},
        {5, "cannot see what other sessions do", "GRANT pg_monitor TO ", ""},
    };
    char *name = PQescapeIdentifier(v->helper.conn, v->seen.helper, strlen(v->seen.helper));
    bool all = true;

    for (size_t i = 0; i < sizeof(rights) / sizeof(rights[0]); i++) {
        if (is_true(res, rights[i].column))
            continue;
        all = false;
        NOTE(v, FAIL, "helper.rights",
             FMT(v, "as a superuser: %s%s%s", rights[i].before, name == NULL ? "ROLE" : name,
                 rights[i].after),
             "helper: %s %s", v->seen.helper, rights[i].lacks);
    }
    if (all && is_true(res, 1))
        NOTE(v, INFO, "helper.rights",
             "helper.sql of `backstop init` makes a role that cannot write",
             "helper: %s is a superuser, which is more than is needed", v->seen.helper);
    else if (all)
        NOTE(v, OK, "helper.rights", NULL, "helper: %s has the rights it needs", v->seen.helper);
    PQfreemem(name);
}

/* The largest point is the whole database, or what the configuration allows for. */
static void
look_at_room(struct visit *v, const char *check, const char *what, const char *folder)
{
    const struct bs_config *c = v->d->config;
    int64_t need = v->size < c->max_bytes ? v->size : c->max_bytes, room;
    struct statvfs fs;

    if (statvfs(folder, &fs) != 0)
        return; /* the folder itself was a finding already */
    room = (int64_t)fs.f_bavail * (int64_t)fs.f_frsize;
    if (room >= need)
        NOTE(v, OK, check, NULL, "%s: %lld MB free, the largest point takes up to %lld MB", what,
             (long long)(room >> 20), (long long)(need >> 20));
    else
        bs_doctor_note(v->d, room < LEAST_ROOM ? BS_FINDING_FAIL : BS_FINDING_WARN,
                       (struct bs_topic){v->db->name, check},
                       "make room, or set recovery.max_bytes: what does not fit is refused",
                       "%s: %lld MB free in %s, but the largest point may take %lld MB", what,
                       (long long)(room >> 20), folder, (long long)(need >> 20));
}

static void
look_at_pg_dump(struct visit *v)
{
    const struct bs_config *c = v->d->config;
    struct bs_pg_dump *list = bs_arena_array(&v->d->arena, c->n_pg_dumps + 1, sizeof(*list));
    char path[PATH_MAX], version[128];
    struct bs_err err = {0};

    for (size_t i = 0; list != NULL && i < c->n_pg_dumps; i++)
        list[i] = (struct bs_pg_dump){c->pg_dumps[i].major, c->pg_dumps[i].path};
    if (bs_dump_find(list, list == NULL ? 0 : c->n_pg_dumps, PQserverVersion(v->helper.conn), path,
                     version, &err) != BS_DONE)
        NOTE(v, FAIL, "pg_dump",
             "install postgresql-client of that version, or name it in "
             "recovery.pg_dump; until then DROP and ALTER are refused",
             "pg_dump: %s", err.message);
    else
        NOTE(v, OK, "pg_dump", NULL, "pg_dump: %s is %s", path, version);
}

static bool
look_at_helper(struct visit *v)
{
    PGresult *res;

    if (!open_helper(v))
        return false;
    NOTE(v, OK, "helper.connect", NULL, "helper: connects as %s", PQuser(v->helper.conn));
    look_at_version(v);
    if (PQserverVersion(v->helper.conn) < OLDEST)
        return false;
    res = bs_doctor_ask(v->helper.conn, helper_sql, NULL);
    if (res == NULL || PQntuples(res) != 1) {
        NOTE(v, FAIL, "helper.rights", NULL, "helper: cannot look at itself: %s",
             why_of(v, v->helper.conn));
        PQclear(res);
        return false;
    }
    v->seen.helper = text_of(v, res, 0);
    v->seen.database = text_of(v, res, 6);
    v->size = strtoll(PQgetvalue(res, 0, 7), NULL, 10);
    v->local = is_true(res, 8);
    look_at_rights(v, res);
    if (is_true(res, 10))
        NOTE(v, FAIL, "server.primary", "let upstream and helper point to the primary",
             "server: it is a standby, where nothing can be locked or protected");
    look_at_pg_dump(v);
    bs_doctor_scratch(v->d, v->db, v->helper.conn);
    look_at_room(v, "spool.room", "spool", v->d->config->spool);
    if (v->d->config->storage_path != NULL)
        look_at_room(v, "storage.room", "storage", v->d->config->storage_path);
    if (v->local) /* points that burn with the database are none */
        bs_doctor_apart(v->d, v->db->name, text_of(v, res, 9));
    PQclear(res);
    return true;
}

/* --- the role of the agents' sessions --- */

/* Connects with the settings that the gateway pins and that libpq can send. */
static bool
open_actor(struct visit *v)
{
    struct bs_conninfo info = {0};
    struct bs_err err = {0};
    const char *options;
    bool pooler;

    if (bs_conninfo_parse(v->db->upstream, &info, &err) != BS_DONE) {
        NOTE(v, FAIL, "upstream.connect", FMT(v, "see databases.%s.upstream", v->db->name),
             "upstream: %s", err.message);
        return false;
    }
    options = FMT(v, "%s -c backslash_quote=safe_encoding -c backstop.actor=doctor",
                  info.options == NULL ? "" : info.options);
    {
        /* A later keyword wins over the same one inside the expanded dbname; an earlier one is a
         * default. */
        const char *const keys[] = {"connect_timeout",  "dbname",          "options",
                                    "application_name", "client_encoding", NULL};
        const char *const values[] = {
            "15", v->db->upstream_libpq, options, "backstop/doctor", "UTF8", NULL};
        v->actor = PQconnectdbParams(keys, values, 1);
    }
    bs_conninfo_fini(&info);
    if (strcmp(v->db->upstream, v->db->upstream_libpq) != 0)
        NOTE(
            v, INFO, "upstream.libpq", NULL,
            "upstream: has keywords that the gateway goes by and libpq %d, by which this connects, "
            "does not know; it was tried without them",
            PQlibVersion() / 10000);
    if (PQstatus(v->actor) == CONNECTION_OK)
        return true;
    v->d->unreachable = true;
    /* Says PgBouncer, and it has more reasons not to be there: see look_between. */
    pooler = strstr(PQerrorMessage(v->actor), "unsupported startup parameter") != NULL;
    NOTE(v, FAIL, "upstream.connect",
         pooler ? FMT(v, "point databases.%s.upstream to the server itself, past the pooler",
                      v->db->name)
                : FMT(v, "see databases.%s.upstream, pg_hba.conf and ~/.pgpass", v->db->name),
         "upstream: %s", why_of(v, v->actor));
    return false;
}

static const char actor_sql[] =
    "SELECT r.rolname, r.rolsuper, r.rolbypassrls, r.rolcreaterole OR r.rolreplication,"
    " (SELECT pg_catalog.string_agg(p.rolname, ', ' ORDER BY p.rolname) FROM pg_catalog.pg_roles p"
    "  WHERE p.rolname IN ('pg_execute_server_program', 'pg_read_server_files',"
    "   'pg_write_server_files', 'pg_signal_backend', 'pg_checkpoint', 'pg_maintain',"
    "   'pg_create_subscription') AND pg_catalog.pg_has_role(r.oid, p.oid, 'MEMBER')),"
    " pg_catalog.pg_backend_pid(), pg_catalog.host(pg_catalog.inet_client_addr()),"
    " pg_catalog.current_setting('track_counts'), pg_catalog.current_database(),"
    " (SELECT s.setting FROM pg_catalog.pg_settings s"
    "  WHERE s.name = 'idle_in_transaction_session_timeout')"
    " FROM pg_catalog.pg_roles r WHERE r.rolname = current_user";

static void
look_at_actor_rights(struct visit *v, const PGresult *res)
{
    const char *role = v->seen.upstream, *more = text_of(v, res, 4);
    bool plain = true;

    if (is_true(res, 1)) {
        plain = false;
        NOTE(v, WARN, "upstream.rights",
             "let agents' sessions run as a role that owns the "
             "application's tables, and no more",
             "upstream: %s is a superuser; what a superuser may do cannot all be given back", role);
    } else if (is_true(res, 3) || more != NULL) {
        plain = false;
        NOTE(v, WARN, "upstream.rights", "take them away from it",
             "upstream: %s has rights on the server as a whole: %s", role,
             more == NULL ? "CREATEROLE or REPLICATION" : more);
    }
    if (is_true(res, 2)) {
        plain = false;
        NOTE(v, WARN, "upstream.rights", "as a superuser: ALTER ROLE ... NOBYPASSRLS",
             "upstream: %s has BYPASSRLS, so no row security holds for agents", role);
    }
    if (v->seen.helper != NULL && strcmp(role, v->seen.helper) == 0) {
        plain = false;
        NOTE(v, WARN, "upstream.rights", "give agents' sessions a role of their own",
             "upstream: %s is the helper's role, too, so agents' sessions see every row", role);
    }
    if (plain)
        NOTE(v, OK, "upstream.rights", NULL, "upstream: %s is a plain role", role);
}

/* The pre-commit audit, as it will run: PROTECT 3. */
static void
try_reading(struct visit *v, bool track_counts)
{
    struct bs_reading reading = {0};
    struct bs_err err = {0};
    PGresult *res;

    if (!track_counts) {
        NOTE(v, FAIL, "upstream.audit",
             "set track_counts = on, also for the role (ALTER ROLE ... RESET track_counts)",
             "upstream: track_counts is off, so nothing tells what a statement changed");
        return;
    }
    res = PQexec(v->actor, bs_reading_sql);
    for (int i = 0; err.code == BS_OK && i < PQntuples(res); i++) {
        struct bs_bytes values[BS_READING_COLUMNS];
        for (int k = 0; k < BS_READING_COLUMNS; k++)
            values[k] = bs_bytes_of(PQgetvalue(res, i, k));
        (void)!bs_reading_add(&reading, values, &v->d->arena, &err);
    }
    if (PQresultStatus(res) != PGRES_TUPLES_OK)
        NOTE(v, FAIL, "upstream.audit",
             "give back what was revoked: SELECT on pg_catalog.pg_class, EXECUTE on "
             "pg_catalog.pg_stat_get_xact_tuples_*",
             "upstream: %s cannot read its own counters: %s", v->seen.upstream,
             why_of(v, v->actor));
    else if (err.code != BS_OK || reading.n == 0)
        NOTE(v, FAIL, "upstream.audit", NULL, "upstream: %s",
             err.code != BS_OK ? err.message : "its counters are empty");
    else
        NOTE(v, OK, "upstream.audit", NULL, "upstream: %s can read the counters of %zu relations",
             v->seen.upstream, reading.n);
    PQclear(res);
}

/* The actor's session is in a transaction that has read pg_class: there is a lock to be seen. */
static void
look_from_helper(struct visit *v, const char *pid)
{
    PGresult *res = bs_doctor_ask(
        v->helper.conn,
        "SELECT a.state IS NOT NULL AND a.query IS DISTINCT FROM '<insufficient privilege>',"
        " EXISTS (SELECT FROM pg_catalog.pg_locks l WHERE l.pid = a.pid AND l.relation IS NOT NULL)"
        " FROM pg_catalog.pg_stat_activity a"
        " WHERE a.pid = $1::pg_catalog.int4 AND a.datname = pg_catalog.current_database()",
        pid);

    if (res == NULL || PQntuples(res) != 1)
        NOTE(v, FAIL, "helper.sees", "let upstream and helper name the same server and database",
             "helper: does not find an agent's session on its own server and database");
    else if (!is_true(res, 0) || !is_true(res, 1))
        NOTE(v, FAIL, "helper.sees", "as a superuser: GRANT pg_monitor TO the helper's role",
             "helper: cannot see the %s of an agent's session",
             is_true(res, 1) ? "activity" : "locks");
    else
        NOTE(v, OK, "helper.sees", NULL, "helper: sees an agent's session and its locks");
    PQclear(res);
}

/* Protection finds an agent's session by the number that the server gave when it connected. */
static void
look_between(struct visit *v, const char *pid)
{
    if (strtol(pid, NULL, 10) != (long)PQbackendPID(v->actor))
        NOTE(v, FAIL, "upstream.direct", "point upstream and helper to the server itself",
             "upstream: a pooler between the gateway and the server hides the server's processes");
    else if (!v->local && PQsslInUse(v->actor) == 0 && v->seen.address != NULL)
        NOTE(v, WARN, "upstream.tls",
             FMT(v, "sslmode=verify-full sslrootcert=... in databases.%s", v->db->name),
             "upstream: the connection to the server is not encrypted");
}

static void
look_at_timeouts(struct visit *v, const char *idle_ms)
{
    long long idle = idle_ms == NULL ? 0 : strtoll(idle_ms, NULL, 10);
    long long wait = (long long)v->d->config->hold_wait_ms;

    if (idle > 0 && idle <= wait)
        NOTE(v, INFO, "upstream.timeouts", "raise it for the role, or let agents redeem tickets",
             "upstream: idle_in_transaction_session_timeout (%lld ms) cuts the wait for approval "
             "after BEGIN short (hold.wait is %lld ms)",
             idle, wait);
}

static void
look_at_upstream(struct visit *v)
{
    const char *pid;
    PGresult *res;

    if (!open_actor(v))
        return;
    NOTE(v, OK, "upstream.connect", NULL, "upstream: connects as %s", PQuser(v->actor));
    PQclear(PQexec(v->actor, "BEGIN"));
    res = bs_doctor_ask(v->actor, actor_sql, NULL);
    if (res == NULL || PQntuples(res) != 1) {
        NOTE(v, FAIL, "upstream.rights", NULL, "upstream: cannot look at itself: %s",
             why_of(v, v->actor));
        PQclear(res);
        return;
    }
    v->seen.upstream = text_of(v, res, 0);
    v->seen.address = text_of(v, res, 6);
    pid = text_of(v, res, 5);
    look_at_actor_rights(v, res);
    bs_doctor_state_reach(v->d, v->db->name, v->actor);
    try_reading(v, strcmp(PQgetvalue(res, 0, 7), "on") == 0);
    if (v->helper.conn != NULL)
        look_from_helper(v, pid);
    look_between(v, pid);
    look_at_timeouts(v, text_of(v, res, 9));
    PQclear(res);
    PQclear(PQexec(v->actor, "ROLLBACK"));
}

void
bs_doctor_database(struct bs_doctor *d, const struct bs_config_database *db)
{
    struct visit v = {.d = d, .db = db, .seen = {.scope = db->name}, .watch.wake = {-1, -1}};
    bool helped = look_at_helper(&v);

    look_at_upstream(&v);
    if (helped && v.seen.upstream != NULL)
        bs_doctor_ways(d, v.helper.conn, &v.seen);
    PQfinish(v.actor);
    bs_helper_close(&v.helper);
    if (v.watch.wake[0] >= 0)
        bs_watch_fini(&v.watch);
}
