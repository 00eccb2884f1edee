/*
 * giveback.c - see giveback.h.
 */
#include "restore/giveback.h"

#include <string.h>

#include "restore/remedy.h"
#include "restore/sqltext.h"

#define SCRIPT_MAX (64u << 20)

bool
bs_giveback_wanted(const struct bs_work *w, const struct bs_altered *c)
{
    switch (c->kind) {
    case BS_CHANGE_LOST:
        return false; /* lost.h */
    case BS_CHANGE_MADE:
        return w->options->made == BS_COPYBACK_REMOVE;
    case BS_CHANGE_CHANGED:
    case BS_CHANGE_MOVED:
        break;
    }
    return c->by != BS_CHANGE_OTHERS || w->options->conflict == BS_COPYBACK_OVERWRITE;
}

size_t
bs_giveback_count(const struct bs_work *w)
{
    size_t n = 0;

    for (size_t i = 0; i < w->out->changes.n; i++)
        n += bs_giveback_wanted(w, &w->out->changes.list[i]);
    return n;
}

/* What an entry is a part of, at the end of the chain; itself where it is of nothing. */
static size_t
whole_of(const struct bs_toc *toc, size_t entry)
{
    enum { DEEPEST = 16 }; /* a comment on an index of a partition ... */

    for (int depth = 0; depth < DEEPEST; depth++) {
        const struct bs_toc_entry *e = &toc->list[entry];
        size_t next = entry;
        for (size_t k = 0; k < e->n_needs && next == entry; k++) {
            size_t at = bs_toc_find(toc, e->needs[k]);
            if (at != toc->n && bs_scope_is_part(toc, e, at))
                next = at;
        }
        if (next == entry)
            break;
        entry = next;
    }
    return entry;
}

static enum bs_object
object_of(uint32_t class_oid)
{
    static const struct {
        uint32_t class_oid; /* as in catalog/pg_*.h */
        enum bs_object object;
    } known[] = {{1259, BS_OBJECT_RELATION},
                 {1255, BS_OBJECT_FUNCTION},
                 {1247, BS_OBJECT_TYPE},
                 {2615, BS_OBJECT_SCHEMA}};

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (known[i].class_oid == class_oid)
            return known[i].object;
    }
    return BS_OBJECT_OTHER;
}

static void
name_entry(const struct bs_work *w, const struct bs_toc *toc, size_t entry, struct bs_plan *plan)
{
    size_t whole = whole_of(toc, entry);
    struct bs_toc_words words = bs_toc_words(&toc->list[whole]);
    struct bs_bytes name = bs_scope_own_name(toc, whole);
    struct bs_plan_named *n = &plan->named[plan->n_named++];

    *n = (struct bs_plan_named){.object = object_of(toc->list[whole].class_oid)};
    if (bs_bytes_begin(name, "SCHEMA ")) { /* of one that the dump does not make */
        n->object = BS_OBJECT_SCHEMA;
        name = (struct bs_bytes){name.p + 7, name.n - 7};
    }
    n->name = bs_arena_copy(&w->r->arena, name);
    if (!bs_bytes_equal(words.schema, BS_LIT("-")))
        n->schema = bs_arena_copy(&w->r->arena, words.schema);
}

enum bs_done
bs_giveback_plan(const struct bs_work *w, struct bs_plan *plan, struct bs_err *err)
{
    const struct bs_definition *d = &w->definition;
    const struct bs_changes *all = &w->out->changes;

    if (bs_giveback_count(w) == 0)
        return BS_DONE;
    plan->definition = true;
    plan->named = bs_arena_array(&w->r->arena, 2 * all->n + 1, sizeof(*plan->named));
    if (plan->named == NULL)
        return BS_FAIL(err, LIMIT, "the restore's memory is used up");
    for (size_t i = 0; i < all->n; i++) {
        const struct bs_altered *c = &all->list[i];
        if (c->kind != BS_CHANGE_LOST && !bs_giveback_wanted(w, c))
            continue;
        if (c->live != BS_SCOPE_NONE)
            name_entry(w, &d->live, c->live, plan);
        if (c->saved != BS_SCOPE_NONE)
            name_entry(w, &d->saved, c->saved, plan);
    }
    return BS_DONE;
}

static enum bs_done
try_way(struct bs_work *w, const char *sql, struct bs_err *why, struct bs_err *err)
{
    struct bs_buf script;
    enum bs_done done;

    if (bs_rdb_do(&w->r->db, "SAVEPOINT backstop_giveback", err) != BS_DONE)
        return BS_FAILED;
    bs_buf_init(&script, SCRIPT_MAX);
    bs_put_str(&script, sql);
    *why = (struct bs_err){0};
    done = bs_definition_run(w->r, &script, why);
    bs_buf_fini(&script);
    if (why->code == BS_E_UNAVAILABLE)
        return bs_err_set(err, why->code, "%s", why->message);
    return bs_rdb_do(&w->r->db,
                     done == BS_DONE ? "RELEASE SAVEPOINT backstop_giveback"
                                     : "ROLLBACK TO SAVEPOINT backstop_giveback;"
                                       " RELEASE SAVEPOINT backstop_giveback",
                     err);
}

/* The saved entry's own SQL, for whoever has to do it by hand. */
static void
keep_sql(struct bs_work *w, struct bs_altered *c)
{
    const struct bs_definition *d = &w->definition;

    if (c->saved != BS_SCOPE_NONE && !bs_changed_is_secret(&d->saved.list[c->saved]))
        c->sql = bs_arena_copy(&w->r->arena, d->saved_says.texts[c->saved]);
}

static enum bs_done
give(struct bs_work *w, struct bs_altered *c, struct bs_err *err)
{
    struct bs_remedy remedy;
    struct bs_err why = {0}, first = {0};

    c->overwrite = w->options->conflict == BS_COPYBACK_OVERWRITE;
    if (bs_remedy_find(w->r, &w->definition, c, &remedy, err) != BS_DONE)
        return BS_FAILED;
    if (remedy.theirs && w->options->conflict == BS_COPYBACK_ABORT)
        return BS_FAIL(err, CONFLICT, "%s \"%.100s\": %.200s", c->type, c->name, remedy.why);
    bs_restore_tell(w->r, bs_arena_fmt(&w->r->arena, "changing back %s %s", c->type, c->name), 0,
                    0);
    for (size_t i = 0; i < remedy.n && !c->given; i++) {
        if (try_way(w, remedy.ways[i], &why, err) != BS_DONE)
            return BS_FAILED;
        c->given = why.code == BS_OK;
        first = i == 0 || why.code != BS_OK ? why : first;
    }
    c->given = c->given || remedy.nothing;
    c->why = c->given || remedy.n == 0 ? remedy.why : bs_arena_str(&w->r->arena, first.message);
    if (c->why != NULL)
        keep_sql(w, c);
    return BS_DONE;
}

/* A table has one index that it is clustered on, one that tells its rows apart: the one that has
 * that now gives it up first. */
static bool
gives_up(const struct bs_work *w, const struct bs_altered *c)
{
    static const char *const words[] = {" CLUSTER ON ", " REPLICA IDENTITY "};
    const struct bs_definition *d = &w->definition;
    bool any = false;

    for (size_t i = 0; i < 2 && c->live != BS_SCOPE_NONE && c->saved != BS_SCOPE_NONE; i++)
        any = any || (bs_sql_find(d->live_says.texts[c->live], words[i]) != SIZE_MAX &&
                      bs_sql_find(d->saved_says.texts[c->saved], words[i]) == SIZE_MAX);
    return any;
}

/* Those of one kind that are not done yet; *any: one of them was. */
static enum bs_done
give_all(struct bs_work *w, enum bs_change_kind kind, bool first, bool *any, struct bs_err *err)
{
    struct bs_changes *all = &w->out->changes;

    for (size_t i = 0; i < all->n; i++) {
        /* What was made last may hang on what was made first. */
        struct bs_altered *c = &all->list[kind == BS_CHANGE_MADE ? all->n - 1 - i : i];
        if (c->kind != kind || c->given || !bs_giveback_wanted(w, c) || (first && !gives_up(w, c)))
            continue;
        if (give(w, c, err) != BS_DONE)
            return BS_FAILED;
        *any = *any || c->given;
    }
    return BS_DONE;
}

static enum bs_done
check_others(struct bs_work *w, struct bs_err *err)
{
    for (size_t i = 0; i < w->out->changes.n; i++) {
        const struct bs_altered *c = &w->out->changes.list[i];
        if (w->options->conflict == BS_COPYBACK_ABORT && c->by == BS_CHANGE_OTHERS)
            return BS_FAIL(err, CONFLICT, "%s \"%.100s\" was changed since by others", c->type,
                           c->name);
    }
    return BS_DONE;
}

enum bs_done
bs_giveback_names(struct bs_work *w, struct bs_err *err)
{
    bool more = true;

    for (size_t i = 0; i < w->out->changes.n; i++)
        w->out->changes.list[i].given = false;
    if (check_others(w, err) != BS_DONE)
        return BS_FAILED;
    while (more) {
        more = false;
        if (give_all(w, BS_CHANGE_MOVED, false, &more, err) != BS_DONE)
            return BS_FAILED;
    }
    return BS_DONE;
}

enum bs_done
bs_giveback_rest(struct bs_work *w, struct bs_err *err)
{
    bool more = true;

    while (more) {
        more = false;
        if (give_all(w, BS_CHANGE_MADE, false, &more, err) != BS_DONE ||
            give_all(w, BS_CHANGE_CHANGED, true, &more, err) != BS_DONE ||
            give_all(w, BS_CHANGE_CHANGED, false, &more, err) != BS_DONE)
            return BS_FAILED;
    }
    return BS_DONE;
}

/* Printing. */

static void
put_comment(struct bs_buf *out, const char *text)
{
    bs_put_str(out, "-- ");
    for (; *text != '\0'; text++)
        bs_put_u8(out, *text == '\n' || *text == '\r' ? ' ' : (uint8_t)*text);
    bs_put_u8(out, '\n');
}

static enum bs_done
print_one(struct bs_work *w, struct bs_altered *c, struct bs_buf *out, struct bs_err *err)
{
    const struct bs_definition *d = &w->definition;
    const struct bs_toc_entry *e =
        c->saved != BS_SCOPE_NONE ? &d->saved.list[c->saved] : &d->live.list[c->live];
    struct bs_remedy remedy;

    c->overwrite = w->options->conflict == BS_COPYBACK_OVERWRITE;
    if (bs_remedy_find(w->r, d, c, &remedy, err) != BS_DONE)
        return BS_FAILED;
    put_comment(out,
                bs_arena_fmt(&w->r->arena, "%s: %s %s", bs_change_word(c->kind), c->type, c->name));
    if (remedy.why != NULL)
        put_comment(out, remedy.why);
    if (bs_changed_is_secret(e))
        put_comment(out, "it may hold a password, so its SQL is not shown");
    else if (remedy.n != 0)
        bs_put_str(out, remedy.ways[0]);
    if (remedy.n > 1)
        put_comment(out, "where the server refuses that, it is dropped and made anew");
    return BS_DONE;
}

static enum bs_done
print_kind(struct bs_work *w, enum bs_change_kind kind, struct bs_buf *out, struct bs_err *err)
{
    for (size_t i = 0; i < w->out->changes.n; i++) {
        struct bs_altered *c = &w->out->changes.list[i];
        if (c->kind == kind && bs_giveback_wanted(w, c) && print_one(w, c, out, err) != BS_DONE)
            return BS_FAILED;
    }
    return BS_DONE;
}

enum bs_done
bs_giveback_print(struct bs_work *w, struct bs_buf *out, struct bs_err *err)
{
    enum bs_done done;

    if (bs_giveback_count(w) == 0)
        return BS_DONE;
    done = bs_rdb_do(&w->r->db, "BEGIN", err);
    if (done == BS_DONE)
        done = print_kind(w, BS_CHANGE_MOVED, out, err);
    if (done == BS_DONE)
        done = print_kind(w, BS_CHANGE_MADE, out, err);
    if (done == BS_DONE)
        done = print_kind(w, BS_CHANGE_CHANGED, out, err);
    bs_rdb_rollback(&w->r->db);
    return done;
}
