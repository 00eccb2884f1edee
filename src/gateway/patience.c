/*
 * patience.c - durations, as the configuration has them.
 */
#include "gateway/patience.h"

#include <stdio.h>
#include <string.h>

#include "policy/values.h"

bool
bs_patience_read(const char *wish, int64_t most_ms, int64_t *out_ms)
{
    int64_t ms = 0;

    *out_ms = most_ms;
    if (wish == NULL)
        return true;
    if ((strcmp(wish, "0") != 0 && !bs_value_duration(wish, &ms)) || ms > most_ms)
        return false;
    *out_ms = ms;
    return true;
}

void
bs_patience_format(int64_t ms, char out[BS_PATIENCE_TEXT])
{
    (void)snprintf(out, BS_PATIENCE_TEXT, ms % 1000 == 0 ? "%llds" : "%lldms",
                   (long long)(ms % 1000 == 0 ? ms / 1000 : ms));
}
