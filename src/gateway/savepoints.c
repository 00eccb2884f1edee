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
};

uint64_t
bs_savepoints_tick(struct bs_savepoints *s)
{
    return ++s->now;
}

void
bs_savepoints_put(struct bs_savepoints *s, const char *name)
{
    struct bs_savepoint *new;

    if (s->n == s->cap) {
        s->cap = s->cap == 0 ? 8 : s->cap * 2;
        s->list = bs_realloc(s->list, s->cap * sizeof(*s->list));
    }
    new = &s->list[s->n++];
    (void)snprintf(new->name, sizeof(new->name), "%s", name);
    new->at = bs_savepoints_tick(s);
}

/* What `name` means, by its place from 1; 0: nothing. */
static size_t
latest(const struct bs_savepoints *s, const char *name)
{
    size_t found = 0;

    for (size_t i = 0; i < s->n; i++) {
        if (strcmp(s->list[i].name, name) == 0)
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

    if (at == 0)
        return 0;
    s->n = at; /* it stays, those after it are gone */
    return s->list[at - 1].at;
}

const char *
bs_savepoints_oldest(const struct bs_savepoints *s)
{
    return s->n == 0 ? NULL : s->list[0].name;
}

void
bs_savepoints_clear(struct bs_savepoints *s)
{
    free(s->list);
    *s = (struct bs_savepoints){0};
}
