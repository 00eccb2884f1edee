/*
 * merge.c - columns are always named, so that one that was added since takes its default.
 */
#include "restore/merge.h"

#include "restore/diff.h"
#include "restore/text.h"

void
bs_merge_put_lock(struct bs_buf *b, const struct bs_live *live)
{
    bs_put_str(b, "LOCK TABLE ");
    bs_put_live(b, live);
    bs_put_str(b, " IN SHARE ROW EXCLUSIVE MODE");
}

/* Columns that may be written; `side` goes before each name. */
static void
put_written(struct bs_buf *b, const struct bs_live *live, const char *side)
{
    const char *before = "";

    for (size_t i = 0; i < live->object->n_columns; i++) {
        if (live->columns[i].generated)
            continue;
        bs_put_fmt(b, "%s%s", before, side);
        bs_put_ident(b, live->columns[i].name);
        before = ", ";
    }
}

/* A table may have no columns at all, and still rows. */
static bool
has_written(const struct bs_live *live)
{
    for (size_t i = 0; i < live->object->n_columns; i++) {
        if (!live->columns[i].generated)
            return true;
    }
    return false;
}

static void
put_insert(struct bs_buf *b, const struct bs_live *live, size_t at)
{
    bs_put_str(b, "INSERT INTO ");
    bs_put_name(b, live->object->schema, live->object->name);
    if (has_written(live)) {
        bs_put_str(b, " (");
        put_written(b, live, "");
        bs_put_str(b, ")");
    }
    bs_put_str(b, " OVERRIDING SYSTEM VALUE\n  SELECT ");
    put_written(b, live, "s.");
    bs_put_str(b, " FROM ");
    bs_compare_put_saved(b, at);
    bs_put_str(b, " s");
}

void
bs_merge_put_insert(struct bs_buf *b, const struct bs_live *live, size_t at)
{
    put_insert(b, live, at);
    bs_put_str(b, " JOIN ");
    bs_compare_put_result(b, at);
    bs_put_str(b, " d ON d.saved = s.\"" BS_COMPARE_ROW "\"\n  WHERE d.what = 'm'"
                  " ORDER BY s.\"" BS_COMPARE_ROW "\"");
}

void
bs_merge_put_insert_all(struct bs_buf *b, const struct bs_live *live, size_t at)
{
    put_insert(b, live, at);
    bs_put_str(b, " ORDER BY s.\"" BS_COMPARE_ROW "\"");
}

/* GENERATED ALWAYS AS IDENTITY can only be inserted, never updated. */
static bool
is_updated(const struct bs_live_column *c)
{
    return !c->generated && !c->identity_always;
}

/* The live row of a difference, where it was when they were compared. */
static void
put_place(struct bs_buf *b)
{
    bs_put_str(b, "l.ctid = d.live AND l.tableoid = d.leaf");
}

void
bs_merge_put_update(struct bs_buf *b,
                    const struct bs_live *live,
                    enum bs_merge_changed changed,
                    size_t at)
{
    const char *before = "";

    bs_put_str(b, "UPDATE ");
    bs_put_live(b, live);
    bs_put_str(b, " l SET ");
    for (size_t i = 0; i < live->object->n_columns; i++) {
        if (!is_updated(&live->columns[i]))
            continue;
        bs_put_str(b, before);
        bs_put_ident(b, live->columns[i].name);
        bs_put_str(b, " = s.");
        bs_put_ident(b, live->columns[i].name);
        before = ", ";
    }
    bs_put_str(b, "\n  FROM ");
    bs_compare_put_saved(b, at);
    bs_put_str(b, " s JOIN ");
    bs_compare_put_result(b, at);
    bs_put_fmt(b, " d ON d.saved = s.\"" BS_COMPARE_ROW "\"\n  WHERE d.what IN (%s) AND ",
               changed == BS_MERGE_ALL ? "'u', 'c'" : "'u'");
    bs_compare_put_keys_equal(b, live);
    bs_put_str(b, " AND ");
    put_place(b);
}

void
bs_merge_put_delete(struct bs_buf *b, const struct bs_live *live, size_t at)
{
    bs_put_str(b, "DELETE FROM ");
    bs_put_live(b, live);
    bs_put_str(b, " l USING ");
    bs_compare_put_result(b, at);
    bs_put_str(b, " d\n  WHERE d.what = 'i' AND ");
    put_place(b);
}

static void
put_trigger(struct bs_buf *b, const struct bs_live *live, size_t i, const char *verb)
{
    bs_put_fmt(b, "ALTER TABLE ONLY %s %s TRIGGER ", live->trigger_on[i], verb);
    bs_put_ident(b, live->triggers[i]);
    bs_put_str(b, ";\n");
}

void
bs_merge_put_triggers_off(struct bs_buf *b, const struct bs_live *live)
{
    for (size_t i = 0; i < live->n_triggers; i++)
        put_trigger(b, live, i, "DISABLE");
}

void
bs_merge_put_triggers_on(struct bs_buf *b, const struct bs_live *live)
{
    for (size_t i = 0; i < live->n_triggers; i++)
        put_trigger(b, live, i, live->trigger_states[i] == 'A' ? "ENABLE ALWAYS" : "ENABLE");
}
