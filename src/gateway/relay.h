/*
 * relay.h - what happens between the first ReadyForQuery and the end of a session.
 *
 * The session calls these; bytes wait in the links' `in` buffers, answers are put in their `out`
 * (or sent with bs_link_send). After each call the session flushes both links and arms them, so
 * the functions need not. Each may call bs_session_fail or bs_session_close.
 *
 * Layer  gateway. On the session's worker thread, never after bs_relay_free.
 * Owns   s->relay, from bs_relay_start to bs_relay_free.
 */
#ifndef BS_GATEWAY_RELAY_H
#define BS_GATEWAY_RELAY_H

#include "gateway/session.h"

/* Both sides are authenticated and idle; the client has been told ReadyForQuery 'I'. */
void bs_relay_start(struct bs_session *s);
/* s->client.in has new bytes. */
void bs_relay_on_client(struct bs_session *s);
/* s->server.in has new bytes. */
void bs_relay_on_server(struct bs_session *s);
/*
 * Stops or goes on reading each side by what waits for the other. For after a flush: a side that is
 * stopped for bytes the socket then takes at once would never be told that there is room again.
 */
void bs_relay_balance(struct bs_session *s);
/*
 * The client hung up or its connection broke. Bytes it sent before are still in s->client.in
 * (where reading was paused, some may not have been read). The relay decides when to close.
 */
void bs_relay_on_client_gone(struct bs_session *s);
/* The same for the server. */
void bs_relay_on_server_gone(struct bs_session *s);
/* A CancelRequest with this session's secret arrived. */
void bs_relay_on_cancel(struct bs_session *s);
/* The time set by bs_session_set_timer has passed. */
void bs_relay_on_timer(struct bs_session *s);
/* The gateway stops: what the server or the gate runs is finished, then bs_session_fail(57P01). */
void bs_relay_on_deadline(struct bs_session *s);
void bs_relay_on_shutdown(struct bs_session *s);
/* session.h: `ended` was set. What runs is cancelled; only a COMMIT of ours is waited for. */
void bs_relay_on_ended(struct bs_session *s);
/* Whoever is paused or quarantined: what waits is refused, and where the pause says so what runs is
 * ended with its session. */
void bs_relay_on_paused(struct bs_session *s);
void bs_relay_on_outdated(struct bs_session *s); /* session.h: `outdated` was set */
/*
 * What was read of the server goes on to the client. True where that ends in the middle of a message
 * (rows and COPY data are not assembled): another one behind it would be taken for its rest.
 */
bool bs_relay_midway(struct bs_session *s);
/* The session is closing: give back s->relay. Called once; jobs may still be out. */
void bs_relay_free(struct bs_session *s);

#endif
