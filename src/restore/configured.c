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

/* The configured database that the point came from; connecting makes sure that it is that one. */
static const struct bs_config_database *
choose_database(const struct bs_configured *ask, const struct bs_restore *r, struct bs_err *err)
{
    const struct bs_config *c = ask->config;
    const struct bs_config_database *found = NULL;

    if (ask->database != NULL) {
        found = bs_config_database_find(c, ask->database);
        if (found == NULL)
            (void)BS_FAIL(err, NOT_FOUND, "the configuration has no database \"%.100s\"",
                          ask->database);
        return found;
    }
    if (c->n_databases == 1)
        return &c->databases[0];
    for (size_t i = 0; i < c->n_databases && found == NULL; i++) {
        if (leads_to(c->databases[i].helper, r->manifest.source.database))
            found = &c->databases[i];
    }
    if (found == NULL)
        (void)BS_FAIL(err, NOT_FOUND,
                      "no configured database is the point's; name it with"
                      " --database");
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
    database = choose_database(ask, out, err);
    if (database == NULL)
        return BS_FAILED;
    out->request.database = database->name;
    out->request.dsn = ask->dsn != NULL             ? ask->dsn
                       : database->restorer != NULL ? database->restorer
                                                    : database->upstream_libpq;
    out->request.helper = database->helper;
    (void)!bs_restore_connect(out, unreached);
    /* The configured helper is of the database that the point was taken from. */
    if (out->db.conn != NULL && !out->same_database)
        out->request.helper = out->request.dsn;
    return BS_DONE;
}
