/*
 * configured.c - see configured.h.
 */
#include "restore/configured.h"

#include <libpq-fe.h>
#include <string.h>

/* Is `dbname` of this conninfo the point's database? */
static bool
leads_to(const char *conninfo, const char *database)
{
    PQconninfoOption *all = PQconninfoParse(conninfo, NULL);
    bool same = false;

    for (const PQconninfoOption *o = all; o != NULL && o->keyword != NULL; o++)
        same = same || (strcmp(o->keyword, "dbname") == 0 && o->val != NULL &&
                        strcmp(o->val, database) == 0);
    PQconninfoFree(all);
    return same;
}

/* One that is named, or the only one. NULL without an error: it has to be found. */
static const struct bs_config_database *
named_database(const struct bs_configured *ask, struct bs_err *err)
{
    const struct bs_config *c = ask->config;
    const struct bs_config_database *found = NULL;

    if (ask->database == NULL)
        return c->n_databases == 1 ? &c->databases[0] : NULL;
    found = bs_config_database_find(c, ask->database);
    if (found == NULL)
        (void)BS_FAIL(err, NOT_FOUND, "the configuration has no database \"%.100s\"",
                      ask->database);
    return found;
}

static enum bs_done
take_pg_dumps(const struct bs_config *c, struct bs_restore *r, struct bs_err *err)
{
    struct bs_pg_dump *list = bs_arena_array(&r->arena, c->n_pg_dumps + 1, sizeof(*list));

    if (list == NULL)
        return BS_FAIL(err, LIMIT, "the restore's memory is used up");
    for (size_t i = 0; i < c->n_pg_dumps; i++)
        list[i] = (struct bs_pg_dump){c->pg_dumps[i].major, c->pg_dumps[i].path};
    r->request.pg_dumps = list;
    r->request.n_pg_dumps = c->n_pg_dumps;
    return BS_DONE;
}

static void
connect_to(const struct bs_config_database *database,
           const struct bs_configured *ask,
           struct bs_restore *out,
           struct bs_err *unreached)
{
    out->request.database = database->name;
    out->request.dsn = ask->dsn != NULL             ? ask->dsn
                       : database->restorer != NULL ? database->restorer
                                                    : database->upstream_libpq;
    out->request.helper = database->helper;
    bs_err_clear(unreached);
    (void)!bs_restore_connect(out, unreached);
    /* The configured helper is of the database that the point was taken from. */
    if (out->db.conn != NULL && !out->same_database)
        out->request.helper = out->request.dsn;
}

/* Several servers may have a database of that name: the one it came from says so itself. */
static enum bs_done
find_database(const struct bs_configured *ask,
              struct bs_restore *out,
              struct bs_err *unreached,
              struct bs_err *err)
{
    const struct bs_config *c = ask->config;
    const struct bs_config_database *first = NULL, *last = NULL;

    for (size_t i = 0; i < c->n_databases; i++) {
        if (!leads_to(c->databases[i].helper, out->manifest.source.database))
            continue;
        bs_rdb_close(&out->db);
        last = &c->databases[i];
        first = first == NULL ? last : first;
        connect_to(last, ask, out, unreached);
        if (ask->dsn != NULL || (out->db.conn != NULL && out->same_database))
            return BS_DONE;
    }
    if (first != last) {
        bs_rdb_close(&out->db);
        connect_to(first, ask, out, unreached);
    }
    if (first != NULL)
        return BS_DONE;
    return BS_FAIL(err, NOT_FOUND,
                   "no configured database is the point's; name it with"
                   " --database");
}

enum bs_done
bs_configured_open(const struct bs_configured *ask,
                   struct bs_restore *out,
                   struct bs_err *unreached,
                   struct bs_err *err)
{
    const struct bs_config_database *database;
    struct bs_restore_request request = ask->request;

    request.spool = ask->config->spool;
    request.lock_budget_us = ask->config->lock_budget_ms * 1000;
    if (bs_restore_open(&request, out, err) != BS_DONE ||
        take_pg_dumps(ask->config, out, err) != BS_DONE)
        return BS_FAILED;
    database = named_database(ask, err);
    if (database == NULL)
        return err->code != BS_OK ? BS_FAILED : find_database(ask, out, unreached, err);
    connect_to(database, ask, out, unreached);
    return BS_DONE;
}
