/*
 * http_stream.h - Server-Sent Events of one answer: one thread puts messages in, another sends them.
 *
 * Layer  mcp. Thread-safe.
 * Spec   HTML 9.2 (Server-sent events).
 * Owns   itself: freed when both sides have let go.
 */
#ifndef BS_MCP_HTTP_STREAM_H
#define BS_MCP_HTTP_STREAM_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct bs_http_stream; /* opaque */

/* Held twice: by who puts in, and by who reads. */
struct bs_http_stream *bs_http_stream_new(void);
void bs_http_stream_let_go(struct bs_http_stream *stream);

/* Puts a message in. False: nobody reads any more. */
bool bs_http_stream_put(struct bs_http_stream *stream, const json_t *message);
/* Nothing more comes. Answer: the last message, taken over; NULL: none is due. */
void bs_http_stream_end(struct bs_http_stream *stream, json_t *answer);
/* Nobody reads any more. */
void bs_http_stream_leave(struct bs_http_stream *stream);

/*
 * Waits until there is a message, or it has ended.
 *
 * answer  where it ended without any message before: the answer, the caller's; NULL: none is due
 * Returns true where it has to be sent as a stream; then bs_http_stream_read gives all of it.
 */
bool bs_http_stream_begin(struct bs_http_stream *stream, json_t **answer);
/*
 * The next bytes, of events or of a comment that says that we are still there. Waits for some.
 *
 * alive  asked about every second: false ends it
 * Returns -1 at the end.
 */
ssize_t bs_http_stream_read(
    struct bs_http_stream *stream, char *out, size_t room, bool (*alive)(void *ctx), void *ctx);

#endif
