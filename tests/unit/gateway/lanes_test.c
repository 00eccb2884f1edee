/*
 * lanes_test.c - who goes when, by scripts of one letter an event.
 */
#include "gateway/lanes.h"

#include <stdio.h>
#include <string.h>

#include "tap.h"

/*
 * a b c: an actor asks; A B C: he asks for a longer one; -: the one that runs, in the first lane, is
 * done; _: in the second; <: the last that asked gives up. `went` is who went, in order.
 */
static const struct {
    const char *script;
    const char *went;
} rows[] = {
    {"a", "a"},
    {"ab", "a"},
    {"ab-", "ab"},
    {"aaab-", "ab"},      /* he waits for his own */
    {"aaab----", "abaa"}, /* and has the rest of the time */
    {"aaabbb------", "abab"
                     "ab"},
    {"aaab-c---", "abcaa"}, /* who comes later waits for no more than one of each */
    {"a-b-a-", "aba"},
    {"aA", "aA"}, /* the lanes do not wait for each other */
    {"ABab-_", "AabB"},
    {"ab<c--", "ac"},
    {"aa<-", "a"},
    {"a<b", "ab"}, /* what runs may be left like that, too */
};

struct one {
    struct bs_turn turn;
    char who;
    char name[2];
};

static char went[32];

static void
go(struct bs_turn *t)
{
    size_t n = strlen(went);

    went[n] = ((struct one *)(void *)t)->who;
    went[n + 1] = '\0';
}

static void
play(const char *script)
{
    struct bs_lanes lanes = {0};
    struct one all[16] = {0};
    size_t n = 0;

    went[0] = '\0';
    for (const char *c = script; *c != '\0'; c++) {
        if (*c == '-' || *c == '_') {
            struct bs_turn *running = lanes.lane[*c == '_'].running;
            if (running != NULL)
                bs_lanes_leave(running);
        } else if (*c == '<') {
            bs_lanes_leave(&all[n - 1].turn);
            EXPECT(!bs_turn_waits(&all[n - 1].turn));
        } else {
            struct one *o = &all[n++];
            o->who = *c;
            o->name[0] = (char)(*c | 0x20);
            o->turn = (struct bs_turn){.actor = o->name,
                                       .bytes = *c < 'a' ? BS_LANE_LONGER + 1 : BS_LANE_LONGER,
                                       .go = go};
            bs_lanes_enter(&lanes, &o->turn);
        }
    }
}

static void
who_goes(void)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        play(rows[i].script);
        EXPECT(strcmp(went, rows[i].went) == 0);
        if (tap_misses != 0)
            printf("# in row %s: %s went\n", rows[i].script, went);
    }
}

int
main(void)
{
    static const struct tap_case cases[] = {{"who goes when", who_goes}};
    return tap_main(cases, sizeof(cases) / sizeof(cases[0]));
}
