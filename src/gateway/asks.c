/*
 * asks.c - the client's side of the relay: legal, understood, allowed, recorded, done - in that
 * order, for each message.
 *
 * A Query is judged by itself. The extended protocol is judged at Bind, since planning may already
 * run code and the values decide the effect; Parse makes the server run nothing. Messages are
 * looked at once their series is whole, so that a hold begins before its first message is sent.
 */
#include <string.h>

#include "gateway/apart.h"
#include "gateway/asking.h"
#include "gateway/door.h"
#include "gateway/gate.h"
#include "wire/front.h"
#include "wire/messages.h"

/* A series without Sync or Flush that is longer than this is looked at as it comes. */
#define SERIES_MAX      (1u << 20)
#define SERIES_MESSAGES 4096

/* Bytes of a CopyData that go on although more of it is to come. */
#define COPY_PIECE ((size_t)16 * 1024)

/* The longest Query or Parse, in bytes: a longer text cannot be judged, so it is not read at all. */
#define STATEMENT_MAX ((16u << 20) + 1024)

struct bs_bytes
bs_ask_bytes(const struct bs_relay *r, size_t from, size_t to)
{
    return (struct bs_bytes){r->s->client.in.p + from, to - from};
}

bool
bs_ask_stall(struct bs_relay *r)
{
    r->stalled = true;
    return false;
}

void
bs_ask_flush(struct bs_relay *r)
{
    struct bs_buf b;

    bs_buf_init(&b, 16);
    bs_msg_put_flush(&b);
    bs_relay_to_server(r, bs_buf_view(&b));
    bs_buf_fini(&b);
}

bool
bs_ask_wait(struct bs_relay *r)
{
    if (r->series_open)
        bs_ask_flush(r);
    return bs_ask_stall(r);
}

bool
bs_ask_end_series(struct bs_relay *r)
{
    struct bs_buf b;

    bs_buf_init(&b, 16);
    bs_msg_put_sync(&b);
    bs_replies_push(&r->replies, BS_REPLY_SYNC)->whose = BS_REPLY_SILENT;
    r->series_open = false;
    bs_relay_to_server(r, bs_buf_view(&b));
    bs_buf_fini(&b);
    return bs_ask_stall(r);
}

void
bs_ask_settle(struct bs_relay *r, size_t to)
{
    r->used = to;
    r->at = to;
    r->collected = 0;
    r->loaded = false;
    if (r->mode != BS_MODE_GATE) /* else it may be judged again */
        r->acts_as = BS_ACTS_AS_UNASKED;
    r->put_off_over = false;
    bs_apart_settle(r);
    bs_door_settle(r);
    r->stalled = false;
    r->copy_wait = false;
    r->capped.wait = false;
}

bool
bs_ask_wait_for_copy(struct bs_relay *r)
{
    r->copy_wait = true;
    return bs_ask_wait(r);
}

bool
bs_ask_wait_for_rows(struct bs_relay *r)
{
    r->capped.wait = true;
    return bs_ask_wait(r);
}

/* --- one message -------------------------------------------------------------------------- */

/* The next n bytes of the client are done with; `ahead` goes to the server before them. Where the
 * server does not copy, it would ignore them, so they are not sent at all. */
static bool
pass_copy_data(struct bs_relay *r, struct bs_bytes ahead, size_t n)
{
    if (r->copy_in)
        bs_relay_to_server_after(r, ahead, bs_ask_bytes(r, r->used, r->used + n));
    if (bs_relay_over(r))
        return false;
    r->used += n;
    r->at = r->used;
    return true;
}

static void
put_copy_head(struct bs_buf *head, size_t n)
{
    bs_put_u8(head, BS_FRONT_COPY_DATA);
    bs_put_u32(head, (uint32_t)n + 4);
}

/*
 * The rest of a CopyData that has begun: as much of it goes on as is there, but for a scrap. It
 * goes as a message of its own, since the server does not care how the data are cut: so at any
 * moment what the server has are whole messages, and what we send it cannot become the rest of
 * one, whenever it gives the COPY up.
 */
static bool
stream_copy_rest(struct bs_relay *r, size_t have)
{
    size_t n = have < r->skip_client ? have : (size_t)r->skip_client;
    struct bs_buf head;
    bool go_on;

    if (n < r->skip_client && n < COPY_PIECE)
        return false;
    r->skip_client -= n;
    bs_buf_init(&head, BS_FRAME_HEAD);
    put_copy_head(&head, n);
    go_on = pass_copy_data(r, bs_buf_view(&head), n);
    bs_buf_fini(&head);
    return go_on;
}

/* A long CopyData begins with `piece`, the last of what is there: it becomes a message of its own,
 * by another length in its head. False where it is to wait for more. */
static bool
cut_copy(struct bs_relay *r, struct bs_bytes piece)
{
    BS_FRESH_ERR(err);
    struct bs_buf head;
    uint32_t body = 0;
    uint8_t type = 0;

    if (piece.n < COPY_PIECE || piece.p[0] != BS_FRONT_COPY_DATA ||
        bs_frame_peek(piece, &type, &body, &err) != BS_SCAN_GOT)
        return false;
    r->skip_client = body - (piece.n - BS_FRAME_HEAD);
    bs_buf_init(&head, BS_FRAME_HEAD);
    put_copy_head(&head, piece.n - BS_FRAME_HEAD);
    memcpy(r->s->client.in.p + (r->s->client.in.n - piece.n), head.p, head.n);
    bs_buf_fini(&head);
    return true;
}

/*
 * CopyData is never assembled, but for short ones: all whole ones that are there go on in one
 * send, and the beginning of a long one with them. A driver writes its buffer whenever that is
 * full, wherever its messages end; to send each scrap by itself made four packets of one.
 */
static bool
stream_copy(struct bs_relay *r, struct bs_bytes rest)
{
    size_t n = bs_frame_run(rest, BS_FRONT_COPY_DATA);

    if (cut_copy(r, (struct bs_bytes){rest.p + n, rest.n - n}))
        n = rest.n;
    return n != 0 && pass_copy_data(r, (struct bs_bytes){NULL, 0}, n);
}

/* A message that is as good as not sent. */
static bool
drop(struct bs_relay *r, size_t end)
{
    bs_ask_settle(r, end);
    return true;
}

static bool
forward_alone(struct bs_relay *r, size_t end)
{
    bs_relay_to_server(r, bs_ask_bytes(r, r->used, end));
    if (bs_relay_over(r))
        return false;
    bs_ask_settle(r, end);
    return true;
}

bool
bs_ask_is_open_in_pause(const struct bs_relay *r)
{
    return r->series_open && r->series_wrote && !r->skipping && !r->copied_into_pause &&
           bs_paused_leave(r->s).what < BS_LEAVE_READING;
}

/* An Execute copies once; a Query may copy again. Outside a COPY the server ignores it. */
static bool
end_copy(struct bs_relay *r, size_t end)
{
    struct bs_reply *head = bs_replies_head(&r->replies);

    if (r->copy_in && r->series_open)
        r->copied_into_pause = bs_paused_leave(r->s).what < BS_LEAVE_READING;
    if (r->copy_in && head != NULL && head->kind == BS_REPLY_EXECUTE && head->copies) {
        head->copies = false;
        r->copying--;
    }
    r->copy_in = false;
    return forward_alone(r, end);
}

/* While the server copies in. Anything else would make it lose the protocol. */
static bool
dispatch_copying(struct bs_relay *r, uint8_t type, size_t end)
{
    switch (type) {
    case BS_FRONT_COPY_DONE:
    case BS_FRONT_COPY_FAIL:
        return end_copy(r, end);
    case BS_FRONT_SYNC:
    case BS_FRONT_FLUSH:
        return drop(r, end);
    case BS_FRONT_TERMINATE:
        bs_session_close(r->s);
        return false;
    default:
        bs_session_fail(r->s, "08P01", "unexpected message type \"%c\" during COPY from stdin",
                        type);
        return false;
    }
}

/* While the rest of a failed series is skipped, as the server would have done. */
static bool
dispatch_skipping(struct bs_relay *r, uint8_t type, size_t end)
{
    if (type == BS_FRONT_TERMINATE) {
        bs_session_close(r->s);
        return false;
    }
    if (type != BS_FRONT_SYNC)
        return drop(r, end);
    r->series_failed = false;
    return bs_ask_series(r, r->at, end);
}

/* Between a Bind and its Execute a series is not cut, where that can be helped. */
static bool
is_long(const struct bs_relay *r, uint8_t type)
{
    size_t some = type == BS_FRONT_BIND || type == BS_FRONT_DESCRIBE ? 2 : 1;

    return r->at - r->used >= some * SERIES_MAX || r->collected >= some * SERIES_MESSAGES;
}

static bool
dispatch(struct bs_relay *r, const struct bs_frame *f, size_t end)
{
    size_t last = r->at;

    if (r->copy_in)
        return dispatch_copying(r, f->type, end);
    if (r->series_failed)
        return dispatch_skipping(r, f->type, end);
    switch (f->type) {
    case BS_FRONT_QUERY:
        return bs_ask_query(r, f, end);
    case BS_FRONT_PARSE:
    case BS_FRONT_BIND:
    case BS_FRONT_DESCRIBE:
    case BS_FRONT_EXECUTE:
    case BS_FRONT_CLOSE:
        r->at = end;
        r->collected++;
        return !is_long(r, f->type) || bs_ask_series(r, end, end);
    case BS_FRONT_SYNC:
    case BS_FRONT_FLUSH:
        return bs_ask_series(r, last, end);
    case BS_FRONT_COPY_DONE:
    case BS_FRONT_COPY_FAIL:
        return end_copy(r, end);
    case BS_FRONT_FUNCTION_CALL:
        return bs_ask_function_call(r, f, end);
    case BS_FRONT_TERMINATE:
        bs_session_close(r->s);
        return false;
    default:
        bs_session_fail(r->s, "08P01", "message type \"%c\" is not expected here", f->type);
        return false;
    }
}

/* Messages that do not belong to a series end the one that is being collected. */
static bool
is_alone(uint8_t type)
{
    return type == BS_FRONT_QUERY || type == BS_FRONT_FUNCTION_CALL || type == BS_FRONT_COPY_DATA ||
           type == BS_FRONT_COPY_DONE || type == BS_FRONT_COPY_FAIL || type == BS_FRONT_TERMINATE;
}

/* The batch that is open has no Sync yet; its last whole message is looked for again. */
static bool
flush_series(struct bs_relay *r)
{
    return bs_ask_series(r, r->at, r->at);
}

static bool
is_copy(uint8_t type)
{
    return type == BS_FRONT_COPY_DATA || type == BS_FRONT_COPY_DONE || type == BS_FRONT_COPY_FAIL;
}

/* The server has not said yet what the names mean, or whether it copies. */
static bool
must_wait(const struct bs_relay *r)
{
    return r->mode == BS_MODE_RELAY && !r->copy_in && (r->preparing != 0 || r->copying != 0);
}

bool
bs_asks_may_go_on(const struct bs_relay *r)
{
    if (r->mode == BS_MODE_GATE)
        return r->copy_in;
    if (r->mode != BS_MODE_RELAY || !r->stalled || (r->capped.wait && bs_caps_hold(r)))
        return false;
    return r->capped.wait || bs_relay_quiet(r) || r->copy_in || r->series_failed ||
           (r->copy_wait && r->copying == 0) || (r->full && r->replies.n < BS_REPLIES_MAX / 2);
}

/* In mode GATE only the COPY data of the unit itself flows. */
static bool
may_step(struct bs_relay *r, uint8_t type)
{
    r->full = r->mode == BS_MODE_RELAY && r->replies.n >= BS_REPLIES_MAX;
    if (r->mode == BS_MODE_RELAY)
        return !r->full;
    if (r->mode != BS_MODE_GATE || !bs_gate_takes_copy(r))
        return false;
    return r->copy_in || (r->copy_sync && is_copy(type)) || (r->copy_sync && type == BS_FRONT_SYNC);
}

/* The unit's own COPY data, and the Sync that ends the unit where the server ignored the first. */
static bool
dispatch_gated(struct bs_relay *r, uint8_t type, size_t end)
{
    if (r->copy_in)
        return dispatch_copying(r, type, end);
    if (type != BS_FRONT_SYNC) /* behind an error of the server, which ignores it */
        return drop(r, end);
    r->copy_sync = false;
    (void)bs_replies_push(&r->replies, BS_REPLY_SYNC);
    return forward_alone(r, end);
}

/* Behind an answer that is counted the client may end the series, and itself. */
static bool
ends_answer(uint8_t type)
{
    return type == BS_FRONT_SYNC || type == BS_FRONT_FLUSH || type == BS_FRONT_TERMINATE;
}

/* Takes one step through client.in; false where nothing more can be done now. */
static bool
step(struct bs_relay *r)
{
    struct bs_bytes rest = bs_ask_bytes(r, r->at, r->s->client.in.n);
    struct bs_front_head head = {0};
    BS_FRESH_ERR(err);
    size_t whole;

    if (rest.n == 0 || (r->mode != BS_MODE_RELAY && r->mode != BS_MODE_GATE))
        return false;
    if (r->s->outdated && bs_relay_end_outdated(r))
        return false;
    if (r->skip_client != 0)
        return stream_copy_rest(r, rest.n);
    if (r->keeps_refused) /* else a pipeline of them would take all job threads */
        return bs_ask_stall(r);
    switch (bs_front_peek(rest, BS_FRAME_MAX_BODY, &head, &err)) {
    case BS_SCAN_MORE:
        return false;
    case BS_SCAN_BAD:
        bs_session_fail(r->s, "08P01", "%s", err.message);
        return false;
    case BS_SCAN_GOT:
        break;
    }
    if ((head.type == BS_FRONT_QUERY || head.type == BS_FRONT_PARSE) &&
        head.body_len > STATEMENT_MAX) {
        bs_session_fail(r->s, "54000", "a statement may have 16 MB at most");
        return false;
    }
    if (must_wait(r)) {
        r->copy_wait = r->copying != 0;
        return bs_ask_stall(r);
    }
    if (r->mode == BS_MODE_RELAY && !r->copy_in && bs_caps_hold(r) && !ends_answer(head.type)) {
        r->capped.wait = true;
        return bs_ask_stall(r);
    }
    r->capped.wait = false;
    if (!may_step(r, head.type))
        return bs_ask_stall(r);
    if (r->series_failed)
        r->used = r->at; /* what was collected of it */
    if (is_alone(head.type) && r->used != r->at)
        return flush_series(r);
    whole = BS_FRAME_HEAD + (size_t)head.body_len;
    if (head.type == BS_FRONT_COPY_DATA)
        return stream_copy(r, rest);
    if (rest.n < whole)
        return false;
    if (r->mode == BS_MODE_GATE)
        return dispatch_gated(r, head.type, r->at + whole);
    return dispatch(r, &(struct bs_frame){head.type, {rest.p + BS_FRAME_HEAD, head.body_len}},
                    r->at + whole);
}

void
bs_asks_pump(struct bs_relay *r)
{
    while (!bs_relay_over(r) && step(r))
        continue;
    if (bs_relay_over(r))
        return;
    bs_buf_drop(&r->s->client.in, r->used);
    r->at -= r->used;
    r->used = 0;
}
