/*
 * door_test.c - what is for the gateway to answer, and what is a statement like any other.
 */
#include "sql/door.h"

#include <stdlib.h>
#include <string.h>

#include "tap.h"

#define X16 "xxxxxxxxxxxxxxxx"
#define X63 X16 X16 X16 "xxxxxxxxxxxxxxx"

/* clang-format off */
static const struct { const char *sql; enum bs_door_kind kind; const char *ticket; bool mixed; } shows[] = {
    {"SHOW backstop.status", BS_DOOR_STATUS, "", false},
    {" \n\tshow BACKSTOP . Status ;; ", BS_DOOR_STATUS, "", false},
    {"/*run_id='7'*/ SHOW backstop.tickets -- mine", BS_DOOR_TICKETS, "", false},
    {"-- x\nSHOW backstop.points/*SHOW*/", BS_DOOR_POINTS, "", false},
    {"SHOW \"backstop\".\"status\"", BS_DOOR_STATUS, "", false},
    {"SHOW \"BackStop\".\"STATUS\"", BS_DOOR_STATUS, "", false}, /* names of settings have no case */
    {"SHOW backstop.ticket.\"T-01\"", BS_DOOR_TICKET, "T-01", false},
    {"SHOW backstop.ticket.Abc", BS_DOOR_TICKET, "abc", false},
    {"SHOW backstop.wait.\"a\"\"b'; DROP\"", BS_DOOR_WAIT, "a\"b'; DROP", false},
    {"SHOW backstop.wait.\"" X63 "\"", BS_DOOR_WAIT, X63, false},
    {"SHOW backstop.wait.\"" X63 "x\"", BS_DOOR_WAIT, "", false},
    {"SHOW backstop.status; SELECT 1", BS_DOOR_STATUS, "", true},
    {"SHOW backstop.status; SHOW backstop.status", BS_DOOR_STATUS, "", true},
    {"SHOW backstop.status x", BS_DOOR_STATUS, "", true},
    {"SHOW backstop.ticket.a.b", BS_DOOR_TICKET, "a", true},
    {"SHOW backstop.ticket", BS_DOOR_NONE, "", false},
    {"SHOW backstop.answer", BS_DOOR_NONE, "", false},
    {"SHOW backstop.statuses", BS_DOOR_NONE, "", false},
    {"SHOW backstop", BS_DOOR_NONE, "", false},
    {"SHOW \"backstop.status\"", BS_DOOR_NONE, "", false},
    {"SHOW U&\"backstop\".status", BS_DOOR_NONE, "", false},
    {"SHOW xbackstop.status", BS_DOOR_NONE, "", false},
    {"SHOW 'backstop'.status", BS_DOOR_NONE, "", false},
    {"SELECT 'SHOW backstop.status'", BS_DOOR_NONE, "", false},
    {"SELECT 1; SHOW backstop.status", BS_DOOR_NONE, "", false},
    {"SHOW backstop.status /* that does not end", BS_DOOR_NONE, "", false},
    {"SHOW backstop.ticket.\"that does not end", BS_DOOR_NONE, "", false},
    {"RESET backstop.status", BS_DOOR_NONE, "", false},
    {"SHOW", BS_DOOR_NONE, "", false}, {"", BS_DOOR_NONE, "", false}, {"--", BS_DOOR_NONE, "", false},
    {"/*/*", BS_DOOR_NONE, "", false}, {";", BS_DOOR_NONE, "", false}, {"show \xff.\xff", BS_DOOR_NONE, "", false},
};

static const struct { const char *sql; const char *inner; bool options; } explains[] = {
    {"EXPLAIN (BACKSTOP) DROP TABLE a", " DROP TABLE a", false},
    {"explain(backstop)DELETE FROM a; DELETE FROM b", "DELETE FROM a; DELETE FROM b", false},
    {"/* ) */ EXPLAIN /* ( */ ( /* x */ \"backstop\" ) SELECT 1", " SELECT 1", false},
    {"EXPLAIN (FORMAT JSON, BACKSTOP) SELECT 1", " SELECT 1", false},
    {"EXPLAIN (BACKSTOP, format json) SELECT 1", " SELECT 1", false},
    {"EXPLAIN (BACKSTOP)", "", false},
    {"EXPLAIN (BACKSTOP, ANALYZE) DELETE FROM a", " DELETE FROM a", true},
    {"EXPLAIN (ANALYZE, BACKSTOP) DELETE FROM a", " DELETE FROM a", true},
    {"EXPLAIN (BACKSTOP false) SELECT 1", " SELECT 1", true},
    {"EXPLAIN (BACKSTOP, FORMAT XML) SELECT 1", " SELECT 1", true},
    {"EXPLAIN (BACKSTOP,) SELECT 1", " SELECT 1", false},
    {"EXPLAIN (BACKSTOP, other) SELECT 1", NULL, false}, /* an option that is not there: the server says so */
    {"EXPLAIN (BACKSTOP true false) SELECT 1", NULL, false},
    {"EXPLAIN (ANALYZE) DELETE FROM a", NULL, false},
    {"EXPLAIN ANALYZE DELETE FROM a", NULL, false},
    {"EXPLAIN (ANALYZE) SELECT backstop", NULL, false},
    {"EXPLAIN BACKSTOP SELECT 1", NULL, false},
    {"EXPLAIN (BACKSTOP", NULL, false},
    {"EXPLAIN (SELECT backstop)", NULL, false},
    {"EXPLAIN (SELECT backstop, backstop)", NULL, false},
    {"EXPLAIN ('BACKSTOP') SELECT 1", NULL, false},
    {"EXPLAIN () SELECT 1", NULL, false},
    {"SELECT 1; EXPLAIN (BACKSTOP) SELECT 1", NULL, false},
};
/* clang-format on */

static void
of_show(void)
{
    for (size_t i = 0; i < sizeof(shows) / sizeof(shows[0]); i++) {
        struct bs_door d = bs_door_read(bs_bytes_of(shows[i].sql));
        EXPECT_EQ(d.kind, shows[i].kind);
        EXPECT(strcmp(d.ticket, shows[i].ticket) == 0);
        EXPECT_EQ(d.mixed, shows[i].mixed);
        if (tap_misses != 0)
            printf("# in row: %s\n", shows[i].sql);
    }
}

static void
of_explain(void)
{
    for (size_t i = 0; i < sizeof(explains) / sizeof(explains[0]); i++) {
        struct bs_door d = bs_door_read(bs_bytes_of(explains[i].sql));
        EXPECT_EQ(d.kind, explains[i].inner == NULL ? BS_DOOR_NONE : BS_DOOR_EXPLAIN);
        if (explains[i].inner != NULL) {
            EXPECT(strcmp(explains[i].sql + d.inner, explains[i].inner) == 0);
            EXPECT_EQ(d.options, explains[i].options);
        }
        if (tap_misses != 0)
            printf("# in row: %s\n", explains[i].sql);
    }
}

/* Of a long text only the beginning is looked at. */
static void
of_long_texts(void)
{
    static const char head[] = "EXPLAIN (BACKSTOP) SELECT '", show[] = "SHOW backstop.ticket.\"";
    size_t n = 1u << 20;
    char *text = malloc(n);

    REQUIRE(text != NULL);
    memset(text, 'x', n);
    memcpy(text, head, sizeof(head) - 1);
    EXPECT_EQ(bs_door_read((struct bs_bytes){(uint8_t *)text, n}).kind, BS_DOOR_EXPLAIN);
    memcpy(text, show, sizeof(show) - 1);
    EXPECT_EQ(bs_door_read((struct bs_bytes){(uint8_t *)text, n}).kind, BS_DOOR_NONE);
    for (size_t i = 0; i + 1 < n; i += 2)
        memcpy(text + i, "/*", 2);
    EXPECT_EQ(bs_door_read((struct bs_bytes){(uint8_t *)text, n}).kind, BS_DOOR_NONE);
    free(text);
}

int
main(void)
{
    static const struct tap_case cases[] = {
        {"SHOW", of_show},
        {"EXPLAIN", of_explain},
        {"long texts", of_long_texts},
    };

    return tap_main(cases, sizeof(cases) / sizeof(cases[0]));
}
