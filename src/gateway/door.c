/*
 * door.c - parks the session, waits where a ticket is waited for, and puts the answer before what
 * shows it.
 */
#include "gateway/door.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/asking.h"
#include "gateway/gate.h"
#include "gateway/gateway.h"
#include "gateway/gating.h"
#include "gateway/visiting.h"
#include "gateway/waiters.h"
#include "gateway/worker.h"

#define SET_MAX (1u << 20)

/* --- a visit ------------------------------------------------------------------------------ */

static void
unref(struct bs_visit **vp)
{
    struct bs_visit *v = *vp;

    *vp = NULL;
    if (v == NULL || --v->refs != 0)
        return;
    free(v->answer);
    bs_refusal_free(&v->refusal);
    bs_gate_free(&v->gate);
    bs_session_unref(v->s);
    free(v);
}

static void
end_wait(struct bs_relay *r, struct bs_visit *v)
{
    if (!v->waits)
        return;
    v->waits = false;
    bs_waiters_remove(r->s->gateway->waiters, r->s);
    bs_session_set_timer(r->s, 0);
}

static void
finish(struct bs_relay *r, struct bs_visit *v)
{
    end_wait(r, v);
    v->ready = true;
    bs_relay_resume(r);
}

static void
work(void *arg)
{
    bs_visit_answer(arg);
}

static void found(struct bs_relay *r, void *arg);

static void
work_done(struct bs_session *s, bool current, void *arg)
{
    struct bs_visit *v = arg;

    v->out = false;
    if (current && s->relay != NULL && s->relay->door == v && !v->ready)
        bs_relay_act(s, found, v);
    unref(&v);
}

static void
ask(struct bs_visit *v)
{
    v->again = v->out;
    if (v->out)
        return;
    v->out = true;
    v->refs++;
    bs_worker_job(v->s->worker, v->s, work, work_done, v);
}

/* --- waiting for a decision --------------------------------------------------------------- */

static void
notify_waiting(struct bs_relay *r, const struct bs_visit *v)
{
    char message[128];
    struct bs_buf b;

    (void)snprintf(message, sizeof(message), "ticket %s waits for an operator", v->ask.ticket);
    bs_buf_init(&b, 1024);
    bs_msg_put_notice(&b, &(struct bs_report){"NOTICE", "ZB001", message, NULL, NULL, 0});
    bs_relay_to_client(r, bs_buf_view(&b));
    bs_buf_fini(&b);
}

/* To the next notice or to the end of the wait, whichever comes first. */
static void
arm(struct bs_relay *r, const struct bs_visit *v)
{
    int64_t left_ms = (v->give_up_us - bs_mono_us()) / 1000;
    int64_t notice_ms = r->s->gateway->config->hold_notice_ms;

    if (notice_ms > 0 && notice_ms < left_ms)
        left_ms = notice_ms;
    bs_session_set_timer(r->s, left_ms < 1 ? 1 : (uint64_t)left_ms);
}

static void
wait_for_decision(struct bs_relay *r, struct bs_visit *v)
{
    v->waits = true;
    bs_waiters_add(r->s->gateway->waiters, r->s, v->ask.ticket);
    notify_waiting(r, v);
    if (bs_relay_over(r))
        return;
    arm(r, v);
    ask(v); /* decided between looking and waiting? */
}

static void
found(struct bs_relay *r, void *arg)
{
    struct bs_visit *v = arg;

    if (v->again || (v->gate != NULL && bs_visit_explain(r, v))) {
        ask(v);
        return;
    }
    if (v->refusal != NULL || !v->pending || !v->may_wait || bs_mono_us() >= v->give_up_us)
        finish(r, v);
    else if (!v->waits)
        wait_for_decision(r, v);
}

void
bs_door_decided(struct bs_relay *r, const char *ticket)
{
    struct bs_visit *v = r->door;

    if (v != NULL && v->waits && strcmp(v->ask.ticket, ticket) == 0)
        ask(v);
}

void
bs_door_timer(struct bs_relay *r)
{
    struct bs_visit *v = r->door;

    if (v == NULL || !v->waits)
        return;
    if (bs_mono_us() >= v->give_up_us) {
        ask(v); /* the last look: what it is now */
        return;
    }
    notify_waiting(r, v);
    if (!bs_relay_over(r))
        arm(r, v);
}

void
bs_door_cancel(struct bs_relay *r)
{
    struct bs_visit *v = r->door;
    struct bs_visit *said;

    end_wait(r, v);
    if (v->gate != NULL)
        bs_gate_measure_stop(v->gate);
    said = bs_malloc(sizeof(*said)); /* the job may be writing to the other */
    said->s = v->s;
    bs_session_ref(said->s);
    said->refs = 1;
    said->ask = v->ask;
    said->refusal = bs_refusal_cancelled();
    unref(&r->door);
    r->door = said;
    finish(r, said);
}

void
bs_door_settle(struct bs_relay *r)
{
    if (r->door != NULL)
        unref(&r->door);
}

void
bs_door_abandon(struct bs_relay *r)
{
    if (r->door == NULL)
        return;
    end_wait(r, r->door);
    if (r->door->gate != NULL)
        bs_gate_measure_stop(r->door->gate);
    unref(&r->door);
}

/* --- the message -------------------------------------------------------------------------- */

/* Locks of an open transaction, or of what the series has run so far, would be held. */
static bool
holds_nothing(const struct bs_relay *r)
{
    return r->status == 'I' && !r->series_bound;
}

/* A session of which no statement is to be held asks here because it wants to wait. */
static int64_t
patience_ms(const struct bs_session *s)
{
    return s->hold_wait_ms > 0 ? s->hold_wait_ms : s->gateway->config->hold_wait_ms;
}

/* False: it goes on without it, or the answer is there already. */
static bool
judge_inner(struct bs_relay *r, struct bs_visit *v, const struct bs_question *q)
{
    switch (bs_visit_judge(r, v, q)) {
    case BS_HEARD:
        break;
    case BS_HEARD_NOT: /* all begins anew */
        unref(&v);
        return false;
    case BS_HEARD_UNSURE:
        v->refusal = bs_refusal_new("0A000", "this cannot be explained now", NULL, NULL);
        break;
    }
    r->door = v;
    v->ready = v->refusal != NULL;
    return !v->ready;
}

void
bs_door_begin(struct bs_relay *r, const struct bs_question *q)
{
    struct bs_visit *v = bs_malloc(sizeof(*v));

    bs_assert(r->door == NULL && bs_relay_quiet(r));
    v->s = r->s;
    bs_session_ref(v->s);
    v->refs = 1;
    v->ask = q->verdict->door;
    v->may_wait = v->ask.kind == BS_DOOR_WAIT && holds_nothing(r);
    v->give_up_us = bs_mono_us() + patience_ms(r->s) * 1000;
    if (v->ask.kind == BS_DOOR_EXPLAIN && !judge_inner(r, v, q))
        return;
    r->door = v;
    r->mode = BS_MODE_DOOR;
    r->stalled = true;
    ask(v);
}

bool
bs_door_is_ready(const struct bs_relay *r)
{
    return r->door != NULL && r->door->ready;
}

struct bs_refusal *
bs_door_refusal(const struct bs_relay *r)
{
    return r->door->refusal == NULL ? NULL : bs_refusal_copy(r->door->refusal);
}

/* The answer is ASCII: only its quotes need care. */
static void
put_quoted(struct bs_buf *b, const char *answer)
{
    bs_put_u8(b, '\'');
    for (const char *at = answer; *at != '\0'; at++) {
        if (*at == '\'')
            bs_put_u8(b, '\'');
        bs_put_u8(b, (uint8_t)*at);
    }
    bs_put_u8(b, '\'');
}

/*
 * It is gone with the transaction: nobody finds it later, also where a server has one session for all.
 * SET takes no snapshot, so a transaction that the client has begun is as good as new; outside of one it
 * would only do with a warning, in the server's log.
 */
static void
put_set(struct bs_buf *b, const char *answer, bool in_block)
{
    if (in_block) {
        bs_put_str(b, "SET LOCAL " BS_DOOR_SETTING " = ");
        put_quoted(b, answer);
        return;
    }
    bs_put_str(b, "SELECT pg_catalog.set_config('" BS_DOOR_SETTING "', ");
    put_quoted(b, answer);
    bs_put_str(b, ", true)");
}

void
bs_door_forward_query(struct bs_relay *r, const struct bs_verdict *v)
{
    struct bs_reply *reply = bs_replies_push(&r->replies, BS_REPLY_QUERY);
    struct bs_buf text, b;

    bs_ask_owe_unit(r, reply, &v->unit);
    reply->hidden = 1; /* the client has sent one statement */
    r->series_open = r->series_wrote = r->series_bound = false;
    bs_buf_init(&text, SET_MAX);
    put_set(&text, r->door->answer, true); /* several statements are a block */
    bs_put_str(&text, "; " BS_DOOR_SQL);
    bs_buf_init(&b, SET_MAX);
    bs_msg_put_query(&b, bs_buf_view(&text));
    bs_assert(!b.failed);
    bs_relay_to_server(r, bs_buf_view(&b));
    bs_buf_fini(&b);
    bs_buf_fini(&text);
}

/* For one of our own messages. What fails there must not look like an answer. */
static void
owe(struct bs_relay *r, enum bs_reply_kind kind)
{
    struct bs_reply *reply = bs_replies_push(&r->replies, kind);

    reply->whose = BS_REPLY_SILENT;
    reply->refusal = bs_refusal_new("58000", "the gateway could not give its answer", NULL, NULL);
}

/* In the client's own series, under a name that no function can guess: a Sync of ours would end its
 * transaction. */
static void
put_set_messages(struct bs_relay *r, struct bs_buf *b)
{
    uint8_t raw[16];
    char name[48] = "backstop_";
    struct bs_buf text;

    bs_random(raw, sizeof(raw));
    bs_hex(raw, sizeof(raw), name + 9);
    bs_buf_init(&text, SET_MAX);
    put_set(&text, r->door->answer, r->status == 'T');
    bs_msg_put_parse(b, bs_bytes_of(name), bs_buf_view(&text), NULL, 0);
    owe(r, BS_REPLY_PARSE);
    bs_msg_put_bind(b, bs_bytes_of(name), bs_bytes_of(name), NULL, 0);
    owe(r, BS_REPLY_BIND);
    bs_msg_put_execute(b, bs_bytes_of(name), 0);
    owe(r, BS_REPLY_EXECUTE);
    bs_msg_put_close(b, 'S', bs_bytes_of(name));
    owe(r, BS_REPLY_CLOSE);
    bs_buf_fini(&text);
}

void
bs_door_forward_bind(struct bs_relay *r, const struct bs_frame *f)
{
    struct bs_bind bind;
    BS_FRESH_ERR(err);
    struct bs_buf b;

    bs_assert(bs_msg_read_bind(f->body, &bind, &err) == BS_DONE);
    bs_buf_init(&b, SET_MAX);
    put_set_messages(r, &b);
    bs_msg_put_bind_without(&b, &bind);
    bs_ask_owe(r, f, NULL);
    bs_assert(!b.failed);
    bs_relay_to_server(r, bs_buf_view(&b));
    bs_buf_fini(&b);
}

/* --- what the server is sent, and sends ---------------------------------------------------- */

/* The text takes the place of the parameters' types, too. */
static size_t
covered_length(const struct bs_parse *parse)
{
    return parse->query.n + parse->types.n * sizeof(uint32_t);
}

/* All that asks for something is at least as long as what takes its place: the shortest is SHOW
 * backstop.status. What is shorter is EXPLAIN of nothing, which the server refuses as well as we. */
static bool
is_covered(const struct bs_parse *parse)
{
    return covered_length(parse) >= sizeof(BS_DOOR_SQL) - 1 &&
           bs_door_read(parse->query).kind != BS_DOOR_NONE;
}

static void
cover_text(uint8_t *to, size_t n)
{
    memset(to, ' ', n);
    memcpy(to, BS_DOOR_SQL, sizeof(BS_DOOR_SQL) - 1);
}

void
bs_door_cover(uint8_t *body, size_t n)
{
    struct bs_parse parse;
    BS_FRESH_ERR(err);
    size_t at;

    if (bs_msg_read_parse((struct bs_bytes){body, n}, &parse, &err) != BS_DONE ||
        !is_covered(&parse))
        return;
    at = (size_t)(parse.query.p - body);
    cover_text(body + at, covered_length(&parse));
    memset(body + at + covered_length(&parse), 0, n - at - covered_length(&parse));
}

void
bs_door_note_covered(struct bs_prepared *p, const struct bs_parse *parse)
{
    size_t n = covered_length(parse);
    char *text;

    if (!is_covered(parse))
        return;
    text = bs_malloc(n + 1);
    cover_text((uint8_t *)text, n);
    bs_sha256_text(text, p->query);
    free(text);
}

bool
bs_door_name_column(struct bs_bytes body, struct bs_buf *out)
{
    static const char head[] = "\0\1" BS_DOOR_SETTING; /* one column, of that name */

    if (body.n < sizeof(head) || memcmp(body.p, head, sizeof(head)) != 0)
        return false;
    bs_put_u8(out, 'T');
    bs_put_u32(out, (uint32_t)(4 + body.n - (sizeof(BS_DOOR_SETTING) - sizeof(BS_DOOR_COLUMN))));
    bs_put_u16(out, 1);
    bs_put_bytes(out, BS_LIT(BS_DOOR_COLUMN));
    bs_put_bytes(out, (struct bs_bytes){body.p + sizeof(head) - 1, body.n - (sizeof(head) - 1)});
    return true;
}
