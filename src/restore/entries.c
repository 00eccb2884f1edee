/*
 * entries.c - pg_restore writes "-- TOC entry 215 (class 1259 OID 16385)" over each entry, and
 * settings that hold for all that follow before it.
 */
#include "restore/entries.h"

#include <stdio.h>
#include <string.h>

#include "restore/sqltext.h"

static const char head[] = "-- TOC entry ";

static struct bs_bytes
line_at(struct bs_bytes text, size_t at)
{
    const uint8_t *end = memchr(text.p + at, '\n', text.n - at);

    return (struct bs_bytes){text.p + at, end == NULL ? text.n - at : (size_t)(end - text.p) - at};
}

/* The entry that a line is the comment of; toc->n: of none. */
static size_t
entry_of(struct bs_bytes line, const struct bs_toc *toc)
{
    const struct bs_toc_entry *e;
    uint32_t dump_id = 0;
    char want[80];
    size_t at = sizeof(head) - 1;

    for (; at < line.n && line.p[at] >= '0' && line.p[at] <= '9'; at++)
        dump_id = dump_id * 10 + (uint32_t)(line.p[at] - '0');
    at = bs_toc_find(toc, dump_id);
    if (at == toc->n)
        return toc->n;
    e = &toc->list[at];
    (void)snprintf(want, sizeof(want), "%s%u (class %u OID %u)", head, e->dump_id, e->class_oid,
                   e->oid);
    return bs_bytes_equal(line, bs_bytes_of(want)) ? at : toc->n;
}

/* Lines from `from` to `to` without the comments and blanks at both ends. */
static struct bs_bytes
body(struct bs_bytes script, size_t from, size_t to)
{
    struct bs_bytes b = {script.p + from, to - from};

    while (b.n != 0) {
        struct bs_bytes line = line_at(b, 0);
        if (line.n != 0 && !bs_bytes_begin(line, "--"))
            break;
        b.p += line.n + (line.n < b.n);
        b.n -= line.n + (line.n < b.n);
    }
    while (b.n != 0) {
        size_t start = b.n - (b.p[b.n - 1] == '\n');
        while (start != 0 && b.p[start - 1] != '\n')
            start--;
        if (b.p[start] != '\n' &&
            !bs_bytes_begin((struct bs_bytes){b.p + start, b.n - start}, "--"))
            break;
        b.n = start;
    }
    return b;
}

/* What was set for the entries that follow, at the end of an entry's text: cut off and kept. */
static struct bs_bytes
take_settings(struct bs_bytes text, struct bs_bytes *space, struct bs_bytes *method)
{
    static const char in_space[] = "SET default_tablespace = ",
                      by_method[] = "SET default_table_access_method = ";

    for (;;) {
        size_t start = text.n;
        struct bs_bytes line;
        while (start != 0 && text.p[start - 1] == '\n')
            start--;
        text.n = start;
        while (start != 0 && text.p[start - 1] != '\n')
            start--;
        line = (struct bs_bytes){text.p + start, text.n - start};
        if (bs_bytes_begin(line, in_space))
            *space = line;
        else if (bs_bytes_begin(line, by_method))
            *method = line;
        else
            return text;
        text.n = start;
    }
}

static bool
has_storage(const struct bs_toc_entry *e)
{
    return bs_toc_is(e, "TABLE") || bs_toc_is(e, "INDEX") || bs_toc_is(e, "MATERIALIZED VIEW") ||
           bs_toc_is(e, "CONSTRAINT");
}

static bool
is_set(struct bs_bytes setting)
{
    return setting.n > 4 && memcmp(setting.p + setting.n - 4, " '';", 4) != 0;
}

static struct bs_bytes
with_space(struct bs_bytes text, struct bs_bytes space, struct bs_arena *arena)
{
    struct bs_buf b;
    char *copy;

    bs_buf_init(&b, space.n + text.n + 2);
    bs_put_bytes(&b, space);
    bs_put_u8(&b, '\n');
    bs_put_bytes(&b, text);
    copy = bs_arena_copy(arena, bs_buf_view(&b));
    bs_buf_fini(&b);
    return copy == NULL ? text : bs_bytes_of(copy);
}

struct cutter {
    struct bs_bytes script;
    const struct bs_toc *toc;
    struct bs_arena *arena;
    struct bs_entries *out;
    struct bs_bytes space, method; /* as they are set now */
    size_t entry;                  /* whose text it is; toc->n: nobody's */
    size_t from;
};

static void
close_entry(struct cutter *c, size_t to)
{
    struct bs_bytes space = c->space;
    struct bs_bytes text = take_settings(body(c->script, c->from, to), &c->space, &c->method);

    if (c->entry == c->toc->n)
        return;
    if (is_set(space) && has_storage(&c->toc->list[c->entry]))
        text = with_space(text, space, c->arena);
    c->out->certain = c->out->certain && c->out->texts[c->entry].p == NULL;
    c->out->texts[c->entry] = text;
}

enum bs_done
bs_entries_cut(struct bs_bytes script,
               const struct bs_toc *toc,
               struct bs_arena *arena,
               struct bs_entries *out,
               struct bs_err *err)
{
    struct cutter c = {.script = script, .toc = toc, .arena = arena, .out = out, .entry = toc->n};

    *out = (struct bs_entries){.certain = true};
    out->texts = bs_arena_array(arena, toc->n + 1, sizeof(*out->texts));
    if (out->texts == NULL)
        return BS_FAIL(err, LIMIT, "the dump has too many entries");
    for (size_t at = 0; at < script.n;) {
        struct bs_bytes line = line_at(script, at);
        if (bs_bytes_begin(line, head)) {
            size_t entry = entry_of(line, toc);
            out->certain = out->certain && entry != toc->n;
            close_entry(&c, at);
            c.entry = entry;
            c.from = at;
        }
        at += line.n + 1;
    }
    close_entry(&c, script.n);
    return BS_DONE;
}
