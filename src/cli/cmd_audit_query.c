/*
 * cmd_audit_query.c - `backstop audit query`: the newest records that fit, as GET /v1/audit finds them;
 * and `backstop audit index`, which makes that fast where no gateway does.
 */
#include <jansson.h>
#include <limits.h>
#include <stdio.h>

#include "audit/index.h"
#include "audit/logs.h"
#include "audit/query.h"
#include "base/clock.h"
#include "cli/audit.h"
#include "cli/cmd.h"
#include "cli/out.h"

#define MOST 100000 /* records that one query may ask for: they are in memory */

enum bs_done
bs_audit_take_time(const char *text, int64_t *at_us, struct bs_err *err)
{
    if (text == NULL || bs_time_parse(text, at_us, err) == BS_DONE)
        return BS_DONE;
    err->code = BS_E_USAGE;
    return BS_FAILED;
}

/* Oldest first, as a log is read. */
static void
print_found(const json_t *found, bool json)
{
    for (size_t i = json_array_size(found); i > 0; i--) {
        json_t *record = json_array_get(found, i - 1);
        const char *log = json_string_value(json_object_get(record, "log"));
        if (json)
            bs_out_json(json_incref(record));
        else
            bs_audit_print_record(record, log == NULL ? "" : log);
    }
}

static enum bs_done
query(const char *directory, const struct bs_audit_query *q, bool json, struct bs_err *err)
{
    struct bs_arena arena;
    json_t *found = NULL;
    const char *next;
    enum bs_done done;

    bs_arena_init(&arena, "query", 1u << 20);
    done = bs_audit_find(directory, q, &arena, &found, &next, err);
    if (done == BS_DONE) {
        print_found(found, json);
        if (next != NULL)
            fprintf(stderr,
                    "there are older ones: --limit shows more of them, --until goes back\n");
    }
    json_decref(found);
    bs_arena_fini(&arena);
    return done;
}

int
bs_audit_query_verb(int argc, char **argv)
{
    struct bs_audit_query q = {0};
    const char *since = NULL, *until = NULL;
    int64_t limit = 20;
    const struct bs_arg args[] = {
        {"actor", 'a', BS_ARG_TEXT, "NAME", "of this agent", &q.actor},
        {"table", 't', BS_ARG_TEXT, "SCHEMA.TABLE", "that would change it, or has", &q.table},
        {"ticket", 'T', BS_ARG_TEXT, "TICKET", "of this ticket, by its whole id", &q.ticket},
        {"point", 'p', BS_ARG_TEXT, "POINT", "of this recovery point, by its whole id", &q.point},
        {"operator", 'o', BS_ARG_TEXT, "NAME", "what this operator did", &q.operator_},
        {"database", 'd', BS_ARG_TEXT, "NAME", "of this database", &q.database},
        {"session", 'S', BS_ARG_TEXT, "SESSION", "of this session", &q.session},
        {"kind", 'k', BS_ARG_TEXT, "KIND", "judged, outcome, decision, session_open, ...", &q.kind},
        {"risk", 'r', BS_ARG_TEXT, "RISK", "SAFE, HIGH or CRITICAL", &q.risk},
        {"since", 's', BS_ARG_TEXT, "TIME", "not before, like 2026-01-01T00:15:00Z", &since},
        {"until", 'u', BS_ARG_TEXT, "TIME", "before it", &until},
        {"limit", 'n', BS_ARG_NUMBER, "N", "the newest so many (default: 20)", &limit},
        {"no-index", 0, BS_ARG_FLAG, NULL, "read all of the log, whatever its index says",
         &q.whole},
    };
    const struct bs_usage usage = {
        .verb = "audit query",
        .operands = "[DIRECTORY]",
        .summary = "Find records of the audit log.",
        .details =
            "The newest that fit, the oldest of them first, of the gateway and of restores. What "
            "is\n"
            "given all has to fit. With --json each is an object. Finished files are read where "
            "their\n"
            "index says that something may be; the gateway makes it, or `backstop audit index`.\n"
            "Nothing is verified: `audit verify` does that. Without DIRECTORY the one of the\n"
            "configuration.",
        .max = 1,
        .args = args,
        .n_args = sizeof(args) / sizeof(args[0]),
        .examples = "  backstop audit query --actor cleanup-bot --risk CRITICAL\n"
                    "  backstop audit query --table public.orders --since 2026-01-01T00:00:00Z\n",
    };
    struct bs_args got;
    struct bs_config *config = NULL;
    struct bs_err err = {0};
    const char *directory;
    int status = 0;

    if (bs_args_take(&usage, argc, argv, &got) != BS_ARGS_RUN)
        return got.status;
    if (limit < 1 || limit > MOST) {
        (void)BS_FAIL(&err, USAGE, "--limit is from 1 to %d", MOST);
        return bs_out_fail(&err);
    }
    q.limit = (size_t)limit;
    if (bs_audit_take_time(since, &q.from_us, &err) != BS_DONE ||
        bs_audit_take_time(until, &q.until_us, &err) != BS_DONE)
        return bs_out_fail(&err);
    directory = bs_audit_directory(&got, &config, &status);
    if (directory != NULL && query(directory, &q, got.json, &err) != BS_DONE)
        status = bs_out_fail(&err);
    bs_config_unref(&config);
    return status;
}

/* --- index --- */

static enum bs_done
make_indexes(const char *directory, size_t *made, struct bs_err *err)
{
    struct bs_audit_logs logs = {0};
    enum bs_done done = bs_audit_logs_list(directory, &logs, err);

    for (size_t i = 0; done == BS_DONE && i < logs.n; i++) {
        char path[PATH_MAX];
        uint64_t after = 0;
        size_t n = 0;
        (void)snprintf(path, sizeof(path), "%s%s%s", directory, logs.names[i][0] == '\0' ? "" : "/",
                       logs.names[i]);
        done = bs_audit_index_make_all(path, &after, NULL, &n, err);
        *made += n;
    }
    bs_audit_logs_fini(&logs);
    return done;
}

int
bs_audit_index(int argc, char **argv)
{
    const struct bs_usage usage = {
        .verb = "audit index",
        .operands = "[DIRECTORY]",
        .summary = "Make the indexes of finished files that have none.",
        .details =
            "A running gateway does that by itself: this is for copies, and for logs of old. An\n"
            "index can be removed at any time; it is made from its file alone. Without DIRECTORY\n"
            "the one of the configuration.",
        .max = 1,
        .examples = "  backstop audit index /mnt/evidence/audit\n",
    };
    struct bs_args got;
    struct bs_config *config = NULL;
    struct bs_err err = {0};
    const char *directory;
    size_t made = 0;
    int status = 0;

    if (bs_args_take(&usage, argc, argv, &got) != BS_ARGS_RUN)
        return got.status;
    directory = bs_audit_directory(&got, &config, &status);
    if (directory != NULL && make_indexes(directory, &made, &err) != BS_DONE)
        status = bs_out_fail(&err);
    else if (directory != NULL && got.json)
        bs_out_json(json_pack("{s:I}", "made", (json_int_t)made));
    else if (directory != NULL)
        printf("made: %zu\n", made);
    bs_config_unref(&config);
    return status;
}
