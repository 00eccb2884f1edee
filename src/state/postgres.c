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
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "state/postgres.h"

#define OID_BOOL 16
#define OID_INT8 20
#define OID_TEXT 25
#define MAX_SQL  8192

struct pg {
    struct bs_sqlite q; /* first: a bs_sqlite * is a pg * */
    char *url;          /* secret */
    struct bs_pg_link link;
    struct bs_pg_ear *ear; /* NULL: it does not listen */
};

static struct pg *
pg_of(struct bs_sqlite *q)
{
    return (struct pg *)q;
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

static void
bind_all(const struct bs_sq_value *values, struct bs_pg_bound *b)
{
    for (b->n = 0; values[b->n].type != BS_SQ_END; b->n++) {
        const struct bs_sq_value *v = &values[b->n];
        bs_assert(b->n < BS_PG_BOUND);
        b->types[b->n] = v->type == BS_SQ_INT ? OID_INT8 : OID_TEXT;
        b->values[b->n] = v->text;
        if (v->type != BS_SQ_INT)
            continue;
        (void)snprintf(b->numbers[b->n], sizeof(b->numbers[0]), "%lld", (long long)v->number);
        b->values[b->n] = b->numbers[b->n];
    }
}

static enum bs_done
pg_query(struct bs_sqlite *q,
         const char *sql,
         const struct bs_sq_value *values,
         struct bs_sq_rows *out,
         struct bs_err *err)
{
    struct pg *p = pg_of(q);
    bool may_repeat = !p->link.writing && strncmp(sql, "SELECT", 6) == 0;
    char words[MAX_SQL];
    struct bs_err why = {0};
    struct bs_pg_bound b;
    PGresult *res;

    if (!write_parameters(sql, words))
        return BS_FAIL(err, INTERNAL, "a statement to the state is too long");
    bind_all(values, &b);
    res = bs_pg_ask(&p->link, words, &b, &why);
    if (res == NULL && may_repeat && p->link.again_us <= bs_mono_us()) {
        why = (struct bs_err){0};
        res = bs_pg_ask(&p->link, words, &b, &why);
    }
    if (res == NULL)
        return bs_err_set(err, why.code, "%s", why.message);
    out->st = res;
    out->at = -1;
    return bs_pg_check(res, err);
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
        if (bs_pg_connected(&p->link, &why) == BS_DONE &&
            bs_pg_script(&p->link, begin, &why) == BS_DONE) {
            p->link.writing = true;
            return BS_DONE;
        }
        if (p->link.conn != NULL)
            break;
    }
    if (p->link.conn != NULL) {
        struct bs_err ignored = {0};
        (void)!bs_pg_script(&p->link, "ROLLBACK", &ignored);
    }
    return bs_err_set(err, why.code, "%s", why.message);
}

/* A connection that is lost here leaves open what became of it: nothing that follows is done then, so
 * what was to run does not, whether or not it is written that it does. */
static enum bs_done
pg_commit(struct bs_sqlite *q, struct bs_err *err)
{
    struct pg *p = pg_of(q);

    if (p->link.conn == NULL || !p->link.writing)
        return BS_FAIL(err, UNAVAILABLE, "the state's database is lost");
    p->link.writing = false;
    return bs_pg_script(&p->link, "COMMIT", err);
}

static void
pg_rollback(struct bs_sqlite *q)
{
    struct pg *p = pg_of(q);
    struct bs_err ignored = {0};

    p->link.writing = false;
    if (p->link.conn != NULL && PQtransactionStatus(p->link.conn) != PQTRANS_IDLE)
        (void)!bs_pg_script(&p->link, "ROLLBACK", &ignored);
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
    " AS $$ BEGIN PERFORM pg_notify('backstop', TG_TABLE_NAME || ' ' || NEW.id || ' ' ||"
    " coalesce(current_setting('backstop.instance', true), ''));"
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
        (missing != 0 && bs_pg_script(&p->link, "CREATE SCHEMA backstop", err) != BS_DONE))
        return BS_FAILED;
    return bs_pg_script(
        &p->link,
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
        done = bs_pg_script(&p->link, (const char *)sql.p, err);
        bs_buf_fini(&sql);
    }
    if (done == BS_DONE)
        done = bs_pg_script(&p->link, extras, err);
    (void)snprintf(about, sizeof(about), "UPDATE backstop.about SET version = %d, extra = %d",
                   newest(), EXTRAS);
    return done == BS_DONE ? bs_pg_script(&p->link, about, err) : BS_FAILED;
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
    int64_t about, version = 0, extra = 0;

    if (number(p, "SELECT to_regclass('backstop.about') IS NOT NULL", &about, err) != BS_DONE)
        return BS_FAILED;
    /* Not there: another one may be making it, so that half of what is asked here would be of before. */
    if (about != 0 && versions(p, &version, &extra, err) != BS_DONE)
        return BS_FAILED;
    if (version == newest() && extra == EXTRAS)
        return BS_DONE;
    if (bs_pg_script(&p->link, "BEGIN; SELECT pg_advisory_xact_lock(hashtext('backstop.about'))",
                     err) != BS_DONE)
        return BS_FAILED;
    p->link.writing = true;
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

    bs_pg_deafen(&p->ear);
    PQfinish(p->link.conn);
    bs_free_secret(&p->url);
    free(p);
}

static enum bs_done
pg_listen(struct bs_sqlite *q, bs_state_news_fn *heard, void *ctx, struct bs_err *err)
{
    struct pg *p = pg_of(q);

    p->link.instance = q->instance;
    if (bs_pg_sign(&p->link, err) != BS_DONE)
        return BS_FAILED;
    return bs_pg_ear_new(p->url, q->instance, heard, ctx, &p->ear, err);
}

static void
pg_deafen(struct bs_sqlite *q)
{
    bs_pg_deafen(&pg_of(q)->ear);
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
    .listen = pg_listen,
    .deafen = pg_deafen,
};

static enum bs_done
pg_open(const char *place, struct bs_state **out, struct bs_err *err)
{
    struct pg *p = bs_malloc(sizeof(*p));
    size_t size = strlen(place) + sizeof("postgresql://");

    bs_sq_init(&p->q, &driver);
    p->url = bs_malloc(size);
    (void)snprintf(p->url, size, "postgresql://%s", place);
    p->link = (struct bs_pg_link){.url = p->url, .name = "backstop/state", .instance = ""};
    if (bs_pg_connected(&p->link, err) != BS_DONE || migrate(p, err) != BS_DONE) {
        struct bs_state *s = &p->q.base;
        bs_state_close(&s);
        return BS_FAILED;
    }
    *out = &p->q.base;
    return BS_DONE;
}

const struct bs_state_backend bs_state_postgresql = {"postgresql", pg_open};
const struct bs_state_backend bs_state_postgres = {"postgres", pg_open}; /* libpq knows both */
