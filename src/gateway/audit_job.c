/*
 * audit_job.c - what blocks before COMMIT: is everything covered, what is still to be kept, and the
 * event "armed". On a job thread.
 */
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "gateway/gateway.h"
#include "gateway/gating.h"
#include "gateway/progress.h"
#include "gateway/readiness.h"
#include "gateway/request.h"
#include "gateway/within.h"

#define LISTED 12 /* things that nothing covers, in the record of a statement */

/* What ran and was not undone, with the points that were made before it did. */
static enum bs_done
list_parts(struct bs_ledger *l, struct bs_coverage *out, struct bs_err *err)
{
    struct bs_covered *parts = bs_arena_array(&l->arena, l->n_units + 1, sizeof(*parts));

    if (parts == NULL)
        return BS_FAIL(err, LIMIT, "the transaction has run too many statements");
    out->parts = parts;
    for (size_t i = 0; i < l->n_units; i++) {
        const struct bs_gate *g = l->units[i];
        out->ddl = out->ddl || g->plan.ddl; /* counters remember what was undone, too */
        out->passed = out->passed || (g->waived && g->plan.ddl && bs_ledger_counts(g));
        if (bs_ledger_counts(g))
            parts[out->n_parts++] = (struct bs_covered){
                &g->plan, g->captured ? g->point.manifest : NULL, g->covered, g->n_covered};
    }
    return BS_DONE;
}

/* For operators: all of it, so far as it can be read at a glance. */
static const char *
list_text(struct bs_gate *g, const struct bs_uncovered *found)
{
    const char *text = found->list[0];

    for (size_t i = 1; i < found->n && i < LISTED && text != NULL; i++)
        text = bs_arena_fmt(&g->arena, "%s; %s", text, found->list[i]);
    if (found->n > LISTED && text != NULL)
        text = bs_arena_fmt(&g->arena, "%s; and %zu more", text, found->n - LISTED);
    return text == NULL ? found->list[0] : text;
}

static enum bs_done
check_coverage(struct bs_gate *g, struct bs_uncovered *found, struct bs_err *err)
{
    struct bs_ledger *l = g->ledger;
    struct bs_coverage in = {.before = &l->before,
                             .after = &l->after,
                             .had = l->had,
                             .n_had = l->n_had,
                             .ddl = l->ddl,
                             .passed = l->ddl};
    struct bs_err why = {0};
    struct bs_lock *locks;

    if (bs_capture_locks(l->keeper, (int)g->s->server_pid, &l->arena, &locks, &in.n_locks, &why) !=
        BS_DONE)
        return BS_FAIL(err, UNAVAILABLE, "the locks cannot be seen: %s", why.message);
    in.locks = locks;
    if (list_parts(l, &in, err) != BS_DONE ||
        bs_coverage_check(&in, &l->arena, found, err) != BS_DONE)
        return BS_FAILED;
    if (found->n == 0)
        return BS_DONE;
    g->why = list_text(g, found);
    for (size_t i = 0; i < found->n; i++)
        BS_LOG(WARNING, "not covered", BS_F_STR("session", g->s->id), BS_F_STR("ticket", g->ticket),
               BS_F_STR("what", found->list[i]));
    return BS_FAIL(err, UNCOVERED, "%zu things changed that nothing covers", found->n);
}

/* Definitions that could not be locked may have become others before the statement changed them. */
static enum bs_done
check_definitions(struct bs_gate *g, struct bs_err *err)
{
    struct bs_ledger *l = g->ledger;

    for (size_t i = 0; i < l->n_units; i++) {
        const struct bs_gate *unit = l->units[i];
        if (!bs_ledger_counts(unit) || !unit->captured ||
            bs_capture_still(l->keeper, unit->point.manifest, &unit->plan, &l->arena, err) ==
                BS_DONE)
            continue;
        BS_LOG(WARNING, "not covered", BS_F_STR("session", g->s->id), BS_F_STR("ticket", g->ticket),
               BS_F_STR("what", err->message));
        g->why = bs_arena_str(&g->arena, err->message);
        return BS_FAILED;
    }
    return BS_DONE;
}

/* The rows that were replaced and that no point has yet. */
static enum bs_done
keep_replaced(struct bs_gate *g, const struct bs_uncovered *found, struct bs_err *err)
{
    struct bs_ledger *l = g->ledger;
    struct bs_replaced what = {
        .changed = found->changed,
        .n_changed = found->n_changed,
        .grown = true,
        .sequences = found->sequences,
        .n_sequences = found->n_sequences,
        .xid = l->xid,
        .deadline_us = bs_mono_us() + g->s->gateway->config->lock_budget_ms * 1000,
    };
    struct bs_progress_entry entry;
    struct bs_require require;
    int64_t began_ns = bs_mono_ns();
    enum bs_done done = BS_FAILED;

    if (what.n_changed == 0 && what.n_sequences == 0)
        return BS_DONE;
    entry = bs_gate_progress(g, l->keeper);
    entry.budget_us = what.deadline_us;
    bs_progress_enter(g->s->gateway->progress, &entry);
    if (bs_request_describe_kept(l, err) == BS_DONE)
        done = bs_capture_replaced(l->keeper, &what, &l->kept, err);
    bs_progress_leave(g->s->gateway->progress, &entry);
    if (done != BS_DONE) {
        bs_count(BS_COUNT_CAPTURES_FAILED);
        bs_gate_tell_no_point(g, err);
        return BS_FAILED;
    }
    l->has_kept = l->kept.manifest != NULL;
    if (!l->has_kept)
        return BS_DONE;
    bs_gate_count_point(l->kept.manifest, began_ns);
    bs_gate_index_point(g, &l->kept);
    require = bs_ledger_require(l);
    if (bs_readiness_require_kept(g->s->gateway, g->s->database, &require, l->kept.manifest, err) ==
        BS_DONE)
        return BS_DONE;
    bs_gate_tell_no_point(g, err);
    return BS_FAILED;
}

/* What the points' events say of its rows; NULL where that is too much to say. */
static const char *
rows_text(struct bs_ledger *l)
{
    struct bs_err ignored = {0};
    struct bs_moved *moved;
    const char *text;
    struct bs_buf b;
    size_t n;

    if (bs_reading_moved(&l->before, &l->after, &l->arena, &moved, &n, &ignored) != BS_DONE)
        return NULL;
    bs_buf_init(&b, 256u << 10);
    bs_moved_put(&b, moved, n);
    text = b.failed ? NULL : bs_arena_copy(&l->arena, bs_buf_view(&b));
    bs_buf_fini(&b);
    return text;
}

static enum bs_done
arm(struct bs_ledger *l, struct bs_err *err)
{
    struct bs_point_event armed = {
        .state = BS_EVENT_ARMED, .xid = l->xid, .by = "gateway", .details = rows_text(l)};

    if (l->xid != 0 && l->keeper != NULL &&
        bs_capture_keep_xid(l->keeper, l->xid, &armed.xid_until, err) != BS_DONE)
        return BS_FAILED;
    l->armed = true; /* one of them may be, from here on */
    for (size_t i = 0; i < l->n_units; i++) {
        const struct bs_gate *g = l->units[i];
        if (bs_ledger_counts(g) && g->captured &&
            bs_capture_event(g->capture, &armed, err) != BS_DONE)
            return BS_FAILED;
    }
    return l->has_kept ? bs_capture_event(l->keeper, &armed, err) : BS_DONE;
}

/* Has it changed more than was counted when it was approved, or allowed? */
static enum bs_done
check_rows(struct bs_gate *g, struct bs_err *err)
{
    if (bs_within_check(g->ledger, g->others, err) == BS_DONE)
        return BS_DONE;
    if (err->code == BS_E_STALE) {
        BS_LOG(WARNING, "more rows than expected", BS_F_STR("session", g->s->id),
               BS_F_STR("ticket", g->ticket), BS_F_STR("what", err->message));
        g->why = bs_arena_str(&g->arena, err->message);
    }
    return BS_FAILED;
}

static void
work_audit(struct bs_gate *g, struct bs_err *err)
{
    struct bs_uncovered found = {0};
    bool waived = bs_ledger_waived(g->ledger);

    /* What need not be given back was still allowed for so many rows, and no more. */
    if ((!waived &&
         (check_coverage(g, &found, err) != BS_DONE || check_definitions(g, err) != BS_DONE)) ||
        check_rows(g, err) != BS_DONE || (!waived && keep_replaced(g, &found, err) != BS_DONE))
        return;
    (void)!arm(g->ledger, err);
}

void
bs_gate_job_audit(struct bs_relay *r, struct bs_gate *g, bs_gate_job_fn *done)
{
    (void)r;
    bs_gate_job_post(g, work_audit, done);
}
