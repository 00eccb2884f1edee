/*
 * cmd_points_settle.c - `backstop points settle`: how a statement ended of which nobody knew.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/actors.h"
#include "cli/cmd.h"
#include "cli/out.h"
#include "cli/points.h"
#include "cli/restoring.h"

static const char *
server_says(enum bs_event_state state)
{
    if (state == BS_EVENT_ARMED)
        return "in progress";
    return state == BS_EVENT_UNKNOWN ? "cannot say" : bs_event_name(state);
}

/* The audit first: what cannot be recorded does not happen. */
static enum bs_done
settle(struct bs_restoring *w,
       enum bs_event_state end,
       const char *said,
       const char *reason,
       struct bs_err *err)
{
    char by[BS_ACTOR_BY];
    json_t *details = json_pack("{s:s,s:s}", "reason", reason, "server", said);
    char *text = details == NULL ? NULL : json_dumps(details, JSON_COMPACT);
    const struct bs_point_event event = {.state = end, .by = by, .details = text};
    const struct bs_audit_record record = {.kind = BS_AUDIT_POINT,
                                           .operator_ = by,
                                           .point = w->r.ref.id,
                                           .action = "settle",
                                           .outcome = bs_event_name(end),
                                           .text = reason};
    enum bs_done done = BS_FAILED;

    bs_actor_local(by);
    if (text == NULL)
        (void)BS_FAIL(err, DATA, "the reason is not UTF-8");
    else if (bs_audit_write(w->audit, &record, NULL, err) == BS_DONE)
        done = bs_points_event(w->store, w->r.ref.dir, &event, err);
    free(text);
    json_decref(details);
    return done;
}

static int
ask_and_settle(struct bs_restoring *w, enum bs_event_state end, const char *reason, bool json)
{
    const struct bs_point_ref *p = &w->r.ref;
    enum bs_event_state is = BS_EVENT_UNKNOWN;
    struct bs_err err = {0};

    if (p->outcome != BS_EVENT_UNKNOWN || p->expired)
        (void)BS_FAIL(&err, CONFLICT, "%s is %s: only what is unknown is settled", p->id,
                      p->expired ? "expired" : bs_event_name(p->outcome));
    else if (bs_points_ask(w->store, w->r.request.helper, p, &is, &err) == BS_DONE && is != end &&
             is != BS_EVENT_UNKNOWN)
        (void)BS_FAIL(&err, CONFLICT, "the server says of the transaction of %s: %s", p->id,
                      server_says(is));
    if (err.code != BS_OK || settle(w, end, server_says(is), reason, &err) != BS_DONE)
        return bs_out_fail(&err);
    if (json)
        bs_out_json(json_pack("{s:s,s:s,s:s}", "point", p->id, "outcome", bs_event_name(end),
                              "server", server_says(is)));
    else
        printf("%s is %s from now on; the server: %s\n", p->id, bs_event_name(end),
               server_says(is));
    return 0;
}

int
bs_points_settle(int argc, char **argv)
{
    struct bs_restoring_options o = {0};
    const char *reason = NULL;
    bool committed = false, rolled_back = false;
    const struct bs_arg options[] = {
        {"committed", 0, BS_ARG_FLAG, NULL, "it took effect", &committed},
        {"rolled-back", 0, BS_ARG_FLAG, NULL, "it did not", &rolled_back},
        {"reason", 'r', BS_ARG_TEXT, "TEXT", "how that is known", &reason},
        {"database", 'd', BS_ARG_TEXT, "NAME", "the configured database, where several fit",
         &o.database},
    };
    const struct bs_usage usage = {
        .verb = "points settle",
        .operands = "POINT",
        .summary = "Say how a statement ended of which nobody knows.",
        .details =
            "Only for a point whose outcome is unknown. The server is asked first, by the number\n"
            "of the transaction, and is never contradicted; where it cannot say, your word and\n"
            "your reason are what the audit and the point have. Exit status 1: refused.",
        .examples =
            "  backstop points settle RP-01KB3Z --committed --reason 'its rows are there'\n",
        .args = options,
        .n_args = sizeof(options) / sizeof(options[0]),
        .min = 1,
        .max = 1,
    };
    struct bs_args args;
    struct bs_restoring w = {0};
    struct bs_err err = {0};
    int status = 0;

    if (bs_args_take(&usage, argc, argv, &args) != BS_ARGS_RUN)
        return args.status;
    if (committed == rolled_back)
        return bs_out_usage("backstop points settle", "say --committed or --rolled-back");
    if (!bs_out_is_reason(reason))
        return bs_out_usage("backstop points settle",
                            "say with --reason how that is known: one line, at most 300 bytes");
    if (bs_restoring_open(&w, &args, args.operands[0], &o, BS_RESTORING_HERE, &status, &err))
        status = err.code != BS_OK
                     ? bs_out_fail(&err)
                     : ask_and_settle(&w, committed ? BS_EVENT_COMMITTED : BS_EVENT_ROLLED_BACK,
                                      reason, args.json);
    bs_restoring_close(&w);
    return status;
}
