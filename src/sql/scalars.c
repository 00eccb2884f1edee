/*
 * scalars.c - dates are taken in one form only, the one that no setting can turn around.
 */
#include "sql/scalars.h"

#include <stddef.h>
#include <string.h>

/* clang-format off */
static const struct bs_scalar scalars[] = {
    {16, "bool", BS_INPUT_PLAIN},      {17, "bytea", BS_INPUT_PLAIN},
    {18, "char", BS_INPUT_PLAIN},      {19, "name", BS_INPUT_PLAIN},
    {20, "int8", BS_INPUT_PLAIN},      {21, "int2", BS_INPUT_PLAIN},
    {23, "int4", BS_INPUT_PLAIN},      {25, "text", BS_INPUT_PLAIN},
    {26, "oid", BS_INPUT_PLAIN},       {27, "tid", BS_INPUT_PLAIN},
    {114, "json", BS_INPUT_PLAIN},     {650, "cidr", BS_INPUT_PLAIN},
    {700, "float4", BS_INPUT_PLAIN},   {701, "float8", BS_INPUT_PLAIN},
    {774, "macaddr8", BS_INPUT_PLAIN}, {829, "macaddr", BS_INPUT_PLAIN},
    {869, "inet", BS_INPUT_PLAIN},     {1042, "bpchar", BS_INPUT_PLAIN},
    {1043, "varchar", BS_INPUT_PLAIN}, {1082, "date", BS_INPUT_DATE},
    {1083, "time", BS_INPUT_TIME},     {1114, "timestamp", BS_INPUT_TIMESTAMP},
    {1184, "timestamptz", BS_INPUT_ZONED}, {1186, "interval", BS_INPUT_INTERVAL},
    {1700, "numeric", BS_INPUT_PLAIN}, {2950, "uuid", BS_INPUT_PLAIN},
    {BS_SCALAR_ENUM, NULL, BS_INPUT_PLAIN}, {3802, "jsonb", BS_INPUT_PLAIN},
};
/* clang-format on */

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

const struct bs_scalar *
bs_scalar_of(uint32_t oid)
{
    for (size_t i = 0; i < COUNT(scalars); i++) {
        if (scalars[i].oid == oid)
            return &scalars[i];
    }
    return NULL;
}

const struct bs_scalar *
bs_scalar_named(const char *name)
{
    for (size_t i = 0; i < COUNT(scalars); i++) {
        if (scalars[i].name != NULL && strcmp(scalars[i].name, name) == 0)
            return &scalars[i];
    }
    return NULL;
}

/* Exactly n digits; moves on. */
static bool
digits(const char **at, int n)
{
    for (int i = 0; i < n; i++) {
        if (**at < '0' || **at > '9')
            return false;
        (*at)++;
    }
    return true;
}

static bool
one(const char **at, const char *of)
{
    if (**at == '\0' || strchr(of, **at) == NULL)
        return false;
    (*at)++;
    return true;
}

static bool
is_date(const char **at)
{
    return digits(at, 4) && one(at, "-") && digits(at, 2) && one(at, "-") && digits(at, 2);
}

/* HH:MM, then seconds and their fraction where they are given. */
static bool
is_time(const char **at)
{
    if (!digits(at, 2) || !one(at, ":") || !digits(at, 2))
        return false;
    if (one(at, ":") && !digits(at, 2))
        return false;
    if (one(at, ".") && !digits(at, 1))
        return false;
    while (digits(at, 1))
        ;
    return true;
}

static bool
is_zone(const char **at)
{
    if (one(at, "Zz"))
        return true;
    if (!one(at, "+-") || !digits(at, 2))
        return false;
    (void)one(at, ":");
    return **at == '\0' || digits(at, 2);
}

/* A whole number of one unit. */
static bool
is_interval(const char *at)
{
    static const char *const units[] = {"second", "minute", "hour", "day", "week", "month", "year"};
    size_t n;

    if (!digits(&at, 1))
        return false;
    while (digits(&at, 1))
        ;
    if (!one(&at, " "))
        return false;
    n = strlen(at);
    n -= n != 0 && at[n - 1] == 's';
    for (size_t i = 0; i < COUNT(units); i++) {
        if (strlen(units[i]) == n && strncmp(units[i], at, n) == 0)
            return true;
    }
    return false;
}

bool
bs_scalar_is_steady(const struct bs_scalar *type, const char *literal)
{
    const char *at = literal;
    bool fits = false;

    if (strchr(literal, '\\') != NULL)
        return false;
    switch (type == NULL ? BS_INPUT_PLAIN : type->input) {
    case BS_INPUT_PLAIN:
        return true;
    case BS_INPUT_DATE:
        fits = is_date(&at);
        break;
    case BS_INPUT_TIME:
        fits = is_time(&at);
        break;
    case BS_INPUT_TIMESTAMP:
        fits = is_date(&at) && (*at == '\0' || (one(&at, " T") && is_time(&at)));
        break;
    case BS_INPUT_ZONED:
        fits = is_date(&at) && one(&at, " T") && is_time(&at) && is_zone(&at);
        break;
    case BS_INPUT_INTERVAL:
        return is_interval(literal);
    }
    return fits && *at == '\0';
}
