/*
 * lexcost.c - an upper bound, run by run; literals and comments count like operators.
 */
#include "sql/lexcost.h"

#include <string.h>

#define SHORT_TEXT 1024 /* cannot cost much */
#define SHORT_RUN  64
#define MAX_COST   UINT64_C(100000000)

static bool
is_operator(uint8_t c)
{
    return c != '\0' && strchr("~!@#^&|`?+-*/%<>=", c) != NULL;
}

/* How often the lexer may start again in one run. */
static uint64_t
restarts(const uint8_t *at, size_t n)
{
    uint64_t count = 0;
    bool comment = false; /* behind --, which ends an operator */

    for (size_t i = 0; i < n; i++) {
        uint8_t next = i + 1 < n ? at[i + 1] : 0;
        comment = comment || (at[i] == '-' && next == '-');
        if (at[i] == '/' && next == '*')
            count++;
        else if ((at[i] == '+' || at[i] == '-') && !comment)
            count++;
    }
    return count;
}

bool
bs_lex_is_slow(struct bs_bytes text)
{
    uint64_t cost = 0;

    for (size_t i = 0; text.n > SHORT_TEXT && i < text.n && cost <= MAX_COST; i++) {
        size_t from = i;
        while (i < text.n && is_operator(text.p[i]))
            i++;
        if (i - from >= SHORT_RUN)
            cost += restarts(text.p + from, i - from) * (i - from);
    }
    return cost > MAX_COST;
}
