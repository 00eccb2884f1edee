/*
 * cmd_classify.c - `backstop classify`: the judgement alone, of one text or of a text a line.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/judged.h"
#include "base/clock.h"
#include "base/files.h"
#include "catalog/snapshot.h"
#include "cli/cmd.h"
#include "cli/follow.h"
#include "cli/out.h"
#include "cli/question.h"
#include "recovery/measure.h"

#define MAX_TEXT  ((size_t)64 << 20)
#define MAX_ARENA ((size_t)1 << 30)
/* In --jsonl whoever asks may change the database between two lines. */
#define STALE_US INT64_C(1000000)

/* What is found out about a text. */
struct judged {
    struct bs_unit unit;
    struct bs_facts facts;
    struct bs_plan plan; /* without a ceiling for what is copied */
    bool changed;        /* the session has changed the catalog before */
};

struct classifier {
    const char *dsn; /* NULL: no catalog */
    struct bs_snapshot *snapshot;
    int64_t checked_us;    /* bs_mono_us: the snapshot was true then */
    struct bs_arena arena; /* of one text */
    struct bs_arena asked; /* of one question */
};

static enum bs_done
refresh(struct classifier *c, int64_t older_than_us, struct bs_err *err)
{
    struct bs_snapshot *fresh = NULL;
    int64_t now_us = bs_mono_us();

    if (c->dsn == NULL)
        return BS_DONE;
    if (c->snapshot != NULL && now_us - c->checked_us < older_than_us)
        return BS_DONE;
    if (bs_snapshot_refresh(c->dsn, c->snapshot, &fresh, err) != BS_DONE)
        return BS_FAILED;
    bs_snapshot_unref(&c->snapshot);
    c->snapshot = fresh;
    c->checked_us = now_us;
    return BS_DONE;
}

static enum bs_done
classify_text(struct classifier *c, struct bs_bytes text, struct bs_unit *unit, struct bs_err *err)
{
    return bs_classify(text, BS_CLASSIFY_LIMITS, &c->arena, unit, err);
}

static enum bs_done
judge_with_catalog(struct classifier *c,
                   struct bs_session_names names,
                   const struct bs_question *q,
                   struct judged *out,
                   struct bs_err *err)
{
    const struct bs_plan_limits limits = {.max_bytes = INT64_MAX, .rows = true};

    if (bs_catalog_judge(c->snapshot, names, &out->unit, &c->arena, &out->facts, err) != BS_DONE ||
        bs_plan_make(&out->unit, &out->facts, limits, &c->arena, &out->plan, err) != BS_DONE)
        return BS_FAILED;
    if (bs_plan_select(c->snapshot, names, &out->unit, q->text, &c->arena, &out->plan, err) !=
        BS_DONE)
        return BS_FAILED;
    return bs_judged_measure(c->dsn, c->snapshot, names, q->text, q->params, BS_MEASURE_TIME_MS,
                             BS_IMPACT_DEFAULT, &out->unit, &out->facts, &c->arena, err);
}

/* What calls code that is no built-in may be harmless all the same; a catalog tells. */
static enum bs_done
read_code(struct classifier *c, struct bs_follow *follow, struct judged *out, struct bs_err *err)
{
    struct bs_session_names names = follow->names;

    /* And what a new table may run later is not in its text. */
    if (c->dsn == NULL ||
        (out->unit.flags & (BS_FLAG_VOLATILE | BS_FLAG_DYNAMIC_SQL | BS_FLAG_DDL)) == 0)
        return BS_DONE;
    names.own = &follow->own;
    return bs_catalog_judge(c->snapshot, names, &out->unit, &c->arena, &out->facts, err);
}

/* What the session sent before. */
static enum bs_done
follow_session(struct classifier *c,
               const json_t *session,
               struct bs_follow *follow,
               struct judged *out,
               struct bs_err *err)
{
    const json_t *sent;
    size_t i;

    json_array_foreach(session, i, sent)
    {
        struct bs_bytes b = {(const uint8_t *)json_string_value(sent), json_string_length(sent)};
        if (classify_text(c, b, &out->unit, err) != BS_DONE ||
            read_code(c, follow, out, err) != BS_DONE ||
            bs_follow_unit(follow, &out->unit, err) != BS_DONE)
            return BS_FAILED;
        out->changed = out->changed || (out->unit.flags & BS_FLAG_DDL) != 0;
    }
    return BS_DONE;
}

/* The text behind what the session sent before it; with the catalog where there is one. */
static enum bs_done
judge_once(struct classifier *c,
           const struct bs_question *q,
           struct judged *out,
           struct bs_err *err)
{
    struct bs_follow follow = {.arena = &c->arena};
    struct bs_follow before;

    if (follow_session(c, q->session, &follow, out, err) != BS_DONE ||
        classify_text(c, q->text, &out->unit, err) != BS_DONE)
        return BS_FAILED;
    /* What this text itself does to names, bs_classify and the catalog know. */
    before = follow;
    before.own = bs_own_copy(&follow.own, &c->arena);
    before.names.own = &before.own;
    if (bs_follow_unit(&follow, &out->unit, err) != BS_DONE ||
        bs_follow_distrust(&before, &out->unit, err) != BS_DONE)
        return BS_FAILED;
    if (c->dsn == NULL)
        return bs_follow_doubt(&before, &out->unit, err);
    return judge_with_catalog(c, before.names, q, out, err);
}

/* Again with a fresh catalog, once, where a name was not found or the session changed it. */
static enum bs_done
judge(struct classifier *c, const struct bs_question *q, struct judged *out, struct bs_err *err)
{
    bs_arena_reset(&c->arena);
    if (refresh(c, STALE_US, err) != BS_DONE || judge_once(c, q, out, err) != BS_DONE)
        return BS_FAILED;
    if (c->dsn == NULL || (!out->facts.unknown_name && !out->changed))
        return BS_DONE;
    bs_arena_reset(&c->arena);
    *out = (struct judged){0};
    if (refresh(c, 0, err) != BS_DONE)
        return BS_FAILED;
    return judge_once(c, q, out, err);
}

static json_t *
judged_json(const struct classifier *c, const struct judged *j)
{
    json_t *out = bs_judged_json(&j->unit, c->dsn == NULL ? NULL : &j->facts);

    (void)json_object_set_new(out, "recovery",
                              bs_judged_plan_json(c->dsn == NULL ? NULL : &j->plan));
    return out;
}

/* What is said of a text that could not be judged: never less than the worst. */
static json_t *
failure_json(const char *error)
{
    json_t *out = json_pack("{s:s, s:b, s:[], s:s, s:n}", "risk", bs_risk_name(BS_RISK_CRITICAL),
                            "catalog", 0, "statements", "error", error, "recovery");

    /* NULL: bytes of a name that are no UTF-8. */
    return out != NULL ? out : failure_json("the text could not be judged");
}

/* Parse takes one statement, and the server refuses more: there is nothing to be judged. */
static enum bs_done
check_protocol(const struct bs_question *q, const struct bs_unit *unit, struct bs_err *err)
{
    if (!q->extended || unit->n_stmts <= 1)
        return BS_DONE;
    return BS_FAIL(err, DATA, "cannot insert multiple commands into a prepared statement");
}

static json_t *
answer_json(struct classifier *c, const json_t *line)
{
    struct judged judged = {0};
    struct bs_question q;
    struct bs_err err = {0};
    struct bs_buf room;
    json_t *out;

    bs_buf_init(&room, MAX_TEXT);
    bs_arena_reset(&c->asked);
    if (bs_question_read(line, &room, &c->asked, &q, &err) == BS_DONE &&
        judge(c, &q, &judged, &err) == BS_DONE && check_protocol(&q, &judged.unit, &err) == BS_DONE)
        out = judged_json(c, &judged);
    else
        out = failure_json(err.message);
    bs_buf_fini(&room);
    return out;
}

static void
answer_line(struct classifier *c, const char *text, size_t n)
{
    json_error_t bad;
    json_t *line = json_loadb(text, n, JSON_ALLOW_NUL, &bad);
    const json_t *id = json_object_get(line, "id");
    json_t *out =
        json_is_object(line) ? answer_json(c, line) : failure_json("the line is no JSON object");
    json_t *all = json_object();

    (void)json_object_set_new(all, "id",
                              id == NULL ? json_null() : json_incref((json_t *)(uintptr_t)id));
    (void)json_object_update_new(all, out);
    (void)json_dumpf(all, stdout, JSON_COMPACT);
    (void)fputc('\n', stdout);
    (void)fflush(stdout);
    json_decref(all);
    json_decref(line);
}

static int
run_lines(struct classifier *c, FILE *in)
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
run_text(struct classifier *c, FILE *in)
{
    struct judged judged = {0};
    struct bs_question q = {0};
    struct bs_err err = {0};
    struct bs_buf text;
    uint8_t chunk[8192];
    size_t n;
    int status = 0;

    bs_buf_init(&text, MAX_TEXT);
    while ((n = fread(chunk, 1, sizeof(chunk), in)) > 0)
        bs_put_bytes(&text, (struct bs_bytes){chunk, n});
    if (text.failed)
        (void)BS_FAIL(&err, LIMIT, "the text is longer than %zu bytes", text.max);
    q.text = bs_buf_view(&text);
    if (text.failed || judge(c, &q, &judged, &err) != BS_DONE)
        status = bs_out_fail(&err);
    else
        bs_out_json(judged_json(c, &judged));
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
    struct classifier c = {0};
    bool jsonl = false;
    const struct bs_arg options[] = {
        {"dsn", 0, BS_ARG_TEXT, "CONNINFO", "judge with the catalog of this database", &c.dsn},
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
    if (in == NULL || refresh(&c, 0, &err) != BS_DONE) {
        if (in != NULL && in != stdin)
            (void)fclose(in);
        return bs_out_fail(&err);
    }
    bs_arena_init(&c.arena, "classify", MAX_ARENA);
    bs_arena_init(&c.asked, "question", MAX_TEXT);
    status = jsonl ? run_lines(&c, in) : run_text(&c, in);
    bs_arena_fini(&c.arena);
    bs_arena_fini(&c.asked);
    bs_snapshot_unref(&c.snapshot);
    if (in != stdin)
        (void)fclose(in);
    return status;
}
