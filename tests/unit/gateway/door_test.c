/*
 * door_test.c - the messages that take the place of the client's, and of the server's; durations that
 * a client may wish for.
 */
#include "gateway/door.h"

#include <string.h>

#include "gateway/patience.h"
#include "tap.h"

static const struct {
    const char *sql;
    size_t types;
    bool covered;
} texts[] = {
    {"SHOW backstop.status", 0, true},
    {"SHOW backstop.wait.\"T-01ABC\"", 3, true},
    {"EXPLAIN (BACKSTOP) DELETE FROM a WHERE id = $1", 1, true},
    {"EXPLAIN (BACKSTOP)", 0, false}, /* too short: the server refuses it */
    {"EXPLAIN (BACKSTOP)", 1, true},
    {"SHOW search_path", 0, false},
    {"SELECT $1", 1, false},
};

/* As long as before, with nothing that the server would ask for. */
static void
covers_a_parse(void)
{
    static const uint32_t types[3] = {23, 0, 25};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        BS_FRESH_ERR(err);
        struct bs_parse parse;
        struct bs_prepared *p;
        struct bs_buf b;
        char digest[BS_SHA256_TEXT];
        size_t n;
        bs_buf_init(&b, 4096);
        bs_msg_put_parse(&b, BS_LIT("name"), bs_bytes_of(texts[i].sql), types, texts[i].types);
        n = b.n - BS_FRAME_HEAD;
        REQUIRE(bs_msg_read_parse((struct bs_bytes){b.p + BS_FRAME_HEAD, n}, &parse, &err) ==
                BS_DONE);
        p = bs_prepared_new(parse.name, parse.query);
        bs_door_note_covered(p, &parse);
        EXPECT_EQ(p->query[0] != '\0', texts[i].covered);
        bs_door_cover(b.p + BS_FRAME_HEAD, n);
        REQUIRE(bs_msg_read_parse((struct bs_bytes){b.p + BS_FRAME_HEAD, n}, &parse, &err) ==
                BS_DONE);
        EXPECT(bs_bytes_equal(parse.name, BS_LIT("name")));
        EXPECT_EQ(parse.types.n, texts[i].covered ? 0 : texts[i].types);
        if (texts[i].covered) {
            EXPECT(memcmp(parse.query.p, BS_DOOR_SQL " ", strlen(BS_DOOR_SQL)) == 0);
            bs_sha256_text((const char *)parse.query.p, digest); /* what recall.c compares */
            EXPECT(strcmp(digest, p->query) == 0);
        } else {
            EXPECT(bs_bytes_equal(parse.query, bs_bytes_of(texts[i].sql)));
        }
        if (tap_misses != 0)
            printf("# in row: %s\n", texts[i].sql);
        bs_prepared_unref(&p);
        bs_buf_fini(&b);
    }
}

#define FIELD "\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0"

static void
names_the_column(void)
{
    struct bs_buf b;

    bs_buf_init(&b, 256);
    EXPECT(!bs_door_name_column(BS_LIT("\0\1backstop.answers\0" FIELD), &b));
    EXPECT(!bs_door_name_column(BS_LIT("\0\2backstop.answer\0" FIELD), &b));
    EXPECT(!bs_door_name_column(BS_LIT("\0\1backstop.answer"), &b));
    EXPECT(!bs_door_name_column(BS_LIT("\0\0"), &b));
    EXPECT(!bs_door_name_column(BS_LIT(""), &b));
    EXPECT_EQ(b.n, 0);
    REQUIRE(bs_door_name_column(BS_LIT("\0\1backstop.answer\0" FIELD), &b));
    EXPECT(bs_bytes_equal(bs_buf_view(&b), BS_LIT("T\0\0\0\x21\0\1backstop\0" FIELD)));
    bs_buf_fini(&b);
}

static const struct {
    const char *wish;
    bool ok;
    int64_t ms;
} wishes[] = {
    {NULL, true, 20000},   {"0", true, 0},
    {"0s", true, 0},       {"5s", true, 5000},
    {"20s", true, 20000},  {"20000ms", true, 20000},
    {"20001ms", false, 0}, {"1m", false, 0},
    {"", false, 0},        {"5", false, 0},
    {"-1s", false, 0},     {" 5s", false, 0},
    {"5 s", false, 0},     {"1.5s", false, 0},
    {"00", false, 0},      {"9223372036854775807d", false, 0},
};

static void
reads_patience(void)
{
    char text[BS_PATIENCE_TEXT];

    for (size_t i = 0; i < sizeof(wishes) / sizeof(wishes[0]); i++) {
        int64_t ms = -1;
        EXPECT_EQ(bs_patience_read(wishes[i].wish, 20000, &ms), wishes[i].ok);
        if (wishes[i].ok)
            EXPECT_EQ(ms, wishes[i].ms);
        if (tap_misses != 0)
            printf("# in row: %s\n", wishes[i].wish == NULL ? "(none)" : wishes[i].wish);
    }
    bs_patience_format(20000, text);
    EXPECT(strcmp(text, "20s") == 0);
    bs_patience_format(1500, text);
    EXPECT(strcmp(text, "1500ms") == 0);
}

int
main(void)
{
    static const struct tap_case cases[] = {
        {"a Parse is covered", covers_a_parse},
        {"the column has its name", names_the_column},
        {"how long a client waits", reads_patience},
    };

    return tap_main(cases, sizeof(cases) / sizeof(cases[0]));
}
