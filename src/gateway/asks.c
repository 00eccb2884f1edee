/*
 * asks.c - the client's side of the relay: legal, understood, allowed, recorded, done - in that
 * order, for each message.
 *
 * A Query is judged by itself. The extended protocol is judged at Bind, since planning may already
 * run code and the values decide the effect; Parse makes the server run nothing. Messages are
 * looked at once their series is whole, so that a hold begins before its first message is sent.
 */
#include <stdlib.h>
#include <string.h>

#include "audit/record.h"
#include "gateway/gate.h"
#include "gateway/gateway.h"
#include "gateway/judge.h"
#include "gateway/note.h"
#include "gateway/running.h"
#include "gateway/worker.h"
#include "wire/front.h"
#include "wire/messages.h"

/* A series without Sync or Flush that is longer than this is looked at as it comes. */
#define SERIES_MAX      (1u << 20)
#define SERIES_MESSAGES 4096

/* The longest Query or Parse, in bytes: a longer text cannot be judged, so it is not read at all. */
#define STATEMENT_MAX ((16u << 20) + 1024)

#define STATEMENTS_MAX 16384 /* prepared ones that a session may have at a time */
#define CATALOG_AGE_US (30 * INT64_C(1000000))

static struct bs_bytes
client_bytes(const struct bs_relay *r, size_t from, size_t to)
{
    return (struct bs_bytes){r->s->client.in.p + from, to - from};
}

/* The next message waits for something other than its own bytes. */
static bool
stall(struct bs_relay *r)
{
    r->stalled = true;
    return false;
}

/* For answers that decide what is done next. Those of an open series come only when asked for. */
static bool
wait_for_answers(struct bs_relay *r)
{
    struct bs_buf b;

    if (r->series_open) {
        bs_buf_init(&b, 16);
        bs_msg_put_flush(&b);
        bs_relay_to_server(r, bs_buf_view(&b));
        bs_buf_fini(&b);
    }
    return stall(r);
}

/* Ends a series that is open on the server with a Sync of our own, whose answer is swallowed, so
 * that the gate finds the server idle (PROTECT 10). */
static bool
end_series_silently(struct bs_relay *r)
{
    struct bs_buf b;

    bs_buf_init(&b, 16);
    bs_msg_put_sync(&b);
    bs_replies_push(&r->replies, BS_REPLY_SYNC)->whose = BS_REPLY_SILENT;
    r->series_open = false;
    bs_relay_to_server(r, bs_buf_view(&b));
    bs_buf_fini(&b);
    return stall(r);
}

/* --- judging ------------------------------------------------------------------------------ */

enum heard {
    HEARD_NOT = 0, /* the session ended, or the catalog is being loaded */
    HEARD,
    HEARD_UNSURE, /* answers that are still to come decide what a name means */
};

/* NULL, and not `unsure`: there is none of that name. */
static struct bs_prepared *
find_statement(struct bs_relay *r, struct bs_bytes name, bool *unsure)
{
    struct bs_prepared *p = NULL;

    *unsure = false;
    switch (bs_replies_pending(&r->replies, name, &p)) {
    case BS_PENDING_PARSE:
        return p;
    case BS_PENDING_UNSURE:
        *unsure = true;
        return NULL;
    case BS_PENDING_NONE:
        break;
    }
    return bs_names_find(&r->state.names, name);
}

enum bs_lookup
bs_asks_statement(void *relay, const char *label, struct bs_bytes *text)
{
    bool unsure;
    const struct bs_prepared *p = find_statement(relay, bs_bytes_of(label), &unsure);

    if (p == NULL)
        return unsure ? BS_LOOKUP_WAIT : BS_LOOKUP_NONE;
    *text = p->text;
    return BS_LOOKUP_FOUND;
}

bool
bs_asks_cursor(void *relay, const char *label)
{
    const struct bs_relay *r = relay;

    return bs_cursors_has(&r->state.names, bs_bytes_of(label));
}

struct load {
    struct bs_database *db;
    int64_t since_us;
    enum bs_done done;
    struct bs_err err;
};

static void
load_work(void *arg)
{
    struct load *l = arg;

    l->done = bs_database_load(l->db, l->since_us, &l->err);
}

static void
loaded(struct bs_relay *r, void *arg)
{
    const struct load *l = arg;

    if (r->mode != BS_MODE_CATALOG)
        return;
    r->loaded = true;
    r->load_error = l->err;
    bs_relay_resume(r);
}

static void
load_done(struct bs_session *s, bool current, void *arg)
{
    if (current && s != NULL)
        bs_relay_act(s, loaded, arg);
    free(arg);
}

static struct load *
new_load(struct bs_relay *r, int64_t since_us)
{
    struct load *l = bs_malloc(sizeof(*l));

    l->db = r->db;
    l->since_us = since_us;
    return l;
}

static enum heard
load_catalog(struct bs_relay *r)
{
    r->mode = BS_MODE_CATALOG;
    r->stalled = true;
    bs_worker_job(r->s->worker, r->s, load_work, load_done, new_load(r, bs_mono_us()));
    return HEARD_NOT;
}

/*
 * What others change behind the gateway counts after CATALOG_AGE_US at the latest. Where statements
 * keep coming nobody waits for that: it is loaded in the background when half of the time is over.
 * One that cannot be loaded is tried again after as long.
 */
static bool
is_too_old(struct bs_relay *r)
{
    int64_t now_us = bs_mono_us(), loaded_us = bs_snapshot_loaded_us(r->snapshot);

    if (now_us - loaded_us < CATALOG_AGE_US / 2 || now_us - r->refreshed_us < CATALOG_AGE_US / 2)
        return false;
    r->refreshed_us = now_us;
    if (now_us - loaded_us >= CATALOG_AGE_US)
        return true;
    bs_worker_job(r->s->worker, NULL, load_work, load_done,
                  new_load(r, now_us - CATALOG_AGE_US / 4));
    return false;
}

/* Keeps r->snapshot at the database's newest. NULL: there is none that counts. */
static const struct bs_snapshot *
catalog(struct bs_relay *r)
{
    uint64_t epoch = bs_database_epoch(r->db);

    if (r->snapshot == NULL || r->epoch != epoch) {
        bs_snapshot_unref(&r->snapshot);
        r->snapshot = bs_database_snapshot(r->db);
        r->epoch = epoch;
    }
    if (r->snapshot != NULL && !r->loaded && is_too_old(r))
        return NULL;
    return r->snapshot;
}

static struct bs_judge
judge_of(struct bs_relay *r)
{
    const struct bs_config *c = r->s->gateway->config;
    struct bs_judge by = {
        .policy = c->policy,
        .subject = {r->s->actor, r->s->database},
        .snapshot = r->snapshot,
        .epoch = r->epoch,
        .names = r->state.meaning,
        .limits = {c->max_bytes, true},
        .shielded = r->s->shielded,
        .known = &r->known,
    };
    by.names.uncommitted_ddl = by.names.uncommitted_ddl || r->ddl_sent != 0;
    return by;
}

/* Judges a text, loading the catalog first where that is needed. */
static enum heard
judge(struct bs_relay *r, struct bs_bytes text, struct bs_arena *arena, struct bs_verdict *out)
{
    struct bs_err err = {0};
    struct bs_judge by;

    if (catalog(r) == NULL && !r->loaded)
        return load_catalog(r);
    *out = (struct bs_verdict){.text = text};
    if (r->snapshot == NULL) {
        bs_verdict_refuse(
            out, BS_E_UNAVAILABLE, NULL,
            "the catalog of this database cannot be read, so nothing can be judged",
            "Tell the operator of this gateway; `backstop doctor` says what is wrong.");
        return HEARD;
    }
    by = judge_of(r);
    if (bs_judge(&by, text, arena, out, &err) != BS_DONE)
        bs_verdict_refuse(out, err.code, NULL, "the statement is too large to be judged", NULL);
    if (out->wait)
        return HEARD_UNSURE;
    if (out->refresh && !r->loaded)
        return load_catalog(r);
    return HEARD;
}

/* Judges what a name stands for, as it is about to run. */
static enum heard
judge_named(struct bs_relay *r,
            struct bs_prepared *p,
            struct bs_arena *arena,
            struct bs_verdict *out)
{
    enum heard heard = judge(r, p->text, arena, out);

    if (heard == HEARD && p->prepared_in_sql)
        out->executed = p->text;
    return heard;
}

/* A statement that the server knows by name: judged again where the catalog or the session has
 * changed since. */
static enum heard
judge_prepared(struct bs_relay *r, struct bs_prepared *p)
{
    bool shaky = r->state.meaning.path_changed || r->state.meaning.temporary ||
                 r->state.meaning.uncommitted_ddl || r->ddl_sent != 0;

    enum heard heard;

    if (catalog(r) != NULL && p->judged && !shaky && !p->shaky && !p->verdict.named &&
        p->verdict.epoch == r->epoch)
        return HEARD;
    bs_prepared_rewind(p);
    heard = judge_named(r, p, &p->arena, &p->verdict);
    p->judged = heard == HEARD;
    p->shaky = shaky;
    return heard;
}

/* The message has been dealt with: the next one may ask for the catalog again. */
static void
settle(struct bs_relay *r, size_t to)
{
    r->used = to;
    r->at = to;
    r->collected = 0;
    r->loaded = false;
    r->stalled = false;
    r->copy_wait = false;
}

static bool
wait_for_copy(struct bs_relay *r)
{
    r->copy_wait = true;
    return wait_for_answers(r);
}

/* --- refusing ----------------------------------------------------------------------------- */

static struct bs_refusal *
refusal_of(const struct bs_relay *r, const struct bs_verdict *v)
{
    const char *sqlstate = v->sqlstate != NULL ? v->sqlstate : bs_code_get(v->code)->sqlstate;
    struct bs_refusal *refusal;

    if (r->status == 'E')
        return bs_refusal_aborted();
    refusal = bs_refusal_new(sqlstate, v->message, NULL, v->hint);
    refusal->position = v->unit.parsed ? 0 : v->unit.error_at;
    return refusal;
}

/* Refuses a Query (or FunctionCall): the server is asked only where it has to fail something. */
static void
poison_query(struct bs_relay *r, struct bs_refusal *refusal)
{
    struct bs_reply *reply;
    struct bs_buf b;

    bs_buf_init(&b, 65536);
    if (r->status == 'I' && bs_relay_quiet(r) && !r->series_open) {
        bs_refusal_put(&b, refusal);
        bs_msg_put_ready(&b, 'I');
        bs_refusal_free(&refusal);
        bs_relay_to_client(r, bs_buf_view(&b));
    } else {
        bs_msg_put_query(&b, BS_LIT(BS_POISON));
        reply = bs_replies_push(&r->replies, BS_REPLY_QUERY);
        reply->whose = BS_REPLY_POISON;
        reply->refusal = refusal;
        r->series_open = false;
        bs_relay_to_server(r, bs_buf_view(&b));
    }
    bs_buf_fini(&b);
}

/* Refuses what comes next in a series: under a name of its own, so that the client's unnamed
 * statement survives. The server then skips to Sync by itself. */
static void
poison_series(struct bs_relay *r, struct bs_refusal *refusal)
{
    struct bs_reply *reply;
    uint8_t raw[16];
    char name[48] = "backstop_";
    struct bs_buf b;

    bs_random(raw, sizeof(raw));
    bs_hex(raw, sizeof(raw), name + 9);
    bs_buf_init(&b, 4096);
    bs_msg_put_parse(&b, bs_bytes_of(name), BS_LIT(BS_POISON), NULL, 0);
    reply = bs_replies_push(&r->replies, BS_REPLY_PARSE);
    reply->whose = BS_REPLY_POISON;
    reply->refusal = refusal;
    r->series_open = true;
    bs_relay_to_server(r, bs_buf_view(&b));
    bs_buf_fini(&b);
}

void
bs_asks_refuse(struct bs_relay *r, struct bs_bytes messages, struct bs_refusal *refusal)
{
    struct bs_buf sync;

    if (messages.n != 0 && messages.p[0] == BS_FRONT_QUERY) {
        poison_query(r, refusal);
        return;
    }
    poison_series(r, refusal);
    if (bs_relay_over(r))
        return;
    bs_buf_init(&sync, 16);
    bs_msg_put_sync(&sync);
    bs_replies_push(&r->replies, BS_REPLY_SYNC);
    r->series_open = r->series_wrote = false;
    bs_relay_to_server(r, bs_buf_view(&sync));
    bs_buf_fini(&sync);
}

/* --- what the server will owe ------------------------------------------------------------- */

/* BEGIN, SET and SHOW leave a transaction as good as new (PROTECT 15). */
static bool
is_bare(const struct bs_unit *unit)
{
    for (size_t i = 0; i < unit->n_stmts; i++) {
        const struct bs_stmt *s = &unit->stmts[i];
        bool bare = s->control == BS_CONTROL_BEGIN || s->control == BS_CONTROL_SET ||
                    s->kind == BS_KIND_SHOW;
        if (!bare)
            return false;
    }
    return true;
}

static void
owe_unit(struct bs_relay *r, struct bs_reply *reply, const struct bs_unit *unit)
{
    reply->dirty = !is_bare(unit);
    reply->ddl = (unit->flags & (BS_FLAG_DDL | BS_FLAG_VOLATILE | BS_FLAG_DYNAMIC_SQL)) != 0;
    reply->effects = bs_effects_of(unit);
    r->ddl_sent += reply->ddl;
    r->passed_ddl = r->passed_ddl || (unit->flags & BS_FLAG_DDL) != 0;
    bs_effects_meaning(unit, &r->state);
}

/*
 * While a server copies in, it reads Sync and ignores it. Which Sync that is must be known, or the
 * answers would be booked on the wrong messages, and names with them. So what the client sends
 * behind a COPY waits until the server has said whether it copies.
 */
void
bs_asks_owe_copy(struct bs_relay *r, struct bs_reply *reply)
{
    reply->copies = true;
    r->copying++;
}

/* PREPARE makes a name that Bind and EXECUTE can use. Its body was judged with it. */
static void
owe_prepare(struct bs_relay *r, struct bs_reply *reply, const struct bs_verdict *v)
{
    struct bs_prepared *p;

    if (!bs_verdict_is_prepare(v))
        return;
    p = bs_prepared_new(bs_bytes_of(v->unit.stmts[0].label), v->text);
    p->prepared_in_sql = true;
    bs_replies_name(&r->replies, reply, p);
    r->preparing++;
}

static void
copy_name(char out[BS_SQL_NAME_MAX + 1], struct bs_bytes name)
{
    if (name.n != 0)
        memcpy(out, name.p, name.n);
    out[name.n] = '\0';
}

static struct bs_prepared *
new_statement(const struct bs_parse *parse)
{
    struct bs_prepared *p = bs_prepared_new(parse->name, parse->query);

    for (size_t i = 0; i < parse->types.n && i < BS_PREPARED_TYPES; i++)
        p->types[i] = bs_oids_at(&parse->types, i);
    return p;
}

/* Enters one message of a series that is about to be sent. Its form has been checked. `unit`: what
 * a Bind runs; NULL: what was judged with its name. */
static void
owe_message(struct bs_relay *r, const struct bs_frame *f, const struct bs_unit *unit)
{
    struct bs_err err = {0};
    struct bs_parse parse;
    struct bs_bind bind;
    struct bs_named named;
    struct bs_prepared *p;
    struct bs_reply *reply;
    bool unsure;

    r->series_open = true;
    switch (f->type) {
    case BS_FRONT_PARSE:
        reply = bs_replies_push(&r->replies, BS_REPLY_PARSE);
        if (bs_msg_read_parse(f->body, &parse, &err) == BS_DONE)
            bs_replies_name(&r->replies, reply, new_statement(&parse));
        break;
    case BS_FRONT_BIND:
        if (bs_msg_read_bind(f->body, &bind, &err) != BS_DONE)
            break;
        p = find_statement(r, bind.statement, &unsure);
        reply = bs_replies_push(&r->replies, BS_REPLY_BIND);
        copy_name(reply->name, bind.portal);
        if (unit == NULL && p != NULL)
            unit = &p->verdict.unit;
        if (unit != NULL) {
            owe_unit(r, reply, unit);
            r->copy_portals = r->copy_portals || (unit->flags & BS_FLAG_COPY_IN) != 0;
            r->series_wrote = r->series_wrote || unit->risk != BS_RISK_SAFE;
        }
        break;
    case BS_FRONT_DESCRIBE:
        (void)bs_replies_push(&r->replies, BS_REPLY_DESCRIBE);
        break;
    case BS_FRONT_EXECUTE:
        reply = bs_replies_push(&r->replies, BS_REPLY_EXECUTE);
        if (r->copy_portals)
            bs_asks_owe_copy(r, reply);
        break;
    case BS_FRONT_CLOSE:
        reply = bs_replies_push(&r->replies, BS_REPLY_CLOSE);
        if (bs_msg_read_target(f->body, &named, &err) == BS_DONE) {
            copy_name(reply->name, named.name);
            reply->name_kind = (char)named.kind;
        }
        break;
    case BS_FRONT_SYNC:
        (void)bs_replies_push(&r->replies, BS_REPLY_SYNC);
        r->series_open = r->series_wrote = false;
        break;
    default:
        break;
    }
}

void
bs_asks_forward(struct bs_relay *r, struct bs_bytes messages, const struct bs_gate *g)
{
    struct bs_bytes rest = messages;
    struct bs_err err = {0};
    size_t binds = 0;
    struct bs_frame f;

    while (bs_frame_next(&rest, BS_FRAME_MAX_BODY, &f, &err) == BS_SCAN_GOT) {
        const struct bs_unit *unit = NULL;
        if (g != NULL && f.type == BS_FRONT_BIND)
            unit = bs_gate_unit(g, binds++);
        if (f.type != BS_FRONT_QUERY)
            owe_message(r, &f, unit);
    }
    bs_relay_to_server(r, messages);
}

/* --- simple query ------------------------------------------------------------------------- */

/*
 * COMMIT or ROLLBACK, alone, of a transaction in which something gated has run. Such a COMMIT is
 * closed and audited first. What the status was when it arrived says nothing: ROLLBACK TO may be
 * on its way.
 */
static bool
ends_guarded(const struct bs_relay *r, const struct bs_unit *unit)
{
    return r->ledger != NULL && unit->n_stmts == 1 && !unit->stmts[0].chain &&
           (unit->stmts[0].control == BS_CONTROL_COMMIT ||
            unit->stmts[0].control == BS_CONTROL_PREPARE_TRANSACTION ||
            unit->stmts[0].control == BS_CONTROL_ROLLBACK);
}

/* Other ways to end such a transaction would pass the audit by, or hide that it has ended. */
static bool
evades_guard(const struct bs_relay *r, const struct bs_unit *unit)
{
    if (r->ledger == NULL || ends_guarded(r, unit))
        return false;
    for (size_t i = 0; i < unit->n_stmts; i++) {
        enum bs_control c = unit->stmts[i].control;
        if (c == BS_CONTROL_COMMIT || c == BS_CONTROL_ROLLBACK ||
            c == BS_CONTROL_PREPARE_TRANSACTION)
            return true;
    }
    return false;
}

static const char guard_message[] =
    "this transaction must be ended with a plain COMMIT or ROLLBACK, "
    "sent by itself";

/* The audit comes before it: a COMMIT while nothing is in flight, of what has not failed. */
static bool
needs_closing(const struct bs_relay *r, const struct bs_unit *unit)
{
    return ends_guarded(r, unit) && r->status == 'T' &&
           unit->stmts[0].control != BS_CONTROL_ROLLBACK;
}

/* What the transaction status adds to a verdict. */
static void
judge_status(struct bs_relay *r, struct bs_verdict *v)
{
    if (evades_guard(r, &v->unit))
        bs_verdict_refuse(v, BS_E_UNSUPPORTED, NULL, guard_message, NULL);
    if (v->way != BS_WAY_RUN && v->way != BS_WAY_HOLD)
        return;
    if (r->status == 'T' && (!v->plan.in_block || v->wrapped))
        bs_verdict_refuse(v, BS_E_UNSUPPORTED, NULL,
                          "this statement cannot run inside a transaction block", NULL);
    else if (!v->plan.in_block && v->way == BS_WAY_RUN)
        bs_verdict_refuse(v, BS_E_NO_POINT, NULL,
                          "no recovery point can be made for this statement, so it was not run",
                          NULL);
}

static void
forward_query(struct bs_relay *r, const struct bs_verdict *v, struct bs_bytes message)
{
    struct bs_reply *reply = bs_replies_push(&r->replies, BS_REPLY_QUERY);

    owe_unit(r, reply, &v->unit);
    owe_prepare(r, reply, v);
    if ((v->unit.flags & BS_FLAG_COPY_IN) != 0)
        bs_asks_owe_copy(r, reply);
    r->series_open = r->series_wrote = false;
    bs_relay_to_server(r, message);
}

/*
 * The gate judges the text once more, in an arena of its own that outlives the message. False where
 * the catalog has changed since a moment ago, so that all begins anew.
 */
static bool
gate_query(struct bs_relay *r, const struct bs_verdict *judged, struct bs_bytes message)
{
    struct bs_gate *g = bs_gate_new(r);
    struct bs_verdict *v = bs_arena_take(bs_gate_arena(g), sizeof(*v));
    char *text = bs_arena_copy(bs_gate_arena(g), judged->text);
    struct bs_err err = {0};

    if (v == NULL || text == NULL ||
        bs_gate_add(g, v, (struct bs_bytes){NULL, 0}, NULL, &err) != BS_DONE) {
        bs_gate_free(&g);
        poison_query(r,
                     bs_refusal_new("54000", "the statement is too large to be held", NULL, NULL));
        return true;
    }
    r->loaded = true; /* the same catalog as a moment ago */
    if (judge(r, (struct bs_bytes){(uint8_t *)text, judged->text.n}, bs_gate_arena(g), v) !=
            HEARD ||
        v->way != judged->way) {
        bs_gate_free(&g);
        (void)load_catalog(r);
        return false;
    }
    bs_gate_begin(r, g, message);
    return true;
}

static struct bs_refusal *
too_many(void)
{
    return bs_refusal_new("54000", "this session has too many prepared statements", NULL,
                          "Close those that are not needed any more.");
}

static bool
is_full_of_names(const struct bs_relay *r)
{
    return r->state.names.n + r->replies.naming >= STATEMENTS_MAX;
}

/* Takes a verdict as far as it goes now; false where it must wait. */
static bool
act_on_query(struct bs_relay *r, struct bs_verdict *v, struct bs_bytes message, size_t end)
{
    bool gated;

    if (bs_verdict_is_prepare(v) && (v->way == BS_WAY_RUN || v->way == BS_WAY_HOLD))
        v->way = BS_WAY_PASS; /* forwarded like Parse; what it names is gated where it is run */
    gated = v->way == BS_WAY_RUN || v->way == BS_WAY_HOLD;
    if ((gated || r->ledger != NULL) && r->series_open)
        return end_series_silently(r);
    if ((gated || r->ledger != NULL) && !bs_relay_quiet(r))
        return stall(r);
    if (gated && !r->loaded) { /* what will be locked and captured is looked up anew */
        (void)load_catalog(r);
        return false;
    }
    judge_status(r, v);
    if (!gated && !bs_note_judged(r, v)) {
        bs_session_fail(r->s, "58030", "the audit log cannot be written, so nothing is run");
        return false;
    }
    if (v->way == BS_WAY_REFUSE || (gated && r->status == 'E'))
        poison_query(r, refusal_of(r, v));
    else if (bs_verdict_is_prepare(v) && is_full_of_names(r))
        poison_query(r, too_many());
    else if (needs_closing(r, &v->unit))
        bs_gate_close_transaction(r, message);
    else if (v->way == BS_WAY_PASS)
        forward_query(r, v, message);
    else if (!gate_query(r, v, message))
        return false;
    if (bs_relay_over(r))
        return false;
    settle(r, end);
    return r->mode == BS_MODE_RELAY;
}

static bool
on_query(struct bs_relay *r, const struct bs_frame *f, size_t end)
{
    struct bs_verdict v = {0};
    struct bs_bytes text;
    struct bs_err err = {0};

    if (bs_msg_read_query(f->body, &text, &err) != BS_DONE) {
        bs_session_fail(r->s, "08P01", "invalid message format");
        return false;
    }
    bs_arena_reset(&r->s->message);
    switch (judge(r, text, &r->s->message, &v)) {
    case HEARD_NOT:
        return false;
    case HEARD_UNSURE:
        return wait_for_answers(r);
    case HEARD:
        break;
    }
    return act_on_query(r, &v, client_bytes(r, r->used, end), end);
}

/* FunctionCall runs any function by its number, without a text that could be judged. */
static bool
on_function_call(struct bs_relay *r, size_t end)
{
    if (!bs_relay_quiet(r) && !r->series_open) /* those of an open series may never come */
        return stall(r);
    poison_query(r, r->status == 'E'
                        ? bs_refusal_aborted()
                        : bs_refusal_new("0A000", "function calls by number are not supported",
                                         NULL, "Call the function in a SELECT instead."));
    if (bs_relay_over(r))
        return false;
    settle(r, end);
    return true;
}

/* --- extended query ----------------------------------------------------------------------- */

/* How a message of a series is dealt with. */
enum next {
    NEXT_STOP = 0, /* the session ended, or the catalog is being loaded */
    NEXT_SEND,
    NEXT_WAIT, /* for answers that decide what a name means */
    NEXT_GATE,
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
    judge_status(r, &v);
    if (v.way != BS_WAY_REFUSE && bs_verdict_is_prepare(&v))
        bs_verdict_refuse(&v, BS_E_UNSUPPORTED, NULL, "PREPARE is supported in a simple Query only",
                          "Send Parse, which does the same.");
    if (v.way != BS_WAY_REFUSE && bs_verdict_is_execute(&v)) /* a portal keeps only its name */
        bs_verdict_refuse(&v, BS_E_UNSUPPORTED, NULL, "EXECUTE is supported in a simple Query only",
                          "Send Bind, which does the same.");
    if ((v.way == BS_WAY_PASS || v.way == BS_WAY_REFUSE) && !bs_note_judged(r, &v)) {
        bs_session_fail(r->s, "58030", "the audit log cannot be written, so nothing is run");
        return NEXT_STOP;
    }
    if (v.way == BS_WAY_PASS && ends_guarded(r, &v.unit))
        return NEXT_GATE; /* looked at there, once nothing is in flight */
    if (v.way == BS_WAY_PASS)
        return NEXT_SEND;
    if (v.way == BS_WAY_REFUSE || r->status == 'E') {
        *refusal = refusal_of(r, &v);
        return NEXT_REFUSE;
    }
    return NEXT_GATE;
}

static enum next
look_at_bind(struct bs_relay *r, struct bs_bytes body, struct bs_refusal **refusal)
{
    struct bs_err err = {0};
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
    p = find_statement(r, bind.statement, &unsure);
    if (unsure)
        return NEXT_WAIT;
    if (p == NULL) {
        *refusal =
            bs_refusal_new("26000",
                           bind.statement.n == 0 ? "unnamed prepared statement does not exist"
                                                 : "prepared statement does not exist",
                           NULL, NULL);
        return NEXT_REFUSE;
    }
    switch (judge_prepared(r, p)) {
    case HEARD_NOT:
        return NEXT_STOP;
    case HEARD_UNSURE:
        return NEXT_WAIT;
    case HEARD:
        break;
    }
    return next_of(r, p->verdict, refusal);
}

/* A message of a series: legal? understood? allowed? */
static enum next
look_at(struct bs_relay *r, const struct bs_frame *f, struct bs_refusal **refusal)
{
    struct bs_err err = {0};
    struct bs_parse parse;
    struct bs_named named;
    struct bs_execute execute;
    enum bs_done done = BS_DONE;

    if (f->type == BS_FRONT_BIND)
        return look_at_bind(r, f->body, refusal);
    if (f->type == BS_FRONT_PARSE)
        done = bs_msg_read_parse(f->body, &parse, &err);
    else if (f->type == BS_FRONT_DESCRIBE || f->type == BS_FRONT_CLOSE)
        done = bs_msg_read_target(f->body, &named, &err);
    else if (f->type == BS_FRONT_EXECUTE)
        done = bs_msg_read_execute(f->body, &execute, &err);
    if (done == BS_DONE && f->type == BS_FRONT_PARSE && is_full_of_names(r)) {
        *refusal = too_many();
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

/* Judges one Bind of a gated series into the gate, whose arena outlives the series. */
static enum next
gate_bind(struct bs_relay *r,
          struct bs_gate *g,
          struct bs_prepared *p,
          struct bs_bytes body,
          struct bs_refusal **refusal)
{
    struct bs_verdict *v = bs_arena_take(bs_gate_arena(g), sizeof(*v));
    struct bs_err err = {0};
    enum next next;

    if (v == NULL || bs_gate_add(g, v, body, p, &err) != BS_DONE) {
        *refusal = bs_refusal_new("54000", "the series is too long to be held", NULL, NULL);
        return NEXT_REFUSE;
    }
    if (judge_named(r, p, bs_gate_arena(g), v) != HEARD)
        return NEXT_STOP;
    next = next_of(r, *v, refusal);
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
    struct bs_err err = {0};
    bool boundary = false;
    size_t binds = 0;
    struct bs_frame f;

    while (next == NEXT_GATE &&
           bs_frame_next(&series, BS_FRAME_MAX_BODY, &f, &err) == BS_SCAN_GOT) {
        struct bs_prepared *p = NULL;
        struct bs_parse parse;
        struct bs_bind bind;
        if (f.type == BS_FRONT_PARSE && bs_msg_read_parse(f.body, &parse, &err) == BS_DONE)
            bs_replies_name(&made, bs_replies_push(&made, BS_REPLY_PARSE), new_statement(&parse));
        if (f.type != BS_FRONT_BIND)
            continue;
        if (bs_msg_read_bind(f.body, &bind, &err) == BS_DONE &&
            bs_replies_pending(&made, bind.statement, &p) == BS_PENDING_NONE)
            p = bs_names_find(&r->state.names, bind.statement);
        if (p == NULL) {
            *refusal = bs_refusal_new("26000", "prepared statement does not exist", NULL, NULL);
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
    poison_series(r, refusal);
    if (bs_relay_over(r))
        return false;
    bs_asks_forward(r, client_bytes(r, last, end), NULL);
    if (bs_relay_over(r))
        return false;
    settle(r, end);
    return true;
}

/* The series is one Bind, and runs it: nothing of it is left for later. */
static bool
runs_one(struct bs_bytes series)
{
    struct bs_execute execute = {0};
    struct bs_bind bind = {0};
    struct bs_err err = {0};
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
        (void)refuse_series(r, bs_refusal_new("0A000", guard_message, NULL, NULL), last, end);
    else if (needs_closing(r, unit))
        bs_gate_close_transaction(r, series);
    else
        bs_asks_forward(r, series, NULL);
}

/* The series is at a gated Bind: [used, end), whose last message begins at `last`. */
static bool
enter_gate(struct bs_relay *r, size_t last, size_t end)
{
    struct bs_bytes series = client_bytes(r, r->used, end);
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
        return end_series_silently(r);
    if (!bs_relay_quiet(r))
        return stall(r);
    if (!r->loaded) { /* what will be locked and captured is looked up anew */
        (void)load_catalog(r);
        return false;
    }
    g = bs_gate_new(r);
    next = gate_series(r, g, series, &refusal);
    if (next == NEXT_GATE && ends_guarded(r, &bs_gate_first(g)->unit)) {
        end_guarded(r, &bs_gate_first(g)->unit, series, last);
        bs_gate_free(&g);
    } else if (next == NEXT_GATE) {
        bs_gate_begin(r, g, series);
    } else {
        bs_gate_free(&g);
        if (next == NEXT_REFUSE)
            return refuse_series(r, refusal, last, end);
        return false;
    }
    if (bs_relay_over(r))
        return false;
    settle(r, end);
    return r->mode == BS_MODE_RELAY;
}

/* Sends the messages [used, to) that have been entered one by one. */
static bool
send_looked_at(struct bs_relay *r, size_t to)
{
    bs_relay_to_server(r, client_bytes(r, r->used, to));
    if (bs_relay_over(r))
        return false;
    settle(r, to);
    return true;
}

/* The open batch [used, end) is looked at, message by message; its last one begins at `last`. */
static bool
on_series(struct bs_relay *r, size_t last, size_t end)
{
    size_t at = r->used;

    while (at < end) {
        struct bs_bytes rest = client_bytes(r, at, end);
        struct bs_refusal *refusal = NULL;
        struct bs_err err = {0};
        struct bs_frame f = {0};
        bs_assert(bs_frame_next(&rest, BS_FRAME_MAX_BODY, &f, &err) == BS_SCAN_GOT);
        enum next next = look_at(r, &f, &refusal);
        if (next != NEXT_SEND) {
            bool loaded = r->loaded;
            if (bs_relay_over(r) || (at != r->used && !send_looked_at(r, at))) {
                bs_refusal_free(&refusal);
                return false;
            }
            r->loaded = loaded;
            if (next == NEXT_WAIT)
                return wait_for_answers(r);
            if (next == NEXT_REFUSE)
                return refuse_series(r, refusal, last, end);
            if (next == NEXT_GATE)
                return enter_gate(r, last, end);
            r->stalled = true;
            return false;
        }
        owe_message(r, &f, NULL);
        at = end - rest.n;
        if (r->copying != 0)
            return send_looked_at(r, at) && wait_for_copy(r);
    }
    return send_looked_at(r, end);
}

/* --- one message -------------------------------------------------------------------------- */

/* The next n bytes of the client are done with; `ahead` goes to the server before them. Where the
 * server does not copy, it would ignore them, so they are not sent at all. */
static bool
pass_copy_data(struct bs_relay *r, const struct bs_buf *ahead, size_t skip, size_t n)
{
    if (r->copy_in && n != 0) {
        bs_relay_to_server(r, bs_buf_view(ahead));
        bs_relay_to_server(r, client_bytes(r, r->used + skip, r->used + skip + n));
    }
    if (bs_relay_over(r))
        return false;
    r->used += skip + n;
    r->at = r->used;
    return true;
}

/*
 * A piece of a CopyData. It goes on as a message of its own, since the server does not care how
 * the data are cut: so at any moment what the server has are whole messages, and what we send it
 * cannot become the rest of one, whenever it gives the COPY up.
 */
static bool
stream_copy_piece(struct bs_relay *r, size_t skip, size_t n)
{
    struct bs_buf head;
    bool go_on;

    bs_buf_init(&head, 16);
    bs_put_u8(&head, BS_FRONT_COPY_DATA);
    bs_put_u32(&head, (uint32_t)n + 4);
    go_on = pass_copy_data(r, &head, skip, n);
    bs_buf_fini(&head);
    return go_on;
}

/* The rest of a CopyData that has begun: as much of it goes on as is there. */
static bool
stream_copy_rest(struct bs_relay *r, size_t have)
{
    size_t n = have < r->skip_client ? have : (size_t)r->skip_client;

    r->skip_client -= n;
    return stream_copy_piece(r, 0, n);
}

/* CopyData is never assembled. All whole ones that are there go on at once. */
static bool
stream_copy(struct bs_relay *r, struct bs_bytes rest)
{
    const struct bs_buf nothing = {0};
    struct bs_bytes in = rest;
    struct bs_err err = {0};
    struct bs_frame f;
    uint32_t body = 0;
    uint8_t type;

    while (in.n != 0 && in.p[0] == BS_FRONT_COPY_DATA &&
           bs_frame_next(&in, BS_FRAME_MAX_BODY, &f, &err) == BS_SCAN_GOT)
        continue;
    if (in.n != rest.n)
        return pass_copy_data(r, &nothing, 0, rest.n - in.n);
    if (bs_frame_peek(rest, &type, &body, &err) != BS_SCAN_GOT)
        return false;
    r->skip_client = body - (rest.n - BS_FRAME_HEAD);
    return stream_copy_piece(r, BS_FRAME_HEAD, rest.n - BS_FRAME_HEAD);
}

/* A message that is as good as not sent. */
static bool
drop(struct bs_relay *r, size_t end)
{
    settle(r, end);
    return true;
}

static bool
forward_alone(struct bs_relay *r, size_t end)
{
    bs_relay_to_server(r, client_bytes(r, r->used, end));
    if (bs_relay_over(r))
        return false;
    settle(r, end);
    return true;
}

/* An Execute copies once; a Query may copy again. Outside a COPY the server ignores it. */
static bool
end_copy(struct bs_relay *r, size_t end)
{
    struct bs_reply *head = bs_replies_head(&r->replies);

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
    return on_series(r, r->at, end);
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
        return on_query(r, f, end);
    case BS_FRONT_PARSE:
    case BS_FRONT_BIND:
    case BS_FRONT_DESCRIBE:
    case BS_FRONT_EXECUTE:
    case BS_FRONT_CLOSE:
        r->at = end;
        r->collected++;
        return (end - r->used < SERIES_MAX && r->collected < SERIES_MESSAGES) ||
               on_series(r, end, end);
    case BS_FRONT_SYNC:
    case BS_FRONT_FLUSH:
        return on_series(r, last, end);
    case BS_FRONT_COPY_DONE:
    case BS_FRONT_COPY_FAIL:
        return end_copy(r, end);
    case BS_FRONT_FUNCTION_CALL:
        return on_function_call(r, end);
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
    return on_series(r, r->at, r->at);
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
    if (r->mode != BS_MODE_RELAY || !r->stalled)
        return false;
    return bs_relay_quiet(r) || r->copy_in || r->series_failed ||
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

/* Takes one step through client.in; false where nothing more can be done now. */
static bool
step(struct bs_relay *r)
{
    struct bs_bytes rest = client_bytes(r, r->at, r->s->client.in.n);
    struct bs_front_head head = {0};
    struct bs_err err = {0};
    size_t whole;

    if (rest.n == 0 || (r->mode != BS_MODE_RELAY && r->mode != BS_MODE_GATE))
        return false;
    if (r->skip_client != 0)
        return stream_copy_rest(r, rest.n);
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
        return stall(r);
    }
    if (!may_step(r, head.type))
        return stall(r);
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
