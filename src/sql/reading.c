/*
 * reading.c - notes, without doubles. A statement may name the same operator a million times.
 */
#include "sql/reading.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "sql/rules.h"

#define SEEN_CALL   0x80000000u
#define MAX_REASONS 64

const char *
bs_reading_keep(struct bs_reading *r, const char *text)
{
    const char *copy = bs_arena_str(r->arena, text);

    if (copy != NULL || text == NULL)
        return copy;
    r->full = true;
    return "";
}

struct bs_name
bs_name_of_range(const RangeVar *range)
{
    return (struct bs_name){range->schemaname, range->relname == NULL ? "" : range->relname};
}

struct bs_name
bs_name_of_text(const char *name)
{
    return (struct bs_name){NULL, name == NULL ? "" : name};
}

struct bs_name
bs_name_of_list(const List *names)
{
    int n = bs_list_n(names);
    struct bs_name name = bs_name_of_text(bs_list_last_text(names));

    if (n >= 2)
        name.schema = bs_node_text(bs_list_at(names, n - 2));
    return name;
}

bool
bs_name_may_be_builtin(struct bs_name name)
{
    return name.schema == NULL || strcmp(name.schema, "pg_catalog") == 0;
}

bool
bs_name_is_system(struct bs_name name)
{
    const char *owner = name.schema == NULL ? name.name : name.schema;

    if (strncmp(owner, "pg_", 3) == 0)
        return strncmp(owner, "pg_temp", 7) != 0;
    return name.schema != NULL && strcmp(name.schema, "information_schema") == 0;
}

bool
bs_name_is_doubtful(struct bs_name name)
{
    return name.schema == NULL || strncmp(name.schema, "pg_temp", 7) == 0;
}

bool
bs_range_is_temp(const RangeVar *range)
{
    return range->relpersistence == RELPERSISTENCE_TEMP ||
           (range->schemaname != NULL && strncmp(range->schemaname, "pg_temp", 7) == 0);
}

/* Doubles an array in the arena where it has no room for one more; false where that fails. */
static bool
room(struct bs_reading *r, void **array, size_t n, size_t *cap, size_t each)
{
    size_t more = *cap == 0 ? 4 : *cap * 2;
    void *bigger;

    if (n < *cap)
        return true;
    bigger = bs_arena_array(r->arena, more, each);
    if (bigger == NULL) {
        r->full = true;
        return false;
    }
    if (n != 0)
        memcpy(bigger, *array, n * each);
    *array = bigger;
    *cap = more;
    return true;
}

void
bs_reading_name_list(struct bs_reading *r, const char ***list, size_t *n, const char *name)
{
    size_t cap = *n;

    /* Full at 4, 8, 16, ...: the count tells the capacity. */
    if (*n != 0 && (*n < 4 || (*n & (*n - 1)) != 0))
        cap = *n + 1;
    if (!room(r, (void **)(void *)list, *n, &cap, sizeof(**list)))
        return;
    (*list)[(*n)++] = bs_reading_keep(r, name);
}

static bool
has_reason(const struct bs_stmt *stmt, const char *code, const char *text)
{
    for (size_t i = 0; i < stmt->n_reasons; i++) {
        if (strcmp(stmt->reasons[i].code, code) == 0 && strcmp(stmt->reasons[i].text, text) == 0)
            return true;
    }
    return false;
}

/* `code` and `text` live as long as the statement. */
static void
add_reason(struct bs_reading *r, enum bs_risk risk, const char *code, const char *text)
{
    struct bs_stmt *stmt = r->stmt;

    if (!room(r, (void **)(void *)&stmt->reasons, stmt->n_reasons, &r->cap_reasons,
              sizeof(stmt->reasons[0])))
        return;
    stmt->reasons[stmt->n_reasons++] = (struct bs_reason){.code = code, .text = text, .risk = risk};
    stmt->risk = bs_risk_worse(stmt->risk, risk);
}

/* The last one stands for all that do not fit, and no catalog takes it back. */
static bool
is_crowded(struct bs_reading *r)
{
    if (r->stmt->n_reasons < MAX_REASONS)
        return false;
    if (r->stmt->n_reasons == MAX_REASONS)
        add_reason(r, BS_RISK_CRITICAL, "more", "there are more reasons than are kept");
    return true;
}

void
bs_reading_raise(struct bs_reading *r, enum bs_risk risk, const char *code, const char *fmt, ...)
{
    char text[256];
    va_list ap;

    if (is_crowded(r))
        return;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (!has_reason(r->stmt, code, text))
        add_reason(r, risk, code, bs_reading_keep(r, text));
}

static void
raise_kind(struct bs_reading *r, enum bs_kind kind, enum bs_risk risk)
{
    const char *text = bs_kind_is(kind, risk);

    if (!is_crowded(r) && !has_reason(r->stmt, "kind", text))
        add_reason(r, risk, "kind", text);
}

enum bs_point
bs_point_worse(enum bs_point a, enum bs_point b)
{
    if (a == BS_POINT_UNKNOWN || b == BS_POINT_UNKNOWN)
        return BS_POINT_UNKNOWN;
    return a > b ? a : b;
}

void
bs_reading_point(struct bs_reading *r, enum bs_point point)
{
    r->stmt->plain_point = bs_point_worse(r->stmt->plain_point, point);
}

void
bs_reading_enter_as(struct bs_reading *r, enum bs_kind kind, enum bs_risk risk, enum bs_point point)
{
    uint8_t bit = (uint8_t)(1u << (kind % 8));

    if (!r->top_known) {
        r->top_known = true;
        r->stmt->kind = kind;
    }
    if (bs_reading_dormant(r))
        return;
    r->stmt->flags |= bs_kind_flags(kind);
    bs_reading_point(r, point);
    if (risk == BS_RISK_SAFE)
        return;
    if ((r->kinds[kind / 8] & bit) != 0 && bs_risk_worse(r->stmt->risk, risk) == r->stmt->risk)
        return;
    r->kinds[kind / 8] |= bit;
    raise_kind(r, kind, risk);
}

void
bs_reading_enter(struct bs_reading *r, enum bs_kind kind)
{
    bs_reading_enter_as(r, kind, bs_kind_risk(kind), bs_kind_point(kind));
}

/* Catalogs are not put back by anything we keep; upkeep of them loses nothing. */
static void
check_system(struct bs_reading *r, enum bs_kind kind, struct bs_name name)
{
    if (!bs_name_is_system(name) || bs_kind_point(kind) == BS_POINT_NONE)
        return;
    bs_reading_raise(r, BS_RISK_CRITICAL, "system_catalog", "%s belongs to the server's catalogs",
                     name.name);
    bs_reading_point(r, BS_POINT_UNKNOWN);
}

struct bs_effect *
bs_reading_effect(struct bs_reading *r,
                  enum bs_kind kind,
                  enum bs_object object,
                  struct bs_name name)
{
    struct bs_stmt *stmt = r->stmt;
    bool relation = object == BS_OBJECT_RELATION || object == BS_OBJECT_COLUMN;

    r->scratch = (struct bs_effect){.rows = -1};
    if (bs_reading_dormant(r)) {
        if (relation)
            bs_reading_read(r, name);
        return &r->scratch;
    }
    if (relation)
        check_system(r, kind, name);
    if (name.schema != NULL && strncmp(name.schema, "pg_temp", 7) == 0)
        stmt->flags |= BS_FLAG_TEMP;
    if (!room(r, (void **)(void *)&stmt->effects, stmt->n_effects, &r->cap_effects,
              sizeof(stmt->effects[0])))
        return &r->scratch;
    stmt->effects[stmt->n_effects] = (struct bs_effect){
        .kind = kind,
        .object = object,
        .name = {bs_reading_keep(r, name.schema), bs_reading_keep(r, name.name)},
        .rows = -1,
    };
    return &stmt->effects[stmt->n_effects++];
}

static uint32_t
mix(uint32_t h, const char *text)
{
    for (; text != NULL && *text != '\0'; text++)
        h = (h ^ (uint8_t)*text) * 16777619u;
    return (h ^ 0xffu) * 16777619u;
}

static uint32_t
hash_of(struct bs_name name, uint32_t salt)
{
    uint32_t h = mix(mix(2166136261u ^ salt, name.schema), name.name);

    return h ^ h >> 15;
}

static bool
same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool
same_name(struct bs_name a, struct bs_name b)
{
    return strcmp(a.name, b.name) == 0 && same_text(a.schema, b.schema);
}

#define CALL_SALT(kind, n_args) (((uint32_t)(kind) + 1) << 16 ^ (uint32_t)(n_args))

static uint32_t
hash_of_entry(const struct bs_reading *r, uint32_t entry)
{
    const struct bs_call *call;

    if ((entry & SEEN_CALL) == 0)
        return hash_of(r->stmt->reads[entry - 1], 0);
    call = &r->stmt->calls[(entry & ~SEEN_CALL) - 1];
    return hash_of(call->name, CALL_SALT(call->kind, call->n_args));
}

static void
seen_place(uint32_t *seen, size_t cap, uint32_t hash, uint32_t entry)
{
    size_t at = hash & (cap - 1);

    while (seen[at] != 0)
        at = (at + 1) & (cap - 1);
    seen[at] = entry;
}

static void
seen_add(struct bs_reading *r, uint32_t hash, uint32_t entry)
{
    if (++r->n_seen * 2 > r->cap_seen) {
        size_t cap = r->cap_seen * 2;
        uint32_t *bigger = bs_arena_array(r->arena, cap, sizeof(*bigger));
        if (bigger == NULL) {
            r->full = true;
            return;
        }
        for (size_t i = 0; i < r->cap_seen; i++) {
            if (r->seen[i] != 0)
                seen_place(bigger, cap, hash_of_entry(r, r->seen[i]), r->seen[i]);
        }
        r->seen = bigger;
        r->cap_seen = cap;
    }
    seen_place(r->seen, r->cap_seen, hash, entry);
}

void
bs_reading_read(struct bs_reading *r, struct bs_name name)
{
    struct bs_stmt *stmt = r->stmt;
    uint32_t hash = hash_of(name, 0);

    for (size_t at = hash & (r->cap_seen - 1); r->seen[at] != 0;
         at = (at + 1) & (r->cap_seen - 1)) {
        if ((r->seen[at] & SEEN_CALL) == 0 && same_name(stmt->reads[r->seen[at] - 1], name))
            return;
    }
    if (!room(r, (void **)(void *)&stmt->reads, stmt->n_reads, &r->cap_reads,
              sizeof(stmt->reads[0])))
        return;
    stmt->reads[stmt->n_reads++] =
        (struct bs_name){bs_reading_keep(r, name.schema), bs_reading_keep(r, name.name)};
    seen_add(r, hash, (uint32_t)stmt->n_reads);
}

static const struct {
    const char *code, *what;
} unlisted[] = {
    [BS_CALL_FUNCTION] = {BS_REASON_UNLISTED_FUNCTION, "function"},
    [BS_CALL_OPERATOR] = {BS_REASON_UNLISTED_OPERATOR, "operator"},
    [BS_CALL_TYPE] = {BS_REASON_UNLISTED_TYPE, "type"},
    [BS_CALL_FIELD] = {BS_REASON_UNLISTED_FIELD, "field"},
};

/* What a call that was not noted before does to the statement. */
static void
judge_call(struct bs_reading *r, const struct bs_call *call, struct bs_builtin known)
{
    r->stmt->flags |= known.flags;
    if (!call->listed)
        bs_reading_raise(r, BS_RISK_CRITICAL, unlisted[call->kind].code,
                         "%s %s%s%s is not known to be harmless", unlisted[call->kind].what,
                         call->name.schema == NULL ? "" : call->name.schema,
                         call->name.schema == NULL ? "" : ".", call->name.name);
    else if (known.risk != BS_RISK_SAFE)
        bs_reading_raise(r, known.risk, "function", "function %s is %s", call->name.name,
                         bs_risk_name(known.risk));
    if (call->listed && !bs_reading_dormant(r))
        bs_reading_point(r, known.point);
}

void
bs_reading_call(struct bs_reading *r,
                enum bs_call_kind kind,
                struct bs_name name,
                int n_args,
                struct bs_builtin known)
{
    struct bs_stmt *stmt = r->stmt;
    uint32_t hash = hash_of(name, CALL_SALT(kind, n_args));

    for (size_t at = hash & (r->cap_seen - 1); r->seen[at] != 0;
         at = (at + 1) & (r->cap_seen - 1)) {
        const struct bs_call *call;
        if ((r->seen[at] & SEEN_CALL) == 0)
            continue;
        call = &stmt->calls[(r->seen[at] & ~SEEN_CALL) - 1];
        if (call->kind == kind && call->n_args == n_args && same_name(call->name, name))
            return;
    }
    if (!room(r, (void **)(void *)&stmt->calls, stmt->n_calls, &r->cap_calls,
              sizeof(stmt->calls[0])))
        return;
    stmt->calls[stmt->n_calls++] = (struct bs_call){
        .kind = kind,
        .name = {bs_reading_keep(r, name.schema), bs_reading_keep(r, name.name)},
        .n_args = n_args,
        .listed = known.risk == BS_RISK_SAFE || known.risk == BS_RISK_HIGH,
        .risk = known.risk == BS_RISK_UNKNOWN ? BS_RISK_CRITICAL : known.risk,
    };
    seen_add(r, hash, (uint32_t)stmt->n_calls | SEEN_CALL);
    judge_call(r, &stmt->calls[stmt->n_calls - 1], known);
}

static void
visit(void *with, const Node *node)
{
    struct bs_reading *r = with;
    bs_read_fn *read = bs_rule_of(node->type);

    if (r->full) {
        r->walk.n = 0;
        return;
    }
    if (read != NULL) {
        read(r, node);
        return;
    }
    bs_reading_raise(r, BS_RISK_CRITICAL, "unknown_node",
                     "node %d of the grammar is not understood", (int)node->type);
    bs_reading_point(r, BS_POINT_UNKNOWN);
    bs_walk_push_children(&r->walk, node, NULL, NULL);
}

/* What is only known when all has been read. */
static void
finish(struct bs_reading *r)
{
    struct bs_stmt *stmt = r->stmt;

    if (!r->top_known) {
        stmt->kind = BS_KIND_UNKNOWN;
        bs_reading_raise(r, BS_RISK_CRITICAL, "unknown_kind", "the statement is of no known kind");
        bs_reading_point(r, BS_POINT_UNKNOWN);
    }
    if (r->locks_rows && stmt->kind == BS_KIND_SELECT)
        stmt->kind = BS_KIND_SELECT_FOR_UPDATE;
    if (r->walk.too_large) {
        bs_reading_raise(r, BS_RISK_CRITICAL, "too_large", "the statement is too large to be read");
        bs_reading_point(r, BS_POINT_UNKNOWN);
    }
    bs_stmt_settle_calls(stmt);
}

void
bs_reading_init(struct bs_reading *r, struct bs_arena *arena, struct bs_stmt *stmt)
{
    memset(r, 0, offsetof(struct bs_reading, walk));
    r->arena = arena;
    r->stmt = stmt;
}

void
bs_reading_run(struct bs_reading *r, const Node *node)
{
    r->seen = r->first_seen;
    r->cap_seen = BS_READING_SEEN;
    r->stmt->risk = BS_RISK_SAFE;
    r->stmt->plain_point = BS_POINT_NONE;
    bs_walk_push(&r->walk, node);
    bs_walk_run(&r->walk, visit, r);
    finish(r);
}
