/*
 * code.c - a scan for labels. What an identifier contains cannot look like a label, because its
 * blanks come escaped; and if it did, it could only add a function, never hide one.
 */
#include "catalog/code.h"

#include <stddef.h>
#include <string.h>

static const struct {
    const char *label; /* with the blank that ends it */
    size_t n;
    enum bs_code_ref ref;
} labels[] = {
#define LABEL(text, ref)                                                                           \
    {                                                                                              \
        text " ", sizeof(text), ref                                                                \
    }
    LABEL(":funcid", BS_CODE_FUNCTION),     LABEL(":opfuncid", BS_CODE_FUNCTION),
    LABEL(":aggfnoid", BS_CODE_FUNCTION),   LABEL(":winfnoid", BS_CODE_FUNCTION),
    LABEL(":hashfuncid", BS_CODE_FUNCTION), LABEL(":negfuncid", BS_CODE_FUNCTION),
    LABEL(":tsmhandler", BS_CODE_FUNCTION), LABEL(":resulttype", BS_CODE_TYPE),
    LABEL(":relid", BS_CODE_RELATION),      LABEL(":strength", BS_CODE_LOCK),
#undef LABEL
};

/* Digits only; anything else, or too large, is 0. */
static uint32_t
number(const char *at)
{
    uint64_t v = 0;

    for (; *at >= '0' && *at <= '9' && v <= UINT32_MAX; at++)
        v = v * 10 + (uint64_t)(*at - '0');
    return v > UINT32_MAX ? 0 : (uint32_t)v;
}

/* Only these two may be 0 for a function that is really there: the planner's own, filled later. */
static int
is_optional(size_t label)
{
    return strcmp(labels[label].label, ":hashfuncid ") == 0 ||
           strcmp(labels[label].label, ":negfuncid ") == 0;
}

enum bs_code_ref
bs_code_next(const char **at, uint32_t *oid)
{
    const char *p = *at;

    while ((p = strchr(p, ':')) != NULL) {
        for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++) {
            if (strncmp(p, labels[i].label, labels[i].n) != 0)
                continue;
            *oid = number(p + labels[i].n);
            if (*oid == 0 && (labels[i].ref != BS_CODE_FUNCTION || is_optional(i)))
                continue;
            *at = p + labels[i].n;
            return labels[i].ref;
        }
        p++;
    }
    *at += strlen(*at);
    return BS_CODE_END;
}

/* The end of the node that begins at `open`; braces inside names are escaped. */
static const char *
node_end(const char *open)
{
    int depth = 0;

    for (const char *p = open; *p != '\0'; p++) {
        if (*p == '\\' && p[1] != '\0')
            p++;
        else if (*p == '{')
            depth++;
        else if (*p == '}' && --depth == 0)
            return p;
    }
    return open + strlen(open);
}

bool
bs_code_is_constant(const char *tree, const char *at)
{
    static const char column[] = "{VAR ";
    const char *open = at, *end;

    while (open > tree && *open != '{')
        open--;
    end = node_end(open);
    for (const char *p = open; p < end; p++) {
        if (strncmp(p, column, sizeof(column) - 1) == 0)
            return false;
    }
    return true;
}
