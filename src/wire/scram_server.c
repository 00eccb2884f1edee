/*
 * scram_server.c - the server's role. A user who does not exist takes the same way as one with a
 * wrong password, to the same last line.
 */
#include "wire/scram.h"

#include <string.h>

#include "base/arena.h"
#include "wire/scram_crypt.h"

void
bs_scram_server_init(struct bs_scram_server *s,
                     const struct bs_scram_verifier *verifier,
                     const struct bs_scram_end_point *end_point)
{
    *s = (struct bs_scram_server){.step = BS_SCRAM_FIRST, .verifier = *verifier};
    if (end_point != NULL)
        s->end_point = *end_point;
}

bool
bs_scram_server_choose(struct bs_scram_server *s, struct bs_bytes mechanism)
{
    s->plus = s->end_point.n != 0 && bs_bytes_equal(mechanism, BS_LIT(BS_SCRAM_MECHANISM_PLUS));
    return s->plus || bs_bytes_equal(mechanism, BS_LIT(BS_SCRAM_MECHANISM));
}

void
bs_scram_server_fini(struct bs_scram_server *s)
{
    bs_wipe(s, sizeof(*s));
}

static enum bs_done
malformed(struct bs_err *err)
{
    return BS_FAIL(err, PROTOCOL, "malformed SCRAM message");
}

/* The header "p=tls-server-end-point,," of -PLUS. */
static enum bs_done
take_bound_header(struct bs_scram_server *s, struct bs_bytes *in, struct bs_err *err)
{
    const struct bs_bytes want = BS_LIT(BS_SCRAM_BOUND_HEADER);
    struct bs_bytes head;

    if (in->p[0] != 'p')
        return BS_FAIL(err, PROTOCOL, "SCRAM-SHA-256-PLUS without channel binding");
    if (!bs_take_bytes(in, want.n, &head) || !bs_bytes_equal(head, want))
        return BS_FAIL(err, AUTH, "SCRAM channel binding is not of the type tls-server-end-point");
    bs_scram_binding(BS_SCRAM_BOUND_HEADER, &s->end_point, s->binding);
    return BS_DONE;
}

/* The header "n,," or "y,,": the client binds no channel and acts for nobody else. */
static enum bs_done
take_header(struct bs_scram_server *s, struct bs_bytes *in, struct bs_err *err)
{
    struct bs_bytes head;

    if (s->plus)
        return take_bound_header(s, in, err);
    if (!bs_take_bytes(in, 3, &head))
        return malformed(err);
    if (head.p[0] == 'p')
        return BS_FAIL(err, AUTH, "SCRAM channel binding is not offered with this mechanism");
    if ((head.p[0] != 'n' && head.p[0] != 'y') || head.p[1] != ',')
        return malformed(err);
    if (head.p[0] == 'y' && s->end_point.n != 0)
        return BS_FAIL(err, AUTH, "SCRAM channel binding negotiation was tampered with");
    bs_scram_binding(head.p[0] == 'n' ? "n,," : "y,,", NULL, s->binding);
    if (head.p[2] != ',')
        return BS_FAIL(err, AUTH, "SCRAM authorization identities are not supported");
    return BS_DONE;
}

/* The user's name in it does not count, that of the start-up packet does; extensions are skipped. */
static enum bs_done
take_first_bare(struct bs_scram_server *s,
                struct bs_bytes bare,
                struct bs_bytes *nonce,
                struct bs_err *err)
{
    struct bs_bytes left = bare, value;

    if (!bs_scram_attribute(&left, 'n', &value) || !bs_scram_attribute(&left, 'r', nonce))
        return malformed(err);
    while (left.n > 0) {
        if (!bs_scram_attribute(&left, 0, &value))
            return malformed(err);
    }
    if (!bs_scram_nonce_valid(*nonce, BS_SCRAM_NONCE_MAX))
        return BS_FAIL(err, PROTOCOL, "a SCRAM nonce must be 1 to %d printable characters",
                       BS_SCRAM_NONCE_MAX);
    bs_scram_copy(s->first_bare, bare);
    return BS_DONE;
}

static enum bs_done
put_server_first(struct bs_scram_server *s,
                 struct bs_bytes client_nonce,
                 struct bs_buf *out,
                 struct bs_err *err)
{
    char ours[BS_SCRAM_NONCE_TEXT], salt[BS_B64_LEN(BS_SCRAM_SALT_MAX) + 1];
    struct bs_buf text;
    bool ok;

    bs_scram_nonce(ours);
    bs_b64_put(s->verifier.salt, s->verifier.salt_len, salt);
    bs_scram_copy(s->nonce, client_nonce);
    memcpy(s->nonce + client_nonce.n, ours, sizeof(ours));
    bs_buf_init(&text, BS_SCRAM_MESSAGE_MAX - 1);
    bs_put_fmt(&text, "r=%s,s=%s,i=%u", s->nonce, salt, s->verifier.iterations);
    bs_put_bytes(out, bs_buf_view(&text));
    if (!text.failed)
        bs_scram_copy(s->server_first, bs_buf_view(&text));
    ok = !text.failed && !out->failed;
    bs_buf_fini(&text);
    return ok ? BS_DONE : BS_FAIL(err, LIMIT, "no room for a SCRAM message");
}

enum bs_done
bs_scram_server_first(struct bs_scram_server *s,
                      struct bs_bytes in,
                      struct bs_buf *out,
                      struct bs_err *err)
{
    struct bs_bytes nonce;
    bool begun = s->step == BS_SCRAM_FIRST;

    s->step = BS_SCRAM_OVER;
    if (!begun || !bs_scram_message_valid(in))
        return malformed(err);
    if (take_header(s, &in, err) == BS_FAILED || take_first_bare(s, in, &nonce, err) == BS_FAILED ||
        put_server_first(s, nonce, out, err) == BS_FAILED)
        return BS_FAILED;
    s->step = BS_SCRAM_FINAL;
    return BS_DONE;
}

/* A client-final-message taken apart. */
struct final {
    struct bs_bytes binding;
    struct bs_bytes nonce;
    struct bs_bytes without_proof;
    uint8_t proof[BS_SCRAM_KEY];
};

static bool
take_final(struct bs_bytes in, struct final *out)
{
    struct bs_bytes left = in, value;
    size_t n = 0;

    if (!bs_scram_attribute(&left, 'c', &out->binding) ||
        !bs_scram_attribute(&left, 'r', &out->nonce))
        return false;
    while (left.n > 0 && left.p[0] != 'p') {
        if (!bs_scram_attribute(&left, 0, &value))
            return false;
    }
    out->without_proof = (struct bs_bytes){in.p, in.n - left.n};
    if (left.n == 0 || out->without_proof.n == 0)
        return false;
    out->without_proof.n--; /* the comma before the proof */
    return bs_scram_attribute(&left, 'p', &value) && left.n == 0 &&
           bs_b64_take(value, BS_SCRAM_KEY, out->proof, &n) && n == BS_SCRAM_KEY;
}

/* Whether the proof was made with the key that this StoredKey is the hash of. */
static bool
proof_fits(const struct bs_scram_server *s, const struct final *f, const uint8_t *stored_key)
{
    uint8_t key[BS_SCRAM_KEY], hash[BS_SCRAM_KEY];
    bool same;

    bs_scram_sign(stored_key, s->first_bare, s->server_first, f->without_proof, key);
    for (size_t i = 0; i < sizeof(key); i++)
        key[i] ^= f->proof[i];
    bs_scram_hash(key, hash);
    same = bs_bytes_equal_secret((struct bs_bytes){hash, sizeof(hash)},
                                 (struct bs_bytes){stored_key, BS_SCRAM_KEY});
    bs_wipe(key, sizeof(key));
    bs_wipe(hash, sizeof(hash));
    return same;
}

/*
 * Every place is tried, the empty ones too: how long it takes does not show how many secrets there
 * are, which of them it was, or whether there is such a user.
 */
static bool
proof_holds(struct bs_scram_server *s, const struct final *f)
{
    const struct bs_scram_verifier *v = &s->verifier;
    bool holds = proof_fits(s, f, v->stored_key);

    s->matched = 0;
    for (size_t i = 0; i < BS_SCRAM_MORE; i++) {
        bool fits = proof_fits(s, f, v->more[i].stored_key) & (i < v->n_more);
        s->matched += (size_t)(fits & !holds) * (i + 1);
        holds |= fits;
    }
    return holds & v->known;
}

static enum bs_done
put_server_final(const struct bs_scram_server *s,
                 const struct final *f,
                 struct bs_buf *out,
                 struct bs_err *err)
{
    const uint8_t *key =
        s->matched == 0 ? s->verifier.server_key : s->verifier.more[s->matched - 1].server_key;
    char text[BS_B64_LEN(BS_SCRAM_KEY) + 1];
    uint8_t signature[BS_SCRAM_KEY];

    bs_scram_sign(key, s->first_bare, s->server_first, f->without_proof, signature);
    bs_b64_put(signature, sizeof(signature), text);
    bs_put_fmt(out, "v=%s", text);
    if (out->failed)
        return BS_FAIL(err, LIMIT, "no room for a SCRAM message");
    return BS_DONE;
}

enum bs_done
bs_scram_server_final(struct bs_scram_server *s,
                      struct bs_bytes in,
                      struct bs_buf *out,
                      struct bs_err *err)
{
    struct final f = {0};
    bool begun = s->step == BS_SCRAM_FINAL;

    s->step = BS_SCRAM_OVER;
    if (!begun || !bs_scram_message_valid(in) || !take_final(in, &f))
        return malformed(err);
    if (!bs_bytes_equal(f.binding, bs_bytes_of(s->binding)))
        return s->plus
                   ? BS_FAIL(err, AUTH, "SCRAM channel binding check failed")
                   : BS_FAIL(err, PROTOCOL, "the SCRAM channel binding changed between messages");
    if (!bs_bytes_equal_secret(f.nonce, bs_bytes_of(s->nonce)))
        return BS_FAIL(err, PROTOCOL, "the SCRAM nonce does not match");
    if (!proof_holds(s, &f))
        return BS_FAIL(err, AUTH, "password authentication failed");
    return put_server_final(s, &f, out, err);
}
