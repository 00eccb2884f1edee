/*
 * cmd_points_export.c - `backstop points export`: saved rows as CSV, JSON lines or INSERTs.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/out.h"
#include "cli/restore_view.h"
#include "cli/restoring.h"
#include "restore/export.h"

struct sink {
    FILE *to;
    const char *name;
};

static enum bs_done
take(void *ctx, struct bs_bytes bytes, struct bs_err *err)
{
    struct sink *s = ctx;

    if (fwrite(bytes.p, 1, bytes.n, s->to) == bytes.n)
        return BS_DONE;
    return BS_FAIL(err, IO, "cannot write %.200s: %s", s->name, strerror(errno));
}

/* Never over a file that is there, and for nobody else to read: row security hid some of it. */
static enum bs_done
open_sink(const char *file, struct sink *s, struct bs_err *err)
{
    int fd;

    *s = (struct sink){stdout, "standard output"};
    if (strcmp(file, "-") == 0)
        return BS_DONE;
    s->name = file;
    fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    s->to = fd < 0 ? NULL : fdopen(fd, "w");
    if (s->to != NULL)
        return BS_DONE;
    if (errno == EEXIST)
        return BS_FAIL(err, CONFLICT, "%.200s is there already", file);
    return BS_FAIL(err, IO, "cannot make %.200s: %s", file, strerror(errno));
}

/* What cannot be written to its end is taken away again. */
static enum bs_done
close_sink(struct sink *s, enum bs_done done, struct bs_err *err)
{
    bool whole =
        s->to != NULL && fflush(s->to) == 0 && (s->to == stdout || fsync(fileno(s->to)) == 0);

    if (s->to == NULL)
        return done;
    if (done == BS_DONE && !whole)
        done = BS_FAIL(err, IO, "cannot write %.200s: %s", s->name, strerror(errno));
    if (s->to == stdout)
        return done;
    if (fclose(s->to) != 0 && done == BS_DONE)
        done = BS_FAIL(err, IO, "cannot write %.200s: %s", s->name, strerror(errno));
    if (done != BS_DONE)
        (void)unlink(s->name);
    return done;
}

static int
export_point(struct bs_restoring *w,
             const char *table,
             enum bs_export_format format,
             const char *file)
{
    struct bs_err err = {0};
    struct sink sink;
    int64_t rows = 0;
    enum bs_done done = open_sink(file, &sink, &err);

    if (done == BS_DONE)
        done =
            close_sink(&sink, bs_export_run(&w->r, table, format, take, &sink, &rows, &err), &err);
    bs_view_progress_end();
    if (done != BS_DONE)
        return bs_out_fail(&err);
    if (bs_out_json_mode())
        bs_out_json(json_pack("{s:s,s:I,s:s}", "point", w->r.manifest.id, "rows", (json_int_t)rows,
                              "file", file));
    else
        fprintf(stderr, "%lld rows exported\n", (long long)rows);
    return 0;
}

int
bs_points_export(int argc, char **argv)
{
    struct bs_restoring_options o = {0};
    const char *format = NULL, *file = "-";
    const struct bs_arg options[] = {
        {"table", 't', BS_ARG_TEXT, "TABLE", "only this table (schema.name)", &o.table},
        BS_RESTORING_WHERE(o),
        {"format", 'f', BS_ARG_TEXT, "csv|jsonl|sql", "how rows are written", &format},
        {"output", 'o', BS_ARG_TEXT, "FILE", "a new file instead of standard output", &file},
        {"dsn", 0, BS_ARG_TEXT, "CONNINFO", "a database that has the rows' types", &o.dsn},
        {"database", 'd', BS_ARG_TEXT, "NAME", "the configured database, where several fit",
         &o.database},
    };
    const struct bs_usage usage = {
        .verb = "points export",
        .operands = "POINT",
        .summary = "Write saved rows for other programs to read.",
        .details =
            "csv has a header, jsonl one object a line; both are of one table. sql is one\n"
            "transaction of INSERTs. The rows are proven, and go through a temporary table of\n"
            "the database, which is not changed.",
        .examples =
            "  backstop points export RP-01J9 --table public.users --format csv -o users.csv\n"
            "  backstop points export RP-01J9 --format sql | psql scratch\n",
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
    if (format == NULL || bs_export_find(format) == BS_EXPORT_NONE)
        return bs_out_usage("points export", "--format is csv, jsonl or sql");
    if (args.json && strcmp(file, "-") == 0)
        return bs_out_usage("points export", "with --json the rows need a file of their own: -o");
    if (bs_restoring_open(&w, &args, args.operands[0], &o, BS_RESTORING_ELSEWHERE, &status, &err))
        status = err.code != BS_OK ? bs_out_fail(&err)
                                   : export_point(&w, o.table, bs_export_find(format), file);
    bs_restoring_close(&w);
    return status;
}
