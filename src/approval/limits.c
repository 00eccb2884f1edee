/*
 * limits.c - what is not understood does not cover.
 */
#include "approval/limits.h"

#include <jansson.h>
#include <string.h>

bool
bs_rows_grown(int64_t approved, int64_t now, bool by_key)
{
    int64_t more;

    /* What was not measured when it was approved covers any number; what is not now, none. */
    if (approved < 0)
        return false;
    if (now < 0)
        return true;
    if (now <= approved)
        return false;
    more = now - approved;
    return by_key || (more > 10 && more > approved / 10);
}

char *
bs_limits_write(const struct bs_limits *limits)
{
    json_t *tables = json_array();
    json_t *root = json_pack("{s:i,s:o,s:s?,s:s?,s:s?}", "v", 1, "tables", tables, "plan",
                             limits->plan, "grade", limits->grade, "decision", limits->decision);
    char *text;

    for (size_t i = 0; root != NULL && i < limits->n_tables; i++) {
        const struct bs_limit_table *t = &limits->tables[i];
        (void)json_array_append_new(tables, json_pack("{s:s,s:I,s:b}", "name", t->name, "rows",
                                                      (json_int_t)t->rows, "by_key", t->by_key));
    }
    text = json_dumps(root, JSON_COMPACT);
    json_decref(root);
    bs_assert(text != NULL); /* names are UTF-8: see limits.h */
    return text;
}

/* --- reading --- */

/* NULL past the arena's ceiling sets `full`; a missing or null member is NULL. */
static const char *
text_of(json_t *root, const char *key, struct bs_arena *arena, bool *full)
{
    const char *text = json_string_value(json_object_get(root, key));
    const char *copy = bs_arena_str(arena, text);

    *full = *full || (text != NULL && copy == NULL);
    return copy;
}

static enum bs_done
read_table(json_t *item, struct bs_arena *arena, struct bs_limit_table *t, struct bs_err *err)
{
    json_t *rows = json_object_get(item, "rows");
    bool full = false;

    t->name = text_of(item, "name", arena, &full);
    if (full)
        return BS_FAIL(err, LIMIT, "the limits of the ticket do not fit");
    if (t->name == NULL || !json_is_integer(rows))
        return BS_FAIL(err, DATA, "the limits of the ticket are damaged");
    t->rows = json_integer_value(rows);
    t->by_key = json_is_true(json_object_get(item, "by_key"));
    return BS_DONE;
}

static enum bs_done
read_limits(json_t *root, struct bs_arena *arena, struct bs_limits *out, struct bs_err *err)
{
    json_t *list = json_object_get(root, "tables");
    size_t n = json_array_size(list);
    struct bs_limit_table *tables = bs_arena_array(arena, n + 1, sizeof(*tables));
    bool full = tables == NULL;

    if (json_integer_value(json_object_get(root, "v")) != 1 || !json_is_array(list))
        return BS_FAIL(err, DATA, "the limits of the ticket are damaged");
    out->plan = text_of(root, "plan", arena, &full);
    out->grade = text_of(root, "grade", arena, &full);
    out->decision = text_of(root, "decision", arena, &full);
    if (full)
        return BS_FAIL(err, LIMIT, "the limits of the ticket do not fit");
    for (size_t i = 0; i < n; i++) {
        if (read_table(json_array_get(list, i), arena, &tables[i], err) != BS_DONE)
            return BS_FAILED;
    }
    out->tables = tables;
    out->n_tables = n;
    return BS_DONE;
}

enum bs_done
bs_limits_read(const char *json, struct bs_arena *arena, struct bs_limits *out, struct bs_err *err)
{
    json_t *root = json == NULL ? NULL : json_loads(json, JSON_REJECT_DUPLICATES, NULL);
    enum bs_done done;

    *out = (struct bs_limits){0};
    done = read_limits(root, arena, out, err);
    json_decref(root);
    return done;
}

/* --- comparing --- */

/* Words in order of strength; what is not among them is 0 and never enough. */
static size_t
rank(const char *word, const char *const *words, size_t n)
{
    for (size_t i = 0; word != NULL && i < n; i++) {
        if (strcmp(words[i], word) == 0)
            return i + 1;
    }
    return 0;
}

static const char *const grades[] = {"none", "stored", "read-back", "restored"};
static const char *const decisions[] = {"allow", "approve", "block"};

static bool
same(const char *a, const char *b)
{
    return a != NULL && b != NULL && strcmp(a, b) == 0;
}

static const struct bs_limit_table *
find_table(const struct bs_limits *l, const char *name)
{
    for (size_t i = 0; i < l->n_tables; i++) {
        if (strcmp(l->tables[i].name, name) == 0)
            return &l->tables[i];
    }
    return NULL;
}

static enum bs_done
cover_tables(const struct bs_limits *approved, const struct bs_limits *now, struct bs_err *err)
{
    for (size_t i = 0; i < now->n_tables; i++) {
        const struct bs_limit_table *n = &now->tables[i];
        const struct bs_limit_table *a = find_table(approved, n->name);
        if (a == NULL)
            return BS_FAIL(err, STALE, "it now also reaches \"%.150s\"", n->name);
        if (bs_rows_grown(a->rows, n->rows, a->by_key))
            return BS_FAIL(err, STALE, "\"%.150s\": %lld rows were approved, now it is %lld",
                           n->name, (long long)a->rows, (long long)n->rows);
    }
    return BS_DONE;
}

enum bs_done
bs_limits_cover(const struct bs_limits *approved, const struct bs_limits *now, struct bs_err *err)
{
    size_t had = rank(approved->grade, grades, 4), has = rank(now->grade, grades, 4);
    size_t was = rank(approved->decision, decisions, 3), is = rank(now->decision, decisions, 3);

    if (!same(approved->plan, now->plan))
        return BS_FAIL(err, STALE, "the recovery plan is another one");
    if (had == 0 || has < had)
        return BS_FAIL(err, STALE, "the proof of the recovery point is weaker");
    if (was == 0 || is == 0 || is > was)
        return BS_FAIL(err, STALE, "the policy is stricter now");
    return cover_tables(approved, now, err);
}
