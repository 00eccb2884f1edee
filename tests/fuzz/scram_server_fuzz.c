/*
 * scram_server_fuzz.c - both messages of an unauthenticated client. Nobody who does not exist may
 * ever get in, and a failure must say nothing.
 */
#include "fuzz.h"

#include "wire/scram.h"

/* The nonce that the seeds know; our own half is random otherwise. */
#define NONCE "abcDEF"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bs_bytes in = {data, size};
    struct bs_bytes first = fuzz_piece(&in), last = in;
    struct bs_scram_verifier v;
    struct bs_scram_server s;
    struct bs_err err = {0};
    struct bs_buf out;
    const struct bs_scram_end_point end_point = {{1, 2, 3}, 32};
    enum bs_done done;

    bs_buf_init(&out, BS_SCRAM_MESSAGE_MAX);
    bs_scram_verifier_mock(BS_LIT("secret"), "ghost", &v);
    bs_scram_server_init(&s, &v, size & 1 ? NULL : &end_point);
    if (size & 2)
        (void)!bs_scram_server_choose(&s, BS_LIT(BS_SCRAM_MECHANISM_PLUS));
    done = bs_scram_server_first(&s, first, &out, &err);
    HOLD((done == BS_DONE) == (err.code == BS_OK));
    HOLD(done == BS_DONE || out.n == 0);
    if (done == BS_DONE) {
        memcpy(s.nonce, NONCE, sizeof(NONCE));
        bs_buf_clear(&out);
        HOLD(bs_scram_server_final(&s, last, &out, &err) == BS_FAILED);
        HOLD(err.code != BS_OK && out.n == 0);
    }
    bs_scram_server_fini(&s);
    bs_buf_fini(&out);
    return 0;
}
