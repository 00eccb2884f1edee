/*
 * changed.c - the same thing in two dumps has the same text, or it was changed: pg_dump says
 * everything that makes an object what it is, and nothing else.
 */
#include "restore/changed.h"

#include <stdlib.h>
#include <string.h>

#include "restore/sqltext.h"

enum { DIFF_MAX = 1 << 20 };

bool
bs_changed_is_secret(const struct bs_toc_entry *e)
{
    return bs_toc_is(e, "USER MAPPING") || bs_toc_is(e, "SERVER") ||
           bs_toc_is(e, "FOREIGN DATA WRAPPER") || bs_toc_is(e, "SUBSCRIPTION");
}

const char *
bs_change_word(enum bs_change_kind kind)
{
    static const char *const words[] = {[BS_CHANGE_LOST] = "lost",
                                        [BS_CHANGE_CHANGED] = "changed",
                                        [BS_CHANGE_MOVED] = "moved",
                                        [BS_CHANGE_MADE] = "made"};

    return words[kind];
}

/* Differences. */

/* Lines of a text; in the arena. */
static struct bs_bytes *
lines_of(struct bs_bytes text, struct bs_arena *arena, size_t *n)
{
    size_t most = 1;
    struct bs_bytes *list;

    for (size_t i = 0; i < text.n; i++)
        most += text.p[i] == '\n';
    list = bs_arena_array(arena, most, sizeof(*list));
    *n = 0;
    while (list != NULL && text.n != 0) {
        const uint8_t *end = memchr(text.p, '\n', text.n);
        size_t length = end == NULL ? text.n : (size_t)(end - text.p);
        list[(*n)++] = (struct bs_bytes){text.p, length};
        text.p += end == NULL ? length : length + 1;
        text.n -= end == NULL ? length : length + 1;
    }
    return list;
}

static void
put_line(struct bs_buf *b, char sign, struct bs_bytes line)
{
    bs_put_u8(b, (uint8_t)sign);
    bs_put_bytes(b, line);
    bs_put_u8(b, '\n');
}

/* Longest common lines where that is cheap; else all of one, then all of the other. */
static void
put_difference(
    struct bs_buf *b, const struct bs_bytes *x, size_t nx, const struct bs_bytes *y, size_t ny)
{
    enum { CELLS = 1 << 22 };
    uint16_t *best = (nx + 1) * (ny + 1) > CELLS || nx > UINT16_MAX
                         ? NULL
                         : bs_malloc((nx + 1) * (ny + 1) * sizeof(*best));
    size_t i = 0, k = 0, w = ny + 1;

    for (size_t a = best == NULL ? 0 : nx; a-- > 0;) {
        for (size_t c = ny; c-- > 0;) {
            uint16_t down = best[(a + 1) * w + c], right = best[a * w + c + 1];
            best[a * w + c] = bs_bytes_equal(x[a], y[c]) ? (uint16_t)(best[(a + 1) * w + c + 1] + 1)
                              : down > right             ? down
                                                         : right;
        }
    }
    while (i < nx || k < ny) {
        if (best != NULL && i < nx && k < ny && bs_bytes_equal(x[i], y[k])) {
            put_line(b, ' ', x[i++]);
            k++;
        } else if (i < nx &&
                   (best == NULL || k == ny || best[(i + 1) * w + k] >= best[i * w + k + 1]))
            put_line(b, '-', x[i++]);
        else
            put_line(b, '+', y[k++]);
    }
    free(best);
}

static const char *
difference(struct bs_bytes saved, struct bs_bytes live, struct bs_arena *arena)
{
    size_t nx, ny;
    const struct bs_bytes *x = lines_of(saved, arena, &nx), *y = lines_of(live, arena, &ny);
    struct bs_buf b;
    const char *text;

    if (x == NULL || y == NULL)
        return NULL;
    bs_buf_init(&b, DIFF_MAX);
    put_difference(&b, x, nx, y, ny);
    text = b.failed ? "(too long to be shown)\n" : bs_arena_copy(arena, bs_buf_view(&b));
    bs_buf_fini(&b);
    return text;
}

/* Order. */

static int
by_bytes(const void *a, const void *b)
{
    const struct bs_bytes *x = a, *y = b;
    size_t n = x->n < y->n ? x->n : y->n;
    int c = n == 0 ? 0 : memcmp(x->p, y->p, n);

    return c != 0 ? c : (x->n > y->n) - (x->n < y->n);
}

static struct bs_bytes *
sorted_lines(struct bs_bytes text, struct bs_arena *arena, size_t *n)
{
    struct bs_bytes *list = lines_of(text, arena, n);

    for (size_t i = 0; list != NULL && i < *n; i++)
        list[i].n -= list[i].n != 0 && list[i].p[list[i].n - 1] == ',';
    if (list != NULL)
        qsort(list, *n, sizeof(*list), by_bytes);
    return list;
}

/* A column that came back stands at the end: that is no other table. */
static bool
same_but_for_order(struct bs_bytes a, struct bs_bytes b, struct bs_arena *arena)
{
    size_t n, m;
    const struct bs_bytes *x = sorted_lines(a, arena, &n), *y = sorted_lines(b, arena, &m);
    bool same = x != NULL && y != NULL && n == m;

    for (size_t i = 0; same && i < n; i++)
        same = bs_bytes_equal(x[i], y[i]);
    return same;
}

/* The server names the columns of statistics in the order that they have in their table. */
static bool
same_letters(struct bs_bytes a, struct bs_bytes b)
{
    size_t counts[256] = {0};

    for (size_t i = 0; i < a.n; i++)
        counts[a.p[i]]++;
    for (size_t i = 0; i < b.n; i++)
        counts[b.p[i]]--;
    for (size_t i = 0; i < 256; i++) {
        if (counts[i] != 0)
            return false;
    }
    return true;
}

/* Both sides say the same, as far as it can be said again. */
static bool
is_same(const struct bs_toc_entry *e, struct bs_bytes was, struct bs_bytes is, struct bs_arena *a)
{
    return bs_bytes_equal(was, is) || (bs_toc_is(e, "TABLE") && same_but_for_order(was, is, a)) ||
           (bs_toc_is(e, "STATISTICS") && same_letters(was, is));
}

/* Collecting. */

struct collecting {
    struct bs_restore *r;
    const struct bs_definition *d;
    struct bs_changes *out;
};

static void
add(struct collecting *c, enum bs_change_kind kind, size_t saved, size_t live)
{
    const struct bs_definition *d = c->d;
    struct bs_arena *arena = &c->r->arena;
    const struct bs_toc_entry *e =
        saved != BS_SCOPE_NONE ? &d->saved.list[saved] : &d->live.list[live];
    struct bs_toc_words w = bs_toc_words(e);
    struct bs_bytes was = {0}, is = {0};
    struct bs_altered *change = &c->out->list[c->out->n++];

    *change = (struct bs_altered){.kind = kind, .saved = saved, .live = live};
    change->type = bs_arena_copy(arena, w.kind);
    change->name = bs_bytes_equal(w.schema, BS_LIT("-"))
                       ? bs_arena_copy(arena, w.name)
                       : bs_arena_fmt(arena, "%.*s.%.*s", (int)w.schema.n, (const char *)w.schema.p,
                                      (int)w.name.n, (const char *)w.name.p);
    if (kind == BS_CHANGE_MOVED) {
        struct bs_toc_words now = bs_toc_words(&d->live.list[live]);
        change->now =
            bs_arena_fmt(arena, "%.*s.%.*s", (int)now.schema.n, (const char *)now.schema.p,
                         (int)now.name.n, (const char *)now.name.p);
        return;
    }
    if (bs_changed_is_secret(e))
        return;
    if (saved != BS_SCOPE_NONE)
        was = d->saved_says.texts[saved];
    if (live != BS_SCOPE_NONE)
        is = d->live_says.texts[live];
    change->diff = difference(was, is, arena);
}

static bool
listed(const size_t *list, size_t n, size_t entry)
{
    for (size_t i = 0; i < n; i++) {
        if (list[i] == entry)
            return true;
    }
    return false;
}

/* Is it for this statement to have changed it? */
static bool
may_have(const struct bs_restore *r, const struct bs_toc_entry *e)
{
    return bs_scope_may(&r->manifest.statement, e, BS_SCOPE_CHANGED);
}

static void
collect_saved(struct collecting *c)
{
    const struct bs_definition *d = c->d;

    for (size_t i = 0; i < d->saved.n; i++) {
        const struct bs_toc_entry *e = &d->saved.list[i];
        size_t live = d->scope.live_of[i];
        bool left = listed(d->left, d->n_left, i);
        if (left || listed(d->chosen, d->n_chosen, i)) {
            add(c, BS_CHANGE_LOST, i, BS_SCOPE_NONE);
            if (left)
                c->out->list[c->out->n - 1].why =
                    "its rows, or those of a table that it needs, are not in this point";
            continue;
        }
        if (live == BS_SCOPE_NONE || !d->scope.saved_in[i])
            continue;
        if (!bs_bytes_equal(e->key, d->live.list[live].key)) {
            if (bs_scope_may(&c->r->manifest.statement, e, BS_SCOPE_NAMED) &&
                bs_scope_moved(&d->saved, &d->live, &d->scope, i) != BS_SCOPE_STAYED)
                add(c, BS_CHANGE_MOVED, i, live);
        } else if (may_have(c->r, e) &&
                   !is_same(e, d->saved_says.texts[i], d->live_says.texts[live], &c->r->arena))
            add(c, BS_CHANGE_CHANGED, i, live);
    }
}

/* What is no thing of its own, but how another one is: not to have it is how that was. */
static bool
is_property(const struct bs_toc_entry *e)
{
    static const char *const kinds[] = {"ACL",          "DEFAULT ACL",       "COMMENT",
                                        "DEFAULT",      "SECURITY LABEL",    "ROW SECURITY",
                                        "TABLE ATTACH", "SEQUENCE OWNED BY", "INDEX ATTACH"};

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (bs_bytes_equal(bs_toc_words(e).kind, bs_bytes_of(kinds[i])))
            return true;
    }
    return false;
}

static void
collect_made(struct collecting *c)
{
    const struct bs_definition *d = c->d;

    for (size_t i = 0; i < d->live.n; i++) {
        if (d->scope.saved_of[i] == BS_SCOPE_NONE && d->scope.live_in[i] &&
            !d->scope.live_along[i] && may_have(c->r, &d->live.list[i]))
            add(c, is_property(&d->live.list[i]) ? BS_CHANGE_CHANGED : BS_CHANGE_MADE,
                BS_SCOPE_NONE, i);
    }
}

enum bs_done
bs_changed_find(struct bs_restore *r,
                const struct bs_definition *d,
                struct bs_changes *out,
                struct bs_err *err)
{
    struct collecting c = {r, d, out};

    *out = (struct bs_changes){0};
    if (d->saved_file[0] == '\0' || !r->same_database)
        return BS_DONE;
    out->list = bs_arena_array(&r->arena, d->saved.n + d->live.n + 1, sizeof(*out->list));
    if (out->list == NULL)
        return BS_FAIL(err, LIMIT, "the definition has too many entries");
    collect_saved(&c);
    collect_made(&c);
    return bs_changed_authors(r, d, out, err);
}

enum bs_done
bs_changed_look(struct bs_restore *r, struct bs_changes *out, struct bs_err *err)
{
    struct bs_definition d = {0};
    enum bs_done done = BS_DONE;

    *out = (struct bs_changes){0};
    if (r->manifest.schema.key == NULL || !r->same_database)
        return BS_DONE;
    done = bs_definition_open(r, (struct bs_toc_want){.about = true}, &d, err);
    if (done == BS_DONE)
        done = bs_changed_find(r, &d, out, err);
    bs_definition_close(&d);
    return done;
}
