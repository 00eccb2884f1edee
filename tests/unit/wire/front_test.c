#include "wire/front.h"

#include "tap.h"
#include "wire/rows.h"

#define CAP 100000

/* The header of a message of that type and body length. */
static struct bs_bytes
header(uint8_t type, uint32_t body_len, uint8_t raw[5])
{
    uint32_t length = body_len + 4;

    raw[0] = type;
    for (size_t i = 0; i < 4; i++)
        raw[1 + i] = (uint8_t)(length >> (8 * (3 - i)));
    return (struct bs_bytes){raw, 5};
}

/* The smallest and largest body of each legal type, written down a second time. */
static const struct {
    uint8_t type;
    uint32_t min, max;
    bool fills; /* out is filled when it is too long */
} rows[] = {
    {'B', 8, CAP, true},   {'C', 2, 9996, false}, {'D', 2, 9996, false},
    {'E', 5, 9996, false}, {'F', 10, CAP, true},  {'H', 0, 0, false},
    {'P', 4, CAP, true},   {'Q', 1, CAP, true},   {'S', 0, 0, false},
    {'X', 0, 0, false},    {'c', 0, 0, false},    {'d', 0, BS_FRAME_MAX_BODY, false},
    {'f', 1, 9996, false}, {'p', 0, 9996, false},
};

static enum bs_scan
peek(uint8_t type, uint32_t body_len, struct bs_front_head *out, struct bs_err *err)
{
    uint8_t raw[5];

    *err = (struct bs_err){0};
    *out = (struct bs_front_head){'?', 12345};
    return bs_front_peek(header(type, body_len, raw), CAP, out, err);
}

static void
boundaries(void)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct bs_front_head head;
        struct bs_err err;

        EXPECT_EQ(peek(rows[i].type, rows[i].min, &head, &err), BS_SCAN_GOT);
        EXPECT_EQ(head.type, rows[i].type);
        EXPECT_EQ(head.body_len, rows[i].min);
        EXPECT_EQ(peek(rows[i].type, rows[i].max, &head, &err), BS_SCAN_GOT);
        if (rows[i].min > 0) {
            EXPECT_EQ(peek(rows[i].type, rows[i].min - 1, &head, &err), BS_SCAN_BAD);
            EXPECT_EQ(err.code, BS_E_PROTOCOL);
            EXPECT_EQ(head.type, 0);
        }
        EXPECT_EQ(peek(rows[i].type, rows[i].max + 1, &head, &err), BS_SCAN_BAD);
        EXPECT_EQ(err.code, BS_E_LIMIT);
        EXPECT_EQ(head.type, rows[i].fills ? rows[i].type : 0);
        EXPECT_EQ(head.body_len, rows[i].fills ? rows[i].max + 1 : 0);
        EXPECT(bs_front_name(rows[i].type) != NULL);
        if (tap_misses != 0)
            printf("# in type: %c\n", rows[i].type);
    }
}

static void
every_other_byte_is_refused(void)
{
    size_t legal = 0;

    for (int type = 0; type < 256; type++) {
        struct bs_front_head head;
        struct bs_err err = {0};
        uint8_t raw[1] = {(uint8_t)type};
        bool known = bs_front_name((uint8_t)type) != NULL;

        legal += known;
        head.type = '?';
        EXPECT_EQ(bs_front_peek((struct bs_bytes){raw, 1}, CAP, &head, &err),
                  known ? BS_SCAN_MORE : BS_SCAN_BAD);
        if (known)
            continue;
        EXPECT_EQ(err.code, BS_E_PROTOCOL);
        EXPECT_EQ(head.type, 0);
    }
    EXPECT_EQ(legal, sizeof(rows) / sizeof(rows[0]));
}

static void
beyond_the_protocol_nothing_is_filled(void)
{
    struct bs_front_head head;
    struct bs_err err;

    EXPECT_EQ(peek('Q', 0x7fffffff, &head, &err), BS_SCAN_BAD);
    EXPECT_EQ(err.code, BS_E_LIMIT);
    EXPECT_EQ(head.type, 0);
    EXPECT_EQ(peek('Q', UINT32_MAX - 4, &head, &err), BS_SCAN_BAD); /* length 0xffffffff */
    EXPECT_EQ(err.code, BS_E_LIMIT);
    EXPECT_EQ(peek('Q', UINT32_MAX, &head, &err), BS_SCAN_BAD); /* length 3 */
    EXPECT_EQ(err.code, BS_E_PROTOCOL);
}

int
main(void)
{
    static const struct tap_case cases[] = {
        {"boundaries", boundaries},
        {"every other byte is refused", every_other_byte_is_refused},
        {"beyond the protocol nothing is filled", beyond_the_protocol_nothing_is_filled},
    };

    return tap_main(cases, sizeof(cases) / sizeof(cases[0]));
}
