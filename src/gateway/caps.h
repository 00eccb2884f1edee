/*
 * caps.h - how many rows a statement may answer with. They are counted as they stream; past the
 * policy's number the statement is cancelled on the server, the rest is swallowed, and the client
 * gets one error in its place.
 *
 * Counted for each statement of a Query, and for each portal or cursor over its life: FETCH in small
 * pieces comes to the same. A cancel must never hit the next statement, so while an answer is
 * counted nothing that runs something is sent behind it, and after a cancel nothing is before the
 * cancel has been delivered and the server is ready.
 *
 * What changes something and commits by itself could have been committed when the cancel arrives:
 * its answer is cut short with a warning instead. Where the gate has its COMMIT it fails as a whole.
 *
 * Layer  gateway. On the session's worker thread.
 * Owns   a bs_caps is malloc-ed and freed with its reply.
 */
#ifndef BS_GATEWAY_CAPS_H
#define BS_GATEWAY_CAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

struct bs_caps;    /* of the statements that a message runs */
struct bs_relay;   /* gateway/running.h */
struct bs_reply;   /* gateway/replies.h */
struct bs_verdict; /* gateway/judge.h */

enum bs_cut {
    BS_CUT_NONE = 0,
    BS_CUT_FAILED, /* cancelled; the client has not been told yet */
    BS_CUT_SHORT,  /* rows are swallowed until the statement is complete */
};

/* The state of one session. */
struct bs_capped {
    bool on;          /* there was a cap in this session */
    bool wait;        /* the client's next message waits for an answer that is counted */
    unsigned owed;    /* answers that are counted and still to come */
    unsigned cancels; /* on their way to the server */
    enum bs_cut cut;
    size_t at;     /* which statement of the Query is answered */
    bool known;    /* `left` is that of the statement that is answered */
    int64_t most;  /* its cap; 0: none */
    int64_t left;  /* rows that it may still send */
    uint64_t seen; /* rows since `known` */
    unsigned more; /* messages of a COPY that are no rows */
};

/* --- when a message is forwarded: gate is true where the COMMIT is ours --- */

void bs_caps_owe_query(struct bs_relay *r,
                       struct bs_reply *reply,
                       const struct bs_verdict *v,
                       bool gate);
void bs_caps_owe_bind(struct bs_relay *r, struct bs_reply *reply, const struct bs_verdict *v);
/* wrote: the series has bound something that is not SAFE. */
void
bs_caps_owe_execute(struct bs_relay *r, struct bs_reply *reply, struct bs_bytes portal, bool wrote);
void bs_caps_free(struct bs_caps **c); /* accepts NULL */

/* Nothing that runs something may be sent now. */
bool bs_caps_hold(const struct bs_relay *r);

/* --- when it is answered --- */

/* A row, or a piece of COPY data, has begun. Only while `owed` is not 0. */
void bs_caps_row(struct bs_relay *r, uint8_t type);
/* The answer's COPY data are in a binary format. */
void bs_caps_binary(struct bs_relay *r);
void bs_caps_bound(struct bs_relay *r, const struct bs_reply *reply);
/* A statement is complete, or a portal suspended; before what it does to names is done. */
void bs_caps_complete(struct bs_relay *r, const struct bs_reply *reply);
/* And after that: DECLARE has made its cursor. */
void bs_caps_declared(struct bs_relay *r, const struct bs_reply *reply);
/* The entry goes. */
void bs_caps_settled(struct bs_relay *r, const struct bs_reply *reply);

/* What the client is told of a statement that was cut. */
struct bs_refusal *bs_caps_refusal(const struct bs_relay *r);
/* The same as a warning, into the answer of what goes on. */
void bs_caps_warn(struct bs_relay *r);

#endif
