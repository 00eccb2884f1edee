/*
 * restoring.c - see restoring.h.
 */
#include "cli/restoring.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/client.h"
#include "cli/cmd.h"
#include "cli/out.h"
#include "cli/restore_view.h"
#include "recovery/keys.h"
#include "restore/configured.h"
#include "restore/planfile.h"

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
}

static enum bs_done
open_point(struct bs_restoring *w,
           const char *point,
           const struct bs_restoring_options *o,
           enum bs_restoring_reach reach,
           struct bs_err *unreached,
           struct bs_err *err)
{
    const struct bs_config *c = w->config;
    struct bs_configured ask = {.config = c, .database = o->database, .dsn = o->dsn};

    if (bs_keys_open_store(c->storage_url, c->keys, c->key, &w->store, err) != BS_DONE ||
        bs_cmd_side_audit(c, &w->audit, err) != BS_DONE)
        return BS_FAILED;
    ask.request = (struct bs_restore_request){
        .store = w->store,
        .point = point,
        .by = "operator",
        .audit = w->audit,
        .watch = bs_view_progress,
        .where = o->where,
        .verify = o->verify,
        .elsewhere = reach == BS_RESTORING_ELSEWHERE && o->dsn != NULL,
    };
    return bs_configured_open(&ask, &w->r, unreached, err);
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
    struct bs_err failed = {0};

    w->config = bs_cmd_config(args, status);
    if (w->config == NULL)
        return false;
    if (open_point(w, point, o, reach, err, &failed) != BS_DONE) {
        *status = bs_out_fail(&failed);
        return false;
    }
    if (bs_rdb_is_superuser(&w->r.db))
        fputs(
            "backstop: warning: connected as a superuser: what agents wrote into triggers, checks"
            " and domains of\n  these tables runs with all rights; a role with BYPASSRLS that is a"
            " member of the owners is enough for rows\n",
            stderr);
    return true;
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
    if (w->state != NULL || bs_state_open(w->config->state_url, &w->state, err) == BS_DONE)
        done = bs_state_operator_find(w->state, token, &w->arena, &w->operator_, err);
    bs_free_secret(&token);
    if (done == BS_DONE && !bs_operator_may(&w->operator_, BS_ROLE_APPROVER, bs_now_us()))
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
    enum bs_copyback_conflict conflict;
    bool known = bs_planfile_conflict(how->conflict, &conflict);

    *out = (struct bs_copyback_options){
        .table = o->table,
        .conflict = conflict,
        .triggers = how->no_triggers ? BS_COPYBACK_SUPPRESS : BS_COPYBACK_FIRE,
        .made = how->remove_inserted ? BS_COPYBACK_REMOVE : BS_COPYBACK_KEEP,
        .sequences = how->set_sequences ? BS_COPYBACK_SET_BACK : BS_COPYBACK_LEAVE,
        .all_missing = how->all_missing,
    };
    return known;
}
