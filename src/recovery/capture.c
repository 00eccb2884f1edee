/*
 * capture.c - the order is the safety: locks are seen before the snapshot is taken, the snapshot
 * is taken before anything is copied, all is stored and proven before the manifest, and only the
 * manifest makes it a point.
 */
#include "recovery/capture.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "recovery/crew.h"
#include "recovery/dump.h"
#include "recovery/earlier.h"
#include "recovery/facts.h"
#include "recovery/journal.h"
#include "recovery/steps.h"

enum {
    ARENA = 64 * 1024 * 1024,     /* description of all tables */
    BUDGET_US = 30 * 1000 * 1000, /* where the request has no deadline */
    EVENT_MS = 5000,              /* for the store to take an event */
};

enum bs_done
bs_capture_open(const struct bs_capture_request *request,
                struct bs_capture **out,
                struct bs_err *err)
{
    struct bs_capture *c = bs_malloc(sizeof(*c));
    struct bs_err why = {0};
    int64_t deadline = request->deadline_us;

    *out = NULL;
    c->req = *request;
    if (deadline == 0)
        deadline = bs_mono_us() + BUDGET_US;
    if (bs_watch_init(&c->watch, deadline, &why) != BS_DONE) {
        free(c);
        return bs_step_no_point(err, &why);
    }
    c->watch.bytes = &c->proven;
    c->store = bs_store_watched(request->store, &c->watch);
    bs_arena_init(&c->arena, "capture", ARENA);
    if (bs_helper_open(&c->helper, request->helper, &c->watch, BS_E_NO_POINT, &why) != BS_DONE ||
        bs_helper_source(&c->helper, &c->arena, &c->m.source, &why) != BS_DONE) {
        bs_capture_close(&c);
        return bs_step_no_point(err, &why);
    }
    *out = c;
    return BS_DONE;
}

enum bs_done
bs_step_dump(struct bs_capture *c, struct bs_err *err)
{
    char program[PATH_MAX], version[128], file[PATH_MAX];
    PGresult *res = NULL;
    const char *snapshot;

    if (!c->req.plan->definition)
        return BS_DONE;
    if (bs_dump_find(c->req.pg_dumps, c->req.n_pg_dumps, c->m.source.server_version_num, program,
                     version, err) != BS_DONE ||
        bs_spool_name(&c->spool, "schema", file, err) != BS_DONE)
        return BS_FAILED;
    if (bs_helper_query(&c->helper, "SELECT pg_catalog.pg_export_snapshot()", 0, NULL, &res, err) !=
        BS_DONE)
        return BS_FAILED;
    snapshot = bs_arena_str(&c->arena, PQgetvalue(res, 0, 0));
    PQclear(res);
    c->m.schema.pg_dump = bs_arena_str(&c->arena, version);
    c->spool.pg_dump = bs_arena_str(&c->arena, program);
    if (snapshot == NULL || c->spool.pg_dump == NULL)
        return BS_FAIL(err, LIMIT, "no memory set aside for a snapshot's name");
    return bs_dump_start(&c->dump, program, c->helper.conn, snapshot, file,
                         bs_watch_left_ms(&c->watch, 10000), err);
}

/* Those tables of the plan that are copied, or that must be locked, as a plan of their own. */
static enum bs_done
select_tables(struct bs_capture *c, bool copied, struct bs_plan *out, struct bs_err *err)
{
    const struct bs_plan *plan = c->req.plan;

    *out = (struct bs_plan){.kind = plan->kind};
    out->tables = bs_arena_array(&c->arena, plan->n_tables + 1, sizeof(*out->tables));
    if (out->tables == NULL)
        return BS_FAIL(err, LIMIT, "there are more tables than memory set aside for them");
    for (size_t i = 0; i < plan->n_tables; i++) {
        const struct bs_plan_table *t = &plan->tables[i];
        bool wanted = copied ? plan->kind == BS_PLAN_WHOLE && !t->shape
                             : t->relkind == 'm' || bs_plan_locks(plan, t, false);
        if (wanted && !bs_earlier_holds(&c->req, t->oid))
            out->tables[out->n_tables++] = *t;
    }
    return BS_DONE;
}

/* pg_dump would wait for what the transaction has locked before: it has dumped that already. */
static enum bs_done
keep_definition(struct bs_capture *c, const struct bs_manifest *earlier, struct bs_err *err)
{
    struct bs_err why = {0};

    if (earlier == NULL)
        return BS_DONE;
    c->m.schema = earlier->schema;
    if (bs_earlier_still(&c->helper, earlier, c->req.plan, &c->m, &c->arena, &why) == BS_DONE)
        return BS_DONE;
    return BS_FAIL(err, NO_POINT, "%s", why.message);
}

/* The plan went by what the catalog says of sizes, which may be old, or nothing. */
static bool
is_too_large(const struct bs_capture *c, int64_t bytes, struct bs_err *err)
{
    if (c->req.max_bytes == 0 || bytes <= c->req.max_bytes)
        return false;
    (void)BS_FAIL(err, NO_POINT,
                  "%lld bytes would have to be copied, the limit is %lld (recovery.max_bytes)",
                  (long long)bytes, (long long)c->req.max_bytes);
    return true;
}

/* Of a database: as it is written, and as it is read back. */
static int64_t
dump_bytes(const struct bs_capture *c)
{
    return c->m.n_databases == 0 ? 0 : c->m.databases->bytes * 2;
}

/* Everything that needs the snapshot. */
static enum bs_done
copy_all(struct bs_capture *c, struct bs_err *err)
{
    const struct bs_manifest *earlier =
        c->req.plan->definition ? bs_earlier_definition(&c->req) : NULL;
    struct bs_plan locked, copied;
    int64_t bytes = 0;

    if (select_tables(c, false, &locked, err) != BS_DONE ||
        select_tables(c, true, &copied, err) != BS_DONE ||
        bs_step_locked(c, locked.tables, locked.n_tables, err) != BS_DONE ||
        bs_step_snapshot(c, err) != BS_DONE ||
        bs_facts_tables(&c->helper, &copied, &c->arena, &c->m, &bytes, err) != BS_DONE ||
        is_too_large(c, bytes, err) || bs_step_room(c, bytes + dump_bytes(c), err) != BS_DONE ||
        (earlier == NULL && bs_step_dump(c, err) != BS_DONE))
        return BS_FAILED;
    bs_step_enter(c, BS_CAPTURE_COPYING);
    if (bs_facts_around(&c->helper, c->req.plan,
                        (struct bs_named_before){c->req.earlier, c->req.n_earlier}, &c->arena,
                        &c->m, err) != BS_DONE ||
        bs_step_closure_sequences(c, err) != BS_DONE ||
        keep_definition(c, earlier, err) != BS_DONE || bs_crew_copy(c, err) != BS_DONE ||
        bs_step_globals(c, err) != BS_DONE)
        return BS_FAILED;
    if (c->dump.pid != 0 && bs_child_wait(&c->dump, &c->watch, NULL, NULL, err) != BS_DONE)
        return BS_FAILED;
    return bs_helper_query(&c->helper, "COMMIT", 0, NULL, NULL, err);
}

static enum bs_done
run(struct bs_capture *c, struct bs_capture_result *out, struct bs_err *err)
{
    const struct bs_plan *plan = c->req.plan;
    bool without = plan != NULL && plan->without;
    int64_t start = bs_mono_us();

    if (plan == NULL || !bs_plan_makes_point(plan))
        return BS_FAIL(err, NO_POINT, "there is no plan that a point could be made by");
    bs_step_enter(c, BS_CAPTURE_CHECKING);
    /* Rows that change get a point of their own, when they have. */
    if (bs_step_name(c, plan->kind == BS_PLAN_WHOLE ? "whole" : "record",
                     plan->in_block && !without ? NULL : plan->why, err) != BS_DONE ||
        bs_step_actor(c, err) != BS_DONE)
        return BS_FAILED;
    if (plan->kind == BS_PLAN_WHOLE || plan->definition || plan->globals != 0) {
        if (bs_spool_open(&c->spool, c->req.spool, c->m.id, err) != BS_DONE ||
            bs_step_database_look(c, err) != BS_DONE || copy_all(c, err) != BS_DONE ||
            (plan->database != NULL && bs_step_database(c, err) != BS_DONE))
            return BS_FAILED;
        out->copied_us = bs_mono_us() - start;
        if (bs_step_store(c, err) != BS_DONE)
            return BS_FAILED;
    }
    return bs_step_manifest(c, start, out, err);
}

enum bs_done
bs_capture_run(struct bs_capture *c, struct bs_capture_result *out, struct bs_err *err)
{
    struct bs_err why = {0};
    enum bs_done done;

    *out = (struct bs_capture_result){0};
    if (c->ran)
        return BS_FAIL(err, NO_POINT, "a capture runs once");
    c->ran = true;
    done = run(c, out, &why);
    return bs_step_end(c, done, &why, out, err);
}

enum bs_done
bs_capture_event(struct bs_capture *c, const struct bs_point_event *event, struct bs_err *err)
{
    struct bs_watch watch;
    struct bs_store view;
    enum bs_done done;

    if (!c->stored)
        return BS_FAIL(err, CONFLICT, "the capture has made no point");
    /* Not by the capture's own watch, which may have ended; but somebody waits for this, too. */
    if (bs_watch_init(&watch, bs_mono_us() + (int64_t)EVENT_MS * 1000, err) != BS_DONE)
        return BS_FAILED;
    watch.late = BS_E_IO;
    view = bs_store_watched(c->req.store, &watch);
    done = bs_journal_event(c->req.spool, &view, c->dir, event, err);
    bs_watch_fini(&watch);
    return done;
}

void
bs_capture_describe(struct bs_capture *c, const struct bs_point_statement *statement)
{
    c->req.statement = *statement;
}

void
bs_capture_demand(struct bs_capture *c, enum bs_capture_grade grade)
{
    c->req.grade = grade;
}

void
bs_capture_extend(struct bs_capture *c, int64_t deadline_us)
{
    c->watch.deadline_us = deadline_us;
}

void
bs_capture_rest(struct bs_capture *c)
{
    bs_helper_close(&c->helper);
}

void
bs_capture_abort(struct bs_capture *c)
{
    bs_watch_stop(&c->watch);
}

const char *
bs_capture_phase_name(enum bs_capture_phase phase)
{
    switch (phase) {
    case BS_CAPTURE_IDLE:
        return "beginning";
    case BS_CAPTURE_CHECKING:
        return "looking at tables";
    case BS_CAPTURE_COPYING:
        return "copying";
    case BS_CAPTURE_STORING:
        return "storing";
    case BS_CAPTURE_PROVING:
        return "proving";
    case BS_CAPTURE_RESTORING:
        return "restoring for proof";
    case BS_CAPTURE_PROVEN:
        return "ending";
    case BS_CAPTURE_FAILED:
        break;
    }
    return "giving up";
}

void
bs_capture_progress(const struct bs_capture *c, struct bs_capture_progress *out)
{
    int64_t bytes = atomic_load(&c->bytes);

    *out = (struct bs_capture_progress){
        .phase = (enum bs_capture_phase)atomic_load(&c->phase),
        .busy = (enum bs_capture_phase)atomic_load(&c->busy),
        .rows = atomic_load(&c->rows),
        .raw_bytes = atomic_load(&c->raw),
        .stored_bytes = atomic_load(&c->put),
        .proven_bytes = atomic_load(&c->proven),
        .est_bytes = bytes != 0 || c->req.plan == NULL ? bytes : c->req.plan->est_bytes,
    };
}

void
bs_capture_close(struct bs_capture **c)
{
    if (*c == NULL)
        return;
    bs_child_kill(&(*c)->dump);
    bs_helper_close(&(*c)->helper);
    bs_spool_close(&(*c)->spool);
    bs_point_key_wipe(&(*c)->key);
    bs_arena_fini(&(*c)->arena);
    bs_watch_fini(&(*c)->watch);
    free(*c);
    *c = NULL;
}
