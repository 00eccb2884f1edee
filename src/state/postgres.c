/*
 * postgres.c - the state in a PostgreSQL, which several gateways share.
 *
 * The operations were written for one writer at a time, as SQLite has it, and get the same here: a
 * transaction that writes begins with a table lock. Serializable transactions would have to be
 * repeated, each by whoever called; and row locks would have to be thought of anew for every
 * operation, where one that is forgotten is a statement that runs twice. There are few writes for each
 * held statement and none for any other. The lock lets readers pass, and needs a privilege that nobody
 * has but the owner of the schema, which an advisory lock does not. What is one statement outside of a
 * transaction carries its own conditions, and PostgreSQL looks at them again when it waited for a row.
 *
 * All that libpq does here ends: the server has time limits for each statement, for the lock and for a
 * transaction that does nothing (so that a gateway that hangs does not stop the others), and the client
 * a deadline of its own. A connection that failed is made anew at the next call, but not at once again
 * and again.
 */
#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "state/postgres.h"

#define ANSWER_US (INT64_C(15) * 1000000) /* longer than all limits of the server below */
#define FIRST_US  (INT64_C(100) * 1000)   /* between two attempts to connect, at first */
#define LAST_US   (INT64_C(2) * 1000000)  /* and at most */
#define OID_BOOL  16
#define OID_INT8  20
#define OID_TEXT  25
#define MAX_SQL   8192
#define MAX_BOUND 40

/* A role may have set any of them otherwise. */
#define SETTINGS                                                                                   \
    "SET search_path = backstop, pg_temp; SET statement_timeout = '10s'; SET lock_timeout = '8s';" \
    "SET idle_in_transaction_session_timeout = '10s'; SET client_encoding = 'UTF8';"               \
    "SET standard_conforming_strings = on; SET default_transaction_isolation = 'read committed';"  \
    "SET default_transaction_read_only = off; SET bytea_output = 'hex';"                           \
    "SELECT set_config('synchronous_commit', 'on', false)"                                         \
    " WHERE current_setting('synchronous_commit') IN ('off', 'local')"

struct pg {
    struct bs_sqlite q; /* first: a bs_sqlite * is a pg * */
    char *url;          /* secret */
    PGconn *conn;
    bool writing;     /* between begin and commit */
    int64_t again_us; /* bs_mono_us: not before then is another connection tried */
    int64_t pause_us; /* to the attempt after that */
    char why[512];    /* the last one failed */
};

static struct pg *
pg_of(struct bs_sqlite *q)
{
    return (struct pg *)q;
}

/* --- errors --- */

/* Primary messages name tables and roles, never values; details do, and are left out. */
static void
first_line(const char *text, char *out, size_t size)
{
    (void)snprintf(out, size, "%.*s", (int)strcspn(text, "\n"), text);
}

static enum bs_done
refused(const PGresult *res, struct bs_err *err)
{
    static const char *const passing[] = {"08", "40", "53", "55", "57", "25"};
    const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
    const char *text = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);

    if (state == NULL || text == NULL)
        return BS_FAIL(err, UNAVAILABLE, "the state's database gave no answer");
    if (strncmp(state, "XX", 2) == 0)
        return BS_FAIL(err, DAMAGED, "the state is damaged: %.300s", text);
    if (strcmp(state, "42501") == 0)
        return BS_FAIL(err, CONFIG, "the state's role may not do what it has to: %.300s", text);
    for (size_t i = 0; i < sizeof(passing) / sizeof(passing[0]); i++)
        if (strncmp(state, passing[i], 2) == 0)
            return BS_FAIL(err, UNAVAILABLE, "the state cannot be used: %.300s", text);
    return BS_FAIL(err, INTERNAL, "the state refused a statement: %.300s", text);
}

/* --- the connection --- */

static void
drop(struct pg *p)
{
    PQfinish(p->conn);
    p->conn = NULL;
    p->writing = false;
}

/* The connection is of no use any more. */
static enum bs_done
lost(struct pg *p, const char *why, struct bs_err *err)
{
    char line[256];

    first_line(why, line, sizeof(line));
    drop(p);
    return BS_FAIL(err, UNAVAILABLE, "the state's database is lost: %s", line);
}

/* Until there is something to read or the deadline is over. */
static enum bs_done
wait_for(struct pg *p, short events, int64_t until_us, struct bs_err *err)
{
    for (;;) {
        int64_t left = until_us - bs_mono_us();
        struct pollfd fd = {.fd = PQsocket(p->conn), .events = events};
        int n = left <= 0 ? 0 : poll(&fd, 1, (int)(left / 1000) + 1);
        if (n > 0)
            return BS_DONE;
        if (n == 0)
            return lost(p, "it does not answer", err);
        if (errno != EINTR)
            return lost(p, strerror(errno), err);
    }
}

/* The last result of what was sent, or the first that is an error; NULL where the connection is lost. */
static PGresult *
collect(struct pg *p, struct bs_err *err)
{
    int64_t until_us = bs_mono_us() + ANSWER_US;
    PGresult *keep = NULL, *res;
    int left;

    while ((left = PQflush(p->conn)) == 1)
        if (wait_for(p, POLLIN | POLLOUT, until_us, err) != BS_DONE || PQconsumeInput(p->conn) != 1)
            break;
    for (; p->conn != NULL && left >= 0;) {
        if (PQisBusy(p->conn) != 0) {
            if (wait_for(p, POLLIN, until_us, err) != BS_DONE)
                break;
            if (PQconsumeInput(p->conn) != 1)
                break;
            continue;
        }
        res = PQgetResult(p->conn);
        if (res == NULL && keep != NULL && PQstatus(p->conn) == CONNECTION_OK)
            return keep;
        if (res == NULL)
            break;
        if (keep != NULL && PQresultStatus(keep) == PGRES_FATAL_ERROR) {
            PQclear(res);
            continue;
        }
        PQclear(keep);
        keep = res;
    }
    if (p->conn != NULL)
        (void)lost(p, PQerrorMessage(p->conn), err);
    PQclear(keep);
    return NULL;
}

static enum bs_done
check(PGresult *res, struct bs_err *err)
{
    ExecStatusType status = PQresultStatus(res);

    if (status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK)
        return BS_DONE;
    return refused(res, err);
}

/* Several statements of ours, without values. */
static enum bs_done
script(struct pg *p, const char *sql, struct bs_err *err)
{
    PGresult *res;
    enum bs_done done;

    if (PQsendQuery(p->conn, sql) != 1)
        return lost(p, PQerrorMessage(p->conn), err);
    res = collect(p, err);
    if (res == NULL)
        return BS_FAILED;
    done = check(res, err);
    PQclear(res);
    return done;
}

PGconn *
bs_pg_connect(const char *url, const char *name)
{
    /* What the URL says counts above what comes before it. */
    const char *const keys[] = {"connect_timeout",     "keepalives_idle",
                                "keepalives_interval", "keepalives_count",
                                "tcp_user_timeout",    "target_session_attrs",
                                "application_name",    "dbname",
                                "client_encoding",     NULL};
    const char *const values[] = {"5",          "10", "5", "3",    "15000",
                                  "read-write", name, url, "UTF8", NULL};

    return PQconnectdbParams(keys, values, 1);
}

static void
hush(void *ctx, const PGresult *res)
{
    (void)ctx;
    (void)res;
}

static enum bs_done
connect_anew(struct pg *p, struct bs_err *err)
{
    p->conn = bs_pg_connect(p->url, "backstop/state");
    if (PQstatus(p->conn) != CONNECTION_OK || PQsetnonblocking(p->conn, 1) != 0) {
        char line[256];
        first_line(PQerrorMessage(p->conn), line, sizeof(line));
        drop(p);
        return BS_FAIL(err, UNAVAILABLE, "the state's database cannot be reached: %s", line);
    }
    (void)PQsetNoticeReceiver(p->conn, hush, NULL);
    if (PQserverVersion(p->conn) < 140000) {
        drop(p);
        return BS_FAIL(err, CONFIG, "the state needs PostgreSQL 14 or newer");
    }
    if (script(p, SETTINGS, err) == BS_DONE)
        return BS_DONE;
    if (p->conn != NULL)
        drop(p);
    return BS_FAILED;
}

static enum bs_done
connect_now(struct pg *p, struct bs_err *err)
{
    struct bs_err why = {0};

    if (bs_mono_us() < p->again_us)
        return BS_FAIL(err, UNAVAILABLE, "%s", p->why);
    if (connect_anew(p, &why) == BS_DONE) {
        p->pause_us = 0;
        return BS_DONE;
    }
    p->pause_us = p->pause_us == 0 ? FIRST_US : p->pause_us * 2;
    p->pause_us = p->pause_us > LAST_US ? LAST_US : p->pause_us;
    p->again_us = bs_mono_us() + p->pause_us;
    (void)snprintf(p->why, sizeof(p->why), "%s", why.message);
    return bs_err_set(err, why.code, "%s", why.message);
}

/* A server that went away meanwhile has told so: what waits to be read on an idle connection is that. */
static enum bs_done
be_connected(struct pg *p, struct bs_err *err)
{
    if (p->conn != NULL && !p->writing) {
        struct pollfd fd = {.fd = PQsocket(p->conn), .events = POLLIN};
        if (poll(&fd, 1, 0) > 0 && PQconsumeInput(p->conn) != 1)
            drop(p);
    }
    if (p->conn != NULL && PQstatus(p->conn) == CONNECTION_OK)
        return BS_DONE;
    if (p->writing)
        return lost(p, "in the middle of a change", err);
    if (p->conn != NULL)
        drop(p);
    return connect_now(p, err);
}

/* --- statements --- */

/* SQLite's ? and ?1 as $1, outside of quotes. False: it does not fit. */
static bool
write_parameters(const char *sql, char out[MAX_SQL])
{
    size_t n = 0;
    int next = 1;
    bool quoted = false;

    for (const char *at = sql; *at != '\0'; at++) {
        if (n + 8 >= MAX_SQL)
            return false;
        quoted = quoted != (*at == '\'');
        if (*at != '?' || quoted)
            out[n++] = *at;
        else if (at[1] >= '0' && at[1] <= '9')
            out[n++] = '$';
        else
            n += (size_t)snprintf(out + n, MAX_SQL - n, "$%d", next++);
    }
    out[n] = '\0';
    return true;
}

struct bound {
    Oid types[MAX_BOUND];
    const char *values[MAX_BOUND];
    char numbers[MAX_BOUND][24];
    int n;
};

static void
bind_all(const struct bs_sq_value *values, struct bound *b)
{
    for (b->n = 0; values[b->n].type != BS_SQ_END; b->n++) {
        const struct bs_sq_value *v = &values[b->n];
        bs_assert(b->n < MAX_BOUND);
        b->types[b->n] = v->type == BS_SQ_INT ? OID_INT8 : OID_TEXT;
        b->values[b->n] = v->text;
        if (v->type != BS_SQ_INT)
            continue;
        (void)snprintf(b->numbers[b->n], sizeof(b->numbers[0]), "%lld", (long long)v->number);
        b->values[b->n] = b->numbers[b->n];
    }
}

static PGresult *
ask(struct pg *p, const char *sql, const struct bound *b, struct bs_err *err)
{
    if (be_connected(p, err) != BS_DONE)
        return NULL;
    if (PQsendQueryParams(p->conn, sql, b->n, b->types, b->values, NULL, NULL, 0) != 1) {
        (void)lost(p, PQerrorMessage(p->conn), err);
        return NULL;
    }
    return collect(p, err);
}

static enum bs_done
pg_query(struct bs_sqlite *q,
         const char *sql,
         const struct bs_sq_value *values,
         struct bs_sq_rows *out,
         struct bs_err *err)
{
    struct pg *p = pg_of(q);
    bool may_repeat = !p->writing && strncmp(sql, "SELECT", 6) == 0;
    char words[MAX_SQL];
    struct bs_err why = {0};
    struct bound b;
    PGresult *res;

    if (!write_parameters(sql, words))
        return BS_FAIL(err, INTERNAL, "a statement to the state is too long");
    bind_all(values, &b);
    res = ask(p, words, &b, &why);
    if (res == NULL && may_repeat && p->again_us <= bs_mono_us()) {
        why = (struct bs_err){0};
        res = ask(p, words, &b, &why);
    }
    if (res == NULL)
        return bs_err_set(err, why.code, "%s", why.message);
    out->st = res;
    out->at = -1;
    return check(res, err);
}

static enum bs_sq_next
pg_next(struct bs_sq_rows *r, struct bs_err *err)
{
    (void)err;
    if (r->at + 1 >= PQntuples(r->st))
        return BS_SQ_DONE;
    r->at++;
    return BS_SQ_ROW;
}

static void
pg_done(struct bs_sq_rows *r)
{
    PQclear(r->st);
}

static const char *
pg_text(struct bs_sq_rows *r, int column)
{
    return PQgetisnull(r->st, r->at, column) != 0 ? NULL : PQgetvalue(r->st, r->at, column);
}

static int64_t
pg_number(struct bs_sq_rows *r, int column)
{
    const char *text = pg_text(r, column);

    if (text == NULL)
        return 0;
    return PQftype(r->st, column) == OID_BOOL ? text[0] == 't' : strtoll(text, NULL, 10);
}

static int
pg_changed(struct bs_sq_rows *r)
{
    return (int)strtoll(PQcmdTuples(r->st), NULL, 10);
}

/* --- transactions --- */

static enum bs_done
pg_begin(struct bs_sqlite *q, struct bs_err *err)
{
    static const char begin[] = "BEGIN; LOCK TABLE backstop.writer IN EXCLUSIVE MODE";
    struct pg *p = pg_of(q);
    struct bs_err why = {0};

    for (int i = 0; i < 2; i++) { /* nothing was done yet: it may be asked twice */
        why = (struct bs_err){0};
        if (be_connected(p, &why) == BS_DONE && script(p, begin, &why) == BS_DONE) {
            p->writing = true;
            return BS_DONE;
        }
        if (p->conn != NULL)
            break;
    }
    if (p->conn != NULL) {
        struct bs_err ignored = {0};
        (void)!script(p, "ROLLBACK", &ignored);
    }
    return bs_err_set(err, why.code, "%s", why.message);
}

/* A connection that is lost here leaves open what became of it: nothing that follows is done then, so
 * what was to run does not, whether or not it is written that it does. */
static enum bs_done
pg_commit(struct bs_sqlite *q, struct bs_err *err)
{
    struct pg *p = pg_of(q);

    if (p->conn == NULL || !p->writing)
        return BS_FAIL(err, UNAVAILABLE, "the state's database is lost");
    p->writing = false;
    return script(p, "COMMIT", err);
}

static void
pg_rollback(struct bs_sqlite *q)
{
    struct pg *p = pg_of(q);
    struct bs_err ignored = {0};

    p->writing = false;
    if (p->conn != NULL && PQtransactionStatus(p->conn) != PQTRANS_IDLE)
        (void)!script(p, "ROLLBACK", &ignored);
}

/* --- the schema --- */

/* What differs, longest first: SQLite's word, and PostgreSQL's. */
static const char *const words[][2] = {
    {"INTEGER PRIMARY KEY AUTOINCREMENT", "bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY"},
    {" STRICT, WITHOUT ROWID", ""},
    {" STRICT", ""},
    {"INTEGER", "bigint"},
    {"TEXT", "text COLLATE \"C\""}, /* texts sort as in SQLite, whatever the database's locale */
};

static void
translate(const char *sql, struct bs_buf *out)
{
    while (*sql != '\0') {
        size_t i = 0;
        for (; i < sizeof(words) / sizeof(words[0]); i++)
            if (strncmp(sql, words[i][0], strlen(words[i][0])) == 0)
                break;
        if (i < sizeof(words) / sizeof(words[0])) {
            bs_put_str(out, words[i][1]);
            sql += strlen(words[i][0]);
        } else {
            bs_put_u8(out, (uint8_t)*sql++);
        }
    }
}

/*
 * PostgreSQL's own part, with a number of its own. Whoever changes a ticket, or an agent, a pause, an
 * operator, wakes the gateways that listen when it commits; the operations need not think of it.
 */
#define EXTRAS 1
static const char extras[] =
    "CREATE TABLE IF NOT EXISTS backstop.writer ();"
    "CREATE OR REPLACE FUNCTION backstop.now_us() RETURNS bigint LANGUAGE sql VOLATILE"
    " SET search_path = pg_catalog, pg_temp"
    " AS $$ SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint $$;"
    "CREATE OR REPLACE FUNCTION backstop.tell() RETURNS trigger LANGUAGE plpgsql"
    " SET search_path = pg_catalog, pg_temp"
    " AS $$ BEGIN PERFORM pg_notify('backstop', TG_TABLE_NAME || ' ' || NEW.id);"
    " RETURN NULL; END $$;"
    "CREATE OR REPLACE TRIGGER tell AFTER INSERT OR UPDATE OF state ON backstop.tickets"
    " FOR EACH ROW EXECUTE FUNCTION backstop.tell();"
    "CREATE OR REPLACE TRIGGER tell AFTER INSERT ON backstop.changes"
    " FOR EACH ROW EXECUTE FUNCTION backstop.tell();";

static enum bs_done
number(struct pg *p, const char *sql, int64_t *out, struct bs_err *err)
{
    return bs_sq_number(&p->q, sql, BS_SQ_NO_VALUES, 0, out, err);
}

/* Credentials lie in it: nobody but its owner has any right to it, and we are its owner. */
static enum bs_done
check_schema(struct pg *p, struct bs_err *err)
{
    int64_t theirs, open;

    if (number(p,
               "SELECT count(*) FROM pg_namespace WHERE nspname = 'backstop' AND"
               " nspowner <> (SELECT oid FROM pg_roles WHERE rolname = current_user)",
               &theirs, err) != BS_DONE ||
        number(p,
               "SELECT count(*) FROM pg_namespace n, aclexplode(n.nspacl) a"
               " WHERE n.nspname = 'backstop' AND a.grantee <> n.nspowner",
               &open, err) != BS_DONE)
        return BS_FAILED;
    if (theirs != 0) {
        (void)BS_FAIL(err, CONFIG, "the schema backstop belongs to another role than the state's");
        bs_err_hint(err, "ALTER SCHEMA backstop OWNER TO the role of `state`");
        return BS_FAILED;
    }
    if (open != 0) {
        (void)BS_FAIL(err, CONFIG, "the schema backstop is open to other roles");
        bs_err_hint(err, "it holds credentials: REVOKE ALL ON SCHEMA backstop from them");
        return BS_FAILED;
    }
    return BS_DONE;
}

static enum bs_done
versions(struct pg *p, int64_t *version, int64_t *extra, struct bs_err *err)
{
    int64_t about, tables;

    *version = *extra = 0;
    if (check_schema(p, err) != BS_DONE ||
        number(p, "SELECT to_regclass('backstop.about') IS NOT NULL", &about, err) != BS_DONE ||
        number(p,
               "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
               " WHERE n.nspname = 'backstop'",
               &tables, err) != BS_DONE)
        return BS_FAILED;
    if (about == 0)
        return tables == 0 ? BS_DONE
                           : BS_FAIL(err, CONFIG, "the schema backstop is that of something else");
    return number(p, "SELECT version FROM backstop.about", version, err) == BS_DONE
               ? number(p, "SELECT extra FROM backstop.about", extra, err)
               : BS_FAILED;
}

static int
newest(void)
{
    int version = 0;

    while (bs_sq_migration(version) != NULL)
        version++;
    return version;
}

/* The schema may have been made for us by whoever may make one. */
static enum bs_done
create(struct pg *p, struct bs_err *err)
{
    int64_t missing;

    if (number(p, "SELECT to_regnamespace('backstop') IS NULL", &missing, err) != BS_DONE ||
        (missing != 0 && script(p, "CREATE SCHEMA backstop", err) != BS_DONE))
        return BS_FAILED;
    return script(p,
                  "CREATE TABLE backstop.about (version bigint NOT NULL, extra bigint NOT NULL);"
                  "INSERT INTO backstop.about VALUES (0, 0)",
                  err);
}

/* In the transaction of migrate(). */
static enum bs_done
migrate_from(struct pg *p, int64_t version, struct bs_err *err)
{
    char about[160];
    enum bs_done done = version == 0 ? create(p, err) : BS_DONE;

    for (int v = (int)version; done == BS_DONE && bs_sq_migration(v) != NULL; v++) {
        struct bs_buf sql;
        bs_buf_init(&sql, 1 << 20);
        translate(bs_sq_migration(v), &sql);
        bs_put_u8(&sql, 0);
        done = script(p, (const char *)sql.p, err);
        bs_buf_fini(&sql);
    }
    if (done == BS_DONE)
        done = script(p, extras, err);
    (void)snprintf(about, sizeof(about), "UPDATE backstop.about SET version = %d, extra = %d",
                   newest(), EXTRAS);
    return done == BS_DONE ? script(p, about, err) : BS_FAILED;
}

/* Under the lock: of two gateways that start at once, the second finds it done. */
static enum bs_done
bring_up(struct pg *p, struct bs_err *err)
{
    int64_t version, extra;

    if (versions(p, &version, &extra, err) != BS_DONE)
        return BS_FAILED;
    if (version > newest() || extra > EXTRAS)
        return BS_FAIL(err, CONFIG, "the state has schema %d.%d, this version knows up to %d.%d",
                       (int)version, (int)extra, newest(), EXTRAS);
    return version == newest() && extra == EXTRAS ? BS_DONE : migrate_from(p, version, err);
}

/* A state that is as it should be is only looked at, without the lock. */
static enum bs_done
migrate(struct pg *p, struct bs_err *err)
{
    int64_t version, extra;

    if (versions(p, &version, &extra, err) != BS_DONE)
        return BS_FAILED;
    if (version == newest() && extra == EXTRAS)
        return BS_DONE;
    if (script(p, "BEGIN; SELECT pg_advisory_xact_lock(hashtext('backstop.about'))", err) !=
        BS_DONE)
        return BS_FAILED;
    p->writing = true;
    if (bring_up(p, err) == BS_DONE)
        return pg_commit(&p->q, err);
    pg_rollback(&p->q);
    return BS_FAILED;
}

/* --- open and close --- */

static void
pg_close(struct bs_sqlite *q)
{
    struct pg *p = pg_of(q);

    PQfinish(p->conn);
    bs_free_secret(&p->url);
    free(p);
}

static const struct bs_sq_driver driver = {
    .close = pg_close,
    .query = pg_query,
    .next = pg_next,
    .done = pg_done,
    .text = pg_text,
    .number = pg_number,
    .changed = pg_changed,
    .begin = pg_begin,
    .commit = pg_commit,
    .rollback = pg_rollback,
};

static enum bs_done
pg_open(const char *place, struct bs_state **out, struct bs_err *err)
{
    struct pg *p = bs_malloc(sizeof(*p));
    size_t size = strlen(place) + sizeof("postgresql://");

    bs_sq_init(&p->q, &driver);
    p->url = bs_malloc(size);
    (void)snprintf(p->url, size, "postgresql://%s", place);
    if (connect_now(p, err) != BS_DONE || migrate(p, err) != BS_DONE) {
        struct bs_state *s = &p->q.base;
        bs_state_close(&s);
        return BS_FAILED;
    }
    *out = &p->q.base;
    return BS_DONE;
}

const struct bs_state_backend bs_state_postgres = {"postgresql", pg_open};
