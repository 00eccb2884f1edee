/*
 * settings.c - the server tells nobody when it has read its settings. But it passes the word on to
 * every session, and ours reads them before its next statement: then they are read.
 */
#include "restore/settings.h"

#include <poll.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "restore/globals.h"

enum { RELOAD_MS = 2000, LOOK_MS = 20 };

static bool
came_back(const struct bs_copyback *out, const char *name)
{
    for (size_t i = 0; i < out->n_globals; i++) {
        const struct bs_global_change *c = &out->globals[i];
        if (c->sql != NULL && strcmp(c->what, "system") == 0 &&
            (name == NULL || strcasecmp(c->name, name) == 0))
            return true;
    }
    return false;
}

/* When this session last read the settings; NULL: `err` says why it is not known. */
static const char *
read_at(struct bs_restore *r, struct bs_err *err)
{
    PGresult *res =
        bs_rdb_ask(&r->db, "SELECT pg_catalog.pg_conf_load_time()::pg_catalog.text", 0, NULL, err);
    const char *at = res == NULL ? NULL : bs_rdb_text(res, 0, 0, &r->arena);

    if (res != NULL && at == NULL)
        (void)BS_FAIL(err, LIMIT, "the point has too many objects");
    PQclear(res);
    return at;
}

static enum bs_done
reload(struct bs_restore *r, struct bs_err *err)
{
    int64_t until_us = bs_mono_us() + (int64_t)RELOAD_MS * 1000;
    const char *was = read_at(r, err), *is = was;

    if (was == NULL || bs_rdb_do(&r->db, "SELECT pg_catalog.pg_reload_conf()", err) != BS_DONE)
        return BS_FAILED;
    while (strcmp(was, is) == 0) {
        if (bs_mono_us() > until_us)
            return BS_FAIL(err, UNAVAILABLE, "the server has not read its settings again");
        (void)poll(NULL, 0, LOOK_MS);
        is = read_at(r, err);
        if (is == NULL)
            return BS_FAILED;
    }
    return BS_DONE;
}

static enum bs_done
list_waiting(struct bs_restore *r, struct bs_copyback *out, struct bs_err *err)
{
    PGresult *res = bs_rdb_ask(
        &r->db, "SELECT s.name FROM pg_catalog.pg_settings s WHERE s.pending_restart ORDER BY 1", 0,
        NULL, err);
    int n = res == NULL ? 0 : PQntuples(res);

    if (res == NULL)
        return BS_FAILED;
    out->restart = bs_arena_array(&r->arena, (size_t)n + 1, sizeof(*out->restart));
    for (int i = 0; out->restart != NULL && i < n; i++) {
        const char *name = bs_rdb_text(res, i, 0, &r->arena);
        if (name != NULL && came_back(out, name))
            out->restart[out->n_restart++] = name;
    }
    PQclear(res);
    return out->restart != NULL ? BS_DONE : BS_FAIL(err, LIMIT, "the point has too many objects");
}

enum bs_done
bs_settings_reload(struct bs_restore *r, struct bs_copyback *out, struct bs_err *err)
{
    if (!came_back(out, NULL))
        return BS_DONE;
    if (reload(r, err) != BS_DONE)
        return BS_FAILED;
    out->reloaded = true;
    return list_waiting(r, out, err);
}
