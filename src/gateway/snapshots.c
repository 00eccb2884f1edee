/*
 * snapshots.c - from the configuration's words to a capture.
 */
#include "gateway/snapshots.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "gateway/request.h"

enum { LOCK_MS = 2000 }; /* behind a waiting ACCESS SHARE nobody queues who does not queue anyway */

/* Which patterns have met a table. */
struct choice {
    const struct bs_object_globs *tables;
    bool *met;
    char missing[160];
};

static bool
wanted(void *ctx, const char *schema, const char *name)
{
    struct choice *c = ctx;
    bool any = false;

    for (size_t i = 0; i < c->tables->n; i++) {
        const struct bs_object_globs one = {&c->tables->list[i], 1};
        if (!bs_tables_match(&one, schema, name))
            continue;
        c->met[i] = true;
        any = true;
    }
    return any;
}

/* By hand every name has to be one: who mistypes it must not believe that it is kept. */
static const char *
missing(void *ctx)
{
    struct choice *c = ctx;

    for (size_t i = 0; i < c->tables->n; i++) {
        if (c->met[i])
            continue;
        (void)snprintf(c->missing, sizeof(c->missing), "%.70s.%.70s", c->tables->list[i].schema,
                       c->tables->list[i].name);
        return c->missing;
    }
    return NULL;
}

/*
 * An object that is named again and again must not keep its old point for ever: once that is older
 * than half of what snapshots may be, the table is copied anew.
 */
static int64_t
reuse_since(const struct bs_snapshot_job *job)
{
    if (job->schedule == NULL || job->schedule->keep.age_ms == 0)
        return 0;
    return bs_now_us() - job->schedule->keep.age_ms * 1000 / 2;
}

static void
tell(const struct bs_snapshot_job *job, struct bs_capture *c)
{
    if (job->running != NULL)
        job->running(job->ctx, c);
}

static void
take_result(const struct bs_capture_result *result, struct bs_snapshot_done *out)
{
    const struct bs_manifest *m = result->manifest;

    memcpy(out->point, m->id, sizeof(out->point));
    out->us = result->total_us;
    for (size_t i = 0; i < m->n_objects; i++) {
        out->rows += m->objects[i].row_count;
        if (m->objects[i].of == NULL)
            out->stored_bytes += m->objects[i].stored_bytes;
    }
}

enum bs_done
bs_snapshot_do(const struct bs_snapshot_job *job, struct bs_snapshot_done *out, struct bs_err *err)
{
    const struct bs_config *c = job->config;
    struct bs_pg_dump *dumps = bs_malloc((c->n_pg_dumps + 1) * sizeof(*dumps));
    struct choice choice = {.tables = job->tables,
                            .met = bs_malloc((job->tables->n + 1) * sizeof(bool))};
    char text[160];
    const char *name = job->schedule == NULL ? NULL : job->schedule->name;
    struct bs_snapshot_request what = {.schedule = name,
                                       .want = wanted,
                                       .missing = job->schedule == NULL ? missing : NULL,
                                       .ctx = &choice,
                                       .reuse_since_us = reuse_since(job),
                                       .lock_ms = LOCK_MS};
    struct bs_capture_request request = {
        .helper = job->db->helper,
        .store = job->store,
        .spool = c->spool,
        .pg_dumps = dumps,
        .n_pg_dumps = c->n_pg_dumps,
        .helpers = (size_t)c->helpers,
        .deadline_us = bs_mono_us() + job->budget_ms * 1000,
        .grade = bs_request_grade(c->require.grade),
        .scratch = c->scratch,
        .actor = {.agent = job->by},
        .statement = {.text = text, .kind = "SNAPSHOT"},
    };
    struct bs_capture *capture = NULL;
    struct bs_capture_result result = {0};
    enum bs_done done;

    *out = (struct bs_snapshot_done){0};
    (void)snprintf(text, sizeof(text), "snapshot %.120s", name == NULL ? "by hand" : name);
    for (size_t i = 0; i < c->n_pg_dumps; i++)
        dumps[i] = (struct bs_pg_dump){c->pg_dumps[i].major, c->pg_dumps[i].path};
    done = bs_capture_open(&request, &capture, err);
    if (done == BS_DONE) {
        tell(job, capture);
        done = bs_capture_snapshot(capture, &what, &out->report, &result, err);
        tell(job, NULL);
    }
    if (done == BS_DONE)
        take_result(&result, out);
    bs_capture_close(&capture);
    free(dumps);
    free(choice.met);
    return done;
}
