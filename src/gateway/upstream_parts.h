/*
 * upstream_parts.h - what the parts of the server's start share: upstream.c (ways in, one after the
 * other), upstream_lookup.c (which ways there are), upstream_auth.c (the proof), upstream_start.c
 * (the start-up packet, and the messages around the proof).
 *
 * Layer  gateway. For these four alone.
 * Owns   see upstream.h.
 */
#ifndef BS_GATEWAY_UPSTREAM_PARTS_H
#define BS_GATEWAY_UPSTREAM_PARTS_H

#include <sys/socket.h>

#include "gateway/upstream.h"
#include "wire/scram.h"

struct bs_auth_request; /* wire/messages.h */
struct bs_conninfo;     /* gateway/conninfo.h */
struct bs_frame;        /* wire/frame.h */

#define BS_ADDRESSES_MAX 32

enum bs_upstream_step {
    BS_UPSTREAM_STOPPED = 0, /* waits for a job, or is over */
    BS_UPSTREAM_SSL,         /* one byte answers the SSLRequest */
    BS_UPSTREAM_HANDSHAKE,
    BS_UPSTREAM_AUTH,       /* AuthenticationXxx */
    BS_UPSTREAM_SASL,       /* AuthenticationSASLContinue */
    BS_UPSTREAM_SASL_FINAL, /* AuthenticationSASLFinal */
    BS_UPSTREAM_PROVEN,     /* AuthenticationOk may come */
    BS_UPSTREAM_SETTLING,   /* ParameterStatus, BackendKeyData, ReadyForQuery */
    BS_UPSTREAM_READY,
};

/* One way in: an address, with or without TLS. */
struct bs_way {
    struct sockaddr_storage at;
    socklen_t len;
    size_t host; /* index into the conninfo's hosts */
    bool tls;
    bool may_stay_plain; /* sslmode prefer: an 'N' is good enough */
};

/* What a job thread finds out before the first connect. */
struct bs_lookup {
    const struct bs_conninfo *info;
    const char *user; /* the role that logs in */
    struct bs_way ways[2 * BS_ADDRESSES_MAX];
    size_t n_ways;
    char *passwords[BS_ADDRESSES_MAX]; /* one a host; NULL: none */
    char why[256];                     /* the last failure, for the log */
};

struct bs_upstream {
    const struct bs_conninfo *info;
    const struct bs_setting *settings;
    size_t n_settings;
    enum bs_upstream_step step;
    struct bs_lookup *found;
    size_t trying;   /* index into found->ways */
    uint16_t minor;  /* of protocol 3, as it is spoken with the server */
    bool negotiated; /* the server has brought it down, or named options */
    struct bs_scram_client scram;
    struct bs_buf notices;
    const char *sqlstate; /* for the client: the most telling failure so far */
};

/* Job thread: fills ways and passwords of a struct bs_lookup whose `info` is set. */
void bs_lookup_run(void *lookup);
void bs_lookup_free(struct bs_lookup *k); /* accepts NULL; wipes the passwords */

/* The way that is tried now. */
const struct bs_way *bs_upstream_way(const struct bs_session *s);
/* It does not work: `why` goes to the operator's log, and the next way is tried, or none is left. */
void bs_upstream_way_failed(struct bs_session *s, const char *why);
void bs_upstream_way_failed_err(struct bs_session *s, const struct bs_err *err);

/* The start-up packet, once the way is as encrypted as it shall be. */
void bs_upstream_send_startup(struct bs_session *s);
/* A message of the server's, up to its ReadyForQuery: then the step is READY. */
void bs_upstream_on_frame(struct bs_session *s, const struct bs_frame *frame);
/* The body of an AuthenticationXxx. */
void bs_upstream_on_auth(struct bs_session *s, struct bs_bytes body);

#endif
