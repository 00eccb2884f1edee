/*
 * kinds.c - the rows of kinds_table.h as an array.
 */
#include "sql/kinds.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

static const struct {
    const char *text, *is_high, *is_critical;
    enum bs_risk risk;
    enum bs_point point;
} kinds[BS_KIND_COUNT] = {
#define WORDS(text) text, text " is HIGH", text " is CRITICAL"
    [BS_KIND_UNKNOWN] = {WORDS("UNKNOWN"), BS_RISK_CRITICAL, BS_POINT_UNKNOWN},
#define BS_KIND(NAME, text, risk, point)                                                           \
    [BS_KIND_##NAME] = {WORDS(text), BS_RISK_##risk, BS_POINT_##point},
#include "sql/kinds_table.h"
#undef BS_KIND
#undef WORDS
};

static const char *const risks[] = {
    [BS_RISK_UNKNOWN] = "UNKNOWN",
    [BS_RISK_SAFE] = "SAFE",
    [BS_RISK_HIGH] = "HIGH",
    [BS_RISK_CRITICAL] = "CRITICAL",
};

static const char *const points[] = {
    [BS_POINT_UNKNOWN] = "unknown",       [BS_POINT_NONE] = "none", [BS_POINT_RECORD] = "record",
    [BS_POINT_STATE] = "state",           [BS_POINT_ROWS] = "rows", [BS_POINT_WHOLE] = "whole",
    [BS_POINT_DEFINITION] = "definition",
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static enum bs_kind
known(enum bs_kind kind)
{
    return (size_t)kind < COUNT(kinds) ? kind : BS_KIND_UNKNOWN;
}

const char *
bs_kind_name(enum bs_kind kind)
{
    return kinds[known(kind)].text;
}

const char *
bs_kind_is(enum bs_kind kind, enum bs_risk risk)
{
    return risk == BS_RISK_HIGH ? kinds[known(kind)].is_high : kinds[known(kind)].is_critical;
}

enum bs_kind
bs_kind_find(const char *name)
{
    for (size_t i = 1; i < COUNT(kinds); i++) {
        if (strcasecmp(kinds[i].text, name) == 0)
            return (enum bs_kind)i;
    }
    return BS_KIND_UNKNOWN;
}

enum bs_risk
bs_kind_risk(enum bs_kind kind)
{
    return kinds[known(kind)].risk;
}

enum bs_point
bs_kind_point(enum bs_kind kind)
{
    return kinds[known(kind)].point;
}

bool
bs_kind_renames(enum bs_kind kind)
{
    return kind == BS_KIND_RENAME || kind == BS_KIND_SET_SCHEMA ||
           kind == BS_KIND_ALTER_TYPE_RENAME_VALUE;
}

const char *
bs_risk_name(enum bs_risk risk)
{
    return (size_t)risk < COUNT(risks) ? risks[risk] : risks[BS_RISK_UNKNOWN];
}

enum bs_risk
bs_risk_find(const char *name)
{
    for (size_t i = 1; i < COUNT(risks); i++) {
        if (strcmp(risks[i], name) == 0)
            return (enum bs_risk)i;
    }
    return BS_RISK_UNKNOWN;
}

enum bs_risk
bs_risk_worse(enum bs_risk a, enum bs_risk b)
{
    if (a == BS_RISK_UNKNOWN || b == BS_RISK_UNKNOWN)
        return BS_RISK_UNKNOWN;
    return a > b ? a : b;
}

const char *
bs_point_name(enum bs_point point)
{
    return (size_t)point < COUNT(points) ? points[point] : points[BS_POINT_UNKNOWN];
}
