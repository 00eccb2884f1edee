/*
 * origin_test.c - of whom a row of the catalog is, told by the transaction number that it carries.
 */
#include "restore/origin.h"

#include "tap.h"

/* The transaction is 100, its savepoints are below 104, and when it was asked 200 came next. */
static void
numbers_are_told_apart(void)
{
    static const struct {
        const char *what;
        struct bs_origin o;
        uint32_t xmin;
        bool own, later;
    } rows[] = {
        {"its own", {.known = true, .xid = 100, .bound = 104, .seen = 200}, 100, true, false},
        {"an earlier one",
         {.known = true, .xid = 100, .bound = 104, .seen = 200},
         99,
         false,
         false},
        {"a frozen row", {.known = true, .xid = 100, .bound = 104, .seen = 200}, 2, false, false},
        {"a savepoint", {.known = true, .xid = 100, .bound = 104, .seen = 200}, 103, false, false},
        {"the first after it",
         {.known = true, .xid = 100, .bound = 104, .seen = 200},
         104,
         false,
         true},
        {"the last before asking",
         {.known = true, .xid = 100, .bound = 104, .seen = 200},
         199,
         false,
         true},
        {"the restore's own",
         {.known = true, .xid = 100, .bound = 104, .seen = 200},
         200,
         false,
         false},
        {"of the restore, too",
         {.known = true, .xid = 100, .bound = 104, .seen = 200},
         201,
         false,
         false},
        {"nobody since", {.known = true, .xid = 100, .bound = 104, .seen = 104}, 104, false, false},
        {"savepoints that reach further than was asked",
         {.known = true, .xid = 100, .bound = 104, .seen = 102},
         105,
         false,
         false},
        {"no bound", {.known = true, .xid = 100, .seen = 200}, 150, false, false},
        {"another database", {.xid = 100, .bound = 104, .seen = 200}, 100, false, false},
        {"another database, later", {.xid = 100, .bound = 104, .seen = 200}, 150, false, false},
        {"over the end of 32 bits",
         {.known = true, .xid = 0xfffffff0, .bound = 0xfffffff4, .seen = 0x100000010},
         8,
         false,
         true},
        {"its own, in a later epoch",
         {.known = true, .xid = 0x1000000ff, .bound = 0x100000104, .seen = 0x100000200},
         0xff,
         true,
         false},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        EXPECT_EQ(bs_origin_is_own(&rows[i].o, rows[i].xmin), rows[i].own);
        EXPECT_EQ(bs_origin_is_later(&rows[i].o, rows[i].xmin), rows[i].later);
        if (tap_misses != 0)
            printf("# in row: %s\n", rows[i].what);
    }
}

int
main(void)
{
    static const struct tap_case cases[] = {
        {"numbers are told apart", numbers_are_told_apart},
    };

    return tap_main(cases, sizeof(cases) / sizeof(cases[0]));
}
