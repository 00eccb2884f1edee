/*
 * session.h - one client and its one server connection, from accept to the end.
 *
 * Life: accept -> login (login.c: the client proves who it is) -> upstream (upstream.c: the server
 * connection is made and logged in) -> relay (relay.h: everything after the first ReadyForQuery)
 * -> closing. A session never leaves the worker that accepted it.
 *
 * Layer  gateway. Only on the session's worker thread, unless said otherwise.
 * Owns   links, arenas, texts. Freed when it is closed and no job holds a reference.
 */
#ifndef BS_GATEWAY_SESSION_H
#define BS_GATEWAY_SESSION_H

#include "base/arena.h"
#include "base/clock.h"
#include "gateway/link.h"
#include "policy/decide.h"

struct bs_worker;       /* gateway/worker.h */
struct bs_cancel_entry; /* gateway/cancel.c */
struct bs_gateway;      /* gateway/gateway.h */
struct bs_login;        /* gateway/login.h */
struct bs_refusal;      /* gateway/refusal.h */
struct bs_upstream;     /* gateway/upstream.h */
struct bs_relay;        /* relay.c: the state of a running session */
struct bs_setting;      /* wire/startup.h */

enum bs_phase {
    BS_PHASE_CLOSED = 0, /* nothing may happen any more; memory waits for the last reference */
    BS_PHASE_LOGIN,      /* the client is not authenticated */
    BS_PHASE_UPSTREAM,   /* the client is known; the server is being connected */
    BS_PHASE_RELAY,      /* both sides are ready: relay.h has the session */
    BS_PHASE_CLOSING,    /* last bytes to the client, then CLOSED */
};

/* How it came. */
enum bs_session_way {
    BS_SESSION_OUTSIDE = 0, /* by a listener of the configuration */
    BS_SESSION_INSIDE,      /* for a client of this process: inside.h */
};

#define BS_SECRET_MAX 32 /* of a cancel key of ours, in bytes: what PostgreSQL 18 sends */

/* A ParameterStatus of the server: its last value, and what the client was told. */
struct bs_param {
    char *name;
    char *value;
    struct bs_param *next;
    char text[]; /* both */
};

struct bs_session {
    struct bs_session *next, *prev; /* the worker's list */
    struct bs_worker *worker;
    struct bs_gateway *gateway;
    enum bs_phase phase;
    unsigned refs;       /* the session itself while open, and one a job */
    uint64_t generation; /* a job posted under an older one comes back too late */

    char id[BS_ULID_TEXT]; /* session (run) id, unique over processes */
    char *address;         /* client: "127.0.0.1:40312" or "unix:/run/backstop" */
    int64_t started_us;    /* bs_now_us at accept */
    bool client_tls;
    enum bs_session_way way;
    const char *via; /* what brings a client from inside, "mcp"; NULL: it came itself */

    const char *actor;       /* authenticated name; NULL before */
    int64_t actor_since_us;  /* when that actor was added */
    int64_t ends_us;         /* when its time is over; 0: never */
    const char *token;       /* id of the short-lived password that it logged in with; NULL: none */
    int64_t standing_seen;   /* of the changes of actors, up to where it was judged: standing.h */
    const char *ended;       /* why it has to end, for its client; NULL: it may stay */
    const char *counted_as;  /* bs_limits_leave is owed for it; NULL: not */
    const char *owner;       /* the human who answers for the actor; may be NULL */
    bool person;             /* the actor is that human */
    const char *group;       /* the actor's; NULL: in none */
    const char *database;    /* configured name */
    int64_t hold_wait_ms;    /* how long what it sends may wait for an operator */
    const char *server_host; /* as configured: the name its certificate has; for logs only */
    const char *server_user; /* the role on the server: the actor's, else the upstream's */
    bool shielded;           /* the server session has default_transaction_read_only = on */
    bool outdated;           /* by the policy in force it should be the other way round */
    const char *application_name; /* what the client called itself: a claim; may be NULL */
    const char *claims_text;      /* the same as JSON; NULL: none */
    struct bs_bytes who_text;     /* who asks, as the audit's lines have it; none: not made yet */
    const struct bs_setting *claims; /* "run", "purpose", "parent": claims, too; for display */
    size_t n_claims;
    size_t database_at; /* index into config->databases */

    struct bs_link client;
    struct bs_link server;
    unsigned turns;   /* of the client, to measure one of many */
    size_t owed;      /* while closing: bytes that the client has not taken yet */
    bool client_gone; /* bs_relay_on_client_gone was called */
    bool server_gone;
    uint32_t server_pid; /* backend PID; the client is told the same */
    uint8_t server_secret[256];
    size_t server_secret_len;
    uint8_t secret[BS_SECRET_MAX];  /* our own; the server's never reaches the client */
    size_t secret_len;              /* by the protocol that the client speaks */
    struct bs_cancel_entry *cancel; /* in the table of those who may cancel; NULL: not yet */
    bool cancelling, cancel_again; /* a cancel is on its way to the server; one more is to follow */
    bool cancel_over;              /* what it was for has ended meanwhile */
    struct bs_param *params;       /* ParameterStatus values of the server, newest value kept */

    struct bs_arena arena; /* lives as long as the session */
    uv_timer_t *timer;     /* bs_session_set_timer */

    struct bs_login *login;       /* until authenticated */
    struct bs_upstream *upstream; /* until the server is ready */
    struct bs_relay *relay;       /* from bs_relay_start to bs_relay_free */
};

/* Who asks, and where, for the policy. After the login. */
struct bs_subject bs_session_subject(const struct bs_session *s);

/* Value the server last reported for a parameter (exact name), or NULL. */
const char *bs_session_param(const struct bs_session *s, const char *name);
/* Keep a reported value; the relay calls it for ParameterStatus after the start. LIMIT. */
BS_MUST_CHECK enum bs_done bs_session_set_param(struct bs_session *s,
                                                struct bs_bytes name,
                                                struct bs_bytes value,
                                                struct bs_err *err);

/*
 * The one timer of a session: after `ms` milliseconds bs_relay_on_timer is called, once. A new
 * call replaces the old one; 0 stops it. (Before the relay starts it is the login's deadline.)
 */
void bs_session_set_timer(struct bs_session *s, uint64_t ms);

/*
 * Flush both links as far as the sockets take it and ask libuv for what is wanted next. Called
 * after every event by the session itself; call it after acting on a session from a posted
 * function or a job's answer.
 */
void bs_session_pump(struct bs_session *s);

/*
 * The end with a message: FATAL ErrorResponse to the client, Terminate to the server, then close.
 * Never put secrets, hosts or rows in the message. Does nothing on a session that is closing.
 */
void bs_session_fail(struct bs_session *s, const char *sqlstate, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* The same with a refusal, which the caller frees. */
void bs_session_fail_with(struct bs_session *s, const struct bs_refusal *f);

/* The same with what `err` holds. */
void bs_session_fail_err(struct bs_session *s, const struct bs_err *err);

/*
 * The end without a message: what `client.out` holds is still sent (for two seconds after it has taken the last), the
 * server gets Terminate, then both are closed. Open jobs find the generation changed.
 */
void bs_session_close(struct bs_session *s);

/* The end at once: nothing more is sent. */
void bs_session_kill(struct bs_session *s);

/* A reference keeps the memory, not the life: a closed session stays readable until unref. */
void bs_session_ref(struct bs_session *s);
void bs_session_unref(struct bs_session *s);

/* For the worker: ends a session whose actor is let in no more (standing.h), at once, and does what
 * a pause asks for (paused.h). */
void bs_session_check_standing(struct bs_session *s);
/* For the worker: another policy is in force. Ends a session whose shield is now wrong, once idle. */
void bs_session_policy_changed(struct bs_session *s);
/* For the worker: a new session on an accepted socket, in phase LOGIN. Closes fd on failure. */
void bs_session_accept(struct bs_worker *w, int fd, char *address, enum bs_session_way way);
/* For upstream.c: what its link to the server reports to. */
void bs_session_on_server(struct bs_link *l, int events);
/*
 * For upstream.c: hand over once both sides are ready.
 *
 * notices  whole NoticeResponses of the server's login, for the client
 */
void bs_session_ready(struct bs_session *s, struct bs_bytes notices);

#endif
