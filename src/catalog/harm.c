/*
 * harm.c - by kind, filter and measured share. Statements name effects; the catalog adds targets
 * that follow from them. What is named comes first, what follows after it.
 */
#include "catalog/harm.h"

#include <string.h>

#include "catalog/effect.h"

#define NEARLY_ALL   0.9 /* share of a table whose loss is the table's */
#define VALUE_MAX    64  /* bytes of a key's value; of a longer one nothing is known */
#define COLUMNS_KEPT 8   /* of one UPDATE; more are the whole row */

/* clang-format off */
/* Kinds that are not told by their name; see harm_of. */
static const uint8_t by_kind[BS_KIND_COUNT] = {
    [BS_KIND_UPDATE] = BS_HARM_OVERWRITE, [BS_KIND_MERGE] = BS_HARM_OVERWRITE,
    [BS_KIND_DELETE] = BS_HARM_DELETE,
    [BS_KIND_TRUNCATE] = BS_HARM_DESTROY, [BS_KIND_DROP_TABLE] = BS_HARM_DESTROY,
    [BS_KIND_DROP_MATERIALIZED_VIEW] = BS_HARM_DESTROY, [BS_KIND_DROP_SCHEMA] = BS_HARM_DESTROY,
    [BS_KIND_DROP_OWNED] = BS_HARM_DESTROY, [BS_KIND_DROP_EXTENSION] = BS_HARM_DESTROY,
    [BS_KIND_DROP_DATABASE] = BS_HARM_DESTROY, [BS_KIND_DROP_TABLESPACE] = BS_HARM_DESTROY,
    [BS_KIND_DROP_SEQUENCE] = BS_HARM_DESTROY,
    [BS_KIND_ALTER_TABLE_DROP_COLUMN] = BS_HARM_DESTROY,
    [BS_KIND_ALTER_TABLE_ALTER_TYPE] = BS_HARM_OVERWRITE,
    [BS_KIND_ALTER_TABLE_SET_EXPRESSION] = BS_HARM_DESTROY,
    [BS_KIND_ALTER_TABLE_DISABLE_TRIGGER] = BS_HARM_SAFEGUARD,
    [BS_KIND_ALTER_TABLE_TRIGGER_MODE] = BS_HARM_SAFEGUARD,
    [BS_KIND_ALTER_TABLE_RULE_MODE] = BS_HARM_SAFEGUARD,
    [BS_KIND_ALTER_TABLE_DISABLE_RLS] = BS_HARM_SAFEGUARD,
    [BS_KIND_ALTER_TABLE_OWNER] = BS_HARM_SAFEGUARD, [BS_KIND_OWNER_TO] = BS_HARM_SAFEGUARD,
    [BS_KIND_CREATE_POLICY] = BS_HARM_SAFEGUARD, [BS_KIND_ALTER_POLICY] = BS_HARM_SAFEGUARD,
    [BS_KIND_DROP_POLICY] = BS_HARM_SAFEGUARD, [BS_KIND_DROP_TRIGGER] = BS_HARM_SAFEGUARD,
    [BS_KIND_DROP_RULE] = BS_HARM_SAFEGUARD, [BS_KIND_DROP_EVENT_TRIGGER] = BS_HARM_SAFEGUARD,
    [BS_KIND_ALTER_EVENT_TRIGGER] = BS_HARM_SAFEGUARD, [BS_KIND_ALTER_SYSTEM] = BS_HARM_SAFEGUARD,
    [BS_KIND_GRANT] = BS_HARM_SAFEGUARD, [BS_KIND_GRANT_ROLE] = BS_HARM_SAFEGUARD,
    [BS_KIND_ALTER_DEFAULT_PRIVILEGES] = BS_HARM_SAFEGUARD,
    [BS_KIND_CREATE_ROLE] = BS_HARM_SAFEGUARD, [BS_KIND_ALTER_ROLE] = BS_HARM_SAFEGUARD,
    [BS_KIND_ALTER_ROLE_SET] = BS_HARM_SAFEGUARD, [BS_KIND_REASSIGN_OWNED] = BS_HARM_SAFEGUARD,
    [BS_KIND_SET_ROLE] = BS_HARM_SAFEGUARD, [BS_KIND_SET_SESSION_AUTHORIZATION] = BS_HARM_SAFEGUARD,
    [BS_KIND_INSERT] = BS_HARM_ADD, [BS_KIND_COPY_FROM_STDIN] = BS_HARM_ADD,
    [BS_KIND_COPY_FROM_FILE] = BS_HARM_ADD, [BS_KIND_SELECT_INTO] = BS_HARM_ADD,
    [BS_KIND_IMPORT_FOREIGN_SCHEMA] = BS_HARM_ADD,
    [BS_KIND_CREATE_OR_REPLACE_VIEW] = BS_HARM_CHANGE, [BS_KIND_CREATE_FUNCTION] = BS_HARM_CHANGE,
    [BS_KIND_CREATE_PROCEDURE] = BS_HARM_CHANGE, [BS_KIND_CREATE_TRIGGER] = BS_HARM_CHANGE,
    [BS_KIND_CREATE_RULE] = BS_HARM_CHANGE,
};
/* clang-format on */

static bool
is_drop(enum bs_kind kind)
{
    return strncmp(bs_kind_name(kind), "DROP ", 5) == 0;
}

static enum bs_harm
harm_of(enum bs_kind kind)
{
    if (by_kind[kind] != BS_HARM_NONE)
        return (enum bs_harm)by_kind[kind];
    if (bs_kind_risk(kind) == BS_RISK_SAFE || bs_kind_point(kind) == BS_POINT_NONE)
        return BS_HARM_NONE;
    return strncmp(bs_kind_name(kind), "CREATE ", 7) == 0 ? BS_HARM_ADD : BS_HARM_CHANGE;
}

/* --- a unit's harms ----------------------------------------------------------------------- */

struct building {
    const struct bs_unit *unit;
    const struct bs_facts *facts;
    const char *const *params;
    size_t n_params;
    struct bs_arena *arena;
    struct bs_harms *out;
    const struct bs_stmt *stmt;
    size_t at;           /* index of the statement */
    size_t first;        /* its first item */
    enum bs_extent most; /* of the rows that it names */
    bool blanks;         /* nothing of what it overwrites is left */
    bool *used;          /* targets that an effect names */
    bool full;           /* the arena's ceiling was reached */
};

static void
add_item(struct building *b, struct bs_harm_item item)
{
    if (item.harm == BS_HARM_NONE)
        return;
    if (b->out->n == BS_HARM_ITEMS) {
        b->out->more = true;
        return;
    }
    if (!bs_harm_is_rows(item.harm)) {
        item.extent = BS_EXTENT_NONE;
        item.rows = -1;
        item.n_keys = 0;
    }
    b->out->items[b->out->n++] = item;
}

static bool
is_counted(const struct bs_target *t)
{
    return t != NULL && t->how >= BS_MEASURE_COUNT && t->rows >= 0;
}

/* How many of the rows; without a count, what the filter says. */
static enum bs_extent
extent_of(const struct building *b, const struct bs_effect *e, const struct bs_target *t)
{
    bool keyed = e->n_keys != 0 && !bs_stmt_has_reason(b->stmt, BS_REASON_UNMEASURED);

    if (by_kind[e->kind] == BS_HARM_DESTROY || (!e->filtered && !e->upsert))
        return BS_EXTENT_ALL;
    if (is_counted(t) && t->share >= NEARLY_ALL)
        return BS_EXTENT_ALL;
    if (is_counted(t))
        return e->n_keys != 0 && t->rows <= 1 ? BS_EXTENT_KEY : BS_EXTENT_SOME;
    if (e->upsert || keyed)
        return e->upsert ? BS_EXTENT_SOME : BS_EXTENT_KEY;
    return bs_stmt_has_reason(b->stmt, BS_REASON_UNMEASURED) ? BS_EXTENT_ALL : BS_EXTENT_SOME;
}

/* NULL: not known. */
static const char *
value_of(const struct building *b, const char *text)
{
    size_t n = 0;

    if (text[0] == '=')
        return text + 1;
    for (size_t i = 1; text[0] == '$' && text[i] >= '0' && text[i] <= '9' && n <= b->n_params; i++)
        n = n * 10 + (size_t)(text[i] - '0');
    return n == 0 || n > b->n_params ? NULL : b->params[n - 1];
}

static void
read_keys(struct building *b, const struct bs_effect *e, struct bs_harm_item *item)
{
    struct bs_harm_key *keys;

    if (e->n_keys == 0 || e->key_values == NULL)
        return;
    keys = bs_arena_array(b->arena, e->n_keys, sizeof(*keys));
    if (keys == NULL) {
        b->full = true;
        return;
    }
    for (size_t i = 0; i < e->n_keys; i++) {
        const char *value = value_of(b, e->key_values[i]);
        if (value != NULL && strlen(value) <= VALUE_MAX)
            keys[item->n_keys++] = (struct bs_harm_key){e->keys[i], value};
    }
    item->keys = keys;
}

/* All rows that are overwritten with what does not depend on them are lost, as if deleted. */
static enum bs_harm
harm_with(enum bs_harm harm, enum bs_extent extent, bool kept)
{
    if (extent != BS_EXTENT_ALL || !bs_harm_is_rows(harm))
        return harm;
    return harm == BS_HARM_OVERWRITE && kept ? harm : BS_HARM_DESTROY;
}

/* What has no rows of its own. */
static bool
is_hollow(const struct bs_target *t)
{
    return t->relkind != '\0' && strchr("vifc", t->relkind) != NULL;
}

/* The rows are in the partitions, which are listed, too. */
static bool
is_split(const struct building *b, const struct bs_target *t)
{
    for (size_t i = 0; t->relkind == 'p' && i < b->facts->n_targets; i++) {
        if (b->facts->targets[i].stmt == b->at && b->facts->targets[i].within == t->oid)
            return true;
    }
    return false;
}

/* An UPDATE by the columns that it sets, everything else as it is. */
static void
add_columns(struct building *b, const struct bs_effect *e, struct bs_harm_item item)
{
    bool set = by_kind[e->kind] == BS_HARM_OVERWRITE && e->n_set != 0 && e->n_set <= COLUMNS_KEPT;

    if (!set)
        add_item(b, item);
    for (size_t i = 0; set && i < e->n_set; i++) {
        item.column = e->set[i];
        add_item(b, item);
    }
}

static struct bs_harm_item
item_of(struct building *b, const struct bs_effect *e, const struct bs_target *t)
{
    struct bs_harm_item item = {
        .harm = harm_of(e->kind),
        .extent = extent_of(b, e, t),
        .object = e->object == BS_OBJECT_COLUMN ? BS_OBJECT_RELATION : e->object,
        .schema = e->name.schema,
        .name = e->name.name,
        .column = e->column,
        .rows = t != NULL && is_counted(t) ? t->rows : -1,
        .main = true,
        .gone = is_drop(e->kind) && harm_of(e->kind) != BS_HARM_SAFEGUARD &&
                e->object != BS_OBJECT_COLUMN,
    };

    item.harm = harm_with(item.harm, item.extent, !e->blanks);
    if (bs_harm_is_rows(item.harm) && item.object == BS_OBJECT_RELATION && item.extent > b->most)
        b->most = item.extent;
    b->blanks = b->blanks || e->blanks;
    read_keys(b, e, &item);
    if (t == NULL)
        return item;
    item.oid = t->oid;
    item.schema = t->schema;
    item.name = t->name;
    if (is_hollow(t) && item.gone)
        item.harm = BS_HARM_CHANGE;
    /* Rows of a view are those of what it shows, which is listed, too. */
    item.main = !is_split(b, t) && !(t->relkind == 'v' && bs_harm_is_rows(item.harm));
    return item;
}

static bool
is_named(const struct bs_effect *e, const struct bs_target *t)
{
    return t->reach == BS_REACH_TARGET && bs_target_is_named(t, e);
}

/* The one target that an effect names; NULL where there is none, or several might be meant. */
static const struct bs_target *
target_of(struct building *b, const struct bs_effect *e)
{
    const struct bs_target *found = NULL;
    size_t n = 0;

    for (size_t i = 0; i < b->facts->n_targets; i++) {
        const struct bs_target *t = &b->facts->targets[i];
        if (t->stmt != b->at || !is_named(e, t))
            continue;
        b->used[i] = true;
        found = t;
        n++;
    }
    return n == 1 ? found : NULL;
}

/* Takes objects along that are not listed. */
static bool
takes_anything(const struct building *b, const struct bs_effect *e)
{
    return e->kind == BS_KIND_DROP_OWNED || e->kind == BS_KIND_DROP_DATABASE ||
           e->kind == BS_KIND_DROP_TABLESPACE ||
           (e->kind == BS_KIND_DROP_SCHEMA && !b->unit->catalog);
}

static void
add_effect(struct building *b, const struct bs_effect *e)
{
    struct bs_harm_item any = {.harm = BS_HARM_DESTROY,
                               .extent = BS_EXTENT_ALL,
                               .rows = -1,
                               .main = true,
                               .gone = true,
                               .code = e->kind == BS_KIND_DROP_EXTENSION};

    if (takes_anything(b, e) || any.code)
        add_item(b, any);
    if (e->name.name[0] == '\0' || takes_anything(b, e))
        return;
    if (e->object == BS_OBJECT_RELATION || e->object == BS_OBJECT_COLUMN)
        add_columns(b, e, item_of(b, e, target_of(b, e)));
    else
        add_item(b, item_of(b, e, NULL));
}

/* A partition or child goes with what names it; what a cascade takes may be anything up to it. */
static enum bs_extent
extent_behind(const struct bs_target *t, enum bs_extent most)
{
    if (by_kind[t->kind] == BS_HARM_DESTROY)
        return BS_EXTENT_ALL;
    if (is_counted(t))
        return t->share >= NEARLY_ALL ? BS_EXTENT_ALL : BS_EXTENT_SOME;
    return most == BS_EXTENT_ALL ? BS_EXTENT_ALL : BS_EXTENT_SOME;
}

static struct bs_harm_item
item_behind(const struct building *b, const struct bs_target *t)
{
    struct bs_harm_item item = {.object = BS_OBJECT_RELATION,
                                .oid = t->oid,
                                .schema = t->schema,
                                .name = t->name,
                                .rows = is_counted(t) ? t->rows : -1,
                                .gone = is_drop(t->kind) || t->reach == BS_REACH_DEPENDENT};

    item.extent = item.gone ? BS_EXTENT_ALL : extent_behind(t, b->most);
    if (item.gone)
        item.harm = is_hollow(t) ? BS_HARM_CHANGE : BS_HARM_DESTROY;
    else
        item.harm = harm_with(harm_of(t->kind), item.extent, !b->blanks);
    item.main = (t->reach == BS_REACH_TARGET || b->most == BS_EXTENT_NONE) && !is_split(b, t);
    return item;
}

static void
add_behind(struct building *b)
{
    size_t end = b->out->n;

    for (size_t i = 0; i < b->facts->n_targets; i++) {
        if (b->facts->targets[i].stmt == b->at && !b->used[i])
            add_item(b, item_behind(b, &b->facts->targets[i]));
    }
    /* DROP SCHEMA, DROP TYPE: it is about what is in it. */
    for (size_t i = b->first; i < end && b->out->n > end; i++) {
        struct bs_harm_item *item = &b->out->items[i];
        item->main = item->main && (item->object == BS_OBJECT_RELATION || bs_harm_is_any(item));
    }
}

/* Nobody has read what it runs. */
static bool
is_opaque(const struct bs_stmt *stmt)
{
    return stmt->point == BS_POINT_UNKNOWN &&
           (stmt->n_effects == 0 || (stmt->flags & (BS_FLAG_VOLATILE | BS_FLAG_DYNAMIC_SQL |
                                                    BS_FLAG_SERVER_FILE | BS_FLAG_OUTSIDE)) != 0);
}

static void
add_stmt(struct building *b)
{
    b->first = b->out->n;
    b->most = BS_EXTENT_NONE;
    b->blanks = false;
    for (size_t i = 0; i < b->stmt->n_effects; i++)
        add_effect(b, &b->stmt->effects[i]);
    add_behind(b);
    if (is_opaque(b->stmt))
        add_item(b, (struct bs_harm_item){.harm = BS_HARM_DESTROY,
                                          .extent = BS_EXTENT_ALL,
                                          .rows = -1,
                                          .main = true,
                                          .code = true});
}

enum bs_done
bs_harms_of(const struct bs_unit *unit,
            const struct bs_facts *facts,
            const char *const *params,
            size_t n_params,
            struct bs_arena *arena,
            struct bs_harms *out,
            struct bs_err *err)
{
    struct building b = {.unit = unit,
                         .facts = facts,
                         .params = params,
                         .n_params = n_params,
                         .arena = arena,
                         .out = out};

    *out = (struct bs_harms){.items = bs_arena_array(arena, BS_HARM_ITEMS, sizeof(*out->items))};
    b.used = bs_arena_array(arena, facts->n_targets + 1, sizeof(*b.used));
    b.full = out->items == NULL || b.used == NULL;
    for (size_t i = 0; i < unit->n_stmts && !b.full; i++) {
        b.stmt = &unit->stmts[i];
        b.at = i;
        add_stmt(&b);
    }
    return b.full ? BS_FAIL(err, LIMIT, "the %s arena is full", arena->name) : BS_DONE;
}

enum bs_done
bs_harms_add(struct bs_harms *to,
             const struct bs_harms *more,
             struct bs_arena *arena,
             struct bs_err *err)
{
    if (to->items == NULL) {
        to->items = bs_arena_array(arena, BS_HARM_ITEMS, sizeof(*to->items));
        if (to->items == NULL)
            return BS_FAIL(err, LIMIT, "the %s arena is full", arena->name);
    }
    to->more = to->more || more->more;
    for (size_t i = 0; i < more->n; i++) {
        if (to->n == BS_HARM_ITEMS)
            to->more = true;
        else
            to->items[to->n++] = more->items[i];
    }
    return BS_DONE;
}
