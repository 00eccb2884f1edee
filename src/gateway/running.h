/*
 * running.h - the state of a running session, shared by the files that drive it: relay.c moves
 * bytes, gate.c holds statements, protect.c runs them under protection, inject.c sends our own.
 *
 * Layer  gateway, private to these files. On the session's worker thread.
 * Owns   see each member; freed by bs_relay_free.
 */
#ifndef BS_GATEWAY_RUNNING_H
#define BS_GATEWAY_RUNNING_H

#include "gateway/caps.h"
#include "gateway/databases.h"
#include "gateway/effects.h"
#include "gateway/inject.h"
#include "gateway/refusal.h"
#include "gateway/relay.h"
#include "gateway/replies.h"
#include "wire/frame.h"

struct bs_apart;  /* gateway/apart.h */
struct bs_visit;  /* gateway/visiting.h */
struct bs_gate;   /* gateway/gate.h */
struct bs_ledger; /* gateway/ledger.h */

enum bs_mode {
    BS_MODE_OVER = 0, /* nothing is forwarded any more */
    BS_MODE_RELAY,    /* messages flow */
    BS_MODE_CATALOG, /* a name was unknown: the catalog is loaded, then the message is judged again */
    BS_MODE_APART, /* a long text is judged on a job thread, then the message is looked at again */
    BS_MODE_DOOR,  /* the gateway itself is asked something; then the message is looked at again */
    BS_MODE_OPENING, /* between two messages of the client: a transaction that has begun is made READ
                        WRITE for an approved ticket, or names are asked for (recall.c) */
    BS_MODE_GATE,    /* a gated unit is held or runs: `gate` has the session */
};

/* Where the server's bytes go. */
enum bs_sink {
    BS_SINK_CLIENT = 0,
    BS_SINK_NOWHERE,
    BS_SINK_WITHHOLD, /* kept until COMMIT is acknowledged */
};

/* Texts of the message that is looked at, judged on job threads (apart.h). */
struct bs_aparts {
    struct bs_apart *out;   /* being judged, or waiting for its turn; NULL */
    struct bs_apart *ready; /* judged */
    size_t bytes;           /* of those */
    unsigned again;         /* times that one was out of date by then */
    bool cancelled;         /* the message is to be refused */
};

struct bs_relay {
    struct bs_session *s;
    unsigned refs; /* of callers further up, and jobs, that still look at it after it is over */
    enum bs_mode mode;
    struct bs_database *db;
    struct bs_snapshot *snapshot; /* NULL: must be loaded first */
    uint64_t epoch;               /* of `snapshot` */
    int64_t refreshed_us;         /* bs_mono_us: asked for another because of its age */
    struct bs_session_state state;
    struct bs_known known; /* how bs_judge looks up names of the session */
    struct bs_replies replies;
    struct bs_aparts apart;
    struct bs_visit *door;   /* what the gateway was asked by the message (door.h); NULL */
    enum bs_acts_as acts_as; /* asked for the message that is looked at, or the gate has */
    bool loaded;             /* the catalog was loaded for the very message that is judged next */

    /* The server's word. */
    char status;        /* of the last ReadyForQuery: I, T, E */
    bool dirty;         /* the open transaction has run more than SET and SHOW */
    bool series_dirty;  /* so will the series being answered, if it opens one */
    unsigned preparing; /* PREPAREs that are not answered: what names mean is not known */
    unsigned ddl_sent;  /* messages with DDL that are not answered yet */
    bool skipping;      /* an error in the extended protocol: all is ignored up to Sync */
    bool copy_in;       /* the server asked for COPY data, and the client has not ended them */
    unsigned copying;   /* messages out that may ask for COPY data */
    bool unshielded;    /* between our own SET off and SET on */
    bool read_write;    /* we have made the open transaction of a shielded session READ WRITE */
    bool set_in_block;  /* a SET was sent in it */
    bool has_set;       /* the session has sent a SET, ever */
    bool wrote;         /* something that is not SAFE was sent in it */
    bool overwrote;     /* something that may change rows has passed in it, without a gate */
    bool passed_ddl;    /* DDL that is allowed was sent in the open transaction */
    bool client_gone;   /* it hung up while COMMIT was under way */
    bool said_fatal;    /* the server has told the client why the session ends */
    bool stopping;      /* the gateway stops: the session ends with what it runs */

    /* The client's bytes in client.in: [0, used) are done with, [used, at) are whole messages of
     * an open batch, not forwarded yet. */
    size_t used, at;
    unsigned collected;          /* messages in [used, at) */
    uint64_t skip_client;        /* of a CopyData that has begun: bytes still to come */
    bool series_open;            /* messages were forwarded since the last Sync */
    bool series_bound;           /* among them a Bind */
    bool series_wrote;           /* of something that is not SAFE */
    struct bs_effects *run_next; /* of a Bind whose Execute is to be owed: what that does; NULL */
    bool put_off;      /* a Flush at `at` was taken out: the Sync of [used, at) is to come first */
    bool put_off_over; /* the time for that is over, and the Flush is there again */
    unsigned put_off_at;     /* `collected` when it was taken out */
    bool bound_while_paused; /* the last Bind was looked at in a pause, which leaves it */
    bool
        copied_into_pause; /* a COPY of the open series was under way when one came, and has ended */
    bool series_failed;  /* the server has failed it: skip to the client's Sync, which is to come */
    bool copy_portals;   /* a portal of this transaction may copy in */
    bool copy_wait;      /* stalled because of `copying` */
    bool copy_sync;      /* the Sync of the gated unit was read, and ignored, while copying */
    bool stalled;        /* the next message waits for something other than its own bytes */
    bool keeps_refused;  /* a refusal is being made durable: the next message waits for that */
    bool full;           /* it waits until fewer answers are owed */
    uint64_t safe_count; /* statements passed, where the audit only counts them */
    struct bs_capped capped;

    /* The server's bytes in server.in: [0, read) are done with, of which [from, read) go to
     * `sink` and have not been sent yet. */
    size_t read, from;
    uint64_t skip_server; /* of a message whose first part went to `sink`: bytes still to come */
    enum bs_sink sink;

    struct bs_inject inject;
    struct bs_gate *gate;     /* the gated unit of mode GATE */
    struct bs_ledger *ledger; /* of the open transaction, once something gated has run in it */
};

/* A side that is this far behind stops the reading of the other. */
#define BS_RELAY_BACKLOG (256u << 10)
/* What a client may send ahead while its next message waits for something. */
#define BS_RELAY_AHEAD (1u << 20)

/* --- relay.c: plumbing, for the files below --- */

/* A reference keeps the memory, and the names that the session has noted. */
struct bs_relay *bs_relay_ref(struct bs_relay *r);
void bs_relay_unref(struct bs_relay *r);
/* Runs `act` on a session's relay, if it still has one, then flushes both sides: for whoever comes
 * from a job or another thread's post. */
void bs_relay_act(struct bs_session *s, void (*act)(struct bs_relay *r, void *arg), void *arg);
/* The session is over: nothing of `r` but its memory may be used. */
bool bs_relay_over(const struct bs_relay *r);
/* Ends the session where its shield is not that of the policy in force, and nothing is going on. */
bool bs_relay_end_outdated(struct bs_relay *r);
/* Ends the session where the gateway stops and nothing runs. */
void bs_relay_end_stopped(struct bs_relay *r);
/* Bytes for the server. */
void bs_relay_to_server(struct bs_relay *r, struct bs_bytes bytes);
/* The same with `ahead`, which may be empty, before them, in one packet. */
void bs_relay_to_server_after(struct bs_relay *r, struct bs_bytes ahead, struct bs_bytes bytes);
/* Bytes for the client, in order behind what was relayed. */
void bs_relay_to_client(struct bs_relay *r, struct bs_bytes bytes);
/* Nothing is in flight: the server owes no answer and no message is half forwarded. */
bool bs_relay_quiet(const struct bs_relay *r);
/* The gate is done: messages flow again, beginning with what the client sent meanwhile. */
void bs_relay_resume(struct bs_relay *r);

/* --- asks.c: what the client sends --- */

/* Judge and forward as much of client.in as can be. */
void bs_asks_pump(struct bs_relay *r);
/* What bs_judge asks for; `relay` is a struct bs_relay. */
enum bs_lookup bs_asks_statement(void *relay, const char *label, struct bs_bytes *text);
bool bs_asks_cursor(void *relay, const char *label);
/* The time is over in which the rest of a gated series had to come. */
void bs_asks_timer(struct bs_relay *r);
/* Something that bs_asks_pump waits for has come. */
bool bs_asks_may_go_on(const struct bs_relay *r);
/* Books that a message may copy in. */
void bs_asks_owe_copy(struct bs_relay *r, struct bs_reply *reply);
/* Enters what the server will owe for whole client messages, and sends them. `g`: the gate that has
 * judged their Binds; NULL: each was judged by its name. */
void bs_asks_forward(struct bs_relay *r, struct bs_bytes messages, const struct bs_gate *g);

/* Refuses a gated unit that the server has not seen: a Query, or a series that ends with Sync.
 * Takes the refusal. In a transaction the server itself fails it. */
void bs_asks_refuse(struct bs_relay *r, struct bs_bytes messages, struct bs_refusal *refusal);

/* --- answers.c: what the server sends --- */

void bs_answers_pump(struct bs_relay *r);
/* Sends on what was relayed but not yet sent, so that other bytes may follow. */
void bs_answers_flush(struct bs_relay *r);

#endif
