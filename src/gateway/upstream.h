/*
 * upstream.h - the server's side of the start: conninfo, address, TLS, start-up packet with the
 * pinned settings, and whatever authentication the server asks for.
 *
 * Layer  gateway. On the session's worker thread; names are looked up on a job thread.
 * Spec   PostgreSQL manual, libpq-connect.html, libpq-pgpass.html and
 *        protocol-flow.html#PROTOCOL-FLOW-START-UP.
 * Owns   s->upstream, from bs_upstream_begin to bs_upstream_free.
 */
#ifndef BS_GATEWAY_UPSTREAM_H
#define BS_GATEWAY_UPSTREAM_H

#include "gateway/session.h"
#include "wire/startup.h"

/*
 * Connect and log in for an authenticated session; ends in bs_session_ready or bs_session_fail.
 *
 * settings  the client's, found fit to be forwarded; borrowed from the session's arena
 */
void bs_upstream_begin(struct bs_session *s, const struct bs_setting *settings, size_t n_settings);
/* s->server has something to read, or is connected. */
void bs_upstream_on_server(struct bs_session *s, int events);
/* The address that is tried now took too long. */
void bs_upstream_on_timer(struct bs_session *s);
/* Gives back s->upstream and wipes what it held; accepts NULL there. */
void bs_upstream_free(struct bs_session *s);

#endif
