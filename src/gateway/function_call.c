/*
 * function_call.c - the table of functions. Their numbers are the server's since they are there
 * (pg_proc.dat); a server on which they meant something else would not be PostgreSQL.
 */
#include "gateway/function_call.h"

#include <inttypes.h>
#include <string.h>

/* clang-format off */
static const struct {
    uint32_t oid;
    const char *name;
    const char *args; /* bytes of each */
} table[] = {
    {952, "lo_open", "44"},   {953, "lo_close", "4"}, {954, "loread", "44"},
    {956, "lo_lseek", "444"}, {958, "lo_tell", "4"},
    {3170, "lo_lseek64", "484"}, {3171, "lo_tell64", "4"},
};
/* clang-format on */

/* The next argument, a whole number of so many bytes. The id of a large object has no sign. */
static bool
take_number(struct bs_values *values, char width, bool is_id, int64_t *out)
{
    struct bs_value value;
    uint32_t four;
    uint64_t eight;

    if (!bs_values_next(values, &value) || value.is_null || value.bytes.n != (size_t)(width - '0'))
        return false;
    if (width == '8') {
        if (!bs_take_u64(&value.bytes, &eight))
            return false;
        memcpy(out, &eight, sizeof(*out));
        return true;
    }
    if (!bs_take_u32(&value.bytes, &four))
        return false;
    *out = is_id || four <= INT32_MAX ? (int64_t)four : (int64_t)four - INT64_C(0x100000000);
    return true;
}

static const char *
text_of(size_t row, const struct bs_function_call *call, struct bs_arena *arena)
{
    const char *text = bs_arena_fmt(arena, "SELECT pg_catalog.%s(", table[row].name);
    struct bs_values values = call->values;
    int64_t number;

    for (size_t i = 0; text != NULL && table[row].args[i] != '\0'; i++) {
        if (bs_formats_at(&call->formats, i) != 1 ||
            !take_number(&values, table[row].args[i], row == 0 && i == 0, &number))
            return NULL;
        text = bs_arena_fmt(arena, "%s%s%" PRId64, text, i == 0 ? "" : ", ", number);
    }
    return text == NULL ? NULL : bs_arena_fmt(arena, "%s)", text);
}

const char *
bs_function_call_text(const struct bs_function_call *call, struct bs_arena *arena)
{
    for (size_t row = 0; row < sizeof(table) / sizeof(table[0]); row++) {
        if (table[row].oid == call->oid)
            return call->values.n == strlen(table[row].args) ? text_of(row, call, arena) : NULL;
    }
    return NULL;
}
