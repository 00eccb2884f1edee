/*
 * compare.c - each difference becomes one row of a temporary table: what it is, the saved row's
 * number, the live row's place. Counts, examples and copy-back all read from there.
 */
#include "restore/compare.h"

#include <string.h>

void
bs_compare_put_saved(struct bs_buf *b, size_t at)
{
    bs_put_fmt(b, "pg_temp.\"backstop saved %zu\"", at);
}

void
bs_compare_put_result(struct bs_buf *b, size_t at)
{
    bs_put_fmt(b, "pg_temp.\"backstop diff %zu\"", at);
}

bool
bs_compare_has(const struct bs_live_column *c)
{
    return c->match == BS_LIVE_SAME && !c->generated;
}

/* ROW(s."a", s."b")::record: between two bare ROWs an operator goes column by column. */
static void
put_row(struct bs_buf *b, const struct bs_live *live, const char *side)
{
    const char *before = "";

    bs_put_str(b, "ROW(");
    for (size_t i = 0; i < live->object->n_columns; i++) {
        if (!bs_compare_has(&live->columns[i]))
            continue;
        bs_put_fmt(b, "%s%s.", before, side);
        bs_put_ident(b, live->columns[i].name);
        before = ", ";
    }
    bs_put_str(b, ")::record");
}

static void
put_keys_equal(struct bs_buf *b, const struct bs_live *live, const char *side)
{
    const char *before = "";

    for (size_t i = 0; i < live->object->n_columns; i++) {
        const struct bs_live_column *c = &live->columns[i];
        if (c->key == 0)
            continue;
        bs_put_fmt(b, "%s%s.", before, side);
        bs_put_ident(b, c->name);
        bs_put_fmt(b, " %s l.", c->equals);
        bs_put_ident(b, c->name);
        before = " AND ";
    }
}

void
bs_compare_put_keys_equal(struct bs_buf *b, const struct bs_live *live)
{
    put_keys_equal(b, live, "s");
}

static void
put_changed(struct bs_buf *b, const struct bs_live *live)
{
    put_row(b, live, "s");
    bs_put_str(b, " OPERATOR(pg_catalog.*<>) ");
    put_row(b, live, "l");
}

/* Equal rows are numbered, so that three of them against two leave one. */
static void
put_numbered(struct bs_buf *b, const char *side, const char *place)
{
    bs_put_fmt(
        b,
        "(SELECT %s.%s AS place, %s.tableoid AS leaf, %s.xmin, t.txt, pg_catalog.row_number()"
        " OVER (PARTITION BY t.txt ORDER BY %s.%s) AS n FROM ",
        side, place, side, side, side, place);
}

static void
put_text_of(struct bs_buf *b, const struct bs_live *live, const char *side)
{
    bs_put_fmt(b, " %s CROSS JOIN LATERAL (SELECT ", side);
    put_row(b, live, side);
    bs_put_str(b, "::text COLLATE \"C\" AS txt) t");
}

/*
 * Saved rows a and live rows l, as multisets. Of equal rows nobody can tell which is which: one that
 * was there all the time - or that the transaction only locked - stands for one that is gone, so
 * less is given back rather than more; but not where it is known to be older, and no saved one.
 *
 * newer  the transaction whose later rows alone are counterparts; NULL: all rows are
 */
static void
put_multisets(struct bs_buf *b,
              const struct bs_live *live,
              const struct bs_origin *newer,
              const char *join,
              size_t at)
{
    put_numbered(b, "s", "\"" BS_COMPARE_ROW "\"");
    bs_compare_put_saved(b, at);
    put_text_of(b, live, "s");
    bs_put_fmt(b, ") a\n  %s ", join);
    put_numbered(b, "l", "ctid");
    bs_put_live(b, live);
    put_text_of(b, live, "l");
    if (newer != NULL) {
        bs_put_str(b, " WHERE ");
        bs_origin_put_newer(b, newer);
    }
    bs_put_str(b, ") l\n  ON a.txt = l.txt AND a.n = l.n");
}

/* Tables saved whole. */

/* WHEN ... THEN for rows that both sides have and that differ, and for those without a saved one. */
static void
put_whose(struct bs_buf *b, const struct bs_origin *origin, char own, char other)
{
    bs_put_str(b, "CASE WHEN ");
    bs_origin_put_own(b, origin);
    bs_put_fmt(b, " THEN '%c' ELSE '%c' END", own, other);
}

static void
put_whole_by_key(struct bs_buf *b,
                 const struct bs_live *live,
                 const struct bs_origin *origin,
                 size_t at)
{
    bs_put_str(b, "SELECT (CASE WHEN l.ctid IS NULL THEN 'm' WHEN s.\"" BS_COMPARE_ROW
                  "\" IS NULL THEN ");
    put_whose(b, origin, 'i', 'e');
    bs_put_str(b, "\n  ELSE ");
    put_whose(b, origin, 'u', 'c');
    bs_put_str(b, " END)::\"char\" AS what, s.\"" BS_COMPARE_ROW "\" AS saved, l.ctid AS live,"
                  " l.tableoid AS leaf,\n  ");
    bs_origin_put_near(b, origin);
    bs_put_str(b, " AS near\n  FROM ");
    bs_compare_put_saved(b, at);
    bs_put_str(b, " s FULL JOIN ");
    bs_put_live(b, live);
    bs_put_str(b, " l ON ");
    bs_compare_put_keys_equal(b, live);
    bs_put_str(b, "\n  WHERE l.ctid IS NULL OR s.\"" BS_COMPARE_ROW "\" IS NULL OR ");
    put_changed(b, live);
}

static void
put_whole_as_multisets(struct bs_buf *b,
                       const struct bs_live *live,
                       const struct bs_origin *origin,
                       size_t at)
{
    bs_put_str(b, "SELECT CASE WHEN l.place IS NULL THEN 'm'::\"char\" ELSE (");
    put_whose(b, origin, 'i', 'e');
    bs_put_str(b, ")::\"char\" END AS what, a.place AS saved, l.place AS live, l.leaf, false AS"
                  " near\n  FROM ");
    put_multisets(b, live, NULL, "FULL JOIN", at);
    bs_put_str(b, " WHERE a.place IS NULL OR l.place IS NULL");
}

/* Tables saved in part. */

/*
 * A key that is unique within each partition only: a row is looked for where it was, and elsewhere
 * only among rows that the transaction has put there and that are nobody else's counterpart.
 */
static void
put_in_leaf(struct bs_buf *b, const struct bs_live *live, const struct bs_origin *o, size_t at)
{
    bs_put_str(b, " AND (l.tableoid = s.\"" BS_COMPARE_LEAF "\" OR (");
    bs_origin_put_own(b, o);
    bs_put_str(b, " AND NOT EXISTS (SELECT FROM ");
    bs_compare_put_saved(b, at);
    bs_put_str(b, " o WHERE o.\"" BS_COMPARE_LEAF "\" = l.tableoid AND ");
    put_keys_equal(b, live, "o");
    bs_put_str(b, ")))\n  ORDER BY s.\"" BS_COMPARE_ROW "\", (l.tableoid = s.\"" BS_COMPARE_LEAF
                  "\") DESC NULLS LAST");
}

static void
put_part_by_key(struct bs_buf *b,
                const struct bs_live *live,
                const struct bs_origin *origin,
                size_t at)
{
    bs_put_str(b, "SELECT ");
    if (live->key == BS_LIVE_KEY_OF_LEAF)
        bs_put_str(b, "DISTINCT ON (s.\"" BS_COMPARE_ROW "\") ");
    bs_put_str(b, "CASE WHEN l.ctid IS NULL THEN 'm' WHEN NOT (");
    put_changed(b, live);
    bs_put_str(b, ") THEN '='\n  WHEN ");
    bs_origin_put_own(b, origin);
    bs_put_str(b, " THEN 'u' ELSE 'c' END::\"char\" AS what, s.\"" BS_COMPARE_ROW "\" AS saved,"
                  " l.ctid AS live, l.tableoid AS leaf,\n  ");
    bs_origin_put_near(b, origin);
    bs_put_str(b, " AS near\n  FROM ");
    bs_compare_put_saved(b, at);
    bs_put_str(b, " s LEFT JOIN ");
    bs_put_live(b, live);
    bs_put_str(b, " l ON ");
    bs_compare_put_keys_equal(b, live);
    if (live->key == BS_LIVE_KEY_OF_LEAF)
        put_in_leaf(b, live, origin, at);
}

static void
put_part_as_multisets(struct bs_buf *b,
                      const struct bs_live *live,
                      const struct bs_origin *origin,
                      size_t at)
{
    bs_put_str(b, "SELECT CASE WHEN l.place IS NULL THEN 'm' ELSE '=' END::\"char\" AS what,"
                  " a.place AS saved, l.place AS live, l.leaf, false AS near\n  FROM ");
    put_multisets(b, live, origin->only_newer ? origin : NULL, "LEFT JOIN", at);
}

/* Every saved row and its counterpart; and rows of the transaction that are nobody's. */
static void
put_part(struct bs_buf *b, const struct bs_live *live, const struct bs_origin *origin, size_t at)
{
    bs_put_str(b, "WITH m AS MATERIALIZED (");
    if (live->key == BS_LIVE_NO_KEY)
        put_part_as_multisets(b, live, origin, at);
    else
        put_part_by_key(b, live, origin, at);
    bs_put_str(b, ")\n  SELECT what, saved, live, leaf, near FROM m");
    if (!origin->known || origin->skip_made)
        return;
    bs_put_str(b, "\n  UNION ALL SELECT 'i', NULL, l.ctid, l.tableoid, false FROM ");
    bs_put_live(b, live);
    bs_put_str(b, " l WHERE ");
    bs_origin_put_own(b, origin);
    bs_put_str(b,
               "\n  AND NOT EXISTS (SELECT FROM m WHERE m.live = l.ctid AND m.leaf = l.tableoid)");
}

void
bs_compare_put(struct bs_buf *b,
               const struct bs_live *live,
               const struct bs_origin *origin,
               size_t at)
{
    bs_put_str(b, "CREATE TEMPORARY TABLE ");
    bs_compare_put_result(b, at);
    bs_put_str(b, " ON COMMIT DROP AS\n  ");
    if (live->object->partial)
        put_part(b, live, origin, at);
    else if (live->key != BS_LIVE_NO_KEY)
        put_whole_by_key(b, live, origin, at);
    else
        put_whole_as_multisets(b, live, origin, at);
}

/* Loading. */

enum { COLUMNS_MAX = 1600, OWN_COLUMNS = 2 }; /* of a table; BS_COMPARE_ROW, BS_COMPARE_LEAF */

const char *
bs_compare_cannot(const struct bs_point_object *o, struct bs_arena *arena)
{
    for (size_t i = 0; i < o->n_columns; i++) {
        const char *name = o->columns[i].name;
        if (strcmp(name, BS_COMPARE_ROW) == 0 || strcmp(name, BS_COMPARE_LEAF) == 0)
            return bs_arena_fmt(arena,
                                "%s.%s has a column \"%s\", which loading its saved rows beside"
                                " the live ones needs itself",
                                o->schema, o->name, name);
    }
    if (o->n_columns <= COLUMNS_MAX - OWN_COLUMNS)
        return NULL;
    return bs_arena_fmt(arena,
                        "%s.%s has %zu columns: its saved rows need %d more to be loaded beside the"
                        " live ones, and a table has %d at most",
                        o->schema, o->name, o->n_columns, OWN_COLUMNS, COLUMNS_MAX);
}

bool
bs_compare_of_lost(const struct bs_point_object *o)
{
    for (size_t i = 0; i < o->n_columns; i++) {
        if (o->columns[i].generated != 0)
            return true;
    }
    return false;
}

void
bs_compare_put_table(struct bs_buf *b, const struct bs_shape *shape, size_t at)
{
    bs_put_str(b, "CREATE TEMPORARY TABLE ");
    bs_compare_put_saved(b, at);
    bs_put_str(b, " (\"" BS_COMPARE_ROW "\" bigint GENERATED ALWAYS AS IDENTITY,"
                  " \"" BS_COMPARE_LEAF "\" oid");
    if (shape->object->n_columns != 0) {
        bs_put_str(b, ", ");
        bs_put_columns(b, shape, BS_COLUMN_NULLS);
    }
    bs_put_str(b, ") ON COMMIT DROP");
}

void
bs_compare_put_leaf(struct bs_buf *b, uint32_t leaf, size_t at)
{
    bs_put_str(b, "ALTER TABLE ");
    bs_compare_put_saved(b, at);
    bs_put_fmt(b, " ALTER \"" BS_COMPARE_LEAF "\" SET DEFAULT %u", leaf);
}

/* Rows without columns cannot be copied into a table with some. */
static void
put_bare(struct bs_buf *b, size_t at)
{
    bs_put_fmt(b, "pg_temp.\"backstop bare %zu\"", at);
}

void
bs_compare_put_bare(struct bs_buf *b, size_t at)
{
    bs_put_str(b, "CREATE TEMPORARY TABLE ");
    put_bare(b, at);
    bs_put_str(b, " () ON COMMIT DROP");
}

void
bs_compare_put_unbare(struct bs_buf *b, size_t at)
{
    bs_put_str(b, "INSERT INTO ");
    bs_compare_put_saved(b, at);
    bs_put_str(b, " (\"" BS_COMPARE_ROW "\") OVERRIDING SYSTEM VALUE SELECT"
                  " pg_catalog.row_number() OVER () FROM ");
    put_bare(b, at);
}

void
bs_compare_put_copy(struct bs_buf *b, const struct bs_point_object *part, size_t at)
{
    bs_put_str(b, "COPY ");
    if (part->n_columns == 0) {
        put_bare(b, at);
        bs_put_str(b, " FROM STDIN (");
        bs_put_format(b, part);
        bs_put_str(b, ")");
        return;
    }
    bs_compare_put_saved(b, at);
    bs_put_str(b, " (");
    bs_put_column_names(b, part);
    bs_put_str(b, ") FROM STDIN (");
    bs_put_format(b, part);
    bs_put_str(b, ")");
}

void
bs_compare_put_ambiguous(struct bs_buf *b, const struct bs_live *live, size_t at)
{
    const char *before = "";

    bs_put_str(b, "SELECT EXISTS (SELECT FROM ");
    bs_compare_put_saved(b, at);
    bs_put_str(b, " GROUP BY ");
    if (live->key == BS_LIVE_KEY_OF_LEAF) {
        bs_put_str(b, "\"" BS_COMPARE_LEAF "\"");
        before = ", ";
    }
    for (size_t i = 0; i < live->object->n_columns; i++) {
        if (live->columns[i].key == 0)
            continue;
        bs_put_str(b, before);
        bs_put_ident(b, live->columns[i].name);
        before = ", ";
    }
    bs_put_str(b, " HAVING pg_catalog.count(*) > 1)");
}
