/*
 * parts.c - a list is checked whole before a view of it is handed out, so walking it later needs
 * no error path.
 */
#include "wire/parts.h"

bool
bs_part_value(struct bs_bytes *in, struct bs_value *out)
{
    struct bs_bytes left = *in;
    struct bs_value v = {0};
    uint32_t n;

    if (!bs_take_u32(&left, &n))
        return false;
    v.is_null = n == UINT32_MAX;
    /* Any other negative length is larger than a body can be, so it fails here. */
    if (!v.is_null && !bs_take_bytes(&left, n, &v.bytes))
        return false;
    *in = left;
    *out = v;
    return true;
}

bool
bs_part_values(struct bs_bytes *in, struct bs_values *out)
{
    struct bs_bytes left = *in;
    struct bs_bytes start;
    struct bs_value v;
    uint16_t n;

    if (!bs_take_u16(&left, &n))
        return false;
    start = left;
    for (size_t i = 0; i < n; i++) {
        if (!bs_part_value(&left, &v))
            return false;
    }
    *out = (struct bs_values){n, {start.p, start.n - left.n}};
    *in = left;
    return true;
}

bool
bs_part_oids(struct bs_bytes *in, struct bs_oids *out)
{
    struct bs_bytes left = *in;
    struct bs_oids oids;
    uint16_t n;

    if (!bs_take_u16(&left, &n) || !bs_take_bytes(&left, 4 * (size_t)n, &oids.raw))
        return false;
    oids.n = n;
    *in = left;
    *out = oids;
    return true;
}

enum bs_done
bs_part_malformed(const char *what, struct bs_err *err)
{
    return BS_FAIL(err, PROTOCOL, "malformed %s message", what);
}
