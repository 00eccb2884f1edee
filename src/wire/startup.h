/*
 * startup.h - what comes before the first typed message: start-up packets, and which of the
 * parameters in them are fit to reach the server.
 *
 * The order of use on the client's side: bs_startup_next until it yields BS_STARTUP_MESSAGE or
 * BS_STARTUP_CANCEL (answer GSSENC with 'N', SSL with 'S' or 'N'; any byte behind such a request
 * ends the connection: the caller checks that `in` is empty), then bs_startup_judge.
 *
 * Layer  wire. Pure: no I/O, no clock; bs_startup_judge takes from the caller's arena.
 * Spec   PostgreSQL manual, protocol-message-formats.html (StartupMessage, SSLRequest,
 *        GSSENCRequest, CancelRequest) and protocol-flow.html#PROTOCOL-FLOW-START-UP.
 * Owns   nothing.
 */
#ifndef BS_WIRE_STARTUP_H
#define BS_WIRE_STARTUP_H

#include "base/arena.h"
#include "wire/frame.h"

#define BS_STARTUP_MAX        10004 /* bytes of a whole packet: PostgreSQL's 10,000 and a length word */
#define BS_STARTUP_SECRET_MIN 4     /* bytes of a cancel secret */
#define BS_STARTUP_SECRET_MAX 256
#define BS_STARTUP_MINOR      2 /* the newest protocol that is spoken here: 3.2 */

enum bs_startup_kind {
    BS_STARTUP_NONE = 0, /* nothing decoded */
    BS_STARTUP_MESSAGE,  /* StartupMessage 3.x: `minor` and `params` */
    BS_STARTUP_SSL,      /* SSLRequest */
    BS_STARTUP_GSSENC,   /* GSSENCRequest */
    BS_STARTUP_CANCEL,   /* CancelRequest: `pid` and `secret` */
};

struct bs_startup {
    enum bs_startup_kind kind;
    uint16_t minor;         /* of protocol 3 */
    struct bs_bytes params; /* pairs of C strings, checked: for bs_startup_param_next */
    uint32_t pid;
    struct bs_bytes secret; /* BS_STARTUP_SECRET_MIN to _MAX bytes */
};

/* A name and a value, both valid UTF-8; a list of them is what the server's side sends. */
struct bs_setting {
    const char *name;
    const char *value;
};

/* What a StartupMessage asks for, found acceptable. All texts live in the arena. */
struct bs_startup_wish {
    const char *user;             /* never NULL or empty */
    const char *database;         /* the user's name where the client named none */
    const char *application_name; /* a claim; NULL where not given. Also in `settings` */
    struct bs_setting *settings;  /* to be forwarded as they are; no name twice; spelled as in the
                                     server's manual, never user, database, options, client_encoding
                                     or a pinned setting */
    size_t n_settings;
    struct bs_setting
        *claims; /* "run" (or "run_id"), "purpose", "parent" from backstop.*: for display */
    size_t n_claims;
    const char *wait; /* backstop.wait, as it is; NULL: not given */
    const char *via; /* backstop.via, which only counts where the caller says so; NULL: not given */
    uint16_t minor;  /* of protocol 3, as it is spoken with the client from here on */
    bool negotiate;  /* send NegotiateProtocolVersion (minor), once, before authentication */
    const char **unknown; /* its list: the _pq_.* options asked for */
    size_t n_unknown;
};

/*
 * Take a start-up packet from the front of `in`.
 *
 * in   advanced only on BS_SCAN_GOT
 * out  borrowed views into `in`
 * err  set on BS_SCAN_BAD: PROTOCOL (length or body is wrong), UNSUPPORTED (not protocol 3) or
 *      LIMIT (longer than BS_STARTUP_MAX). Decided from the first bytes that show it.
 */
BS_MUST_CHECK enum bs_scan
bs_startup_next(struct bs_bytes *in, struct bs_startup *out, struct bs_err *err);

/* The next parameter of a decoded StartupMessage; false at the end. Views of C strings. */
bool bs_startup_param_next(struct bs_bytes *params, struct bs_bytes *name, struct bs_bytes *value);

/*
 * Judge the parameters of a StartupMessage. Settings inside `options` (-c name=value,
 * --name=value, backslash escapes) count like parameters of their own; where both name one, the
 * parameter wins, as in the server.
 *
 * What is not on the list of startup_params.h is refused, never ignored: a client that asked for
 * something and did not get it would read wrong data. A search_path is refused because nobody
 * vetted it; it may be set later, where it is judged like any other statement.
 *
 * err  PROTOCOL (a parameter twice, not UTF-8, no user), UNSUPPORTED (a parameter or option that
 *      is refused; the message names it), LIMIT (too many of them, or the arena is full)
 */
BS_MUST_CHECK enum bs_done bs_startup_judge(const struct bs_startup *in,
                                            struct bs_arena *arena,
                                            struct bs_startup_wish *out,
                                            struct bs_err *err);

/*
 * Append a StartupMessage of protocol 3.`minor`. The caller lists user, database and everything else;
 * of a name given twice the server takes the last. Whole or, with b->failed, nothing: also where
 * it would be longer than BS_STARTUP_MAX.
 */
void bs_startup_put(struct bs_buf *b, uint16_t minor, const struct bs_setting *settings, size_t n);
/* Append an SSLRequest. The answer is exactly one byte, 'S' or 'N'. */
void bs_startup_put_ssl(struct bs_buf *b);
/* Append a CancelRequest; `secret` of BS_STARTUP_SECRET_MIN to _MAX bytes. */
void bs_startup_put_cancel(struct bs_buf *b, uint32_t pid, struct bs_bytes secret);

#endif
