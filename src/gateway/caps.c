/*
 * caps.c - for each row one number is counted down; which counters it belongs to is looked up once
 * a statement.
 */
#include "gateway/caps.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "gateway/cancel.h"
#include "gateway/gate.h"
#include "gateway/gateway.h"
#include "gateway/note.h"
#include "gateway/reload.h"
#include "gateway/running.h"
#include "wire/messages.h"

/* One statement. */
struct cap {
    int64_t most;
    bool fetches;  /* rows of `cursor` */
    bool declares; /* `cursor`, whose rows are counted from now on */
    bool header;   /* a COPY whose first line is no row */
    char cursor[BS_SQL_NAME_MAX + 1];
};

struct bs_caps {
    size_t n;
    struct cap list[];
};

void
bs_caps_free(struct bs_caps **c)
{
    free(*c);
    *c = NULL;
}

/* What surely has no rows need not be counted, so that pipelines of it are not slowed down. */
static bool
has_no_rows(const struct bs_stmt *s)
{
    switch (s->control) {
    case BS_CONTROL_BEGIN:
    case BS_CONTROL_COMMIT:
    case BS_CONTROL_ROLLBACK:
    case BS_CONTROL_SAVEPOINT:
    case BS_CONTROL_RELEASE:
    case BS_CONTROL_ROLLBACK_TO:
    case BS_CONTROL_PREPARE:
    case BS_CONTROL_DEALLOCATE:
    case BS_CONTROL_CLOSE:
        return true;
    case BS_CONTROL_NONE:
        return (s->kind == BS_KIND_INSERT || s->kind == BS_KIND_UPDATE ||
                s->kind == BS_KIND_DELETE || s->kind == BS_KIND_COPY_FROM_STDIN) &&
               (s->flags & BS_FLAG_RETURNING) == 0;
    case BS_CONTROL_PREPARE_TRANSACTION:
    case BS_CONTROL_COMMIT_PREPARED:
    case BS_CONTROL_ROLLBACK_PREPARED:
    case BS_CONTROL_EXECUTE:
    case BS_CONTROL_DECLARE:
    case BS_CONTROL_FETCH:
    case BS_CONTROL_SET: /* set_config has a row */
        break;
    }
    return false;
}

static bool
may_have_rows(const struct bs_unit *u)
{
    for (size_t i = 0; i < u->n_stmts; i++) {
        if (!has_no_rows(&u->stmts[i]))
            return true;
    }
    return false;
}

/* NULL where the policy has no cap for it. */
static struct bs_caps *
caps_of(struct bs_relay *r, const struct bs_verdict *v)
{
    const struct bs_unit *u = &v->unit;
    struct bs_caps *c;

    if (v->decision.result_rows <= 0 || !may_have_rows(u))
        return NULL;
    c = bs_malloc(sizeof(*c) + u->n_stmts * sizeof(c->list[0]));
    c->n = u->n_stmts;
    for (size_t i = 0; i < c->n; i++) {
        const struct bs_stmt *s = &u->stmts[i];
        struct cap *one = &c->list[i];
        one->most = v->decision.result_rows;
        one->header = (s->flags & BS_FLAG_COPY_HEADER) != 0;
        one->fetches = s->control == BS_CONTROL_FETCH && s->label != NULL;
        one->declares = s->control == BS_CONTROL_DECLARE && s->label != NULL;
        if (one->fetches || one->declares)
            (void)snprintf(one->cursor, sizeof(one->cursor), "%s", s->label);
    }
    r->capped.on = true;
    return c;
}

static void
owe(struct bs_relay *r, struct bs_reply *reply, bool cut_short)
{
    reply->counted = true;
    reply->cut_short = cut_short;
    r->capped.owed++;
}

/* When it has failed for the client, nothing of it may have taken effect on the server. */
static bool
takes_effect(const struct bs_unit *u)
{
    for (size_t i = 0; i < u->n_stmts; i++) {
        enum bs_control c = u->stmts[i].control;
        if (c == BS_CONTROL_COMMIT || c == BS_CONTROL_ROLLBACK ||
            c == BS_CONTROL_PREPARE_TRANSACTION)
            return true;
    }
    return u->risk != BS_RISK_SAFE;
}

void
bs_caps_owe_query(struct bs_relay *r, struct bs_reply *reply, const struct bs_verdict *v, bool gate)
{
    reply->caps = caps_of(r, v);
    if (reply->caps != NULL)
        owe(r, reply, !gate && takes_effect(&v->unit));
}

void
bs_caps_owe_bind(struct bs_relay *r, struct bs_reply *reply, const struct bs_verdict *v)
{
    reply->caps = caps_of(r, v);
}

/* By its Bind, if that has not been answered yet; one that nobody knows is. */
static bool
is_capped(struct bs_relay *r, const struct bs_reply *execute, struct bs_bytes portal)
{
    const struct bs_cursor_rows *c;

    for (size_t i = r->replies.n; i-- > 0;) {
        const struct bs_reply *e = bs_replies_at(&r->replies, i);
        if (e != execute && e->kind == BS_REPLY_BIND &&
            bs_bytes_equal(bs_bytes_of(e->name), portal))
            return e->caps != NULL;
    }
    c = bs_cursors_rows(&r->state.names, portal);
    return c == NULL || c->most != 0 || c->from[0] != '\0';
}

void
bs_caps_owe_execute(struct bs_relay *r, struct bs_reply *reply, struct bs_bytes portal, bool wrote)
{
    if (!r->capped.on || portal.n > BS_SQL_NAME_MAX || !is_capped(r, reply, portal))
        return;
    if (portal.n != 0)
        memcpy(reply->name, portal.p, portal.n);
    reply->name[portal.n] = '\0';
    owe(r, reply, r->mode != BS_MODE_GATE && wrote);
}

bool
bs_caps_hold(const struct bs_relay *r)
{
    return r->capped.owed != 0 || r->capped.cancels != 0 || r->capped.cut != BS_CUT_NONE;
}

/* --- counting ----------------------------------------------------------------------------- */

static void
lower(struct bs_capped *c, int64_t most, int64_t rows)
{
    int64_t left = rows >= most ? 0 : most - rows;

    if (most == 0 || (c->most != 0 && left >= c->left))
        return;
    c->most = most;
    c->left = left;
}

/* What a portal may still send: its own, and that of the cursor which it fetches from. */
static void
look_at_cursor(struct bs_relay *r, const char *name)
{
    const struct bs_cursor_rows *c = bs_cursors_rows(&r->state.names, bs_bytes_of(name));
    const struct bs_cursor_rows *from;

    if (c == NULL) { /* one too many to be remembered: what counts for all counts */
        lower(&r->capped, bs_gateway_policy(r->s->gateway)->result_rows, 0);
        return;
    }
    lower(&r->capped, c->most, c->rows);
    r->capped.more += c->header;
    from = c->from[0] == '\0' ? NULL : bs_cursors_rows(&r->state.names, bs_bytes_of(c->from));
    if (from != NULL)
        lower(&r->capped, from->most, from->rows);
}

static const struct cap *
cap_now(const struct bs_relay *r, const struct bs_reply *reply)
{
    return reply->caps != NULL && r->capped.at < reply->caps->n ? &reply->caps->list[r->capped.at]
                                                                : NULL;
}

/* The first row of a statement. */
static void
begin(struct bs_relay *r, const struct bs_reply *reply)
{
    const struct cap *cap;

    r->capped.known = true;
    r->capped.most = 0;
    r->capped.seen = 0;
    if (reply->kind == BS_REPLY_EXECUTE) {
        look_at_cursor(r, reply->name);
        return;
    }
    cap = cap_now(r, reply);
    if (cap == NULL)
        return;
    lower(&r->capped, cap->most, 0);
    r->capped.more += cap->header;
    if (cap->fetches)
        look_at_cursor(r, cap->cursor);
}

static void
note_cut(struct bs_relay *r)
{
    struct bs_audit_record record = {.kind = BS_AUDIT_OUTCOME, .sqlstate = "54000"};
    struct bs_err err = {0};
    char text[96];

    (void)snprintf(text, sizeof(text), "the result had more than %" PRId64 " rows", r->capped.most);
    bs_note_who(&record, r->s);
    record.outcome = r->capped.cut == BS_CUT_SHORT ? "cut short" : "cancelled";
    record.text = text;
    if (bs_audit_enqueue(r->s->gateway->audit, &record, &err) != BS_DONE)
        BS_LOG(ERROR, "audit refused a record", BS_F_STR("reason", err.message));
}

/* The signal is with the server: what it answers next is no answer to anything newer. */
static void
on_delivered(struct bs_relay *r, void *arg)
{
    (void)arg;
    r->capped.cancels--;
    bs_answers_pump(r);
}

static void
cut(struct bs_relay *r, const struct bs_reply *reply)
{
    r->capped.cut = reply->cut_short ? BS_CUT_SHORT : BS_CUT_FAILED;
    note_cut(r);
    if (r->capped.cut == BS_CUT_SHORT)
        return;
    if (r->mode == BS_MODE_GATE)
        bs_gate_cut(r, bs_caps_refusal(r));
    r->capped.cancels += bs_cancel_upstream_then(r->s, on_delivered);
}

void
bs_caps_row(struct bs_relay *r, uint8_t type)
{
    struct bs_capped *c = &r->capped;
    const struct bs_reply *reply = bs_replies_head(&r->replies);

    if (c->cut != BS_CUT_NONE || reply == NULL || !reply->counted)
        return;
    if (!c->known)
        begin(r, reply);
    if (c->most == 0)
        return;
    if (type == 'd' && c->more != 0) {
        c->more--;
        return;
    }
    if (c->left == 0) {
        cut(r, reply);
        return;
    }
    c->left--;
    c->seen++;
}

void
bs_caps_binary(struct bs_relay *r)
{
    r->capped.more++; /* the trailer */
}

static void
declare(struct bs_relay *r, const struct cap *cap)
{
    struct bs_cursor_rows *c = bs_cursors_rows(&r->state.names, bs_bytes_of(cap->cursor));

    if (c != NULL)
        c->most = cap->most;
}

void
bs_caps_bound(struct bs_relay *r, const struct bs_reply *reply)
{
    const struct cap *cap = reply->caps == NULL ? NULL : &reply->caps->list[0];

    if (cap != NULL && cap->declares)
        declare(r, cap);
    if (cap != NULL)
        bs_cursors_cap(&r->state.names, bs_bytes_of(reply->name),
                       &(struct bs_cursor_rows){.most = cap->most, .header = cap->header},
                       cap->fetches ? cap->cursor : "");
}

static void
add_rows(struct bs_relay *r, const char *name)
{
    struct bs_cursor_rows *c = bs_cursors_rows(&r->state.names, bs_bytes_of(name));
    struct bs_cursor_rows *from;

    if (c == NULL)
        return;
    c->rows += (int64_t)r->capped.seen;
    c->header = false;
    from = c->from[0] == '\0' ? NULL : bs_cursors_rows(&r->state.names, bs_bytes_of(c->from));
    if (from != NULL)
        from->rows += (int64_t)r->capped.seen;
}

void
bs_caps_complete(struct bs_relay *r, const struct bs_reply *reply)
{
    const struct cap *cap = cap_now(r, reply);

    if (reply->counted && reply->kind == BS_REPLY_EXECUTE)
        add_rows(r, reply->name);
    else if (cap != NULL && cap->fetches)
        add_rows(r, cap->cursor);
    r->capped.known = false;
    r->capped.seen = 0;
    r->capped.more = 0;
}

void
bs_caps_declared(struct bs_relay *r, const struct bs_reply *reply)
{
    const struct cap *cap = cap_now(r, reply);

    if (cap != NULL && cap->declares)
        declare(r, cap);
    r->capped.at++;
}

void
bs_caps_settled(struct bs_relay *r, const struct bs_reply *reply)
{
    r->capped.owed -= reply->counted;
    r->capped.at = 0;
    r->capped.known = false;
    r->capped.more = 0;
}

/* --- what the client is told -------------------------------------------------------------- */

struct bs_refusal *
bs_caps_refusal(const struct bs_relay *r)
{
    char message[96];

    (void)snprintf(message, sizeof(message), "the result has more than %" PRId64 " rows",
                   r->capped.most);
    return bs_refusal_new("54000", message, NULL, "Ask for fewer rows, or for a count of them.");
}

void
bs_caps_warn(struct bs_relay *r)
{
    char message[128];
    struct bs_buf b;

    (void)snprintf(message, sizeof(message),
                   "the result has more than %" PRId64 " rows: the others are not shown",
                   r->capped.most);
    bs_buf_init(&b, 1024);
    bs_msg_put_notice(&b, &(struct bs_report){"WARNING", "54000", message, NULL, NULL});
    bs_relay_to_client(r, bs_buf_view(&b));
    bs_buf_fini(&b);
}
