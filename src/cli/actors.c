/*
 * actors.c - see actors.h.
 */
#include "cli/actors.h"

#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/out.h"
#include "policy/values.h"

#define ARENA_BYTES (64u << 20)

void
bs_actor_local(char out[BS_ACTOR_BY])
{
    const struct passwd *user = getpwuid(getuid());

    if (user != NULL)
        (void)snprintf(out, BS_ACTOR_BY, "local:%.63s", user->pw_name);
    else
        (void)snprintf(out, BS_ACTOR_BY, "local:%u", (unsigned)getuid());
}

bool
bs_actors_open(struct bs_actors *a, const struct bs_args *args, int *status)
{
    struct bs_err err = {0};

    *a = (struct bs_actors){0};
    bs_arena_init(&a->arena, "command", ARENA_BYTES);
    bs_actor_local(a->by);
    a->config = bs_cmd_config(args, status);
    if (a->config == NULL)
        return false;
    if (bs_state_open(a->config->state_url, &a->state, &err) == BS_DONE)
        return true;
    *status = bs_out_fail(&err);
    return false;
}

void
bs_actors_close(struct bs_actors *a)
{
    bs_state_close(&a->state);
    bs_config_unref(&a->config);
    bs_arena_fini(&a->arena);
}

int
bs_actors_revoke(const struct bs_usage *usage,
                 int argc,
                 char **argv,
                 const char *what,
                 enum bs_done (*revoke)(
                     struct bs_state *state, const char *name, const char *by, struct bs_err *err))
{
    struct bs_args got;
    struct bs_actors a;
    struct bs_err err = {0};
    int status = 0;

    if (bs_args_take(usage, argc, argv, &got) != BS_ARGS_RUN)
        return got.status;
    if (!bs_actors_open(&a, &got, &status))
        goto out;
    if (revoke(a.state, got.operands[0], a.by, &err) != BS_DONE)
        status = bs_out_fail(&err);
    else if (got.json)
        bs_out_json(json_pack("{s:s,s:s}", "name", got.operands[0], "status", "revoked"));
    else
        printf("%s %s is revoked\n", what, got.operands[0]);
out:
    bs_actors_close(&a);
    return status;
}

bool
bs_actor_overlap(const char *verb, const char *text, int64_t *out_ms, int *status)
{
    *out_ms = 0;
    if (text == NULL ||
        (bs_value_duration(text, out_ms) && *out_ms > 0 && *out_ms <= BS_OVERLAP_MAX_MS))
        return true;
    *status = bs_out_usage(verb, "--overlap takes a duration like 24h, up to 90d");
    return false;
}

void
bs_actor_print_until(const char *what, int64_t at_us)
{
    char at[BS_TIME_TEXT];

    bs_actor_time(at_us, at);
    printf("%s%s UTC.\n", what, at);
}

void
bs_actor_time(int64_t at_us, char out[BS_TIME_TEXT])
{
    char *t;

    if (at_us == 0) {
        (void)snprintf(out, BS_TIME_TEXT, "-");
        return;
    }
    bs_time_format(at_us, out);
    out[16] = '\0'; /* "2026-01-01T00:15" */
    t = strchr(out, 'T');
    if (t != NULL)
        *t = ' ';
}
