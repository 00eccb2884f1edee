/*
 * relay.c - bytes pass both ways as they come.
 */
#include "gateway/relay.h"

#include "gateway/cancel.h"

#define FULL ((size_t)256 * 1024)

/* Moves all there is; stops reading a side while the other does not take it. */
static void
pass(struct bs_session *s, struct bs_link *from, struct bs_link *to)
{
    struct bs_err err = {0};

    if (bs_link_send(to, bs_buf_view(&from->in), &err) == BS_FAILED) {
        bs_session_close(s);
        return;
    }
    bs_buf_clear(&from->in);
    if (bs_link_pending(to) > FULL)
        bs_link_pause(from);
}

void
bs_relay_start(struct bs_session *s)
{
    (void)s;
}

void
bs_relay_on_client(struct bs_session *s)
{
    pass(s, &s->client, &s->server);
}

void
bs_relay_on_server(struct bs_session *s)
{
    pass(s, &s->server, &s->client);
}

void
bs_relay_on_room(struct bs_session *s)
{
    if (bs_link_pending(&s->server) <= FULL)
        bs_link_resume(&s->client);
    if (bs_link_pending(&s->client) <= FULL)
        bs_link_resume(&s->server);
}

void
bs_relay_on_client_gone(struct bs_session *s)
{
    bs_session_close(s);
}

void
bs_relay_on_server_gone(struct bs_session *s)
{
    bs_session_close(s);
}

void
bs_relay_on_cancel(struct bs_session *s)
{
    bs_cancel_upstream(s);
}

void
bs_relay_on_timer(struct bs_session *s)
{
    (void)s;
}

void
bs_relay_on_shutdown(struct bs_session *s)
{
    bs_session_fail(s, "57P01", "terminating connection due to administrator command");
}

void
bs_relay_free(struct bs_session *s)
{
    s->relay = NULL;
}
