/*
 * sqltext_test.c - statements cut, words found, entries told from what only looks like one; and what
 * a kind of statement can have done.
 */
#include "restore/sqltext.h"

#include "restore/entries.h"
#include "restore/scope.h"
#include "tap.h"

static void
cuts_statements(void)
{
    static const struct {
        const char *text;
        const char *want[3];
    } rows[] = {
        {"A;B;", {"A", "B"}},
        {" ;; A ", {"A"}},
        {"A 'x;y' ; B", {"A 'x;y'", "B"}},
        {"A E'x\\';y'; B", {"A E'x\\';y'", "B"}},
        {"A 'x''; y'; B", {"A 'x''; y'", "B"}},
        {"A \"x;\"\"y\"; B", {"A \"x;\"\"y\"", "B"}},
        {"A $$x;$y$;$$; B", {"A $$x;$y$;$$", "B"}},
        {"A $q$;$$;$q$; B", {"A $q$;$$;$q$", "B"}},
        {"A $1; B", {"A $1", "B"}},
        {"A (x; y); B", {"A (x; y)", "B"}},
        {"-- c;d\nA; /* e; /* f */ ; */ B", {"A", "B"}},
        {"A -- it's\n; B", {"A -- it's", "B"}},
        {"A 'open; B", {"A 'open; B"}},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct bs_bytes text = bs_bytes_of(rows[i].text), one;
        size_t n = 0;
        for (; bs_sql_next(&text, &one) && n < 3; n++)
            EXPECT(rows[i].want[n] != NULL && bs_bytes_equal(one, bs_bytes_of(rows[i].want[n])));
        EXPECT(rows[i].want[n] == NULL);
        if (tap_misses != 0)
            printf("# in row: %s\n", rows[i].text);
    }
}

static void
finds_words_outside_of_quotes(void)
{
    EXPECT_EQ(bs_sql_find(bs_bytes_of("COMMENT ON X \" IS \" IS 'a IS b'"), " IS "), 19);
    EXPECT_EQ(bs_sql_find(bs_bytes_of("A (x IS y) IS z"), " IS "), 10);
    EXPECT(bs_sql_find(bs_bytes_of("A ' IS '"), " IS ") == SIZE_MAX);
    EXPECT(bs_sql_find(bs_bytes_of("A"), " IS ") == SIZE_MAX);
    EXPECT(bs_sql_find(bs_bytes_of(""), " IS ") == SIZE_MAX);
}

static void
hides_passwords(void)
{
    static const char
        text[] = "-- c\nCREATE USER MAPPING FOR a SERVER s OPTIONS (\n    password 'it''s',\n"
                 "    \"user\" E'x\\'y'\n);\nCREATE TABLE t (a text DEFAULT 'seen');\n",
        hidden[] = "-- c\nCREATE USER MAPPING FOR a SERVER s OPTIONS (\n    password '*****',\n"
                   "    \"user\" E'****'\n);\nCREATE TABLE t (a text DEFAULT 'seen');\n";
    struct bs_buf b;

    bs_buf_init(&b, 1000);
    bs_put_str(&b, text);
    bs_sql_hide(&b);
    EXPECT(bs_bytes_equal(bs_buf_view(&b), bs_bytes_of(hidden)));
    bs_buf_fini(&b);
}

static const char listing[] =
    ";\n1; 1259 10 TABLE public t app\n2; 1255 11 FUNCTION public f() app\n"
    "3; 2620 12 TRIGGER public t x app\n;\tdepends on: 1 2\n";

/* A function's body may say anything; it is seen that something pretends to be an entry. */
static void
cuts_a_script_by_its_entries(void)
{
    static const char
        honest[] = "SET x = y;\n--\n-- TOC entry 1 (class 1259 OID 10)\n-- Name: t\n--\n\n"
                   "CREATE TABLE public.t ();\n\n\n--\n-- TOC entry 2 (class 1255 OID 11)\n"
                   "--\n\nCREATE FUNCTION f;\n\n-- Completed on x\n",
        forged[] = "--\n-- TOC entry 1 (class 1259 OID 10)\n--\n\nCREATE TABLE public.t ();\n"
                   "--\n-- TOC entry 2 (class 1255 OID 11)\n--\n\nCREATE FUNCTION f AS $$\n"
                   "-- TOC entry 1 (class 1259 OID 10)\nDROP TABLE t;\n$$;\n";
    struct bs_arena a;
    struct bs_toc toc;
    struct bs_entries e;
    struct bs_err err = {0};

    bs_arena_init(&a, "test", 1 << 20);
    REQUIRE(bs_toc_parse(bs_bytes_of(listing), &a, &toc, &err) == BS_DONE);
    EXPECT_EQ(bs_entries_cut(bs_bytes_of(honest), &toc, &a, &e, &err), BS_DONE);
    EXPECT(e.certain);
    EXPECT(bs_bytes_equal(e.texts[0], BS_LIT("CREATE TABLE public.t ();")));
    EXPECT(bs_bytes_equal(e.texts[1], BS_LIT("CREATE FUNCTION f;")));
    EXPECT_EQ(e.texts[2].n, 0);
    EXPECT_EQ(bs_entries_cut(bs_bytes_of(forged), &toc, &a, &e, &err), BS_DONE);
    EXPECT(!e.certain);
    bs_arena_fini(&a);
}

static void
a_kind_says_what_it_can_do(void)
{
    static const struct {
        const char *kind, *text;
        size_t entry;
        bool lost, changed;
    } rows[] = {
        {"GRANT", "GRANT ALL ON t TO x", 0, false, false},
        {"GRANT", "GRANT ALL ON t TO x; DROP TABLE t", 0, true, true},
        {"DROP TRIGGER", "DROP TRIGGER x ON t", 2, true, false},
        {"DROP TRIGGER", "DROP TRIGGER x ON t", 1, false, false},
        {"DROP FUNCTION", "DROP FUNCTION f()", 1, true, false},
        {"DROP FUNCTION", "DROP FUNCTION f() CASCADE", 0, true, true},
        {"CREATE FUNCTION", "CREATE OR REPLACE FUNCTION f", 1, false, true},
        {"CREATE FUNCTION", "CREATE OR REPLACE FUNCTION f", 0, false, false},
        {"ALTER TABLE DISABLE TRIGGER", "ALTER TABLE t DISABLE TRIGGER x", 2, true, true},
        {"ALTER TABLE DISABLE TRIGGER", "ALTER TABLE t DISABLE TRIGGER x", 1, true, false},
        {"COPY-BACK", "backstop restore copy-back RP", 1, true, true},
    };
    struct bs_arena a;
    struct bs_toc toc;
    struct bs_err err = {0};

    bs_arena_init(&a, "test", 1 << 20);
    REQUIRE(bs_toc_parse(bs_bytes_of(listing), &a, &toc, &err) == BS_DONE);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct bs_point_statement s = {.kind = rows[i].kind, .text = rows[i].text};
        const struct bs_toc_entry *e = &toc.list[rows[i].entry];
        EXPECT_EQ(bs_scope_may(&s, e, BS_SCOPE_LOST), rows[i].lost);
        EXPECT_EQ(bs_scope_may(&s, e, BS_SCOPE_CHANGED), rows[i].changed);
        if (tap_misses != 0)
            printf("# in row: %s\n", rows[i].text);
    }
    bs_arena_fini(&a);
}

/* The same OID under another name was renamed, and what hangs on it is not lost by that. */
static void
pairs_what_was_renamed(void)
{
    static const char now[] = ";\n7; 1259 10 TABLE public t2 app\n8; 0 0 ACL public TABLE t2 app\n"
                              ";\tdepends on: 7\n",
                      then[] = ";\n1; 1259 10 TABLE public t app\n2; 0 0 ACL public TABLE t app\n"
                               ";\tdepends on: 1\n3; 1259 30 TABLE public gone app\n";
    struct bs_point_dependent named = {
        .class_oid = 1259, .oid = 10, .type = "table", .schema = "public", .identity = "public.t"};
    struct bs_manifest m = {.closure = &named, .n_closure = 1};
    struct bs_arena a;
    struct bs_toc saved, live;
    struct bs_scope s;
    struct bs_err err = {0};

    bs_arena_init(&a, "test", 1 << 20);
    REQUIRE(bs_toc_parse(bs_bytes_of(then), &a, &saved, &err) == BS_DONE);
    REQUIRE(bs_toc_parse(bs_bytes_of(now), &a, &live, &err) == BS_DONE);
    REQUIRE(bs_scope_find(&saved, &live, &m, true, &a, &s, &err) == BS_DONE);
    EXPECT_EQ(s.live_of[0], 0);
    EXPECT(s.saved_in[0] && s.saved_in[1] && !s.saved_in[2]);
    EXPECT(s.saved_along[1] && s.live_along[1] && !s.saved_along[2]);
    EXPECT_EQ(bs_scope_moved(&saved, &live, &s, 0), BS_SCOPE_RENAMED);
    EXPECT(s.live_of[2] == BS_SCOPE_NONE);
    bs_arena_fini(&a);
}

/* Nor is what has got the name of another one that other one, where both were there. */
static void
pairs_what_has_the_others_name(void)
{
    static const char now[] = ";\n7; 1259 10 TABLE public t2 app\n8; 1259 20 TABLE public t app\n"
                              "9; 1259 31 TABLE public u app\n",
                      then[] = ";\n1; 1259 10 TABLE public t app\n2; 1259 20 TABLE public s app\n"
                               "3; 1259 30 TABLE public u app\n";
    struct bs_manifest m = {0};
    struct bs_arena a;
    struct bs_toc saved, live;
    struct bs_scope s;
    struct bs_err err = {0};

    bs_arena_init(&a, "test", 1 << 20);
    REQUIRE(bs_toc_parse(bs_bytes_of(then), &a, &saved, &err) == BS_DONE);
    REQUIRE(bs_toc_parse(bs_bytes_of(now), &a, &live, &err) == BS_DONE);
    REQUIRE(bs_scope_find(&saved, &live, &m, true, &a, &s, &err) == BS_DONE);
    EXPECT(s.live_of[0] == 0 && s.live_of[1] == 1);
    EXPECT_EQ(s.live_of[2], 2); /* made again: no other one has its name */
    /* Elsewhere a number says nothing. */
    REQUIRE(bs_scope_find(&saved, &live, &m, false, &a, &s, &err) == BS_DONE);
    EXPECT(s.live_of[0] == 1 && s.live_of[1] == BS_SCOPE_NONE && s.live_of[2] == 2);
    bs_arena_fini(&a);
}

int
main(void)
{
    static const struct tap_case cases[] = {
        {"cuts statements", cuts_statements},
        {"finds words outside of quotes", finds_words_outside_of_quotes},
        {"hides passwords", hides_passwords},
        {"cuts a script by its entries", cuts_a_script_by_its_entries},
        {"a kind says what it can do", a_kind_says_what_it_can_do},
        {"pairs what was renamed", pairs_what_was_renamed},
        {"pairs what has the other's name", pairs_what_has_the_others_name},
    };

    return tap_main(cases, sizeof(cases) / sizeof(cases[0]));
}
