/*
 * builtins.c - one hash table over all names, built when the table is generated, so that a look-up
 * is a hash and mostly one comparison.
 */
#include "sql/builtins.h"

#include <stddef.h>
#include <string.h>

#include "sql/classify.h"

enum sort { FUNCTION = 1, HELPER, OPERATOR, TYPE };

struct builtin {
    const char *name;
    enum sort sort;
    enum bs_risk risk;
    enum bs_point point;
    int n_args; /* the only number of arguments that is meant; -1: any */
    uint32_t flags;
};

#include "sql/builtins_table.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* FNV-1a, as hash_of in script/gen-builtins. */
static uint32_t
hash_of(enum sort sort, const char *name)
{
    uint32_t h = 2166136261u ^ (uint32_t)sort;

    for (const char *at = name; *at != '\0'; at++)
        h = (h ^ (uint8_t)*at) * 16777619u;
    return h;
}

static const struct builtin *
find(enum sort sort, const char *name)
{
    for (size_t at = hash_of(sort, name) % COUNT(slots); slots[at] != 0;
         at = (at + 1) % COUNT(slots)) {
        const struct builtin *b = &builtins[slots[at] - 1];
        if (b->sort == sort && strcmp(b->name, name) == 0)
            return b;
    }
    return NULL;
}

struct bs_builtin
bs_builtin_function(const char *name, int n_args)
{
    const struct builtin *b = find(FUNCTION, name);

    if (b == NULL)
        return (struct bs_builtin){BS_RISK_UNKNOWN, BS_POINT_UNKNOWN, 0};
    /* Such a name has a form that runs SQL given as text: ts_rewrite(query, 'SELECT ...'). */
    if (b->n_args != -1 && b->n_args != n_args)
        return (struct bs_builtin){BS_RISK_CRITICAL, BS_POINT_UNKNOWN, BS_FLAG_DYNAMIC_SQL};
    return (struct bs_builtin){b->risk, b->point, b->flags};
}

bool
bs_builtin_oid_listed(uint32_t oid)
{
    size_t low = 0, high = COUNT(oids);

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (oids[middle] == oid)
            return true;
        if (oids[middle] < oid)
            low = middle + 1;
        else
            high = middle;
    }
    return false;
}

bool
bs_builtin_information_schema(const char *name)
{
    return find(HELPER, name) != NULL;
}

bool
bs_builtin_operator(const char *symbol)
{
    return find(OPERATOR, symbol) != NULL;
}

bool
bs_builtin_type(const char *name)
{
    return find(TYPE, name) != NULL;
}
