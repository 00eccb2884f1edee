/*
 * scram.h - SCRAM-SHA-256 for both roles: server towards actors, client towards the database.
 *
 * Messages go in and out as the mechanism's own bytes; wrap them with messages.h. Channel binding
 * (-PLUS) is not offered and not used.
 *
 * The server's side only computes HMACs. The client's side has one slow step, bs_scram_client_derive
 * (PBKDF2): call it on a job thread.
 *
 * Layer  wire. No I/O and no clock; nonces and salts come from bs_random.
 * Spec   RFC 5802, RFC 7677; PostgreSQL manual, sasl-authentication.html. Verifiers are in the
 *        format of pg_authid.rolpassword: SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey.
 * Owns   nothing on the heap. bs_scram_*_fini wipes; call it on every way out.
 */
#ifndef BS_WIRE_SCRAM_H
#define BS_WIRE_SCRAM_H

#include "base/bytes.h"
#include "base/err.h"

#define BS_SCRAM_MECHANISM      "SCRAM-SHA-256"
#define BS_SCRAM_KEY            32      /* bytes of SHA-256 */
#define BS_SCRAM_SALT_MAX       64      /* bytes of a salt we accept */
#define BS_SCRAM_ITERATIONS     4096    /* of the verifiers we make */
#define BS_SCRAM_ITERATIONS_MAX 1000000 /* a hostile server may not ask for more work */
#define BS_SCRAM_TEXT           256     /* a verifier of ours as text, with its NUL */
#define BS_SCRAM_MESSAGE_MAX    1024    /* bytes of one message, either way */
#define BS_SCRAM_NONCE_TEXT     25      /* our part of the nonce, with its NUL */
#define BS_SCRAM_NONCE_MAX      256     /* bytes of the far side's part of the nonce */

/* A zeroed verifier refuses everybody. */
struct bs_scram_verifier {
    bool known; /* false: a mock; goes through the motions and refuses at the end */
    uint32_t iterations;
    uint8_t salt[BS_SCRAM_SALT_MAX];
    size_t salt_len;
    uint8_t stored_key[BS_SCRAM_KEY];
    uint8_t server_key[BS_SCRAM_KEY];
};

/* Whether the AuthenticationSASL that we sent offered a -PLUS mechanism. */
enum bs_scram_offered {
    BS_SCRAM_OFFERED_PLUS = 0, /* a client that says "y" was tampered with: refused */
    BS_SCRAM_OFFERED_PLAIN,
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
    enum bs_scram_offered offered;
    struct bs_scram_verifier verifier;
    const char *binding;                     /* what c= must be, by the client's flag */
    char first_bare[BS_SCRAM_MESSAGE_MAX];   /* client-first-message-bare */
    char server_first[BS_SCRAM_MESSAGE_MAX]; /* what we answered */
    char nonce[BS_SCRAM_MESSAGE_MAX];        /* both halves */
};

struct bs_scram_client {
    enum bs_scram_step step;
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
 * The verifier of somebody who does not exist: looks like one of ours and is the same each time
 * for the same name, so that trying shows nothing.
 *
 * secret  of this process (or better, of this installation); not empty
 */
void
bs_scram_verifier_mock(struct bs_bytes secret, const char *user, struct bs_scram_verifier *out);
void bs_scram_verifier_wipe(struct bs_scram_verifier *v);

/* ------------------------------------------------------------ server role */

void bs_scram_server_init(struct bs_scram_server *s,
                          const struct bs_scram_verifier *verifier,
                          enum bs_scram_offered offered);
/*
 * The client-first-message in, the server-first-message appended to `out`.
 *
 * err  PROTOCOL: malformed; AUTH: it wants what we do not offer
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
 * packet, so none is sent here, as libpq does. */
void bs_scram_client_first(struct bs_scram_client *c, struct bs_buf *out);
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
