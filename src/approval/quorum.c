/*
 * quorum.c - sets of groups and counts. What is damaged is met by nobody: it cannot be read.
 */
#include "approval/quorum.h"

#include <jansson.h>
#include <string.h>

#include "state/rows.h"

static bool
is_in(const char *group, const char *const *groups, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(groups[i], group) == 0)
            return true;
    }
    return false;
}

/* Whoever is in one of `a` is in one of `b`, too. */
static bool
is_within(const struct bs_need *a, const struct bs_need *b)
{
    if (b->n_groups == 0)
        return true;
    for (size_t i = 0; i < a->n_groups; i++) {
        if (!is_in(a->groups[i], b->groups, b->n_groups))
            return false;
    }
    return a->n_groups != 0;
}

enum bs_done
bs_approvals_need(struct bs_approvals *into,
                  const struct bs_need *need,
                  struct bs_arena *arena,
                  struct bs_err *err)
{
    struct bs_need *grown = bs_arena_array(arena, into->n_needs + 1, sizeof(*grown));
    size_t n = 0;

    if (grown == NULL)
        return BS_FAIL(err, LIMIT, "the approvals that are needed do not fit");
    for (; n < into->n_needs; n++)
        grown[n] = into->needs[n];
    for (size_t i = 0; i < n; i++) {
        if (!is_within(&grown[i], need) || !is_within(need, &grown[i]))
            continue;
        if (grown[i].quorum < need->quorum)
            grown[i].quorum = need->quorum;
        into->needs = grown;
        return BS_DONE;
    }
    grown[n] = *need;
    into->needs = grown;
    into->n_needs = n + 1;
    return BS_DONE;
}

enum bs_done
bs_approvals_add(struct bs_approvals *into,
                 const struct bs_approvals *more,
                 struct bs_arena *arena,
                 struct bs_err *err)
{
    for (size_t i = 0; i < more->n_needs; i++) {
        if (bs_approvals_need(into, &more->needs[i], arena, err) != BS_DONE)
            return BS_FAILED;
    }
    into->reason = into->reason || more->reason;
    into->exclude_owner = into->exclude_owner || more->exclude_owner;
    return BS_DONE;
}

/* What meets one of `all` meets the need. One approval, by anybody, is always asked for. */
static bool
is_implied(const struct bs_need *need, const struct bs_approvals *all)
{
    if (need->quorum <= 1 && need->n_groups == 0)
        return true;
    for (size_t i = 0; i < all->n_needs; i++) {
        if (all->needs[i].quorum >= need->quorum && is_within(&all->needs[i], need))
            return true;
    }
    return false;
}

bool
bs_approvals_exceed(const struct bs_approvals *a, const struct bs_approvals *b)
{
    for (size_t i = 0; i < a->n_needs; i++) {
        if (!is_implied(&a->needs[i], b))
            return true;
    }
    return (a->reason && !b->reason) || (a->exclude_owner && !b->exclude_owner);
}

bool
bs_approvals_choose(const struct bs_approvals *a)
{
    bool choose = a->exclude_owner;

    for (size_t i = 0; i < a->n_needs; i++)
        choose = choose || a->needs[i].quorum > 1 || a->needs[i].n_groups != 0;
    return choose;
}

/* --- as a text --- */

char *
bs_approvals_write(const struct bs_approvals *a)
{
    json_t *needs = json_array();
    json_t *root = json_pack("{s:i,s:o,s:b,s:b}", "v", 1, "needs", needs, "require_reason",
                             a->reason, "exclude_owner", a->exclude_owner);
    char *text;

    for (size_t i = 0; i < a->n_needs; i++) {
        json_t *groups = json_array();
        for (size_t k = 0; k < a->needs[i].n_groups; k++)
            (void)json_array_append_new(groups, json_string(a->needs[i].groups[k]));
        (void)json_array_append_new(
            needs,
            json_pack("{s:I,s:o}", "quorum", (json_int_t)a->needs[i].quorum, "groups", groups));
    }
    text = json_dumps(root, JSON_COMPACT);
    json_decref(root);
    bs_assert(text != NULL); /* groups are plain names */
    return text;
}

static enum bs_done
read_need(json_t *item, struct bs_arena *arena, struct bs_need *out, struct bs_err *err)
{
    json_t *groups = json_object_get(item, "groups"), *group;
    const char **list = bs_arena_array(arena, json_array_size(groups) + 1, sizeof(*list));
    size_t i;

    out->quorum = json_integer_value(json_object_get(item, "quorum"));
    if (out->quorum < 1 || !json_is_array(groups))
        return BS_FAIL(err, DATA, "the approvals that the ticket needs are damaged");
    json_array_foreach(groups, i, group)
    {
        if (!json_is_string(group))
            return BS_FAIL(err, DATA, "the approvals that the ticket needs are damaged");
        if (list == NULL || (list[i] = bs_arena_str(arena, json_string_value(group))) == NULL)
            return BS_FAIL(err, LIMIT, "the approvals that the ticket needs do not fit");
    }
    out->groups = list;
    out->n_groups = json_array_size(groups);
    return BS_DONE;
}

static enum bs_done
read_approvals(json_t *root, struct bs_arena *arena, struct bs_approvals *out, struct bs_err *err)
{
    json_t *needs = json_object_get(root, "needs"), *item;
    struct bs_need *list = bs_arena_array(arena, json_array_size(needs) + 1, sizeof(*list));
    size_t i;

    if (json_integer_value(json_object_get(root, "v")) != 1 || !json_is_array(needs))
        return BS_FAIL(err, DATA, "the approvals that the ticket needs are damaged");
    if (list == NULL)
        return BS_FAIL(err, LIMIT, "the approvals that the ticket needs do not fit");
    json_array_foreach(needs, i, item)
    {
        if (read_need(item, arena, &list[i], err) != BS_DONE)
            return BS_FAILED;
    }
    out->needs = list;
    out->n_needs = json_array_size(needs);
    out->reason = json_is_true(json_object_get(root, "require_reason"));
    out->exclude_owner = json_is_true(json_object_get(root, "exclude_owner"));
    return BS_DONE;
}

enum bs_done
bs_approvals_read(const char *json,
                  struct bs_arena *arena,
                  struct bs_approvals *out,
                  struct bs_err *err)
{
    json_t *root;
    enum bs_done done;

    *out = (struct bs_approvals){0};
    if (json == NULL)
        return BS_DONE;
    root = json_loads(json, JSON_REJECT_DUPLICATES, NULL);
    done = read_approvals(root, arena, out, err);
    json_decref(root);
    return done;
}

/* --- counting --- */

bool
bs_need_takes(const struct bs_need *need, const char *const *groups, size_t n_groups)
{
    for (size_t i = 0; i < n_groups; i++) {
        if (is_in(groups[i], need->groups, need->n_groups))
            return true;
    }
    return need->n_groups == 0;
}

static bool
counts(const struct bs_need *need, const struct bs_said_row *said)
{
    return said->said == BS_SAID_APPROVE && said->in_force &&
           bs_need_takes(need, said->groups, said->n_groups);
}

/* Humans are counted, whatever operators they hold. */
int64_t
bs_need_count(const struct bs_need *need, const struct bs_said_row *said, size_t n)
{
    int64_t count = 0;

    for (size_t i = 0; i < n; i++) {
        const struct bs_human human = bs_said_human(&said[i]);
        bool again = false;
        for (size_t j = 0; j < i && !again; j++) {
            const struct bs_human other = bs_said_human(&said[j]);
            again = counts(need, &said[j]) && bs_humans_same(&human, &other);
        }
        count += counts(need, &said[i]) && !again;
    }
    return count;
}

bool
bs_approvals_met(const struct bs_approvals *a, const struct bs_said_row *said, size_t n)
{
    static const struct bs_need one = {.quorum = 1};

    for (size_t i = 0; i < a->n_needs; i++) {
        if (bs_need_count(&a->needs[i], said, n) < a->needs[i].quorum)
            return false;
    }
    return bs_need_count(&one, said, n) >= one.quorum;
}

bool
bs_approvals_take(const struct bs_approvals *a, const char *const *groups, size_t n_groups)
{
    for (size_t i = 0; i < a->n_needs; i++) {
        if (bs_need_takes(&a->needs[i], groups, n_groups))
            return true;
    }
    return a->n_needs == 0;
}

const char *
bs_need_text(const struct bs_need *need, struct bs_arena *arena)
{
    const char *text = bs_arena_fmt(arena, "%lld", (long long)need->quorum);

    for (size_t i = 0; text != NULL && i < need->n_groups; i++)
        text = bs_arena_fmt(arena, "%s%s%s", text, i == 0 ? " of " : " or ", need->groups[i]);
    return text;
}
