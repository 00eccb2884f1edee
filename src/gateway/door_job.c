/*
 * door_job.c - what an actor is told of itself and of its own tickets. What is somebody else's is
 * answered as what is not there: whoever asks cannot tell one from the other.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "approval/ticket.h"
#include "gateway/gateway.h"
#include "gateway/patience.h"
#include "gateway/paused.h"
#include "gateway/refusal.h"
#include "gateway/reload.h"
#include "gateway/visiting.h"
#include "policy/config.h"
#include "recovery/points.h"

#define ARENA_MAX ((size_t)256 << 20)
#define LIST_MAX  50

#define POINTS_MAX  20 /* each is read from the storage */
#define OBJECTS_MAX 20 /* of a point */

#define OPEN_STATES (1u << BS_TICKET_PENDING | 1u << BS_TICKET_APPROVED | 1u << BS_TICKET_RUNNING)

/* --- one ticket --------------------------------------------------------------------------- */

static json_t *
time_json(int64_t at_us)
{
    char text[BS_TIME_TEXT];

    if (at_us == 0)
        return json_null();
    bs_time_format(at_us / 1000000 * 1000000, text);
    memcpy(text + 19, "Z", 2); /* whole seconds */
    return json_string(text);
}

/* When it will be over as it is; 0: it stays what it is. */
static int64_t
expires_us(const struct bs_ticket *t)
{
    if (t->state == BS_TICKET_PENDING)
        return t->decide_by_us;
    return t->state == BS_TICKET_APPROVED ? t->redeem_by_us : 0;
}

/* What the agent should do now. */
static const char *
retry_of(enum bs_ticket_state state)
{
    switch (state) {
    case BS_TICKET_APPROVED:
        return "same-statement";
    case BS_TICKET_PENDING:
    case BS_TICKET_RUNNING:
        return "wait";
    case BS_TICKET_EXPIRED:
    case BS_TICKET_FAILED: /* it is used up */
        return "ask-again";
    case BS_TICKET_NONE:
    case BS_TICKET_DENIED:
    case BS_TICKET_DONE:
    case BS_TICKET_UNCERTAIN:
    case BS_TICKET_STATES:
        break;
    }
    return "never";
}

/* Of the first thing that it does. */
static json_t *
kind_json(const struct bs_ticket *t)
{
    json_t *effects = t->effects == NULL ? NULL : json_loads(t->effects, 0, NULL);
    json_t *kind = json_object_get(json_array_get(effects, 0), "kind");

    kind = kind == NULL ? json_null() : json_incref(kind);
    json_decref(effects);
    return kind;
}

static json_t *
ticket_json(const struct bs_ticket *t)
{
    return json_pack("{s:i, s:s, s:s, s:o, s:s, s:o, s:s?, s:s?}", "v", 1, "ticket", t->id, "state",
                     bs_ticket_state_name(t->state), "expires", time_json(expires_us(t)), "retry",
                     retry_of(t->state), "kind", kind_json(t), "point", t->point, "reason",
                     t->reason);
}

/* A name may be given again: what somebody of the same name asked for before is not this actor's. */
static bool
is_own(const struct bs_session *s, const struct bs_ticket *t)
{
    return t->actor != NULL && strcmp(t->actor, s->actor) == 0 && t->database != NULL &&
           strcmp(t->database, s->database) == 0 && t->created_us >= s->actor_since_us;
}

static enum bs_done
no_ticket(const char *id, struct bs_refusal **out)
{
    char message[128];

    (void)snprintf(message, sizeof(message), "ticket \"%s\" does not exist", id);
    *out = bs_refusal_new("42704", message, NULL, NULL);
    return BS_DONE;
}

static enum bs_done
answer_ticket(struct bs_visit *v, struct bs_arena *arena, json_t **out, struct bs_err *err)
{
    struct bs_ticket t;

    if (bs_ticket_get(v->s->gateway->tickets, v->ask.ticket, arena, &t, err) != BS_DONE)
        return err->code == BS_E_NOT_FOUND ? no_ticket(v->ask.ticket, &v->refusal) : BS_FAILED;
    if (!is_own(v->s, &t))
        return no_ticket(v->ask.ticket, &v->refusal);
    v->pending = t.state == BS_TICKET_PENDING;
    *out = ticket_json(&t);
    return BS_DONE;
}

/* --- lists -------------------------------------------------------------------------------- */

static enum bs_done
list_open(struct bs_visit *v,
          size_t limit,
          struct bs_arena *arena,
          struct bs_ticket **out,
          size_t *n,
          struct bs_err *err)
{
    struct bs_ticket_filter filter = {
        .states = OPEN_STATES, .actor = v->s->actor, .database = v->s->database, .limit = limit};
    size_t own = 0;

    if (bs_ticket_list(v->s->gateway->tickets, &filter, arena, out, n, err) != BS_DONE)
        return BS_FAILED;
    while (own < *n && is_own(v->s, &(*out)[own])) /* newest first */
        own++;
    *n = own;
    return BS_DONE;
}

/* One by one: what they would run may be larger than any memory. */
static enum bs_done
answer_tickets(struct bs_visit *v, struct bs_arena *arena, json_t **out, struct bs_err *err)
{
    json_t *list = json_array();
    struct bs_arena each;
    struct bs_ticket *tickets, t;
    enum bs_done done;
    size_t n = 0;

    done = list_open(v, LIST_MAX + 1, arena, &tickets, &n, err);
    bs_arena_init(&each, "a ticket", ARENA_MAX);
    for (size_t i = 0; done == BS_DONE && i < n && i < LIST_MAX; i++) {
        bs_arena_reset(&each);
        done = bs_ticket_get(v->s->gateway->tickets, tickets[i].id, &each, &t, err);
        if (done == BS_DONE)
            (void)json_array_append_new(list, ticket_json(&t));
    }
    bs_arena_fini(&each);
    *out = json_pack("{s:i, s:o}", "v", 1, "tickets", list);
    if (n > LIST_MAX)
        (void)json_object_set_new(*out, "more", json_true());
    return done;
}

/* --- points ------------------------------------------------------------------------------- */

/* How far it is proven is in its manifest alone. NULL: it cannot be read now. */
static const char *
grade_of(struct bs_store *store, const struct bs_point_row *row, struct bs_arena *arena)
{
    struct bs_point_ref ref = {.complete = true, .erased = BS_EVENT_NONE};
    struct bs_manifest m;
    struct bs_err err = {0};
    size_t n = row->manifest == NULL ? 0 : bs_point_dir_length(row->manifest);
    char *dir = n == 0 ? NULL : bs_arena_str(arena, row->manifest);

    if (dir == NULL || strlen(row->id) >= sizeof(ref.id))
        return NULL;
    dir[n] = '\0';
    ref.dir = dir;
    (void)snprintf(ref.id, sizeof(ref.id), "%s", row->id);
    if (bs_points_load(store, &ref, arena, &m, &err) != BS_DONE || m.n_proofs == 0)
        return NULL;
    return m.proofs[m.n_proofs - 1].level;
}

static json_t *
point_json(struct bs_store *store, const struct bs_point_row *row, struct bs_arena *arena)
{
    json_t *objects = row->tables == NULL ? NULL : json_loads(row->tables, 0, NULL);
    bool more = json_array_size(objects) > OBJECTS_MAX;
    json_t *out;

    while (json_array_size(objects) > OBJECTS_MAX)
        (void)json_array_remove(objects, json_array_size(objects) - 1);
    out = json_pack("{s:s, s:s?, s:o, s:s?, s:o, s:I, s:s?, s:s}", "point", row->id, "ticket",
                    row->ticket, "made", time_json(row->created_us), "kind", row->kind, "objects",
                    objects == NULL ? json_array() : objects, "rows", (json_int_t)row->rows,
                    "grade", grade_of(store, row, arena), "state", row->state);
    if (more)
        (void)json_object_set_new(out, "more", json_true());
    return out;
}

static enum bs_done
answer_points(struct bs_visit *v, struct bs_arena *arena, json_t **out, struct bs_err *err)
{
    const struct bs_session *s = v->s;
    json_t *list = json_array();
    struct bs_point_row *rows;
    struct bs_arena each;
    size_t n = 0;

    *out = json_pack("{s:i, s:o}", "v", 1, "points", list);
    if (bs_state_point_list(s->gateway->state, s->database, NULL, s->actor, POINTS_MAX + 1, arena,
                            &rows, &n, err) != BS_DONE)
        return BS_FAILED;
    bs_arena_init(&each, "a point", ARENA_MAX);
    for (size_t i = 0; i < n && i < POINTS_MAX && rows[i].created_us >= s->actor_since_us; i++) {
        bs_arena_reset(&each);
        (void)json_array_append_new(list, point_json(s->gateway->store, &rows[i], &each));
    }
    bs_arena_fini(&each);
    if (n > POINTS_MAX && json_array_size(list) == POINTS_MAX)
        (void)json_object_set_new(*out, "more", json_true());
    return BS_DONE;
}

/* --- who am I ----------------------------------------------------------------------------- */

/* As a whole: what a statement of its own would get, EXPLAIN (BACKSTOP) says. */
static enum bs_done
writes_of(const struct bs_session *s, const char **out, struct bs_err *err)
{
    const struct bs_policy *policy = bs_gateway_policy(s->gateway);
    struct bs_subject subject = bs_session_subject(s);
    bool somebody = false;

    *out = "refused";
    if (bs_paused_stops(s))
        return BS_DONE;
    if (!bs_policy_shielded(policy, &subject)) {
        *out = "run";
        return BS_DONE;
    }
    if (bs_policy_profile(policy, &subject) == BS_PROFILE_READ_ONLY)
        return BS_DONE;
    if (bs_state_operator_ever(s->gateway->state, &somebody, err) != BS_DONE)
        return BS_FAILED;
    if (somebody)
        *out = "ask";
    return BS_DONE;
}

static enum bs_done
answer_status(struct bs_visit *v, struct bs_arena *arena, json_t **out, struct bs_err *err)
{
    const struct bs_session *s = v->s;
    struct bs_subject subject = bs_session_subject(s);
    struct bs_ticket *tickets;
    const char *writes;
    char wait[BS_PATIENCE_TEXT];
    size_t n = 0;

    if (writes_of(s, &writes, err) != BS_DONE ||
        list_open(v, 0, arena, &tickets, &n, err) != BS_DONE)
        return BS_FAILED;
    bs_patience_format(s->hold_wait_ms, wait);
    *out = json_pack("{s:i, s:s, s:s, s:s, s:s, s:s, s:b, s:I, s:s}", "v", 1, "agent", s->actor,
                     "database", s->database, "environment",
                     subject.environment == NULL ? "" : subject.environment, "version", BS_VERSION,
                     "writes", writes, "paused", (int)bs_paused_stops(s), "open_tickets",
                     (json_int_t)n, "hold_wait", wait);
    return BS_DONE;
}

/* --- the job ------------------------------------------------------------------------------ */

static enum bs_done
find_answer(struct bs_visit *v, struct bs_arena *arena, json_t **out, struct bs_err *err)
{
    switch (v->ask.kind) {
    case BS_DOOR_STATUS:
        return answer_status(v, arena, out, err);
    case BS_DOOR_TICKETS:
        return answer_tickets(v, arena, out, err);
    case BS_DOOR_TICKET:
    case BS_DOOR_WAIT:
        return answer_ticket(v, arena, out, err);
    case BS_DOOR_POINTS:
        return answer_points(v, arena, out, err);
    case BS_DOOR_EXPLAIN:
    case BS_DOOR_NONE:
        break;
    }
    return BS_FAIL(err, UNSUPPORTED, "nothing is asked");
}

void
bs_visit_answer(struct bs_visit *v)
{
    struct bs_arena arena;
    struct bs_err err = {0};
    json_t *found = NULL;

    if (v->ask.kind == BS_DOOR_EXPLAIN) {
        bs_visit_count(v);
        return;
    }
    bs_arena_init(&arena, "an answer", ARENA_MAX);
    free(v->answer);
    v->answer = NULL;
    v->pending = false;
    if (find_answer(v, &arena, &found, &err) != BS_DONE)
        v->refusal = bs_refusal_new(bs_err_sqlstate(&err), "the gateway cannot answer now", NULL,
                                    "Ask again in a moment.");
    else if (v->refusal == NULL)
        v->answer = json_dumps(found, JSON_COMPACT | JSON_ENSURE_ASCII);
    json_decref(found);
    bs_arena_fini(&arena);
}
