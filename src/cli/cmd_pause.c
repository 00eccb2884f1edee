/*
 * cmd_pause.c - `backstop pause` and `backstop resume`: stop an agent, a database or everything, and let
 * it go on.
 */
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "cli/client.h"
#include "cli/cmd.h"
#include "cli/out.h"

/* What is meant, and why. */
struct target {
    const char *agent;
    const char *database;
    bool all;
    const char *reason;
};

#define TARGET_ARGS(t)                                                                             \
    {"agent", 'a', BS_ARG_TEXT, "NAME", "this agent", &(t).agent},                                 \
        {"database", 'd', BS_ARG_TEXT, "NAME", "this database, for everybody", &(t).database},     \
        {"all", 0, BS_ARG_FLAG, NULL, "everything", &(t).all},                                     \
    {                                                                                              \
        "reason", 'r', BS_ARG_TEXT, "TEXT", "your words, for the record", &(t).reason              \
    }

/* Exactly one of the three. */
static bool
is_one(const struct target *t)
{
    return (t->agent != NULL) + (t->database != NULL) + (int)t->all == 1;
}

static const char *
scope_of(const struct target *t)
{
    return t->all ? "everything" : t->agent != NULL ? "actor" : "database";
}

static const char *
name_of(const struct target *t)
{
    return t->agent != NULL ? t->agent : t->database;
}

static void
say(const struct target *t, const char *what)
{
    if (t->all) {
        printf("everything");
    } else {
        printf("%s ", t->agent != NULL ? "agent" : "database");
        bs_out_text(stdout, name_of(t));
    }
    printf(" %s\n", what);
}

static int
list(const struct bs_client *client, bool json)
{
    static const char *const heads[] = {"SCOPE", "NAME", "SINCE", "BY", "CANCEL", "REASON"};
    struct bs_table table = {0};
    struct bs_err err = {0};
    json_t *answer, *p;
    size_t i;

    if (bs_client_ask(client, "GET", "/v1/pauses", NULL, &answer, &err) != BS_DONE)
        return bs_out_fail(&err);
    if (json) {
        bs_out_json(answer);
        return 0;
    }
    bs_table_init(&table, heads, sizeof(heads) / sizeof(heads[0]));
    json_array_foreach(json_object_get(answer, "pauses"), i, p)
    {
        bs_table_cell(&table, "%s", bs_out_member(p, "scope"));
        bs_table_cell(&table, "%s", bs_out_member(p, "name"));
        bs_table_cell(&table, "%.19s", bs_out_member(p, "at"));
        bs_table_cell(&table, "%s", bs_out_member(p, "by"));
        bs_table_cell(&table, "%s", json_is_true(json_object_get(p, "cancel")) ? "yes" : "no");
        bs_table_cell(&table, "%s", bs_out_member(p, "reason"));
    }
    bs_table_print(&table);
    bs_table_fini(&table);
    json_decref(answer);
    return 0;
}

static int
pause_it(const struct bs_client *client, const struct target *t, bool cancel, bool json)
{
    json_t *body = json_pack("{s:s,s:s,s:b}", "scope", scope_of(t), "reason", t->reason, "cancel",
                             (int)cancel);
    json_t *name = t->all ? NULL : json_string(name_of(t)), *answer;
    struct bs_err err = {0};
    enum bs_done done;

    if (body == NULL || (!t->all && name == NULL)) {
        json_decref(body);
        json_decref(name);
        return bs_out_usage("backstop pause", "name and reason must be UTF-8");
    }
    if (name != NULL)
        (void)json_object_set_new(body, "name", name);
    done = bs_client_ask(client, "POST", "/v1/pauses", body, &answer, &err);
    json_decref(body);
    if (done != BS_DONE)
        return bs_out_fail(&err);
    if (json) {
        bs_out_json(answer);
        return 0;
    }
    say(t, "is paused");
    json_decref(answer);
    return 0;
}

int
bs_cmd_pause(int argc, char **argv)
{
    struct bs_client client = {0};
    struct target t = {0};
    bool cancel = false, listed = false;
    const struct bs_arg args[] = {
        TARGET_ARGS(t),
        {"cancel", 'c', BS_ARG_FLAG, NULL, "end what runs, and open transactions, too", &cancel},
        {"list", 'l', BS_ARG_FLAG, NULL, "show what is paused", &listed},
        BS_CLIENT_ARGS(&client),
    };
    const struct bs_usage usage = {
        .verb = "pause",
        .operands = "",
        .summary = "Let nothing new run: of an agent, in a database, or at all.",
        .details =
            "From now on everything but ROLLBACK is refused with ZB006, new logins too; an open\n"
            "transaction cannot commit any more. What runs may end, but for --cancel: that ends\n"
            "it, and transactions that are open, with their sessions. Tickets can be decided\n"
            "meanwhile, and are not used. It lasts, over restarts, until `backstop resume`.\n"
            "Needs an approver; resuming needs an admin.",
        .args = args,
        .n_args = sizeof(args) / sizeof(args[0]),
        .examples = "  backstop pause --agent cursor-alice --reason 'it loops'\n"
                    "  backstop pause --all --cancel --reason 'incident 7'\n"
                    "  backstop pause --list\n",
        .without_config = true,
    };
    struct bs_args got;

    if (bs_args_take(&usage, argc, argv, &got) != BS_ARGS_RUN)
        return got.status;
    if (listed && (t.agent != NULL || t.database != NULL || t.all || t.reason != NULL || cancel))
        return bs_out_usage("backstop pause", "--list goes with nothing else");
    if (listed)
        return list(&client, got.json);
    if (!is_one(&t))
        return bs_out_usage("backstop pause", "say one of --agent, --database and --all");
    if (t.reason == NULL)
        return bs_out_usage("backstop pause", "--reason is missing: say why");
    return pause_it(&client, &t, cancel, got.json);
}

/* "?scope=...&name=...": a database may be called anything. */
static char *
path_of(const struct target *t)
{
    char *name = t->all ? NULL : curl_easy_escape(NULL, name_of(t), 0);
    char *reason = t->reason == NULL ? NULL : curl_easy_escape(NULL, t->reason, 0);
    struct bs_buf b;
    char *path;

    bs_buf_init(&b, 64 * 1024);
    bs_put_fmt(&b, "/v1/pauses?scope=%s", scope_of(t));
    if (name != NULL)
        bs_put_fmt(&b, "&name=%s", name);
    if (reason != NULL)
        bs_put_fmt(&b, "&reason=%s", reason);
    bs_put_u8(&b, 0);
    path = b.failed ? NULL : bs_strdup((const char *)b.p);
    bs_buf_fini(&b);
    curl_free(name);
    curl_free(reason);
    return path;
}

static int
resume_it(const struct bs_client *client, const struct target *t, bool json)
{
    char *path = path_of(t);
    struct bs_err err = {0};
    json_t *answer;
    enum bs_done done;

    if (path == NULL)
        return bs_out_usage("backstop resume", "the reason is too long");
    done = bs_client_ask(client, "DELETE", path, NULL, &answer, &err);
    free(path);
    if (done != BS_DONE)
        return bs_out_fail(&err);
    if (json) {
        bs_out_json(answer);
        return 0;
    }
    say(t, json_is_true(json_object_get(answer, "quarantine"))
               ? json_is_true(json_object_get(answer, "pause"))
                     ? "is resumed, and out of quarantine"
                     : "is out of quarantine"
               : "is resumed");
    json_decref(answer);
    return 0;
}

int
bs_cmd_resume(int argc, char **argv)
{
    struct bs_client client = {0};
    struct target t = {0};
    const struct bs_arg args[] = {TARGET_ARGS(t), BS_CLIENT_ARGS(&client)};
    const struct bs_usage usage = {
        .verb = "resume",
        .operands = "",
        .summary = "Let go on what was paused; an agent's quarantine ends with it.",
        .details =
            "Each pause is lifted by itself: an agent that is paused in a database that is paused\n"
            "needs both. Exit status 1: it is not paused. Needs an admin.",
        .args = args,
        .n_args = sizeof(args) / sizeof(args[0]),
        .examples = "  backstop resume --agent cursor-alice --reason 'the prompt was at fault'\n"
                    "  backstop resume --all\n",
        .without_config = true,
    };
    struct bs_args got;

    if (bs_args_take(&usage, argc, argv, &got) != BS_ARGS_RUN)
        return got.status;
    if (!is_one(&t))
        return bs_out_usage("backstop resume", "say one of --agent, --database and --all");
    return resume_it(&client, &t, got.json);
}
