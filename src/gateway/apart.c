/*
 * apart.c - the job, its turn, and the list of verdicts that wait for their message to be looked at.
 *
 * A job cannot be ended early: of one that nobody wants any more, only what it makes is thrown away.
 */
#include "gateway/apart.h"

#include <stdlib.h>
#include <string.h>

#include "base/metrics.h"
#include "gateway/gate.h"
#include "gateway/judge.h"
#include "gateway/lanes.h"
#include "gateway/verdicts.h"
#include "gateway/worker.h"

#define VERDICT_MAX ((size_t)512 << 20)
#define READY_MAX   ((size_t)512 << 20) /* of all verdicts of one message */
#define AGAIN_MAX   4 /* times that the catalog changes under one message; then it is refused */

/* What a text asks of the session. */
struct ask {
    const char *label;
    bool is_cursor;
    bool answered;
    enum bs_lookup found;
    struct bs_bytes text; /* BS_LOOKUP_FOUND */
    bool there;           /* the cursor is */
    struct ask *next;
};

struct bs_apart {
    struct bs_turn turn;
    struct bs_relay *relay; /* a reference: the names that `by` points to live in it */
    struct bs_snapshot *snapshot;
    struct bs_judge by;
    struct bs_known known;
    struct bs_kept *kept; /* the text and the asks are in its arena, too */
    struct ask *asks;
    struct bs_err err;
    enum bs_done done;
    bool lent;
    struct bs_apart *next;
};

/* --- what the job asks of the session ------------------------------------------------------ */

static struct ask *
find_ask(struct bs_apart *a, const char *label, bool is_cursor)
{
    struct ask *ask = a->asks;

    while (ask != NULL && (ask->is_cursor != is_cursor || strcmp(ask->label, label) != 0))
        ask = ask->next;
    return ask;
}

/* NULL: no room; then it is as if there were nothing of that name. */
static struct ask *
add_ask(struct bs_apart *a, const char *label, bool is_cursor)
{
    struct ask *ask = bs_arena_take(bs_kept_arena(a->kept), sizeof(*ask));
    const char *copy = bs_arena_str(bs_kept_arena(a->kept), label);

    if (ask == NULL || copy == NULL)
        return NULL;
    *ask = (struct ask){.label = copy, .is_cursor = is_cursor, .next = a->asks};
    a->asks = ask;
    return ask;
}

static enum bs_lookup
statement_of(void *apart, const char *label, struct bs_bytes *text)
{
    const struct ask *ask = find_ask(apart, label, false);

    if (ask == NULL)
        ask = add_ask(apart, label, false);
    if (ask == NULL || !ask->answered)
        return BS_LOOKUP_WAIT;
    *text = ask->text;
    return ask->found;
}

static bool
has_cursor(void *apart, const char *label)
{
    const struct ask *ask = find_ask(apart, label, true);

    if (ask == NULL)
        ask = add_ask(apart, label, true);
    return ask != NULL && ask->answered && ask->there;
}

/* --- what the session answers -------------------------------------------------------------- */

/* The session says now what it said to the job. */
static bool
holds(struct bs_relay *r, const struct ask *ask)
{
    struct bs_bytes text = {NULL, 0};
    enum bs_lookup found;

    if (ask->is_cursor)
        return bs_asks_cursor(r, ask->label) == ask->there;
    found = bs_asks_statement(r, ask->label, &text);
    return ask->answered && found == ask->found && bs_bytes_equal(text, ask->text);
}

static bool
all_hold(struct bs_relay *r, const struct bs_apart *a)
{
    const struct ask *ask = a->asks;

    while (ask != NULL && holds(r, ask))
        ask = ask->next;
    return ask == NULL;
}

/* False: no room. */
static bool
answer(struct bs_relay *r, struct bs_apart *a, const struct ask *asked)
{
    struct ask *ask = add_ask(a, asked->label, asked->is_cursor);
    struct bs_bytes text = {NULL, 0};

    if (ask == NULL)
        return false;
    ask->answered = true;
    if (ask->is_cursor) {
        ask->there = bs_asks_cursor(r, ask->label);
        return true;
    }
    ask->found = bs_asks_statement(r, ask->label, &text);
    ask->text = (struct bs_bytes){(uint8_t *)bs_arena_copy(bs_kept_arena(a->kept), text), text.n};
    a->turn.bytes += text.n;
    return ask->text.p != NULL;
}

/* --- life ---------------------------------------------------------------------------------- */

static void
free_apart(struct bs_apart **ap)
{
    struct bs_apart *a = *ap;

    *ap = NULL;
    if (a == NULL)
        return;
    bs_lanes_leave(&a->turn);
    bs_kept_unref(&a->kept);
    bs_snapshot_unref(&a->snapshot);
    bs_relay_unref(a->relay);
    bs_gauge_add(BS_GAUGE_LONG_TEXTS, -1);
    free(a);
}

/* `stale`: one of the same text, whose questions are answered beforehand; NULL. NULL: no room. */
static struct bs_apart *
new_apart(struct bs_relay *r,
          const struct bs_judge *by,
          struct bs_bytes text,
          const struct bs_apart *stale)
{
    struct bs_apart *a = bs_malloc(sizeof(*a));
    bool room;

    bs_gauge_add(BS_GAUGE_LONG_TEXTS, 1);
    a->relay = bs_relay_ref(r);
    a->kept = bs_kept_new(by, VERDICT_MAX);
    a->snapshot = bs_snapshot_ref(r->snapshot);
    a->known = (struct bs_known){a, statement_of, has_cursor};
    a->by = *by;
    a->by.subject = *bs_kept_subject(a->kept);
    a->by.known = &a->known;
    a->by.max_text = 0;
    a->turn.bytes = text.n;
    a->turn.actor = a->by.subject.actor;
    text.p = (uint8_t *)bs_arena_copy(bs_kept_arena(a->kept), text);
    bs_kept_verdict(a->kept)->text = text;
    room = text.p != NULL && a->turn.actor != NULL;
    for (const struct ask *ask = stale == NULL ? NULL : stale->asks; room && ask != NULL;
         ask = ask->next)
        room = answer(r, a, ask);
    if (!room)
        free_apart(&a);
    return a;
}

static void
work(void *arg)
{
    struct bs_apart *a = arg;
    struct bs_verdict *v = bs_kept_verdict(a->kept);

    a->done = bs_judge(&a->by, v->text, bs_kept_arena(a->kept), v, &a->err);
}

static void
judged(struct bs_relay *r, void *arg)
{
    struct bs_apart *a = arg;

    r->apart.out = NULL;
    a->next = r->apart.ready;
    r->apart.ready = a;
    r->apart.bytes += bs_arena_held(bs_kept_arena(a->kept));
    bs_relay_resume(r);
}

static void
work_done(struct bs_session *s, bool current, void *arg)
{
    struct bs_apart *a = arg;

    bs_lanes_leave(&a->turn);
    if (current && a->relay->apart.out == a)
        bs_relay_act(s, judged, a);
    else
        free_apart(&a);
}

static void
go(struct bs_turn *turn)
{
    struct bs_apart *a = (struct bs_apart *)(void *)turn; /* its first member */
    struct bs_session *s = a->relay->s;

    bs_worker_job(s->worker, s, work, work_done, a);
}

static void
drop(struct bs_relay *r, struct bs_apart **at)
{
    struct bs_apart *a = *at;

    *at = a->next;
    r->apart.bytes -= bs_arena_held(bs_kept_arena(a->kept));
    free_apart(&a);
}

void
bs_apart_settle(struct bs_relay *r)
{
    while (r->apart.ready != NULL)
        drop(r, &r->apart.ready);
    r->apart.again = 0;
    r->apart.cancelled = false;
}

/* A job that has begun comes to its end, and finds that nobody waits for it. */
static void
let_go(struct bs_relay *r)
{
    struct bs_apart *a = r->apart.out;

    r->apart.out = NULL;
    if (a != NULL && bs_turn_waits(&a->turn))
        free_apart(&a);
}

void
bs_apart_abandon(struct bs_relay *r)
{
    let_go(r);
    bs_apart_settle(r);
}

void
bs_apart_cancel(struct bs_relay *r)
{
    let_go(r);
    r->apart.cancelled = true;
    bs_relay_resume(r);
}

/* --- lending ------------------------------------------------------------------------------- */

void
bs_apart_give(struct bs_relay *r, struct bs_gate *g)
{
    for (const struct bs_apart *a = r->apart.ready; a != NULL; a = a->next) {
        if (a->lent)
            bs_gate_keep(g, bs_kept_ref(a->kept));
    }
}

void
bs_apart_take_back(struct bs_relay *r)
{
    for (struct bs_apart *a = r->apart.ready; a != NULL; a = a->next)
        a->lent = false;
}

static bool
borrows(const struct bs_verdict *v, struct bs_kept *kept)
{
    return v->unit.stmts != NULL && bs_kept_verdict(kept)->unit.stmts == v->unit.stmts;
}

struct bs_kept *
bs_apart_find(const struct bs_relay *r, const struct bs_verdict *v, const struct bs_prepared *p)
{
    const struct bs_apart *a = r->apart.ready;

    if (p != NULL && p->kept != NULL && borrows(v, p->kept))
        return p->kept;
    while (a != NULL && !borrows(v, a->kept))
        a = a->next;
    return a == NULL ? NULL : a->kept;
}

/* --- judging ------------------------------------------------------------------------------- */

/* What is not so any more when the same text comes again: such a verdict is never kept. */
static enum bs_heard
refuse(struct bs_verdict *out, enum bs_code code, const char *message, const char *hint)
{
    out->named = true;
    out->shown = out->recorded = (struct bs_bytes){NULL, 0};
    bs_verdict_refuse(out, code, code == BS_E_CONFLICT ? "40001" : NULL, message, hint);
    return BS_HEARD;
}

static enum bs_heard
begin(struct bs_relay *r,
      const struct bs_judge *by,
      struct bs_bytes text,
      const struct bs_apart *stale,
      struct bs_verdict *out)
{
    struct bs_apart *a = r->apart.bytes < READY_MAX ? new_apart(r, by, text, stale) : NULL;

    if (a == NULL)
        return refuse(out, BS_E_LIMIT, "the statement is too large to be judged", NULL);
    r->apart.out = a;
    r->loaded = false; /* by the time that it is judged, a moment ago is long ago */
    r->mode = BS_MODE_APART;
    r->stalled = true;
    a->turn.go = go;
    bs_lanes_enter(bs_worker_lanes(r->s->worker), &a->turn);
    return BS_HEARD_NOT;
}

static enum bs_heard
use(struct bs_apart *a,
    const struct bs_judge *by,
    struct bs_bytes text,
    struct bs_verdict *out,
    struct bs_kept **kept)
{
    if (a->done != BS_DONE)
        return refuse(out, a->err.code, "the statement is too large to be judged", NULL);
    bs_kept_use(a->kept, by, text, out);
    a->lent = kept == NULL;
    if (kept != NULL)
        *kept = bs_kept_ref(a->kept);
    return BS_HEARD;
}

enum bs_heard
bs_apart_judge(struct bs_relay *r,
               const struct bs_judge *by,
               struct bs_bytes text,
               struct bs_verdict *out,
               struct bs_kept **kept)
{
    struct bs_apart **at = &r->apart.ready;
    enum bs_heard heard;

    if (r->mode != BS_MODE_RELAY)
        return BS_HEARD_NOT;
    if (r->apart.cancelled)
        return refuse(out, BS_E_CANCELLED, "canceling statement due to user request", NULL);
    if (!bs_relay_quiet(r))
        return BS_HEARD_UNSURE;
    /* What another one has is never lent. */
    while (*at != NULL && ((*at)->lent || (kept == NULL && !bs_kept_is_sole((*at)->kept)) ||
                           !bs_bytes_equal(bs_kept_verdict((*at)->kept)->text, text)))
        at = &(*at)->next;
    if (*at == NULL)
        return begin(r, by, text, NULL, out);
    if (bs_kept_is_current((*at)->kept, by, text) && all_hold(r, *at))
        return use(*at, by, text, out, kept);
    if (r->apart.again++ == AGAIN_MAX)
        return refuse(out, BS_E_CONFLICT, "the catalog has changed meanwhile",
                      "Send the same statement again.");
    heard = begin(r, by, text, *at, out);
    drop(r, at);
    return heard;
}
