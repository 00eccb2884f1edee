/*
 * cmd_audit_export.c - `backstop audit export`: records that fit, as JSON lines or CSV. Log by log,
 * one line at a time, so that a log of any size takes no memory.
 */
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "audit/query.h"
#include "base/clock.h"
#include "cli/audit.h"
#include "cli/cmd.h"
#include "cli/out.h"

static const char *const columns[] = {
    "at",      "kind",     "actor",     "group",       "owner",    "operator", "database",
    "role",    "client",   "session",   "application", "ticket",   "point",    "statement_kind",
    "risk",    "decision", "rule",      "outcome",     "sqlstate", "tag",      "action",
    "subject", "text",     "statement",
};

#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

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
export_record(void *ctx, json_t *record, struct bs_bytes line, const char *log, struct bs_err *err)
{
    if (*(const bool *)ctx)
        print_csv(record, log);
    else
        print_line(line);
    return ferror(stdout) == 0 ? BS_DONE : BS_FAIL(err, IO, "cannot write the export");
}

static enum bs_done
export_logs(const char *directory, const struct bs_audit_query *query, bool csv, struct bs_err *err)
{
    if (csv)
        print_csv_head();
    if (bs_audit_each(directory, query, export_record, &csv, err) != BS_DONE)
        return BS_FAILED;
    return fflush(stdout) == 0 ? BS_DONE : BS_FAIL(err, IO, "cannot write the export");
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
    struct bs_audit_query w = {0};
    const char *since = NULL, *until = NULL, *format = "jsonl";
    bool csv;
    const struct bs_arg args[] = {
        {"actor", 'a', BS_ARG_TEXT, "NAME", "of this agent", &w.actor},
        {"table", 't', BS_ARG_TEXT, "SCHEMA.TABLE", "that would change it, or has", &w.table},
        {"ticket", 'T', BS_ARG_TEXT, "TICKET", "of this ticket, by its whole id", &w.ticket},
        {"kind", 'k', BS_ARG_TEXT, "KIND", "judged, outcome, decision, session_open, ...", &w.kind},
        {"risk", 'r', BS_ARG_TEXT, "RISK", "SAFE, HIGH or CRITICAL", &w.risk},
        {"since", 's', BS_ARG_TEXT, "TIME", "not before, like 2026-01-01T00:15:00Z", &since},
        {"until", 'u', BS_ARG_TEXT, "TIME", "before it", &until},
        {"no-index", 0, BS_ARG_FLAG, NULL, "read all of the log, whatever its index says",
         &w.whole},
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
    if (bs_audit_take_time(since, &w.from_us, &err) != BS_DONE ||
        bs_audit_take_time(until, &w.until_us, &err) != BS_DONE ||
        take_format(format, &csv, &err) != BS_DONE)
        return bs_out_fail(&err);
    directory = bs_audit_directory(&got, &config, &status);
    if (directory != NULL && export_logs(directory, &w, csv, &err) != BS_DONE)
        status = bs_out_fail(&err);
    bs_config_unref(&config);
    return status;
}
