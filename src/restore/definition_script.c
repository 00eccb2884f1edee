/*
 * definition_script.c - which of the chosen entries runs when, and the SQL of it.
 */
#include <stdlib.h>
#include <string.h>

#include "restore/definition_inside.h"

static bool
is_early(const struct bs_definition *d, size_t entry)
{
    for (size_t i = 0; i < d->n_early; i++) {
        if (d->early[i] == entry)
            return true;
    }
    return false;
}

static bool
makes_index(const struct bs_toc_entry *e)
{
    return (bs_toc_is(e, "INDEX") && !bs_toc_is(e, "INDEX ATTACH")) || bs_toc_is(e, "CONSTRAINT");
}

static bool
makes_table(const struct bs_toc_entry *e)
{
    return bs_toc_is(e, "TABLE") && !bs_toc_is(e, "TABLE ATTACH");
}

/* Are both that it joins made again, parent and part? */
static bool
joins_made(const struct bs_definition *d,
           const struct bs_toc_entry *e,
           bool (*one)(const struct bs_toc_entry *e))
{
    size_t n = 0;

    for (size_t k = 0; k < d->n_chosen; k++) {
        const struct bs_toc_entry *made = &d->saved.list[d->chosen[k]];
        bool needed = false;
        for (size_t i = 0; i < e->n_needs && !needed; i++)
            needed = made->dump_id == e->needs[i];
        n += needed && one(made);
    }
    return n >= 2;
}

/*
 * A partition of a table that is there. Attached at once, as a dump has it, it would get the living
 * table's indexes, and its own could not be made any more; with its own indexes it keeps them.
 */
static bool
joins_living(const struct bs_definition *d, const struct bs_toc_entry *e)
{
    return bs_toc_is(e, "TABLE ATTACH") && !joins_made(d, e, makes_table);
}

/* One is joined to its parent's with it, where that is made again: else the table's own is not whole. */
static bool
is_index(const struct bs_definition *d, const struct bs_toc_entry *e)
{
    return bs_toc_is(e, "INDEX ATTACH") ? joins_made(d, e, makes_index) : makes_index(e);
}

/* When an entry is run; those of each are in the order of the dump. */
enum moment { BEFORE_COLUMNS, BEFORE_ROWS, INDEXES, ATTACH, AFTER_ROWS };

static bool
belongs(const struct bs_definition *d, size_t entry, enum moment when, bool attached)
{
    const struct bs_toc_entry *e = &d->saved.list[entry];

    if (d->staged != NULL && d->staged[entry])
        return false;
    switch (when) {
    case BEFORE_COLUMNS:
        return is_early(d, entry) && !joins_living(d, e);
    case BEFORE_ROWS:
        return !is_early(d, entry) && !joins_living(d, e);
    case INDEXES:
        return is_index(d, e);
    case ATTACH:
        return joins_living(d, e);
    case AFTER_ROWS:
    default:
        return !attached || !is_index(d, e);
    }
}

static bool
makes_gin(const struct bs_definition *d, size_t entry)
{
    static const char using[] = " USING gin (";
    struct bs_bytes says = d->saved_says.texts[entry];

    return d->gin_apart && says.n != 0 && bs_toc_is(&d->saved.list[entry], "INDEX") &&
           memmem(says.p, says.n, using, sizeof(using) - 1) != NULL;
}

enum { PIECES_MAX = 16 }; /* each costs a run of pg_restore */

/* How many of them, from the first, are built with the same memory. A comment stays with what it
 * follows: pg_restore takes it for a part of the section of the entry before. */
static size_t
alike(const struct bs_definition *d, const size_t *list, size_t n)
{
    size_t k = 0;

    while (k < n && ((k != 0 && bs_toc_is(&d->saved.list[list[k]], "COMMENT")) ||
                     makes_gin(d, list[k]) == makes_gin(d, list[0])))
        k++;
    return k;
}

static size_t
count_pieces(const struct bs_definition *d, const size_t *list, size_t n)
{
    size_t pieces = 0;

    for (size_t at = 0; at < n; at += alike(d, list + at, n - at))
        pieces++;
    return pieces;
}

static enum bs_done
put_piece(const struct bs_definition *d,
          const char *section,
          const size_t *list,
          size_t n,
          struct bs_buf *out,
          struct bs_err *err)
{
    struct bs_buf part;
    enum bs_done done;

    bs_buf_init(&part, BS_DEFINITION_MAX);
    done = bs_definition_entries(d, d->saved_file, &d->saved, list, n, section, &part, err);
    bs_put_bytes(out, bs_buf_view(&part));
    bs_buf_fini(&part);
    return done;
}

static enum bs_done
put_pieces(const struct bs_definition *d,
           const char *section,
           const size_t *list,
           size_t n,
           struct bs_buf *out,
           struct bs_err *err)
{
    enum bs_done done = BS_DONE;

    for (size_t at = 0, k; done == BS_DONE && at < n; at += k) {
        bool gin = makes_gin(d, list[at]);
        k = alike(d, list + at, n - at);
        bs_put_str(out, gin ? "SET maintenance_work_mem = '" BS_RDB_GIN_MEMORY "';\n" : "");
        done = put_piece(d, section, list + at, k, out, err);
        bs_put_str(out, gin ? "SET maintenance_work_mem = '" BS_RDB_MAINTENANCE_MEMORY "';\n" : "");
    }
    return done;
}

static enum bs_done
script_at(const struct bs_definition *d,
          enum moment when,
          bool attached,
          struct bs_buf *out,
          struct bs_err *err)
{
    bool indexes = when == INDEXES || when == AFTER_ROWS;
    const char *section = indexes ? "--section=post-data" : "--section=pre-data";
    size_t *list = bs_malloc((d->n_chosen + 1) * sizeof(*list));
    size_t n = 0;
    enum bs_done done;

    for (size_t i = 0; i < d->n_chosen; i++) {
        if (belongs(d, d->chosen[i], when, attached))
            list[n++] = d->chosen[i];
    }
    if (indexes && n != 0 && count_pieces(d, list, n) <= PIECES_MAX)
        done = put_pieces(d, section, list, n, out, err);
    else
        done = put_piece(d, section, list, n, out, err);
    free(list);
    return done;
}

enum bs_done
bs_definition_script(const struct bs_definition *d,
                     enum bs_definition_section section,
                     struct bs_buf *out,
                     struct bs_err *err)
{
    bool attached = false;

    if (section != BS_DEFINITION_AFTER_ROWS)
        return script_at(d, section == BS_DEFINITION_BEFORE_COLUMNS ? BEFORE_COLUMNS : BEFORE_ROWS,
                         false, out, err);
    for (size_t i = 0; i < d->n_chosen && !attached; i++)
        attached = joins_living(d, &d->saved.list[d->chosen[i]]);
    if (attached && (script_at(d, INDEXES, true, out, err) != BS_DONE ||
                     script_at(d, ATTACH, true, out, err) != BS_DONE))
        return BS_FAILED;
    return script_at(d, AFTER_ROWS, attached, out, err);
}
