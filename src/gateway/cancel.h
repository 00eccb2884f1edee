/*
 * cancel.h - who may cancel what: our own secrets, and the server's.
 *
 * A client gets the server's real PID and a secret of ours. A CancelRequest is matched on the
 * secret (PIDs repeat over upstreams), in constant time, over all workers.
 *
 * Layer  gateway.
 * Owns   the table owns its entries; it outlives all workers.
 */
#ifndef BS_GATEWAY_CANCEL_H
#define BS_GATEWAY_CANCEL_H

#include "gateway/session.h"

struct bs_cancels; /* opaque; thread-safe */
struct bs_relay;   /* gateway/running.h */

struct bs_cancels *bs_cancels_new(void);
void bs_cancels_free(struct bs_cancels **c);

/* Gives the session a fresh secret and enters it. */
void bs_cancels_add(struct bs_cancels *c, struct bs_session *s);
/* Accepts a session that was never added. */
void bs_cancels_remove(struct bs_cancels *c, struct bs_session *s);

/*
 * A CancelRequest: tells the session that it is for. False: nobody has that key.
 *
 * from  the session that brought it
 * then  called on its worker, if it is still open, when that has been done: whoever waits for the
 *       end of the connection may then send the next statement, and it will not be hit
 */
bool bs_cancels_request(struct bs_cancels *c,
                        uint32_t pid,
                        struct bs_bytes secret,
                        const struct bs_session *from,
                        void (*then)(struct bs_session *from));

/*
 * Ask the server to cancel what this session runs there: a real CancelRequest, sent from a job
 * thread to the address the session is connected to. No answer is expected. Worker thread.
 * While one is on its way others wait, as one, and so does ReadyForQuery.
 */
void bs_cancel_upstream(struct bs_session *s);
/*
 * The same, then calls back: the server has had the signal, or will never get it. True where it
 * will; false where the server gave no secret, so that there is nothing to send.
 */
bool bs_cancel_upstream_then(struct bs_session *s, void (*then)(struct bs_relay *r, void *arg));

#endif
