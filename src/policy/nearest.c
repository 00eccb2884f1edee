/*
 * nearest.c - optimal string alignment distance over short words, two rows at a time.
 */
#include "policy/nearest.h"

#include <stdint.h>
#include <string.h>

#define MAX_WORD 64 /* longer words are never suggested */

static char
lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static size_t
least(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t
bs_word_distance(const char *a, const char *b)
{
    size_t rows[3][MAX_WORD + 1];
    size_t na = strlen(a), nb = strlen(b);
    size_t *before = rows[0], *last = rows[1], *now = rows[2];

    if (na > MAX_WORD || nb > MAX_WORD)
        return SIZE_MAX;
    for (size_t j = 0; j <= nb; j++)
        last[j] = j;
    for (size_t i = 1; i <= na; i++) {
        now[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            size_t cost = lower(a[i - 1]) != lower(b[j - 1]);
            now[j] = least(least(last[j] + 1, now[j - 1] + 1), last[j - 1] + cost);
            if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
                lower(a[i - 2]) == lower(b[j - 1]))
                now[j] = least(now[j], before[j - 2] + 1);
        }
        size_t *spare = before;
        before = last;
        last = now;
        now = spare;
    }
    return last[nb];
}

const char *
bs_word_nearest(const char *text, const char *(*word)(const void *ctx, size_t i), const void *ctx)
{
    /* A third of the letters may be wrong, but never all of a short word. */
    size_t best = strlen(text) / 3 + 2;
    const char *found = NULL;

    if (best > strlen(text))
        best = strlen(text);
    for (size_t i = 0; word(ctx, i) != NULL; i++) {
        const char *candidate = word(ctx, i);
        size_t distance = bs_word_distance(text, candidate);
        if (distance < best) {
            best = distance;
            found = candidate;
        }
    }
    return found;
}
