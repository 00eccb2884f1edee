/*
 * link.h - one socket with its two buffers, with or without TLS on it, watched by a worker's loop.
 *
 * Nothing here blocks. Bytes are received and sent directly on the descriptor; libuv only says
 * when. The far side hanging up is noticed while reading is paused, too.
 *
 * Layer  gateway. Only on the thread of the loop the link was opened on.
 * Owns   the descriptor, the TLS endpoint and both buffers, from bs_link_open to bs_link_close.
 */
#ifndef BS_GATEWAY_LINK_H
#define BS_GATEWAY_LINK_H

#include <uv.h>

#include "base/bytes.h"
#include "base/err.h"

struct bs_tls;     /* wire/tls.h */
struct bs_tls_ctx; /* wire/tls.h */
struct bs_link;

/* Bits of what a link reports to its owner. */
enum bs_link_event {
    BS_LINK_READABLE = 1, /* bytes, or the end of the stream, can be read */
    BS_LINK_WRITABLE = 2, /* the socket takes bytes again (only while `out` holds some) */
    BS_LINK_HANGUP = 4,   /* the far side will send no more (or the socket broke) */
};

/* `events` is a set of enum bs_link_event. The callback may close the link. */
typedef void bs_link_fn(struct bs_link *link, int events);

enum bs_link_got {
    BS_LINK_ERROR = 0, /* the connection is broken; `err` says how */
    BS_LINK_EOF,       /* orderly end of the stream; nothing new in `in` */
    BS_LINK_AGAIN,     /* nothing new now */
    BS_LINK_GOT,       /* new bytes at the end of `in` */
};

struct bs_link {
    int fd;          /* -1: closed */
    uv_poll_t *poll; /* NULL: closed */
    struct bs_tls *tls;
    struct bs_buf in;   /* plain bytes received and not yet used; the owner drops what it used */
    struct bs_buf out;  /* plain bytes to send; the owner puts, bs_link_write empties */
    struct bs_buf wire; /* TLS only: records waiting for the socket */
    bool paused;        /* do not read: the other direction is full */
    bool eof;           /* the end of the stream was read, or it broke */
    bool broken;        /* writing does not work any more */
    bool deaf;          /* TLS failed: what still comes is received and thrown away */
    bool said_last;     /* bs_link_say_last was called */
    bool hung_up;       /* HANGUP was reported (once) */
    int armed;          /* libuv events now asked for */
    bs_link_fn *on_event;
    void *owner;
    uint64_t bytes_in, bytes_out; /* plain bytes so far */
};

/* How TCP finds out that nobody is there any more. */
struct bs_keep_alive {
    bool off;
    unsigned idle_s, interval_s, count; /* of probes in silence; 0: the system's */
    unsigned user_timeout_ms;           /* TCP_USER_TIMEOUT; 0: the system's */
};

/*
 * Take over a connected (or connecting) socket: non-blocking and TCP_NODELAY where it is TCP. Reading starts with the first bs_link_want.
 *
 * fd       owned by the link from here on, closed even on failure
 * in_max   ceiling of `in` in bytes, out_max that of `out`
 * err      IO
 */
BS_MUST_CHECK enum bs_done bs_link_open(struct bs_link *l,
                                        uv_loop_t *loop,
                                        int fd,
                                        size_t in_max,
                                        size_t out_max,
                                        bs_link_fn *on_event,
                                        void *owner,
                                        struct bs_err *err);

/* Does nothing on a Unix socket. */
void bs_link_keep_alive(struct bs_link *l, const struct bs_keep_alive *k);

/* True from bs_link_open to bs_link_close. A zeroed link is not open. */
bool bs_link_is_open(const struct bs_link *l);

/*
 * Receive once (one system call) to the end of `in`. While a TLS handshake runs, answers move to
 * `wire` and are sent by the next bs_link_write. err IO, LIMIT (`in` is full), and PROTOCOL or AUTH
 * of TLS.
 */
BS_MUST_CHECK enum bs_link_got bs_link_read(struct bs_link *l, struct bs_err *err);

/* Send what `out` (and `wire`) hold, as far as the socket takes it. err IO: the link is broken. */
BS_MUST_CHECK enum bs_done bs_link_write(struct bs_link *l, struct bs_err *err);

/*
 * Send bytes without copying them where the socket takes them at once (no TLS, nothing queued);
 * the rest is queued in `out`. err IO, or LIMIT where `out` would pass its ceiling.
 */
BS_MUST_CHECK enum bs_done
bs_link_send(struct bs_link *l, struct bs_bytes bytes, struct bs_err *err);
/* The same with `ahead`, which may be empty, before them: one system call, one packet. */
BS_MUST_CHECK enum bs_done bs_link_send_two(struct bs_link *l,
                                            struct bs_bytes ahead,
                                            struct bs_bytes bytes,
                                            struct bs_err *err);

/*
 * Go over to TLS: what `in` holds and all that follows are records. Nothing put into `out` from
 * here on is sent before the handshake is over; see bs_link_tls_open.
 *
 * host  NULL in the server's role; else the name for SNI and the check
 * err   CONFIG, INTERNAL, PROTOCOL, AUTH
 */
BS_MUST_CHECK enum bs_done
bs_link_start_tls(struct bs_link *l, struct bs_tls_ctx *ctx, const char *host, struct bs_err *err);
/* True once the handshake is over, also where the far side has ended the stream in the same
 * breath; false without TLS. */
bool bs_link_tls_open(const struct bs_link *l);

/* Bytes not yet taken by the socket, of either buffer. Compare with a limit for back-pressure. */
size_t bs_link_pending(const struct bs_link *l);

/* Ask libuv for what is wanted now: reading unless paused, writing while bytes are pending, and
 * the hang-up. The session calls it after every event; call it after changing `paused` elsewhere. */
void bs_link_want(struct bs_link *l);
void bs_link_pause(struct bs_link *l);  /* stop reading; hang-up is still reported */
void bs_link_resume(struct bs_link *l); /* read again */

/* Tell the far side that nothing more will be sent; it may still send. After `out` is empty. */
void bs_link_say_last(struct bs_link *l);

/* Gives back buffers that are empty: an idle session owns none. */
void bs_link_trim(struct bs_link *l);

/* Frees what this thread keeps of given-back buffers; at the end of a worker's thread. */
void bs_link_thread_fini(void);

/* Closes the socket now, with what was not sent. Accepts a closed or zeroed link. */
void bs_link_close(struct bs_link *l);

#endif
