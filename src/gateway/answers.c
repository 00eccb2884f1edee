/*
 * answers.c - the server's side of the relay: rows are counted through, the few messages that mean
 * something are looked at, and every answer is booked on the message it belongs to.
 */
#include <string.h>

#include "gateway/approved.h"
#include "gateway/asking.h"
#include "gateway/door.h"
#include "gateway/gate.h"
#include "gateway/gateway.h"
#include "gateway/ledger.h"
#include "gateway/running.h"
#include "wire/messages.h"

/* The longest message that is assembled; rows and COPY data are not. */
/* Of a row for a client of this process, which holds it whole, and whose memory is everybody's. */
#define INSIDE_ROW_MAX (16u << 20)
#define ASSEMBLE_MAX   (16u << 20)

/* --- where the bytes go ------------------------------------------------------------------- */

void
bs_answers_flush(struct bs_relay *r)
{
    struct bs_bytes bytes = {r->s->server.in.p + r->from, r->read - r->from};
    BS_FRESH_ERR(err);

    r->from = r->read;
    if (bytes.n == 0)
        return;
    if (r->sink == BS_SINK_WITHHOLD)
        bs_gate_withhold(r, bytes);
    else if (r->sink == BS_SINK_CLIENT && bs_link_send(&r->s->client, bytes, &err) != BS_DONE)
        bs_session_close(r->s);
}

/* The next n bytes of server.in go to that sink; neighbours for the same one are sent together. */
static void
emit(struct bs_relay *r, enum bs_sink sink, size_t n)
{
    if (sink != r->sink) {
        bs_answers_flush(r);
        r->sink = sink;
    }
    r->read += n;
}

/* Bytes of ours in the place of the next n bytes of server.in. */
static void
replace(struct bs_relay *r, enum bs_sink sink, size_t n, const struct bs_buf *with)
{
    emit(r, BS_SINK_NOWHERE, n);
    bs_answers_flush(r);
    if (bs_relay_over(r))
        return;
    if (sink == BS_SINK_WITHHOLD)
        bs_gate_withhold(r, bs_buf_view(with));
    else if (sink == BS_SINK_CLIENT)
        bs_relay_to_client(r, bs_buf_view(with));
}

/* --- what an answer changes --------------------------------------------------------------- */

/* An answer that belongs to no message: what names mean would not be known any more. */
static void
out_of_turn(struct bs_relay *r)
{
    bs_session_fail(r->s, "08P01", "the database answered out of turn");
}

/* The message that is answered; NULL, and the session has ended, where it is of another kind. */
static struct bs_reply *
turn_of(struct bs_relay *r, enum bs_reply_kind kind)
{
    struct bs_reply *head = bs_replies_head(&r->replies);

    if (head != NULL && head->kind == kind)
        return head;
    out_of_turn(r);
    return NULL;
}

/* A setting that decides how a text is read has changed: nothing can be judged any more. */
static bool
pinned(struct bs_bytes name, struct bs_bytes value)
{
    if (bs_bytes_equal(name, BS_LIT("standard_conforming_strings")))
        return bs_bytes_equal(value, BS_LIT("on"));
    if (bs_bytes_equal(name, BS_LIT("client_encoding")))
        return bs_bytes_equal(value, BS_LIT("UTF8"));
    return true;
}

/* ParameterStatus. The shield is nobody's business but ours: it is shown as off. */
static void
on_parameter(struct bs_relay *r, enum bs_sink sink, struct bs_bytes body, size_t whole)
{
    struct bs_bytes name, value;
    BS_FRESH_ERR(err);
    struct bs_buf b;

    if (bs_msg_read_parameter_status(body, &name, &value, &err) != BS_DONE ||
        bs_session_set_param(r->s, name, value, &err) != BS_DONE) {
        bs_session_fail(r->s, "08P01", "the database sent a setting that cannot be read");
        return;
    }
    if (!pinned(name, value)) {
        bs_session_fail(r->s, "0A000", "%.64s may not be changed behind the gateway",
                        (const char *)name.p);
        return;
    }
    if (!r->s->shielded || !bs_bytes_equal(name, BS_LIT("default_transaction_read_only"))) {
        emit(r, sink, whole);
        return;
    }
    if (!bs_bytes_equal(value, BS_LIT("on")) && !r->unshielded) {
        bs_session_fail(r->s, "0A000", "default_transaction_read_only may not be changed here");
        return;
    }
    bs_buf_init(&b, 256);
    bs_msg_put_parameter_status(&b, "default_transaction_read_only", "off");
    replace(r, sink, whole, &b);
    bs_buf_fini(&b);
}

/* ROLLBACK TO has undone what gated statements did, and let go of their locks. */
static void
look_back(struct bs_relay *r)
{
    if (r->state.went_back && r->ledger != NULL)
        bs_ledger_go_back(r->ledger, r->state.went_back_to);
    r->state.went_back = false;
}

/* The first that this answer names has its name now. */
static void
name_prepared(struct bs_relay *r, struct bs_reply *head)
{
    struct bs_prepared *p = bs_replies_named(&r->replies, head);

    bs_names_put(&r->state.names, p);
    bs_prepared_unref(&p);
}

/* The statements of a message take effect one CommandComplete at a time. */
static void
complete_statement(struct bs_relay *r, struct bs_reply *head)
{
    if (head->hidden != 0) {
        head->hidden--;
        return;
    }
    if (r->capped.on)
        bs_caps_complete(r, head);
    if (head->effects != NULL) {
        bs_effects_step(head->effects, &r->state);
        look_back(r);
    }
    if (head->prepared != NULL && head->prepared->at == head->ended) {
        name_prepared(r, head);
        r->preparing -= head->prepared == NULL;
    }
    head->ended++;
    if (r->capped.on)
        bs_caps_declared(r, head);
}

static void
pop(struct bs_relay *r)
{
    struct bs_reply *head = bs_replies_head(&r->replies);

    r->series_dirty = r->series_dirty || head->dirty;
    if (r->capped.on)
        bs_caps_settled(r, head);
    if (head->copies)
        r->copying--;
    if (head->kind == BS_REPLY_QUERY && head->prepared != NULL)
        r->preparing--;
    if (head->ddl) {
        r->ddl_sent--;
        r->state.meaning.uncommitted_ddl = true;
    }
    bs_replies_pop(&r->replies);
}

/* T, n: the end of a Describe, or the first rows of a Query's statement. */
static void
on_description(struct bs_relay *r)
{
    const struct bs_reply *head = bs_replies_head(&r->replies);

    if (head != NULL && head->kind == BS_REPLY_QUERY)
        return;
    if (turn_of(r, BS_REPLY_DESCRIBE) != NULL)
        pop(r);
}

static void
on_parse_complete(struct bs_relay *r)
{
    struct bs_reply *head = turn_of(r, BS_REPLY_PARSE);

    if (head == NULL)
        return;
    if (head->prepared != NULL)
        name_prepared(r, head);
    pop(r);
}

static void
on_bind_complete(struct bs_relay *r)
{
    struct bs_reply *head = turn_of(r, BS_REPLY_BIND);

    if (head == NULL)
        return;
    bs_cursors_put(&r->state.names, bs_bytes_of(head->name), BS_CURSOR_TRANSACTION);
    if (head->effects != NULL) /* it may be run yet, or not */
        bs_effects_step(head->effects, &r->state);
    bs_caps_bound(r, head);
    pop(r);
}

static void
on_close_complete(struct bs_relay *r)
{
    struct bs_reply *head = turn_of(r, BS_REPLY_CLOSE);

    if (head == NULL)
        return;
    if (head->name_kind == 'S')
        bs_names_remove(&r->state.names, bs_bytes_of(head->name));
    else
        bs_cursors_remove(&r->state.names, bs_bytes_of(head->name));
    pop(r);
}

/* C, I: one statement of a Query, or the end of an Execute. */
static void
on_complete(struct bs_relay *r)
{
    struct bs_reply *head = bs_replies_head(&r->replies);

    if (head != NULL && head->kind == BS_REPLY_QUERY) {
        complete_statement(r, head);
    } else if (turn_of(r, BS_REPLY_EXECUTE) != NULL) {
        complete_statement(r, head);
        pop(r);
    }
}

/* The server asks for COPY data. Only a gated series has been sent with its Sync: the server reads
 * that before the data, and ignores it. */
static void
on_copy_in(struct bs_relay *r)
{
    struct bs_reply *head = bs_replies_head(&r->replies);

    if (head == NULL || !head->copies) {
        out_of_turn(r);
        return;
    }
    r->copy_in = true;
    for (size_t i = 1; i < r->replies.n;) {
        if (bs_replies_at(&r->replies, i)->kind == BS_REPLY_SYNC) {
            bs_replies_remove(&r->replies, i);
            r->copy_sync = true;
        } else {
            i++;
        }
    }
}

/* An error in the extended protocol takes everything up to Sync with it. */
static void
on_error(struct bs_relay *r)
{
    struct bs_reply *head = bs_replies_head(&r->replies);

    r->copy_in = false;
    if (head == NULL || head->kind == BS_REPLY_QUERY)
        return;
    r->skipping = true;
    while (head != NULL && head->kind != BS_REPLY_SYNC) { /* a Query, too, is thrown away */
        pop(r);
        head = bs_replies_head(&r->replies);
    }
    r->series_failed = head == NULL;
}

/* Books ReadyForQuery. While the server skips to Sync, all before that, even a Query, is thrown
 * away without an answer. */
static bool
settle_series(struct bs_relay *r)
{
    struct bs_reply *head = bs_replies_head(&r->replies);

    while (r->skipping && head != NULL && head->kind != BS_REPLY_SYNC) {
        pop(r);
        head = bs_replies_head(&r->replies);
    }
    if (head == NULL || (head->kind != BS_REPLY_SYNC && head->kind != BS_REPLY_QUERY)) {
        out_of_turn(r);
        return false;
    }
    if (r->skipping && head->whose == BS_REPLY_SILENT && !r->inject.running)
        r->series_failed = true;
    pop(r);
    r->skipping = false;
    r->copy_in = r->copy_sync = false;
    return true;
}

/* ReadyForQuery is the only truth about the transaction. */
static void
on_ready(struct bs_relay *r, char status)
{
    if (!settle_series(r))
        return;
    if (status == 'I') {
        bs_cursors_end_transaction(&r->state.names);
        bs_savepoints_clear(&r->state.savepoints);
        bs_effects_ended(&r->state); /* COMMIT runs code, too */
        r->read_write = r->set_in_block = r->passed_ddl = false;
        r->wrote = r->overwrote = false;
        if (r->state.meaning.uncommitted_ddl)
            bs_database_stale(r->db);
        r->state.meaning.uncommitted_ddl = false;
        if (r->ddl_sent == 0)
            bs_effects_settle(&r->state);
        r->dirty = false;
        r->copy_portals = false;
    } else {
        r->dirty = r->dirty || r->series_dirty;
    }
    r->series_dirty = false;
    r->status = status;
}

/* --- one message -------------------------------------------------------------------------- */

/* The error that our poison provoked, or one of our own that the client has to hear of: of the server's
 * report nothing is kept but its place. */
static bool
rewrite_poison(struct bs_relay *r, enum bs_sink sink, size_t whole)
{
    struct bs_reply *head = bs_replies_head(&r->replies);
    struct bs_buf b;

    if (head == NULL || head->whose == BS_REPLY_CLIENT || head->refusal == NULL)
        return false;
    bs_buf_init(&b, 16384);
    bs_refusal_put(&b, head->refusal);
    replace(r, sink, whole, &b);
    bs_buf_fini(&b);
    return true;
}

/* Of an answer that had too many rows: all that is not shown any more. */
static bool
is_cut(const struct bs_relay *r, uint8_t type)
{
    if (r->capped.cut == BS_CUT_SHORT)
        return type == 'D' || type == 'd';
    return type != 'S' && type != 'A' && type != 'N';
}

/* It answers something that the client has not sent. */
static bool
is_ours(const struct bs_reply *head, uint8_t type)
{
    if (type == 'C' && head->hidden != 0)
        return true;
    return head->whose == BS_REPLY_SILENT && type != 'S' && type != 'A' &&
           (type != 'E' || head->refusal == NULL);
}

static enum bs_sink
sink_now(struct bs_relay *r, uint8_t type)
{
    struct bs_reply *head = bs_replies_head(&r->replies);

    if (head != NULL && is_ours(head, type))
        return BS_SINK_NOWHERE;
    if (r->capped.cut != BS_CUT_NONE && is_cut(r, type))
        return BS_SINK_NOWHERE;
    return r->mode == BS_MODE_GATE ? bs_gate_sink(r, type) : BS_SINK_CLIENT;
}

/* A RowDescription: that of an answer of the gateway's has its name. */
static void
emit_description(struct bs_relay *r, enum bs_sink sink, struct bs_bytes body, size_t whole)
{
    struct bs_buf b;

    bs_buf_init(&b, 256);
    if (sink == BS_SINK_CLIENT && bs_door_name_column(body, &b))
        replace(r, sink, whole, &b);
    else
        emit(r, sink, whole);
    bs_buf_fini(&b);
}

/* Bookkeeping for a whole message; `sink` was chosen before it. */
static void
book(struct bs_relay *r, uint8_t type)
{
    switch (type) {
    case '1':
        on_parse_complete(r);
        break;
    case '2':
        on_bind_complete(r);
        break;
    case '3':
        on_close_complete(r);
        break;
    case 'T':
    case 'n':
        on_description(r);
        break;
    case 'C':
    case 'I':
    case 's':
        on_complete(r);
        break;
    case 'G':
        on_copy_in(r);
        break;
    case 'E':
        on_error(r);
        break;
    default:
        break;
    }
}

/* A transaction has begun, in which a ticket may be used after something has been read. */
static bool
may_need_to_write(const struct bs_relay *r)
{
    const struct bs_session *s = r->s;

    return s->shielded && r->mode == BS_MODE_RELAY && r->status == 'T' && !r->dirty &&
           !r->read_write && bs_relay_quiet(r) &&
           bs_approved_any(s->gateway->approved, s->actor, s->database);
}

static void
on_read_write(struct bs_relay *r)
{
    r->read_write = !r->inject.failed;
    bs_relay_resume(r);
}

static void
open_read_write(struct bs_relay *r)
{
    r->mode = BS_MODE_OPENING;
    bs_inject(r, "SET TRANSACTION READ WRITE", NULL, on_read_write);
}

/* --- answers with too many rows ----------------------------------------------------------- */

/* The server has done what the client is told has failed. A transaction that is open is made to
 * fail; there is nothing else that it could have changed. */
static void
fail_cut(struct bs_relay *r)
{
    struct bs_refusal *refusal = bs_caps_refusal(r);
    struct bs_buf b;

    r->capped.cut = BS_CUT_NONE;
    if (r->status == 'T') {
        bs_asks_refuse(r, (struct bs_bytes){NULL, 0}, refusal);
        return;
    }
    bs_buf_init(&b, 4096);
    bs_refusal_put(&b, refusal);
    bs_msg_put_ready(&b, (uint8_t)r->status);
    bs_refusal_free(&refusal);
    bs_relay_to_client(r, bs_buf_view(&b));
    bs_buf_fini(&b);
}

static bool
owes_sync(struct bs_relay *r)
{
    const struct bs_reply *e;

    for (size_t i = 0; (e = bs_replies_at(&r->replies, i)) != NULL; i++) {
        if (e->kind == BS_REPLY_SYNC || e->kind == BS_REPLY_QUERY)
            return true;
    }
    return false;
}

/* The server's own error, most often that of our cancel, becomes ours. */
static void
replace_cut(struct bs_relay *r, size_t whole)
{
    struct bs_refusal *refusal = bs_caps_refusal(r);
    struct bs_buf b;

    r->capped.cut = BS_CUT_NONE;
    bs_buf_init(&b, 4096);
    bs_refusal_put(&b, refusal);
    bs_refusal_free(&refusal);
    replace(r, BS_SINK_CLIENT, whole, &b);
    bs_buf_fini(&b);
}

/*
 * One message of an answer that was cancelled, in place of which the client gets an error. The
 * cancel may have come too late: then the rest of a series is failed by a text that cannot be
 * parsed, or, where the series is over, what it has left open.
 */
static void
on_cut_message(struct bs_relay *r, uint8_t type, uint8_t status, size_t whole)
{
    const struct bs_reply *head = bs_replies_head(&r->replies);
    bool executed = head != NULL && head->kind == BS_REPLY_EXECUTE &&
                    (type == 'C' || type == 's' || type == 'I');

    if (type == 'E')
        replace_cut(r, whole);
    else
        emit(r, BS_SINK_NOWHERE, whole);
    if (!bs_relay_over(r))
        book(r, type);
    if (bs_relay_over(r))
        return;
    if (type == 'Z') {
        on_ready(r, (char)status);
        if (!bs_relay_over(r))
            fail_cut(r);
    } else if (executed && !owes_sync(r)) {
        struct bs_refusal *refusal = bs_caps_refusal(r);
        r->capped.cut = BS_CUT_NONE;
        bs_ask_poison_series(r, refusal);
    }
}

/* What is cut short ends with a warning before its CommandComplete. */
static void
end_short(struct bs_relay *r, uint8_t type)
{
    if (type != 'C' && type != 's' && type != 'I' && type != 'E')
        return;
    r->capped.cut = BS_CUT_NONE;
    if (type != 'E')
        bs_caps_warn(r);
}

static bool
is_fatal(struct bs_bytes body)
{
    struct bs_report_fields report;
    BS_FRESH_ERR(err);

    return bs_msg_read_report(body, &report, &err) == BS_DONE &&
           (bs_bytes_equal(report.severity, BS_LIT("FATAL")) ||
            bs_bytes_equal(report.severity, BS_LIT("PANIC")));
}

static void
on_message(struct bs_relay *r, uint8_t type, struct bs_bytes body)
{
    size_t whole = BS_FRAME_HEAD + body.n;
    enum bs_sink sink = sink_now(r, type);
    uint8_t status = 0;
    BS_FRESH_ERR(err);

    if (type == 'S') {
        on_parameter(r, sink, body, whole);
        return;
    }
    if (type == 'Z' && bs_msg_read_ready(body, &status, &err) != BS_DONE) {
        bs_session_fail(r->s, "08P01", "the database broke the protocol");
        return;
    }
    if (r->inject.running && type != 'A' && type != 'N') {
        emit(r, BS_SINK_NOWHERE, whole);
        book(r, type);
        if (type == 'Z' && !bs_relay_over(r))
            on_ready(r, (char)status);
        if (!bs_relay_over(r))
            (void)bs_inject_on_reply(r, type, body);
        return;
    }
    if (type == 'E' && rewrite_poison(r, sink, whole)) {
        if (!bs_relay_over(r))
            book(r, type);
        return;
    }
    if (r->capped.cut == BS_CUT_FAILED && r->mode != BS_MODE_GATE && is_cut(r, type)) {
        on_cut_message(r, type, status, whole);
        return;
    }
    if (r->capped.cut == BS_CUT_SHORT)
        end_short(r, type);
    else if (type == 'Z')
        r->capped.cut = BS_CUT_NONE;
    if (type == 'H' && r->capped.owed != 0 && body.n != 0 && body.p[0] == 1)
        bs_caps_binary(r);
    if (r->mode == BS_MODE_GATE && !bs_relay_over(r))
        bs_gate_look(r, type, body);
    if (bs_relay_over(r))
        return;
    if (type == 'E' && sink == BS_SINK_CLIENT)
        r->said_fatal = r->said_fatal || is_fatal(body);
    if (type == 'T')
        emit_description(r, sink, body, whole);
    else
        emit(r, sink, whole);
    if (!bs_relay_over(r))
        book(r, type);
    if (type != 'Z' || bs_relay_over(r))
        return;
    on_ready(r, (char)status);
    if (bs_relay_over(r))
        return;
    if (r->mode == BS_MODE_GATE || r->ledger != NULL) {
        bs_answers_flush(r);
        if (!bs_relay_over(r))
            bs_gate_ready(r);
    } else if (may_need_to_write(r)) {
        bs_answers_flush(r);
        if (!bs_relay_over(r))
            open_read_write(r);
    }
}

/* Types that are never assembled: only their header is needed. */
static bool
streams(const struct bs_relay *r, uint8_t type)
{
    return (type == 'D' && !r->inject.running) || type == 'd';
}

/* A row or COPY data, with `n` bytes behind the head, and the whole ones like it that follow: where
 * no rows are counted, they all go to one place. */
static void
stream(struct bs_relay *r, struct bs_bytes rest, uint8_t type, uint32_t n)
{
    size_t run = r->capped.owed == 0 ? bs_frame_run(rest, type) : 0;

    if (r->capped.owed != 0)
        bs_caps_row(r, type);
    emit(r, sink_now(r, type), run != 0 ? run : BS_FRAME_HEAD);
    r->skip_server = run != 0 ? 0 : n;
}

static bool
known(uint8_t type)
{
    return type != 0 && strchr("123ACDEGHINSTVZcdnst", type) != NULL;
}

/* Takes one step through server.in; false where more bytes are needed. */
static bool
step(struct bs_relay *r)
{
    struct bs_buf *in = &r->s->server.in;
    struct bs_bytes rest = {in->p + r->read, in->n - r->read};
    BS_FRESH_ERR(err);
    uint8_t type = 0;
    uint32_t n = 0;

    if (rest.n == 0)
        return false;
    if (r->skip_server != 0) {
        size_t now = rest.n < r->skip_server ? rest.n : (size_t)r->skip_server;
        r->skip_server -= now;
        emit(r, r->sink, now);
        return true;
    }
    switch (bs_frame_peek(rest, &type, &n, &err)) {
    case BS_SCAN_MORE:
        return false;
    case BS_SCAN_BAD:
        bs_session_fail(r->s, "08P01", "the database broke the protocol");
        return false;
    case BS_SCAN_GOT:
        break;
    }
    if (!known(type) || (n > ASSEMBLE_MAX && !streams(r, type))) {
        bs_session_fail(r->s, "08P01", "the database sent a message that is not expected");
        return false;
    }
    if (type == 'Z' && (r->capped.cancels != 0 || r->s->cancelling)) {
        r->s->cancel_over = r->s->cancelling;
        return false; /* what would be sent next could be hit by a cancel that is on its way */
    }
    if (streams(r, type)) {
        if (n > INSIDE_ROW_MAX && r->s->via != NULL) {
            bs_session_fail(r->s, "54000", "a row has more than %u MB: ask for less of it",
                            INSIDE_ROW_MAX >> 20);
            return false;
        }
        stream(r, rest, type, n);
        return true;
    }
    if (rest.n - BS_FRAME_HEAD < n)
        return false;
    on_message(r, type, (struct bs_bytes){rest.p + BS_FRAME_HEAD, n});
    return true;
}

void
bs_answers_pump(struct bs_relay *r)
{
    while (!bs_relay_over(r) && step(r))
        continue;
    if (bs_relay_over(r))
        return;
    bs_answers_flush(r);
    if (bs_relay_over(r))
        return;
    bs_buf_drop(&r->s->server.in, r->read);
    r->read = r->from = 0;
    bs_relay_end_stopped(r);
    if (!bs_relay_over(r) && bs_asks_may_go_on(r))
        bs_asks_pump(r);
}
