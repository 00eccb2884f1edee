/*
 * own.c - a list of names. What cannot be told by a name puts everything of its sort in doubt.
 */
#include "catalog/own.h"

#include <string.h>

#define NAME_MAX_BYTES 63

const struct bs_own bs_own_nothing = {0};

bool
bs_own_is_nothing(const struct bs_own *own)
{
    return own->names == NULL && own->told == NULL && !own->relations && !own->code &&
           !own->writes && !own->keys && !own->classes && !own->lost && !own->asked &&
           !own->stale && !own->moved;
}

/* clang-format off */
/* DDL after which functions, operators and types still mean what the snapshot says. */
static const uint8_t leaves_code[BS_KIND_COUNT] = {
    [BS_KIND_CREATE_TABLE] = 1, [BS_KIND_CREATE_TEMP_TABLE] = 1, [BS_KIND_CREATE_TABLE_AS] = 1,
    [BS_KIND_SELECT_INTO] = 1, [BS_KIND_CREATE_MATERIALIZED_VIEW] = 1, [BS_KIND_CREATE_VIEW] = 1,
    [BS_KIND_CREATE_OR_REPLACE_VIEW] = 1, [BS_KIND_CREATE_INDEX] = 1,
    [BS_KIND_CREATE_SEQUENCE] = 1, [BS_KIND_CREATE_SCHEMA] = 1, [BS_KIND_CREATE_STATISTICS] = 1,
    [BS_KIND_ALTER_TABLE_ADD_COLUMN] = 1, [BS_KIND_ALTER_TABLE_DROP_COLUMN] = 1,
    [BS_KIND_ALTER_TABLE_ALTER_TYPE] = 1, [BS_KIND_ALTER_TABLE_ADD_CONSTRAINT] = 1,
    [BS_KIND_ALTER_TABLE_DROP_CONSTRAINT] = 1, [BS_KIND_ALTER_TABLE_VALIDATE] = 1,
    [BS_KIND_ALTER_TABLE_SET_DEFAULT] = 1, [BS_KIND_ALTER_TABLE_SET_NOT_NULL] = 1,
    [BS_KIND_ALTER_TABLE_DROP_NOT_NULL] = 1, [BS_KIND_ALTER_TABLE_SET_OPTIONS] = 1,
    [BS_KIND_ALTER_TABLE_ATTACH_PARTITION] = 1, [BS_KIND_ALTER_TABLE_DETACH_PARTITION] = 1,
    [BS_KIND_ALTER_SEQUENCE] = 1, [BS_KIND_COMMENT] = 1, [BS_KIND_TRUNCATE] = 1,
    [BS_KIND_DROP_TABLE] = 1, [BS_KIND_DROP_VIEW] = 1, [BS_KIND_DROP_MATERIALIZED_VIEW] = 1,
    [BS_KIND_DROP_INDEX] = 1, [BS_KIND_DROP_SEQUENCE] = 1, [BS_KIND_DROP_TRIGGER] = 1,
    [BS_KIND_REFRESH_MATERIALIZED_VIEW] = 1, [BS_KIND_GRANT] = 1, [BS_KIND_REVOKE] = 1,
    [BS_KIND_VACUUM] = 1, [BS_KIND_ANALYZE] = 1, [BS_KIND_REINDEX] = 1, [BS_KIND_CLUSTER] = 1,
    [BS_KIND_ALTER_TABLE_SET_STORAGE] = 1, [BS_KIND_ALTER_TABLE_CLUSTER_ON] = 1,
    [BS_KIND_ALTER_TABLE_REPLICA_IDENTITY] = 1, [BS_KIND_ALTER_TABLE_OWNER] = 1,
    [BS_KIND_ALTER_TABLE_SET_LOGGED] = 1, [BS_KIND_ALTER_TABLE_SET_UNLOGGED] = 1,
    [BS_KIND_ALTER_TABLE_SET_TABLESPACE] = 1, [BS_KIND_ALTER_TABLE_SET_IDENTITY] = 1,
    [BS_KIND_ALTER_TABLE_DROP_IDENTITY] = 1, [BS_KIND_ALTER_TABLE_DROP_EXPRESSION] = 1,
    [BS_KIND_CREATE_TRIGGER] = 1, [BS_KIND_ALTER_TABLE_ENABLE_TRIGGER] = 1,
    [BS_KIND_ALTER_TABLE_DISABLE_TRIGGER] = 1, [BS_KIND_ALTER_TABLE_TRIGGER_MODE] = 1,
    [BS_KIND_CREATE_COLLATION] = 1, [BS_KIND_DROP_COLLATION] = 1, [BS_KIND_ALTER_COLLATION] = 1,
    [BS_KIND_ALTER_STATISTICS] = 1, [BS_KIND_DROP_STATISTICS] = 1,
    [BS_KIND_CREATE_ROLE] = 1, [BS_KIND_GRANT_ROLE] = 1, [BS_KIND_REVOKE_ROLE] = 1,
    [BS_KIND_ALTER_DEFAULT_PRIVILEGES] = 1, [BS_KIND_SECURITY_LABEL] = 1,
    [BS_KIND_CREATE_PUBLICATION] = 1, [BS_KIND_ALTER_PUBLICATION] = 1,
    [BS_KIND_DROP_PUBLICATION] = 1,
};

/* DDL that makes, replaces or drops functions or types, which are known by their names. What hangs
 * on one that is replaced is found by its name, too: the catalog tells what runs it. */
static const uint8_t by_name[BS_KIND_COUNT] = {
    [BS_KIND_CREATE_FUNCTION] = 1, [BS_KIND_CREATE_PROCEDURE] = 1, [BS_KIND_CREATE_AGGREGATE] = 1,
    [BS_KIND_CREATE_TYPE] = 1, [BS_KIND_CREATE_DOMAIN] = 1,
    [BS_KIND_ALTER_TYPE_ADD_VALUE] = 1, [BS_KIND_ALTER_TYPE_RENAME_VALUE] = 1,
    [BS_KIND_DROP_FUNCTION] = 1, [BS_KIND_DROP_PROCEDURE] = 1, [BS_KIND_DROP_ROUTINE] = 1,
    [BS_KIND_DROP_AGGREGATE] = 1, [BS_KIND_DROP_TYPE] = 1, [BS_KIND_DROP_DOMAIN] = 1,
};

/* DDL after which any INSERT, UPDATE or DELETE may run something else. */
static const uint8_t moves_writes[BS_KIND_COUNT] = {
    [BS_KIND_CREATE_TRIGGER] = 1, [BS_KIND_ALTER_TABLE_ENABLE_TRIGGER] = 1,
    [BS_KIND_ALTER_TABLE_DISABLE_TRIGGER] = 1, [BS_KIND_ALTER_TABLE_TRIGGER_MODE] = 1,
};

/* Of these, those after which any relation may run something else when it is read. */
static const uint8_t moves_relations[BS_KIND_COUNT] = {
    [BS_KIND_CREATE_OR_REPLACE_VIEW] = 1, [BS_KIND_ALTER_TABLE_ATTACH_PARTITION] = 1,
};

/* Those that may have been the key that a later statement picks its rows by, or bring rows and
 * triggers along. Nothing tells whose they were. */
static const uint8_t moves_keys[BS_KIND_COUNT] = {
    [BS_KIND_DROP_INDEX] = 1, [BS_KIND_ALTER_TABLE_ATTACH_PARTITION] = 1,
    [BS_KIND_ALTER_TABLE_DETACH_PARTITION] = 1,
};

/* Those after which a name that the transaction made may be another table's again. */
static const uint8_t takes_name[BS_KIND_COUNT] = {
    [BS_KIND_DROP_TABLE] = 1, [BS_KIND_DROP_VIEW] = 1, [BS_KIND_DROP_MATERIALIZED_VIEW] = 1,
    [BS_KIND_DROP_SEQUENCE] = 1,
};

/* Those that leave the table as it is. */
static const uint8_t leaves_table[BS_KIND_COUNT] = {
    [BS_KIND_COMMENT] = 1, [BS_KIND_GRANT] = 1, [BS_KIND_REVOKE] = 1, [BS_KIND_VACUUM] = 1,
    [BS_KIND_ANALYZE] = 1, [BS_KIND_REINDEX] = 1, [BS_KIND_CLUSTER] = 1, [BS_KIND_TRUNCATE] = 1,
    [BS_KIND_ALTER_SEQUENCE] = 1, [BS_KIND_REFRESH_MATERIALIZED_VIEW] = 1,
};

/* What can be read afterwards, and runs nothing. */
static const uint8_t makes_table[BS_KIND_COUNT] = {
    [BS_KIND_CREATE_TABLE] = 1, [BS_KIND_CREATE_TEMP_TABLE] = 1, [BS_KIND_CREATE_TABLE_AS] = 1,
    [BS_KIND_SELECT_INTO] = 1, [BS_KIND_CREATE_MATERIALIZED_VIEW] = 1,
    [BS_KIND_CREATE_SEQUENCE] = 1,
};
/* clang-format on */

/* In kinds_table.h the kinds that change the catalog come last. */
static bool
is_ddl(enum bs_kind kind)
{
    return kind >= BS_KIND_CREATE_TABLE;
}

bool
bs_own_leaves_code(enum bs_kind kind)
{
    return !is_ddl(kind) || leaves_code[kind] != 0;
}

static bool
makes_name(enum bs_kind kind)
{
    return makes_table[kind] != 0 || kind == BS_KIND_CREATE_VIEW ||
           kind == BS_KIND_CREATE_OR_REPLACE_VIEW;
}

static bool
same(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* The same note again, or one that was forgotten, is not another one: sessions live long. */
static struct bs_own_name *
find(const struct bs_own *own, const struct bs_own_name *like)
{
    for (struct bs_own_name *n = own->names; n != NULL; n = n->next) {
        if (n->plain == like->plain && n->changed == like->changed && n->code == like->code &&
            same(n->schema, like->schema) && same(n->name, like->name))
            return n;
    }
    return NULL;
}

static void
add(struct bs_own *own, struct bs_own_name like, struct bs_arena *arena)
{
    struct bs_own_name *n = find(own, &like);

    if (n != NULL) {
        n->temporary = like.temporary || (n->temporary && !n->gone);
        n->perhaps = like.perhaps && (n->perhaps || n->gone);
        n->gone = false;
        return;
    }
    n = bs_arena_take(arena, sizeof(*n));
    if (n == NULL) {
        own->lost = own->relations = own->code = true;
        return;
    }
    *n = like;
    n->schema = bs_arena_str(arena, like.schema);
    n->name = bs_arena_str(arena, like.name);
    n->next = own->names;
    own->lost = own->lost || n->name == NULL || (n->schema == NULL) != (like.schema == NULL);
    if (!own->lost)
        own->names = n;
}

/* Certainly made by the transaction, and by exactly that name: whatever is done to it, it stays its
 * own. */
static bool
is_made(const struct bs_own *own, struct bs_name name)
{
    for (const struct bs_own_name *n = own->names; n != NULL; n = n->next) {
        if (n->plain && !n->changed && !n->gone && !n->temporary && !n->perhaps &&
            same(n->schema, name.schema) && same(n->name, name.name))
            return true;
    }
    return false;
}

static void
add_changed(struct bs_own *own, struct bs_name name, struct bs_arena *arena)
{
    add(own, (struct bs_own_name){.schema = name.schema, .name = name.name, .changed = true},
        arena);
}

static bool
is_table(const struct bs_effect *e)
{
    return e->object == BS_OBJECT_RELATION || e->object == BS_OBJECT_COLUMN;
}

static void
note_kind(struct bs_own *own, enum bs_kind kind)
{
    bool any = !bs_own_leaves_code(kind) && by_name[kind] == 0;

    own->code = own->code || any;
    own->relations = own->relations || any || moves_relations[kind] != 0;
    own->writes = own->writes || moves_writes[kind] != 0;
    own->keys = own->keys || !bs_own_leaves_code(kind) || moves_keys[kind] != 0;
}

static bool
sets_path(const struct bs_stmt *stmt)
{
    return (stmt->flags & BS_FLAG_SEARCH_PATH) != 0 ||
           (stmt->control == BS_CONTROL_SET &&
            (stmt->label == NULL || strcmp(stmt->label, "search_path") == 0));
}

/* A name may mean what it meant before: made in vain, dropped, or found in another schema. */
static void
doubt_made(struct bs_own *own, const struct bs_stmt *stmt)
{
    bool all = stmt->control == BS_CONTROL_ROLLBACK_TO || sets_path(stmt);

    for (size_t i = 0; i < stmt->n_effects; i++)
        all = all || takes_name[stmt->effects[i].kind] != 0;
    for (struct bs_own_name *n = own->names; all && n != NULL; n = n->next)
        n->perhaps = true;
}

/* Runs what is not harmless: a table that it makes or changes may run that again. */
static bool
runs_code(const struct bs_stmt *stmt)
{
    for (size_t i = 0; i < stmt->n_effects; i++) {
        if (stmt->effects[i].inside)
            return true;
    }
    return false;
}

static void
note_effect(struct bs_own *own,
            const struct bs_stmt *stmt,
            const struct bs_effect *e,
            struct bs_arena *arena)
{
    bool runs = runs_code(stmt), makes = makes_name(e->kind) && e->object == BS_OBJECT_RELATION;
    struct bs_own_name name = {.schema = e->name.schema, .name = e->name.name};

    note_kind(own, e->kind);
    /* What else a body's statement concerns, is not told. */
    own->keys = own->keys || (e->inside && is_ddl(e->kind) && !makes);
    if (by_name[e->kind] != 0) {
        name.code = true;
        name.temporary = (stmt->flags & BS_FLAG_TEMP) != 0;
        add(own, name, arena);
    } else if (makes) {
        name.plain = makes_table[e->kind] != 0 && !runs;
        name.temporary = (stmt->flags & BS_FLAG_TEMP) != 0;
        name.perhaps = e->missing_ok;
        add(own, name, arena);
    } else if (is_ddl(e->kind) && leaves_table[e->kind] == 0 && is_table(e)) {
        if (runs)
            add(own, name, arena);
        if (!is_made(own, e->name))
            add_changed(own, e->name, arena);
    }
}

/* A foreign key of a table that others have hangs its rows on what it refers to. */
static bool
concerns_others(const struct bs_own *own, const struct bs_stmt *stmt)
{
    for (size_t i = 0; i < stmt->n_effects; i++) {
        const struct bs_effect *e = &stmt->effects[i];
        if (is_table(e) && !makes_name(e->kind) && !is_made(own, e->name))
            return true;
    }
    return false;
}

bool
bs_own_goes_back(const struct bs_own *own, const struct bs_stmt *stmt)
{
    return own->asked && own->moved &&
           (stmt->control == BS_CONTROL_ROLLBACK || stmt->control == BS_CONTROL_ROLLBACK_TO);
}

/* Where the path says so, what is made without a schema is temporary. */
static bool
makes_anywhere(const struct bs_stmt *stmt)
{
    for (size_t i = 0; i < stmt->n_effects; i++) {
        const struct bs_effect *e = &stmt->effects[i];
        if (e->name.schema == NULL && (makes_name(e->kind) || by_name[e->kind] != 0))
            return true;
    }
    return false;
}

static bool
moves_temporary(const struct bs_own *own, const struct bs_stmt *stmt)
{
    return (stmt->flags & BS_FLAG_TEMP) != 0 || stmt->kind == BS_KIND_DISCARD ||
           stmt->kind == BS_KIND_DISCARD_ALL || makes_anywhere(stmt) ||
           (is_ddl(stmt->kind) && bs_own_has_temporary(own));
}

void
bs_own_note(struct bs_own *own, const struct bs_stmt *stmt, struct bs_arena *arena)
{
    bool temporary = (stmt->flags & BS_FLAG_TEMP) != 0, others;

    own->lost = own->lost || bs_own_goes_back(own, stmt);
    own->moved = own->moved || moves_temporary(own, stmt);

    /* Code that nobody has read, or a text that nobody could, may have done anything. */
    if (stmt->kind == BS_KIND_UNKNOWN ||
        (stmt->flags & (BS_FLAG_VOLATILE | BS_FLAG_DYNAMIC_SQL)) != 0) {
        own->lost = own->relations = own->code = own->moved = true;
        return;
    }
    doubt_made(own, stmt);
    note_kind(own, stmt->kind);
    own->classes = own->classes || (stmt->flags & (BS_FLAG_CLASSES | BS_FLAG_COPIES)) != 0;
    for (size_t i = 0; i < stmt->n_effects; i++)
        note_effect(own, stmt, &stmt->effects[i], arena);
    others = is_ddl(stmt->kind) && concerns_others(own, stmt);
    for (size_t i = 0; is_ddl(stmt->kind) && i < stmt->n_reads; i++) {
        if (others || !is_made(own, stmt->reads[i]))
            add_changed(own, stmt->reads[i], arena);
    }
    /* What is temporary stays, and is found before all others; not all of it is known by a name. */
    own->lost = own->lost || (temporary && is_ddl(stmt->kind) && by_name[stmt->kind] == 0 &&
                              !bs_own_leaves_code(stmt->kind));
}

struct bs_own
bs_own_copy(const struct bs_own *own, struct bs_arena *arena)
{
    struct bs_own copy = *own;
    struct bs_own_name **at = &copy.names;

    for (const struct bs_own_name *n = own->names; n != NULL; n = n->next) {
        struct bs_own_name *same = bs_arena_take(arena, sizeof(*same));
        if (same == NULL) {
            copy.lost = true;
            break;
        }
        *same = *n;
        *at = same;
        at = &same->next;
    }
    *at = NULL;
    return copy; /* `told` is never changed, only another one */
}

void
bs_own_end(struct bs_own *own)
{
    bool temporary = false;

    own->relations = own->code = own->keys = own->writes = own->moved = false;
    for (struct bs_own_name *n = own->names; n != NULL; n = n->next) {
        n->gone = n->gone || !n->temporary;
        temporary = temporary || !n->gone;
    }
    own->classes = own->classes && temporary; /* theirs */
}

static bool
may_be(const struct bs_own_name *n, struct bs_name name)
{
    bool schema = n->schema == NULL || name.schema == NULL || strcmp(n->schema, name.schema) == 0;

    return !n->gone && schema && strcmp(n->name, name.name) == 0;
}

/* The names that were noted, then those that the server told of. */
static const struct bs_own_name *
next_of(const struct bs_own *own, const struct bs_own_name *after)
{
    if (after == NULL)
        return own->names != NULL ? own->names : own->told;
    if (after->next != NULL)
        return after->next;
    /* The end of one of the lists: told ones have an oid. */
    return after->oid == 0 ? own->told : NULL;
}

const struct bs_own_name *
bs_own_next(const struct bs_own *own, struct bs_name name, const struct bs_own_name *after)
{
    const struct bs_own_name *n = next_of(own, after);

    while (n != NULL && (n->changed || n->code || !may_be(n, name)))
        n = next_of(own, n);
    return n;
}

const struct bs_own_name *
bs_own_next_told(const struct bs_own *own, struct bs_name name, const struct bs_own_name *after)
{
    const struct bs_own_name *n = after == NULL ? own->told : after->next;

    while (n != NULL && !may_be(n, name))
        n = n->next;
    return n;
}

bool
bs_own_has_temporary(const struct bs_own *own)
{
    const struct bs_own_name *n = next_of(own, NULL);

    while (n != NULL && (n->gone || !n->temporary))
        n = next_of(own, n);
    return n != NULL || own->lost;
}

enum bs_own_is
bs_own_read(const struct bs_own *own, struct bs_name name)
{
    const struct bs_own_name *n = NULL;
    enum bs_own_is is = BS_OWN_NOT;

    if (own->lost || own->relations)
        return BS_OWN_DOUBTFUL;
    while ((n = bs_own_next(own, name, n)) != NULL) {
        if (!n->plain || (n->oid != 0 && own->stale))
            return BS_OWN_DOUBTFUL;
        is = BS_OWN_PLAIN;
    }
    return is;
}

enum bs_own_is
bs_own_write(const struct bs_own *own, struct bs_name name, enum bs_own_use use)
{
    const struct bs_own_name *n = NULL;
    enum bs_own_is is = BS_OWN_NOT;

    if (own->lost || own->relations || own->writes || (own->keys && use == BS_OWN_TAKES))
        return BS_OWN_DOUBTFUL;
    while ((n = next_of(own, n)) != NULL) {
        if (n->code || !may_be(n, name) || (n->changed && use == BS_OWN_ADDS))
            continue;
        if (!n->plain || n->temporary)
            return BS_OWN_DOUBTFUL;
        is = BS_OWN_PLAIN;
    }
    return is;
}

static const char *
bare(const char *name)
{
    while (*name == '_')
        name++;
    return name;
}

/* Types come with an array, ranges with another one: their names are made of that one's, and are
 * cut where they are too long. */
static bool
may_be_made_with(const struct bs_own_name *n, struct bs_name name)
{
    const char *of = bare(n->name), *made = bare(name.name);
    bool cut = strlen(name.name) >= NAME_MAX_BYTES;

    if (!n->code || n->gone || (name.name[0] != '_' && strstr(made, "multirange") == NULL))
        return false;
    return strstr(made, "multirange") != NULL ||
           (cut ? strncmp(made, of, strlen(made)) == 0 : strcmp(made, of) == 0);
}

bool
bs_own_has_code(const struct bs_own *own, struct bs_name name)
{
    const struct bs_own_name *n = NULL;

    if (own->code)
        return true;
    while ((n = next_of(own, n)) != NULL) {
        if (n->oid != 0 && n->plain && !own->stale)
            continue; /* what it runs is told */
        if (!n->changed && (may_be(n, name) || may_be_made_with(n, name)))
            return true; /* a table's rows are a type */
    }
    return false;
}

bool
bs_own_has_function(const struct bs_own *own, struct bs_name name)
{
    const struct bs_own_name *n = NULL;

    if (own->code)
        return true;
    while ((n = next_of(own, n)) != NULL) {
        if (n->code && may_be(n, name))
            return true;
    }
    return false;
}
