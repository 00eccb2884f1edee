/*
 * savepoints_test.c - what is undone by ROLLBACK TO, by scripts of one letter a statement.
 */
#include "gateway/savepoints.h"

#include <string.h>

#include "tap.h"

/*
 * a b: SAVEPOINT; -a -b: RELEASE; x y z: something runs; <a <b: ROLLBACK TO, the last. `left` is what
 * has still happened then.
 */
static const struct {
    const char *script;
    const char *left;
} rows[] = {
    {"x", "x"},         {"xay<a", "x"},     {"axby<b", "x"},
    {"axby<a", ""},     {"axbyaz<a", "xy"}, /* a name used again means the later one */
    {"axbyaz-a<a", ""},                     /* released: the earlier one again */
    {"axby-bz<a", ""},                      /* what was in a released one goes with its parent */
    {"xay-az<a", ""},  /* unknown name: the server refuses it, and nothing counts */
    {"axby<bz<a", ""}, /* twice */
    {"axb<bay<a", "x"},
};

static void
what_is_undone(void)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct bs_savepoints s = {0};
        uint64_t ran[3] = {0};
        char left[4] = "";
        size_t n = 0;

        for (const char *c = rows[i].script; *c != '\0'; c++) {
            char name[2] = {*c, '\0'};
            if (*c >= 'x') {
                ran[*c - 'x'] = bs_savepoints_tick(&s);
            } else if (*c == '-' || *c == '<') {
                char other[2] = {*++c, '\0'};
                uint64_t back;
                if (c[-1] == '-') {
                    bs_savepoints_release(&s, other);
                    continue;
                }
                back = bs_savepoints_back(&s, other);
                for (size_t k = 0; k < 3; k++)
                    ran[k] = ran[k] > back ? 0 : ran[k];
            } else {
                bs_savepoints_put(&s, name);
            }
        }
        for (size_t k = 0; k < 3; k++) {
            if (ran[k] != 0)
                left[n++] = (char)('x' + k);
        }
        EXPECT(strcmp(left, rows[i].left) == 0);
        if (tap_misses != 0)
            printf("# in row: %s\n", rows[i].script);
        bs_savepoints_clear(&s);
    }
}

int
main(void)
{
    static const struct tap_case cases[] = {{"what ROLLBACK TO undoes", what_is_undone}};
    return tap_main(cases, sizeof(cases) / sizeof(cases[0]));
}
