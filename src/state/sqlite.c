/*
 * sqlite.c - the file and its driver; the schema, which is that of every driver, and the table of
 * operations.
 *
 * WAL with synchronous=FULL: readers of another process do not wait for us, and a commit is on disk
 * when it returns.
 */
#include "state/sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"

#define APPLICATION_ID 0x42534b50 /* "BSKP": tells our file from any other database */
#define BUSY_MS        10000      /* longest wait for another process's transaction */

/*
 * Step n brings the schema from version n to n + 1. Never changed once released: add at the end. What
 * is SQLite's own (TEXT, INTEGER, AUTOINCREMENT, STRICT, WITHOUT ROWID) is put into other words for
 * PostgreSQL by its driver; all else is what both understand.
 */
static const char *const migrations[] = {
    "CREATE TABLE agents ("
    " name TEXT PRIMARY KEY, owner TEXT, databases TEXT NOT NULL, verifier TEXT NOT NULL,"
    " created_us INTEGER NOT NULL, expires_us INTEGER NOT NULL, revoked_us INTEGER NOT NULL"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE operators ("
    " name TEXT PRIMARY KEY, role TEXT NOT NULL CHECK (role IN ('viewer','approver','admin')),"
    " token_sha256 TEXT NOT NULL UNIQUE,"
    " created_us INTEGER NOT NULL, revoked_us INTEGER NOT NULL"
    ") STRICT, WITHOUT ROWID;"
    "CREATE TABLE tickets ("
    " id TEXT PRIMARY KEY, identity TEXT NOT NULL, actor TEXT NOT NULL, owner TEXT,"
    " database TEXT NOT NULL, role TEXT, environment TEXT, session TEXT, client TEXT,"
    " sql TEXT NOT NULL, params TEXT, risk TEXT, effects TEXT, plan TEXT, reasons TEXT,"
    " limits TEXT, created_us INTEGER NOT NULL, decide_by_us INTEGER NOT NULL,"
    " state TEXT NOT NULL CHECK (state IN ('pending','approved','denied','expired','running',"
    "'done','failed','uncertain')),"
    " decided_us INTEGER NOT NULL, decided_by TEXT, reason TEXT, redeem_by_us INTEGER NOT NULL,"
    " started_us INTEGER NOT NULL, finished_us INTEGER NOT NULL, detail TEXT, point TEXT,"
    " asked INTEGER NOT NULL, version INTEGER NOT NULL"
    ") STRICT, WITHOUT ROWID;"
    /* One open ticket per identity, whoever races. */
    "CREATE UNIQUE INDEX tickets_open ON tickets (identity) WHERE state IN ('pending','approved');"
    "CREATE INDEX tickets_state ON tickets (state);"
    "CREATE INDEX tickets_denied ON tickets (actor, decided_us) WHERE state = 'denied';"
    "CREATE TABLE points ("
    " id TEXT PRIMARY KEY, database TEXT, state TEXT NOT NULL, actor TEXT, ticket TEXT, kind TEXT,"
    " tables TEXT, manifest TEXT, created_us INTEGER NOT NULL, rows INTEGER NOT NULL,"
    " bytes INTEGER NOT NULL"
    ") STRICT, WITHOUT ROWID;"
    "CREATE INDEX points_state ON points (state);"
    "CREATE TABLE changes ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT, at_us INTEGER NOT NULL, by TEXT,"
    " action TEXT NOT NULL, subject TEXT NOT NULL, detail TEXT"
    ") STRICT;",
    /* Evasion: who is quarantined, and what denied and blocked statements would have done. */
    "ALTER TABLE agents ADD COLUMN quarantined_us INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE agents ADD COLUMN quarantine_why TEXT;"
    "ALTER TABLE tickets ADD COLUMN harms TEXT;"
    "ALTER TABLE tickets ADD COLUMN evades TEXT;"
    "CREATE TABLE blocked ("
    " identity TEXT PRIMARY KEY, actor TEXT NOT NULL, database TEXT NOT NULL,"
    " at_us INTEGER NOT NULL, harms TEXT NOT NULL, evades TEXT"
    ") STRICT, WITHOUT ROWID;"
    "CREATE INDEX blocked_actor ON blocked (actor, at_us);",
    /* Groups of agents, for policies. */
    "ALTER TABLE agents ADD COLUMN actor_group TEXT;",
    /* Plans of restores that a second operator approves. */
    "CREATE TABLE plans ("
    " sha256 TEXT PRIMARY KEY, point TEXT NOT NULL, made_by TEXT NOT NULL,"
    " made_us INTEGER NOT NULL, expires_us INTEGER NOT NULL, approved_by TEXT,"
    " approved_us INTEGER NOT NULL, reason TEXT, used_by TEXT, used_us INTEGER NOT NULL"
    ") STRICT, WITHOUT ROWID;",
    /* Agents that show a certificate. */
    "ALTER TABLE agents ADD COLUMN certificate TEXT;"
    "ALTER TABLE agents ADD COLUMN certificate_only INTEGER NOT NULL DEFAULT 0;",
    /* What connects, where from, and with which role of the database; and the switch. */
    "ALTER TABLE agents ADD COLUMN kind TEXT NOT NULL DEFAULT 'agent'"
    " CHECK (kind IN ('agent','app','person'));"
    "ALTER TABLE agents ADD COLUMN addresses TEXT NOT NULL DEFAULT '[]';"
    "ALTER TABLE agents ADD COLUMN db_role TEXT;"
    "ALTER TABLE agents ADD COLUMN disabled_us INTEGER NOT NULL DEFAULT 0;",
    /* Passwords beside the one: the one before, for a while, and short-lived ones. */
    "ALTER TABLE agents ADD COLUMN old_verifier TEXT;"
    "ALTER TABLE agents ADD COLUMN old_until_us INTEGER NOT NULL DEFAULT 0;"
    "CREATE TABLE tokens ("
    " id TEXT PRIMARY KEY, agent TEXT NOT NULL, verifier TEXT NOT NULL, made_by TEXT, note TEXT,"
    " created_us INTEGER NOT NULL, expires_us INTEGER NOT NULL, revoked_us INTEGER NOT NULL"
    ") STRICT, WITHOUT ROWID;"
    "CREATE INDEX tokens_agent ON tokens (agent);",
    /* Several operators decide together, and what each of them said is kept. */
    "ALTER TABLE operators ADD COLUMN operator_groups TEXT;"
    "ALTER TABLE tickets ADD COLUMN approvals TEXT;"
    "CREATE TABLE said ("
    " id INTEGER PRIMARY KEY AUTOINCREMENT, ticket TEXT NOT NULL, operator TEXT NOT NULL,"
    " operator_us INTEGER NOT NULL, operator_groups TEXT, said TEXT NOT NULL"
    " CHECK (said IN ('comment','deny','approve')), at_us INTEGER NOT NULL, text TEXT"
    ") STRICT;"
    "CREATE INDEX said_ticket ON said (ticket, id);"
    "CREATE UNIQUE INDEX said_once ON said (ticket, operator) WHERE said <> 'comment';"
    /* Approvals that are still to be used keep their approver; older ones keep the ticket's words. */
    "INSERT INTO said (ticket, operator, operator_us, said, at_us, text)"
    " SELECT t.id, t.decided_by, coalesce(o.created_us, 0),"
    " CASE state WHEN 'denied' THEN 'deny' ELSE 'approve' END, t.decided_us, t.reason"
    " FROM tickets t LEFT JOIN operators o ON o.name = t.decided_by"
    " WHERE t.decided_by IS NOT NULL ORDER BY t.id;",
    /* What the client of a held statement says of itself. */
    "ALTER TABLE tickets ADD COLUMN claims TEXT;",
    /* Restores that operators have begun over the API. */
    "CREATE TABLE restores ("
    " id TEXT PRIMARY KEY, open INTEGER NOT NULL, doc TEXT NOT NULL, plan TEXT"
    ") STRICT, WITHOUT ROWID;",
    /* Who or what is paused by an operator. */
    "CREATE TABLE pauses ("
    " scope TEXT NOT NULL CHECK (scope IN ('actor','database','everything')), name TEXT NOT NULL,"
    " at_us INTEGER NOT NULL, by TEXT NOT NULL, reason TEXT NOT NULL, cancel INTEGER NOT NULL,"
    " PRIMARY KEY (scope, name)) STRICT, WITHOUT ROWID;",
    /* Several gateways: what is counted, who holds what for how long, and who runs a ticket. */
    "CREATE TABLE counters (name TEXT PRIMARY KEY, n INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "INSERT INTO counters (name, n) VALUES ('changes', 0);"
    "CREATE TABLE leases ("
    " name TEXT PRIMARY KEY, holder TEXT NOT NULL, until_us INTEGER NOT NULL"
    ") STRICT, WITHOUT ROWID;"
    "ALTER TABLE tickets ADD COLUMN instance TEXT;",
    /* What one operator has approved alone, for another one to review. */
    "CREATE TABLE glass ("
    " ticket TEXT PRIMARY KEY, operator TEXT NOT NULL, operator_us INTEGER NOT NULL,"
    " at_us INTEGER NOT NULL, reason TEXT NOT NULL, reviewed_by TEXT, reviewed_us INTEGER NOT NULL,"
    " note TEXT) STRICT, WITHOUT ROWID;",
    /* Who holds an operator's token, and for how long it counts. */
    "ALTER TABLE operators ADD COLUMN owners TEXT;"
    "ALTER TABLE operators ADD COLUMN expires_us INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE operators ADD COLUMN old_token_sha256 TEXT;"
    "ALTER TABLE operators ADD COLUMN old_until_us INTEGER NOT NULL DEFAULT 0;",
    /* Who is told of what happens, and what they were not told yet. */
    "CREATE TABLE notify_targets ("
    " name TEXT PRIMARY KEY, n INTEGER NOT NULL, events TEXT NOT NULL, keep_us INTEGER NOT NULL,"
    " dropped INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE deliveries ("
    " seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, target TEXT NOT NULL,"
    " event TEXT NOT NULL, subject TEXT, detail TEXT, body TEXT, at_us INTEGER NOT NULL,"
    " due_us INTEGER NOT NULL, until_us INTEGER NOT NULL, tries INTEGER NOT NULL,"
    " dead INTEGER NOT NULL, why TEXT) STRICT;"
    "CREATE INDEX deliveries_due ON deliveries (target, dead, due_us, seq);"
    "CREATE TABLE slack_messages ("
    " target TEXT NOT NULL, ticket TEXT NOT NULL, channel TEXT NOT NULL, ts TEXT NOT NULL,"
    " at_us INTEGER NOT NULL, PRIMARY KEY (target, ticket)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE slack_users ("
    " slack TEXT PRIMARY KEY, operator TEXT NOT NULL UNIQUE, operator_us INTEGER NOT NULL"
    ") STRICT, WITHOUT ROWID;",
    /* Which gateway carries a restore out. */
    "ALTER TABLE restores ADD COLUMN instance TEXT;",
    /* What all gateways make out of the same secret. */
    "CREATE TABLE secrets (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;",
    /* Since when an operator is what it is, and whose it was when it decided. */
    "ALTER TABLE operators ADD COLUMN changed_us INTEGER NOT NULL DEFAULT 0;"
    "UPDATE operators SET changed_us = created_us;"
    "ALTER TABLE said ADD COLUMN operator_owners TEXT;"
    "ALTER TABLE glass ADD COLUMN operator_owners TEXT;",
};
#define SCHEMA_VERSION ((int)(sizeof(migrations) / sizeof(migrations[0])))

const char *
bs_sq_migration(int version)
{
    return version < SCHEMA_VERSION ? migrations[version] : NULL;
}

/* --- the driver --- */

struct lite {
    struct bs_sqlite q; /* first: a bs_sqlite * is a lite * */
    sqlite3 *db;
};

static struct lite *
lite_of(struct bs_sqlite *q)
{
    return (struct lite *)q;
}

/* SQLite's messages name tables and files, never values. */
static enum bs_done
failed(sqlite3 *db, struct bs_err *err)
{
    int code = sqlite3_errcode(db);

    if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB)
        return BS_FAIL(err, DAMAGED, "the state is damaged: %s", sqlite3_errmsg(db));
    if (code == SQLITE_ERROR || code == SQLITE_MISUSE || code == SQLITE_CONSTRAINT)
        return BS_FAIL(err, INTERNAL, "the state refused a statement: %s", sqlite3_errmsg(db));
    return BS_FAIL(err, UNAVAILABLE, "the state cannot be used: %s", sqlite3_errmsg(db));
}

static bool
bind(sqlite3_stmt *st, const struct bs_sq_value *values)
{
    for (int i = 0; values[i].type != BS_SQ_END; i++) {
        int rc = values[i].type == BS_SQ_INT
                     ? sqlite3_bind_int64(st, i + 1, values[i].number)
                     : sqlite3_bind_text(st, i + 1, values[i].text, -1, SQLITE_STATIC);
        if (rc != SQLITE_OK)
            return false;
    }
    return true;
}

static enum bs_done
sqlite_query(struct bs_sqlite *q,
             const char *sql,
             const struct bs_sq_value *values,
             struct bs_sq_rows *out,
             struct bs_err *err)
{
    struct lite *l = lite_of(q);
    sqlite3_stmt *st = NULL;

    if (sqlite3_prepare_v2(l->db, sql, -1, &st, NULL) != SQLITE_OK || !bind(st, values)) {
        (void)failed(l->db, err);
        (void)sqlite3_finalize(st);
        return BS_FAILED;
    }
    out->st = st;
    return BS_DONE;
}

static enum bs_sq_next
sqlite_next(struct bs_sq_rows *r, struct bs_err *err)
{
    switch (sqlite3_step(r->st)) {
    case SQLITE_ROW:
        return BS_SQ_ROW;
    case SQLITE_DONE:
        return BS_SQ_DONE;
    default:
        (void)failed(sqlite3_db_handle(r->st), err);
        return BS_SQ_BAD;
    }
}

static void
sqlite_done(struct bs_sq_rows *r)
{
    (void)sqlite3_finalize(r->st); /* repeats the error of the last step, which was told */
}

static const char *
sqlite_text(struct bs_sq_rows *r, int column)
{
    return (const char *)sqlite3_column_text(r->st, column);
}

static int64_t
sqlite_number(struct bs_sq_rows *r, int column)
{
    return sqlite3_column_int64(r->st, column);
}

static int
sqlite_changed(struct bs_sq_rows *r)
{
    return sqlite3_changes(sqlite3_db_handle(r->st));
}

/* IMMEDIATE: the write lock comes first, so a transaction never fails half way for another's. */
static enum bs_done
sqlite_begin(struct bs_sqlite *q, struct bs_err *err)
{
    return bs_sq_run(q, "BEGIN IMMEDIATE", BS_SQ_NO_VALUES, NULL, err);
}

static enum bs_done
sqlite_commit(struct bs_sqlite *q, struct bs_err *err)
{
    return bs_sq_run(q, "COMMIT", BS_SQ_NO_VALUES, NULL, err);
}

static void
sqlite_rollback(struct bs_sqlite *q)
{
    struct lite *l = lite_of(q);

    if (sqlite3_get_autocommit(l->db) == 0)
        (void)sqlite3_exec(l->db, "ROLLBACK", NULL, NULL, NULL);
}

/* --- open and close --- */

/*
 * The command line may be run as root before the daemon has ever been started as its own user: the
 * file then belongs to whom the folder belongs to. (SQLite gives the owner on to its side files.)
 */
static enum bs_done
give_to_folder(int fd, const char *path, struct bs_err *err)
{
    char folder[PATH_MAX];
    struct stat st;

    if (geteuid() != 0)
        return BS_DONE;
    (void)snprintf(folder, sizeof(folder), "%.*s", (int)(strrchr(path, '/') - path) + 1, path);
    if (stat(folder, &st) != 0 || fchown(fd, st.st_uid, st.st_gid) != 0)
        return BS_FAIL(err, UNAVAILABLE, "cannot give \"%.300s\" to the owner of its folder: %s",
                       path, strerror(errno));
    return BS_DONE;
}

/* A new file is ours alone from its first byte; one that others can read is not taken. */
static enum bs_done
make_file(const char *path, struct bs_err *err)
{
    struct stat st;
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd >= 0) {
        enum bs_done done = give_to_folder(fd, path, err);
        close(fd);
        return done;
    }
    if (errno != EEXIST)
        return BS_FAIL(err, UNAVAILABLE, "cannot create \"%.300s\": %s", path, strerror(errno));
    if (stat(path, &st) != 0)
        return BS_FAIL(err, UNAVAILABLE, "cannot look at \"%.300s\": %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return BS_FAIL(err, CONFIG, "the state \"%.300s\" is not a file", path);
    if ((st.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        (void)BS_FAIL(err, CONFIG, "the state \"%.300s\" is open to other users", path);
        bs_err_hint(err, "it holds credentials: chmod 600");
        return BS_FAILED;
    }
    return BS_DONE;
}

static enum bs_done
set_up(struct lite *l, struct bs_err *err)
{
    static const char *const pragmas[] = {
        "PRAGMA synchronous = FULL",
        "PRAGMA trusted_schema = OFF",
        "PRAGMA cell_size_check = ON",
    };

    for (size_t i = 0; i < sizeof(pragmas) / sizeof(pragmas[0]); i++) {
        if (bs_sq_run(&l->q, pragmas[i], BS_SQ_NO_VALUES, NULL, err) != BS_DONE)
            return BS_FAILED;
    }
    return BS_DONE;
}

/* Turning WAL on needs the file for itself, and SQLite does not wait for that by itself. */
static enum bs_done
set_wal(struct lite *l, struct bs_err *err)
{
    for (int waited_ms = 0;; waited_ms += 20) {
        int rc = sqlite3_exec(l->db, "PRAGMA journal_mode = WAL", NULL, NULL, NULL);
        if (rc == SQLITE_OK)
            break;
        if (rc != SQLITE_BUSY || waited_ms >= BUSY_MS)
            return failed(l->db, err);
        (void)usleep(20000);
    }
    return BS_DONE;
}

static enum bs_done
pragma(struct lite *l, const char *name, int64_t *out, struct bs_err *err)
{
    char sql[64];

    (void)snprintf(sql, sizeof(sql), "PRAGMA %s", name);
    return bs_sq_number(&l->q, sql, BS_SQ_NO_VALUES, 0, out, err);
}

/* Inside a transaction: of two processes that start at once, the second finds it done. */
static enum bs_done
migrate(struct lite *l, struct bs_err *err)
{
    int64_t version, id, objects;
    char sql[96];

    if (pragma(l, "user_version", &version, err) != BS_DONE ||
        pragma(l, "application_id", &id, err) != BS_DONE ||
        bs_sq_number(&l->q, "SELECT count(*) FROM sqlite_schema", BS_SQ_NO_VALUES, 0, &objects,
                     err) != BS_DONE)
        return BS_FAILED;
    if (id != APPLICATION_ID && (objects != 0 || version != 0))
        return BS_FAIL(err, CONFIG, "the state file is a database of something else");
    if (version > SCHEMA_VERSION)
        return BS_FAIL(err, CONFIG, "the state has schema %d, this version knows up to %d",
                       (int)version, SCHEMA_VERSION);
    if (version == SCHEMA_VERSION)
        return BS_DONE;
    for (int64_t v = version; v < SCHEMA_VERSION; v++) {
        if (sqlite3_exec(l->db, migrations[v], NULL, NULL, NULL) != SQLITE_OK)
            return failed(l->db, err);
    }
    (void)snprintf(sql, sizeof(sql), "PRAGMA application_id = %d; PRAGMA user_version = %d",
                   APPLICATION_ID, SCHEMA_VERSION);
    if (sqlite3_exec(l->db, sql, NULL, NULL, NULL) != SQLITE_OK)
        return failed(l->db, err);
    return BS_DONE;
}

/* The clock that all gateways of a state go by; here the machine's. */
static void
now_us(sqlite3_context *ctx, int n, sqlite3_value **values)
{
    (void)n;
    (void)values;
    sqlite3_result_int64(ctx, bs_now_us());
}

static enum bs_done
open_connection(struct lite *l, const char *path, struct bs_err *err)
{
    /* NOMUTEX: the lock in bs_sqlite guards the connection. */
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;

    if (sqlite3_open_v2(path, &l->db, flags, NULL) != SQLITE_OK)
        return BS_FAIL(err, UNAVAILABLE, "cannot open the state \"%.300s\": %s", path,
                       l->db == NULL ? "out of memory" : sqlite3_errmsg(l->db));
    (void)sqlite3_busy_timeout(l->db, BUSY_MS);
    if (sqlite3_create_function(l->db, "now_us", 0, SQLITE_UTF8, NULL, now_us, NULL, NULL) !=
        SQLITE_OK)
        return failed(l->db, err);
    if (set_up(l, err) != BS_DONE || bs_sq_begin(&l->q, err) != BS_DONE ||
        bs_sq_end(&l->q, migrate(l, err), err) != BS_DONE)
        return BS_FAILED;
    return set_wal(l, err);
}

static void
sqlite_close(struct bs_sqlite *q)
{
    struct lite *l = lite_of(q);

    (void)sqlite3_close(l->db);
    free(l);
}

static const struct bs_sq_driver driver = {
    .close = sqlite_close,
    .query = sqlite_query,
    .next = sqlite_next,
    .done = sqlite_done,
    .text = sqlite_text,
    .number = sqlite_number,
    .changed = sqlite_changed,
    .begin = sqlite_begin,
    .commit = sqlite_commit,
    .rollback = sqlite_rollback,
};

static enum bs_done
sqlite_open(const char *place, struct bs_state **out, struct bs_err *err)
{
    struct lite *l;

    if (place[0] != '/')
        return BS_FAIL(err, CONFIG, "the state needs an absolute path");
    if (make_file(place, err) != BS_DONE)
        return BS_FAILED;
    l = bs_malloc(sizeof(*l));
    bs_sq_init(&l->q, &driver);
    if (open_connection(l, place, err) != BS_DONE) {
        struct bs_state *s = &l->q.base;
        bs_state_close(&s);
        return BS_FAILED;
    }
    *out = &l->q.base;
    return BS_DONE;
}

const struct bs_state_backend bs_state_sqlite = {"sqlite", sqlite_open};

/* The same for every driver. */
const struct bs_state_ops bs_sq_operations = {
    .close = bs_sq_state_close,
    .begin = bs_sq_state_begin,
    .end = bs_sq_state_end,
    .agent_add = bs_sq_agent_add,
    .agent_get = bs_sq_agent_get,
    .agent_list = bs_sq_agent_list,
    .agent_rekey = bs_sq_agent_rekey,
    .agent_revoke = bs_sq_agent_revoke,
    .agent_alter = bs_sq_agent_alter,
    .agent_quarantine = bs_sq_agent_quarantine,
    .agent_release = bs_sq_agent_release,
    .token_add = bs_sq_token_add,
    .token_list = bs_sq_token_list,
    .token_revoke = bs_sq_token_revoke,
    .operator_add = bs_sq_operator_add,
    .operator_find = bs_sq_operator_find,
    .operator_list = bs_sq_operator_list,
    .operator_get = bs_sq_operator_get,
    .operator_alter = bs_sq_operator_alter,
    .operator_rekey = bs_sq_operator_rekey,
    .operator_revoke = bs_sq_operator_revoke,
    .operator_ever = bs_sq_operator_ever,
    .ticket_open = bs_sq_ticket_open,
    .ticket_get = bs_sq_ticket_get,
    .ticket_move = bs_sq_ticket_move,
    .ticket_list = bs_sq_ticket_list,
    .ticket_expire = bs_sq_ticket_expire,
    .ticket_decide = bs_sq_ticket_decide,
    .ticket_comment = bs_sq_ticket_comment,
    .ticket_said = bs_sq_ticket_said,
    .ticket_denials = bs_sq_ticket_denials,
    .glass_break = bs_sq_glass_break,
    .glass_get = bs_sq_glass_get,
    .glass_list = bs_sq_glass_list,
    .glass_review = bs_sq_glass_review,
    .glass_open = bs_sq_glass_open,
    .blocked_put = bs_sq_blocked_put,
    .blocked_list = bs_sq_blocked_list,
    .blocked_drop = bs_sq_blocked_drop,
    .point_put = bs_sq_point_put,
    .point_set = bs_sq_point_set,
    .point_get = bs_sq_point_get,
    .point_list = bs_sq_point_list,
    .pause_put = bs_sq_pause_put,
    .pause_list = bs_sq_pause_list,
    .resume = bs_sq_resume,
    .plan_add = bs_sq_plan_add,
    .plan_get = bs_sq_plan_get,
    .plan_list = bs_sq_plan_list,
    .plan_approve = bs_sq_plan_approve,
    .plan_use = bs_sq_plan_use,
    .restore_put = bs_sq_restore_put,
    .restore_list = bs_sq_restore_list,
    .restore_drop = bs_sq_restore_drop,
    .notify_targets_set = bs_sq_notify_targets_set,
    .notify_put = bs_sq_notify_put,
    .notify_count = bs_sq_notify_count,
    .delivery_first = bs_sq_delivery_first,
    .delivery_render = bs_sq_delivery_render,
    .delivery_end = bs_sq_delivery_end,
    .delivery_list = bs_sq_delivery_list,
    .delivery_retry = bs_sq_delivery_retry,
    .delivery_drop = bs_sq_delivery_drop,
    .slack_message_get = bs_sq_slack_message_get,
    .slack_message_put = bs_sq_slack_message_put,
    .slack_user_set = bs_sq_slack_user_set,
    .slack_user_find = bs_sq_slack_user_find,
    .secret = bs_sq_secret,
    .shared = bs_sq_shared,
    .join = bs_sq_join,
    .leave = bs_sq_leave,
    .lease = bs_sq_lease,
    .lease_drop = bs_sq_lease_drop,
    .bury = bs_sq_bury,
    .ticket_orphans = bs_sq_ticket_orphans,
    .change_list = bs_sq_change_list,
    .change_count = bs_sq_change_count,
    .change_drop = bs_sq_change_drop,
};
