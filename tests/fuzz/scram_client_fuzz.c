/*
 * scram_client_fuzz.c - a hostile server. It must not be believed without the signature, cause
 * unbounded work or make us write past a buffer.
 */
#include "fuzz.h"

#include "wire/scram.h"

#define NONCE "rOprNGfwEbeRWgbNEkqO"

static void
finish(struct bs_scram_client *c, struct bs_bytes last, struct bs_buf *out)
{
    struct bs_err err = {0};
    uint8_t expected[BS_SCRAM_KEY];
    char claimed[2 * BS_SCRAM_KEY];

    c->iterations = 1; /* the bound was checked; the fuzzer needs speed */
    HOLD(bs_scram_client_derive(c, "pencil", &err) == BS_DONE);
    HOLD(bs_scram_client_final(c, out, &err) == BS_DONE);
    memcpy(expected, c->signature, sizeof(expected));
    if (bs_scram_client_verify(c, last, &err) == BS_FAILED) {
        HOLD(err.code != BS_OK);
        return;
    }
    /* Believed: then it is exactly v= and 44 characters, and no zero signature. */
    HOLD(last.n == 46 && last.n - 2 < sizeof(claimed));
    HOLD(memcmp(expected, (uint8_t[BS_SCRAM_KEY]){0}, sizeof(expected)) != 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bs_bytes in = {data, size};
    struct bs_bytes first = fuzz_piece(&in), last = in;
    struct bs_scram_client c;
    struct bs_scram_verifier v;
    struct bs_err err = {0};
    struct bs_buf out;
    char text[BS_SCRAM_TEXT];

    bs_buf_init(&out, BS_SCRAM_MESSAGE_MAX);
    bs_scram_client_first(&c, BS_SCRAM_BOUND_NOT, NULL, &out);
    bs_buf_clear(&out);
    memcpy(c.nonce, NONCE, sizeof(NONCE));
    if (bs_scram_client_challenge(&c, first, &err) == BS_DONE) {
        HOLD(c.iterations >= BS_SCRAM_ITERATIONS && c.iterations <= BS_SCRAM_ITERATIONS_MAX);
        HOLD(c.salt_len >= 1 && c.salt_len <= BS_SCRAM_SALT_MAX);
        finish(&c, last, &out);
    } else {
        HOLD(err.code != BS_OK);
    }
    bs_scram_client_fini(&c);
    bs_buf_fini(&out);

    /* Verifiers come from a table that a server keeps. */
    memset(text, 0, sizeof(text));
    memcpy(text, data, size < sizeof(text) - 1 ? size : sizeof(text) - 1);
    err = (struct bs_err){0};
    HOLD((bs_scram_verifier_parse(text, &v, &err) == BS_DONE) == v.known);
    return 0;
}
