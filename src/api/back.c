/*
 * back.c - see back.h.
 */
#include "api/back.h"

#include <stdlib.h>
#include <string.h>

#include "api/points.h"
#include "api/restored.h"
#include "base/clock.h"
#include "restore/configured.h"
#include "restore/planned.h"

#define CANONICAL (JSON_SORT_KEYS | JSON_COMPACT)

/* A step at work. */
struct doing {
    const struct bs_back_job *job;
    const struct bs_config *config;
    struct bs_restore r;
    struct bs_err unreached; /* of a preview: why the database was not looked at */
    struct bs_back_done *out;
};

static const char *
text_of(const struct doing *d, const char *name)
{
    return json_string_value(json_object_get(d->job->options, name));
}

static bool
is_set(const json_t *options, const char *name)
{
    return json_is_true(json_object_get(options, name));
}

static bool
needs_second(const struct doing *d)
{
    return d->config->restore_approval == BS_CONFIG_RESTORE_SECOND;
}

/* --- the steps ----------------------------------------------------------------------------- */

/* A comparison that could not be made is told in a preview; that it was called off is not. */
static enum bs_done
do_preview(struct doing *d, struct bs_err *err)
{
    const char *unreached = d->unreached.code == BS_OK ? NULL : d->unreached.message;
    struct bs_preview p;

    if (bs_preview_make(&d->r, d->job->table, &p, err) != BS_DONE ||
        bs_stop_check(d->job->stop, err) != BS_DONE)
        return BS_FAILED;
    d->out->result = bs_restored_preview(&d->r, &p, unreached);
    return BS_DONE;
}

static enum bs_done
do_run(struct doing *d, struct bs_err *err)
{
    struct bs_rebuild b;

    if (bs_rebuild_run(&d->r, d->job->table, text_of(d, "into"), &b, err) != BS_DONE)
        return BS_FAILED;
    d->out->result = bs_restored_rebuild(&d->r, &b);
    return BS_DONE;
}

static enum bs_done
do_diff(struct doing *d, struct bs_err *err)
{
    struct bs_diff diff;

    if (bs_diff_run(&d->r, d->job->table, &diff, err) != BS_DONE)
        return BS_FAILED;
    d->out->result = bs_restored_diff(&d->r, &diff);
    return BS_DONE;
}

static enum bs_done
do_discard(struct doing *d, struct bs_err *err)
{
    struct bs_discard discard;

    if (bs_discard_run(&d->r, &discard, err) != BS_DONE)
        return BS_FAILED;
    d->out->result = bs_restored_discard(&d->r, &discard);
    return BS_DONE;
}

static struct bs_copyback_options
how_of(const struct doing *d)
{
    const json_t *o = d->job->options;
    struct bs_copyback_options how = {
        .table = d->job->table,
        .triggers = is_set(o, "no_triggers") ? BS_COPYBACK_SUPPRESS : BS_COPYBACK_FIRE,
        .made = is_set(o, "remove_inserted") ? BS_COPYBACK_REMOVE : BS_COPYBACK_KEEP,
        .sequences = is_set(o, "set_sequences") ? BS_COPYBACK_SET_BACK : BS_COPYBACK_LEAVE,
        .all_missing = is_set(o, "all_missing"),
    };

    (void)bs_planfile_conflict(text_of(d, "conflict"), &how.conflict);
    return how;
}

/* The plan as its file is what counts; of one point also what it comes to, as a copy-back has it. */
static enum bs_done
make_plan(struct doing *d,
          const struct bs_planfile_maker *maker,
          struct bs_planfile *p,
          struct bs_err *err)
{
    struct bs_copyback_options how = how_of(d);
    struct bs_group group = {0};
    struct bs_copyback plan;
    enum bs_done done;

    if (!is_set(d->job->options, "group")) {
        if (bs_planfile_make(&d->r, &how, maker, p, &plan, err) != BS_DONE)
            return BS_FAILED;
        d->out->result = bs_restored_copyback(&d->r, &plan);
        return BS_DONE;
    }
    done = bs_group_open(&d->r, &group, err);
    if (done == BS_DONE)
        done = bs_planfile_make_group(&d->r, &group, &how, maker, p, err);
    bs_group_close(&group);
    d->out->result = json_pack("{s:s}", "point", d->r.manifest.id);
    return done;
}

static enum bs_done
do_plan(struct doing *d, struct bs_err *err)
{
    struct bs_planfile_maker maker = {.by = d->job->by, .now_us = bs_now_us()};
    struct bs_planfile p = {0};
    enum bs_done done;

    maker.expires_us = maker.now_us + d->config->plan_life_ms * 1000;
    done = make_plan(d, &maker, &p, err);
    if (done == BS_DONE && needs_second(d))
        done = bs_planned_keep(d->job->gateway->state, &p, maker.now_us, err);
    if (done == BS_DONE) {
        (void)json_object_set(d->out->result, "plan", p.json);
        memcpy(d->out->digest, p.sha256, sizeof(p.sha256));
        d->out->plan = json_dumps(p.json, CANONICAL);
    }
    bs_planfile_fini(&p);
    return done;
}

static enum bs_done
carry_out(struct doing *d, struct bs_planned *planned, struct bs_err *err)
{
    if (planned->plan->expires_us <= bs_now_us())
        return BS_FAIL(err, STALE, "the plan has expired");
    if (bs_planned_check(&d->r, planned, err) != BS_DONE)
        return BS_FAILED;
    d->out->used = true;
    if (bs_planned_do(&d->r, planned, d->job->by, err) != BS_DONE)
        return BS_FAILED;
    if (planned->plan->group) {
        d->out->result = bs_restored_group(&planned->group);
        return BS_DONE;
    }
    d->out->result = bs_restored_copyback(&d->r, &planned->done);
    (void)json_object_set_new(d->out->result, "whole",
                              json_boolean(bs_copyback_whole(&planned->done)));
    return BS_DONE;
}

static enum bs_done
do_copy_back(struct doing *d, struct bs_err *err)
{
    struct bs_planfile p = {0};
    struct bs_planned planned = {.plan = &p};
    enum bs_done done;

    if (needs_second(d))
        planned.state = d->job->gateway->state;
    done = bs_planfile_read(bs_bytes_of(d->job->plan), &p, err);
    if (done == BS_DONE)
        done = carry_out(d, &planned, err);
    bs_planned_close(&planned);
    bs_planfile_fini(&p);
    return done;
}

static const struct {
    const char *name;
    enum bs_done (*on)(struct doing *d, struct bs_err *err);
    bool stops;
} steps[] = {
    [BS_BACK_PREVIEW] = {"preview", do_preview, true},
    [BS_BACK_RUN] = {"run", do_run, true},
    [BS_BACK_DIFF] = {"diff", do_diff, true},
    [BS_BACK_PLAN] = {"plan", do_plan, true},
    [BS_BACK_COPY_BACK] = {"copy-back", do_copy_back, false},
    [BS_BACK_DISCARD] = {"discard", do_discard, true},
};

const char *
bs_back_name(enum bs_back_step step)
{
    return steps[step].name;
}

bool
bs_back_find(const char *name, enum bs_back_step *out)
{
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        *out = (enum bs_back_step)i;
        if (strcmp(steps[i].name, name) == 0)
            return true;
    }
    return false;
}

bool
bs_back_stops(enum bs_back_step step)
{
    return steps[step].stops;
}

enum bs_done
bs_back_check(enum bs_back_step step, const json_t *options, const char *table, struct bs_err *err)
{
    const char *conflict = json_string_value(json_object_get(options, "conflict"));
    enum bs_copyback_conflict ignored;

    if (step != BS_BACK_PLAN)
        return BS_DONE;
    if (!bs_planfile_conflict(conflict, &ignored))
        return BS_FAIL(err, DATA, "\"conflict\" is skip, overwrite or abort");
    if (is_set(options, "group") && table != NULL)
        return BS_FAIL(err, DATA, "\"group\" gives back all of all points, not one table");
    return BS_DONE;
}

/* --- around them --------------------------------------------------------------------------- */

static enum bs_done
open_restore(struct doing *d, struct bs_err *err)
{
    const struct bs_back_job *job = d->job;
    struct bs_configured ask = {
        .config = d->config,
        .database = job->database,
        .request =
            {
                .store = job->gateway->store,
                .point = job->point,
                .by = job->by,
                .audit = job->gateway->audit,
                .watch = job->watch,
                .watch_ctx = job->watch_ctx,
                .where = job->where,
                .verify = is_set(job->options, "verify"),
                .stop = job->stop,
            },
    };

    if (bs_stop_check(job->stop, err) != BS_DONE ||
        bs_configured_open(&ask, &d->r, &d->unreached, err) != BS_DONE)
        return BS_FAILED;
    if (job->step != BS_BACK_PREVIEW && d->unreached.code != BS_OK) {
        *err = d->unreached;
        return BS_FAILED;
    }
    return BS_DONE;
}

/* The point and the database of the preview, as the same role. */
static enum bs_done
take_subject(struct doing *d, struct bs_err *err)
{
    json_t *subject = bs_planfile_subject(&d->r, err);

    d->out->subject = subject;
    if (subject == NULL)
        return BS_FAILED;
    if (d->job->subject == NULL || json_equal(subject, d->job->subject))
        return BS_DONE;
    if (json_is_null(json_object_get(d->job->subject, "target")))
        (void)BS_FAIL(err, CHANGED, "the preview could not look at the database");
    else
        (void)BS_FAIL(err, CHANGED, "the point or its database is not what the preview has seen");
    bs_err_hint(err, "begin another restore, with a preview");
    return BS_FAILED;
}

static void
take_facts(struct doing *d)
{
    const struct bs_manifest *m = &d->r.manifest;

    d->out->facts =
        json_pack("{s:s, s:s*, s:b, s:I, s:I}", "database", d->r.request.database, "ticket",
                  m->actor.ticket, "superuser", bs_rdb_is_superuser(&d->r.db), "rows",
                  (json_int_t)bs_point_rows(m), "stored_bytes", (json_int_t)bs_point_bytes(m));
}

/* Of all that was shown, and of what it is about. What is done is done: nothing fails any more. */
static void
take_digest(struct doing *d)
{
    json_t *all;
    char *text;

    if (d->out->result == NULL)
        d->out->result = json_pack("{s:s}", "unshown", "a text in it is not UTF-8");
    if (d->out->digest[0] != '\0')
        return;
    all = json_pack("{s:s, s:s, s:s?, s:s?, s:O, s:O}", "step", steps[d->job->step].name, "point",
                    d->r.manifest.id, "table", d->job->table, "where", d->job->where, "subject",
                    d->out->subject, "result", d->out->result);
    text = json_dumps(all, CANONICAL);
    bs_assert(text != NULL);
    bs_sha256_text(text, d->out->digest);
    free(text);
    json_decref(all);
}

/* A step may have waited for long: whoever asked for it must still be that operator, and may still. */
static enum bs_done
check_asker(const struct bs_back_job *job, struct bs_err *err)
{
    struct bs_state *state = job->gateway->state;
    struct bs_operator by = {0};
    struct bs_arena arena;
    enum bs_done done;

    bs_arena_init(&arena, "who asked", 1u << 20);
    done = bs_state_operator_get(state, job->by, &arena, &by, err);
    if (done == BS_DONE &&
        (by.created_us > job->asked_us || !bs_operator_may(&by, BS_ROLE_APPROVER, bs_now_us())))
        done = BS_FAIL(err, FORBIDDEN, "\"%.63s\" asked for it, and may not any more", job->by);
    bs_arena_fini(&arena);
    return done;
}

enum bs_done
bs_back_do(const struct bs_back_job *job, struct bs_back_done *out, struct bs_err *err)
{
    struct doing d = {.job = job, .config = job->gateway->config, .out = out};
    enum bs_done done = check_asker(job, err);

    if (done == BS_DONE)
        done = open_restore(&d, err);
    if (done == BS_DONE)
        done = take_subject(&d, err);
    if (done == BS_DONE) {
        take_facts(&d);
        done = steps[job->step].on(&d, err);
    }
    if (done == BS_DONE)
        take_digest(&d);
    bs_restore_close(&d.r);
    return done;
}

enum bs_done
bs_back_rows(const struct bs_back_job *job,
             const struct bs_beside *ask,
             struct bs_beside_page *out,
             struct bs_err *err)
{
    struct bs_back_done about = {0};
    struct doing d = {.job = job, .config = job->gateway->config, .out = &about};
    enum bs_done done = open_restore(&d, err);

    *out = (struct bs_beside_page){0};
    if (done == BS_DONE)
        done = take_subject(&d, err);
    if (done == BS_DONE)
        done = bs_beside_rows(&d.r, ask, out, err);
    bs_restore_close(&d.r);
    bs_back_done_fini(&about);
    return done;
}

void
bs_back_done_fini(struct bs_back_done *d)
{
    json_decref(d->facts);
    json_decref(d->subject);
    json_decref(d->result);
    free(d->plan);
    *d = (struct bs_back_done){0};
}
