/*
 * savepoints.c - a list, since transactions have few; names may be used more than once.
 */
#include "gateway/savepoints.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "gateway/names.h"

struct bs_savepoint {
    char name[BS_SQL_NAME_MAX + 1];
    uint64_t at;
    bool sure;
};

uint64_t
bs_savepoints_tick(struct bs_savepoints *s)
{
    return ++s->now;
}

void
bs_savepoints_put(struct bs_savepoints *s, const char *name, bool sure)
{
    struct bs_savepoint *new;

    if (s->n == s->cap) {
        s->cap = s->cap == 0 ? 8 : s->cap * 2;
        s->list = bs_realloc(s->list, s->cap * sizeof(*s->list));
    }
    new = &s->list[s->n++];
    (void)snprintf(new->name, sizeof(new->name), "%s", name);
    new->at = bs_savepoints_tick(s);
    new->sure = sure;
}

/* The latest that `name` means for sure, by its place from 1; 0: none, or it is not sure. */
static size_t
latest(const struct bs_savepoints *s, const char *name)
{
    size_t found = 0;

    for (size_t i = 0; i < s->n; i++) {
        if (strcmp(s->list[i].name, name) != 0)
            continue;
        if (!s->list[i].sure)
            return 0;
        found = i + 1;
    }
    return found;
}

void
bs_savepoints_release(struct bs_savepoints *s, const char *name)
{
    size_t at = latest(s, name);

    if (at != 0)
        s->n = at - 1;
}

uint64_t
bs_savepoints_back(struct bs_savepoints *s, const char *name)
{
    size_t at = latest(s, name);

    if (at != 0) {
        s->n = at; /* it stays, those after it are gone */
        return s->list[at - 1].at;
    }
    for (size_t i = 0; i < s->n; i++) {
        if (strcmp(s->list[i].name, name) == 0)
            return s->list[i].at;
    }
    return 0;
}

void
bs_savepoints_clear(struct bs_savepoints *s)
{
    free(s->list);
    *s = (struct bs_savepoints){0};
}
