/*
 * classified.c - with a catalog that is never older than a second.
 */
#include "api/classified.h"

#include "api/follow.h"
#include "api/judged.h"
#include "api/question.h"
#include "base/clock.h"
#include "recovery/measure.h"

#define MAX_ARENA ((size_t)1 << 30)
/* Whoever asks may change the database between two texts. */
#define STALE_US INT64_C(1000000)

/* What is found out about a text. */
struct judged {
    struct bs_unit unit;
    struct bs_facts facts;
    struct bs_plan plan; /* without a ceiling for what is copied */
    bool changed;        /* the session has changed the catalog before */
};

static enum bs_done
refresh(struct bs_classifier *c, int64_t older_than_us, struct bs_err *err)
{
    struct bs_snapshot *fresh = NULL;
    int64_t now_us = bs_mono_us();

    if (c->conninfo == NULL)
        return BS_DONE;
    if (c->snapshot != NULL && now_us - c->checked_us < older_than_us)
        return BS_DONE;
    if (bs_snapshot_refresh(c->conninfo, c->snapshot, &fresh, err) != BS_DONE)
        return BS_FAILED;
    bs_snapshot_unref(&c->snapshot);
    c->snapshot = fresh;
    c->checked_us = now_us;
    return BS_DONE;
}

static enum bs_done
classify_text(struct bs_classifier *c,
              struct bs_bytes text,
              struct bs_unit *unit,
              struct bs_err *err)
{
    return bs_classify(text, BS_CLASSIFY_LIMITS, &c->arena, unit, err);
}

static enum bs_done
judge_with_catalog(struct bs_classifier *c,
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
    return bs_judged_measure(c->conninfo, c->snapshot, names, q->text, q->params,
                             BS_MEASURE_TIME_MS, BS_IMPACT_DEFAULT, &out->unit, &out->facts,
                             &c->arena, err);
}

/* What calls code that is no built-in may be harmless all the same; a catalog tells. */
static enum bs_done
read_code(struct bs_classifier *c, struct bs_follow *follow, struct judged *out, struct bs_err *err)
{
    struct bs_session_names names = follow->names;

    /* And what a new table may run later is not in its text. */
    if (c->conninfo == NULL ||
        (out->unit.flags & (BS_FLAG_VOLATILE | BS_FLAG_DYNAMIC_SQL | BS_FLAG_DDL)) == 0)
        return BS_DONE;
    names.own = &follow->own;
    return bs_catalog_judge(c->snapshot, names, &out->unit, &c->arena, &out->facts, err);
}

/* What the session sent before. */
static enum bs_done
follow_session(struct bs_classifier *c,
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
judge_once(struct bs_classifier *c,
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
    if (c->conninfo == NULL)
        return bs_follow_doubt(&before, &out->unit, err);
    return judge_with_catalog(c, before.names, q, out, err);
}

/* Again with a fresh catalog, once, where a name was not found or the session changed it. */
static enum bs_done
judge(struct bs_classifier *c, const struct bs_question *q, struct judged *out, struct bs_err *err)
{
    bs_arena_reset(&c->arena);
    if (refresh(c, STALE_US, err) != BS_DONE || judge_once(c, q, out, err) != BS_DONE)
        return BS_FAILED;
    if (c->conninfo == NULL || (!out->facts.unknown_name && !out->changed))
        return BS_DONE;
    bs_arena_reset(&c->arena);
    *out = (struct judged){0};
    if (refresh(c, 0, err) != BS_DONE)
        return BS_FAILED;
    return judge_once(c, q, out, err);
}

static json_t *
judged_json(const struct bs_classifier *c, const struct judged *j)
{
    json_t *out = bs_judged_json(&j->unit, c->conninfo == NULL ? NULL : &j->facts);

    (void)json_object_set_new(out, "recovery",
                              bs_judged_plan_json(c->conninfo == NULL ? NULL : &j->plan));
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
answer_json(struct bs_classifier *c, const json_t *line)
{
    struct judged judged = {0};
    struct bs_question q;
    struct bs_err err = {0};
    struct bs_buf room;
    json_t *out;

    bs_buf_init(&room, BS_CLASSIFIED_MAX_TEXT);
    bs_arena_reset(&c->asked);
    if (bs_question_read(line, &room, &c->asked, &q, &err) == BS_DONE &&
        judge(c, &q, &judged, &err) == BS_DONE && check_protocol(&q, &judged.unit, &err) == BS_DONE)
        out = judged_json(c, &judged);
    else
        out = failure_json(err.message);
    bs_buf_fini(&room);
    return out;
}

enum bs_done
bs_classifier_init(struct bs_classifier *c, const char *conninfo, struct bs_err *err)
{
    *c = (struct bs_classifier){.conninfo = conninfo};
    bs_arena_init(&c->arena, "classify", MAX_ARENA);
    bs_arena_init(&c->asked, "question", BS_CLASSIFIED_MAX_TEXT);
    return refresh(c, 0, err);
}

void
bs_classifier_fini(struct bs_classifier *c)
{
    bs_arena_fini(&c->arena);
    bs_arena_fini(&c->asked);
    bs_snapshot_unref(&c->snapshot);
}

enum bs_done
bs_classifier_text(struct bs_classifier *c, struct bs_bytes text, json_t **out, struct bs_err *err)
{
    const struct bs_question q = {.text = text};
    struct judged judged = {0};

    *out = NULL;
    if (text.n > BS_CLASSIFIED_MAX_TEXT)
        return BS_FAIL(err, LIMIT, "the text is longer than %zu bytes", BS_CLASSIFIED_MAX_TEXT);
    if (judge(c, &q, &judged, err) != BS_DONE)
        return BS_FAILED;
    *out = judged_json(c, &judged);
    return BS_DONE;
}

json_t *
bs_classifier_line(struct bs_classifier *c, struct bs_bytes line)
{
    json_t *asked = json_loadb((const char *)line.p, line.n, JSON_ALLOW_NUL, NULL);
    const json_t *id = json_object_get(asked, "id");
    json_t *out =
        json_is_object(asked) ? answer_json(c, asked) : failure_json("the line is no JSON object");
    json_t *all = json_object();

    (void)json_object_set_new(all, "id",
                              id == NULL ? json_null() : json_incref((json_t *)(uintptr_t)id));
    (void)json_object_update_new(all, out);
    json_decref(asked);
    return all;
}
