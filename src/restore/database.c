/*
 * database.c - pg_restore loads; what it says is not believed before the rows were counted.
 */
#include "restore/database.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "recovery/database.h"
#include "recovery/dump.h"
#include "recovery/spool.h"
#include "recovery/tool.h"
#include "recovery/verify.h"
#include "restore/text.h"

enum { SQL_MAX = 64 * 1024 };

const char *const bs_database_not_covered[] = {
    "sessions and prepared transactions that were in it",
    "subscriptions: they come back disabled, without their replication slots",
    "replication slots of the database",
    "numbers that were drawn from sequences while it was dumped",
    "statistics: they are gathered anew",
    NULL,
};

struct making {
    struct bs_restore *r;
    const struct bs_point_database *db;
    const char *name;
    char own[48]; /* what it is called until it is whole */
    bool made;
    bool keep; /* for a look, though it failed */
    struct bs_rdb there;
    struct bs_spool spool;
    struct bs_database_made *out;
};

static enum bs_done
is_free(struct making *m, const char *name, struct bs_err *err)
{
    const char *params[] = {name};
    PGresult *res = bs_rdb_ask(&m->r->db, "SELECT 1 FROM pg_catalog.pg_database WHERE datname = $1",
                               1, params, err);
    bool is;

    if (res == NULL)
        return BS_FAILED;
    is = PQntuples(res) == 0;
    PQclear(res);
    return is ? BS_DONE : BS_FAIL(err, CONFLICT, "there is a database \"%.64s\" already", name);
}

static void
put_option(struct bs_buf *sql, const char *option, const char *value)
{
    if (value == NULL)
        return;
    bs_put_fmt(sql, " %s ", option);
    bs_put_literal(sql, value);
}

static enum bs_done
create(struct making *m, struct bs_err *err)
{
    const struct bs_point_database *db = m->db;
    struct bs_buf sql;
    enum bs_done done;

    bs_buf_init(&sql, SQL_MAX);
    bs_put_str(&sql, "CREATE DATABASE ");
    bs_put_ident(&sql, m->own);
    bs_put_str(&sql, " TEMPLATE template0");
    put_option(&sql, "ENCODING", db->encoding);
    put_option(&sql, "LC_COLLATE", db->collate);
    put_option(&sql, "LC_CTYPE", db->ctype);
    if (strcmp(db->provider, "i") == 0) {
        put_option(&sql, "LOCALE_PROVIDER icu ICU_LOCALE", db->locale);
        put_option(&sql, "ICU_RULES", db->rules);
    } else if (strcmp(db->provider, "b") == 0) {
        put_option(&sql, "LOCALE_PROVIDER builtin BUILTIN_LOCALE", db->locale);
    }
    done = bs_rdb_run(&m->r->db, &sql, err);
    bs_buf_fini(&sql);
    m->made = done == BS_DONE;
    return done;
}

static enum bs_done
connect_there(struct making *m, struct bs_err *err)
{
    const char *dsn = bs_database_conninfo(&m->r->arena, m->r->request.dsn, m->own);

    if (dsn == NULL)
        return BS_FAIL(err, CONFIG, "the conninfo cannot be read");
    return bs_rdb_open(dsn, &m->there, err);
}

static enum bs_done
load(struct making *m, struct bs_err *err)
{
    char program[PATH_MAX], version[128], run[PATH_MAX + 16], into[64], file[PATH_MAX];
    char strict[] = "--exit-on-error", ask[] = "--no-password";
    char *argv[] = {run, strict, ask, into, file, NULL};
    const struct bs_restore_request *q = &m->r->request;
    struct bs_child child;
    struct bs_err why = {0};

    if (bs_dump_find(q->pg_dumps, q->n_pg_dumps, PQserverVersion(m->r->db.conn), program, version,
                     &why) != BS_DONE ||
        bs_spool_open(&m->spool, q->spool, m->r->manifest.id, &why) != BS_DONE ||
        bs_spool_name(&m->spool, "database", file, &why) != BS_DONE)
        return bs_err_set(err, why.code == BS_E_NO_POINT ? BS_E_UNAVAILABLE : why.code, "%s",
                          why.message);
    bs_restore_tell(m->r, "reading the dump", 0, 0);
    if (bs_schema_read(q->store, &m->db->dump, file, err) != BS_DONE)
        return BS_FAILED;
    (void)snprintf(run, sizeof(run), "%.*s/pg_restore", (int)(strrchr(program, '/') - program),
                   program);
    (void)snprintf(into, sizeof(into), "--dbname=%s", m->own);
    bs_restore_tell(m->r, "loading the dump", 0, 0);
    if (bs_tool_start(&child, argv, m->there.conn, &why) == BS_DONE &&
        bs_child_wait(&child, NULL, NULL, NULL, &why) == BS_DONE)
        return BS_DONE;
    return bs_err_set(err, BS_E_UNAVAILABLE, "pg_restore: %s", why.message);
}

/* --- is it what was dumped? --------------------------------------------------------------- */

static const struct bs_point_counted *
counted(const struct bs_point_database *db, const char *schema, const char *name)
{
    for (size_t i = 0; i < db->n_counted; i++) {
        if (strcmp(db->counted[i].schema, schema) == 0 && strcmp(db->counted[i].name, name) == 0)
            return &db->counted[i];
    }
    return NULL;
}

static enum bs_done
compare_one(struct making *m, const PGresult *list, int i, struct bs_err *err)
{
    const char *schema = PQgetvalue(list, i, 0), *name = PQgetvalue(list, i, 1);
    const struct bs_point_counted *was = counted(m->db, schema, name);
    PGresult *res = bs_rdb_ask(&m->there, PQgetvalue(list, i, 2), 0, NULL, err);
    int64_t rows;
    bool same;

    if (res == NULL)
        return BS_FAILED;
    rows = bs_rdb_number(res, 0, 0);
    same = was != NULL && was->rows == rows && strcmp(was->hash, PQgetvalue(res, 0, 1)) == 0;
    PQclear(res);
    m->out->tables++;
    m->out->rows += rows;
    m->keep = !same;
    return same ? BS_DONE
                : BS_FAIL(err, DAMAGED,
                          "%.64s.%.64s has %lld rows that are not those of the dump (%lld); what "
                          "was loaded is left as database \"%s\"",
                          schema, name, (long long)rows, (long long)(was == NULL ? 0 : was->rows),
                          m->own);
}

static enum bs_done
compare(struct making *m, struct bs_err *err)
{
    PGresult *list;
    enum bs_done done = BS_DONE;

    bs_restore_tell(m->r, "comparing it with what was counted", 0, 0);
    if (bs_rdb_do(&m->there, bs_database_pin, err) != BS_DONE)
        return BS_FAILED;
    list = bs_rdb_ask(&m->there, bs_database_counts, 0, NULL, err);
    if (list == NULL)
        return BS_FAILED;
    if ((size_t)PQntuples(list) != m->db->n_counted) {
        m->keep = true;
        done = BS_FAIL(err, DAMAGED,
                       "there are %d tables and sequences, %zu were dumped; what was loaded is "
                       "left as database \"%s\"",
                       PQntuples(list), m->db->n_counted, m->own);
    }
    for (int i = 0; done == BS_DONE && i < PQntuples(list); i++)
        done = compare_one(m, list, i, err);
    PQclear(list);
    return done;
}

/* --- its name and all that is not inside of it -------------------------------------------- */

static enum bs_done
rename_it(struct making *m, struct bs_err *err)
{
    struct bs_buf sql;
    enum bs_done done;

    bs_rdb_close(&m->there);
    bs_buf_init(&sql, SQL_MAX);
    bs_put_str(&sql, "ALTER DATABASE ");
    bs_put_ident(&sql, m->own);
    bs_put_str(&sql, " RENAME TO ");
    bs_put_ident(&sql, m->name);
    done = bs_rdb_run(&m->r->db, &sql, err);
    bs_buf_fini(&sql);
    return done;
}

/* What can be in a transaction, and after it what cannot. */
static enum bs_done
set_globals(struct making *m, struct bs_err *err)
{
    struct bs_database_made *out = m->out;

    if (bs_rdb_do(&m->r->db, "BEGIN", err) != BS_DONE ||
        bs_globals_find(m->r, BS_COPYBACK_KEEP, &out->globals, &out->n_globals, err) != BS_DONE ||
        bs_globals_run(m->r, out->globals, out->n_globals, false, err) != BS_DONE ||
        bs_rdb_commit(&m->r->db, err) != BS_DONE)
        return BS_FAILED;
    return bs_globals_run(m->r, out->globals, out->n_globals, true, err);
}

static void
undo(struct making *m)
{
    struct bs_err ignored = {0};
    struct bs_buf sql;

    bs_buf_init(&sql, SQL_MAX);
    bs_put_str(&sql, "DROP DATABASE IF EXISTS ");
    bs_put_ident(&sql, m->own);
    (void)!bs_rdb_run(&m->r->db, &sql, &ignored);
    bs_buf_fini(&sql);
}

static enum bs_done
make(struct making *m, struct bs_err *err)
{
    struct bs_err why = {0};

    if (is_free(m, m->name, err) != BS_DONE || is_free(m, m->own, err) != BS_DONE ||
        create(m, err) != BS_DONE || connect_there(m, err) != BS_DONE || load(m, err) != BS_DONE ||
        compare(m, err) != BS_DONE || rename_it(m, err) != BS_DONE)
        return BS_FAILED;
    m->made = false; /* from here on it is what was asked for */
    if (set_globals(m, &why) != BS_DONE) {
        bs_rdb_rollback(&m->r->db);
        m->out->globals_failed = bs_arena_str(&m->r->arena, why.message);
    }
    return BS_DONE;
}

enum bs_done
bs_database_make(struct bs_restore *r,
                 const char *name,
                 struct bs_database_made *out,
                 struct bs_err *err)
{
    struct bs_restore_step step = {.action = "database", .rows = 0};
    struct making m = {.r = r, .db = r->manifest.databases, .name = name, .out = out};
    enum bs_done done;

    *out = (struct bs_database_made){0};
    if (r->manifest.n_databases == 0)
        return BS_FAIL(err, UNSUPPORTED, "%s holds no database", r->manifest.id);
    (void)snprintf(m.own, sizeof(m.own), "backstop_%s",
                   r->manifest.id + strlen(r->manifest.id) - 12);
    for (char *p = m.own; *p != '\0'; p++)
        *p = (char)tolower((unsigned char)*p);
    if (bs_restore_begin(r, &step, err) != BS_DONE)
        return BS_FAILED;
    done = make(&m, err);
    bs_rdb_close(&m.there);
    bs_spool_close(&m.spool);
    if (done != BS_DONE && m.made && !m.keep)
        undo(&m);
    step.rows = out->rows;
    return bs_restore_end(r, &step, done, err);
}
