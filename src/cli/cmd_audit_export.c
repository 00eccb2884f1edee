/*
 * cmd_audit_export.c - `backstop audit export`: records that fit, as JSON lines or CSV. Log by log,
 * one line at a time, so that a log of any size takes no memory.
 */
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "audit/logs.h"
#include "base/clock.h"
#include "cli/audit.h"
#include "cli/cmd.h"
#include "cli/out.h"

/* What a record has to say; NULL: anything. */
struct wanted {
    const char *actor, *kind, *risk, *ticket;
    const char *table;                             /* an object of its effects */
    char since[BS_TIME_TEXT], until[BS_TIME_TEXT]; /* as records write times; "": any */
    bool csv;
};

static const char *const columns[] = {
    "at",      "kind",     "actor",     "group",       "owner",    "operator", "database",
    "role",    "client",   "session",   "application", "ticket",   "point",    "statement_kind",
    "risk",    "decision", "rule",      "outcome",     "sqlstate", "tag",      "action",
    "subject", "text",     "statement",
};

#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

/* --- which --- */

static bool
is_text(json_t *record, const char *key, const char *want)
{
    const char *text = json_string_value(json_object_get(record, key));

    return want == NULL || (text != NULL && strcmp(text, want) == 0);
}

static bool
changes_table(json_t *record, const char *table)
{
    size_t i;
    json_t *effect;

    if (table == NULL)
        return true;
    json_array_foreach(json_object_get(record, "effects"), i, effect)
    {
        if (is_text(effect, "object", table))
            return true;
    }
    return false;
}

/* Times of one form compare as texts. */
static bool
is_within(json_t *record, const struct wanted *w)
{
    const char *at = json_string_value(json_object_get(record, "at"));

    if (at == NULL)
        return w->since[0] == '\0' && w->until[0] == '\0';
    return (w->since[0] == '\0' || strcmp(at, w->since) >= 0) &&
           (w->until[0] == '\0' || strcmp(at, w->until) < 0);
}

static bool
fits(json_t *record, const struct wanted *w)
{
    return is_text(record, "actor", w->actor) && is_text(record, "kind", w->kind) &&
           is_text(record, "risk", w->risk) && is_text(record, "ticket", w->ticket) &&
           changes_table(record, w->table) && is_within(record, w);
}

/* --- how --- */

/* Quoted always: RFC 4180. */
static void
print_field(const char *text)
{
    putchar('"');
    for (; *text != '\0'; text++) {
        if (*text == '"')
            putchar('"');
        putchar(*text);
    }
    putchar('"');
}

static void
print_csv_head(void)
{
    fputs("log,seq", stdout);
    for (size_t i = 0; i < COLUMNS; i++)
        printf(",%s", columns[i]);
    fputs("\r\n", stdout);
}

static void
print_csv(json_t *record, const char *log)
{
    print_field(log);
    printf(",%lld", (long long)json_integer_value(json_object_get(record, "seq")));
    for (size_t i = 0; i < COLUMNS; i++) {
        const char *text = json_string_value(json_object_get(record, columns[i]));
        putchar(',');
        if (text != NULL)
            print_field(text);
    }
    fputs("\r\n", stdout);
}

static void
print_line(struct bs_bytes line)
{
    (void)fwrite(line.p, 1, line.n, stdout);
    putchar('\n');
}

/* --- all of it --- */

static enum bs_done
export_line(struct bs_bytes line, const char *log, const struct wanted *w, struct bs_err *err)
{
    json_t *record = json_loadb((const char *)line.p, line.n, JSON_ALLOW_NUL, NULL);

    if (record == NULL)
        return BS_FAIL(err, DAMAGED,
                       "a line of the audit log is not JSON: see `backstop audit verify`");
    if (fits(record, w)) {
        if (w->csv)
            print_csv(record, log);
        else
            print_line(line);
    }
    json_decref(record);
    return BS_DONE;
}

static enum bs_done
export_log(const char *directory, const char *log, const struct wanted *w, struct bs_err *err)
{
    struct bs_audit_tail *tail;
    struct bs_bytes line;
    enum bs_tail got = BS_TAIL_END;
    char path[PATH_MAX];
    enum bs_done done = BS_DONE;

    (void)snprintf(path, sizeof(path), "%s%s%s", directory, log[0] == '\0' ? "" : "/", log);
    if (bs_audit_tail_open(path, UINT64_MAX, &tail, err) != BS_DONE)
        return BS_FAILED;
    while (done == BS_DONE && (got = bs_audit_tail_next(tail, &line, err)) == BS_TAIL_LINE)
        done = export_line(line, log, w, err);
    bs_audit_tail_close(&tail);
    if (done == BS_DONE && ferror(stdout) != 0)
        return BS_FAIL(err, IO, "cannot write the export");
    return got == BS_TAIL_BAD ? BS_FAILED : done;
}

static enum bs_done
export_logs(const char *directory, const struct wanted *w, struct bs_err *err)
{
    struct bs_audit_logs logs = {0};
    enum bs_done done = bs_audit_logs_list(directory, &logs, err);

    if (done == BS_DONE && w->csv)
        print_csv_head();
    for (size_t i = 0; done == BS_DONE && i < logs.n; i++)
        done = export_log(directory, logs.names[i], w, err);
    if (done == BS_DONE && fflush(stdout) != 0)
        done = BS_FAIL(err, IO, "cannot write the export");
    bs_audit_logs_fini(&logs);
    return done;
}

static enum bs_done
take_time(const char *text, char out[BS_TIME_TEXT], struct bs_err *err)
{
    int64_t at_us;

    if (text == NULL)
        return BS_DONE;
    if (bs_time_parse(text, &at_us, err) != BS_DONE) {
        err->code = BS_E_USAGE;
        return BS_FAILED;
    }
    bs_time_format(at_us, out);
    return BS_DONE;
}

static enum bs_done
take_format(const char *text, bool *csv, struct bs_err *err)
{
    *csv = strcmp(text, "csv") == 0;
    return *csv || strcmp(text, "jsonl") == 0
               ? BS_DONE
               : BS_FAIL(err, USAGE, "--format is jsonl or csv, not \"%.40s\"", text);
}

int
bs_audit_export(int argc, char **argv)
{
    struct wanted w = {0};
    const char *since = NULL, *until = NULL, *format = "jsonl";
    const struct bs_arg args[] = {
        {"actor", 'a', BS_ARG_TEXT, "NAME", "of this agent", &w.actor},
        {"table", 't', BS_ARG_TEXT, "SCHEMA.TABLE", "that would change it, or has", &w.table},
        {"ticket", 'T', BS_ARG_TEXT, "TICKET", "of this ticket, by its whole id", &w.ticket},
        {"kind", 'k', BS_ARG_TEXT, "KIND", "judged, outcome, decision, session_open, ...", &w.kind},
        {"risk", 'r', BS_ARG_TEXT, "RISK", "SAFE, HIGH or CRITICAL", &w.risk},
        {"since", 's', BS_ARG_TEXT, "TIME", "not before, like 2026-01-01T00:15:00Z", &since},
        {"until", 'u', BS_ARG_TEXT, "TIME", "before it", &until},
        {"format", 'f', BS_ARG_TEXT, "FORMAT", "jsonl (default) or csv", &format},
    };
    const struct bs_usage usage = {
        .verb = "audit export",
        .operands = "[DIRECTORY]",
        .summary = "Write the records that fit to the standard output.",
        .details =
            "Those of the gateway, then those of restores. As JSON lines they are as in the log; "
            "CSV\n"
            "has a line of names and the fields that are texts. What is given all has to fit.\n"
            "Without DIRECTORY the one of the configuration.",
        .max = 1,
        .args = args,
        .n_args = sizeof(args) / sizeof(args[0]),
        .examples = "  backstop audit export --actor cleanup-bot --risk CRITICAL --format csv\n"
                    "  backstop audit export --table public.orders --since 2026-01-01T00:00:00Z\n",
    };
    struct bs_args got;
    struct bs_config *config = NULL;
    struct bs_err err = {0};
    const char *directory;
    int status = 0;

    if (bs_args_take(&usage, argc, argv, &got) != BS_ARGS_RUN)
        return got.status;
    if (take_time(since, w.since, &err) != BS_DONE || take_time(until, w.until, &err) != BS_DONE ||
        take_format(format, &w.csv, &err) != BS_DONE)
        return bs_out_fail(&err);
    directory = bs_audit_directory(&got, &config, &status);
    if (directory != NULL && export_logs(directory, &w, &err) != BS_DONE)
        status = bs_out_fail(&err);
    bs_config_unref(&config);
    return status;
}
