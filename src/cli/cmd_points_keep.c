/*
 * cmd_points_keep.c - `backstop points prune|hold|release`: how long points are kept.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/cmd.h"
#include "cli/keeping.h"
#include "cli/out.h"
#include "cli/points.h"
#include "gateway/retention.h"

/* --- prune -------------------------------------------------------------------------------- */

static const char *const fate_names[] = {"stays", "goes", "is kept after all"};

static json_t *
point_json(const struct bs_retain_point *p, const char *fate, const char *why)
{
    char at[BS_TIME_TEXT];

    bs_time_format(p->created_us, at);
    return json_pack("{s:s,s:s,s:s,s:s*,s:s,s:I}", "point", p->ref.id, "fate", fate, "why", why,
                     "database", p->database, "created_at", at, "stored_bytes",
                     (json_int_t)p->stored_bytes);
}

static void
say_point(const struct bs_retain_point *p, const char *fate, const char *why)
{
    char at[BS_TIME_TEXT], size[24];

    bs_time_format(p->created_us, at);
    printf("%s  %.19s  %-8s %s: %s\n", p->ref.id, at, bs_out_size(size, p->stored_bytes), fate,
           why);
}

static int
dry_run(const struct bs_retention *r, struct bs_arena *arena, bool json)
{
    struct bs_retain found;
    struct bs_err err = {0};
    json_t *list = json_array();
    char size[24];

    if (bs_retention_look(r, arena, &found, &err) != BS_DONE) {
        json_decref(list);
        return bs_out_fail(&err);
    }
    for (size_t i = 0; i < found.n_points; i++) {
        const struct bs_retain_point *p = &found.points[i];
        if (json)
            (void)json_array_append_new(list, point_json(p, fate_names[p->fate], p->why));
        else
            say_point(p, fate_names[p->fate], p->why);
    }
    if (json)
        bs_out_json(json_pack("{s:b,s:I,s:I,s:I,s:b,s:O}", "dry_run", true, "going",
                              (json_int_t)found.going, "bytes", (json_int_t)found.bytes,
                              "definitions", (json_int_t)found.n_definitions, "unreadable",
                              found.blind, "points", list));
    else
        printf("%zu of %zu points would go (%s), and %zu definitions that no point names\n",
               found.going, found.n_points, bs_out_size(size, found.bytes), found.n_definitions);
    json_decref(list);
    return 0;
}

struct telling {
    bool json;
    json_t *list;
};

static void
tell(void *ctx, const struct bs_retain_point *p, const char *why)
{
    const struct telling *t = ctx;
    const char *fate = why == NULL ? "removed" : "stays";

    if (t->json)
        (void)json_array_append_new(t->list, point_json(p, fate, why == NULL ? p->why : why));
    else
        say_point(p, fate, why == NULL ? p->why : why);
}

static void
say_done(const struct bs_retain_done *d)
{
    char size[24];

    printf("%zu points removed (%s), %zu definitions that no point named\n", d->points,
           bs_out_size(size, d->bytes), d->definitions);
    if (d->hidden != 0)
        printf("%zu objects are only hidden: the bucket keeps versions, and what is behind a "
               "delete marker stays until a lifecycle rule removes it\n",
               d->hidden);
    if (d->locked != 0)
        printf("%zu points are expired, and an object lock keeps them: %s\n", d->locked,
               d->locked_why);
    if (d->deferred != 0)
        printf("%zu points wait for a capture that goes on\n", d->deferred);
}

static int
prune(struct bs_keeping *w, bool json)
{
    struct telling t = {json, json_array()};
    const struct bs_retention r = {.config = w->config,
                                   .store = w->store,
                                   .state = w->state,
                                   .audit = w->audit,
                                   .by = "operator",
                                   .tell = tell,
                                   .ctx = &t};
    struct bs_retain_done d;
    struct bs_err err = {0};
    int status = 0;

    if (bs_retention_run(&r, &d, &err) != BS_DONE)
        status = bs_out_fail(&err);
    else if (json)
        bs_out_json(
            json_pack("{s:I,s:I,s:I,s:I,s:I,s:s*,s:I,s:I,s:O}", "removed", (json_int_t)d.points,
                      "bytes", (json_int_t)d.bytes, "definitions", (json_int_t)d.definitions,
                      "hidden_objects", (json_int_t)d.hidden, "locked", (json_int_t)d.locked,
                      "locked_why", d.locked == 0 ? NULL : d.locked_why, "deferred",
                      (json_int_t)d.deferred, "kept", (json_int_t)d.kept, "points", t.list));
    else
        say_done(&d);
    json_decref(t.list);
    return status;
}

int
bs_points_prune(int argc, char **argv)
{
    bool dry = false;
    const struct bs_arg options[] = {
        {"dry-run", 'n', BS_ARG_FLAG, NULL, "say what would go and what stays, and why", &dry},
    };
    const struct bs_usage usage = {
        .verb = "points prune",
        .operands = "",
        .summary = "Remove recovery points that the configuration no longer keeps.",
        .details =
            "Goes by `retention` and by `keep` of `snapshots`. Never removed: what a ticket or a\n"
            "plan of a restore names, what is held, what a later snapshot needs, what may still\n"
            "take effect, and the newest good snapshot of a table. A running gateway does this by\n"
            "itself. Exit status 77: the storage does not let this key delete, and nothing was\n"
            "marked or removed; 1: somebody else is pruning.",
        .examples = "  backstop points prune --dry-run\n  backstop points prune --json\n",
        .args = options,
        .n_args = 1,
    };
    struct bs_args args;
    struct bs_keeping w = {0};
    int status = 0;

    if (bs_args_take(&usage, argc, argv, &args) != BS_ARGS_RUN)
        return args.status;
    if (bs_keeping_open(&w, &args, &status)) {
        const struct bs_retention r = {.config = w.config, .store = w.store, .state = w.state};
        status = dry ? dry_run(&r, &w.arena, args.json) : prune(&w, args.json);
    }
    bs_keeping_close(&w);
    return status;
}

/* --- hold and release --------------------------------------------------------------------- */

static enum bs_done
note(struct bs_keeping *w,
     const struct bs_point_ref *p,
     enum bs_event_state state,
     const char *reason,
     struct bs_err *err)
{
    json_t *details = reason == NULL ? NULL : json_pack("{s:s}", "reason", reason);
    char *text = details == NULL ? NULL : json_dumps(details, JSON_COMPACT);
    const struct bs_point_event event = {.state = state, .by = "operator", .details = text};
    const struct bs_audit_record record = {.kind = BS_AUDIT_POINT,
                                           .operator_ = "operator",
                                           .point = p->id,
                                           .action = bs_event_name(state),
                                           .outcome = "done",
                                           .text = reason};
    enum bs_done done = BS_FAILED;

    if (reason != NULL && text == NULL)
        (void)BS_FAIL(err, DATA, "the reason is not UTF-8");
    else if (bs_audit_write(w->audit, &record, NULL, err) == BS_DONE)
        done = bs_points_event(w->store, p->dir, &event, err);
    free(text);
    json_decref(details);
    return done;
}

static int
change(const struct bs_usage *usage, int argc, char **argv, bool hold, const char **reason)
{
    struct bs_args args;
    struct bs_keeping w = {0};
    struct bs_point_ref p;
    struct bs_err err = {0};
    int status = 0;

    if (bs_args_take(usage, argc, argv, &args) != BS_ARGS_RUN)
        return args.status;
    if ((hold || *reason != NULL) && !bs_out_is_reason(*reason))
        return bs_out_usage(hold ? "backstop points hold" : "backstop points release",
                            "say why with --reason: one line, at most 300 bytes");
    if (!bs_keeping_open(&w, &args, &status))
        goto out;
    if (bs_points_find(w.store, args.operands[0], &w.arena, &p, &err) == BS_DONE && p.expired)
        (void)BS_FAIL(&err, CONFLICT, "%s %s", p.id,
                      p.erased == BS_EVENT_NONE ? "has expired and is being removed"
                                                : "was erased, or is being erased");
    if (err.code == BS_OK && p.held == hold)
        (void)BS_FAIL(&err, CONFLICT, "%s is %s", p.id, hold ? "held already" : "not held");
    if (err.code != BS_OK ||
        note(&w, &p, hold ? BS_EVENT_HELD : BS_EVENT_RELEASED, *reason, &err) != BS_DONE)
        status = bs_out_fail(&err);
    else if (args.json)
        bs_out_json(json_pack("{s:s,s:b}", "point", p.id, "held", hold));
    else
        printf("%s is %s\n", p.id, hold ? "held: it stays until it is released" : "released");
out:
    bs_keeping_close(&w);
    return status;
}

int
bs_points_hold(int argc, char **argv)
{
    const char *reason = NULL;
    const struct bs_arg options[] = {
        {"reason", 'r', BS_ARG_TEXT, "TEXT", "why, for the record", &reason},
    };
    const struct bs_usage usage = {
        .verb = "points hold",
        .operands = "POINT",
        .summary = "Keep a recovery point until it is released, whatever its age.",
        .examples = "  backstop points hold RP-01KB3Z --reason 'case 4711'\n",
        .args = options,
        .n_args = 1,
        .min = 1,
        .max = 1,
    };

    return change(&usage, argc, argv, true, &reason);
}

int
bs_points_release(int argc, char **argv)
{
    const char *reason = NULL;
    const struct bs_arg options[] = {
        {"reason", 'r', BS_ARG_TEXT, "TEXT", "why, for the record", &reason},
    };
    const struct bs_usage usage = {
        .verb = "points release",
        .operands = "POINT",
        .summary = "Let a held recovery point go when its time comes.",
        .examples = "  backstop points release RP-01KB3Z\n",
        .args = options,
        .n_args = 1,
        .min = 1,
        .max = 1,
    };

    return change(&usage, argc, argv, false, &reason);
}
