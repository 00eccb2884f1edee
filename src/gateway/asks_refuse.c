/*
 * asks_refuse.c - refusing what the client has sent: the server itself fails it, so that it does
 * rollback, status E and skip-to-Sync (PROTECT 13).
 */
#include "gateway/asking.h"
#include "gateway/judge.h"
#include "gateway/paused.h"
#include "wire/front.h"
#include "wire/messages.h"

struct bs_refusal *
bs_ask_refusal_of(const struct bs_relay *r, const struct bs_verdict *v)
{
    const char *sqlstate = v->sqlstate != NULL ? v->sqlstate : bs_code_get(v->code)->sqlstate;
    struct bs_refusal *refusal;

    if (r->status == 'E')
        return bs_refusal_aborted();
    if (v->code == BS_E_PAUSED)
        return bs_paused_refusal(bs_paused_leave(r->s));
    refusal = bs_refusal_new(sqlstate, v->message,
                             v->code == BS_E_BLOCKED ? BS_BLOCKED_DETAIL : NULL, v->hint);
    refusal->position = v->unit.parsed ? 0 : v->unit.error_at;
    return refusal;
}

void
bs_ask_poison_query(struct bs_relay *r, struct bs_refusal *refusal)
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

void
bs_ask_poison_series(struct bs_relay *r, struct bs_refusal *refusal)
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
        bs_ask_poison_query(r, refusal);
        return;
    }
    bs_ask_poison_series(r, refusal);
    if (bs_relay_over(r))
        return;
    bs_buf_init(&sync, 16);
    bs_msg_put_sync(&sync);
    bs_replies_push(&r->replies, BS_REPLY_SYNC);
    r->series_open = r->series_wrote = r->series_bound = false;
    bs_relay_to_server(r, bs_buf_view(&sync));
    bs_buf_fini(&sync);
}
