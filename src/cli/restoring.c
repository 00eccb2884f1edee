/*
 * restoring.c - see restoring.h.
 */
#include "cli/restoring.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/cmd.h"
#include "cli/out.h"
#include "cli/restore_view.h"
#include "recovery/keys.h"

void
bs_restoring_close(struct bs_restoring *w)
{
    bs_view_progress_end();
    bs_restore_close(&w->r);
    bs_audit_close(&w->audit);
    bs_store_close(&w->store);
    bs_state_close(&w->state);
    bs_arena_fini(&w->arena);
    bs_config_unref(&w->config);
    free(w->pg_dumps);
}

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
choose_database(const struct bs_restoring *w, const char *name, struct bs_err *err)
{
    const struct bs_config *c = w->config;
    const struct bs_config_database *found = NULL;

    if (name != NULL) {
        found = bs_config_database_find(c, name);
        if (found == NULL)
            (void)BS_FAIL(err, NOT_FOUND, "the configuration has no database \"%.100s\"", name);
        return found;
    }
    if (c->n_databases == 1)
        return &c->databases[0];
    for (size_t i = 0; i < c->n_databases && found == NULL; i++) {
        if (leads_to(c->databases[i].helper, w->r.manifest.source.database))
            found = &c->databases[i];
    }
    if (found == NULL)
        (void)BS_FAIL(err, NOT_FOUND,
                      "no configured database is the point's; name it with"
                      " --database");
    return found;
}

static void
take_pg_dumps(struct bs_restoring *w)
{
    const struct bs_config *c = w->config;

    w->pg_dumps = bs_malloc((c->n_pg_dumps + 1) * sizeof(*w->pg_dumps));
    for (size_t i = 0; i < c->n_pg_dumps; i++)
        w->pg_dumps[i] = (struct bs_pg_dump){c->pg_dumps[i].major, c->pg_dumps[i].path};
}

static enum bs_done
find_point(struct bs_restoring *w, const char *point, struct bs_err *err)
{
    const struct bs_config *c = w->config;
    struct bs_restore_request request = {.point = point,
                                         .spool = c->spool,
                                         .by = "operator",
                                         .watch = bs_view_progress,
                                         .lock_budget_us = c->lock_budget_ms * 1000};

    if (bs_keys_open_store(c->storage_url, c->keys, c->key, &w->store, err) != BS_DONE ||
        bs_cmd_side_audit(c, &w->audit, err) != BS_DONE)
        return BS_FAILED;
    take_pg_dumps(w);
    request.store = w->store;
    request.audit = w->audit;
    request.pg_dumps = w->pg_dumps;
    request.n_pg_dumps = c->n_pg_dumps;
    return bs_restore_open(&request, &w->r, err);
}

bool
bs_restoring_open(struct bs_restoring *w,
                  const struct bs_args *args,
                  const char *point,
                  const struct bs_restoring_options *o,
                  enum bs_restoring_reach reach,
                  int *status,
                  struct bs_err *err)
{
    const struct bs_config_database *database;

    w->config = bs_cmd_config(args, status);
    if (w->config == NULL)
        return false;
    if (find_point(w, point, err) != BS_DONE)
        goto failed;
    database = choose_database(w, o->database, err);
    if (database == NULL)
        goto failed;
    w->r.request.database = database->name;
    w->r.request.dsn = o->dsn != NULL ? o->dsn : database->upstream_libpq;
    w->r.request.helper = database->helper;
    w->r.request.where = o->where;
    w->r.request.verify = o->verify;
    w->r.request.elsewhere = reach == BS_RESTORING_ELSEWHERE && o->dsn != NULL;
    (void)!bs_restore_connect(&w->r, err);
    if (bs_rdb_is_superuser(&w->r.db))
        fputs(
            "backstop: warning: connected as a superuser: what agents wrote into triggers, checks"
            " and domains of\n  these tables runs with all rights; a role with BYPASSRLS that is a"
            " member of the owners is enough for rows\n",
            stderr);
    /* The configured helper is of the database that the point was taken from. */
    if (w->r.db.conn != NULL && !w->r.same_database)
        w->r.request.helper = w->r.request.dsn;
    return true;
failed:
    *status = bs_out_fail(err);
    return false;
}

bool
bs_restoring_confirmed(const struct bs_restoring_options *o,
                       const char *verb,
                       const char *question,
                       int *status)
{
    char answer[16];

    if (o->yes)
        return true;
    if (isatty(STDIN_FILENO) != 1 || isatty(STDERR_FILENO) != 1) {
        *status = bs_out_usage(verb, "without a terminal to ask on, --yes has to say it");
        return false;
    }
    fprintf(stderr, "%s [y/N] ", question);
    fflush(stderr);
    if (fgets(answer, sizeof(answer), stdin) != NULL && (answer[0] == 'y' || answer[0] == 'Y'))
        return true;
    fputs("nothing was done\n", stderr);
    *status = 1;
    return false;
}

enum bs_done
bs_restoring_operator(struct bs_restoring *w, const char *token_file, struct bs_err *err)
{
    char *token = bs_client_token(token_file, err);
    enum bs_done done = BS_FAILED;

    if (token == NULL)
        return BS_FAILED;
    bs_arena_init(&w->arena, "operator", 1u << 20);
    if (w->state != NULL || bs_state_open(w->config->state_path, &w->state, err) == BS_DONE)
        done = bs_state_operator_find(w->state, token, &w->arena, &w->operator_, err);
    bs_free_secret(&token);
    if (done == BS_DONE && !bs_operator_may(&w->operator_, BS_ROLE_APPROVER))
        done = BS_FAIL(err, FORBIDDEN, "a %s may not restore", bs_role_name(w->operator_.role));
    if (done == BS_DONE)
        w->r.request.by = w->operator_.name;
    return done;
}

bool
bs_restoring_take_how(const struct bs_restoring_how *how,
                      const struct bs_restoring_options *o,
                      struct bs_copyback_options *out)
{
    static const char *const words[] = {
        [BS_COPYBACK_SKIP] = "skip",
        [BS_COPYBACK_ABORT] = "abort",
        [BS_COPYBACK_OVERWRITE] = "overwrite",
    };
    size_t i = 0;

    while (how->conflict != NULL && i < sizeof(words) / sizeof(words[0]) &&
           strcmp(words[i], how->conflict) != 0)
        i++;
    *out = (struct bs_copyback_options){
        .table = o->table,
        .conflict = (enum bs_copyback_conflict)i,
        .triggers = how->no_triggers ? BS_COPYBACK_SUPPRESS : BS_COPYBACK_FIRE,
        .made = how->remove_inserted ? BS_COPYBACK_REMOVE : BS_COPYBACK_KEEP,
        .sequences = how->set_sequences ? BS_COPYBACK_SET_BACK : BS_COPYBACK_LEAVE,
        .all_missing = how->all_missing,
    };
    return i < sizeof(words) / sizeof(words[0]);
}
