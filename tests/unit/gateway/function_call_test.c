/*
 * function_call_test.c - what a FunctionCall would be as SQL; nearly all are nothing.
 */
#include "../sql/unit.h"
#include "gateway/function_call.h"
#include "sql/classify.h"
#include "tap.h"

#define OID(a, b) "\0\0" a b
#define BINARY    "\0\1\0\1"
#define FOUR      "\0\0\0\4"
#define END       "\0\1"
#define BYTES(s)  (const uint8_t *)(s), sizeof(s) - 1

/* clang-format off */
static const struct {
    const char *what;
    struct bs_bytes body;
    const char *want; /* NULL: none */
    enum bs_risk risk;
} rows[] = {
    {"lo_open to read", {BYTES(OID("\x03", "\xb8") BINARY "\0\2" FOUR "\0\6\x79\x32" FOUR "\0\4\0\0" END)},
     "SELECT pg_catalog.lo_open(424242, 262144)", BS_RISK_SAFE},
    {"lo_open to write", {BYTES(OID("\x03", "\xb8") BINARY "\0\2" FOUR "\xff\xff\xff\xff" FOUR "\0\2\0\0" END)},
     "SELECT pg_catalog.lo_open(4294967295, 131072)", BS_RISK_CRITICAL},
    {"lo_open to do both", {BYTES(OID("\x03", "\xb8") BINARY "\0\2" FOUR "\0\0\0\1" FOUR "\0\6\0\0" END)},
     "SELECT pg_catalog.lo_open(1, 393216)", BS_RISK_CRITICAL},
    {"loread", {BYTES(OID("\x03", "\xba") BINARY "\0\2" FOUR "\0\0\0\0" FOUR "\0\0\x40\0" END)},
     "SELECT pg_catalog.loread(0, 16384)", BS_RISK_SAFE},
    {"lo_close of a negative number", {BYTES(OID("\x03", "\xb9") BINARY "\0\1" FOUR "\xff\xff\xff\xfe" END)},
     "SELECT pg_catalog.lo_close(-2)", BS_RISK_SAFE},
    {"lo_lseek64", {BYTES(OID("\x0c", "\x62") BINARY "\0\3" FOUR "\0\0\0\1" "\0\0\0\x8" "\xff\xff\xff\xff\xff\xff\xff\xff" FOUR "\0\0\0\2" END)},
     "SELECT pg_catalog.lo_lseek64(1, -1, 2)", BS_RISK_SAFE},
    {"too few arguments", {BYTES(OID("\x03", "\xb8") BINARY "\0\1" FOUR "\0\0\0\1" END)}, NULL, 0},
    {"an argument of another width", {BYTES(OID("\x03", "\xb9") BINARY "\0\1" "\0\0\0\2" "\0\1" END)}, NULL, 0},
    {"NULL", {BYTES(OID("\x03", "\xb9") BINARY "\0\1" "\xff\xff\xff\xff" END)}, NULL, 0},
    {"as text", {BYTES(OID("\x03", "\xb9") "\0\0\0\1" FOUR "1111" END)}, NULL, 0},
    {"lo_unlink", {BYTES(OID("\x03", "\xc4") BINARY "\0\1" FOUR "\0\0\0\1" END)}, NULL, 0},
    {"lowrite", {BYTES(OID("\x03", "\xbb") BINARY "\0\2" FOUR "\0\0\0\0" "\0\0\0\1" "x" END)}, NULL, 0},
    {"now", {BYTES(OID("\x05", "\x13") "\0\0\0\0" END)}, NULL, 0},
};
/* clang-format on */

static void
calls(void)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct bs_function_call call = {0};
        struct bs_err err = {0};
        struct bs_arena arena;

        bs_arena_init(&arena, "test", 1u << 20);
        EXPECT_EQ(bs_msg_read_function_call(rows[i].body, &call, &err), BS_DONE);
        const char *text = bs_function_call_text(&call, &arena);
        EXPECT((text == NULL) == (rows[i].want == NULL));
        if (text != NULL && rows[i].want != NULL) {
            EXPECT(strcmp(text, rows[i].want) == 0);
            EXPECT_EQ(unit_of(text, &arena).risk, rows[i].risk);
        }
        if (tap_misses != 0)
            printf("# in row: %s: %s\n", rows[i].what, text);
        bs_arena_fini(&arena);
    }
}

/* Each prefix of a call is malformed, and so is one with a byte too many. */
static void
cut_short(void)
{
    struct bs_bytes body = rows[0].body;
    struct bs_function_call call = {0};
    struct bs_err err = {0};

    for (size_t n = 0; n < body.n; n++)
        EXPECT_EQ(bs_msg_read_function_call((struct bs_bytes){body.p, n}, &call, &err), BS_FAILED);
    EXPECT_EQ(bs_msg_read_function_call(BS_LIT("\0\0\5\x13\0\0\0\0\0\0\0"), &call, &err),
              BS_FAILED);
    EXPECT_EQ(bs_msg_read_function_call(BS_LIT("\0\0\5\x13\0\0\0\0\0\2"), &call, &err), BS_FAILED);
}

int
main(void)
{
    static const struct tap_case cases[] = {
        {"what a call would be as SQL", calls},
        {"malformed calls", cut_short},
    };
    return tap_main(cases, sizeof(cases) / sizeof(cases[0]));
}
