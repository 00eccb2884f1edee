/*
 * literals_test.c - no value of a statement stays in what is recorded of it, and its shape does.
 */
#include "unit.h"

#include "sql/literals.h"

/* Stands for a value: between angle brackets, as it is understood. */
static void
put(void *with, struct bs_bytes value, struct bs_buf *out)
{
    (void)with;
    bs_put_u8(out, '<');
    bs_put_bytes(out, value);
    bs_put_u8(out, '>');
}

/* clang-format off */
static const struct { const char *in, *want; } rows[] = {
    {"", ""},
    {"SELECT a FROM t", "SELECT a FROM t"},
    {"SELECT 1,  'x' FROM t", "SELECT '<1>',  '<x>' FROM t"},
    {"SELECT -5.2e3+.5", "SELECT -'<5.2e3>'+'<.5>'"},
    {"SELECT 'a''b', E'a\\'b', $$a'b$$, $q$a'b$q$", "SELECT '<a'b>', '<a'b>', '<a'b>', '<a'b>'"},
    {"SELECT E'\\x41', U&'\\0041', B'101', X'1f', N'x'",
     "SELECT '<E'\\x41'>', '<U&'\\0041'>', '<B'101'>', '<X'1f'>', N'<x>'"},
    {"SELECT 'a'\n  'b'", "SELECT '<ab>'"},
    {"SELECT $1, $2222 FROM \"it's\" x, U&\"y'\" t7", "SELECT $1, $2222 FROM \"it's\" x, U&\"y'\" t7"},
    {"SELECT a -- secret\n, b /* 'secret' /* 7 */ */ FROM t --secret", "SELECT a , b FROM t "},
    {"DO $$BEGIN DELETE FROM t WHERE a = 7; END$$", "DO '<BEGIN DELETE FROM t WHERE a = 7; END>'"},
    /* What is not read to its end. */
    {"SELECT 1, 'secret", "SELECT '<1>' '<, 'secret>'"},
    {"SELECT /* secret", "'<SELECT /* secret>'"},
    {"SELECT '\xff secret'", "'<SELECT '\xff secret'>'"},
};

static const struct { const char *in, *want; } sentences[] = {
    {"permission denied", "permission denied"},
    {"invalid input syntax for type integer: \"secret\"", "invalid input syntax for type integer: \"<secret>\""},
    {"Key (id)=(7, x) already exists.", "Key (id)=(<7, x>) already exists."},
    {"value 42 is out of range for int4", "value <42> is out of range for int4"},
    {"at or near \"'secret'\"", "at or near \"'<secret>'\""},
    {"at or near \"'\"", "at or near \"<'>\""},
    {"near 'secret", "near '<secret>"},
    {"cut (a)=(se", "cut (a)=(<se>"},
};
/* clang-format on */

static void
same(const struct bs_buf *out, const char *want)
{
    bool good = bs_bytes_equal(bs_buf_view(out), bs_bytes_of(want));

    EXPECT(good);
    if (!good)
        printf("# want %s\n# got  %.*s\n", want, (int)out->n, (const char *)out->p);
}

static void
statements(void)
{
    struct bs_buf out;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        bs_buf_init(&out, 4096);
        bs_without_literals(bs_bytes_of(rows[i].in), put, NULL, &out);
        same(&out, rows[i].want);
        bs_buf_fini(&out);
    }
}

static void
of_servers(void)
{
    struct bs_buf out;

    for (size_t i = 0; i < sizeof(sentences) / sizeof(sentences[0]); i++) {
        bs_buf_init(&out, 4096);
        bs_without_quoted(bs_bytes_of(sentences[i].in), put, NULL, &out);
        same(&out, sentences[i].want);
        bs_buf_fini(&out);
    }
}

int
main(void)
{
    static const struct tap_case cases[] = {
        {"statements keep their shape and lose their values", statements},
        {"sentences lose what they quote", of_servers},
    };

    return tap_main(cases, sizeof(cases) / sizeof(cases[0]));
}
