/*
 * scram_verifier.c - what is stored instead of a password, in PostgreSQL's own format, so that a
 * rolpassword can be taken over as it is.
 */
#include "wire/scram.h"

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "wire/scram_crypt.h"

#define SALT_BYTES 16 /* of our own verifiers, as PostgreSQL's */

/* Everything before the first `end`, which is dropped. */
static bool
take_until(struct bs_bytes *in, char end, struct bs_bytes *out)
{
    const uint8_t *at = in->n == 0 ? NULL : memchr(in->p, end, in->n);
    struct bs_bytes skipped;

    return at != NULL && bs_take_bytes(in, (size_t)(at - in->p), out) &&
           bs_take_bytes(in, 1, &skipped);
}

static bool
take_key(struct bs_bytes text, uint8_t out[BS_SCRAM_KEY])
{
    size_t n = 0;

    return bs_b64_take(text, BS_SCRAM_KEY, out, &n) && n == BS_SCRAM_KEY;
}

static bool
parse(struct bs_bytes in, struct bs_scram_verifier *v)
{
    struct bs_bytes mechanism, iterations, salt, stored;

    if (!take_until(&in, '$', &mechanism) || !take_until(&in, ':', &iterations) ||
        !take_until(&in, '$', &salt) || !take_until(&in, ':', &stored))
        return false;
    return bs_bytes_equal(mechanism, BS_LIT(BS_SCRAM_MECHANISM)) &&
           bs_scram_number(iterations, BS_SCRAM_ITERATIONS_MAX, &v->iterations) &&
           bs_b64_take(salt, sizeof(v->salt), v->salt, &v->salt_len) &&
           take_key(stored, v->stored_key) && take_key(in, v->server_key);
}

enum bs_done
bs_scram_verifier_parse(const char *text, struct bs_scram_verifier *out, struct bs_err *err)
{
    struct bs_scram_verifier v = {0};
    enum bs_done done = BS_FAILED;

    *out = v;
    if (parse(bs_bytes_of(text), &v)) {
        v.known = true;
        *out = v;
        done = BS_DONE;
    } else {
        (void)BS_FAIL(err, DATA, "not a SCRAM-SHA-256 verifier");
    }
    bs_scram_verifier_wipe(&v);
    return done;
}

static enum bs_done
make(const char *password,
     struct bs_bytes salt,
     uint32_t iterations,
     char out[BS_SCRAM_TEXT],
     struct bs_err *err)
{
    uint8_t client_key[BS_SCRAM_KEY], stored_key[BS_SCRAM_KEY], server_key[BS_SCRAM_KEY];
    char salt_text[BS_B64_LEN(BS_SCRAM_SALT_MAX) + 1];
    char stored_text[BS_B64_LEN(BS_SCRAM_KEY) + 1], server_text[BS_B64_LEN(BS_SCRAM_KEY) + 1];
    int n;

    out[0] = '\0';
    if (password[0] == '\0')
        return BS_FAIL(err, DATA, "the password is empty");
    bs_scram_keys(bs_bytes_of(password), salt, iterations, client_key, server_key);
    bs_scram_hash(client_key, stored_key);
    bs_b64_put(salt.p, salt.n, salt_text);
    bs_b64_put(stored_key, sizeof(stored_key), stored_text);
    bs_b64_put(server_key, sizeof(server_key), server_text);
    n = snprintf(out, BS_SCRAM_TEXT, "%s$%u:%s$%s:%s", BS_SCRAM_MECHANISM, iterations, salt_text,
                 stored_text, server_text);
    bs_wipe(client_key, sizeof(client_key));
    bs_wipe(stored_key, sizeof(stored_key));
    bs_wipe(server_key, sizeof(server_key));
    bs_wipe(stored_text, sizeof(stored_text));
    bs_wipe(server_text, sizeof(server_text));
    return n < BS_SCRAM_TEXT ? BS_DONE : BS_FAIL(err, DATA, "the salt is too long");
}

enum bs_done
bs_scram_verifier_make(const char *password, char out[BS_SCRAM_TEXT], struct bs_err *err)
{
    uint8_t salt[SALT_BYTES];

    bs_random(salt, sizeof(salt));
    return make(password, (struct bs_bytes){salt, sizeof(salt)}, BS_SCRAM_ITERATIONS, out, err);
}

enum bs_done
bs_scram_verifier_make_like(const char *password,
                            const char *like,
                            char out[BS_SCRAM_TEXT],
                            struct bs_err *err)
{
    struct bs_scram_verifier v;
    enum bs_done done = bs_scram_verifier_parse(like, &v, err);

    if (done == BS_DONE)
        done = make(password, (struct bs_bytes){v.salt, v.salt_len}, v.iterations, out, err);
    bs_scram_verifier_wipe(&v);
    return done;
}

enum bs_done
bs_scram_verifier_add(struct bs_scram_verifier *out, const char *text, struct bs_err *err)
{
    struct bs_scram_verifier v;
    enum bs_done done = bs_scram_verifier_parse(text, &v, err);

    if (done == BS_DONE && (v.iterations != out->iterations || v.salt_len != out->salt_len ||
                            memcmp(v.salt, out->salt, v.salt_len) != 0))
        done = BS_FAIL(err, DATA, "a verifier has another salt than the first");
    else if (done == BS_DONE && out->n_more == BS_SCRAM_MORE)
        done = BS_FAIL(err, LIMIT, "more than %d secrets", BS_SCRAM_MORE + 1);
    if (done == BS_DONE) {
        memcpy(out->more[out->n_more].stored_key, v.stored_key, BS_SCRAM_KEY);
        memcpy(out->more[out->n_more].server_key, v.server_key, BS_SCRAM_KEY);
        out->n_more++;
    }
    bs_scram_verifier_wipe(&v);
    return done;
}

void
bs_scram_verifier_mock(struct bs_bytes secret, const char *user, struct bs_scram_verifier *out)
{
    const struct bs_bytes name = bs_bytes_of(user);
    uint8_t hash[BS_SCRAM_KEY];

    bs_assert(secret.n > 0);
    *out = (struct bs_scram_verifier){.iterations = BS_SCRAM_ITERATIONS, .salt_len = SALT_BYTES};
    /* A start-up packet bounds the name; the end of a longer one may as well not count. */
    bs_scram_hmac(
        secret,
        &(struct bs_bytes){name.p, name.n > BS_SCRAM_MESSAGE_MAX ? BS_SCRAM_MESSAGE_MAX : name.n},
        1, hash);
    memcpy(out->salt, hash, SALT_BYTES);
    bs_random(out->stored_key, sizeof(out->stored_key));
    bs_random(out->server_key, sizeof(out->server_key));
    bs_wipe(hash, sizeof(hash));
}

void
bs_scram_verifier_wipe(struct bs_scram_verifier *v)
{
    bs_wipe(v, sizeof(*v));
}
