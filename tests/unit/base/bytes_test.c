/*
 * bytes_test.c - takers never read past the end; a buffer never grows past its ceiling.
 */
#include "base/bytes.h"

#include "tap.h"

static void
takers_stop_at_the_end(void)
{
    const uint8_t raw[] = {0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08};

    for (size_t n = 0; n <= sizeof(raw); n++) {
        struct bs_bytes in = {raw, n};
        uint8_t u8;
        uint16_t u16;
        uint32_t u32;
        uint64_t u64;
        EXPECT_EQ(bs_take_u8(&in, &u8), n >= 1);
        in = (struct bs_bytes){raw, n};
        EXPECT_EQ(bs_take_u16(&in, &u16), n >= 2);
        in = (struct bs_bytes){raw, n};
        EXPECT_EQ(bs_take_u32(&in, &u32), n >= 4);
        EXPECT_EQ(in.n, n >= 4 ? n - 4 : n);
        in = (struct bs_bytes){raw, n};
        EXPECT_EQ(bs_take_u64(&in, &u64), n >= 8);
        if (n >= 8)
            EXPECT_EQ(u64, 0x0102030405060708);
    }
}

static void
strings_need_their_nul(void)
{
    struct bs_bytes in = BS_LIT("abc"), out;

    EXPECT(!bs_take_cstr(&in, &out));
    EXPECT_EQ(in.n, 3);
    in = BS_LIT("abc\0rest");
    REQUIRE(bs_take_cstr(&in, &out));
    EXPECT_EQ(out.n, 3);
    EXPECT_EQ(in.n, 4);
    in = (struct bs_bytes){NULL, 0};
    EXPECT(!bs_take_cstr(&in, &out));
}

static void
buffers_keep_their_ceiling(void)
{
    struct bs_buf b;

    bs_buf_init(&b, 5);
    bs_put_u32(&b, 0x61626364);
    EXPECT(!b.failed);
    bs_put_u8(&b, 'e');
    EXPECT(!b.failed);
    EXPECT(bs_bytes_equal(bs_buf_view(&b), BS_LIT("abcde")));
    bs_put_u8(&b, 'f');
    EXPECT(b.failed);
    EXPECT_EQ(b.n, 5);
    bs_buf_drop(&b, 2);
    EXPECT(bs_bytes_equal(bs_buf_view(&b), BS_LIT("cde")));
    bs_buf_fini(&b);
    bs_put_u8(&b, 'x'); /* a zeroed buffer refuses */
    EXPECT(b.failed);
}

static void
formats_without_the_nul(void)
{
    struct bs_buf b;

    bs_buf_init(&b, 64);
    bs_put_fmt(&b, "%d-%s", 42, "x");
    EXPECT(bs_bytes_equal(bs_buf_view(&b), BS_LIT("42-x")));
    bs_buf_fini(&b);
}

/* What fits exactly, all but its NUL, and what does not: the room that is there is tried first. */
static void
formats_at_the_edge_of_the_room(void)
{
    for (int n = 240; n < 270; n++) {
        struct bs_buf b;
        bs_buf_init(&b, 4096);
        bs_put_u8(&b, '<');
        bs_put_fmt(&b, "%0*d", n, 7);
        bs_put_u8(&b, '>');
        EXPECT_EQ(b.n, (size_t)n + 2);
        EXPECT(b.p[0] == '<' && b.p[1] == '0' && b.p[n] == '7' && b.p[n + 1] == '>');
        bs_buf_fini(&b);
    }
    struct bs_buf small;
    bs_buf_init(&small, 8);
    bs_put_fmt(&small, "%s", "12345678");
    EXPECT(small.failed);
    bs_buf_fini(&small);
}

static const struct {
    const char *what;
    struct bs_bytes in;
    bool valid;
} utf8_rows[] = {
    {"empty", {NULL, 0}, true},
    {"ascii", BS_LIT_INIT("select 1"), true},
    {"two bytes", BS_LIT_INIT("\xc3\xa9"), true},
    {"overlong slash", BS_LIT_INIT("\xc0\xaf"), false},
    {"three bytes", BS_LIT_INIT("\xe2\x82\xac"), true},
    {"overlong three", BS_LIT_INIT("\xe0\x80\x80"), false},
    {"surrogate", BS_LIT_INIT("\xed\xa0\x80"), false},
    {"four bytes", BS_LIT_INIT("\xf0\x9f\x98\x80"), true},
    {"past the last", BS_LIT_INIT("\xf4\x90\x80\x80"), false},
    {"lone continuation", BS_LIT_INIT("\x80"), false},
    {"cut short", BS_LIT_INIT("\xe2\x82"), false},
    {"long ascii", BS_LIT_INIT("select abalance from accounts"), true},
    {"bad behind eight", BS_LIT_INIT("12345678\x80"), false},
    {"bad in the second eight",
     BS_LIT_INIT("123456789012\xff"
                 "345"),
     false},
    {"two bytes across eight",
     BS_LIT_INIT("1234567\xc3\xa9"
                 "12345678"),
     true},
    {"bad in the last of eight", BS_LIT_INIT("1234567\x80"), false},
};

static void
utf8_is_strict(void)
{
    for (size_t i = 0; i < sizeof(utf8_rows) / sizeof(utf8_rows[0]); i++) {
        EXPECT_EQ(bs_utf8_valid(utf8_rows[i].in), utf8_rows[i].valid);
        if (tap_misses != 0)
            printf("# in row: %s\n", utf8_rows[i].what);
    }
}

static void
secrets_compare_whole(void)
{
    EXPECT(bs_bytes_equal_secret(BS_LIT("abc"), BS_LIT("abc")));
    EXPECT(!bs_bytes_equal_secret(BS_LIT("abc"), BS_LIT("abd")));
    EXPECT(!bs_bytes_equal_secret(BS_LIT("abc"), BS_LIT("ab")));
}

int
main(void)
{
    static const struct tap_case cases[] = {
        {"takers stop at the end", takers_stop_at_the_end},
        {"strings need their NUL", strings_need_their_nul},
        {"buffers keep their ceiling", buffers_keep_their_ceiling},
        {"formats without the NUL", formats_without_the_nul},
        {"formats at the edge of the room", formats_at_the_edge_of_the_room},
        {"utf-8 is strict", utf8_is_strict},
        {"secrets compare whole", secrets_compare_whole},
    };
    return tap_main(cases, sizeof(cases) / sizeof(cases[0]));
}
