/*
 * asks_owe.c - booking what the server will answer, message by message.
 */
#include <string.h>

#include "gateway/asking.h"
#include "gateway/door.h"
#include "gateway/gate.h"
#include "gateway/judge.h"
#include "wire/front.h"
#include "wire/messages.h"

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

/* Rows that are there may be other ones, or gone. */
static bool
may_overwrite(const struct bs_unit *unit)
{
    for (size_t i = 0; i < unit->n_stmts; i++) {
        enum bs_point point = unit->stmts[i].point;
        if (point == BS_POINT_UNKNOWN || point > BS_POINT_STATE)
            return true;
    }
    return false;
}

void
bs_ask_owe_unit(struct bs_relay *r, struct bs_reply *reply, const struct bs_unit *unit)
{
    reply->dirty = !is_bare(unit);
    reply->ddl = (unit->flags & (BS_FLAG_DDL | BS_FLAG_VOLATILE | BS_FLAG_DYNAMIC_SQL)) != 0;
    reply->effects = bs_effects_of(unit);
    r->ddl_sent += reply->ddl;
    r->wrote = r->wrote || unit->risk != BS_RISK_SAFE;
    r->passed_ddl = r->passed_ddl || (unit->flags & BS_FLAG_DDL) != 0;
    r->overwrote = r->overwrote || (r->mode == BS_MODE_RELAY && may_overwrite(unit));
    for (size_t i = 0; i < unit->n_stmts; i++)
        r->set_in_block = r->set_in_block || unit->stmts[i].control == BS_CONTROL_SET;
    r->has_set = r->has_set || r->set_in_block;
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

void
bs_ask_owe_prepare(struct bs_relay *r, struct bs_reply *reply, const struct bs_verdict *v)
{
    const struct bs_unit *unit = &v->unit;
    bool alone = unit->n_stmts == 1;
    char query[BS_SHA256_TEXT] = "";

    for (size_t i = 0; v->executed.p == NULL && i < unit->n_stmts; i++) {
        const struct bs_stmt *s = &unit->stmts[i];
        struct bs_bytes own = {v->text.p + s->from, s->to - s->from};
        struct bs_prepared *p;
        if (s->control != BS_CONTROL_PREPARE)
            continue;
        if (!alone && query[0] == '\0')
            bs_sha256_text((const char *)v->text.p, query); /* a NUL ends each text */
        p = bs_prepared_new(bs_bytes_of(s->label), alone ? v->text : own);
        p->prepared_in_sql = true;
        p->at = i;
        memcpy(p->query, query, sizeof(p->query));
        r->preparing += reply->prepared == NULL;
        bs_replies_name(&r->replies, reply, p);
    }
}

static bool
is_savepoint(const struct bs_unit *unit)
{
    enum bs_control c = unit->n_stmts == 1 ? unit->stmts[0].control : BS_CONTROL_NONE;

    return c == BS_CONTROL_SAVEPOINT || c == BS_CONTROL_RELEASE || c == BS_CONTROL_ROLLBACK_TO;
}

/* What a Bind will have done. Savepoints are done by its Execute, which is the next to be owed. */
static void
owe_bound(struct bs_relay *r, struct bs_reply *reply, const struct bs_unit *unit)
{
    bs_ask_owe_unit(r, reply, unit);
    r->copy_portals = r->copy_portals || (unit->flags & BS_FLAG_COPY_IN) != 0;
    r->series_wrote = r->series_wrote || unit->risk != BS_RISK_SAFE;
    bs_effects_free(&r->run_next);
    if (!is_savepoint(unit))
        return;
    r->run_next = reply->effects;
    reply->effects = NULL;
}

static void
copy_name(char out[BS_SQL_NAME_MAX + 1], struct bs_bytes name)
{
    if (name.n != 0)
        memcpy(out, name.p, name.n);
    out[name.n] = '\0';
}

struct bs_prepared *
bs_ask_new_statement(const struct bs_parse *parse)
{
    struct bs_prepared *p = bs_prepared_new(parse->name, parse->query);

    for (size_t i = 0; i < parse->types.n; i++) {
        uint32_t type = bs_oids_at(&parse->types, i);
        if (i < BS_PREPARED_TYPES)
            p->types[i] = type;
        else
            p->more_types = p->more_types || type >= BS_FIRST_OWN_TYPE;
    }
    bs_door_note_covered(p, parse);
    return p;
}

void
bs_ask_owe(struct bs_relay *r, const struct bs_frame *f, const struct bs_verdict *v)
{
    BS_FRESH_ERR(err);
    struct bs_parse parse;
    struct bs_bind bind;
    struct bs_named named;
    struct bs_execute run;
    struct bs_prepared *p;
    struct bs_reply *reply;
    bool unsure;

    if (!r->series_open)
        r->copied_into_pause = false;
    r->series_open = true;
    switch (f->type) {
    case BS_FRONT_PARSE:
        reply = bs_replies_push(&r->replies, BS_REPLY_PARSE);
        if (bs_msg_read_parse(f->body, &parse, &err) == BS_DONE)
            bs_replies_name(&r->replies, reply, bs_ask_new_statement(&parse));
        break;
    case BS_FRONT_BIND:
        if (bs_msg_read_bind(f->body, &bind, &err) != BS_DONE)
            break;
        p = bs_ask_find(r, bind.statement, &unsure);
        r->series_bound = true;
        reply = bs_replies_push(&r->replies, BS_REPLY_BIND);
        copy_name(reply->name, bind.portal);
        if (v == NULL && p != NULL)
            v = &p->verdict;
        if (v == NULL)
            break;
        owe_bound(r, reply, &v->unit);
        bs_caps_owe_bind(r, reply, v);
        break;
    case BS_FRONT_DESCRIBE:
        (void)bs_replies_push(&r->replies, BS_REPLY_DESCRIBE);
        break;
    case BS_FRONT_EXECUTE:
        reply = bs_replies_push(&r->replies, BS_REPLY_EXECUTE);
        reply->effects = r->run_next;
        r->run_next = NULL;
        if (r->copy_portals)
            bs_asks_owe_copy(r, reply);
        if (bs_msg_read_execute(f->body, &run, &err) == BS_DONE)
            bs_caps_owe_execute(r, reply, run.portal, r->series_wrote);
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
        r->series_open = r->series_wrote = r->series_bound = false;
        break;
    default:
        break;
    }
}

void
bs_asks_forward(struct bs_relay *r, struct bs_bytes messages, const struct bs_gate *g)
{
    struct bs_bytes rest = messages;
    BS_FRESH_ERR(err);
    size_t binds = 0;
    struct bs_frame f;

    while (bs_frame_next(&rest, BS_FRAME_MAX_BODY, &f, &err) == BS_SCAN_GOT) {
        const struct bs_verdict *v = NULL;
        if (g != NULL && f.type == BS_FRONT_BIND)
            v = bs_gate_verdict(g, binds++);
        if (f.type != BS_FRONT_QUERY)
            bs_ask_owe(r, &f, v);
    }
    bs_relay_to_server(r, messages);
}
