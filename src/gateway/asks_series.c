/*
 * asks_series.c - the extended protocol: messages up to Sync or Flush are looked at one by one, and
 * gated as one.
 */
#include "gateway/asking.h"

#include <string.h>

#include "gateway/apart.h"
#include "gateway/door.h"
#include "gateway/evade.h"
#include "gateway/gate.h"
#include "gateway/judge.h"
#include "gateway/note.h"
#include "wire/front.h"
#include "wire/messages.h"

/* How long the rest of a gated series may take behind a Flush. */
#define PUT_OFF_MS 1000

/* How a message of a series is dealt with. */
enum next {
    NEXT_STOP = 0, /* the session ended, or the catalog is being loaded */
    NEXT_SEND,
    NEXT_WAIT, /* for answers that decide what a name means */
    NEXT_ROLE, /* for the server to say which role the session has */
    NEXT_MORE, /* for what the client sends behind its Flush */
    NEXT_GATE,
    NEXT_DOOR,   /* the gateway itself answers */
    NEXT_REFUSE, /* `refusal` */
};

static struct bs_refusal *
too_long(void)
{
    return bs_refusal_new("42622", "names of statements and portals may have 63 bytes at most",
                          NULL, NULL);
}

/* What is done with a judged Bind. */
static enum next
next_of(struct bs_relay *r, struct bs_verdict v, struct bs_refusal **refusal)
{
    bool noted; /* what is explained is recorded as that; and a message is looked at again */

    bs_ask_judge_lock(r, &v);
    bs_ask_judge_status(r, &v);
    if (v.way != BS_WAY_REFUSE && bs_verdict_is_prepare(&v))
        bs_verdict_refuse(&v, BS_E_UNSUPPORTED, NULL, "PREPARE is supported in a simple Query only",
                          "Send Parse, which does the same.");
    if (v.way != BS_WAY_REFUSE && bs_verdict_is_execute(&v)) /* a portal keeps only its name */
        bs_verdict_refuse(&v, BS_E_UNSUPPORTED, NULL, "EXECUTE is supported in a simple Query only",
                          "Send Bind, which does the same.");
    noted = bs_door_is_ready(r) || (v.way == BS_WAY_PASS && v.door.kind == BS_DOOR_EXPLAIN);
    if ((v.way == BS_WAY_PASS || v.way == BS_WAY_REFUSE) && !noted && !bs_note_judged(r, &v)) {
        bs_session_fail(r->s, "58030", "the audit log cannot be written, so nothing is run");
        return NEXT_STOP;
    }
    if (v.way == BS_WAY_PASS && bs_ask_ends_guarded(r, &v.unit))
        return NEXT_GATE; /* looked at there, once nothing is in flight */
    if (v.way == BS_WAY_PASS && v.door.kind != BS_DOOR_NONE && r->status != 'E')
        return NEXT_DOOR;
    if (v.way == BS_WAY_PASS && v.door.kind == BS_DOOR_NONE)
        return NEXT_SEND;
    if (v.way == BS_WAY_REFUSE || r->status == 'E') {
        *refusal = bs_ask_refusal_of(r, &v);
        return NEXT_REFUSE;
    }
    return NEXT_GATE;
}

/* The portal is run by what follows its Bind, a Describe aside. */
static bool
is_run_at_once(struct bs_bytes portal, struct bs_bytes rest)
{
    struct bs_execute execute = {0};
    BS_FRESH_ERR(err);
    struct bs_frame f;

    while (bs_frame_next(&rest, BS_FRAME_MAX_BODY, &f, &err) == BS_SCAN_GOT) {
        if (f.type == BS_FRONT_EXECUTE)
            return bs_msg_read_execute(f.body, &execute, &err) == BS_DONE &&
                   bs_bytes_equal(portal, execute.portal);
        if (f.type != BS_FRONT_DESCRIBE)
            return false;
    }
    return false;
}

/* What its Execute does is not looked at again: that must follow. */
static bool
is_run_with_bind(const struct bs_prepared *p)
{
    return bs_verdict_is_boundary(&p->verdict) || p->verdict.door.kind != BS_DOOR_NONE;
}

/* One of those whose Execute is behind the Flush, or that needs a series up to Sync. */
static bool
is_put_off(const struct bs_relay *r,
           const struct bs_prepared *p,
           struct bs_bytes portal,
           struct bs_bytes rest)
{
    return is_run_with_bind(p) &&
           (!is_run_at_once(portal, rest) || bs_ask_ends_guarded(r, &p->verdict.unit));
}

/*
 * A portal outlives its series. What the gateway answers would be an older answer by then, or that to
 * another question. One of COMMIT that is run when something gated has run meanwhile
 * would pass the audit by, and one of ROLLBACK TO would undo what counts as done: nobody looks at
 * an Execute.
 */
static enum next
look_at_control(enum next next,
                const struct bs_prepared *p,
                struct bs_bytes portal,
                struct bs_bytes rest,
                struct bs_refusal **refusal)
{
    if (!is_run_with_bind(p) || is_run_at_once(portal, rest))
        return next;
    *refusal = bs_refusal_new("0A000",
                              next == NEXT_DOOR
                                  ? "what the gateway answers must be run right after its Bind"
                                  : "transaction control must be run right after its Bind",
                              NULL, "Send Bind and Execute together.");
    return NEXT_REFUSE;
}

/*
 * What a pause leaves is run right after its Bind: the next Execute is of that portal, and of none that
 * was bound before. False: it is refused.
 */
static bool
bind_in_pause(struct bs_relay *r,
              struct bs_bytes portal,
              struct bs_bytes rest,
              struct bs_refusal **refusal)
{
    struct bs_leave leave = bs_paused_leave(r->s);

    r->bound_while_paused = leave.what < BS_LEAVE_READING;
    if (!r->bound_while_paused || is_run_at_once(portal, rest))
        return true;
    r->bound_while_paused = false;
    *refusal = bs_paused_refusal(leave);
    return false;
}

static enum next
look_at_bind(struct bs_relay *r,
             struct bs_bytes body,
             struct bs_bytes rest,
             bool may_put_off,
             struct bs_refusal **refusal)
{
    enum next next;
    BS_FRESH_ERR(err);
    struct bs_prepared *p;
    struct bs_bind bind;
    bool unsure;

    if (bs_msg_read_bind(body, &bind, &err) != BS_DONE) {
        if (err.code == BS_E_LIMIT) {
            *refusal = too_long();
            return NEXT_REFUSE;
        }
        bs_session_fail(r->s, "08P01", "invalid message format");
        return NEXT_STOP;
    }
    p = bs_ask_find(r, bind.statement, &unsure);
    if (unsure)
        return NEXT_WAIT;
    if (p == NULL) {
        *refusal = bs_refusal_no_statement(bind.statement);
        return NEXT_REFUSE;
    }
    switch (bs_ask_judge_prepared(r, p)) {
    case BS_HEARD_NOT:
        return NEXT_STOP;
    case BS_HEARD_UNSURE:
        return NEXT_WAIT;
    case BS_HEARD:
        break;
    }
    if (bs_ask_must_ask_role(r, &p->verdict))
        return NEXT_ROLE;
    if (may_put_off && is_put_off(r, p, bind.portal, rest))
        return NEXT_MORE;
    if (p->verdict.door.kind != BS_DOOR_NONE && !bs_relay_quiet(r))
        return NEXT_WAIT;
    next = next_of(r, p->verdict, refusal);
    if (next == NEXT_REFUSE)
        bs_evade_refused(r, &p->verdict, body, p);
    if ((next == NEXT_SEND || next == NEXT_DOOR) && !bind_in_pause(r, bind.portal, rest, refusal))
        next = NEXT_REFUSE;
    return next == NEXT_SEND || next == NEXT_DOOR
               ? look_at_control(next, p, bind.portal, rest, refusal)
               : next;
}

/* A portal that was bound before the pause. */
static bool
is_paused_portal(struct bs_relay *r)
{
    bool left = r->bound_while_paused;

    r->bound_while_paused = false;
    return !left && bs_paused_leave(r->s).what < BS_LEAVE_READING;
}

/* A message of a series: legal? understood? allowed? `rest` is what follows it, and may_put_off that
 * it ends with a Flush that is taken out where that helps. */
static enum next
look_at(struct bs_relay *r,
        const struct bs_frame *f,
        struct bs_bytes rest,
        bool may_put_off,
        struct bs_refusal **refusal)
{
    BS_FRESH_ERR(err);
    struct bs_parse parse;
    struct bs_named named;
    struct bs_execute execute;
    enum bs_done done = BS_DONE;

    if (f->type == BS_FRONT_EXECUTE && is_paused_portal(r)) {
        *refusal =
            r->status == 'E' ? bs_refusal_aborted() : bs_paused_refusal(bs_paused_leave(r->s));
        return NEXT_REFUSE;
    }
    if (f->type == BS_FRONT_BIND)
        return look_at_bind(r, f->body, rest, may_put_off, refusal);
    if (f->type == BS_FRONT_PARSE)
        done = bs_msg_read_parse(f->body, &parse, &err);
    else if (f->type == BS_FRONT_DESCRIBE || f->type == BS_FRONT_CLOSE)
        done = bs_msg_read_target(f->body, &named, &err);
    else if (f->type == BS_FRONT_EXECUTE)
        done = bs_msg_read_execute(f->body, &execute, &err);
    if (done == BS_DONE && f->type == BS_FRONT_PARSE && bs_ask_is_full_of_names(r)) {
        *refusal = bs_ask_too_many();
        return NEXT_REFUSE;
    }
    if (done == BS_DONE)
        return NEXT_SEND;
    if (err.code == BS_E_LIMIT) {
        *refusal = too_long();
        return NEXT_REFUSE;
    }
    bs_session_fail(r->s, "08P01", "invalid message format");
    return NEXT_STOP;
}

/* The gate has the whole series, and sends it as it is. */
static enum next
refuse_door(struct bs_refusal **refusal)
{
    *refusal =
        bs_refusal_new("0A000",
                       "what the gateway answers cannot be mixed with such a statement in one "
                       "series",
                       NULL, "Send it in a series of its own.");
    return NEXT_REFUSE;
}

/* Judges one Bind of a gated series into the gate, whose arena outlives the series. */
static enum next
gate_bind(struct bs_relay *r,
          struct bs_gate *g,
          struct bs_prepared *p,
          struct bs_bytes body,
          struct bs_refusal **refusal)
{
    struct bs_verdict *v = bs_arena_take(bs_gate_arena(g), sizeof(*v));
    BS_FRESH_ERR(err);
    enum next next;

    if (v == NULL || bs_gate_add(g, v, body, p, &err) != BS_DONE) {
        *refusal = bs_refusal_new("54000", "the series is too long to be held", NULL, NULL);
        return NEXT_REFUSE;
    }
    if (bs_ask_judge_named(r, p, bs_gate_arena(g), v, NULL) != BS_HEARD)
        return NEXT_STOP;
    bs_ask_judge_lock(r, v);
    next = v->door.kind != BS_DOOR_NONE ? NEXT_DOOR : next_of(r, *v, refusal);
    if (next == NEXT_DOOR)
        next = refuse_door(refusal);
    else if (next == NEXT_REFUSE)
        bs_evade_refused(r, v, body, p);
    return next == NEXT_SEND ? NEXT_GATE : next;
}

/* Adds every Bind of the series to the gate. A statement may be made by the series itself. */
static enum next
gate_series(struct bs_relay *r,
            struct bs_gate *g,
            struct bs_bytes series,
            struct bs_refusal **refusal)
{
    struct bs_replies made = {0};
    enum next next = NEXT_GATE;
    BS_FRESH_ERR(err);
    bool boundary = false;
    size_t binds = 0;
    struct bs_frame f;

    while (next == NEXT_GATE &&
           bs_frame_next(&series, BS_FRAME_MAX_BODY, &f, &err) == BS_SCAN_GOT) {
        struct bs_prepared *p = NULL;
        struct bs_parse parse;
        struct bs_bind bind;
        if (f.type == BS_FRONT_PARSE && bs_msg_read_parse(f.body, &parse, &err) == BS_DONE &&
            bs_door_read(parse.query).kind != BS_DOOR_NONE) {
            next = refuse_door(refusal);
            break;
        }
        if (f.type == BS_FRONT_PARSE && bs_msg_read_parse(f.body, &parse, &err) == BS_DONE)
            bs_replies_name(&made, bs_replies_push(&made, BS_REPLY_PARSE),
                            bs_ask_new_statement(&parse));
        if (f.type != BS_FRONT_BIND)
            continue;
        if (bs_msg_read_bind(f.body, &bind, &err) == BS_DONE &&
            bs_replies_pending(&made, bind.statement, &p) == BS_PENDING_NONE)
            p = bs_names_find(&r->state.names, bind.statement);
        if (p == NULL) {
            *refusal = bs_refusal_no_statement(bind.statement);
            next = NEXT_REFUSE;
            break;
        }
        next = gate_bind(r, g, p, f.body, refusal);
        boundary = boundary || bs_verdict_is_boundary(bs_gate_last(g));
        if (next == NEXT_GATE && boundary && binds != 0) {
            *refusal = bs_refusal_new("0A000",
                                      "transaction control cannot be mixed with other statements "
                                      "in this series",
                                      NULL, "Send it in a series of its own.");
            next = NEXT_REFUSE; /* it would commit before the audit */
        }
        binds++;
    }
    bs_replies_fini(&made);
    return next;
}

/* Refuses the rest of the series [from, end): what is after the refused message is skipped, but
 * its Sync or Flush goes to the server. */
static bool
refuse_series(struct bs_relay *r, struct bs_refusal *refusal, size_t last, size_t end)
{
    bs_ask_poison_series(r, refusal);
    if (bs_relay_over(r))
        return false;
    bs_asks_forward(r, bs_ask_bytes(r, last, end), NULL);
    if (bs_relay_over(r))
        return false;
    bs_ask_settle(r, end);
    return true;
}

/* The series is one Bind, and runs it: nothing of it is left for later. */
static bool
runs_one(struct bs_bytes series)
{
    struct bs_execute execute = {0};
    struct bs_bind bind = {0};
    BS_FRESH_ERR(err);
    size_t binds = 0, runs = 0;
    struct bs_frame f;

    while (bs_frame_next(&series, BS_FRAME_MAX_BODY, &f, &err) == BS_SCAN_GOT) {
        if (f.type == BS_FRONT_BIND) {
            binds++;
            if (bs_msg_read_bind(f.body, &bind, &err) != BS_DONE)
                return false;
        }
        if (f.type == BS_FRONT_EXECUTE) {
            runs++;
            if (bs_msg_read_execute(f.body, &execute, &err) != BS_DONE)
                return false;
        }
    }
    return binds == 1 && runs == 1 && bs_bytes_equal(bind.portal, execute.portal);
}

/* COMMIT or ROLLBACK of a guarded transaction, in a series of its own. */
static void
end_guarded(struct bs_relay *r, const struct bs_unit *unit, struct bs_bytes series, size_t last)
{
    size_t end = r->used + series.n;

    if (!runs_one(series))
        (void)refuse_series(r, bs_refusal_new("0A000", bs_ask_guard_message, NULL, NULL), last,
                            end);
    else if (bs_ask_needs_closing(r, unit))
        bs_gate_close_transaction(r, series);
    else
        bs_asks_forward(r, series, NULL);
}

/* The series is at a gated Bind: [used, end), whose last message begins at `last`. */
static bool
enter_gate(struct bs_relay *r, size_t last, size_t end)
{
    struct bs_bytes series = bs_ask_bytes(r, r->used, end);
    struct bs_refusal *refusal = NULL;
    struct bs_gate *g;
    enum next next;

    if (last == end || r->s->client.in.p[last] != BS_FRONT_SYNC || r->series_wrote)
        return refuse_series(
            r,
            bs_refusal_new("0A000",
                           "this statement must be sent in a series of its own that "
                           "ends with Sync",
                           NULL, "Do not send it in a pipeline with others."),
            last, end);
    if (r->series_open)
        return bs_ask_end_series(r);
    if (!bs_relay_quiet(r))
        return bs_ask_stall(r);
    g = bs_gate_new(r);
    bs_apart_take_back(r);
    next = gate_series(r, g, series, &refusal);
    if (next == NEXT_GATE && bs_gate_needs_fresh(g) && !r->loaded) {
        bs_gate_free(&g);
        (void)bs_ask_load_catalog(r);
        return false;
    }
    if (next == NEXT_GATE && bs_ask_ends_guarded(r, &bs_gate_first(g)->unit)) {
        end_guarded(r, &bs_gate_first(g)->unit, series, last);
        bs_gate_free(&g);
    } else if (next == NEXT_GATE) {
        bs_apart_give(r, g);
        bs_gate_begin(r, g, series);
    } else {
        bs_gate_free(&g);
        if (next == NEXT_REFUSE)
            return refuse_series(r, refusal, last, end);
        return false;
    }
    if (bs_relay_over(r))
        return false;
    bs_ask_settle(r, end);
    return r->mode == BS_MODE_RELAY;
}

/*
 * Takes the Flush [last, end) out, with those that follow it: what they ask for is asked for once.
 */
static void
take_flush(struct bs_relay *r, size_t last, size_t end)
{
    struct bs_buf *in = &r->s->client.in;

    while (in->n - end >= end - last && memcmp(in->p + last, in->p + end, end - last) == 0)
        end += BS_FRAME_HEAD;
    memmove(in->p + last, in->p + end, in->n - end);
    in->n -= end - last;
    r->at = last;
}

/*
 * What is gated goes to the gate with its Sync, and pg8000 sends a Flush behind each Bind and Execute.
 * It does not wait for the answer, so that Flush, the last message of [used, end), is as good as not
 * sent. A client that does wait is refused in a moment.
 */
static bool
put_off(struct bs_relay *r, size_t last, size_t end)
{
    take_flush(r, last, end);
    r->put_off = true;
    r->put_off_at = r->collected;
    bs_session_set_timer(r->s, PUT_OFF_MS);
    if (r->series_open)
        bs_ask_flush(r);
    return !bs_relay_over(r);
}

/* The Flush is put back: what becomes of the series may have to wait, for the catalog say, and whoever
 * resumes it finds a message. */
void
bs_asks_timer(struct bs_relay *r)
{
    struct bs_buf *in = &r->s->client.in;

    r->put_off = false;
    r->put_off_over = true;
    if (bs_buf_room(in, BS_FRAME_HEAD) == NULL) {
        bs_session_fail(r->s, "54000", "the series is too long to be held");
        return;
    }
    memmove(in->p + r->at + BS_FRAME_HEAD, in->p + r->at, in->n - r->at);
    memcpy(in->p + r->at, "H\0\0\0\4", BS_FRAME_HEAD);
    in->n += BS_FRAME_HEAD;
    bs_asks_pump(r);
}

/* Sends the messages [used, to) that have been entered one by one. */
static bool
send_looked_at(struct bs_relay *r, size_t to)
{
    bs_relay_to_server(r, bs_ask_bytes(r, r->used, to));
    if (bs_relay_over(r))
        return false;
    bs_ask_settle(r, to);
    return true;
}

/* A Bind of what the gateway answers, at the head of what is not forwarded yet. */
static bool
act_on_door(struct bs_relay *r, const struct bs_frame *f, size_t last, size_t end)
{
    size_t to = r->used + BS_FRAME_HEAD + f->body.n;
    struct bs_refusal *refusal;
    struct bs_prepared *p;
    struct bs_bind bind;
    BS_FRESH_ERR(err);
    bool unsure;

    if (!bs_door_is_ready(r) && bs_msg_read_bind(f->body, &bind, &err) == BS_DONE) {
        p = bs_ask_find(r, bind.statement, &unsure);
        bs_door_begin(r, &(struct bs_question){&p->verdict, f->body, p});
    }
    if (!bs_door_is_ready(r))
        return false;
    refusal = bs_door_refusal(r);
    if (refusal != NULL)
        return refuse_series(r, refusal, last, end);
    bs_door_forward_bind(r, f);
    if (bs_relay_over(r))
        return false;
    bs_ask_settle(r, to);
    return true;
}

/* What a cancel could hit that is meant for the statement before it. */
static bool
runs(uint8_t type)
{
    return type == BS_FRONT_PARSE || type == BS_FRONT_BIND || type == BS_FRONT_EXECUTE ||
           type == BS_FRONT_DESCRIBE;
}

bool
bs_ask_series(struct bs_relay *r, size_t last, size_t end)
{
    bool flushed = last != end && r->s->client.in.p[last] == BS_FRONT_FLUSH;
    size_t at = r->used;

    if (r->put_off && flushed && r->collected == r->put_off_at) {
        take_flush(r, last, end); /* nothing has come that it could be about */
        return true;
    }
    if (r->put_off)
        bs_session_set_timer(r->s, 0);
    r->put_off = false;
    if (bs_ask_is_open_in_pause(r))
        return refuse_series(
            r, r->status == 'E' ? bs_refusal_aborted() : bs_paused_refusal(bs_paused_leave(r->s)),
            last, end);
    if (bs_ask_must_recall(r))
        return bs_ask_recall(r);
    while (at < end) {
        struct bs_bytes rest = bs_ask_bytes(r, at, end);
        struct bs_refusal *refusal = NULL;
        BS_FRESH_ERR(err);
        struct bs_frame f = {0};
        bs_assert(bs_frame_next(&rest, BS_FRAME_MAX_BODY, &f, &err) == BS_SCAN_GOT);
        if (runs(f.type) && bs_caps_hold(r))
            return send_looked_at(r, at) && bs_ask_wait_for_rows(r);
        enum next next = look_at(r, &f, rest, flushed && !r->put_off_over, &refusal);
        if (next != NEXT_SEND) {
            enum bs_acts_as acts_as = r->acts_as;
            bool loaded = r->loaded;
            if (bs_relay_over(r) || (at != r->used && !send_looked_at(r, at))) {
                bs_refusal_free(&refusal);
                return false;
            }
            r->loaded = loaded;
            r->acts_as = acts_as;
            if (next == NEXT_ROLE && bs_ask_role(r))
                continue;
            if (next == NEXT_ROLE)
                return false;
            if (next == NEXT_WAIT)
                return bs_ask_wait(r);
            if (next == NEXT_REFUSE)
                return refuse_series(r, refusal, last, end);
            if (next == NEXT_MORE ||
                (next == NEXT_GATE && flushed && !r->series_wrote && !r->put_off_over))
                return put_off(r, last, end);
            if (next == NEXT_DOOR)
                return act_on_door(r, &f, last, end);
            if (next == NEXT_GATE)
                return enter_gate(r, last, end);
            r->stalled = true;
            return false;
        }
        bs_ask_owe(r, &f, NULL);
        if (f.type == BS_FRONT_PARSE)
            bs_door_cover(r->s->client.in.p + at + BS_FRAME_HEAD, f.body.n);
        at = end - rest.n;
        if (r->copying != 0)
            return send_looked_at(r, at) && bs_ask_wait_for_copy(r);
    }
    if (!send_looked_at(r, end))
        return false;
    return !(r->series_open && bs_caps_hold(r)) || bs_ask_wait_for_rows(r);
}
