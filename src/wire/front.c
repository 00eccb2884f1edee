/*
 * front.c - the table of front_msgs.h, and the one look-up in it.
 */
#include "wire/front.h"

enum limit {
    LIMIT_EMPTY = 0,
    LIMIT_SMALL,
    LIMIT_CAP,
    LIMIT_DATA,
};

struct rule {
    const char *name; /* NULL: no such message */
    uint32_t min;     /* bytes of body */
    enum limit max;
};

static const struct rule rules[256] = {
#define BS_FRONT(byte, NAME, min, max, section) [byte] = {#NAME, min, LIMIT_##max},
#include "wire/front_msgs.h"
#undef BS_FRONT
};

static uint32_t
max_body(enum limit limit, uint32_t cap)
{
    switch (limit) {
    case LIMIT_SMALL:
        return BS_FRONT_MAX_SMALL;
    case LIMIT_CAP:
        return cap;
    case LIMIT_DATA:
        return BS_FRAME_MAX_BODY;
    case LIMIT_EMPTY:
        break;
    }
    return 0;
}

enum bs_scan
bs_front_peek(struct bs_bytes in, uint32_t cap, struct bs_front_head *out, struct bs_err *err)
{
    struct bs_front_head head = {0};
    const struct rule *rule;
    enum bs_scan got;

    /* The type is judged before the length arrives: what is not in the table is never waited for. */
    if (in.n > 0 && rules[in.p[0]].name == NULL) {
        *out = (struct bs_front_head){0};
        BS_FAIL(err, PROTOCOL, "invalid frontend message type %u", in.p[0]);
        return BS_SCAN_BAD;
    }
    got = bs_frame_peek(in, &head.type, &head.body_len, err);
    if (got != BS_SCAN_GOT) {
        if (got == BS_SCAN_BAD)
            *out = (struct bs_front_head){0};
        return got;
    }
    rule = &rules[head.type];
    if (head.body_len < rule->min) {
        *out = (struct bs_front_head){0};
        BS_FAIL(err, PROTOCOL, "%s has a body of %u bytes", rule->name, head.body_len);
        return BS_SCAN_BAD;
    }
    if (head.body_len > max_body(rule->max, cap)) {
        *out = rule->max == LIMIT_CAP ? head : (struct bs_front_head){0};
        BS_FAIL(err, LIMIT, "%s has a body of %u bytes, more than %u", rule->name, head.body_len,
                max_body(rule->max, cap));
        return BS_SCAN_BAD;
    }
    *out = head;
    return BS_SCAN_GOT;
}

const char *
bs_front_name(uint8_t type)
{
    return rules[type].name;
}
