/*
 * cmd_points_erase.c - `backstop points erase`: one recovery point, for good.
 */
#include <stdio.h>
#include <string.h>

#include "cli/actors.h"
#include "cli/cmd.h"
#include "cli/keeping.h"
#include "cli/out.h"
#include "cli/points.h"
#include "cli/restoring.h"
#include "gateway/retention.h"

struct work {
    struct bs_keeping k;
    char by[BS_ACTOR_BY];
};

/* Into the audit; before anything is done, too: what cannot be recorded does not happen. */
static enum bs_done
note(void *ctx,
     const struct bs_point_ref *p,
     const char *what,
     const char *reason,
     struct bs_err *err)
{
    const struct work *w = ctx;
    const struct bs_audit_record record = {.kind = BS_AUDIT_POINT,
                                           .operator_ = w->by,
                                           .point = p->id,
                                           .action = "erase",
                                           .outcome = what,
                                           .text = reason};

    return bs_audit_write(w->k.audit, &record, NULL, err);
}

static int
erase(struct work *w, const char *point, const char *reason, bool json)
{
    const struct bs_retention r = {.config = w->k.config,
                                   .store = w->k.store,
                                   .state = w->k.state,
                                   .audit = w->k.audit,
                                   .by = w->by,
                                   .note = note,
                                   .ctx = w};
    struct bs_erased d;
    struct bs_err err = {0};
    char size[24];

    if (bs_retention_erase(&r, point, reason, &d, &w->k.arena, &err) != BS_DONE)
        return bs_out_fail(&err);
    if (json) {
        bs_out_json(json_pack("{s:s,s:b,s:I,s:I,s:b,s:s*}", "point", d.id, "erased", true,
                              "objects", (json_int_t)d.objects, "bytes", (json_int_t)d.bytes,
                              "encrypted", d.encrypted, "rows_also_in", d.shared));
        return 0;
    }
    printf("%s is erased: %zu objects (%s)\n", d.id, d.objects, bs_out_size(size, d.bytes));
    if (d.shared != NULL)
        printf("unchanged tables of it are rows of %s, which stays\n", d.shared);
    puts(d.encrypted
             ? "copies made of the storage hold it until they go, or the configured key does"
             : "copies made of the storage hold it until they go: it was not encrypted");
    return 0;
}

int
bs_points_erase(int argc, char **argv)
{
    struct bs_restoring_options o = {0};
    const char *reason = NULL;
    const struct bs_arg options[] = {
        {"reason", 'r', BS_ARG_TEXT, "TEXT", "why, in one line", &reason},
        {"yes", 'y', BS_ARG_FLAG, NULL, "do not ask", &o.yes},
    };
    const struct bs_usage usage = {
        .verb = "points erase",
        .operands = "POINT",
        .summary = "Take one recovery point away for good; what it holds cannot be given back.",
        .details =
            "Refused: what is held, open, or named by a ticket, a plan of a restore or a later\n"
            "snapshot; what an object lock keeps, and what the storage would only hide. Who did\n"
            "it and why stays, in the audit and in the point's place. Killed in the middle, the\n"
            "same again ends it. Exit status 1: refused; 77: the storage does not let this key\n"
            "delete. Other points may hold the same rows, and so do copies of the storage.",
        .examples = "  backstop points erase RP-01KB3Z --reason 'request of a person, case 4711'\n",
        .args = options,
        .n_args = 2,
        .min = 1,
        .max = 1,
    };
    struct bs_args args;
    struct work w = {0};
    char question[160];
    int status = 0;

    if (bs_args_take(&usage, argc, argv, &args) != BS_ARGS_RUN)
        return args.status;
    if (!bs_out_is_reason(reason))
        return bs_out_usage("backstop points erase",
                            "say why with --reason: one line, at most 300 bytes");
    bs_actor_local(w.by);
    (void)snprintf(question, sizeof(question), "Erase %.40s for good?", args.operands[0]);
    if (bs_keeping_open(&w.k, &args, &status) &&
        bs_restoring_confirmed(&o, "backstop points erase", question, &status))
        status = erase(&w, args.operands[0], reason, args.json);
    bs_keeping_close(&w.k);
    return status;
}
