/*
 * events.h - what happens to tickets and restores, as a stream for whoever watches.
 *
 * The last events are kept, so that a client that comes back and says which one it saw last gets
 * those it missed; where they are gone it is told to read everything anew ("reset"). A stream ends
 * after a minute: its client comes back, and is let in anew or not. Before that it ends within a
 * second of the right to it.
 *
 * Layer  api. Thread-safe; does not block. Knows nothing of the HTTP library.
 * Spec   WHATWG HTML, "Server-sent events".
 * Owns   events and streams.
 */
#ifndef BS_API_EVENTS_H
#define BS_API_EVENTS_H

#include <jansson.h>

#include "api/logins.h"
#include "approval/ticket.h"

struct bs_events; /* opaque */
struct bs_stream; /* opaque */

/* Who watches. */
struct bs_watcher {
    char token_sha256[BS_SHA256_TEXT]; /* of the token that it came with, or its login did */
    char cookie[BS_LOGIN_TEXT];        /* secret, of a login; "": it came with the token */
};

/* May they still? Asked of each once a second, on a thread of the events' own; may block. */
typedef bool bs_events_may_fn(void *ctx, const struct bs_watcher *who);

/* tickets  outlives it. LIMIT: too many subscribers */
BS_MUST_CHECK enum bs_done
bs_events_new(struct bs_tickets *tickets, struct bs_events **out, struct bs_err *err);
/* Whom to ask about those who watch, before the first does. `ctx` lives until bs_events_end. */
void bs_events_ask(struct bs_events *e, bs_events_may_fn *may, void *ctx);
/* Ends all streams at their next read, and wakes them for it. */
void bs_events_end(struct bs_events *e);
/* After the last stream is closed. Accepts NULL; sets it NULL. */
void bs_events_free(struct bs_events **e);

/*
 * who   copied
 * last  the field Last-Event-ID; NULL: only what is to come
 * err   TOO_OFTEN: as many streams as there may be
 */
BS_MUST_CHECK enum bs_done bs_stream_open(struct bs_events *e,
                                          const struct bs_watcher *who,
                                          const char *last,
                                          struct bs_stream **out,
                                          struct bs_err *err);
void bs_stream_close(struct bs_stream **s); /* accepts NULL; sets it NULL */

/* Something else that happens, as its type and a short JSON object. */
void bs_events_tell(struct bs_events *e, const char *type, const json_t *what);

/* How a stream waits: `sleep` is called where there is nothing to read, `wake` when there may be.
 * Both are called with a lock held: they only tell. */
struct bs_stream_wait {
    void (*sleep)(void *ctx);
    void (*wake)(void *ctx);
    void *ctx;
};
void bs_stream_waits(struct bs_stream *s, struct bs_stream_wait wait);

/* Bytes put into `out`; 0: none now, and `sleep` was called; -1: the stream is over. */
int64_t bs_stream_read(struct bs_stream *s, char *out, size_t room);

#endif
