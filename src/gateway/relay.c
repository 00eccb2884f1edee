/*
 * relay.c - the entry points of a running session, and its plumbing.
 *
 * Any call may end the session, which frees the relay; so each entry point holds a reference, and
 * whoever goes on after such a call asks bs_relay_over first.
 */
#include "gateway/relay.h"

#include <stdlib.h>

#include "gateway/apart.h"
#include "gateway/cancel.h"
#include "gateway/door.h"
#include "gateway/gate.h"
#include "gateway/gateway.h"
#include "gateway/paused.h"
#include "gateway/running.h"

#define LAST_READS 512 /* of 64 KB, more than a socket holds; a server that goes on is not heard */

struct bs_relay *
bs_relay_ref(struct bs_relay *r)
{
    r->refs++;
    return r;
}

void
bs_relay_unref(struct bs_relay *r)
{
    if (--r->refs != 0)
        return;
    bs_arena_fini(&r->state.own_arena);
    bs_arena_fini(&r->state.told_arena);
    free(r);
}

bool
bs_relay_over(const struct bs_relay *r)
{
    return r->mode == BS_MODE_OVER;
}

void
bs_relay_start(struct bs_session *s)
{
    struct bs_relay *r = bs_malloc(sizeof(*r));

    r->s = s;
    r->refs = 1;
    r->mode = BS_MODE_RELAY;
    r->status = 'I';
    r->db = bs_database_find(s->gateway->databases, s->database);
    r->known = (struct bs_known){r, bs_asks_statement, bs_asks_cursor};
    s->relay = r;
    if (r->db != NULL)
        bs_database_enter(r->db);
    else
        bs_session_fail(s, "3D000", "database \"%s\" is not served any more", s->database);
}

void
bs_relay_free(struct bs_session *s)
{
    struct bs_relay *r = s->relay;

    r->mode = BS_MODE_OVER;
    s->relay = NULL;
    bs_gate_abandon(r);
    bs_apart_abandon(r);
    bs_door_abandon(r);
    bs_replies_fini(&r->replies);
    bs_effects_free(&r->run_next);
    bs_savepoints_clear(&r->state.savepoints);
    bs_names_fini(&r->state.names);
    bs_snapshot_unref(&r->snapshot);
    if (r->db != NULL)
        bs_database_leave(r->db);
    bs_relay_unref(r);
}

void
bs_relay_to_server(struct bs_relay *r, struct bs_bytes bytes)
{
    bs_relay_to_server_after(r, (struct bs_bytes){NULL, 0}, bytes);
}

void
bs_relay_to_server_after(struct bs_relay *r, struct bs_bytes ahead, struct bs_bytes bytes)
{
    BS_FRESH_ERR(err);

    if (bs_relay_over(r) || bytes.n == 0)
        return;
    /* A server that is gone may have said why: the session's pump finds the link broken, and has
     * server_gone read that first. */
    if (bs_link_send_two(&r->s->server, ahead, bytes, &err) != BS_DONE && !r->s->server.broken)
        bs_session_fail(r->s, "08006", "connection to the database was lost");
}

void
bs_relay_to_client(struct bs_relay *r, struct bs_bytes bytes)
{
    BS_FRESH_ERR(err);

    if (bs_relay_over(r) || bytes.n == 0)
        return;
    bs_answers_flush(r);
    if (!bs_relay_over(r) && bs_link_send(&r->s->client, bytes, &err) != BS_DONE)
        bs_session_close(r->s);
}

bool
bs_relay_quiet(const struct bs_relay *r)
{
    return r->replies.n == 0 && r->skip_client == 0 && r->skip_server == 0 && !r->inject.running &&
           !r->skipping;
}

/* Runs one entry point; the session flushes both sides afterwards. */
static void
enter(struct bs_session *s, void (*act)(struct bs_relay *r))
{
    struct bs_relay *r = s->relay;

    (void)bs_relay_ref(r);
    act(r);
    bs_relay_unref(r);
}

void
bs_relay_act(struct bs_session *s, void (*act)(struct bs_relay *r, void *arg), void *arg)
{
    struct bs_relay *r = s->relay;

    if (r == NULL)
        return;
    bs_session_ref(s);
    (void)bs_relay_ref(r);
    act(r, arg);
    bs_relay_unref(r);
    bs_session_pump(s);
    bs_session_unref(s);
}

/* Each direction stops reading only because the other one is full, or its next message waits. */
void
bs_relay_balance(struct bs_session *s)
{
    const struct bs_relay *r = s->relay;
    bool client_full = bs_link_pending(&s->client) > BS_RELAY_BACKLOG;
    bool server_full = bs_link_pending(&s->server) > BS_RELAY_BACKLOG;
    bool ahead = r->stalled && s->client.in.n > BS_RELAY_AHEAD;

    /* Who does not read his answers is not read either: refusals are made without the server. */
    if (ahead || client_full || server_full)
        bs_link_pause(&s->client);
    else
        bs_link_resume(&s->client);
    if (client_full)
        bs_link_pause(&s->server);
    else
        bs_link_resume(&s->server);
}

void
bs_relay_on_client(struct bs_session *s)
{
    enter(s, bs_asks_pump);
}

void
bs_relay_on_server(struct bs_session *s)
{
    enter(s, bs_answers_pump);
}

/* A statement that runs; one that is held does not, and finds its ticket again later. */
static bool
runs(const struct bs_relay *r)
{
    return r->mode == BS_MODE_GATE ? bs_gate_runs(r) : !bs_relay_quiet(r);
}

void
bs_relay_end_stopped(struct bs_relay *r)
{
    if (!r->stopping || runs(r))
        return;
    if (r->mode == BS_MODE_GATE)
        bs_session_fail(r->s, "57P01",
                        "terminating connection: the gateway is shutting down; the statement that "
                        "was held has not run");
    else
        bs_session_fail(r->s, "57P01", "terminating connection: the gateway is shutting down");
}

bool
bs_relay_midway(struct bs_session *s)
{
    struct bs_relay *r = s->relay;

    if (r->sink != BS_SINK_CLIENT)
        return false;
    bs_answers_flush(r);
    return !bs_relay_over(r) && r->skip_server != 0;
}

/* What it runs is cancelled, so that the server does not go on with it for nobody. */
static void
end_late(struct bs_relay *r)
{
    bs_cancel_upstream(r->s);
    bs_gate_server_gone(r); /* says so where something may have taken effect */
    if (!bs_relay_over(r))
        bs_session_fail(r->s, "57P01",
                        "terminating connection: the gateway is shutting down, and the statement "
                        "had not ended in time; it was cancelled");
}

void
bs_relay_on_deadline(struct bs_session *s)
{
    enter(s, end_late);
}

/* The transaction that runs is rolled back by it, unless it is in its COMMIT already: how that
 * ends must be known, and bs_relay_resume comes back here. */
static void
end_now(struct bs_relay *r)
{
    if (bs_gate_committing(r))
        return;
    if (!bs_relay_quiet(r))
        bs_cancel_upstream(r->s);
    bs_session_fail(r->s, "57P01", "terminating connection: %s", r->s->ended);
}

void
bs_relay_on_ended(struct bs_session *s)
{
    enter(s, end_now);
}

/* Locks are held, or will be: by a statement that runs, or a transaction that is open. */
static bool
is_busy(const struct bs_relay *r)
{
    return r->status == 'T' || r->series_open || runs(r);
}

/*
 * As with a revoked actor, but an idle session stays: it may go on once it is resumed. A COMMIT of
 * ours is waited for, and what waits for a human is refused by itself.
 */
static void
pause_now(struct bs_relay *r)
{
    struct bs_leave leave = bs_paused_leave(r->s);
    struct bs_refusal *refusal;
    bool ran = runs(r);

    if (leave.what == BS_LEAVE_ALL || bs_gate_held_back(r) || leave.what != BS_LEAVE_NOTHING ||
        bs_gate_committing(r) || !is_busy(r))
        return;
    if (!bs_relay_quiet(r))
        bs_cancel_upstream(r->s);
    bs_gate_server_gone(r); /* says so where something may have taken effect */
    if (bs_relay_over(r))
        return;
    refusal = ran ? bs_paused_ending(leave) : bs_paused_refusal(leave);
    bs_session_fail_with(r->s, refusal);
    bs_refusal_free(&refusal);
}

void
bs_relay_on_paused(struct bs_session *s)
{
    enter(s, pause_now);
}

static void
stop(struct bs_relay *r)
{
    r->stopping = true;
    bs_relay_end_stopped(r);
}

void
bs_relay_resume(struct bs_relay *r)
{
    if (bs_relay_over(r))
        return;
    if (r->mode == BS_MODE_GATE)
        r->acts_as = BS_ACTS_AS_UNASKED; /* by now it may be another */
    r->mode = BS_MODE_RELAY;
    r->stalled = false;
    if (r->client_gone)
        bs_session_close(r->s);
    else if (r->s->ended != NULL)
        end_now(r);
    else
        bs_relay_end_stopped(r);
    if (!bs_relay_over(r))
        bs_asks_pump(r);
}

/* Between two transactions nothing is lost by it; drivers know the code and connect again. */
bool
bs_relay_end_outdated(struct bs_relay *r)
{
    if (!r->s->outdated || r->mode != BS_MODE_RELAY || r->status != 'I' || r->series_open ||
        r->used != r->at || !bs_relay_quiet(r))
        return false;
    bs_session_fail(r->s, "57P01",
                    "terminating connection: what this session may do has changed; connect again");
    return true;
}

static void
outdated(struct bs_relay *r)
{
    (void)bs_relay_end_outdated(r);
}

void
bs_relay_on_outdated(struct bs_session *s)
{
    enter(s, outdated);
}

static void
client_gone(struct bs_relay *r)
{
    if (bs_gate_committing(r))
        r->client_gone = true; /* how COMMIT ends must be known, whoever listens */
    else
        bs_session_close(r->s);
}

void
bs_relay_on_client_gone(struct bs_session *s)
{
    enter(s, client_gone);
}

/* What the server said before it went, as far as it has arrived. */
static void
hear_out(struct bs_relay *r)
{
    struct bs_err ignored = {0};

    bs_answers_pump(r);
    for (int i = 0; i < LAST_READS; i++) {
        if (bs_relay_over(r) || bs_link_read(&r->s->server, &ignored) != BS_LINK_GOT)
            return;
        bs_answers_pump(r);
    }
}

static void
server_gone(struct bs_relay *r)
{
    hear_out(r);
    if (!bs_relay_over(r))
        bs_gate_server_gone(r);
    if (bs_relay_over(r))
        return;
    if (r->said_fatal)
        bs_session_close(r->s);
    else
        bs_session_fail(r->s, "08006", "the database closed the connection");
}

void
bs_relay_on_server_gone(struct bs_session *s)
{
    enter(s, server_gone);
}

/* Where nothing runs there is nothing to cancel, and what is sent next must not be hit. */
static void
cancel(struct bs_relay *r)
{
    if (r->mode == BS_MODE_GATE)
        bs_gate_cancel(r);
    else if (r->mode == BS_MODE_APART)
        bs_apart_cancel(r);
    else if (r->mode == BS_MODE_DOOR)
        bs_door_cancel(r);
    else if (!bs_relay_quiet(r))
        bs_cancel_upstream(r->s);
}

void
bs_relay_on_cancel(struct bs_session *s)
{
    enter(s, cancel);
}

static void
timer(struct bs_relay *r)
{
    if (r->put_off)
        bs_asks_timer(r);
    else if (r->mode == BS_MODE_DOOR)
        bs_door_timer(r);
    else
        bs_gate_timer(r);
}

void
bs_relay_on_timer(struct bs_session *s)
{
    enter(s, timer);
}

void
bs_relay_on_shutdown(struct bs_session *s)
{
    enter(s, stop);
}
