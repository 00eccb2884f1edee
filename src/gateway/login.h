/*
 * login.h - the client's side of the start: encryption, start-up packet, SCRAM, and whether this
 * actor may use that database.
 *
 * Layer  gateway. On the session's worker thread.
 * Spec   PostgreSQL manual, protocol-flow.html#PROTOCOL-FLOW-START-UP and sasl-authentication.html.
 * Owns   s->login, from bs_login_begin to bs_login_free.
 */
#ifndef BS_GATEWAY_LOGIN_H
#define BS_GATEWAY_LOGIN_H

#include "gateway/session.h"

/* The clients of a worker that have not proven anything yet. */
struct bs_logins {
    struct bs_session *oldest, *newest;
    unsigned n;
};

/* A socket was accepted: wait for the first packet, with a deadline. Where too many wait already,
 * the oldest of them is sent away. */
void bs_login_begin(struct bs_session *s);
/* s->client.in has new bytes. */
void bs_login_on_client(struct bs_session *s);
/* The deadline has passed. */
void bs_login_on_timer(struct bs_session *s);
/* Gives back s->login and wipes what it held; accepts NULL there. */
void bs_login_free(struct bs_session *s);

#endif
