/*
 * door.h - what an agent asks of the gateway itself, over the ordinary wire: who am I, what became of
 * my ticket, what would this statement do.
 *
 * The server gives the answer, so that every protocol, driver and transaction finds what it expects:
 * it is put into a setting of the session (BS_DOOR_SETTING), and what the server is sent in place of
 * the client's text shows that. The one is sent right before the other, with nothing in between.
 *
 * What is to be answered is in the state or the catalog, and is looked up on a job thread. The session
 * is parked meanwhile (BS_MODE_DOOR) with the message where it is, and nothing in flight; then the
 * message is looked at again, and finds the answer. It is of the very moment: each Execute of a
 * prepared one is preceded by its Bind, and a Bind asks anew.
 *
 * An actor sees its own, of this database; what belongs to others is not there. Nothing here decides.
 *
 * Layer  gateway. On the session's worker thread, unless said otherwise.
 * Spec   docs/agents.md.
 * Owns   r->door, until its message has been dealt with.
 */
#ifndef BS_GATEWAY_DOOR_H
#define BS_GATEWAY_DOOR_H

#include "gateway/judge.h"
#include "gateway/running.h"
#include "wire/messages.h"

struct bs_visit; /* gateway/visiting.h */

/* What is asked. */
struct bs_question {
    const struct bs_verdict *verdict;
    struct bs_bytes bind;         /* body of the Bind; empty for a Query */
    struct bs_prepared *prepared; /* of the Bind; NULL for a Query */
};

/* Parks the session until there is an answer, which may be so at once. Nothing may be in flight. */
void bs_door_begin(struct bs_relay *r, const struct bs_question *q);
/* There is one, of the message that is looked at. */
bool bs_door_is_ready(const struct bs_relay *r);
/* It is an error: a new refusal; NULL: it is not. */
struct bs_refusal *bs_door_refusal(const struct bs_relay *r);
/* In place of a Query: forwards what shows the answer. */
void bs_door_forward_query(struct bs_relay *r, const struct bs_verdict *v);
/* In place of a Bind, whose body is `f`'s: forwards what sets the answer, then the Bind. */
void bs_door_forward_bind(struct bs_relay *r, const struct bs_frame *f);
/* The message has been dealt with. */
void bs_door_settle(struct bs_relay *r);

/* A Parse of such a text that is about to be sent: `body` becomes one of BS_DOOR_SQL, of the same
 * length. Nothing where it is another text. */
void bs_door_cover(uint8_t *body, size_t n);
/* What the server will show of a statement that was so covered. */
void bs_door_note_covered(struct bs_prepared *p, const struct bs_parse *parse);
/* A RowDescription of an answer: it is put into `out` as the client sees it. False: it is another one. */
bool bs_door_name_column(struct bs_bytes body, struct bs_buf *out);

/* --- events --- */

void bs_door_cancel(struct bs_relay *r);
void bs_door_timer(struct bs_relay *r);
/* The ticket has changed: see what it is now. */
void bs_door_decided(struct bs_relay *r, const char *ticket);
/* The session ends. */
void bs_door_abandon(struct bs_relay *r);

#endif
