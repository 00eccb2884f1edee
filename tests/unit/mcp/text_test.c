/*
 * text_test.c - what a statement is by its text: whether its rows may wait, whether one asks before it.
 */
#include "mcp/text.h"

#include <stdlib.h>

#include "tap.h"

static const struct {
    const char *sql;
    bool reads, destroys;
} rows[] = {
    {"SELECT 1", true, false},
    {"SELECT * FROM t WHERE a = $1;", true, false},
    {"WITH x AS (SELECT 1) SELECT * FROM x", true, false},
    {"SELECT 1; SELECT 2", false, false},
    {"SELECT set_config('search_path', 'x', false)", false, false},
    {"SELECT nextval('s')", false, false},
    {"SELECT my_own_function(1)", false, false},
    {"SELECT * FROM t FOR UPDATE", false, false},
    {"WITH x AS (DELETE FROM t RETURNING *) SELECT * FROM x", false, true},
    {"INSERT INTO t VALUES (1)", false, false},
    {"INSERT INTO t VALUES (1) ON CONFLICT (a) DO UPDATE SET b = 1", false, true},
    {"UPDATE t SET a = 1", false, true},
    {"DELETE FROM t WHERE a = 1", false, true},
    {"TRUNCATE t", false, true},
    {"DROP TABLE t", false, true},
    {"ALTER TABLE t DROP COLUMN a", false, true},
    {"DROP DATABASE d", false, true},
    {"CREATE TABLE t (a int)", false, false},
    {"SET search_path = x", false, false},
    {"BEGIN", false, false},
    {"SHOW search_path", false, false},
    {"not SQL at all", false, false},
    {"", false, false},
};

static void
kinds(void)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int before = tap_misses;

        EXPECT_EQ(bs_mcp_only_reads(rows[i].sql), rows[i].reads);
        EXPECT_EQ(bs_mcp_destroys(rows[i].sql), rows[i].destroys);
        if (tap_misses != before)
            printf("# %s\n", rows[i].sql);
    }
}

static void
purposes(void)
{
    static const struct {
        const char *sql, *purpose, *text;
    } claims[] = {
        {"SELECT 1", NULL, "SELECT 1"},
        {"SELECT 1", "", "SELECT 1"},
        {"SELECT 1 -- x", "why", "SELECT 1 -- x\n/*purpose='why'*/"},
        {"SELECT 1", "it's */ \xc3\xa4%", "SELECT 1\n/*purpose='it%27s%20%2A%2F%20%C3%A4%25'*/"},
    };

    for (size_t i = 0; i < sizeof(claims) / sizeof(claims[0]); i++) {
        char *text = bs_mcp_with_purpose(claims[i].sql, claims[i].purpose);

        EXPECT(strcmp(text, claims[i].text) == 0);
        free(text);
    }
}

int
main(void)
{
    static const struct tap_case cases[] = {
        {"what a statement is", kinds},
        {"a purpose cannot leave its comment", purposes},
    };

    return tap_main(cases, sizeof(cases) / sizeof(cases[0]));
}
