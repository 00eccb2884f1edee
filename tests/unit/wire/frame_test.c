#include "wire/frame.h"

#include "tap.h"
#include "wire/rows.h"

#define MAX_BODY 64

static const struct {
    const char *what;
    struct bs_bytes in;
    enum bs_scan want;
    enum bs_code code; /* BS_OK unless want is BS_SCAN_BAD */
    uint8_t type;
    size_t body;
} rows[] = {
    {"nothing", {BYTES("")}, BS_SCAN_MORE, BS_OK, 0, 0},
    {"header cut short", {BYTES("Q\0\0\0")}, BS_SCAN_MORE, BS_OK, 0, 0},
    {"Query", {BYTES("Q\0\0\0\x06;\0")}, BS_SCAN_GOT, BS_OK, 'Q', 2},
    {"empty body", {BYTES("S\0\0\0\x04")}, BS_SCAN_GOT, BS_OK, 'S', 0},
    {"type 0", {BYTES("\0\0\0\0\x04")}, BS_SCAN_GOT, BS_OK, 0, 0},
    {"length 0", {BYTES("Q\0\0\0\0")}, BS_SCAN_BAD, BS_E_PROTOCOL, 0, 0},
    {"length below its own size", {BYTES("Q\0\0\0\x03")}, BS_SCAN_BAD, BS_E_PROTOCOL, 0, 0},
    {"body of exactly the limit", {BYTES("d\0\0\0\x44")}, BS_SCAN_MORE, BS_OK, 0, 0},
    {"body one over the limit", {BYTES("d\0\0\0\x45")}, BS_SCAN_BAD, BS_E_LIMIT, 0, 0},
    {"negative length", {BYTES("Q\x80\0\0\0")}, BS_SCAN_BAD, BS_E_LIMIT, 0, 0},
    {"length that would wrap", {BYTES("Q\xff\xff\xff\xff")}, BS_SCAN_BAD, BS_E_LIMIT, 0, 0},
};

/* Every row with each prefix of its bytes, shortest first: only the last one may be decided. */
static void
whole_and_trickled(void)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (size_t have = 0; have <= rows[i].in.n; have++) {
            bool last = have == rows[i].in.n;
            struct bs_bytes copy = exact((struct bs_bytes){rows[i].in.p, have});
            struct bs_bytes in = copy;
            struct bs_frame f = {0};
            struct bs_err err = {0};

            enum bs_scan got = bs_frame_next(&in, MAX_BODY, &f, &err);
            EXPECT_EQ(got, last ? rows[i].want : BS_SCAN_MORE);
            EXPECT_EQ(err.code, last ? rows[i].code : BS_OK);
            EXPECT_EQ(in.n, got == BS_SCAN_GOT ? 0 : have);
            if (got == BS_SCAN_GOT) {
                EXPECT_EQ(f.type, rows[i].type);
                EXPECT_EQ(f.body.n, rows[i].body);
            }
            drop(copy);
        }
        if (tap_misses != 0)
            printf("# in row: %s\n", rows[i].what);
    }
}

static void
peeks_without_the_body(void)
{
    struct bs_bytes in = BS_LIT("D\x3f\xff\xff\xfe");
    struct bs_err err = {0};
    uint32_t n = 0;
    uint8_t type = 0;

    for (size_t have = 0; have < in.n; have++)
        EXPECT_EQ(bs_frame_peek((struct bs_bytes){in.p, have}, &type, &n, &err), BS_SCAN_MORE);
    EXPECT_EQ(type, 0);
    EXPECT_EQ(bs_frame_peek(in, &type, &n, &err), BS_SCAN_GOT);
    EXPECT_EQ(type, 'D');
    EXPECT_EQ(n, BS_FRAME_MAX_BODY);
}

static void
peek_refuses(void)
{
    static const struct {
        struct bs_bytes in;
        enum bs_code code;
    } bad[] = {
        {{BYTES("D\x3f\xff\xff\xff")}, BS_E_LIMIT},
        {{BYTES("D\xff\xff\xff\xff")}, BS_E_LIMIT},
        {{BYTES("D\0\0\0\x03")}, BS_E_PROTOCOL},
    };

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct bs_err err = {0};
        uint8_t type = 7;
        uint32_t n = 7;

        EXPECT_EQ(bs_frame_peek(bad[i].in, &type, &n, &err), BS_SCAN_BAD);
        EXPECT_EQ(err.code, bad[i].code);
        EXPECT_EQ(type, 7);
        EXPECT_EQ(n, 7);
    }
}

static void
one_after_the_other(void)
{
    struct bs_bytes in = BS_LIT("H\0\0\0\x04Q\0\0\0\x06;\0S\0\0\0\x04X");
    const uint8_t types[] = {'H', 'Q', 'S'};
    struct bs_err err = {0};
    struct bs_frame f;

    for (size_t i = 0; i < sizeof(types); i++) {
        EXPECT_EQ(bs_frame_next(&in, MAX_BODY, &f, &err), BS_SCAN_GOT);
        EXPECT_EQ(f.type, types[i]);
    }
    EXPECT_EQ(bs_frame_next(&in, MAX_BODY, &f, &err), BS_SCAN_MORE);
    EXPECT_EQ(in.n, 1);
}

/* Whole messages of the one type, and no byte that is not there. */
static void
runs(void)
{
    static const struct {
        struct bs_bytes in;
        size_t want;
    } all[] = {
        {{BYTES("")}, 0},
        {{BYTES("d\0\0\0\x05x")}, 6},
        {{BYTES("d\0\0\0\x05xd\0\0\0\x04")}, 11},
        {{BYTES("d\0\0\0\x05xc\0\0\0\x04")}, 6},
        {{BYTES("c\0\0\0\x04")}, 0},
        {{BYTES("d\0\0\0\x05xd\0\0\0")}, 6},
        {{BYTES("d\0\0\0\x05xd\0\0\0\x06y")}, 6},
        {{BYTES("d\0\0\0\x05xd\0\0\0\x03yyyyyy")}, 6},
        {{BYTES("d\0\0\0\x05xd\xff\xff\xff\xffyyyyyy")}, 6},
        {{BYTES("d\0\0\0\0")}, 0},
    };

    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        struct bs_bytes copy = exact(all[i].in);

        EXPECT_EQ(bs_frame_run(copy, 'd'), all[i].want);
        drop(copy);
    }
}

int
main(void)
{
    static const struct tap_case cases[] = {
        {"whole and trickled", whole_and_trickled},
        {"peeks without the body", peeks_without_the_body},
        {"peek refuses", peek_refuses},
        {"one after the other", one_after_the_other},
        {"a run of one type", runs},
    };

    return tap_main(cases, sizeof(cases) / sizeof(cases[0]));
}
