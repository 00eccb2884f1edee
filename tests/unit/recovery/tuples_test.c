/*
 * tuples_test.c - COPY streams whole and trickled byte by byte, and what a row hash must tell apart.
 */
#include "recovery/tuples.h"

#include "tap.h"

#define BYTES(s) (const uint8_t *)(s), sizeof(s) - 1
#define HEAD     "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0"
#define END      "\377\377"
#define ROW_AB   "\0\2\0\0\0\1a\0\0\0\1b"
#define ROW_NULL "\0\2\377\377\377\377\0\0\0\0"

static const struct {
    const char *what;
    struct bs_bytes in;
    enum bs_rows_format format;
    size_t fields;
    int64_t rows; /* -1: refused */
} rows[] = {
    {"no rows", {BYTES(HEAD END)}, BS_ROWS_BINARY, 2, 0},
    {"one row", {BYTES(HEAD ROW_AB END)}, BS_ROWS_BINARY, 2, 1},
    {"nulls and empty values", {BYTES(HEAD ROW_NULL ROW_AB END)}, BS_ROWS_BINARY, 2, 2},
    {"rows without columns", {BYTES(HEAD "\0\0\0\0" END)}, BS_ROWS_BINARY, 0, 2},
    {"header extension",
     {BYTES("PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\3xyz" ROW_AB END)},
     BS_ROWS_BINARY,
     2,
     1},
    {"wrong signature", {BYTES("PGCOPY\n\376\r\n\0\0\0\0\0\0\0\0\0" END)}, BS_ROWS_BINARY, 2, -1},
    {"flags", {BYTES("PGCOPY\n\377\r\n\0\0\1\0\0\0\0\0\0" END)}, BS_ROWS_BINARY, 2, -1},
    {"another number of fields", {BYTES(HEAD ROW_AB END)}, BS_ROWS_BINARY, 3, -1},
    {"negative length", {BYTES(HEAD "\0\1\200\0\0\0" END)}, BS_ROWS_BINARY, 1, -1},
    {"minus two", {BYTES(HEAD "\0\1\377\377\377\376" END)}, BS_ROWS_BINARY, 1, -1},
    {"length over the stream", {BYTES(HEAD "\0\1\177\377\377\377abc")}, BS_ROWS_BINARY, 1, -1},
    {"no trailer", {BYTES(HEAD ROW_AB)}, BS_ROWS_BINARY, 2, -1},
    {"half a trailer", {BYTES(HEAD ROW_AB "\377")}, BS_ROWS_BINARY, 2, -1},
    {"a byte behind the trailer", {BYTES(HEAD ROW_AB END "x")}, BS_ROWS_BINARY, 2, -1},
    {"a header cut short", {BYTES("PGCOPY\n\377\r\n\0\0")}, BS_ROWS_BINARY, 2, -1},
    {"nothing", {BYTES("")}, BS_ROWS_BINARY, 2, -1},
    {"no format", {BYTES(HEAD END)}, BS_ROWS_NONE, 2, -1},
    {"text", {BYTES("a\tb\n\\N\t\n")}, BS_ROWS_TEXT, 2, 2},
    {"text without rows", {BYTES("")}, BS_ROWS_TEXT, 2, 0},
    {"text with an empty line", {BYTES("\n\n")}, BS_ROWS_TEXT, 1, 2},
    {"text cut within a line", {BYTES("a\tb\nc")}, BS_ROWS_TEXT, 2, -1},
};

/* Puts the stream in steps of n bytes; its rows, -1 where refused. */
static int64_t
walk(struct bs_bytes in,
     enum bs_rows_format format,
     size_t fields,
     size_t step,
     char hash[BS_ROW_HASH_TEXT])
{
    struct bs_tuples w;
    struct bs_err err = {0};
    enum bs_done done = BS_DONE;
    int64_t n;

    bs_tuples_init(&w, format, fields);
    while (done == BS_DONE && in.n != 0) {
        size_t take = step < in.n ? step : in.n;
        done = bs_tuples_put(&w, (struct bs_bytes){in.p, take}, &err);
        in.p += take;
        in.n -= take;
    }
    if (done == BS_DONE)
        done = bs_tuples_finish(&w, &err);
    n = done == BS_DONE ? w.rows : -1;
    EXPECT_EQ(err.code, done == BS_DONE ? BS_OK : BS_E_DATA);
    bs_tuples_hash(&w, hash);
    bs_tuples_fini(&w);
    return n;
}

static void
whole_and_trickled(void)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char whole[BS_ROW_HASH_TEXT], hash[BS_ROW_HASH_TEXT];
        int before = tap_misses;
        EXPECT_EQ(walk(rows[i].in, rows[i].format, rows[i].fields, 1000, whole), rows[i].rows);
        for (size_t step = 1; step < 9; step++) {
            EXPECT_EQ(walk(rows[i].in, rows[i].format, rows[i].fields, step, hash), rows[i].rows);
            EXPECT(rows[i].rows < 0 || strcmp(whole, hash) == 0);
        }
        if (tap_misses != before)
            printf("# in row: %s\n", rows[i].what);
    }
}

/* A stream that lies about a length must end as refused at every cut, never as accepted. */
static void
every_cut_is_refused(void)
{
    static const struct bs_bytes whole = {BYTES(HEAD ROW_AB ROW_NULL ROW_AB END)};
    char hash[BS_ROW_HASH_TEXT];

    for (size_t n = 0; n < whole.n; n++)
        EXPECT_EQ(walk((struct bs_bytes){whole.p, n}, BS_ROWS_BINARY, 2, 5, hash), -1);
    EXPECT_EQ(walk(whole, BS_ROWS_BINARY, 2, 5, hash), 3);
}

static void
hash_of(const char *text, size_t n, size_t fields, char out[BS_ROW_HASH_TEXT])
{
    EXPECT(walk((struct bs_bytes){(const uint8_t *)text, n}, BS_ROWS_BINARY, fields, 1000, out) >=
           0);
}

#define HASH(s, fields, out) hash_of((s), sizeof(s) - 1, (fields), (out))

static void
row_hashes(void)
{
    char a[BS_ROW_HASH_TEXT], b[BS_ROW_HASH_TEXT];

    HASH(HEAD END, 2, a);
    EXPECT(strcmp(a, "00000000000000000000000000000000") == 0);
    HASH(HEAD ROW_AB ROW_NULL END, 2, a);
    HASH(HEAD ROW_NULL ROW_AB END, 2, b);
    EXPECT(strcmp(a, b) == 0); /* order does not matter */
    HASH(HEAD ROW_AB ROW_AB ROW_NULL END, 2, b);
    EXPECT(strcmp(a, b) != 0); /* how often does */
    HASH(HEAD ROW_AB ROW_AB END, 2, a);
    EXPECT(strcmp(a, "00000000000000000000000000000000") != 0); /* XOR would lose both */
    HASH(HEAD "\0\2\0\0\0\2ab\0\0\0\0" END, 2, a);
    HASH(HEAD "\0\2\0\0\0\1a\0\0\0\1b" END, 2, b);
    EXPECT(strcmp(a, b) != 0); /* where a value ends matters */
    HASH(HEAD "\0\1\377\377\377\377" END, 1, a);
    HASH(HEAD "\0\1\0\0\0\0" END, 1, b);
    EXPECT(strcmp(a, b) != 0); /* NULL is not empty */
}

/* Fixed for ever: a stored hash must mean the same in every later version. Computed once with
 * sha256sum: printf '\0\2\0\0\0\1a\0\0\0\1b' | sha256sum | cut -c1-32 */
static void
known_hash(void)
{
    char a[BS_ROW_HASH_TEXT];

    HASH(HEAD ROW_AB END, 2, a);
    if (!tap_check(strcmp(a, "1b1fb9b779f53d5a61ba5d0cc112baf5") == 0, "known hash", __FILE__,
                   __LINE__))
        printf("#   got %s\n", a);
}

/* The sum carries from the low to the high half and wraps at 2^128. */
static void
carry(void)
{
    char once[BS_ROW_HASH_TEXT], four[BS_ROW_HASH_TEXT];
    unsigned carry_out = 0;

    HASH(HEAD ROW_AB END, 2, once);
    HASH(HEAD ROW_AB ROW_AB ROW_AB ROW_AB END, 2, four);
    for (int i = 31; i >= 0; i--) {
        static const char hex[] = "0123456789abcdef";
        unsigned d = (unsigned)(strchr(hex, once[i]) - hex) * 4 + carry_out;
        EXPECT_EQ(four[i], hex[d & 15]);
        carry_out = d >> 4;
    }
}

static const struct tap_case cases[] = {
    {"whole and trickled", whole_and_trickled},
    {"every cut is refused", every_cut_is_refused},
    {"row hashes", row_hashes},
    {"known hash", known_hash},
    {"carry", carry},
};

int
main(void)
{
    return tap_main(cases, sizeof(cases) / sizeof(cases[0]));
}
