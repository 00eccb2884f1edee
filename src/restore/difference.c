/*
 * difference.c - two dumps as texts, line by line.
 */
#include <stdlib.h>
#include <string.h>

#include "restore/definition.h"
#include "restore/sqltext.h"

struct lines {
    struct bs_bytes *list; /* as they come */
    struct bs_bytes *sorted;
    size_t n;
};

static int
by_bytes(const void *a, const void *b)
{
    const struct bs_bytes *x = a, *y = b;
    size_t n = x->n < y->n ? x->n : y->n;
    int c = n == 0 ? 0 : memcmp(x->p, y->p, n);

    return c != 0 ? c : (x->n > y->n) - (x->n < y->n);
}

/* Lines that a reader cares for: which program wrote a dump is no difference. */
static struct lines
cut(struct bs_bytes text)
{
    struct lines l = {0};
    size_t most = 1;

    for (size_t i = 0; i < text.n; i++)
        most += text.p[i] == '\n';
    l.list = bs_malloc(most * sizeof(*l.list));
    l.sorted = bs_malloc(most * sizeof(*l.sorted));
    while (text.n != 0) {
        const uint8_t *end = memchr(text.p, '\n', text.n);
        size_t n = end == NULL ? text.n : (size_t)(end - text.p);
        if (n != 0 && !bs_bytes_begin((struct bs_bytes){text.p, n}, "-- Dumped "))
            l.list[l.n++] = (struct bs_bytes){text.p, n};
        text.p += end == NULL ? n : n + 1;
        text.n -= end == NULL ? n : n + 1;
    }
    memcpy(l.sorted, l.list, l.n * sizeof(*l.list));
    qsort(l.sorted, l.n, sizeof(*l.sorted), by_bytes);
    return l;
}

/* How often a line occurs. */
static size_t
occurrences(const struct lines *l, const struct bs_bytes *line)
{
    const struct bs_bytes *hit = bsearch(line, l->sorted, l->n, sizeof(*line), by_bytes);
    size_t n = 0;

    if (hit == NULL)
        return 0;
    while (hit > l->sorted && by_bytes(hit - 1, line) == 0)
        hit--;
    for (; hit < l->sorted + l->n && by_bytes(hit, line) == 0; hit++)
        n++;
    return n;
}

enum { SHOWN = 30 }; /* lines of each side */

/* Of the lines that say something. */
static bool
is_shown(const struct bs_bytes *line)
{
    return !bs_bytes_equal(*line, BS_LIT("--"));
}

/* How often a line stands before that place. */
static size_t
occurred(const struct lines *l, size_t at)
{
    size_t n = 0;

    for (size_t i = 0; i < at; i++)
        n += bs_bytes_equal(l->list[i], l->list[at]);
    return n;
}

/* Puts what `a` has more often than `b`; how many lines that were. */
static size_t
put_surplus(struct bs_buf *out, const struct lines *a, const struct lines *b, char sign)
{
    size_t n = 0;

    for (size_t i = 0; i < a->n; i++) {
        size_t more = occurrences(a, &a->list[i]), less = occurrences(b, &a->list[i]);
        if (more <= less || !is_shown(&a->list[i]) || (less != 0 && occurred(a, i) < less))
            continue;
        if (n++ < SHOWN)
            bs_put_fmt(out, "%c%.*s\n", sign, (int)a->list[i].n, (const char *)a->list[i].p);
    }
    if (n > SHOWN)
        bs_put_fmt(out, "%c... and %zu lines more\n", sign, n - SHOWN);
    return n;
}

static bool
same_order(const struct lines *a, const struct lines *b)
{
    bool same = a->n == b->n;

    for (size_t i = 0; same && i < a->n; i++)
        same = bs_bytes_equal(a->list[i], b->list[i]);
    return same;
}

static void
lines_fini(struct lines *l)
{
    free(l->list);
    free(l->sorted);
}

const char *
bs_definition_difference(struct bs_bytes saved, struct bs_bytes live, struct bs_arena *arena)
{
    struct lines a = cut(saved), b = cut(live);
    const char *text = NULL;
    struct bs_buf out;

    bs_buf_init(&out, 1u << 20);
    if (!same_order(&a, &b)) {
        if (put_surplus(&out, &a, &b, '-') + put_surplus(&out, &b, &a, '+') == 0)
            bs_put_str(&out, "the same lines in another order\n");
        text = bs_arena_copy(arena, bs_buf_view(&out));
        if (text == NULL)
            text = "more than can be shown\n";
    }
    bs_buf_fini(&out);
    lines_fini(&a);
    lines_fini(&b);
    return text;
}
