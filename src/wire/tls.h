/*
 * tls.h - a TLS endpoint between two pairs of buffers: no sockets, nothing that blocks.
 *
 *     from the socket -> bs_tls_feed  -> bs_tls_read  -> plain
 *     plain           -> bs_tls_write -> bs_tls_drain -> to the socket
 *
 * After every feed, read; after every read, write or shutdown, drain: a handshake moves on by
 * bs_tls_read and answers by bs_tls_drain. The client's side begins with bs_tls_read on nothing.
 *
 * Layer  wire. A context is loaded from files, then read-only: any thread. An endpoint: one
 *        thread at a time.
 * Spec   PostgreSQL manual, protocol-flow.html#PROTOCOL-FLOW-SSL and libpq-ssl.html.
 * Owns   bs_tls_ctx_new_server, bs_tls_ctx_new_client and bs_tls_new allocate, the matching free gives back.
 */
#ifndef BS_WIRE_TLS_H
#define BS_WIRE_TLS_H

#include "base/bytes.h"
#include "base/err.h"
#include "wire/scram.h"

struct bs_tls_ctx;
struct bs_tls;

enum bs_tls_state {
    BS_TLS_BROKEN = 0, /* failed; nothing more can be read or written */
    BS_TLS_HANDSHAKE,  /* no plain byte passes yet */
    BS_TLS_OPEN,
    BS_TLS_CLOSED, /* the far side said that it will send no more */
};

/* How far a server's certificate is checked. */
enum bs_tls_check {
    BS_TLS_CHECK_FULL = 0, /* chain and host name: sslmode verify-full */
    BS_TLS_CHECK_CHAIN,    /* chain only: verify-ca, and require where there is a root file */
    BS_TLS_CHECK_NONE,     /* prefer, allow, require without a root file */
};

struct bs_tls_client_options {
    enum bs_tls_check check;
    const char *root_file; /* PEM; "system": the system's own; NULL only with CHECK_NONE */
    const char *cert_file; /* our certificate, or NULL */
    const char *key_file;  /* its key; NULL: in cert_file */
};

struct bs_tls_server_options {
    const char *cert_file, *key_file; /* PEM */
    /* PEM: clients are asked for a certificate, and one that is not of these roots ends the handshake;
     * who has none is let go on. NULL: they are not asked. */
    const char *client_ca_file;
    const char
        *client_crl_file; /* PEM: lists of every root and intermediate; NULL: none is checked */
};

#define BS_TLS_SUBJECT 1024 /* bytes of a subject, with its NUL */

/* For actors: TLS 1.2 or later. err CONFIG: a file cannot be used; the message names it. */
BS_MUST_CHECK enum bs_done bs_tls_ctx_new_server(const struct bs_tls_server_options *options,
                                                 struct bs_tls_ctx **out,
                                                 struct bs_err *err);
/* Towards the database: TLS 1.2 or later. err CONFIG as above. */
BS_MUST_CHECK enum bs_done bs_tls_ctx_new_client(const struct bs_tls_client_options *options,
                                                 struct bs_tls_ctx **out,
                                                 struct bs_err *err);
/* Endpoints made from it may live longer. Accepts a NULL context; sets it NULL. */
void bs_tls_ctx_free(struct bs_tls_ctx **ctx);

/*
 * A new endpoint in state HANDSHAKE.
 *
 * host  client role: the name (or address) that was connected to, for SNI and for the check; may
 *       be NULL unless the context checks it. Server role: NULL.
 * err   CONFIG: a host is needed; INTERNAL
 */
BS_MUST_CHECK enum bs_done
bs_tls_new(struct bs_tls_ctx *ctx, const char *host, struct bs_tls **out, struct bs_err *err);
void bs_tls_free(struct bs_tls **t); /* accepts a NULL endpoint; sets it NULL */

enum bs_tls_state bs_tls_state(const struct bs_tls *t);

/* Bytes from the socket, all of them. err LIMIT: more than 256 KB are waiting to be read. */
BS_MUST_CHECK enum bs_done
bs_tls_feed(struct bs_tls *t, struct bs_bytes cipher, struct bs_err *err);
/*
 * Move the handshake on, then append what is there in plain to `plain`, up to its ceiling.
 *
 * more  set true where `plain` is full and more is waiting: read again before feeding again
 * err   PROTOCOL or AUTH (certificate): state is BROKEN, drain still yields the alert to send.
 *       Nothing new, or the end of the stream, is no error: see bs_tls_state.
 */
BS_MUST_CHECK enum bs_done
bs_tls_read(struct bs_tls *t, struct bs_buf *plain, bool *more, struct bs_err *err);
/* Encrypt all of `plain`; only in state OPEN or CLOSED. err PROTOCOL: not in such a state. */
BS_MUST_CHECK enum bs_done
bs_tls_write(struct bs_tls *t, struct bs_bytes plain, struct bs_err *err);
/* Append what is to be sent to `cipher`, up to its ceiling; call again where some stayed. */
void bs_tls_drain(struct bs_tls *t, struct bs_buf *cipher);
size_t bs_tls_pending(const struct bs_tls *t); /* bytes that bs_tls_drain would give */
/* Tell the far side that we will send no more; then drain. */
void bs_tls_shutdown(struct bs_tls *t);

/*
 * What the client's certificate says, checked against the roots: its one common name (empty where it
 * has none or several, or one with a NUL in it), and its subject as RFC 2253 writes it. False: it has
 * shown none.
 */
bool bs_tls_client_subject(const struct bs_tls *t,
                           char common_name[BS_TLS_SUBJECT],
                           char subject[BS_TLS_SUBJECT]);
/* "TLSv1.3", once OPEN. */
const char *bs_tls_version(const struct bs_tls *t);
/*
 * The hash of the server's certificate, whichever side we are (tls-server-end-point, RFC 5929).
 * Zeroed before OPEN, and where the certificate's signature names no hash (Ed25519).
 */
void bs_tls_end_point(const struct bs_tls *t, struct bs_scram_end_point *out);
/* True where the far side agreed on ALPN "postgresql", which direct TLS needs. */
bool bs_tls_is_postgresql(const struct bs_tls *t);

#endif
