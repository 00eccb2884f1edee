/*
 * cmd_notify.c - `backstop notify list | retry | drop | test`: what people were not told yet.
 *
 * As agents and operators, this is in the state itself; a gateway that runs finds it within a second.
 */
#include <stdio.h>
#include <string.h>

#include "cli/actors.h"
#include "cli/out.h"
#include "notify/channel.h"
#include "policy/notify.h"

static const char *
state_of(const struct bs_delivery *d)
{
    return d->dead ? "given up" : d->tries == 0 ? "waits" : "failing";
}

/* Never the body: it may hold a statement. */
static json_t *
delivery_json(const struct bs_delivery *d)
{
    char at[BS_TIME_TEXT], due[BS_TIME_TEXT];

    bs_time_format(d->at_us, at);
    bs_time_format(d->due_us, due);
    return json_pack("{s:s, s:s, s:s, s:s*, s:b, s:I, s:s, s:s*, s:s*}", "id", d->id, "target",
                     d->target, "event", bs_notify_event_name(d->event), "subject", d->subject,
                     "given_up", (int)d->dead, "tries", (json_int_t)d->tries, "at", at, "next",
                     d->dead ? NULL : due, "why", d->why);
}

static void
print_list(const struct bs_delivery *list, size_t n)
{
    static const char *const heads[] = {"ID",    "TARGET", "EVENT", "ABOUT",
                                        "STATE", "TRIES",  "SINCE", "WHY"};
    struct bs_table table = {0};
    char at[BS_TIME_TEXT];

    bs_table_init(&table, heads, sizeof(heads) / sizeof(heads[0]));
    for (size_t i = 0; i < n; i++) {
        bs_table_cell(&table, "%s", list[i].id);
        bs_table_cell(&table, "%s", list[i].target);
        bs_table_cell(&table, "%s", bs_notify_event_name(list[i].event));
        bs_table_cell(&table, "%s", list[i].subject == NULL ? "-" : list[i].subject);
        bs_table_cell(&table, "%s", state_of(&list[i]));
        bs_table_cell(&table, "%lld", (long long)list[i].tries);
        bs_actor_time(list[i].at_us, at);
        bs_table_cell(&table, "%s", at);
        bs_table_cell(&table, "%s", list[i].why == NULL ? "-" : list[i].why);
    }
    bs_table_print(&table);
    bs_table_fini(&table);
}

static int
show(struct bs_actors *a, const struct bs_delivery_filter *filter, bool json)
{
    struct bs_delivery *list;
    struct bs_err err = {0};
    json_t *all;
    size_t n;

    if (bs_state_delivery_list(a->state, filter, &a->arena, &list, &n, &err) != BS_DONE)
        return bs_out_fail(&err);
    if (!json) {
        print_list(list, n);
        return 0;
    }
    all = json_array();
    for (size_t i = 0; i < n; i++)
        (void)json_array_append_new(all, delivery_json(&list[i]));
    bs_out_json(json_pack("{s:o}", "deliveries", all));
    return 0;
}

static int
notify_list(int argc, char **argv)
{
    struct bs_delivery_filter filter = {0};
    const struct bs_arg args[] = {
        {"target", 't', BS_ARG_TEXT, "NAME", "only of this one", &filter.target},
        {"dead", 'd', BS_ARG_FLAG, NULL, "only those that were given up", &filter.dead},
    };
    const struct bs_usage usage = {
        .verb = "notify list",
        .operands = "",
        .summary = "List what was not taken yet, oldest first, and what was given up.",
        .details = "What a target has taken is not kept.",
        .args = args,
        .n_args = sizeof(args) / sizeof(args[0]),
        .examples = "  backstop notify list --dead\n",
    };
    struct bs_args got;
    struct bs_actors a;
    int status = 0;

    if (bs_args_take(&usage, argc, argv, &got) != BS_ARGS_RUN)
        return got.status;
    if (bs_actors_open(&a, &got, &status))
        status = show(&a, &filter, got.json);
    bs_actors_close(&a);
    return status;
}

/* --- retry and drop ------------------------------------------------------------------------ */

struct which {
    struct bs_delivery_filter filter;
    bool all;
    bool waiting; /* not only what was given up */
};

typedef enum bs_done change_fn(struct bs_state *s,
                               const struct bs_delivery_filter *filter,
                               const char *by,
                               int64_t *n,
                               struct bs_err *err);

/* IDs, or all of a target, or all. */
static enum bs_done
change_each(struct bs_actors *a,
            const struct bs_args *got,
            struct bs_delivery_filter *filter,
            change_fn *change,
            int64_t *n,
            struct bs_err *err)
{
    int64_t some;

    if (got->n_operands == 0)
        return change(a->state, filter, a->by, n, err);
    for (int i = 0; i < got->n_operands; i++) {
        filter->id = got->operands[i];
        if (change(a->state, filter, a->by, &some, err) != BS_DONE)
            return BS_FAILED;
        if (some == 0)
            return BS_FAIL(err, NOT_FOUND, "there is no such delivery \"%.60s\"", filter->id);
        *n += some;
    }
    return BS_DONE;
}

static int
change_some(const struct bs_usage *usage,
            int argc,
            char **argv,
            struct which *which,
            change_fn *change,
            const char *word)
{
    struct bs_args got;
    struct bs_actors a;
    struct bs_err err = {0};
    int64_t n = 0;
    int status = 0;

    if (bs_args_take(usage, argc, argv, &got) != BS_ARGS_RUN)
        return got.status;
    which->filter.dead = !which->waiting;
    if ((got.n_operands != 0) + (which->filter.target != NULL) + (int)which->all != 1)
        return bs_out_usage("backstop notify", "say which: IDs, --target NAME, or --all");
    if (bs_actors_open(&a, &got, &status) &&
        change_each(&a, &got, &which->filter, change, &n, &err) != BS_DONE)
        status = bs_out_fail(&err);
    else if (status == 0 && got.json)
        bs_out_json(json_pack("{s:I}", word, (json_int_t)n));
    else if (status == 0)
        printf("%lld %s\n", (long long)n, word);
    bs_actors_close(&a);
    return status;
}

static int
notify_retry(int argc, char **argv)
{
    struct which which = {0};
    const struct bs_arg args[] = {
        {"target", 't', BS_ARG_TEXT, "NAME", "all of this one", &which.filter.target},
        {"all", 'a', BS_ARG_FLAG, NULL, "all", &which.all},
    };
    const struct bs_usage usage = {
        .verb = "notify retry",
        .operands = "[ID...]",
        .summary = "Try what was given up anew, now and for as long as the configuration says.",
        .details = "With the same id and the same body as before.",
        .max = -1,
        .args = args,
        .n_args = sizeof(args) / sizeof(args[0]),
        .examples = "  backstop notify retry --target pager\n",
    };

    return change_some(&usage, argc, argv, &which, bs_state_delivery_retry, "tried anew");
}

static int
notify_drop(int argc, char **argv)
{
    struct which which = {0};
    const struct bs_arg args[] = {
        {"target", 't', BS_ARG_TEXT, "NAME", "all of this one", &which.filter.target},
        {"all", 'a', BS_ARG_FLAG, NULL, "all", &which.all},
        {"waiting", 'w', BS_ARG_FLAG, NULL, "those that are still tried, too", &which.waiting},
    };
    const struct bs_usage usage = {
        .verb = "notify drop",
        .operands = "[ID...]",
        .summary = "Forget what was given up.",
        .max = -1,
        .args = args,
        .n_args = sizeof(args) / sizeof(args[0]),
        .examples = "  backstop notify drop --all\n",
    };

    return change_some(&usage, argc, argv, &which, bs_state_delivery_drop, "forgotten");
}

/* --- test ---------------------------------------------------------------------------------- */

static const struct bs_config_notify *
find_target(const struct bs_config *c, const char *name)
{
    for (size_t i = 0; i < c->n_notify; i++) {
        if (strcmp(c->notify[i].name, name) == 0)
            return &c->notify[i];
    }
    return NULL;
}

/* At once and from here, so that whoever sets it up sees what the other side says. */
static int
send_test(struct bs_actors *a, const struct bs_config_notify *t, bool json)
{
    struct bs_channel channel = {.target = t, .state = a->state};
    struct bs_delivery d = {.event = BS_NOTIFY_TEST, .subject = a->by, .at_us = bs_now_us()};
    struct bs_channel_result r;
    uint8_t random[16];
    struct bs_err err = {0};

    bs_random(random, sizeof(random));
    memcpy(d.id, "msg_", 4);
    bs_hex(random, sizeof(random), d.id + 4);
    d.target = t->name;
    bs_channel_open(&channel);
    bs_channel_try(&channel, &d, &r);
    bs_channel_close(&channel);
    if (r.end != BS_DELIVERY_DONE) {
        (void)BS_FAIL(&err, UNAVAILABLE, "\"%s\" did not take it: %s", t->name, r.why);
        return bs_out_fail(&err);
    }
    if (json)
        bs_out_json(json_pack("{s:s,s:s}", "target", t->name, "id", d.id));
    else
        printf("%s has taken it (%s)\n", t->name, d.id);
    return 0;
}

static int
notify_test(int argc, char **argv)
{
    const struct bs_usage usage = {
        .verb = "notify test",
        .operands = "TARGET",
        .summary = "Send a target an event \"test\", now and once.",
        .details = "Exit status 0: it was taken; 69: it was not, and why.",
        .min = 1,
        .max = 1,
        .examples = "  backstop notify test pager\n",
    };
    const struct bs_config_notify *t;
    struct bs_args got;
    struct bs_actors a;
    int status = 0;

    if (bs_args_take(&usage, argc, argv, &got) != BS_ARGS_RUN)
        return got.status;
    if (bs_actors_open(&a, &got, &status)) {
        t = find_target(a.config, got.operands[0]);
        status = t == NULL
                     ? bs_out_usage("backstop notify test",
                                    "there is no target \"%.60s\" under notify", got.operands[0])
                     : send_test(&a, t, got.json);
    }
    bs_actors_close(&a);
    return status;
}

int
bs_cmd_notify(int argc, char **argv)
{
    static const struct bs_verb verbs[] = {
        {"list", "list what was not taken yet, and what was given up", notify_list},
        {"retry", "try what was given up anew", notify_retry},
        {"drop", "forget what was given up", notify_drop},
        {"test", "send a target an event, now", notify_test},
    };

    return bs_verbs_run("backstop notify", "Telling people: webhooks and Slack.", verbs,
                        sizeof(verbs) / sizeof(verbs[0]), argc, argv);
}
