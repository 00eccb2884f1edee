/*
 * text_test.c - what of a restore can be tested without a server: SQL text, scripts of pg_restore,
 * differences between two dumps, and which way a sequence goes.
 */
#include "restore/text.h"

#include "restore/counters.h"
#include "restore/definition.h"
#include "restore/live.h"
#include "restore/merge.h"
#include "tap.h"

static struct bs_buf out;

static const char *
text(void)
{
    bs_put_u8(&out, 0);
    return (const char *)out.p;
}

#define SAYS(want)                                                                                 \
    do {                                                                                           \
        EXPECT(strcmp(text(), (want)) == 0);                                                       \
        if (tap_misses != 0)                                                                       \
            printf("#   %s\n", (const char *)out.p);                                               \
        bs_buf_clear(&out);                                                                        \
    } while (0)

static void
names_cannot_leave_their_quotes(void)
{
    bs_buf_init(&out, 4096);
    bs_put_ident(&out, "a\"; DROP TABLE x; --");
    SAYS("\"a\"\"; DROP TABLE x; --\"");
    bs_put_name(&out, "S x", "t.u");
    SAYS("\"S x\".\"t.u\"");
    bs_put_literal(&out, "it's a \\ line\n");
    SAYS("E'it''s a \\\\ line\n'");
    bs_buf_fini(&out);
}

/* id is the key and GENERATED ALWAYS AS IDENTITY, twice is computed. */
static struct bs_point_column saved_columns[] = {{.name = "id"}, {.name = "v"}, {.name = "twice"}};
static const struct bs_point_object object = {
    .schema = "s", .name = "t", .columns = saved_columns, .n_columns = 3};
static struct bs_live_column live_columns[] = {
    {.name = "id",
     .match = BS_LIVE_SAME,
     .identity_always = true,
     .key = 1,
     .equals = "OPERATOR(pg_catalog.=)"},
    {.name = "v", .match = BS_LIVE_SAME},
    {.name = "twice", .match = BS_LIVE_SAME, .generated = true},
};
static const char *triggers[] = {"a", "b"};
static const char *on[] = {"s.t", "s.\"Leaf\""};
static char states[] = {'O', 'A'};
static const struct bs_live live = {.object = &object,
                                    .exists = true,
                                    .relkind = 'r',
                                    .columns = live_columns,
                                    .n_key = 1,
                                    .key = BS_LIVE_KEY,
                                    .triggers = triggers,
                                    .trigger_on = on,
                                    .trigger_states = states,
                                    .n_triggers = 2};

static void
computed_columns_are_not_written(void)
{
    bs_buf_init(&out, 4096);
    bs_merge_put_insert(&out, &live, 3);
    SAYS("INSERT INTO \"s\".\"t\" (\"id\", \"v\") OVERRIDING SYSTEM VALUE\n"
         "  SELECT s.\"id\", s.\"v\" FROM pg_temp.\"backstop saved 3\" s JOIN"
         " pg_temp.\"backstop diff 3\" d ON d.saved = s.\"backstop:row\"\n"
         "  WHERE d.what = 'm' ORDER BY s.\"backstop:row\"");
    bs_merge_put_update(&out, &live, BS_MERGE_ALL, 3);
    SAYS("UPDATE ONLY \"s\".\"t\" l SET \"v\" = s.\"v\"\n"
         "  FROM pg_temp.\"backstop saved 3\" s JOIN pg_temp.\"backstop diff 3\" d ON"
         " d.saved = s.\"backstop:row\"\n"
         "  WHERE d.what IN ('u', 'c') AND s.\"id\" OPERATOR(pg_catalog.=) l.\"id\""
         " AND l.ctid = d.live AND l.tableoid = d.leaf");
    bs_buf_fini(&out);
}

static void
triggers_get_their_state_back(void)
{
    bs_buf_init(&out, 4096);
    bs_merge_put_triggers_off(&out, &live);
    SAYS("ALTER TABLE ONLY s.t DISABLE TRIGGER \"a\";\n"
         "ALTER TABLE ONLY s.\"Leaf\" DISABLE TRIGGER \"b\";\n");
    bs_merge_put_triggers_on(&out, &live);
    SAYS("ALTER TABLE ONLY s.t ENABLE TRIGGER \"a\";\n"
         "ALTER TABLE ONLY s.\"Leaf\" ENABLE ALWAYS TRIGGER \"b\";\n");
    bs_buf_fini(&out);
}

static void
psql_s_own_lines_go(void)
{
    static const struct {
        const char *what;
        const char *in;
        const char *want;
    } rows[] = {
        {"the pair", "--\n\n\\restrict abc\n\nSELECT 1;\n\\unrestrict abc\n\n",
         "--\n\n\nSELECT 1;\n\n"},
        {"of another token, inside a body",
         "\\restrict abc\nCREATE\n\\restrict x\n\\unrestrict x\n\\unrestrict abc\n",
         "CREATE\n\\restrict x\n\\unrestrict x\n"},
        {"after the first SQL", "SELECT 1;\n\\restrict abc\n\\unrestrict abc\n",
         "SELECT 1;\n\\restrict abc\n\\unrestrict abc\n"},
        {"an older pg_dump has none", "--\nSELECT 1;\n", "--\nSELECT 1;\n"},
        {"a setting of 17",
         "--\nSET lock_timeout = 0;\nSET transaction_timeout = 0;\nSELECT 1;\nSET row_security = "
         "off;\n",
         "--\nSET lock_timeout = 0;\nSELECT 1;\nSET row_security = off;\n"},
        {"the same in a body", "CREATE x AS $$\nSET transaction_timeout = 0;\n$$",
         "CREATE x AS $$\nSET transaction_timeout = 0;\n$$"},
        {"nothing at all", "", ""},
        {"no last newline", "\\restrict a\nx", "x"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        bs_buf_init(&out, 4096);
        bs_put_str(&out, rows[i].in);
        bs_definition_strip(&out);
        EXPECT(bs_bytes_equal(bs_buf_view(&out), bs_bytes_of(rows[i].want)));
        if (tap_misses != 0)
            printf("# in row: %s\n", rows[i].what);
        bs_buf_fini(&out);
    }
}

static void
differences_have_a_side(void)
{
    struct bs_arena a;
    const char *d;

    bs_arena_init(&a, "test", 1 << 20);
    EXPECT(bs_definition_difference(BS_LIT("-- Dumped by 15.1\nx\n\ny\n"),
                                    BS_LIT("-- Dumped by 15.2\nx\ny\n"), &a) == NULL);
    d = bs_definition_difference(BS_LIT("a\nb\nb\n"), BS_LIT("a\nb\nc\n"), &a);
    EXPECT(d != NULL && strcmp(d, "-b\n+c\n") == 0);
    d = bs_definition_difference(BS_LIT("--\n-- a\n--\na\n"), BS_LIT(""), &a);
    EXPECT(d != NULL && strcmp(d, "--- a\n-a\n") == 0);
    d = bs_definition_difference(BS_LIT("a\nb\n"), BS_LIT("b\na\n"), &a);
    EXPECT(d != NULL && strcmp(d, "the same lines in another order\n") == 0);
    d = bs_definition_difference(BS_LIT(""), BS_LIT("a\n"), &a);
    EXPECT(d != NULL && strcmp(d, "+a\n") == 0);
    bs_arena_fini(&a);
}

static void
sequences_only_go_forward(void)
{
    static const struct {
        const char *what;
        int64_t increment, live, saved;
        bool live_called, saved_called, behind;
    } rows[] = {
        {"behind", 1, 5, 9, true, true, true},
        {"ahead", 1, 9, 5, true, true, false},
        {"the same", 1, 9, 9, true, true, false},
        {"the same, not called yet", 1, 9, 9, false, true, true},
        {"the same, called since", 1, 9, 9, true, false, false},
        {"downwards and behind", -1, -5, -9, true, true, true},
        {"downwards and ahead", -1, -9, -5, true, true, false},
        {"at the end", 1, INT64_MAX - 1, INT64_MAX, true, true, true},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct bs_counter is = {true, rows[i].live, rows[i].live_called, rows[i].increment};
        struct bs_point_sequence was = {.last_value = rows[i].saved,
                                        .is_called = rows[i].saved_called};
        EXPECT_EQ(bs_counter_behind(&is, &was), rows[i].behind);
        if (tap_misses != 0)
            printf("# in row: %s\n", rows[i].what);
    }
}

int
main(void)
{
    static const struct tap_case cases[] = {
        {"names cannot leave their quotes", names_cannot_leave_their_quotes},
        {"computed columns are not written", computed_columns_are_not_written},
        {"triggers get their state back", triggers_get_their_state_back},
        {"psql's own lines go", psql_s_own_lines_go},
        {"differences have a side", differences_have_a_side},
        {"sequences only go forward", sequences_only_go_forward},
    };

    return tap_main(cases, sizeof(cases) / sizeof(cases[0]));
}
