/*
 * cmd_classify.c - `backstop classify`: the judgement alone, of one text or of a text a line.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/classified.h"
#include "cli/cmd.h"
#include "cli/out.h"

static void
answer_line(struct bs_classifier *c, const char *text, size_t n)
{
    json_t *out = bs_classifier_line(c, (struct bs_bytes){(const uint8_t *)text, n});

    (void)json_dumpf(out, stdout, JSON_COMPACT);
    (void)fputc('\n', stdout);
    (void)fflush(stdout);
    json_decref(out);
}

static int
run_lines(struct bs_classifier *c, FILE *in)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t n;

    while ((n = getline(&line, &room, in)) >= 0) {
        while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r'))
            n--;
        if (n != 0)
            answer_line(c, line, (size_t)n);
    }
    free(line);
    return 0;
}

static int
run_text(struct bs_classifier *c, FILE *in)
{
    struct bs_err err = {0};
    struct bs_buf text;
    json_t *judged;
    uint8_t chunk[8192];
    size_t n;
    int status = 0;

    bs_buf_init(&text, BS_CLASSIFIED_MAX_TEXT);
    while ((n = fread(chunk, 1, sizeof(chunk), in)) > 0)
        bs_put_bytes(&text, (struct bs_bytes){chunk, n});
    if (text.failed)
        (void)BS_FAIL(&err, LIMIT, "the text is longer than %zu bytes", text.max);
    if (text.failed || bs_classifier_text(c, bs_buf_view(&text), &judged, &err) != BS_DONE)
        status = bs_out_fail(&err);
    else
        bs_out_json(judged);
    bs_buf_fini(&text);
    return status;
}

static FILE *
open_input(const struct bs_args *args, struct bs_err *err)
{
    const char *path = args->n_operands == 0 ? "-" : args->operands[0];
    FILE *in = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");

    if (in == NULL)
        (void)BS_FAIL(err, NOT_FOUND, "cannot open \"%.255s\"", path);
    return in;
}

int
bs_cmd_classify(int argc, char **argv)
{
    struct bs_classifier c = {0};
    const char *conninfo = NULL;
    bool jsonl = false;
    const struct bs_arg options[] = {
        {"dsn", 0, BS_ARG_TEXT, "CONNINFO", "judge with the catalog of this database", &conninfo},
        {"jsonl", 0, BS_ARG_FLAG, NULL, "read and answer one JSON object a line", &jsonl},
    };
    const struct bs_usage usage = {
        .verb = "classify",
        .operands = "[FILE|-]",
        .summary =
            "Say as JSON what a text of SQL would do, how risky that is, and how it is kept.",
        .details =
            "With --jsonl each line is {\"id\", \"sql\" or \"sql_b64\", \"session\": [SQL sent "
            "before], \"params\": [values of $1 ...], \"protocol\": \"simple\" or \"extended\", "
            "\"run_as\": role} and is answered by a line with the same id. A bad line is answered, "
            "too.\n"
            "With --dsn \"recovery\" says how what it changes would be kept.",
        .examples = "echo 'DELETE FROM orders' | backstop classify\n"
                    "  backstop classify --dsn \"host=/run/postgresql dbname=app\" migration.sql\n",
        .args = options,
        .n_args = 2,
        .max = 1,
        .without_config = true,
    };
    struct bs_args args;
    struct bs_err err = {0};
    FILE *in;
    int status;

    if (bs_args_take(&usage, argc, argv, &args) != BS_ARGS_RUN)
        return args.status;
    in = open_input(&args, &err);
    if (in == NULL)
        return bs_out_fail(&err);
    if (bs_classifier_init(&c, conninfo, &err) != BS_DONE)
        status = bs_out_fail(&err);
    else
        status = jsonl ? run_lines(&c, in) : run_text(&c, in);
    bs_classifier_fini(&c);
    if (in != stdin)
        (void)fclose(in);
    return status;
}
