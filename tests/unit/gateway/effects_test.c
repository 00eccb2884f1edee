/*
 * effects_test.c - what statements do to the names of a session, one answer at a time, and what a
 * session may have done to the meaning of names.
 */
#include "gateway/effects.h"

#include "tap.h"

/* Classifies a text, without a catalog. */
static const struct bs_unit *
unit_of(const char *text, struct bs_arena *arena)
{
    struct bs_unit *unit = bs_arena_take(arena, sizeof(*unit));
    struct bs_err err = {0};

    if (bs_classify(bs_bytes_of(text), BS_CLASSIFY_LIMITS, arena, unit, &err) != BS_DONE)
        printf("# %s\n", err.message);
    return unit;
}

static void
put(struct bs_session_state *state, const char *name)
{
    struct bs_prepared *p = bs_prepared_new(bs_bytes_of(name), BS_LIT("SELECT 1"));

    bs_names_put(&state->names, p);
    bs_prepared_unref(&p);
}

static const struct {
    const char *text;
    size_t answers;    /* CommandCompletes that came */
    const char *left;  /* statements of "a b" that are still known */
    const char *known; /* cursors of "k h" that are known, with "k" declared before */
} rows[] = {
    {"SELECT 1", 1, "ab", "k"},
    {"DEALLOCATE a", 0, "ab", "k"}, /* sent, not answered */
    {"DEALLOCATE a", 1, "b", "k"},
    {"DEALLOCATE PREPARE \"a\"", 1, "b", "k"},
    {"DEALLOCATE ALL", 1, "", "k"},
    {"DISCARD ALL", 1, "", ""},
    {"DISCARD PLANS", 1, "ab", "k"},
    {"DISCARD TEMP", 1, "ab", "k"},
    {"CLOSE k", 1, "ab", ""},
    {"CLOSE ALL", 1, "ab", ""},
    {"DECLARE h CURSOR FOR SELECT 1", 1, "ab", "kh"},
    {"DECLARE h CURSOR FOR SELECT 1", 0, "ab", "k"},
    {"DEALLOCATE a; DEALLOCATE b", 1, "b", "k"}, /* the second one failed */
    {"SELECT 1; DEALLOCATE b; CLOSE k", 2, "a", "k"},
    {"SELECT 1; DEALLOCATE b; CLOSE k", 3, "a", ""},
    {"SELECT 1; DEALLOCATE b", 9, "a", "k"}, /* more answers than statements */
};

static void
names_follow_the_answers(void)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct bs_session_state state = {0};
        struct bs_effects *e;
        struct bs_arena arena;

        bs_arena_init(&arena, "test", 16 << 20);
        put(&state, "a");
        put(&state, "b");
        bs_cursors_put(&state.names, BS_LIT("k"), BS_CURSOR_TRANSACTION);
        e = bs_effects_of(unit_of(rows[i].text, &arena));
        for (size_t k = 0; e != NULL && k < rows[i].answers; k++)
            bs_effects_step(e, &state);
        for (const char *name = "ab"; *name != '\0'; name++) {
            struct bs_bytes one = {(const uint8_t *)name, 1};
            EXPECT_EQ(bs_names_find(&state.names, one) != NULL,
                      strchr(rows[i].left, *name) != NULL);
        }
        for (const char *name = "kh"; *name != '\0'; name++) {
            struct bs_bytes one = {(const uint8_t *)name, 1};
            EXPECT_EQ(bs_cursors_has(&state.names, one), strchr(rows[i].known, *name) != NULL);
        }
        if (tap_misses != 0)
            printf("# in row: %s\n", rows[i].text);
        bs_effects_free(&e);
        bs_names_fini(&state.names);
        bs_arena_fini(&arena);
    }
}

static void
what_makes_names_uncertain(void)
{
    static const struct {
        const char *text;
        bool path, temporary;
    } texts[] = {
        {"SELECT 1", false, false},
        {"SET search_path = evil, pg_catalog", true, false},
        {"SET LOCAL search_path = evil, pg_catalog", true, false},
        {"SELECT set_config('search_path', 'evil, pg_catalog', true)", true, false},
        {"RESET ALL", false, false}, /* back to what the session began with */
        {"SET work_mem = '4MB'", false, false},
        {"CREATE TEMP TABLE t (id int)", false, true},
        {"CREATE TABLE pg_temp.t (id int)", false, true},
        {"SELECT 1 AS n INTO TEMP t", false, true},
        {"SELECT 1 AS n INTO pg_temp.t", false, true},
        {"CREATE VIEW pg_temp.t AS SELECT 1", false, true},
        {"CREATE TEMP VIEW t AS SELECT 1", false, true},
        {"CREATE DOMAIN pg_temp.text AS int", false, true},
        {"CREATE TYPE pg_temp.t AS (a int)", false, true},
        {"CREATE SEQUENCE pg_temp.t", false, true},
        {"DO $$BEGIN END$$", true, true}, /* who knows */
        {"SELECT nobody_knows_this(1)", true, true},
        {"CALL nobody_knows_this()", true, true},
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct bs_session_state state = {0};
        const struct bs_session_names *meaning = &state.meaning;
        struct bs_arena arena;

        bs_arena_init(&arena, "test", 16 << 20);
        bs_effects_meaning(unit_of(texts[i].text, &arena), &state);
        EXPECT(meaning->path_changed || !texts[i].path);
        EXPECT(meaning->temporary || !texts[i].temporary);
        EXPECT_EQ(meaning->path_changed && meaning->temporary, texts[i].path && texts[i].temporary);
        if (tap_misses != 0)
            printf("# in row: %s\n", texts[i].text);
        EXPECT(meaning->own == &state.own);
        bs_arena_fini(&state.own_arena);
        bs_arena_fini(&arena);
    }
}

/* What a session has made is its own by name, until it is committed. */
static void
names_of_its_own(void)
{
    const struct bs_name t = {NULL, "t"}, mine = {NULL, "mine"}, other = {NULL, "other"};
    struct bs_session_state state = {0};
    struct bs_arena arena;

    bs_arena_init(&arena, "test", 16 << 20);
    bs_effects_meaning(unit_of("CREATE TEMP TABLE mine (id int); CREATE TABLE t (id int)", &arena),
                       &state);
    bs_arena_fini(&arena); /* copies */
    REQUIRE(state.meaning.own != NULL);
    EXPECT_EQ(bs_own_read(state.meaning.own, mine), BS_OWN_PLAIN);
    EXPECT_EQ(bs_own_read(state.meaning.own, t), BS_OWN_PLAIN);
    EXPECT_EQ(bs_own_read(state.meaning.own, other), BS_OWN_NOT);
    bs_effects_settle(&state);
    EXPECT_EQ(bs_own_read(state.meaning.own, mine), BS_OWN_PLAIN);
    EXPECT_EQ(bs_own_read(state.meaning.own, t), BS_OWN_NOT);
    bs_arena_init(&arena, "test", 16 << 20);
    bs_effects_meaning(unit_of("SELECT nobody_knows_this(1)", &arena), &state);
    EXPECT_EQ(bs_own_read(state.meaning.own, other), BS_OWN_DOUBTFUL);
    bs_arena_fini(&state.own_arena);
    bs_arena_fini(&arena);
}

/* For tickets: the same words under another path are another request. */
static void
the_path_that_was_set_last(void)
{
    static const char *const same[] = {"SET search_path = a, b", "set search_path to a, b",
                                       "SET LOCAL search_path = 'a', 'b'",
                                       "SELECT set_config('search_path', 'a, b', false)"};
    static const char *const reset[] = {"RESET search_path", "RESET ALL",
                                        "SET search_path TO DEFAULT"};
    struct bs_session_state state = {0};
    struct bs_arena arena;
    char first[BS_SHA256_TEXT];

    bs_arena_init(&arena, "test", 16 << 20);
    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
        bs_effects_meaning(unit_of("SET search_path = other, pg_catalog", &arena), &state);
        bs_effects_meaning(unit_of(same[i], &arena), &state);
        if (i == 0)
            memcpy(first, state.path, sizeof(first));
        EXPECT(strcmp(first, state.path) == 0);
        if (tap_misses != 0)
            printf("# in row: %s\n", same[i]);
    }
    bs_effects_meaning(unit_of("SELECT 1; SET work_mem = '4MB'", &arena), &state);
    EXPECT(strcmp(first, state.path) == 0);
    bs_effects_meaning(unit_of("SELECT 1; SET search_path = b, pg_catalog", &arena), &state);
    EXPECT(strcmp(first, state.path) != 0);
    for (size_t i = 0; i < sizeof(reset) / sizeof(reset[0]); i++) {
        bs_effects_meaning(unit_of("SET search_path = other, pg_catalog", &arena), &state);
        bs_effects_meaning(unit_of(reset[i], &arena), &state);
        EXPECT(state.path[0] == '\0');
    }
    bs_arena_fini(&arena);
}

int
main(void)
{
    static const struct tap_case cases[] = {
        {"names follow the answers", names_follow_the_answers},
        {"what makes names uncertain", what_makes_names_uncertain},
        {"names of its own", names_of_its_own},
        {"the path that was set last", the_path_that_was_set_last},
    };
    return tap_main(cases, sizeof(cases) / sizeof(cases[0]));
}
