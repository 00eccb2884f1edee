/*
 * columns_say.c - what happens to columns, for people.
 */
#include "restore/columns.h"

#include "restore/columns_sql.h"
#include "restore/compare.h"

static const char *
name_of(struct bs_arena *arena, const struct bs_columns_table *t, const struct bs_columns_column *c)
{
    return bs_arena_fmt(arena, "%s.%s.%s", t->object->schema, t->object->name, c->name);
}

static const char *
plural(int64_t n)
{
    return n == 1 ? "" : "s";
}

/* "; 3 rows have another value since: it stays, unless --conflict overwrite" */
static const char *
conflicts_text(struct bs_arena *arena, const struct bs_columns_column *c)
{
    if (c->conflicts == 0)
        return "";
    return bs_arena_fmt(
        arena, "; %lld row%s with another value since keep it, unless --conflict overwrite",
        (long long)c->conflicts, plural(c->conflicts));
}

/* ": 12 rows get their saved value" */
static const char *
counts_text(struct bs_arena *arena, const struct bs_columns_column *c, bool compared)
{
    if (!compared)
        return "";
    return bs_arena_fmt(arena, ": %lld row%s get%s the saved value%s", (long long)c->restored,
                        plural(c->restored), c->restored == 1 ? "s" : "", conflicts_text(arena, c));
}

static const char *
retype_text(struct bs_arena *arena,
            const char *name,
            const struct bs_columns_column *c,
            bool compared)
{
    if (c->same_type)
        return bs_arena_fmt(arena, "%s has other values%s", name, counts_text(arena, c, compared));
    return bs_arena_fmt(arena, "%s is %s and was %s%s", name, c->live_type, c->saved->type,
                        counts_text(arena, c, compared));
}

const char *
bs_columns_text(struct bs_arena *arena,
                const struct bs_columns_table *t,
                const struct bs_columns_column *c,
                bool compared)
{
    const char *name = name_of(arena, t, c);

    compared = compared && bs_columns_have_types(t); /* else nothing could be counted */
    switch (c->way) {
    case BS_COLUMN_ADD:
        return bs_arena_fmt(arena, "%s is gone, and comes back as the last column%s", name,
                            counts_text(arena, c, compared));
    case BS_COLUMN_RETYPE:
        return retype_text(arena, name, c, compared);
    case BS_COLUMN_COMPUTE:
        return bs_arena_fmt(arena, "%s is computed again, as the last column", name);
    case BS_COLUMN_EXPRESS:
        return bs_arena_fmt(arena, "%s is computed as it was before", name);
    case BS_COLUMN_REMOVE:
        return bs_arena_fmt(
            arena, "%s was added by the transaction: it stays, unless --remove-inserted", name);
    case BS_COLUMN_FITS:
        break;
    }
    return bs_arena_fmt(arena, "%s is as it was", name);
}

/* What a row without a saved value gets in a column that is added. */
static const char *
made_text(const struct bs_columns_table *t)
{
    bool defaults = false, nulls = false, turned = false;

    for (size_t i = 0; i < t->n_columns; i++) {
        const struct bs_columns_column *c = &t->columns[i];
        bool has_default = c->unmatched != NULL || c->counts;
        defaults = defaults || (c->way == BS_COLUMN_ADD && has_default);
        nulls = nulls || (c->way == BS_COLUMN_ADD && !has_default);
        turned = turned || c->way == BS_COLUMN_RETYPE;
    }
    if (turned && !defaults && !nulls)
        return "keep their value, turned back";
    return nulls ? (defaults ? "get the default or null" : "get null") : "get the default";
}

const char *
bs_columns_rows_text(struct bs_arena *arena, const struct bs_columns_table *t)
{
    int64_t made = 0, gone = 0;

    for (size_t i = 0; i < t->n_leaves; i++) {
        made += t->leaves[i].made;
        gone += t->leaves[i].gone;
    }
    if ((made == 0 && gone == 0) || !bs_columns_differ(t, false))
        return NULL;
    return bs_arena_fmt(arena,
                        "%s.%s: %lld row%s without a saved value %s; %lld saved row%s %s been"
                        " deleted since and stay%s away",
                        t->object->schema, t->object->name, (long long)made, plural(made),
                        made_text(t), (long long)gone, plural(gone), gone == 1 ? "has" : "have",
                        gone == 1 ? "s" : "");
}

static enum bs_done
print_saved(struct bs_restore *r,
            const struct bs_columns_leaf *leaf,
            struct bs_buf *out,
            struct bs_err *err)
{
    struct bs_shape shape;

    if (leaf->object == NULL)
        return BS_DONE;
    if (bs_shape_find(&r->db, leaf->object, &r->arena, &shape, err) != BS_DONE ||
        bs_shape_check(&shape, err) != BS_DONE)
        return BS_FAILED;
    bs_compare_put_table(out, &shape, leaf->at);
    bs_put_str(out, ";\n");
    bs_compare_put_copy(out, leaf->object, leaf->at);
    bs_put_fmt(out, ";\n-- %lld rows from %s\n", (long long)leaf->object->row_count,
               leaf->object->key);
    return BS_DONE;
}

static bool
writes(const struct bs_columns_table *t)
{
    bool any = false;

    for (size_t i = 0; i < t->n_columns && !any; i++)
        any = bs_columns_writes(&t->columns[i]);
    return any;
}

static void
print_values(const struct bs_columns_table *t, struct bs_columns_how how, struct bs_buf *out)
{
    int64_t before = 0;

    if (!writes(t))
        return;
    bs_columns_put_values(out, t);
    for (size_t i = 0; i < t->n_leaves; i++) {
        bs_put_str(out, ";\n");
        bs_columns_put_fill(out, t, &t->leaves[i], how.conflict, before);
        before += t->leaves[i].made;
    }
    bs_put_str(out, ";\n");
    bs_columns_put_clear(out, t);
    bs_columns_put_functions(out, t);
    bs_put_str(out, ";\n");
    bs_columns_put_alter(out, t);
    bs_put_str(out, ";\n");
    bs_columns_put_functions_off(out, t);
    bs_put_str(out, ";\n");
}

enum bs_done
bs_columns_print(struct bs_restore *r,
                 const struct bs_columns *c,
                 struct bs_columns_how how,
                 struct bs_buf *out,
                 struct bs_err *err)
{
    for (size_t i = 0; i < c->n_tables; i++) {
        const struct bs_columns_table *t = &c->tables[i];
        if (t->cannot != NULL) {
            (void)BS_FAIL(err, CONFLICT, "%s", t->cannot);
            bs_err_hint(err, "restore run loads the saved values into a table of their own");
            return BS_FAILED;
        }
        if (!bs_columns_differ(t, how.remove))
            continue;
        if (!bs_columns_have_types(t)) {
            bs_put_fmt(out, "-- columns of \"%s\".\"%s\" follow, once their types are back\n",
                       t->object->schema, t->object->name);
            continue;
        }
        for (size_t k = 0; k < t->n_leaves; k++) {
            if (print_saved(r, &t->leaves[k], out, err) != BS_DONE)
                return BS_FAILED;
        }
        bs_columns_put_add(out, t);
        bs_put_str(out, "\n");
        print_values(t, how, out);
        bs_columns_put_generated(out, t);
        for (size_t k = 0; k < t->n_members; k++)
            bs_columns_put_settings(out, t, t->members[k]);
        if (how.remove)
            bs_columns_put_remove(out, t);
        bs_put_str(out, "\n");
    }
    return BS_DONE;
}
