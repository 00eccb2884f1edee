/*
 * names_test.c - prepared statements and cursors of a session: what is entered is found under its
 * own name only, and memory goes with the last reference.
 */
#include "gateway/names.h"

#include <stdio.h>

#include "tap.h"

static struct bs_prepared *
enter(struct bs_names *names, const char *name, const char *text)
{
    struct bs_prepared *p = bs_prepared_new(bs_bytes_of(name), bs_bytes_of(text)), *borrowed = p;

    bs_names_put(names, p);
    bs_prepared_unref(&p);
    return borrowed;
}

static void
statements(void)
{
    struct bs_names names = {0};
    struct bs_prepared *a = enter(&names, "a", "SELECT 1"),
                       *unnamed = enter(&names, "", "SELECT 2");
    struct bs_prepared *kept;

    EXPECT_EQ(names.n, 2);
    EXPECT(bs_names_find(&names, BS_LIT("a")) == a);
    EXPECT(bs_names_find(&names, BS_LIT("")) == unnamed);
    EXPECT(bs_names_find(&names, BS_LIT("A")) == NULL);
    EXPECT(bs_names_find(&names, BS_LIT("ab")) == NULL);
    kept = bs_prepared_ref(a); /* as a held unit does */
    a = enter(&names, "a", "DELETE FROM t");
    EXPECT_EQ(names.n, 2);
    EXPECT(bs_bytes_equal(bs_names_find(&names, BS_LIT("a"))->text, BS_LIT("DELETE FROM t")));
    EXPECT(bs_bytes_equal(kept->text, BS_LIT("SELECT 1")));
    bs_names_remove(&names, BS_LIT("nothing"));
    bs_names_remove(&names, BS_LIT("a"));
    EXPECT(bs_names_find(&names, BS_LIT("a")) == NULL);
    bs_names_put(&names, kept); /* and once more under the same name */
    bs_names_put(&names, kept);
    EXPECT_EQ(names.n, 2);
    EXPECT_EQ(kept->refs, 2);
    bs_names_clear(&names);
    EXPECT_EQ(names.n, 0);
    EXPECT_EQ(kept->refs, 1);
    bs_prepared_unref(&kept);
    bs_names_fini(&names);
}

static void
many(void)
{
    struct bs_names names = {0};
    char name[16];

    for (int i = 0; i < 5000; i++) {
        (void)snprintf(name, sizeof(name), "s%d", i);
        enter(&names, name, name);
    }
    for (int i = 0; i < 5000; i += 2) {
        (void)snprintf(name, sizeof(name), "s%d", i);
        bs_names_remove(&names, bs_bytes_of(name));
    }
    EXPECT_EQ(names.n, 2500);
    for (int i = 0; i < 5000; i++) {
        struct bs_prepared *p;
        (void)snprintf(name, sizeof(name), "s%d", i);
        p = bs_names_find(&names, bs_bytes_of(name));
        EXPECT_EQ(p != NULL, i % 2 == 1);
        if (p != NULL)
            EXPECT(bs_bytes_equal(p->text, bs_bytes_of(name)));
    }
    bs_names_fini(&names);
}

static void
cursors(void)
{
    struct bs_names names = {0};

    bs_cursors_put(&names, BS_LIT("k"), BS_CURSOR_TRANSACTION);
    bs_cursors_put(&names, BS_LIT("h"), BS_CURSOR_HOLD);
    bs_cursors_put(&names, BS_LIT("k"), BS_CURSOR_TRANSACTION); /* no second one */
    EXPECT_EQ(names.n_cursors, 2);
    bs_cursors_end_transaction(&names);
    EXPECT(!bs_cursors_has(&names, BS_LIT("k")));
    EXPECT(bs_cursors_has(&names, BS_LIT("h")));
    bs_cursors_remove(&names, BS_LIT("h"));
    EXPECT_EQ(names.n_cursors, 0);
    for (int i = 0; i < 10100; i++) {
        char name[16];
        (void)snprintf(name, sizeof(name), "c%d", i);
        bs_cursors_put(&names, bs_bytes_of(name), BS_CURSOR_HOLD);
    }
    EXPECT_EQ(names.n_cursors, 10000); /* what is forgotten is never SAFE */
    EXPECT(!bs_cursors_has(&names, BS_LIT("c10050")));
    bs_names_fini(&names);
    EXPECT_EQ(names.n_cursors, 0);
}

/* What is judged about a statement lives in its own arena, and is gone when that is used anew. */
static void
a_verdict_is_forgotten_whole(void)
{
    struct bs_prepared *p = bs_prepared_new(BS_LIT("s"), BS_LIT("SELECT 1"));

    p->judged = true;
    p->verdict.way = BS_WAY_PASS;
    p->verdict.message = bs_arena_str(&p->arena, "text");
    bs_prepared_rewind(p);
    EXPECT(!p->judged);
    EXPECT_EQ(p->verdict.way, BS_WAY_REFUSE); /* zero refuses */
    EXPECT(p->verdict.message == NULL);
    bs_prepared_unref(&p);
    EXPECT(p == NULL);
    bs_prepared_unref(&p);
}

int
main(void)
{
    static const struct tap_case cases[] = {
        {"statements", statements},
        {"many", many},
        {"cursors", cursors},
        {"a verdict is forgotten whole", a_verdict_is_forgotten_whole},
    };
    return tap_main(cases, sizeof(cases) / sizeof(cases[0]));
}
