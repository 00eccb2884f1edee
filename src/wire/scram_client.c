/*
 * scram_client.c - the client's role. The server is not trusted before its signature was checked:
 * it may send anything, at any length, and ask for any amount of work.
 */
#include "wire/scram.h"

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "wire/scram_crypt.h"

static enum bs_done
malformed(struct bs_err *err)
{
    return BS_FAIL(err, PROTOCOL, "the server sent a malformed SCRAM message");
}

void
bs_scram_client_fini(struct bs_scram_client *c)
{
    bs_wipe(c, sizeof(*c));
}

void
bs_scram_client_first(struct bs_scram_client *c,
                      enum bs_scram_bound bound,
                      const struct bs_scram_end_point *end_point,
                      struct bs_buf *out)
{
    static const char *const headers[] = {
        [BS_SCRAM_BOUND_NOT] = "n,,",
        [BS_SCRAM_BOUND_ASKED] = "y,,",
        [BS_SCRAM_BOUND] = BS_SCRAM_BOUND_HEADER,
    };

    *c = (struct bs_scram_client){.step = BS_SCRAM_FIRST};
    bs_assert((bound == BS_SCRAM_BOUND) == (end_point != NULL));
    bs_scram_binding(headers[bound], end_point, c->binding);
    bs_scram_nonce(c->nonce);
    (void)snprintf(c->first_bare, sizeof(c->first_bare), "n=,r=%s", c->nonce);
    bs_put_fmt(out, "%s%s", headers[bound], c->first_bare);
}

/* The whole nonce: ours, and something new behind it. */
static bool
extends_ours(const struct bs_scram_client *c, struct bs_bytes nonce)
{
    size_t ours = strlen(c->nonce);

    return bs_scram_nonce_valid(nonce, ours + BS_SCRAM_NONCE_MAX) && nonce.n > ours &&
           memcmp(nonce.p, c->nonce, ours) == 0;
}

static enum bs_done
take_challenge(struct bs_scram_client *c, struct bs_bytes in, struct bs_err *err)
{
    struct bs_bytes left = in, nonce, salt, iterations;

    if (!bs_scram_attribute(&left, 'r', &nonce) || !bs_scram_attribute(&left, 's', &salt) ||
        !bs_scram_attribute(&left, 'i', &iterations) || left.n != 0)
        return malformed(err);
    if (!extends_ours(c, nonce))
        return BS_FAIL(err, PROTOCOL, "the server sent a SCRAM nonce that does not fit ours");
    if (!bs_b64_take(salt, sizeof(c->salt), c->salt, &c->salt_len))
        return malformed(err);
    if (!bs_scram_number(iterations, BS_SCRAM_ITERATIONS_MAX, &c->iterations) ||
        c->iterations < BS_SCRAM_ITERATIONS)
        return BS_FAIL(err, LIMIT,
                       "the server asks for a number of SCRAM iterations outside of "
                       "%d to %d",
                       BS_SCRAM_ITERATIONS, BS_SCRAM_ITERATIONS_MAX);
    bs_scram_copy(c->combined, nonce);
    bs_scram_copy(c->server_first, in);
    return BS_DONE;
}

enum bs_done
bs_scram_client_challenge(struct bs_scram_client *c, struct bs_bytes in, struct bs_err *err)
{
    bool begun = c->step == BS_SCRAM_FIRST;

    c->step = BS_SCRAM_OVER;
    if (!begun || !bs_scram_message_valid(in))
        return malformed(err);
    if (take_challenge(c, in, err) == BS_FAILED)
        return BS_FAILED;
    c->step = BS_SCRAM_DERIVE;
    return BS_DONE;
}

enum bs_done
bs_scram_client_derive(struct bs_scram_client *c, const char *password, struct bs_err *err)
{
    bool begun = c->step == BS_SCRAM_DERIVE;

    c->step = BS_SCRAM_OVER;
    if (!begun)
        return malformed(err);
    if (password == NULL || password[0] == '\0')
        return BS_FAIL(err, DATA, "the server asks for a password and there is none");
    bs_scram_keys(bs_bytes_of(password), (struct bs_bytes){c->salt, c->salt_len}, c->iterations,
                  c->client_key, c->server_key);
    c->step = BS_SCRAM_FINAL;
    return BS_DONE;
}

/* ClientKey xor ClientSignature. */
static void
make_proof(const struct bs_scram_client *c,
           struct bs_bytes without_proof,
           uint8_t proof[BS_SCRAM_KEY])
{
    uint8_t stored_key[BS_SCRAM_KEY];

    bs_scram_hash(c->client_key, stored_key);
    bs_scram_sign(stored_key, c->first_bare, c->server_first, without_proof, proof);
    for (size_t i = 0; i < BS_SCRAM_KEY; i++)
        proof[i] ^= c->client_key[i];
    bs_wipe(stored_key, sizeof(stored_key));
}

enum bs_done
bs_scram_client_final(struct bs_scram_client *c, struct bs_buf *out, struct bs_err *err)
{
    char text[BS_B64_LEN(BS_SCRAM_KEY) + 1];
    uint8_t proof[BS_SCRAM_KEY];
    struct bs_buf bare;
    bool begun = c->step == BS_SCRAM_FINAL;

    c->step = BS_SCRAM_OVER;
    if (!begun)
        return malformed(err);
    bs_buf_init(&bare, BS_SCRAM_MESSAGE_MAX);
    bs_put_fmt(&bare, "c=%s,r=%s", c->binding, c->combined);
    bs_assert(!bare.failed); /* challenge bounded the nonce */
    make_proof(c, bs_buf_view(&bare), proof);
    bs_scram_sign(c->server_key, c->first_bare, c->server_first, bs_buf_view(&bare), c->signature);
    bs_b64_put(proof, sizeof(proof), text);
    bs_put_bytes(out, bs_buf_view(&bare));
    bs_put_fmt(out, ",p=%s", text);
    bs_buf_fini(&bare);
    bs_wipe(c->client_key, sizeof(c->client_key));
    if (out->failed)
        return BS_FAIL(err, LIMIT, "no room for a SCRAM message");
    c->step = BS_SCRAM_VERIFY;
    return BS_DONE;
}

enum bs_done
bs_scram_client_verify(struct bs_scram_client *c, struct bs_bytes in, struct bs_err *err)
{
    uint8_t signature[BS_SCRAM_KEY];
    struct bs_bytes value;
    size_t n = 0;
    bool begun = c->step == BS_SCRAM_VERIFY;

    c->step = BS_SCRAM_OVER;
    if (!begun || !bs_scram_message_valid(in))
        return malformed(err);
    if (in.p[0] == 'e')
        return BS_FAIL(err, AUTH, "the server refused the password");
    if (!bs_scram_attribute(&in, 'v', &value) || in.n != 0 ||
        !bs_b64_take(value, sizeof(signature), signature, &n) || n != sizeof(signature))
        return malformed(err);
    if (!bs_bytes_equal_secret((struct bs_bytes){signature, n},
                               (struct bs_bytes){c->signature, sizeof(c->signature)}))
        return BS_FAIL(err, AUTH, "the server could not prove that it knows the password");
    return BS_DONE;
}
