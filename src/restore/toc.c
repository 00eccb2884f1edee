/*
 * toc.c - entries of both dumps are matched by kind, schema and name, never by OID: a relation
 * that was made anew under its old name is there, whatever its number.
 */
#include "restore/toc.h"

#include <stdlib.h>
#include <string.h>

/* Kinds that describe the dump or the database, not something in it. */
static const char *const ignored[] = {
    "ENCODING", "STDSTRINGS", "SEARCHPATH", "DATABASE", "DATABASE PROPERTIES", "COMMENT - DATABASE",
};

static bool
starts_with(struct bs_bytes b, const char *word)
{
    size_t n = strlen(word);

    return b.n > n && memcmp(b.p, word, n) == 0 && b.p[n] == ' ';
}

bool
bs_toc_is(const struct bs_toc_entry *e, const char *kind)
{
    return starts_with(e->what, kind);
}

/* Kinds of more than one word; the first that fits counts. */
static const char *const long_kinds[] = {
    "FK CONSTRAINT",
    "CHECK CONSTRAINT",
    "TABLE ATTACH",
    "INDEX ATTACH",
    "MATERIALIZED VIEW",
    "FOREIGN TABLE",
    "FOREIGN DATA WRAPPER",
    "ROW SECURITY",
    "SEQUENCE OWNED BY",
    "DEFAULT ACL",
    "PUBLICATION TABLES IN SCHEMA",
    "PUBLICATION TABLE",
    "SUBSCRIPTION TABLE",
    "USER MAPPING",
    "EVENT TRIGGER",
    "OPERATOR CLASS",
    "OPERATOR FAMILY",
    "ACCESS METHOD",
    "PROCEDURAL LANGUAGE",
    "SECURITY LABEL",
    "SHELL TYPE",
    "TEXT SEARCH CONFIGURATION",
    "TEXT SEARCH DICTIONARY",
    "TEXT SEARCH PARSER",
    "TEXT SEARCH TEMPLATE",
    "STATISTICS DATA",
};

/* Takes bytes up to a space, which goes, too. */
static struct bs_bytes
next_word(struct bs_bytes *in)
{
    struct bs_bytes word = {in->p, 0};

    while (word.n < in->n && in->p[word.n] != ' ')
        word.n++;
    in->p += word.n + (word.n < in->n);
    in->n -= word.n + (word.n < in->n);
    return word;
}

struct bs_toc_words
bs_toc_words(const struct bs_toc_entry *e)
{
    struct bs_toc_words w = {0};
    struct bs_bytes rest = e->key;

    for (size_t i = 0; i < sizeof(long_kinds) / sizeof(long_kinds[0]) && w.kind.n == 0; i++) {
        if (starts_with(rest, long_kinds[i]))
            w.kind = (struct bs_bytes){rest.p, strlen(long_kinds[i])};
    }
    if (w.kind.n == 0)
        w.kind = next_word(&rest);
    else {
        rest.p += w.kind.n + 1;
        rest.n -= w.kind.n + 1;
    }
    w.schema = next_word(&rest);
    w.name = rest;
    return w;
}

static struct bs_bytes
next_line(struct bs_bytes *text)
{
    const uint8_t *end = memchr(text->p, '\n', text->n);
    size_t n = end == NULL ? text->n : (size_t)(end - text->p);
    struct bs_bytes line = {text->p, n};

    text->p += end == NULL ? n : n + 1;
    text->n -= end == NULL ? n : n + 1;
    return line;
}

/* Takes a decimal number and the one byte that must follow it. */
static bool
take_number(struct bs_bytes *in, char after, uint32_t *out)
{
    uint64_t v = 0;
    size_t i = 0;

    while (i < in->n && in->p[i] >= '0' && in->p[i] <= '9' && v <= UINT32_MAX)
        v = v * 10 + (uint64_t)(in->p[i++] - '0');
    if (i == 0 || v > UINT32_MAX || i == in->n || in->p[i] != (uint8_t)after)
        return false;
    *out = (uint32_t)v;
    in->p += i + 1;
    in->n -= i + 1;
    return true;
}

static struct bs_bytes
without_owner(struct bs_bytes what)
{
    while (what.n != 0 && what.p[what.n - 1] != ' ')
        what.n--;
    if (what.n != 0)
        what.n--;
    return what;
}

/* "215; 1259 16385 TABLE public t postgres" */
static bool
parse_entry(struct bs_bytes line, struct bs_toc_entry *e)
{
    struct bs_bytes in = line;

    *e = (struct bs_toc_entry){.line = line};
    if (!take_number(&in, ';', &e->dump_id) || in.n == 0 || in.p[0] != ' ')
        return false;
    in.p++;
    in.n--;
    if (!take_number(&in, ' ', &e->class_oid) || !take_number(&in, ' ', &e->oid))
        return false;
    e->what = in;
    e->key = without_owner(in);
    return true;
}

/* The numbers behind ";\tdepends on:" */
static bool
parse_needs(struct bs_bytes in, struct bs_arena *arena, struct bs_toc_entry *e)
{
    size_t words = 0;

    for (size_t i = 0; i < in.n; i++)
        words += in.p[i] == ' ';
    e->needs = bs_arena_array(arena, words + 1, sizeof(*e->needs));
    if (e->needs == NULL)
        return false;
    while (in.n > 1 && in.p[0] == ' ') {
        struct bs_bytes one;
        char digits[12] = {0};
        size_t n = 1;
        while (n < in.n && in.p[n] != ' ')
            n++;
        if (n >= sizeof(digits))
            return false;
        memcpy(digits, in.p + 1, n - 1);
        digits[n - 1] = ' ';
        one = bs_bytes_of(digits);
        if (!take_number(&one, ' ', &e->needs[e->n_needs]))
            return false;
        e->n_needs++;
        in.p += n;
        in.n -= n;
    }
    return true;
}

static bool
is_ignored(const struct bs_toc_entry *e)
{
    for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++) {
        if (starts_with(e->what, ignored[i]))
            return true;
    }
    return false;
}

static int
by_dump_id(const void *a, const void *b)
{
    const struct bs_toc_place *x = a, *y = b;

    return (x->dump_id > y->dump_id) - (x->dump_id < y->dump_id);
}

static enum bs_done
index_ids(struct bs_toc *toc, struct bs_arena *arena, struct bs_err *err)
{
    toc->by_id = bs_arena_array(arena, toc->n + 1, sizeof(*toc->by_id));
    if (toc->by_id == NULL)
        return BS_FAIL(err, LIMIT, "the dump has too many entries");
    for (size_t i = 0; i < toc->n; i++)
        toc->by_id[i] = (struct bs_toc_place){toc->list[i].dump_id, i};
    qsort(toc->by_id, toc->n, sizeof(*toc->by_id), by_dump_id);
    return BS_DONE;
}

/* pg_dump does not say that a user mapping depends on its server. */
static enum bs_done
link_mapping(struct bs_toc *toc, struct bs_toc_entry *e, struct bs_arena *arena, struct bs_err *err)
{
    for (size_t i = 0; i < toc->n && e->n_needs == 0; i++) {
        struct bs_bytes server = bs_toc_words(&toc->list[i]).name;
        if (!starts_with(toc->list[i].what, "SERVER") || e->key.n <= server.n ||
            memcmp(e->key.p + e->key.n - server.n, server.p, server.n) != 0 ||
            e->key.p[e->key.n - server.n - 1] != ' ')
            continue;
        e->needs = bs_arena_array(arena, 1, sizeof(*e->needs));
        if (e->needs == NULL)
            return BS_FAIL(err, LIMIT, "the dump has too many entries");
        e->needs[e->n_needs++] = toc->list[i].dump_id;
    }
    return BS_DONE;
}

static enum bs_done
link_mappings(struct bs_toc *toc, struct bs_arena *arena, struct bs_err *err)
{
    for (size_t i = 0; i < toc->n; i++) {
        if (starts_with(toc->list[i].what, "USER MAPPING") &&
            link_mapping(toc, &toc->list[i], arena, err) != BS_DONE)
            return BS_FAILED;
    }
    return index_ids(toc, arena, err);
}

enum bs_done
bs_toc_parse(struct bs_bytes text, struct bs_arena *arena, struct bs_toc *out, struct bs_err *err)
{
    static const char depends[] = ";\tdepends on:";
    const size_t skip = sizeof(depends) - 1;
    size_t lines = 1;
    struct bs_toc_entry *last = NULL;
    bool listing = false;

    *out = (struct bs_toc){0};
    for (size_t i = 0; i < text.n; i++)
        lines += text.p[i] == '\n';
    out->list = bs_arena_array(arena, lines, sizeof(*out->list));
    if (out->list == NULL)
        return BS_FAIL(err, LIMIT, "the dump has too many entries");
    while (text.n != 0) {
        struct bs_bytes line = next_line(&text);
        if (line.n > skip && memcmp(line.p, depends, skip) == 0) {
            struct bs_bytes numbers = {line.p + skip, line.n - skip};
            if (last != NULL && !parse_needs(numbers, arena, last))
                return BS_FAIL(err, DATA, "a dependency line of pg_restore -l cannot be read");
            continue;
        }
        listing = listing || (line.n != 0 && line.p[0] == ';');
        if (line.n == 0 || line.p[0] == ';')
            continue;
        last = &out->list[out->n];
        if (!parse_entry(line, last))
            return BS_FAIL(err, DATA, "a line of pg_restore -l cannot be read");
        if (bs_toc_is(last, "ENCODING"))
            out->start = line;
        if (is_ignored(last))
            last = NULL;
        else
            out->n++;
    }
    if (!listing)
        return BS_FAIL(err, DATA, "pg_restore -l printed no listing");
    return link_mappings(out, arena, err);
}

size_t
bs_toc_find(const struct bs_toc *toc, uint32_t dump_id)
{
    struct bs_toc_place probe = {dump_id, 0};
    const struct bs_toc_place *hit = bsearch(&probe, toc->by_id, toc->n, sizeof(probe), by_dump_id);

    return hit == NULL ? toc->n : hit->at;
}

/* Sorting and searching by key. */

static int
compare_bytes(struct bs_bytes a, struct bs_bytes b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int c = n == 0 ? 0 : memcmp(a.p, b.p, n);

    return c != 0 ? c : (a.n > b.n) - (a.n < b.n);
}

static int
by_key(const void *a, const void *b)
{
    const struct bs_bytes *x = a, *y = b;

    return compare_bytes(*x, *y);
}

/* The chosen set as union-find over the saved entries: joined entries have one root. */

static size_t
find_root(size_t *parent, size_t i)
{
    while (parent[i] != i) {
        parent[i] = parent[parent[i]];
        i = parent[i];
    }
    return i;
}

struct chooser {
    const struct bs_toc *saved;
    bool *missing;
    size_t *parent;
    bool *wanted; /* by root */
};

static enum bs_done
chooser_init(struct chooser *c, const struct bs_toc *saved, struct bs_arena *a, struct bs_err *err)
{
    size_t n = saved->n + 1;

    *c = (struct chooser){.saved = saved};
    c->missing = bs_arena_array(a, n, sizeof(*c->missing));
    c->parent = bs_arena_array(a, n, sizeof(*c->parent));
    c->wanted = bs_arena_array(a, n, sizeof(*c->wanted));
    if (c->missing == NULL || c->parent == NULL || c->wanted == NULL)
        return BS_FAIL(err, LIMIT, "the dump has too many entries");
    for (size_t i = 0; i < saved->n; i++)
        c->parent[i] = i;
    return BS_DONE;
}

static enum bs_done
mark_missing(struct chooser *c,
             const struct bs_toc *live,
             const bool *there,
             struct bs_arena *a,
             struct bs_err *err)
{
    struct bs_bytes *keys = bs_arena_array(a, live->n + 1, sizeof(*keys));

    if (keys == NULL)
        return BS_FAIL(err, LIMIT, "the dump has too many entries");
    for (size_t i = 0; i < live->n; i++)
        keys[i] = live->list[i].key;
    qsort(keys, live->n, sizeof(*keys), by_key);
    for (size_t i = 0; i < c->saved->n; i++)
        c->missing[i] = there != NULL ? !there[i]
                                      : bsearch(&c->saved->list[i].key, keys, live->n,
                                                sizeof(*keys), by_key) == NULL;
    return BS_DONE;
}

static void
join_missing(struct chooser *c)
{
    for (size_t i = 0; i < c->saved->n; i++) {
        const struct bs_toc_entry *e = &c->saved->list[i];
        for (size_t k = 0; k < e->n_needs && c->missing[i]; k++) {
            size_t other = bs_toc_find(c->saved, e->needs[k]);
            if (other != c->saved->n && c->missing[other])
                c->parent[find_root(c->parent, i)] = find_root(c->parent, other);
        }
    }
}

static void
mark_wanted(struct chooser *c, struct bs_toc_want want)
{
    for (size_t i = 0; i < c->saved->n; i++) {
        if (want.also != NULL && want.also[i] && c->missing[i])
            c->wanted[find_root(c->parent, i)] = true;
        for (size_t k = 0; k < want.n && c->missing[i]; k++) {
            if (bs_bytes_equal(c->saved->list[i].key, want.keys[k]))
                c->wanted[find_root(c->parent, i)] = true;
        }
    }
}

/* An entry and whatever it needs that is not there. True where something was not marked yet. */
static bool
mark_with_needs(struct chooser *c, size_t entry)
{
    bool more = !c->wanted[entry];

    c->wanted[entry] = true;
    while (more) {
        more = false;
        for (size_t i = 0; i < c->saved->n; i++) {
            const struct bs_toc_entry *e = &c->saved->list[i];
            for (size_t k = 0; c->wanted[i] && k < e->n_needs; k++) {
                size_t other = bs_toc_find(c->saved, e->needs[k]);
                if (other == c->saved->n || !c->missing[other] || c->wanted[other])
                    continue;
                c->wanted[other] = more = true;
            }
        }
        if (!more)
            return true;
    }
    return false;
}

/* Kinds that are no object by themselves, and come with what they belong to. */
static bool
is_part(const struct bs_toc_entry *e)
{
    static const char *const kinds[] = {
        "DEFAULT",      "INDEX",    "CONSTRAINT", "CHECK CONSTRAINT", "TRIGGER",
        "ROW SECURITY", "SEQUENCE", "COMMENT",    "STATISTICS",       "SEQUENCE OWNED BY",
    };

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (bs_toc_is(e, kinds[i]))
            return true;
    }
    return false;
}

/* Kinds that tie several objects together: only where all of them are there. */
static bool
is_tie(const struct bs_toc_entry *e)
{
    return bs_toc_is(e, "FK CONSTRAINT") || bs_toc_is(e, "RULE") || bs_toc_is(e, "INDEX ATTACH") ||
           bs_toc_is(e, "TABLE ATTACH");
}

/* Of what it needs: is something of it wanted, is all of it wanted or there? */
static void
look_at_needs(const struct chooser *c, const struct bs_toc_entry *e, bool *some, bool *all)
{
    *some = false;
    *all = true;
    for (size_t k = 0; k < e->n_needs; k++) {
        size_t other = bs_toc_find(c->saved, e->needs[k]);
        if (other == c->saved->n)
            continue;
        *some = *some || (c->wanted[other] && !bs_toc_is(&c->saved->list[other], "SCHEMA"));
        *all = *all && (c->wanted[other] || !c->missing[other]);
    }
}

/* The wanted objects with their parts; a part may bring something that has parts of its own. */
static void
mark_alone(struct chooser *c, struct bs_toc_want want)
{
    for (size_t i = 0; i < c->saved->n; i++) {
        for (size_t k = 0; k < want.n && c->missing[i]; k++) {
            if (bs_bytes_equal(c->saved->list[i].key, want.keys[k]))
                (void)mark_with_needs(c, i);
        }
    }
    for (bool more = true; more;) {
        more = false;
        for (size_t i = 0; i < c->saved->n; i++) {
            const struct bs_toc_entry *e = &c->saved->list[i];
            bool some, all;
            if (!c->missing[i] || c->wanted[i] || (!is_part(e) && !is_tie(e)))
                continue;
            look_at_needs(c, e, &some, &all);
            if (some && (all || !is_tie(e)))
                more = mark_with_needs(c, i) || more;
        }
    }
}

static const char *
kind_of(char relkind)
{
    switch (relkind) {
    case 'm':
        return "MATERIALIZED VIEW";
    case 'S':
        return "SEQUENCE";
    case 'v':
        return "VIEW";
    case 'f':
        return "FOREIGN TABLE";
    default:
        return "TABLE";
    }
}

struct bs_bytes
bs_toc_key(char relkind, const char *schema, const char *name, struct bs_arena *arena)
{
    char *key = bs_arena_fmt(arena, "%s %s %s", kind_of(relkind), schema, name);

    /* A listing has one line for each entry, whatever is in a name. */
    for (char *p = key; p != NULL && *p != '\0'; p++) {
        if (*p == '\n' || *p == '\r')
            *p = ' ';
    }
    return bs_bytes_of(key);
}

enum bs_done
bs_toc_choose(const struct bs_toc *saved,
              const struct bs_toc *live,
              struct bs_toc_want want,
              struct bs_arena *arena,
              size_t **out,
              size_t *n,
              struct bs_err *err)
{
    struct chooser c;

    *n = 0;
    *out = bs_arena_array(arena, saved->n + 1, sizeof(**out));
    if (*out == NULL)
        return BS_FAIL(err, LIMIT, "the dump has too many entries");
    if (chooser_init(&c, saved, arena, err) != BS_DONE ||
        mark_missing(&c, live, want.there, arena, err) != BS_DONE)
        return BS_FAILED;
    if (want.alone) {
        mark_alone(&c, want);
    } else {
        join_missing(&c);
        mark_wanted(&c, want);
    }
    for (size_t i = 0; i < saved->n; i++) {
        size_t root = want.alone ? i : find_root(c.parent, i);
        if (c.missing[i] && (want.all_missing || c.wanted[root]))
            (*out)[(*n)++] = i;
    }
    return BS_DONE;
}

/* An entry may stand before what it depends on, so it goes round until nothing more is found. */
static void
mark_dependents(struct chooser *c)
{
    for (bool more = true; more;) {
        more = false;
        for (size_t i = 0; i < c->saved->n; i++) {
            const struct bs_toc_entry *e = &c->saved->list[i];
            for (size_t k = 0; k < e->n_needs && !c->wanted[i]; k++) {
                size_t other = bs_toc_find(c->saved, e->needs[k]);
                if (other != c->saved->n && c->wanted[other])
                    more = c->wanted[i] = true;
            }
        }
    }
}

enum bs_done
bs_toc_without(const struct bs_toc *toc,
               const struct bs_bytes *keys,
               size_t n_keys,
               struct bs_arena *arena,
               size_t **out,
               size_t *n,
               struct bs_err *err)
{
    struct chooser c;

    *n = 0;
    *out = bs_arena_array(arena, toc->n + 1, sizeof(**out));
    if (*out == NULL)
        return BS_FAIL(err, LIMIT, "the dump has too many entries");
    if (chooser_init(&c, toc, arena, err) != BS_DONE)
        return BS_FAILED;
    for (size_t i = 0; i < toc->n; i++) {
        for (size_t k = 0; k < n_keys && !c.wanted[i]; k++)
            c.wanted[i] = bs_bytes_equal(toc->list[i].key, keys[k]);
    }
    mark_dependents(&c);
    for (size_t i = 0; i < toc->n; i++) {
        if (!c.wanted[i])
            (*out)[(*n)++] = i;
    }
    return BS_DONE;
}
