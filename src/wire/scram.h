/*
 * scram.h - SCRAM-SHA-256 for both roles: server towards actors, client towards the database.
 *
 * Messages go in and out as the mechanism's own bytes; wrap them with messages.h. Inside TLS an
 * exchange is bound to the server's certificate (-PLUS, tls-server-end-point): whoever sits in the
 * middle with another certificate cannot pass it on.
 *
 * The server's side only computes HMACs. The client's side has one slow step, bs_scram_client_derive
 * (PBKDF2): call it on a job thread.
 *
 * Layer  wire. No I/O and no clock; nonces and salts come from bs_random.
 * Spec   RFC 5802, RFC 7677, RFC 5929 section 4; PostgreSQL manual, sasl-authentication.html. Verifiers are in the
 *        format of pg_authid.rolpassword: SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey.
 * Owns   nothing on the heap. bs_scram_*_fini wipes; call it on every way out.
 */
#ifndef BS_WIRE_SCRAM_H
#define BS_WIRE_SCRAM_H

#include "base/bytes.h"
#include "base/err.h"

#define BS_SCRAM_MECHANISM      "SCRAM-SHA-256"
#define BS_SCRAM_MECHANISM_PLUS "SCRAM-SHA-256-PLUS"
#define BS_SCRAM_END_POINT      64      /* bytes of the longest hash of a certificate */
#define BS_SCRAM_BINDING        128     /* what c= holds, in base64, with its NUL */
#define BS_SCRAM_KEY            32      /* bytes of SHA-256 */
#define BS_SCRAM_SALT_MAX       64      /* bytes of a salt we accept */
#define BS_SCRAM_ITERATIONS     4096    /* of the verifiers we make */
#define BS_SCRAM_ITERATIONS_MAX 1000000 /* a hostile server may not ask for more work */
#define BS_SCRAM_TEXT           256     /* a verifier of ours as text, with its NUL */
#define BS_SCRAM_MESSAGE_MAX    1024    /* bytes of one message, either way */
#define BS_SCRAM_NONCE_TEXT     25      /* our part of the nonce, with its NUL */
#define BS_SCRAM_NONCE_MAX      256     /* bytes of the far side's part of the nonce */

#define BS_SCRAM_MORE 9 /* secrets of one user besides the first */

/* What is stored of one more secret of the same user. */
struct bs_scram_secret {
    uint8_t stored_key[BS_SCRAM_KEY];
    uint8_t server_key[BS_SCRAM_KEY];
};

/*
 * A zeroed verifier refuses everybody. The client is told one salt before anybody knows which of a
 * user's secrets it holds, so all of them are stored under one.
 */
struct bs_scram_verifier {
    bool known; /* false: a mock; goes through the motions and refuses at the end */
    uint32_t iterations;
    uint8_t salt[BS_SCRAM_SALT_MAX];
    size_t salt_len;
    uint8_t stored_key[BS_SCRAM_KEY];
    uint8_t server_key[BS_SCRAM_KEY];
    struct bs_scram_secret more[BS_SCRAM_MORE];
    size_t n_more;
};

/* What an exchange is bound to: see bs_tls_end_point. Zeroed: nothing. */
struct bs_scram_end_point {
    uint8_t hash[BS_SCRAM_END_POINT];
    size_t n;
};

/* How a client binds an exchange. */
enum bs_scram_bound {
    BS_SCRAM_BOUND_NOT = 0, /* "n": it cannot */
    BS_SCRAM_BOUND_ASKED,   /* "y": it could, and the server did not offer it */
    BS_SCRAM_BOUND,         /* "p": to the server's certificate */
};

enum bs_scram_step {
    BS_SCRAM_OVER = 0, /* failed, finished or never begun: takes nothing more */
    BS_SCRAM_FIRST,
    BS_SCRAM_DERIVE,
    BS_SCRAM_FINAL,
    BS_SCRAM_VERIFY,
};

/* The fields are private to scram.c. */
struct bs_scram_server {
    enum bs_scram_step step;
    struct bs_scram_end_point end_point; /* n != 0: -PLUS was offered */
    bool plus;                           /* and was chosen */
    struct bs_scram_verifier verifier;
    size_t matched;                 /* after the proof: 0, or 1 + the index in verifier.more */
    char binding[BS_SCRAM_BINDING]; /* what c= must be, by the client's flag */
    char first_bare[BS_SCRAM_MESSAGE_MAX];   /* client-first-message-bare */
    char server_first[BS_SCRAM_MESSAGE_MAX]; /* what we answered */
    char nonce[BS_SCRAM_MESSAGE_MAX];        /* both halves */
};

struct bs_scram_client {
    enum bs_scram_step step;
    char binding[BS_SCRAM_BINDING];          /* what c= is */
    char nonce[BS_SCRAM_NONCE_TEXT];         /* ours */
    char first_bare[64];                     /* client-first-message-bare */
    char server_first[BS_SCRAM_MESSAGE_MAX]; /* what the server sent */
    char combined[BS_SCRAM_MESSAGE_MAX];     /* both halves of the nonce */
    uint8_t salt[BS_SCRAM_SALT_MAX];
    size_t salt_len;
    uint32_t iterations;
    uint8_t client_key[BS_SCRAM_KEY];
    uint8_t server_key[BS_SCRAM_KEY];
    uint8_t signature[BS_SCRAM_KEY]; /* what the server must prove to know */
};

/* -------------------------------------------------------------- verifiers */

/* err DATA: not such a verifier, or outside our limits. The text itself is never in the message. */
BS_MUST_CHECK enum bs_done
bs_scram_verifier_parse(const char *text, struct bs_scram_verifier *out, struct bs_err *err);

/*
 * A new verifier for a password, with a random salt. Slow (PBKDF2). Passwords are taken byte by
 * byte: what SASLprep leaves alone, plain ASCII, is the same; the rest works like an
 * unpreparable password in PostgreSQL.
 *
 * err  DATA: the password is empty
 */
BS_MUST_CHECK enum bs_done
bs_scram_verifier_make(const char *password, char out[BS_SCRAM_TEXT], struct bs_err *err);

/*
 * The same under the salt and iterations of another verifier of the same user, for
 * bs_scram_verifier_add. Both passwords must be random ones: equal salts let whoever steals the
 * verifiers try each guess against both at once.
 *
 * err  DATA: the password is empty, or `like` is not a verifier
 */
BS_MUST_CHECK enum bs_done bs_scram_verifier_make_like(const char *password,
                                                       const char *like,
                                                       char out[BS_SCRAM_TEXT],
                                                       struct bs_err *err);
/*
 * One more secret that proves the same user. Its place is out->n_more - 1 afterwards.
 *
 * err  DATA: not a verifier, or of another salt; LIMIT: BS_SCRAM_MORE are there
 */
BS_MUST_CHECK enum bs_done
bs_scram_verifier_add(struct bs_scram_verifier *out, const char *text, struct bs_err *err);

/*
 * The verifier of somebody who does not exist: looks like one of ours and is the same each time
 * for the same name, so that trying shows nothing.
 *
 * secret  of this process (or better, of this installation); not empty
 */
void
bs_scram_verifier_mock(struct bs_bytes secret, const char *user, struct bs_scram_verifier *out);
void bs_scram_verifier_wipe(struct bs_scram_verifier *v);

/* ------------------------------------------------------------ server role */

/* end_point  what -PLUS binds to; NULL or zeroed: only the plain mechanism was offered */
void bs_scram_server_init(struct bs_scram_server *s,
                          const struct bs_scram_verifier *verifier,
                          const struct bs_scram_end_point *end_point);
/* The mechanism that the client chose; false: it was not offered. Without it the plain one counts. */
BS_MUST_CHECK bool bs_scram_server_choose(struct bs_scram_server *s, struct bs_bytes mechanism);
/*
 * The client-first-message in, the server-first-message appended to `out`.
 *
 * err  PROTOCOL: malformed; AUTH: it wants what we do not offer, or says that we did not offer -PLUS
 *      where we did: then somebody changed our offer on its way
 */
BS_MUST_CHECK enum bs_done bs_scram_server_first(struct bs_scram_server *s,
                                                 struct bs_bytes in,
                                                 struct bs_buf *out,
                                                 struct bs_err *err);
/*
 * The client-final-message in, the server-final-message appended to `out`. BS_DONE means: the
 * client knows the password and the verifier is of a known user. Nothing else does.
 *
 * err  PROTOCOL: malformed; AUTH: wrong password or unknown user, with no difference to be seen
 */
BS_MUST_CHECK enum bs_done bs_scram_server_final(struct bs_scram_server *s,
                                                 struct bs_bytes in,
                                                 struct bs_buf *out,
                                                 struct bs_err *err);
void bs_scram_server_fini(struct bs_scram_server *s);

/* ------------------------------------------------------------ client role */

/* Starts and appends the client-first-message to `out`. The user's name is that of the start-up
 * packet, so none is sent here, as libpq does. end_point: only where it is bound; else NULL. */
void bs_scram_client_first(struct bs_scram_client *c,
                           enum bs_scram_bound bound,
                           const struct bs_scram_end_point *end_point,
                           struct bs_buf *out);
/*
 * The server-first-message in.
 *
 * err  PROTOCOL: malformed, or a nonce that does not extend ours; LIMIT: over our limits, or fewer
 *      than 4096 iterations (RFC 7677), with which a false server could guess cheaply
 */
BS_MUST_CHECK enum bs_done
bs_scram_client_challenge(struct bs_scram_client *c, struct bs_bytes in, struct bs_err *err);
/* The slow step; any thread, as long as one at a time uses `c`. err DATA: no password. */
BS_MUST_CHECK enum bs_done
bs_scram_client_derive(struct bs_scram_client *c, const char *password, struct bs_err *err);
/* Appends the client-final-message to `out`. */
BS_MUST_CHECK enum bs_done
bs_scram_client_final(struct bs_scram_client *c, struct bs_buf *out, struct bs_err *err);
/*
 * The server-final-message in. Only after BS_DONE may an AuthenticationOk be believed.
 *
 * err  PROTOCOL: malformed; AUTH: the server said no, or does not know the password's verifier
 */
BS_MUST_CHECK enum bs_done
bs_scram_client_verify(struct bs_scram_client *c, struct bs_bytes in, struct bs_err *err);
void bs_scram_client_fini(struct bs_scram_client *c);

#endif
