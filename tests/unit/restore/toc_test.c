/*
 * toc_test.c - listings as pg_restore 15 prints them, and which entries come back.
 */
#include "restore/toc.h"

#include "tap.h"

static const char head[] = ";\n; Archive created at 2026-01-01 00:00:00 UTC\n;     Format: CUSTOM\n"
                           ";\n; Selected TOC Entries:\n;\n"
                           "3357; 0 0 ENCODING - ENCODING \n"
                           "3360; 1262 5 DATABASE - shop postgres\n"
                           "3361; 0 0 COMMENT - DATABASE shop postgres\n;\tdepends on: 3360\n";

/* A shop: orders refers to users; one view on users, one on a view, one on a table apart. */
static const char saved_text[] = "5; 1247 100 TYPE public mood app\n"
                                 "10; 1259 201 TABLE public users app\n;\tdepends on: 5\n"
                                 "11; 0 0 COMMENT public COLUMN users.name app\n;\tdepends on: 10\n"
                                 "12; 1259 202 VIEW public v app\n;\tdepends on: 10 10\n"
                                 "13; 1259 203 VIEW public vv app\n;\tdepends on: 12\n"
                                 "14; 0 0 ACL public TABLE vv app\n;\tdepends on: 13\n"
                                 "20; 1259 204 TABLE public orders app\n"
                                 "21; 2606 205 CONSTRAINT public users users_pkey app\n"
                                 ";\tdepends on: 10\n"
                                 "22; 2606 206 FK CONSTRAINT public orders orders_user_fkey app\n"
                                 ";\tdepends on: 20 21 10\n"
                                 "30; 1259 207 TABLE public apart app\n"
                                 "31; 1259 208 VIEW public old_report app\n;\tdepends on: 30\n";

static const char live_text[] = "1; 1247 100 TYPE public mood app\n"
                                "2; 1259 204 TABLE public orders someone_else\n"
                                "3; 1259 207 TABLE public apart app\n";

static char saved_full[4096], live_full[4096];

static void
parse(const char *entries, char *full, size_t size, struct bs_arena *a, struct bs_toc *out)
{
    struct bs_err err = {0};

    snprintf(full, size, "%s%s", head, entries);
    EXPECT_EQ(bs_toc_parse(bs_bytes_of(full), a, out, &err), BS_DONE);
}

static void
reads_a_listing(void)
{
    struct bs_arena a;
    struct bs_toc toc;

    bs_arena_init(&a, "test", 1 << 20);
    parse(saved_text, saved_full, sizeof(saved_full), &a, &toc);
    EXPECT_EQ(toc.n, 11);
    EXPECT_EQ(toc.list[1].dump_id, 10);
    EXPECT_EQ(toc.list[1].class_oid, 1259);
    EXPECT_EQ(toc.list[1].oid, 201);
    EXPECT(bs_bytes_equal(toc.list[1].key, bs_bytes_of("TABLE public users")));
    EXPECT(bs_bytes_equal(toc.list[1].line, bs_bytes_of("10; 1259 201 TABLE public users app")));
    EXPECT_EQ(toc.list[8].n_needs, 3);
    EXPECT_EQ(toc.list[8].needs[1], 21);
    EXPECT(bs_toc_is(&toc.list[8], "FK CONSTRAINT"));
    EXPECT(!bs_toc_is(&toc.list[8], "FK"
                                    " CONSTRAIN"));
    bs_arena_fini(&a);
}

static void
refuses_what_is_no_listing(void)
{
    static const char *const bad[] = {
        "",
        "pg_restore: error: could not open input file\n",
        ";\nTABLE public users app\n",
        ";\n10 1259 201 TABLE public users app\n",
        ";\n99999999999; 1259 201 TABLE public users app\n",
        ";\n10; 1259 201 TABLE public users app\n;\tdepends on: x\n",
        ";\n10; 1259 201 TABLE public users app\n;\tdepends on: 99999999999999999\n",
    };
    struct bs_arena a;

    bs_arena_init(&a, "test", 1 << 20);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct bs_toc toc;
        struct bs_err err = {0};
        EXPECT_EQ(bs_toc_parse(bs_bytes_of(bad[i]), &a, &toc, &err), BS_FAILED);
        EXPECT_EQ(err.code, BS_E_DATA);
        if (tap_misses != 0)
            printf("# in row %zu\n", i);
    }
    bs_arena_fini(&a);
}

static bool
has(const struct bs_toc *toc, const size_t *chosen, size_t n, uint32_t dump_id)
{
    for (size_t i = 0; i < n; i++) {
        if (toc->list[chosen[i]].dump_id == dump_id)
            return true;
    }
    return false;
}

static void
brings_back_what_is_joined(void)
{
    static const uint32_t back[] = {10, 11, 12, 13, 14, 21, 22};
    const struct bs_bytes lost[] = {BS_LIT("TABLE public users")};
    struct bs_arena a;
    struct bs_toc saved, live;
    struct bs_err err = {0};
    size_t *chosen, n;

    bs_arena_init(&a, "test", 1 << 20);
    parse(saved_text, saved_full, sizeof(saved_full), &a, &saved);
    parse(live_text, live_full, sizeof(live_full), &a, &live);
    EXPECT_EQ(
        bs_toc_choose(&saved, &live, (struct bs_toc_want){lost, 1, false}, &a, &chosen, &n, &err),
        BS_DONE);
    EXPECT_EQ(n, 7);
    for (size_t i = 0; i < sizeof(back) / sizeof(back[0]); i++)
        EXPECT(has(&saved, chosen, n, back[i]));
    /* Dropped for itself, from a table that lives: only where all is asked for. */
    EXPECT(!has(&saved, chosen, n, 31));
    EXPECT_EQ(
        bs_toc_choose(&saved, &live, (struct bs_toc_want){NULL, 0, true}, &a, &chosen, &n, &err),
        BS_DONE);
    EXPECT_EQ(n, 8);
    EXPECT(has(&saved, chosen, n, 31));
    bs_arena_fini(&a);
}

static void
brings_what_it_needs_and_nothing_for_the_living(void)
{
    static const char bare[] = "2; 1259 204 TABLE public orders app\n";
    const struct bs_bytes users[] = {BS_LIT("TABLE public users")},
                          orders[] = {BS_LIT("TABLE public orders")};
    struct bs_arena a;
    struct bs_toc saved, live;
    struct bs_err err = {0};
    size_t *chosen, n;

    bs_arena_init(&a, "test", 1 << 20);
    parse(saved_text, saved_full, sizeof(saved_full), &a, &saved);
    parse(bare, live_full, sizeof(live_full), &a, &live);
    EXPECT_EQ(
        bs_toc_choose(&saved, &live, (struct bs_toc_want){users, 1, false}, &a, &chosen, &n, &err),
        BS_DONE);
    EXPECT(n != 0 && saved.list[chosen[0]].dump_id == 5); /* its type, and first */
    EXPECT_EQ(n, 8);
    EXPECT_EQ(
        bs_toc_choose(&saved, &live, (struct bs_toc_want){orders, 1, false}, &a, &chosen, &n, &err),
        BS_DONE);
    EXPECT_EQ(n, 0);
    bs_arena_fini(&a);
}

static void
leaves_out_what_hangs_on_an_entry(void)
{
    const struct bs_bytes users[] = {BS_LIT("TABLE public users"),
                                     BS_LIT("VIEW public old_report")};
    struct bs_arena a;
    struct bs_toc saved;
    struct bs_err err = {0};
    size_t *chosen, n;

    bs_arena_init(&a, "test", 1 << 20);
    parse(saved_text, saved_full, sizeof(saved_full), &a, &saved);
    EXPECT_EQ(bs_toc_without(&saved, users, 2, &a, &chosen, &n, &err), BS_DONE);
    EXPECT_EQ(n, 3);
    EXPECT(has(&saved, chosen, n, 5) && has(&saved, chosen, n, 20) && has(&saved, chosen, n, 30));
    bs_arena_fini(&a);
}

int
main(void)
{
    static const struct tap_case cases[] = {
        {"reads a listing", reads_a_listing},
        {"refuses what is no listing", refuses_what_is_no_listing},
        {"brings back what is joined to the lost relation", brings_back_what_is_joined},
        {"leaves out what hangs on an entry", leaves_out_what_hangs_on_an_entry},
        {"brings what it needs, nothing for what lives",
         brings_what_it_needs_and_nothing_for_the_living},
    };

    return tap_main(cases, sizeof(cases) / sizeof(cases[0]));
}
