/*
 * sqlite.c - the file, its schema, and statements with typed values.
 *
 * WAL with synchronous=FULL: readers of another process do not wait for us, and a commit is on disk
 * when it returns. One connection behind one mutex: the state is asked a few times per held
 * statement, never per SAFE one.
 */
#include "state/sqlite.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"

#define APPLICATION_ID 0x42534b50 /* "BSKP": tells our file from any other database */
#define BUSY_MS        10000      /* longest wait for another process's transaction */

/* Step n brings the schema from version n to n + 1. Never changed once released: add at the end. */
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
};
#define SCHEMA_VERSION ((int)(sizeof(migrations) / sizeof(migrations[0])))

/* --- statements --- */

/* SQLite's messages name tables and files, never values. */
static enum bs_done
bs_sq_fail(sqlite3 *db, struct bs_err *err)
{
    int code = sqlite3_errcode(db);

    if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB)
        return BS_FAIL(err, DAMAGED, "the state is damaged: %s", sqlite3_errmsg(db));
    if (code == SQLITE_ERROR || code == SQLITE_MISUSE || code == SQLITE_CONSTRAINT)
        return BS_FAIL(err, INTERNAL, "the state refused a statement: %s", sqlite3_errmsg(db));
    return BS_FAIL(err, UNAVAILABLE, "the state cannot be used: %s", sqlite3_errmsg(db));
}

static bool
bs_sq_bind(sqlite3_stmt *st, const struct bs_sq_value *values)
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

enum bs_done
bs_sq_query(struct bs_sqlite *q,
            const char *sql,
            const struct bs_sq_value *values,
            struct bs_arena *arena,
            struct bs_sq_rows *out,
            struct bs_err *err)
{
    *out = (struct bs_sq_rows){.arena = arena};
    if (sqlite3_prepare_v2(q->db, sql, -1, &out->st, NULL) == SQLITE_OK &&
        bs_sq_bind(out->st, values))
        return BS_DONE;
    (void)bs_sq_fail(q->db, err);
    bs_sq_close(out);
    return BS_FAILED;
}

enum bs_sq_next
bs_sq_next(struct bs_sq_rows *r, struct bs_err *err)
{
    switch (sqlite3_step(r->st)) {
    case SQLITE_ROW:
        return BS_SQ_ROW;
    case SQLITE_DONE:
        return BS_SQ_DONE;
    default:
        (void)bs_sq_fail(sqlite3_db_handle(r->st), err);
        return BS_SQ_BAD;
    }
}

void
bs_sq_close(struct bs_sq_rows *r)
{
    (void)sqlite3_finalize(r->st); /* repeats the error of the last step, which was told */
    r->st = NULL;
}

enum bs_done
bs_sq_run(struct bs_sqlite *q,
          const char *sql,
          const struct bs_sq_value *values,
          int *changed,
          struct bs_err *err)
{
    struct bs_sq_rows r;
    enum bs_sq_next next;

    if (bs_sq_query(q, sql, values, NULL, &r, err) != BS_DONE)
        return BS_FAILED;
    next = bs_sq_next(&r, err);
    bs_sq_close(&r);
    if (changed != NULL)
        *changed = sqlite3_changes(q->db);
    return next == BS_SQ_BAD ? BS_FAILED : BS_DONE;
}

enum bs_done
bs_sq_number(struct bs_sqlite *q,
             const char *sql,
             const struct bs_sq_value *values,
             int64_t otherwise,
             int64_t *out,
             struct bs_err *err)
{
    struct bs_sq_rows r;
    enum bs_sq_next next;

    if (bs_sq_query(q, sql, values, NULL, &r, err) != BS_DONE)
        return BS_FAILED;
    next = bs_sq_next(&r, err);
    *out = next == BS_SQ_ROW ? bs_sq_int(&r, 0) : otherwise;
    bs_sq_close(&r);
    return next == BS_SQ_BAD ? BS_FAILED : BS_DONE;
}

const char *
bs_sq_text(struct bs_sq_rows *r, int column)
{
    const unsigned char *text = sqlite3_column_text(r->st, column);
    char *copy;

    if (text == NULL)
        return NULL;
    copy = bs_arena_str(r->arena, (const char *)text);
    r->full = r->full || copy == NULL;
    return copy;
}

int64_t
bs_sq_int(struct bs_sq_rows *r, int column)
{
    return sqlite3_column_int64(r->st, column);
}

enum bs_done
bs_sq_texts(struct bs_sq_rows *r, int column, const char ***out, size_t *n, struct bs_err *err)
{
    const unsigned char *text = sqlite3_column_text(r->st, column);
    json_t *list = text == NULL ? NULL : json_loads((const char *)text, 0, NULL), *item;
    enum bs_done done = BS_DONE;
    size_t i;

    *out = NULL;
    *n = 0;
    if (text == NULL)
        return BS_DONE;
    if (json_is_array(list))
        *out = bs_arena_array(r->arena, json_array_size(list) + 1, sizeof(**out));
    else
        done = BS_FAIL(err, DAMAGED, "a list in the state is damaged");
    r->full = r->full || (done == BS_DONE && *out == NULL);
    json_array_foreach(list, i, item)
    {
        if (*out == NULL)
            break;
        if (!json_is_string(item)) {
            done = BS_FAIL(err, DAMAGED, "a list in the state is damaged");
            break;
        }
        (*out)[i] = bs_arena_str(r->arena, json_string_value(item));
        r->full = r->full || (*out)[i] == NULL;
        ++*n;
    }
    json_decref(list);
    return done;
}

char *
bs_sq_texts_write(const char *const *list, size_t n)
{
    json_t *out = json_array();
    char *text;

    for (size_t i = 0; i < n; i++)
        (void)json_array_append_new(out, json_string(list[i]));
    text = json_dumps(out, JSON_COMPACT);
    json_decref(out);
    bs_assert(text != NULL); /* what comes in was checked to be UTF-8 */
    return text;
}

void
bs_sq_copy(struct bs_sq_rows *r, int column, char *out, size_t size)
{
    const unsigned char *text = sqlite3_column_text(r->st, column);

    (void)snprintf(out, size, "%s", text == NULL ? "" : (const char *)text);
}

static enum bs_done
bs_sq_read(struct bs_sq_rows *r, bs_sq_read_fn *read, void *item, struct bs_err *err)
{
    if (read(r, item, err) != BS_DONE)
        return BS_FAILED;
    if (r->full)
        return BS_FAIL(err, LIMIT, "rows of the state do not fit into %zu bytes", r->arena->max);
    return BS_DONE;
}

/* Rows are gathered on the heap first: how many there are is known only at the end. */
static enum bs_done
bs_sq_gather(struct bs_sq_rows *r,
             size_t each,
             bs_sq_read_fn *read,
             struct bs_buf *all,
             size_t *n,
             struct bs_err *err)
{
    enum bs_sq_next next;

    while ((next = bs_sq_next(r, err)) == BS_SQ_ROW) {
        uint8_t *item = bs_buf_room(all, each);
        if (item == NULL)
            return BS_FAIL(err, LIMIT, "too many rows in the state");
        memset(item, 0, each);
        if (bs_sq_read(r, read, item, err) != BS_DONE)
            return BS_FAILED;
        all->n += each;
        ++*n;
    }
    return next == BS_SQ_DONE ? BS_DONE : BS_FAILED;
}

enum bs_done
bs_sq_all(struct bs_sqlite *q,
          const char *sql,
          const struct bs_sq_value *values,
          struct bs_arena *arena,
          size_t each,
          bs_sq_read_fn *read,
          void **out,
          size_t *n,
          struct bs_err *err)
{
    struct bs_sq_rows r;
    struct bs_buf all;
    size_t found = 0;
    enum bs_done done;

    if (bs_sq_query(q, sql, values, arena, &r, err) != BS_DONE)
        return BS_FAILED;
    bs_buf_init(&all, arena->max);
    done = bs_sq_gather(&r, each, read, &all, &found, err);
    bs_sq_close(&r);
    if (done == BS_DONE && found > 0) {
        *out = bs_arena_array(arena, found, each);
        if (*out == NULL)
            done = BS_FAIL(err, LIMIT, "rows of the state do not fit into %zu bytes", arena->max);
        else
            memcpy(*out, all.p, all.n);
    }
    if (done == BS_DONE)
        *n = found;
    bs_buf_fini(&all);
    return done;
}

enum bs_done
bs_sq_one(struct bs_sqlite *q,
          const char *sql,
          const struct bs_sq_value *values,
          struct bs_arena *arena,
          bs_sq_read_fn *read,
          void *out,
          const char *what,
          struct bs_err *err)
{
    struct bs_sq_rows r;
    enum bs_sq_next next;
    enum bs_done done = BS_FAILED;

    if (bs_sq_query(q, sql, values, arena, &r, err) != BS_DONE)
        return BS_FAILED;
    next = bs_sq_next(&r, err);
    if (next == BS_SQ_ROW)
        done = bs_sq_read(&r, read, out, err);
    else if (next == BS_SQ_DONE)
        (void)BS_FAIL(err, NOT_FOUND, "there is no such %s", what);
    bs_sq_close(&r);
    return done;
}

/* --- the lock and transactions --- */

struct bs_sqlite *
bs_sq_of(struct bs_state *s)
{
    return (struct bs_sqlite *)s;
}

void
bs_sq_lock(struct bs_sqlite *q)
{
    (void)pthread_mutex_lock(&q->lock);
}

void
bs_sq_unlock(struct bs_sqlite *q)
{
    (void)pthread_mutex_unlock(&q->lock);
}

/* IMMEDIATE: the write lock comes first, so a transaction never fails half way for another's. */
enum bs_done
bs_sq_begin(struct bs_sqlite *q, struct bs_err *err)
{
    bs_sq_lock(q);
    if (bs_sq_run(q, "BEGIN IMMEDIATE", BS_SQ_NO_VALUES, NULL, err) == BS_DONE)
        return BS_DONE;
    bs_sq_unlock(q);
    return BS_FAILED;
}

enum bs_done
bs_sq_end(struct bs_sqlite *q, enum bs_done done, struct bs_err *err)
{
    if (done == BS_DONE)
        done = bs_sq_run(q, "COMMIT", BS_SQ_NO_VALUES, NULL, err);
    /* The first failure is the one to tell; a rollback that fails leaves nothing to do. */
    if (done != BS_DONE && sqlite3_get_autocommit(q->db) == 0)
        (void)sqlite3_exec(q->db, "ROLLBACK", NULL, NULL, NULL);
    bs_sq_unlock(q);
    return done;
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
set_up(struct bs_sqlite *q, struct bs_err *err)
{
    static const char *const pragmas[] = {
        "PRAGMA synchronous = FULL",
        "PRAGMA trusted_schema = OFF",
        "PRAGMA cell_size_check = ON",
    };

    for (size_t i = 0; i < sizeof(pragmas) / sizeof(pragmas[0]); i++) {
        if (bs_sq_run(q, pragmas[i], BS_SQ_NO_VALUES, NULL, err) != BS_DONE)
            return BS_FAILED;
    }
    return BS_DONE;
}

/* Turning WAL on needs the file for itself, and SQLite does not wait for that by itself. */
static enum bs_done
set_wal(struct bs_sqlite *q, struct bs_err *err)
{
    for (int waited_ms = 0;; waited_ms += 20) {
        int rc = sqlite3_exec(q->db, "PRAGMA journal_mode = WAL", NULL, NULL, NULL);
        if (rc == SQLITE_OK)
            break;
        if (rc != SQLITE_BUSY || waited_ms >= BUSY_MS)
            return bs_sq_fail(q->db, err);
        (void)usleep(20000);
    }
    return BS_DONE;
}

static enum bs_done
pragma(struct bs_sqlite *q, const char *name, int64_t *out, struct bs_err *err)
{
    char sql[64];

    (void)snprintf(sql, sizeof(sql), "PRAGMA %s", name);
    return bs_sq_number(q, sql, BS_SQ_NO_VALUES, 0, out, err);
}

/* Inside a transaction: of two processes that start at once, the second finds it done. */
static enum bs_done
migrate(struct bs_sqlite *q, struct bs_err *err)
{
    int64_t version, id, objects;
    char sql[96];

    if (pragma(q, "user_version", &version, err) != BS_DONE ||
        pragma(q, "application_id", &id, err) != BS_DONE ||
        bs_sq_number(q, "SELECT count(*) FROM sqlite_schema", BS_SQ_NO_VALUES, 0, &objects, err) !=
            BS_DONE)
        return BS_FAILED;
    if (id != APPLICATION_ID && (objects != 0 || version != 0))
        return BS_FAIL(err, CONFIG, "the state file is a database of something else");
    if (version > SCHEMA_VERSION)
        return BS_FAIL(err, CONFIG, "the state has schema %d, this version knows up to %d",
                       (int)version, SCHEMA_VERSION);
    if (version == SCHEMA_VERSION)
        return BS_DONE;
    for (int64_t v = version; v < SCHEMA_VERSION; v++) {
        if (sqlite3_exec(q->db, migrations[v], NULL, NULL, NULL) != SQLITE_OK)
            return bs_sq_fail(q->db, err);
    }
    (void)snprintf(sql, sizeof(sql), "PRAGMA application_id = %d; PRAGMA user_version = %d",
                   APPLICATION_ID, SCHEMA_VERSION);
    if (sqlite3_exec(q->db, sql, NULL, NULL, NULL) != SQLITE_OK)
        return bs_sq_fail(q->db, err);
    return BS_DONE;
}

static enum bs_done
open_connection(struct bs_sqlite *q, const char *path, struct bs_err *err)
{
    /* NOMUTEX: the lock in bs_sqlite guards the connection. */
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;

    if (sqlite3_open_v2(path, &q->db, flags, NULL) != SQLITE_OK)
        return BS_FAIL(err, UNAVAILABLE, "cannot open the state \"%.300s\": %s", path,
                       q->db == NULL ? "out of memory" : sqlite3_errmsg(q->db));
    (void)sqlite3_busy_timeout(q->db, BUSY_MS);
    if (set_up(q, err) != BS_DONE || bs_sq_begin(q, err) != BS_DONE ||
        bs_sq_end(q, migrate(q, err), err) != BS_DONE)
        return BS_FAILED;
    return set_wal(q, err);
}

static void
sqlite_close(struct bs_state *s)
{
    struct bs_sqlite *q = bs_sq_of(s);

    (void)sqlite3_close(q->db);
    (void)pthread_mutex_destroy(&q->lock);
    free(q);
}

static enum bs_done
sqlite_open(const char *place, struct bs_state **out, struct bs_err *err)
{
    struct bs_sqlite *q;

    if (place[0] != '/')
        return BS_FAIL(err, CONFIG, "the state needs an absolute path");
    if (make_file(place, err) != BS_DONE)
        return BS_FAILED;
    q = bs_malloc(sizeof(*q));
    q->base.ops = &bs_state_sqlite;
    (void)pthread_mutex_init(&q->lock, NULL);
    if (open_connection(q, place, err) != BS_DONE) {
        sqlite_close(&q->base);
        return BS_FAILED;
    }
    *out = &q->base;
    return BS_DONE;
}

const struct bs_state_ops bs_state_sqlite = {
    .scheme = "sqlite",
    .open = sqlite_open,
    .close = sqlite_close,
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
    .operator_regroup = bs_sq_operator_regroup,
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
    .change_list = bs_sq_change_list,
    .change_count = bs_sq_change_count,
    .change_drop = bs_sq_change_drop,
};
